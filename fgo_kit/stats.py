"""Intervals, paired comparisons and power. Undefined is NaN, never 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

RESAMPLES = 2_000
_quantile = NormalDist().inv_cdf


@dataclass(frozen=True)
class Interval:
    """A point estimate with its interval."""

    value: float
    lo: float
    hi: float

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} [{100 * self.lo:.1f}, {100 * self.hi:.1f}]"


def wilson(successes: float, trials: int, level: float = 0.95) -> Interval:
    """Wilson score interval for one rate (Wilson 1927); NaN for no trials.

    >>> str(wilson(8, 10))
    '80.0 [49.0, 94.3]'
    """
    if trials == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    z, rate = _quantile(0.5 + level / 2), successes / trials
    centre = (rate + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * np.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2))
    return Interval(float(rate), float(centre - half), float(centre + half))


def mean_interval(worlds: Sequence[np.ndarray], rng: np.random.Generator, level: float = 0.95) -> Interval:
    """Mean score with a bootstrap interval that resamples seeds and tasks within each world.

    worlds: one array (seeds x tasks) of scores for every data set; NaN cells are left out. The estimand
    is the mean over these worlds (taken as fixed) of the expected score of a new seed on a new task.
    """
    point = _mean_of(worlds)
    draws = [_mean_of([_resampled(world, rng) for world in worlds]) for _ in range(RESAMPLES)]
    return _percentiles(point, draws, level)


def paired_difference(
    a: Sequence[np.ndarray], b: Sequence[np.ndarray], rng: np.random.Generator, level: float = 0.95
) -> Interval:
    """Mean of `a - b` for runs on the same worlds, seeds and tasks; resampled as in `mean_interval`."""
    return mean_interval([x - y for x, y in zip(a, b, strict=True)], rng, level)


def tasks_needed(effect: float, rate: float, power: float = 0.8, level: float = 0.95) -> int:
    """Tasks that two independent runs need for a gain of `effect` over `rate` to show (normal approximation).

    >>> tasks_needed(0.016, 0.80)
    9509
    """
    z = _quantile(0.5 + level / 2) + _quantile(power)
    other = rate + effect
    if not 0 <= rate <= 1 or not 0 <= other <= 1 or effect == 0:
        raise ValueError(f"effect={effect} over rate={rate} is no gain between two rates; use 0 < rate + effect <= 1")
    return int(np.ceil(z**2 * (rate * (1 - rate) + other * (1 - other)) / effect**2))


def _mean_of(worlds: Sequence[np.ndarray]) -> float:
    means = [float(np.nanmean(world)) for world in worlds if np.isfinite(world).any()]
    return float(np.mean(means)) if means else float("nan")


def _resampled(world: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    seeds = rng.integers(world.shape[0], size=world.shape[0])
    tasks = rng.integers(world.shape[1], size=world.shape[1])
    return world[np.ix_(seeds, tasks)]


def _percentiles(point: float, draws: list[float], level: float) -> Interval:
    if not np.isfinite(draws).any():
        return Interval(point, float("nan"), float("nan"))
    lo, hi = np.nanpercentile(draws, [50 * (1 - level), 50 * (1 + level)])
    return Interval(point, float(lo), float(hi))
