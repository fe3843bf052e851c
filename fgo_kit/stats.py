"""Intervals, paired comparisons and power. Undefined is NaN, never 0.

Means and differences come from one model, in which tasks, seeds and, from three on, worlds are drawn at random. Its
standard error and Student's t give the interval and the p value alike: p is below .05 where the 95 % interval leaves
out zero, and only there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .records.later import Later

_SPECIAL = Later("scipy.special")
FEWEST_WORLDS = 3
"""From so many on, worlds are a sample of worlds; results of fewer speak of these alone."""


@dataclass(frozen=True)
class Interval:
    """A point estimate with its interval, and of a difference the two-sided p that it is zero."""

    value: float
    lo: float
    hi: float
    p: float = math.nan

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} [{100 * self.lo:.1f}, {100 * self.hi:.1f}]"

    def within(self, lo: float, hi: float) -> Interval:
        """The same with bounds cut to what the figure can be; Student's t of few seeds reaches far beyond.

        >>> str(Interval(0.9, 0.7, 1.1).within(0, 1))
        '90.0 [70.0, 100.0]'
        """
        lo, hi = np.clip([self.lo, self.hi], lo, hi).tolist()
        return replace(self, lo=lo, hi=hi)


UNDEFINED = Interval(math.nan, math.nan, math.nan)


# -- one rate, one mean


def wilson(successes: float, trials: int, level: float = 0.95) -> Interval:
    """Wilson score interval for one rate (Wilson 1927); NaN for no trials.

    >>> str(wilson(8, 10))
    '80.0 [49.0, 94.3]'
    """
    if trials == 0:
        return UNDEFINED
    z, rate = _z(level), successes / trials
    centre = (rate + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * np.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2))
    lo, hi = max(0.0, min(rate, centre - half)), min(1.0, max(rate, centre + half))  # but for rounding, it is so
    return Interval(float(rate), float(lo), float(hi))


def mean_interval(worlds: Sequence[np.ndarray], level: float = 0.95) -> Interval:
    """Mean score with its interval.

    worlds: an array (seeds x tasks) of scores for every world, i.e. data set with tasks of its own; row i is the same
    seed in all of them, and NaN cells are left out. Tasks and seeds are random and cross each other (Owen 2007). From
    `FEWEST_WORLDS` on worlds are random too, and seeds cross them; the estimand is then the expected score of a new
    seed on a new task of a new world, else that of a new task of one of these worlds, all of the same weight.

    Student's t with the freedom that goes with the standard error (Satterthwaite 1946). Scores within [0, 1] have an
    interval within it. Where all are 0, or all 1, it is Wilson's for the number of tasks: seeds on one task are no
    trials of their own. Of other scores that do not vary, and of one single cell, nothing is known: the bounds are NaN.
    """
    cells = np.concatenate([np.ravel(world) for world in worlds]) if len(worlds) else np.empty(0)
    cells = cells[np.isfinite(cells)]
    if len(cells) and (np.all(cells == 0) or np.all(cells == 1)):
        tasks = sum(_known_part(world).shape[-1] for world in worlds)
        return wilson(float(cells[0]) * tasks, tasks, level)
    mean = replace(_estimated(worlds, level), p=math.nan)
    return mean.within(0, 1) if len(cells) and cells.min() >= 0 and cells.max() <= 1 else mean


def over_seeds(values: Sequence[float], seeds: Sequence[int], weights: Sequence[float] | None = None) -> Interval:
    """Mean with a 95 % interval over seeds: values of one seed stay together, as they share their luck.

    Student's t for the ratio of seed totals (Cochran 1977, 6.3). weights: how much each value counts, e.g. rules
    written where values are shares kept. NaN values are left out; without any left, all is NaN, and the
    interval is with values of fewer than two seeds. Values within [0, 1] have an interval within it.

    >>> over_seeds([0.5, 0.5, 1.0, 0.0], [1, 1, 2, 2]).value
    0.5
    """
    given = np.asarray(values, float)
    counted = np.ones_like(given) if weights is None else np.asarray(weights, float)
    known = np.isfinite(given) & (counted > 0)
    if not known.any():
        return UNDEFINED
    given, counted = given[known], counted[known]
    _, seed = np.unique(np.asarray(seeds)[known], return_inverse=True)
    of_seed, weight = np.bincount(seed, given * counted), np.bincount(seed, counted)
    mean, n = float(of_seed.sum() / weight.sum()), len(weight)
    if n < 2:
        return Interval(mean, math.nan, math.nan)
    rest = ((of_seed - mean * weight) ** 2).sum()
    half = float(_t(0.95, n - 1) * np.sqrt(n / (n - 1) * rest) / weight.sum())
    interval = Interval(mean, mean - half, mean + half)
    return interval.within(0, 1) if given.min() >= 0 and given.max() <= 1 else interval


def paired_difference(
    a: Sequence[np.ndarray], b: Sequence[np.ndarray] | None = None, level: float = 0.95, comparisons: int = 1
) -> Interval:  # fmt: skip
    """Mean of `a - b` for runs on the same worlds, seeds and tasks, with its p and its interval as in `mean_interval`.

    Without b, `a` holds the differences. comparisons: how many are looked at together. Their intervals then hold all at
    once at `level`, and p is multiplied by their number: Bonferroni's correction for both. Holm's would reject a little
    more, but has no intervals that say the same as its p values; Bonferroni's do, whatever the differences share.
    Differences that are the same in every cell, zero or not, say nothing of their noise: bounds and p are NaN.

    >>> found = paired_difference([np.array([[1.0, 1, 1, 0], [1, 1, 0, 1]])])
    >>> str(found), round(found.p, 3)
    ('75.0 [-0.2, 150.2]', 0.05)
    """
    apart = [x - y for x, y in zip(a, b, strict=True)] if b is not None else a
    return _estimated(apart, 1 - (1 - level) / comparisons, comparisons)


def _estimated(worlds: Sequence[np.ndarray], level: float, comparisons: int = 1) -> Interval:
    if len(known := [world for world in worlds if np.isfinite(world).any()]) >= FEWEST_WORLDS:
        worlds = [_means_of_seeds(known)]
    worlds = [world for world in map(_known_part, worlds) if world.size]
    if not worlds:
        return UNDEFINED
    value = float(np.mean([np.nanmean(world) for world in worlds]))
    error, freedom = _standard_error(worlds)
    if not error > 0 or not any(np.nanmax(world) - np.nanmin(world) > 1e-12 for world in worlds):  # but for rounding
        return Interval(value, math.nan, math.nan)
    half = error * _t(level, freedom)
    p = float(2 * _SPECIAL.stdtr(min(freedom, 1e9), -abs(value) / error))  # stdtr knows no infinite freedom
    return Interval(value, value - half, value + half, min(1.0, comparisons * p))


def _means_of_seeds(worlds: Sequence[np.ndarray]) -> np.ndarray:
    """Mean of every seed in every world (seeds x worlds): the cells of the model whose worlds are random."""
    known = [np.isfinite(world) for world in worlds]
    totals = [np.where(cells, world, 0.0).sum(axis=1) for cells, world in zip(known, worlds, strict=True)]
    counts = [cells.sum(axis=1) for cells in known]
    return np.array([np.where(n > 0, t / np.maximum(n, 1), np.nan) for t, n in zip(totals, counts, strict=True)]).T


def _known_part(world: np.ndarray) -> np.ndarray:
    """The scores without seeds and tasks of which nothing is known."""
    world = np.asarray(world, float)
    world = world[np.isfinite(world).any(axis=1)] if world.size else world
    return world[:, np.isfinite(world).any(axis=0)] if world.size else world


def _standard_error(worlds: Sequence[np.ndarray]) -> tuple[float, float]:
    """Standard error of the mean over worlds and its degrees of freedom; NaN where nothing is known of it."""
    parts = [part for world in worlds for part in _variance_parts(world)]
    variance = sum(part for part, _, _ in parts) / len(worlds) ** 2
    below = sum(square**2 / freedom for _, square, freedom in parts) / len(worlds) ** 4
    return float(np.sqrt(variance)), max(1.0, float(variance**2 / below)) if below > 0 else float("inf")


def _variance_parts(world: np.ndarray) -> list[tuple[float, float, int]]:
    """What tasks, seeds and single cells add to the variance of a world's mean.

    Each with the mean square it is estimated from, over the number of cells, and its degrees of freedom.
    """
    seeds, tasks = world.shape
    expected = np.nanmean(world, axis=0) + np.nanmean(world, axis=1)[:, None] - np.nanmean(world)
    filled = np.where(np.isfinite(world), world, expected)  # where a call failed
    if seeds == 1 or tasks == 1:
        only = float(filled.var(ddof=1)) / filled.size if filled.size > 1 else math.nan
        return [(only, only, max(1, filled.size - 1))]
    by_task, by_seed = filled.mean(axis=0), filled.mean(axis=1)
    rest = filled - by_task - by_seed[:, None] + filled.mean()
    free = (seeds - 1) * (tasks - 1)
    of_task, of_seed = float(by_task.var(ddof=1)) / tasks, float(by_seed.var(ddof=1)) / seeds
    of_cell = float((rest**2).sum()) / free / filled.size
    return [
        (max(0.0, of_task - of_cell), of_task, tasks - 1), (max(0.0, of_seed - of_cell), of_seed, seeds - 1),
        (of_cell, of_cell, free),
    ]  # fmt: skip


# -- power


def tasks_needed(effect: float, rate: float, power: float = 0.8, level: float = 0.95) -> int:
    """Tasks that two independent runs need for a gain of `effect` over `rate` to show (normal approximation).

    >>> tasks_needed(0.016, 0.80)
    9509
    """
    z = _z(level) + _z(2 * power - 1)
    other = rate + effect
    if not 0 <= rate <= 1 or not 0 <= other <= 1 or effect == 0:
        raise ValueError(f"effect={effect} over rate={rate} is no gain between two rates; use 0 < rate + effect <= 1")
    return int(np.ceil(z**2 * (rate * (1 - rate) + other * (1 - other)) / effect**2))


def paired_tasks_needed(effect: float, disagreement: float, power: float = 0.8, level: float = 0.95) -> int:
    """Tasks that two runs on the same tasks need for a gain of `effect` to show (Connor 1987).

    disagreement: the share of tasks that exactly one of the two gets right.

    >>> paired_tasks_needed(0.086, 0.30)
    317
    """
    if not 0 < abs(effect) <= disagreement <= 1:
        raise ValueError(f"effect={effect} with disagreement={disagreement}: use 0 < |effect| <= disagreement <= 1")
    most, enough = _z(level) * np.sqrt(disagreement), _z(2 * power - 1) * np.sqrt(disagreement - effect**2)
    return int(np.ceil(((most + enough) / effect) ** 2))


def detectable_difference(found: Interval, power: float = 0.8, level: float = 0.95) -> float:
    """Smallest true difference that a comparison with this (`level`) interval would have shown, whatever it found.

    The interval's half width is its standard error times a quantile; the effect needs that and the power's.
    """
    return float((found.hi - found.lo) / 2 * (1 + _z(2 * power - 1) / _z(level)))


def times_needed(found: Interval, margin: float, power: float = 0.8, level: float = 0.95) -> float:
    """How many times as much data, of all that is random, intervals like this one need to show equivalence.

    That is: to lie within +-margin with this power where there is no difference (normal approximation).

    >>> round(times_needed(Interval(0.01, -0.05, 0.07), margin=0.03), 1)
    10.9
    """
    return float(((found.hi - found.lo) / 2 / margin * (1 + _z(power) / _z(level))) ** 2)


def _z(level: float) -> float:
    return float(_SPECIAL.ndtri(0.5 + level / 2))


def _t(level: float, freedom: float) -> float:
    return float(_SPECIAL.stdtrit(freedom, 0.5 + level / 2)) if np.isfinite(freedom) else _z(level)
