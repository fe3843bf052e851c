"""One LLM call: who answers, what it costs, and the log that is cache, ledger, resume and replay."""
