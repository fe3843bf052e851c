"""What an interval says: the one rule for better, worse, equivalent, unclear, alike and not known, and its words.

Every table, figure and notebook takes its verdicts from here. That an interval holds zero is no evidence of no
difference: it is "unclear". Equivalence is a claim of its own: the whole interval lies within the margin that was
stated beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import numpy as np
import pandas as pd

from ..stats import Interval

MARGIN = 0.03
"""How large a difference in score would matter: three points."""


class Verdict(StrEnum):
    """What is known of a difference. ALIKE: the two were the same in every single case."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    UNCLEAR = "unclear"
    ALIKE = "alike"
    UNKNOWN = "not known"


def verdict(difference: Interval, margin: float = MARGIN) -> Verdict:
    """The verdict on a difference. margin: how large a difference would matter; a smaller one is none, however sure.

    >>> [str(verdict(Interval(*three))) for three in ((0.1, 0.05, 0.2), (0, -0.1, 0.1), (0, -0.01, 0.02))]
    ['better', 'unclear', 'equivalent']
    """
    if np.isnan(difference.lo) or np.isnan(difference.hi):
        return Verdict.ALIKE if difference.value == 0 else Verdict.UNKNOWN
    if -margin < difference.lo and difference.hi < margin:
        return Verdict.EQUIVALENT
    return Verdict.BETTER if difference.lo > 0 else Verdict.WORSE if difference.hi < 0 else Verdict.UNCLEAR


def intervals(table: pd.DataFrame, value: str) -> list[Interval]:
    """A column with its bounds, row by row: VALUE_lo and VALUE_hi where the table has them, else lo and hi."""
    bounds = [f"{value}_lo", f"{value}_hi"] if f"{value}_lo" in table else ["lo", "hi"]
    return [Interval(*row) for row in table[[value, *bounds]].to_numpy(float).tolist()]


def judged(table: pd.DataFrame, value: str) -> list[Verdict]:
    """The verdict of every row on the difference in a column (see `intervals`)."""
    return [verdict(difference) for difference in intervals(table, value)]


def counted(verdicts: Iterable[str], words: Iterable[str] = Verdict) -> str:
    """How often each verdict occurs, in the order of `Verdict`, or of other words for them.

    >>> counted(["unclear", "better", "unclear"])
    'better 1, unclear 2 of 3'
    """
    verdicts = list(verdicts)
    counts = [f"{word} {verdicts.count(word)}" for word in dict.fromkeys(words) if word in verdicts]
    return f"{', '.join(counts)} of {len(verdicts)}"


def headline(labels: Iterable[str], verdicts: Iterable[str], reference: str) -> str:
    """Which labels differ clearly from a reference, or clearly do not, as a figure's title.

    >>> headline(["a", "b", "c"], ["better", "unclear", "not known"], "base")
    'better than base: a; not known: c'
    >>> headline(["b"], ["unclear"], "base")
    'none clearly differs from base'
    """
    pairs = list(zip(labels, verdicts, strict=True))
    of = {name: ", ".join(label for label, found in pairs if found == name) for name in Verdict}
    words = {Verdict.BETTER: "than", Verdict.WORSE: "than", Verdict.EQUIVALENT: "to"}
    parts = [f"{name} {word} {reference}: {of[name]}" for name, word in words.items() if of[name]]
    if not parts and any(found != Verdict.UNKNOWN for _, found in pairs):
        parts = [f"none clearly differs from {reference}"]
    return "; ".join(parts + [f"not known: {of[Verdict.UNKNOWN]}"] * bool(of[Verdict.UNKNOWN]))


def highest(table: pd.DataFrame, value: str = "score", by: str = "method", least: bool = False) -> str:
    """The labels (column `by`) with the highest mean, or the least; marked where that is not clear.

    "(intervals overlap)": with another row's, or it has none. That is strict: two intervals that overlap a little can
    belong to a clear paired difference.

    >>> highest(pd.DataFrame({"method": ["a", "b"], "score": [0.6, 0.4], "lo": [0.5, 0.3], "hi": [0.7, 0.5]}))
    'a (intervals overlap)'
    """
    extreme = table[value].min() if least else table[value].max()
    top, rest = table[table[value] == extreme], table[table[value] != extreme]
    if top.empty:
        return "no run"
    best = intervals(top, value)  # several where they are equal
    clear = len(best) == 1 and all(i.hi < best[0].lo or i.lo > best[0].hi for i in intervals(rest, value))
    return f"{' and '.join(top[by])}{'' if clear else ' (intervals overlap)'}"
