"""One rule for all verdicts, and the words and titles that rest on it."""

import numpy as np
import pandas as pd
import pytest

from fgo_kit.report import Verdict, counted, differences, headline, highest, judged, verdict
from fgo_kit.stats import Interval

NAN = float("nan")


@pytest.mark.parametrize("bounds, margin, expected", [
    ((0.2, 0.1, 0.3), 0.03, "better"), ((-0.2, -0.3, -0.1), 0.03, "worse"), ((0.0, -0.1, 0.1), 0.03, "unclear"),
    ((0.1, 0.0, 0.2), 0.03, "unclear"),  # a bound at zero leaves nothing out
    ((0.0, NAN, NAN), 0.03, "alike"), ((0.2, NAN, NAN), 0.03, "not known"), ((NAN, NAN, NAN), 0.03, "not known"),
    ((0.0, -0.01, 0.02), 0.05, "equivalent"), ((0.0, -0.01, 0.05), 0.05, "unclear"), ((0.2, 0.1, 0.3), 0.05, "better"),
    ((0.02, 0.01, 0.03), 0.05, "equivalent"),  # a difference that does not matter, however sure
    ((0.02, 0.01, 0.03), 0.03, "better"), ((0.0, NAN, NAN), 0.05, "alike"),  # a bound at the margin is not within it
])  # fmt: skip
def test_the_rule_by_hand(bounds, margin, expected):
    assert verdict(Interval(*bounds), margin) == expected


def test_three_points_are_the_margin_unless_another_is_given():
    assert verdict(Interval(0.0, -0.029, 0.029)) == "equivalent" and verdict(Interval(0.0, -0.031, 0.029)) == "unclear"


def test_a_verdict_turns_round_with_its_difference():
    rng = np.random.default_rng(0)
    opposite = {"better": "worse", "worse": "better"}
    for lo, value, hi in np.sort(rng.normal(size=(50, 3))):
        there, back = verdict(Interval(value, lo, hi)), verdict(Interval(-value, -hi, -lo))
        assert back == opposite.get(there, there)


def test_a_column_is_judged_by_its_own_bounds_or_those_of_the_table():
    table = pd.DataFrame({"gain": [0.2, -0.1], "gain_lo": [0.1, -0.2], "gain_hi": [0.3, 0.1], "step": 0.2, "lo": -1.0, "hi": 1.0})
    assert judged(table, "gain") == [Verdict.BETTER, Verdict.UNCLEAR] and judged(table, "step") == [Verdict.UNCLEAR] * 2


def test_titles_follow_the_verdicts():
    assert headline(["a", "b", "c"], ["better", "worse", "alike"], "x") == "better than x: a; worse than x: b"
    assert headline(["a"], ["not known"], "x") == "not known: a"
    assert headline(["a", "b"], ["equivalent", "unclear"], "x") == "equivalent to x: a"
    assert counted(["alike"]) == "alike 1 of 1"


def test_the_highest_mean_is_marked_where_another_interval_overlaps():
    table = pd.DataFrame({"method": ["a", "b"], "score": [0.6, 0.4], "lo": [0.5, 0.3], "hi": [0.7, 0.45]})
    assert highest(table) == "a" and highest(table, least=True) == "b"
    assert highest(table.assign(hi=[0.7, 0.55])) == "a (intervals overlap)"
    assert highest(table.assign(lo=[0.5, NAN], hi=[0.7, NAN])) == "a (intervals overlap)"
    assert highest(table.assign(score=0.5)) == "a and b (intervals overlap)" and highest(table.assign(score=NAN)) == "no run"


def rows(**scores) -> pd.DataFrame:
    return pd.DataFrame([{"method": method, "seed": seed, "scores": dict(enumerate(map(float, tasks)))}
                         for method, by_seed in scores.items() for seed, tasks in enumerate(by_seed)])  # fmt: skip


def test_differences_are_paired_and_runs_that_are_the_same_are_alike():
    found = rows(a=["1110", "1011"], twin=["1110", "1011"], b=["0000", "0010"], none=[[], []])
    table = differences(found, [("a", "b"), ("a", "twin"), ("none", "b")])
    assert table["verdict"].tolist() == ["unclear", "alike", "not known"]  # two seeds: one paired difference
    assert table["difference"].tolist()[:2] == [0.625, 0.0] and np.isnan(table["difference"][2])
    assert table["lo"].min() >= -1 and table["hi"].max() <= 1


def test_intervals_of_several_differences_hold_together_unless_each_is_asked_for_itself():
    rng = np.random.default_rng(1)
    runs = {name: [(rng.random(40) < rate).astype(float) for _ in range(8)] for name, rate in (("a", 0.8), ("b", 0.4), ("c", 0.4))}
    found = pd.DataFrame([{"method": name, "seed": seed, "scores": dict(enumerate(cells))}
                          for name, by_seed in runs.items() for seed, cells in enumerate(by_seed)])  # fmt: skip
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    together, each = differences(found, pairs), differences(found, pairs, together=False)
    assert (together["lo"] < each["lo"]).all() and (together["hi"] > each["hi"]).all()
    assert together["p"].tolist() == pytest.approx(np.minimum(1, 3 * each["p"]).tolist())
    for table in (together, each):
        assert ((table["p"] < 0.05) == (table["lo"] > 0) | (table["hi"] < 0)).all()
    assert differences(found, [("a", "b")])["lo"][0] == each["lo"][0]
    assert together["verdict"].tolist()[:2] == ["better", "better"]
    assert differences(found, [("b", "a")], seeds=[0, 1, 2, 3])["verdict"].tolist() == ["worse"]
