"""From a benchmark and an LLM to results: one run, many side by side, and their tables."""
