"""Intervals and power against other implementations and quick simulations."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportion_confint, proportion_effectsize

from fgo_kit import stats
from fgo_kit.stats import mean_interval, paired_difference, tasks_needed, wilson

NAN = float("nan")


def rng(seed=0):
    return np.random.default_rng(seed)


@given(
    st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.sampled_from([0.8, 0.95, 0.99]),
)
def test_wilson_is_that_of_statsmodels(counts, level):
    successes, trials = counts
    found = wilson(successes, trials, level)
    lo, hi = proportion_confint(successes, trials, alpha=1 - level, method="wilson")
    assert (found.lo, found.hi) == pytest.approx((lo, hi), abs=1e-9)
    assert found.value == successes / trials


def test_no_trials_have_no_rate():
    found = wilson(0, 0)
    assert all(map(math.isnan, (found.value, found.lo, found.hi)))
    assert str(wilson(107, 134)) == "79.9 [72.3, 85.8]"


def simulated_world(generator, seeds, tasks, spread):
    """Right-or-wrong scores around .6, seeds x tasks; `spread` says how much those differ."""
    task = generator.normal(0, spread, tasks)
    run = generator.normal(0, spread / 3, seeds)
    return (generator.random((seeds, tasks)) < np.clip(0.6 + task + run[:, None], 0, 1)).astype(float)


@pytest.mark.parametrize("seeds, tasks, spread", [(8, 40, 0.1), (3, 60, 0.0)])
def test_the_interval_covers_the_mean_about_as_often_as_it_says(monkeypatch, seeds, tasks, spread):
    monkeypatch.setattr(stats, "RESAMPLES", 300)
    generator, hits, times = rng(1), 0, 100
    for _ in range(times):
        found = mean_interval([simulated_world(generator, seeds, tasks, spread)], generator)
        hits += found.lo <= 0.6 <= found.hi
    assert hits / times >= 0.90  # resampling both ways is a little wide, never narrow
    assert found.hi - found.lo < 0.35  # and still says something


def test_worlds_count_alike_and_missing_cells_are_left_out():
    worlds = [np.array([[1.0, NAN], [1.0, 0.0]]), np.zeros((2, 50))]
    found = mean_interval(worlds, rng())
    assert found.value == pytest.approx((2 / 3 + 0) / 2)
    assert 0 <= found.lo <= found.value <= found.hi <= 0.5


def test_the_same_generator_gives_the_same_interval():
    world = [rng(3).random((3, 20))]
    assert mean_interval(world, rng(4)) == mean_interval(world, rng(4))
    assert mean_interval(world, rng(4)) != mean_interval(world, rng(5))


def test_pairs_are_taken_as_pairs():
    generator = rng(2)
    base = (generator.random((5, 200)) < np.linspace(0.1, 0.9, 200)).astype(float)
    better = np.maximum(base, (generator.random((5, 200)) < 0.1).astype(float))
    found = paired_difference([better], [base], rng())
    assert found.value == pytest.approx(better.mean() - base.mean())
    assert found.lo > 0  # though the intervals of the two overlap
    assert mean_interval([base], rng()).hi > mean_interval([better], rng()).lo
    none = paired_difference([base], [base], rng())
    assert (none.value, none.lo, none.hi) == (0, 0, 0)


def test_a_pair_with_a_failed_call_is_left_out():
    a, b = np.array([[1.0, NAN, 1.0]]), np.array([[0.0, 0.0, NAN]])
    assert paired_difference([a], [b], rng()).value == 1.0


@pytest.mark.parametrize("worlds", [[], [np.full((2, 3), NAN)], [np.empty((1, 0))], [np.empty((0, 4))]])
def test_undefined_is_nan(worlds):
    found = mean_interval(worlds, rng())
    assert all(map(math.isnan, (found.value, found.lo, found.hi)))


@pytest.mark.parametrize("effect, rate", [(0.016, 0.8), (0.05, 0.6), (0.086, 0.5), (-0.04, 0.7), (0.02, 0.9)])
def test_power_is_about_that_of_statsmodels(effect, rate):
    size = abs(proportion_effectsize(rate + effect, rate))
    expected = NormalIndPower().solve_power(size, power=0.8, alpha=0.05, ratio=1.0)
    assert tasks_needed(effect, rate) == pytest.approx(expected, rel=0.03)


def test_more_power_needs_more_tasks_and_a_larger_effect_fewer():
    assert tasks_needed(0.05, 0.6, power=0.9) > tasks_needed(0.05, 0.6) > tasks_needed(0.1, 0.6)


@pytest.mark.parametrize("effect, rate", [(0.0, 0.5), (0.3, 0.8), (-0.6, 0.5), (0.1, 1.2), (NAN, 0.5)])
def test_effects_that_are_none_are_refused(effect, rate):
    with pytest.raises(ValueError, match="effect="):
        tasks_needed(effect, rate)
