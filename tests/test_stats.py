"""Intervals and power against other implementations and quick simulations."""

import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportion_confint, proportion_effectsize

from fgo_kit import stats
from fgo_kit.stats import (
    Interval,
    detectable_difference,
    detectable_effect,
    holm,
    mcnemar,
    mean_interval,
    over_seeds,
    paired_difference,
    paired_tasks_needed,
    tasks_needed,
    wilson,
)

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
    assert 0 <= found.lo <= found.value <= found.hi <= 1  # exactly: figures take the distances


def test_no_trials_have_no_rate():
    found = wilson(0, 0)
    assert all(map(math.isnan, (found.value, found.lo, found.hi)))
    assert str(wilson(107, 134)) == "79.9 [72.3, 85.8]"


@pytest.mark.parametrize("tasks, of_task, of_seed", [(128, 0.2, 0.05), (128, 0.0, 0.0), (60, 0.1, 0.1), (128, 0.0, 0.2)])
def test_intervals_of_a_difference_cover_it_as_often_as_they_say_at_ten_seeds(monkeypatch, tasks, of_task, of_seed):
    monkeypatch.setattr(stats, "RESAMPLES", 200)

    def scores(generator, seeds, tasks):  # right or wrong, of a run that is better by .05 on average
        task, run = generator.uniform(-of_task, of_task, tasks), generator.uniform(-of_seed, of_seed, seeds)
        base = generator.uniform(0.35, 0.6, tasks)
        better = base + 0.05 + task + run[:, None]
        return (generator.random((seeds, tasks)) < better) * 1.0, (generator.random((seeds, tasks)) < base) * 1.0

    generator, times = rng(1), 300
    found = [paired_difference(*([one] for one in scores(generator, 10, tasks)), generator) for _ in range(times)]
    covered = sum(interval.lo <= 0.05 <= interval.hi for interval in found) / times
    assert 0.92 <= covered <= 0.98  # 93 to 97 %, and a standard error of 1.3 points of this count itself
    assert np.mean([interval.hi - interval.lo for interval in found]) < 0.25


def test_with_one_seed_the_interval_is_that_of_a_mean_over_tasks():
    scores = rng(5).normal(0.5, 0.2, 400)
    found = mean_interval([scores[None, :] * 2 - 0.3], rng())
    lo, hi = ttest_1samp(scores * 2 - 0.3, 0).confidence_interval()
    assert (found.lo, found.hi) == pytest.approx((lo, hi), abs=0.004)
    one_task = mean_interval([scores[:, None] * 2 - 0.3], rng())
    assert (one_task.lo, one_task.hi) == pytest.approx((lo, hi), abs=0.004)


def test_seeds_that_differ_as_a_whole_count_as_so_many_seeds():
    """Ten runs that differ only as a whole are ten numbers: Student's t with nine degrees of freedom."""
    means = rng(6).normal(0.0, 1.0, 10)
    found = mean_interval([np.repeat(means[:, None], 500, axis=1)], rng())
    lo, hi = ttest_1samp(means, 0).confidence_interval()
    assert found.hi - found.lo == pytest.approx(hi - lo, rel=0.05)
    assert found.value == pytest.approx(means.mean())


