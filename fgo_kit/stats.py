"""Intervals, paired comparisons and power. Undefined is NaN, never 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2_000


@dataclass(frozen=True)
class Interval:
    """A point estimate with its interval."""

    value: float
    lo: float
    hi: float

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} [{100 * self.lo:.1f}, {100 * self.hi:.1f}]"

    def within(self, lo: float, hi: float) -> Interval:
        """The same with bounds cut to what the figure can be; Student's t of few seeds reaches far beyond.

        >>> Interval(0.9, 0.7, 1.1).within(0, 1)
        Interval(value=0.9, lo=0.7, hi=1.0)
        """
        return Interval(self.value, *np.clip([self.lo, self.hi], lo, hi).tolist())


UNDEFINED = Interval(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class McNemar:
    """Two runs on the same tasks: what only the first, and only the second, got right; the exact two-sided p."""

    first_only: int
    second_only: int
    p: float


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


def mean_interval(worlds: Sequence[np.ndarray], rng: np.random.Generator, level: float = 0.95) -> Interval:
    """Mean score with a bootstrap interval that resamples seeds and tasks within each world.

    worlds: one array (seeds x tasks) of scores for every data set; NaN cells are left out. The estimand
    is the mean over these worlds (taken as fixed) of the expected score of a new seed on a new task.

    Resampling both ways counts the noise of single cells three times and, with few seeds, that of the seeds
    too low (Owen 2007), so the percentiles are stretched about the mean to the standard error of the crossed
    random-effects model, times Student's t for its degrees of freedom (Satterthwaite 1946). Nominal 95 % then
    cover 93 to 97 % at 10 seeds. Scores within [0, 1] have an interval within it. Where all are 0, or all 1,
    it is Wilson's for the number of tasks: seeds on one task are no trials of their own. Of other scores that
    do not vary, and of one single cell, nothing is known: the bounds are NaN.
    """
    cells = np.concatenate([np.ravel(world) for world in worlds]) if len(worlds) else np.empty(0)
    cells = cells[np.isfinite(cells)]
    if len(cells) and (np.all(cells == 0) or np.all(cells == 1)):
        tasks = sum(_known_part(world).shape[-1] for world in worlds)
        return wilson(float(cells[0]) * tasks, tasks, level)
    mean = _bootstrap(worlds, rng, level)
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
        return Interval(mean, float("nan"), float("nan"))
    rest = ((of_seed - mean * weight) ** 2).sum()
    half = float(_t(0.95, n - 1) * np.sqrt(n / (n - 1) * rest) / weight.sum())
    interval = Interval(mean, mean - half, mean + half)
    return interval.within(0, 1) if given.min() >= 0 and given.max() <= 1 else interval


def paired_difference(
    a: Sequence[np.ndarray], b: Sequence[np.ndarray], rng: np.random.Generator, level: float = 0.95
) -> Interval:
    """Mean of `a - b` for runs on the same worlds, seeds and tasks, with an interval as in `mean_interval`.

    Differences that are the same in every cell, zero or not, say nothing of their noise: the bounds are NaN.
    """
    return _bootstrap([x - y for x, y in zip(a, b, strict=True)], rng, level)


def paired_t(a: np.ndarray, b: np.ndarray, level: float = 0.95) -> Interval:
    """Mean of `a - b` (seeds x tasks) with Student's t interval for the error and freedom of `paired_difference`.

    Without draws: for levels near 1, of many comparisons at once, which few draws reach.
    """
    known = _known_part(np.asarray(a, float) - b)
    if not known.size or not _varies([known]):
        return Interval(float(known.mean()) if known.size else float("nan"), float("nan"), float("nan"))
    error, freedom = _standard_error([known])
    value, half = float(np.nanmean(known)), error * _t(level, freedom)
    return Interval(value, float(value - half), float(value + half))


def paired_p(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> float:
    """Two-sided p that the mean of `a - b` is zero: Student's t with the error and freedom of `paired_difference`.

    NaN where the difference has no interval.

    >>> round(paired_p([np.array([[1.0, 1, 1, 0], [1, 1, 0, 1]])], [np.zeros((2, 4))]), 3)
    0.05
    """
    from scipy.special import stdtr

    worlds = [world for world in map(_known_part, [x - y for x, y in zip(a, b, strict=True)]) if world.size]
    if not worlds or not _varies(worlds):
        return float("nan")
    error, freedom = _standard_error(worlds)
    value = float(np.mean([np.nanmean(world) for world in worlds]))
    return float(2 * stdtr(min(freedom, 1e9), -abs(value) / error))  # stdtr knows no infinite freedom


def _bootstrap(worlds: Sequence[np.ndarray], rng: np.random.Generator, level: float) -> Interval:
    worlds = [world for world in map(_known_part, worlds) if world.size]
    if not worlds:
        return UNDEFINED
    value = float(np.mean([np.nanmean(world) for world in worlds]))
    error, freedom = _standard_error(worlds)
    if np.isnan(error) or not _varies(worlds):
        return Interval(value, float("nan"), float("nan"))
    draws = np.nanmean([_resampled_means(world, rng) for world in worlds], axis=0)
    spread = float(np.nanstd(draws))
    stretch = error * _t(level, freedom) / (spread * _z(level)) if spread > 0 else 0.0
    lo, hi = np.nanpercentile(draws, [50 * (1 - level), 50 * (1 + level)])
    return Interval(value, float(value + stretch * (lo - value)), float(value + stretch * (hi - value)))


def _varies(worlds: Sequence[np.ndarray]) -> bool:
    """Whether the cells of any world differ by more than rounding."""
    return any(np.nanmax(world) - np.nanmin(world) > 1e-12 for world in worlds)


def _known_part(world: np.ndarray) -> np.ndarray:
    """The scores without seeds and tasks of which nothing is known."""
    world = np.asarray(world, float)
    world = world[np.isfinite(world).any(axis=1)] if world.size else world
    return world[:, np.isfinite(world).any(axis=0)] if world.size else world


def _resampled_means(world: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """`RESAMPLES` means of as many seeds and as many tasks, both drawn with replacement."""
    seeds, tasks = world.shape
    of_seed = rng.multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES).astype(float)
    of_task = rng.multinomial(tasks, np.full(tasks, 1 / tasks), RESAMPLES).astype(float)
    known = np.isfinite(world)
    total = ((of_seed @ np.where(known, world, 0.0)) * of_task).sum(axis=1)
    cells = ((of_seed @ known) * of_task).sum(axis=1)
    return np.divide(total, cells, out=np.full(RESAMPLES, np.nan), where=cells > 0)


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
    filled = np.where(np.isfinite(world), world, _expected_cells(world))
    if seeds == 1 or tasks == 1:
        only = float(filled.var(ddof=1)) / filled.size if filled.size > 1 else float("nan")
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


def _expected_cells(world: np.ndarray) -> np.ndarray:
    """What the means of a seed and a task let one expect where a call failed."""
    return np.nanmean(world, axis=0) + np.nanmean(world, axis=1)[:, None] - np.nanmean(world)


# -- one pair of runs, many comparisons


def mcnemar(first: Sequence[float], second: Sequence[float]) -> McNemar:
    """Exact McNemar test of two runs on the same tasks, right-or-wrong scores; NaN pairs are left out.

    p is NaN where no pair is known and 1 where the runs agree on every task. ValueError for other scores.

    >>> mcnemar([1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0])
    McNemar(first_only=5, second_only=0, p=0.0625)
    """
    from scipy.stats import binomtest

    a, b = np.asarray(first, float), np.asarray(second, float)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"shapes {a.shape} and {b.shape} are no pairs; give one score a task of each run")
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known], b[known]
    if not set(np.concatenate([a, b])) <= {0.0, 1.0}:
        raise ValueError("McNemar's test takes right-or-wrong scores, 0 or 1; use paired_difference for others")
    ours, theirs = int((a > b).sum()), int((b > a).sum())
    p = float(binomtest(ours, ours + theirs).pvalue) if ours + theirs else 1.0
    return McNemar(ours, theirs, p if len(a) else float("nan"))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """p values adjusted for so many comparisons (Holm 1979), in the order given; NaN stays and does not count.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, float)
    if np.any((p < 0) | (p > 1)):
        raise ValueError(f"p values {p[(p < 0) | (p > 1)].tolist()[:5]} are outside 0..1")
    order = np.argsort(p)[: int(np.isfinite(p).sum())]  # NaN sorts last
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted = np.full(p.shape, np.nan)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps)) if len(order) else steps
    return adjusted


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


