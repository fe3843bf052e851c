"""One rule for all verdicts, and the words and titles that rest on it."""

import numpy as np
import pandas as pd
import pytest

from fgo_kit.report import Verdict, counted, differences, headline, highest, judged, verdict
from fgo_kit.report.verdicts import bounded, spelled
from fgo_kit.stats import Interval

NAN = float("nan")


@pytest.mark.parametrize("bounds, margin, expected", [
    ((0.2, 0.1, 0.3), 0.03, "better"), ((-0.2, -0.3, -0.1), 0.03, "worse"), ((0.0, -0.1, 0.1), 0.03, "unclear"),
    ((0.1, 0.0, 0.2), 0.03, "unclear"),  # a bound at zero leaves nothing out
    ((0.0, NAN, NAN), 0.03, "alike"), ((0.2, NAN, NAN), 0.03, Verdict.TOO_FEW), ((NAN, NAN, NAN), 0.03, "not known"),
    ((0.0, -0.01, 0.02), 0.05, "equivalent"), ((0.0, -0.01, 0.05), 0.05, "unclear"), ((0.2, 0.1, 0.3), 0.05, "better"),
    ((0.02, 0.01, 0.03), 0.05, "equivalent"),  # a difference that does not matter, however sure
    ((0.02, 0.01, 0.03), 0.03, "better"), ((0.0, NAN, NAN), 0.05, "alike"),  # a bound at the margin is not within it
])  # fmt: skip
def test_the_rule_by_hand(bounds, margin, expected):
    assert verdict(Interval(*bounds), margin) == expected


@pytest.mark.parametrize("value, half, least, few", [
    (0.3, 0.5, -1, False), (0.3, 0.99, -1, False), (0.3, 1.0, -1, True), (0.0, 7.0, -1, True), (0.9, NAN, -1, True),
    (0.7, 0.45, 0, False), (0.7, 0.5, 0, True),
])  # fmt: skip
def test_an_interval_as_wide_as_all_that_a_figure_can_be_is_none(value, half, least, few):
    whole = Interval(value, value - half, value + half, 0.9)
    for found in (bounded(whole, least), bounded(whole.within(least, 1), least)):  # cut before, or not
        assert (np.isnan(found.lo), np.isnan(found.hi)) == (few, few)
        assert found.value == value and found.p == 0.9
        assert few or (least <= found.lo <= value <= found.hi <= 1)
        assert (verdict(found) == Verdict.TOO_FEW) == few, "and never alike, where cells differ"


def test_no_interval_that_leaves_out_zero_is_lost():
    rng = np.random.default_rng(2)
    for value, half in zip(rng.uniform(-1, 1, 200), rng.uniform(0, 2, 200), strict=True):
        known = Interval(value, value - half, value + half)
        if verdict(known) in (Verdict.BETTER, Verdict.WORSE):
            assert verdict(bounded(known)) == verdict(known)


def test_too_few_seeds_are_said_and_counted_apart_from_what_is_not_known():
    assert spelled(Interval(0.1, NAN, NAN), "+.1f") == "+0.1 [too few seeds for an interval]"
    assert spelled(Interval(0.0, NAN, NAN), "+.1f") == "+0.0 [alike]" and spelled(Interval(0.0, NAN, NAN)).endswith("for an interval]")
    assert spelled(Interval(NAN, NAN, NAN)) == ""
    table = pd.DataFrame({"gain": [0.2, 0.0, 0.0, NAN], "gain_lo": NAN, "gain_hi": NAN, "gain_p": [NAN, 1.0, NAN, NAN]})
    assert counted(judged(table, "gain")) == "alike 1, too few seeds for an interval 2, not known 1 of 4"
    assert headline("abcd", judged(table, "gain"), "x") == (
        "none is significantly different from x; too few seeds for an interval: a, b; not known: d"
    )


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
    assert table["verdict"].tolist() == [Verdict.TOO_FEW, "alike", "not known"]
    assert table["difference"].tolist()[:2] == [0.625, 0.0] and np.isnan(table["difference"][2])
    assert table[["lo", "hi"]].isna().all(axis=None)


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


def test_three_labels_or_more_with_the_same_mean_are_counted_and_none_is_said_twice():
    table = pd.DataFrame({"method": ["a", "b", "b", "c"], "score": [0.6, 0.6, 0.6, 0.4], "lo": 0.3, "hi": 0.7})
    assert highest(table) == "a and b (intervals overlap)"
    assert highest(table.assign(score=0.6)) == "3 alike (intervals overlap)"
