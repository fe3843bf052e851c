"""The comparison of two runs' rules: what its page holds, what a click on a task asks for, hostile text as text."""

from __future__ import annotations

import json

import pytest
import traitlets
from by_hand import HOSTILE
from helpers import module, small_bench

import fgo_kit as fgo
from fgo_kit.algorithm.context import Judged
from fgo_kit.calls.log import CallLog, Place
from fgo_kit.records import MergeNode, Rule, Step, Task, Trajectory
from fgo_kit.runs.result import Run
from fgo_kit.runs.state import State
from fgo_kit.widgets.comparison_view import MOST, STATIC_ROWS


def made(name, scores, *rules, cites=(), tree=None, text="what was read"):
    record = [Judged(Place("test", task=task), Trajectory(task, (Step(text, f"ANSWER: {name}"),), f"{name} {text}", score, cites))
              for task, score in scores.items()]  # fmt: skip
    state = State(module(*rules), record, [], None, tree, tuple(Task(task, "", text) for task in scores))
    return Run("some-id", {"method": name, "benchmark": "tiny", "llm": "x", "simulated": True, "seed": 0}, state, CallLog(None))


LEAF = Rule("s1.1", "take the code after ref", ("t7", "t8"), origin="s1")
MERGED = Rule("m1.1", "take the code after our ref", ("t7", "t8"), ("s1.1",), "m1", right=3, wrong=1)
TREE = MergeNode("m1", module(MERGED), (MergeNode("s1", module(LEAF)), MergeNode("s2", module())), "merged")
FIRST = made("first", {"t1": 1.0, "t2": 0.0, "t3": 1.0}, MERGED, cites=("m1.1",), tree=TREE)
SECOND = made("second", {"t1": 0.0, "t2": 1.0, "t3": 1.0}, Rule("x.1", "take the code after any ref"), cites=("gone",))


def test_a_rule_shows_its_words_its_origin_and_the_flipped_tasks_it_touched():
    shown = fgo.compare_rules(FIRST, SECOND).shown
    rule, other = shown["rules"]
    assert (rule["side"], other["side"], rule["nearest"], other["nearest"]) == (0, 1, "x.1", "m1.1")
    assert "".join(text for op, text in rule["diff"] if op in "=+") == MERGED.text and ["-", "any"] in rule["diff"]
    assert rule["origin"] == [f"s1 s1.1 “{LEAF.text}”: merged at m1 as m1.1", f"m1 m1.1 “{MERGED.text}”"]
    assert rule["support"] == {"n": 2, "ids": ["t7", "t8"]} and rule["subsets"] == "s1"
    assert [shown["tasks"][number]["task"] for number in rule["flipped"]] == ["t1", "t2"] and other["flipped"] == []
    assert [(task["task"], task["side"], task["applied"]) for task in shown["tasks"]] == [("t1", 0, "A m1.1"), ("t2", 1, "A m1.1")]
    assert (shown["counts"], shown["shared"]) == ([[1, 1], [1, 1]], 0) and json.dumps(shown)


def test_a_click_on_a_task_brings_the_trajectories_of_both_runs():
    page = fgo.compare_rules(FIRST, SECOND)
    page.task = 1
    assert [(detail["task"], detail["outcome"], detail["answer"]) for detail in page.details] == [
        ("t2", "wrong", "first what was read"), ("t2", "right", "second what was read"),
    ]  # fmt: skip
    page.task = -1
    assert page.details == []
    for number in (2, -2):
        with pytest.raises(ValueError, match=f"task={number}: a number below 2, or -1 for none"):
            page.task = number
    with pytest.raises(traitlets.TraitError):
        page.task = "t1"


def test_what_cannot_be_compared_is_an_error():
    with pytest.raises(TypeError, match="compare_rules takes runs, not DataFrame"):
        fgo.compare_rules(FIRST, SECOND.rules())
    with pytest.raises(ValueError, match="no test task in common"):
        fgo.compare_rules(FIRST, made("third", {"t9": 1.0}))


def test_hostile_text_is_text_on_the_plain_page_and_long_lists_are_cut_and_counted():
    rules = [Rule(f"{text}{n}", f"{text} {n}", (text,), origin=text) for n in range(40) for text in HOSTILE]
    scores = {f"{n}{text}": float(n % 2) for n in range(40) for text in HOSTILE}
    one = made("".join(HOSTILE), scores, *rules, cites=tuple(rule.id for rule in rules[:9]), text="".join(HOSTILE))
    page = fgo.compare_rules(one, made("other", {task: 1 - score for task, score in scores.items()}, text=HOSTILE[0] * 5_000))
    plain, shown = page.plain(), page.shown
    for mark in ("<script", "<img src=x", "<svg", "<style", "<!--", "\x00", "\x1b", "\ud800"):
        assert mark not in plain
    assert shown["counts"][0] == [len(rules), len(scores) // 2] and len(shown["rules"]) == MOST
    assert f"and {len(rules) - STATIC_ROWS} more" in plain and f"and {len(scores) - STATIC_ROWS} more" in plain and len(plain) < 500_000
    page.task = 3
    for sent in (shown, page.details, page._repr_mimebundle_()):
        json.dumps(sent, ensure_ascii=False).encode()


def test_two_real_runs_and_two_that_are_alike():
    bench = small_bench(n_train=16, n_test=12)
    base, run = (fgo.run(bench, "simulated", method=method, counts=True) for method in ("base", "fgo"))
    page = fgo.compare_rules(base, run)
    assert f"only in B {len(run.module.rules)} rules" in repr(page) and "only in A 0 rules" in repr(page)
    for number, task in enumerate(page.flips["task"]):
        page.task = number
        assert {detail["task"] for detail in page.details} == {task} and [d["run"] for d in page.details] == ["base", "fgo"]
    data, _ = page._repr_mimebundle_()
    assert "text/html" in data and "only in B" in data["text/html"]
    assert "<table" not in fgo.compare_rules(run, run).plain()
