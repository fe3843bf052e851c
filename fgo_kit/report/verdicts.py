"""What an interval says: the one rule for better, worse, equivalent, unclear, alike and too few seeds, and its words.

Every table, figure and notebook takes its verdicts from here. That an interval holds zero is no evidence of no
difference: it is "unclear". Equivalence is a claim of its own: the whole interval lies within the margin that was
stated beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum

import numpy as np
import pandas as pd

from ..stats import Interval

MARGIN = 0.03
"""How large a difference in score would matter: three points."""


class Verdict(StrEnum):
    """What is known of a difference. ALIKE: the two were the same in every single case. TOO_FEW: there is a difference
    and no interval of use (see `bounded`). UNKNOWN: there is no difference, as of a run that failed."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    UNCLEAR = "unclear"
    ALIKE = "alike"
    TOO_FEW = "too few seeds for an interval"
    UNKNOWN = "not known"


def bounded(found: Interval, least: float = -1, most: float = 1) -> Interval:
    """An interval cut to what the figure can be. Bounds are NaN where there are too few seeds for an interval of use.

    That is so of fewer than two values of what varies, which have none, and where it is no narrower than all that the
    figure can be: Student's t of few seeds reaches far beyond. No such interval leaves out zero; its p stays.

    >>> bounded(Interval(0.3, -0.2, 0.8)).lo, bounded(Interval(0.3, -0.8, 1.4)).lo
    (-0.2, nan)
    """
    half = np.max([found.value - found.lo, found.hi - found.value])  # before it was cut, if it was
    return found.within(least, most) if 2 * half < most - least else replace(found, lo=math.nan, hi=math.nan)


def spelled(found: Interval, form: str = ".1f") -> str:
    """An estimate with its bounds, or with the reason why there are none; form: of each number, with "+" a difference.

    >>> spelled(Interval(0.5, 0.25, 0.75), ".2f"), spelled(Interval(0.5, math.nan, math.nan), "+.2f")
    ('0.50 [0.25, 0.75]', '+0.50 [too few seeds for an interval]')
    """
    if np.isnan(found.value):
        return ""
    none = verdict(found) if form.startswith("+") else Verdict.TOO_FEW
    return f"{found.value:{form}} [{none if np.isnan(found.lo) else f'{found.lo:{form}}, {found.hi:{form}}'}]"


def verdict(difference: Interval, margin: float = MARGIN) -> Verdict:
    """The verdict on a difference. margin: how large a difference would matter; a smaller one is none, however sure.

    >>> [str(verdict(Interval(*three))) for three in ((0.1, 0.05, 0.2), (0, -0.1, 0.1), (0, -0.01, 0.02))]
    ['better', 'unclear', 'equivalent']
    """
    if np.isnan(difference.lo) or np.isnan(difference.hi):
        alike = difference.value == 0 and np.isnan(difference.p)  # a p is had of cells that vary alone
        return Verdict.ALIKE if alike else Verdict.UNKNOWN if np.isnan(difference.value) else Verdict.TOO_FEW
    if -margin < difference.lo and difference.hi < margin:
        return Verdict.EQUIVALENT
    return Verdict.BETTER if difference.lo > 0 else Verdict.WORSE if difference.hi < 0 else Verdict.UNCLEAR


def intervals(table: pd.DataFrame, value: str) -> list[Interval]:
    """A column with its bounds, row by row: VALUE_lo and VALUE_hi where the table has them, else lo and hi; so for p,
    where there is one."""
    prefix = f"{value}_" if f"{value}_lo" in table else ""
    names = [value, f"{prefix}lo", f"{prefix}hi", *([f"{prefix}p"] if f"{prefix}p" in table else [])]
    return [Interval(*row) for row in table[names].to_numpy(float).tolist()]


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
    """Which labels are significantly different from a reference, or equivalent to it, as a figure's title.

    >>> headline(["a", "b", "c"], ["better", "unclear", "not known"], "base")
    'better than base: a; not known: c'
    >>> headline(["b"], ["unclear"], "base")
    'none is significantly different from base'
    """
    pairs = list(zip(labels, verdicts, strict=True))
    of = {name: ", ".join(label for label, found in pairs if found == name) for name in Verdict}
    words = {Verdict.BETTER: "than", Verdict.WORSE: "than", Verdict.EQUIVALENT: "to"}
    parts = [f"{name} {word} {reference}: {of[name]}" for name, word in words.items() if of[name]]
    none = (Verdict.TOO_FEW, Verdict.UNKNOWN)
    if not parts and any(found not in none for _, found in pairs):
        parts = [f"none is significantly different from {reference}"]
    return "; ".join(parts + [f"{name}: {of[name]}" for name in none if of[name]])


def highest(table: pd.DataFrame, value: str = "score", by: str = "method", least: bool = False) -> str:
    """The labels (column `by`) with the highest mean, or the least, or how many; marked where that is not clear.

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
    labels = list(dict.fromkeys(top[by]))
    named = " and ".join(labels) if len(labels) <= 2 else f"{len(labels)} alike"
    return f"{named}{'' if clear else ' (intervals overlap)'}"
