"""The simulated LLM: published limits, a chat model built on them, and a loopback server in front of it."""
