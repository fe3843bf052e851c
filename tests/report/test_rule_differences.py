"""Two runs compared: which rules one lacks, in other words or altogether, and which test tasks flip."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import pytest
from helpers import module, small_bench

import fgo_kit as fgo
from fgo_kit.algorithm.context import Judged
from fgo_kit.calls.log import CallLog, Place
from fgo_kit.records import MergeNode, Rule, Task, Trajectory
from fgo_kit.report import flipped_tasks, rule_differences
from fgo_kit.report.rule_differences import ancestry
from fgo_kit.runs.result import Run
from fgo_kit.runs.state import State


def made(name, scores, rules=(), cited=None, tree=None, private=False, **config):
    """A run with test scores by task, the rules of its module, and what its trajectories cite."""
    cited = cited or {}
    record = [Judged(Place("test", task=task), Trajectory(task, (), f"{name} says", score, cited.get(task, ()), private=private))
              for task, score in scores.items()]  # fmt: skip
    tasks = tuple(Task(task, "", "gold", private=private) for task in scores)
    state = State(module(*rules), record, [], None, tree, tasks)
    config = {"method": "fgo", "benchmark": "tiny", "llm": "scripted", "simulated": True, "seed": 0, **config}
    return Run(name, config, state, CallLog(None))


SHARED, AGAIN = Rule("s1.1", "Say None."), Rule("x.1", "say  none.")
REWORDED, BEFORE = Rule("m1.1", "Take the code after any ref", ("t7",), ("s1.2", "s2.1")), Rule("x.2", "take the code after our ref")
OWN = Rule("s2.2", "Quite another thing", ("t8", "t9"), origin="s2", right=2, wrong=1)
LEAVES = (MergeNode("s1", module(SHARED, Rule("s1.2", "take the code", origin="s1"))),
          MergeNode("s2", module(Rule("s2.1", "take the ref", origin="s2"), OWN)))  # fmt: skip
TREE = MergeNode("m1", module(SHARED, REWORDED, OWN), LEAVES, "merged")
FIRST = made("first", {"t1": 1.0, "t2": 0.0, "t3": 1.0, "t4": 1.0, "t5": math.nan}, (SHARED, REWORDED, OWN),
             {"t1": ("s2.2", "s1.1"), "t2": ("m1.1",)}, TREE)  # fmt: skip
SECOND = made("second", {"t1": 0.0, "t2": 1.0, "t3": 1.0, "t4": 0.2, "t5": 1.0, "t6": 1.0}, (AGAIN, BEFORE), {"t2": ("x.2",)})


def test_rules_of_the_same_words_are_one_and_reworded_ones_have_their_nearest():
    table = rule_differences(FIRST, SECOND)
    assert table[["run", "rule", "nearest"]].to_numpy().tolist() == [["a", "m1.1", "x.2"], ["a", "s2.2", ""], ["b", "x.2", "m1.1"]]
    assert table["likeness"].tolist() == [pytest.approx(5 / 7), 0.0, pytest.approx(5 / 7)]
    assert table["nearest_text"].tolist() == [BEFORE.text, "", REWORDED.text]
    assert table["subsets"].tolist()[:2] == [["s1", "s2"], ["s2"]] and table["support"].tolist()[1] == ["t8", "t9"]
    assert rule_differences(FIRST, FIRST).empty


def test_flipped_tasks_have_both_answers_and_the_differing_rules_that_applied():
    table = flipped_tasks(FIRST, SECOND)
    assert table[["task", "right", "answer_a", "answer_b"]].to_numpy().tolist() == [
        ["t1", "a", "first says", "second says"], ["t4", "a", "first says", "second says"], ["t2", "b", "first says", "second says"],
    ]  # fmt: skip
    assert table["applied_a"].tolist() == [["s2.2"], [], ["m1.1"]] and table["applied_b"].tolist() == [[], [], ["x.2"]]
    assert set(table["expected"]) == {"gold"}
    assert flipped_tasks(FIRST, FIRST).empty and flipped_tasks(SECOND, FIRST)["right"].tolist() == ["a", "b", "b"]


def test_answers_of_private_tasks_are_not_shown():
    one, other = (made(name, {"t1": score}, private=True) for name, score in (("one", 1.0), ("other", 0.0)))
    assert not {"gold", "one says", "other says"} & set(flipped_tasks(one, other).iloc[0].astype(str))


@pytest.mark.parametrize("other", [made("other", {"x9": 1.0}), made("other", {}), replace(SECOND, config=SECOND.config | {"world": 7})])
def test_runs_without_a_test_task_in_common_are_an_error(other):
    with pytest.raises(ValueError, match="runs first and (other|second) have no test task in common; compare runs of one"):
        flipped_tasks(FIRST, other)


def test_where_a_rule_comes_from_and_what_merges_made_of_it():
    back = ancestry(FIRST.rules(), "m1.1")
    assert back[["node", "rule", "fate", "at"]].to_numpy().tolist() == [
        ["s1", "s1.2", "merged", "m1"], ["s2", "s2.1", "merged", "m1"], ["m1", "m1.1", "final", ""],
    ]  # fmt: skip
    looped = pd.DataFrame({"rule": ["p", "q", "r"], "parents": [["q"], ["p", "gone"], []]})
    assert ancestry(looped, "p")["rule"].tolist() == ["p", "q"], "parents that name each other end all the same"


def test_every_flip_and_every_differing_rule_of_two_real_runs():
    bench = small_bench(n_train=16, n_test=24)
    base, run = (fgo.run(bench, "simulated", method=method, counts=True) for method in ("base", "fgo"))
    flips, lacking = flipped_tasks(base, run), rule_differences(base, run)
    assert set(flips["task"]) == {task for task, score in run.scores.items() if score != base.scores[task]} != set()
    assert lacking["rule"].tolist() == [rule.id for rule in run.module.rules] and set(lacking["run"]) == {"b"}
    assert sum(len(rules) for rules in flips["applied_b"]) > 0
