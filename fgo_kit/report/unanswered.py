"""Test tasks without an answer: they are in no score, and tables and figures say so.

rows: those of `compare`. table: a `summary` of them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

MUCH = 0.02
"""The share of unanswered test tasks from which tables and figures say so."""


def unanswered(rows: pd.DataFrame) -> float:
    """The share of the test tasks of finished runs that have no score, because what was asked was not answered.

    >>> unanswered(pd.DataFrame({"scores": [{"a": 1.0, "b": float("nan")}, {"a": 0.0, "b": 1.0}]}))
    0.25
    """
    scores = _all_scores(rows)
    return float(np.isnan(scores).mean()) if scores else 0.0


def score_bounds(rows: pd.DataFrame) -> tuple[float, float]:
    """The mean score over the test tasks of finished runs if all without an answer were wrong, and if all were right.

    >>> score_bounds(pd.DataFrame({"scores": [{"a": 1.0, "b": float("nan")}, {"a": 0.0, "b": 1.0}]}))
    (0.5, 0.75)
    """
    scores = _all_scores(rows) or [np.nan]
    return float(np.nan_to_num(scores).mean()), float(np.nan_to_num(scores, nan=1.0).mean())


def _all_scores(rows: pd.DataFrame) -> list[float]:
    return [score for of_run in rows["scores"] for score in of_run.values()]


def most_unanswered(rows: pd.DataFrame) -> float:
    """The largest share of unanswered test tasks that a method has with an LLM on a benchmark."""
    groups = [name for name in ("benchmark", "llm", "method") if name in rows]
    return max((unanswered(part) for _, part in rows.groupby(groups)), default=0.0) if groups else unanswered(rows)


def noted(cell: str, share: float) -> str:
    """A cell that says so where much of what it rests on has no answer.

    >>> noted("50.0", 0.01), noted("50.0", 0.17)
    ('50.0', '50.0, 17 % unanswered')
    """
    return f"{cell}, {100 * share:.0f} % unanswered" if share > MUCH and cell else cell


def share_unanswered(table: pd.DataFrame, *methods: str) -> float:
    """The largest share of unanswered test tasks that one of these methods has in a summary."""
    chosen = table.loc[table["method"].isin(methods)]
    return float(chosen["unanswered"].fillna(0).max()) if "unanswered" in chosen else 0.0