def detectable_effect(tasks: int, rate: float, power: float = 0.8, level: float = 0.95) -> float:
    """Smallest gain over `rate` that two independent runs of so many tasks show; NaN if none up to 100 % does.

    >>> round(detectable_effect(134, 0.80), 3)
    0.117
    """
    from scipy.optimize import brentq

    if tasks < 1 or not 0 <= rate < 1:
        raise ValueError(f"tasks={tasks} at rate={rate} show no gain; use tasks >= 1 and 0 <= rate < 1")
    z = _z(level) + _z(2 * power - 1)

    def beyond(effect: float) -> float:
        other = rate + effect
        return effect - z * np.sqrt((rate * (1 - rate) + other * (1 - other)) / tasks)

    least = brentq(beyond, 1e-9, 1 - rate) if beyond(1 - rate) >= 0 else float("nan")
    return float(least)  # pyright: ignore[reportArgumentType]


def detectable_difference(found: Interval, power: float = 0.8, level: float = 0.95) -> float:
    """Smallest true difference that a comparison with this (`level`) interval would have shown, whatever it found.

    The interval's half width is its standard error times a quantile; the effect needs that and the power's.
    """
    return float((found.hi - found.lo) / 2 * (1 + _z(2 * power - 1) / _z(level)))


def _z(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(0.5 + level / 2))


def _t(level: float, freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + level / 2)) if np.isfinite(freedom) else _z(level)