def test_scores_have_intervals_among_the_scores_and_a_single_cell_has_none():
    few = np.array([[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    found = mean_interval([few], rng())
    assert 0 <= found.lo < found.value < found.hi == 1.0
    assert paired_difference([few + 1], [few * 0], rng()).hi > 2
    alone = mean_interval([np.array([[0.4]])], rng())
    assert alone.value == 0.4 and math.isnan(alone.lo) and math.isnan(alone.hi)


def test_worlds_count_alike_and_missing_cells_are_left_out():
    worlds = [np.array([[1.0, NAN], [1.0, 0.0]]), np.zeros((2, 50))]
    found = mean_interval(worlds, rng())
    assert found.value == pytest.approx((2 / 3 + 0) / 2)
    assert 0 <= found.lo <= found.value <= found.hi <= 1


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


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_scores_that_are_all_alike_have_the_interval_of_so_many_tasks(score):
    found, tasks = mean_interval([np.full((3, 11), score)], rng()), wilson(11 * score, 11)
    assert found == tasks and found.hi - found.lo > 0.2
    both = mean_interval([np.full((3, 11), score), np.array([[score, NAN, score]])], rng())
    assert both == wilson(13 * score, 13)  # a task that failed is none


def test_without_any_variance_there_is_no_interval():
    for found in (
        paired_difference([np.ones((3, 11))], [np.ones((3, 11))], rng()),
        paired_difference([np.full((3, 11), 0.3)], [np.full((3, 11), 0.1)], rng()),
        mean_interval([np.full((3, 11), 0.4)], rng()),
        mean_interval([np.zeros((2, 4)), np.ones((2, 4))], rng()),
    ):
        assert math.isfinite(found.value) and math.isnan(found.lo) and math.isnan(found.hi)
    assert math.isnan(stats.paired_p([np.ones((3, 11))], [np.ones((3, 11))])) and math.isnan(stats.paired_p([], []))


def test_p_values_are_those_of_their_intervals():
    a, b = (rng(n).random((6, 40)) < rate for n, rate in ((7, 0.6), (8, 0.45)))
    p = stats.paired_p([a * 1.0], [b * 1.0])
    outside = paired_difference([a * 1.0], [b * 1.0], rng(), 1 - 1.6 * p)
    inside = paired_difference([a * 1.0], [b * 1.0], rng(), 1 - 0.6 * p)
    assert 1e-4 < p < 0.1 and outside.lo > 0 > inside.lo
    tasks = rng(5).normal(0.1, 1, 400)
    assert stats.paired_p([tasks[None, :]], [np.zeros((1, 400))]) == pytest.approx(ttest_1samp(tasks, 0).pvalue)


def test_p_values_of_nothing_are_below_five_per_cent_five_times_in_a_hundred_at_most():
    generator = rng(9)

    def scores():
        return [(generator.random((10, 60)) < 0.5 + generator.normal(0, 0.08, (10, 1))) * 1.0]

    found = [stats.paired_p(scores(), scores()) for _ in range(600)]
    assert 0.01 < np.mean(np.array(found) < 0.05) < 0.075


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


@pytest.mark.parametrize("disagreement", [0.15, 0.3, 0.5])
def test_pairs_need_the_tasks_that_a_simulation_says(disagreement):
    effect, generator = 0.08, rng(3)
    n = paired_tasks_needed(effect, disagreement)
    first = (disagreement + effect) / 2
    draws = generator.multinomial(n, [first, disagreement - first, 1 - disagreement], 1_500)
    found = np.mean([stats.mcnemar([1] * b + [0] * c, [0] * b + [1] * c).p < 0.05 for b, c, _ in draws[:400]])
    z = (draws[:, 0] - draws[:, 1]) / np.sqrt(np.maximum(1, draws[:, 0] + draws[:, 1]))
    assert np.mean(np.abs(z) > 1.96) == pytest.approx(0.8, abs=0.04)
    assert 0.65 < found <= 0.84  # the exact test is the more careful one


def test_the_paper_s_effects_need_fewer_tasks_in_pairs():
    for effect in (0.016, 0.086):
        assert paired_tasks_needed(effect, 0.2) < tasks_needed(effect, 0.8)


@pytest.mark.parametrize("effect, disagreement", [(0.0, 0.5), (0.3, 0.2), (0.1, 1.2), (NAN, 0.5)])
def test_pairs_that_cannot_be_are_refused(effect, disagreement):
    with pytest.raises(ValueError, match="effect="):
        paired_tasks_needed(effect, disagreement)


@given(st.integers(10, 20_000), st.floats(0.05, 0.9))
def test_the_detectable_effect_undoes_the_tasks_needed(tasks, rate):
    effect = detectable_effect(tasks, rate)
    if math.isnan(effect):  # not even 100 % would show
        assert tasks_needed(1 - rate, rate) >= tasks
    else:
        assert tasks_needed(effect, rate) == pytest.approx(tasks, abs=1)
    assert not detectable_effect(2 * tasks, rate) > effect


def test_a_gain_no_run_can_show_is_undefined_and_nonsense_is_refused():
    assert math.isnan(detectable_effect(2, 0.9))
    for tasks, rate in ((0, 0.5), (10, 1.0), (10, -0.1)):
        with pytest.raises(ValueError, match="show no gain"):
            detectable_effect(tasks, rate)


def test_what_an_interval_could_have_shown():
    assert detectable_difference(Interval(0.3, 0.3 - 0.0196, 0.3 + 0.0196)) == pytest.approx(0.028, abs=1e-4)
    assert math.isnan(detectable_difference(Interval(NAN, NAN, NAN)))


# -- tests


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_is_that_of_statsmodels(pairs):
    first, second = np.array(pairs, float).T
    table = [[((first == i) & (second == j)).sum() for j in (0, 1)] for i in (0, 1)]
    found = mcnemar(first, second)
    assert (found.second_only, found.first_only) == (table[0][1], table[1][0])
    assert found.p == pytest.approx(their_mcnemar(table, exact=True).pvalue)
    assert mcnemar(second, first).p == found.p


def test_mcnemar_leaves_out_failed_calls_and_refuses_other_scores():
    assert mcnemar([1, NAN, 1], [0, 0, NAN]) == stats.McNemar(1, 0, 1.0)
    assert math.isnan(mcnemar([NAN], [1]).p) and math.isnan(mcnemar([], []).p)
    assert mcnemar([1, 0], [1, 0]).p == 1.0
    with pytest.raises(ValueError, match="right-or-wrong"):
        mcnemar([0.5], [1])
    with pytest.raises(ValueError, match="no pairs"):
        mcnemar([1, 0], [1])


@pytest.mark.parametrize("many", [1, 5, 12])
def test_holm_is_that_of_statsmodels(many):
    for p_values in rng(many).random((2, many)) ** 3:
        assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_undefined_comparisons_do_not_count():
    found = holm([0.02, NAN, 0.03])
    assert found[[0, 2]] == pytest.approx([0.04, 0.04]) and math.isnan(found[1])
    assert math.isnan(holm([NAN])[0]) and holm([]).size == 0
    with pytest.raises(ValueError, match="outside 0..1"):
        holm([0.5, 1.5])


# -- real data: success of 134 ALFWorld games, 7 trials of a base agent and 15 of Reflexion


@pytest.fixture(scope="module")
def reflexion():
    file = Path(os.environ.get("FGO_SHARED_DATA", "")) / "trajectories" / "reflexion_alfworld_success.csv"
    if not os.environ.get("FGO_SHARED_DATA") or not file.is_file():
        pytest.skip("needs real results: set FGO_SHARED_DATA to the folder of trajectories/reflexion_alfworld_success.csv")
    rows = pd.read_csv(file)
    return {name: part.pivot(index="trial", columns="env", values="success") for name, part in rows.groupby("method")}


def test_real_results_give_the_intervals_of_statsmodels(reflexion):
    for table in reflexion.values():
        assert table.shape[1] == 134
        for _, trial in table.iterrows():
            found = wilson(trial.sum(), 134)
            assert (found.lo, found.hi) == pytest.approx(proportion_confint(trial.sum(), 134, method="wilson"))


def test_a_real_gain_shows_in_pairs_and_the_smallest_of_the_paper_does_not(reflexion):
    base, last = reflexion["base"].iloc[0].to_numpy(), reflexion["reflexion"].iloc[-1].to_numpy()
    table = [[int(((base == i) & (last == j)).sum()) for j in (0, 1)] for i in (0, 1)]
    found = mcnemar(last, base)
    assert found.p == pytest.approx(their_mcnemar(table, exact=True).pvalue) and found.p < 0.001
    gain = paired_difference([last[None, :]], [base[None, :]], rng())
    assert gain.value == pytest.approx(last.mean() - base.mean()) and gain.lo > 0
    assert gain.lo < wilson(last.sum(), 134).value - base.mean() < gain.hi
    assert detectable_effect(134, float(base.mean())) > 0.016
    assert tasks_needed(0.016, float(base.mean())) > 134 * 50


def test_trials_of_the_base_agent_are_about_alike(reflexion):
    """Adjusted for all comparisons with the first trial; the file's base trials carry memory of failures only."""
    trials = reflexion["base"].to_numpy()
    p_values = [mcnemar(trials[0], other).p for other in trials[1:]]
    assert np.all(holm(p_values) >= np.array(p_values))
    whole = mean_interval([trials], rng())
    assert whole.lo < trials.mean() < whole.hi
    assert whole.hi - whole.lo < 2 * (wilson(trials[0].sum(), 134).hi - wilson(trials[0].sum(), 134).lo)


def test_an_interval_over_seeds_by_hand():
    found = over_seeds([1, 2, 3, 4], [0, 0, 1, 1])  # means 1.5 and 3.5 of two seeds, t(1) = 12.706
    assert found.value == 2.5 and found.hi == pytest.approx(2.5 + 12.706 * 1.0, abs=0.01)
    weighted = over_seeds([1.0, 0.0, np.nan], [0, 1, 2], [3, 1, 5])
    assert weighted.value == 0.75 and weighted.lo == 0.0 and weighted.hi == 1.0  # a share stays one
    alone = over_seeds([0.2, 0.4], [7, 7])
    assert alone.value == pytest.approx(0.3) and np.isnan(alone.lo)
    assert np.isnan(over_seeds([np.nan], [0]).value)


def test_intervals_over_seeds_cover():
    rng = np.random.default_rng(5)
    seeds = np.repeat(np.arange(10), 4)
    hits = 0
    for _ in range(400):
        found = over_seeds(rng.normal(size=10)[seeds] + rng.normal(size=40), seeds)
        hits += found.lo <= 0 <= found.hi
    assert 0.92 <= hits / 400 <= 0.98
