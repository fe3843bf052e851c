"""Rows as `compare` gives them, for tests of tables."""

import numpy as np
import pandas as pd

SEEDS = range(8)


def rows_of(scores, n_train=8, **columns):
    """Rows as `compare` gives them: {method: function of (seed, task) -> score}; 12 tasks."""
    one = {
        "benchmark": "b", "llm": "simulated:small", "simulated": True, "constants": "c", "n_train": n_train,
        "status": "ok", "tokens_call_mean": 10.0, "tokens_call_max": 12_000.0, "tokens_optimiser": 20,
        "tokens_all_in": 30, "calls": 3, "rules": 2, "dropped": 0, "usd": np.nan, "overlap": 0.5, "gate": "none",
    }  # fmt: skip
    made = []
    for method, score in scores.items():
        for seed in SEEDS:
            found = {f"t{task}": float(score(seed, task)) for task in range(12)}
            line = {**one, "method": method, "seed": seed, "scores": found, "score": np.mean(list(found.values()))}
            made.append({**line, **{name: f(method, seed) for name, f in columns.items()}})
    return pd.DataFrame(made)


def noisy(rate, shift=0):
    """Right at about a rate, by a fixed pattern that differs from seed to seed and from task to task."""
    return lambda seed, task: (7 * seed + 5 * task + 3 * seed * task + shift * seed) % 24 < 24 * rate
