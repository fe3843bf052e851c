"""The simulated merger and reviewers: what each level of the merger makes of a union, and votes on tiny documents, by hand."""

from __future__ import annotations

import json

import pytest
from helpers import module

from fgo_kit.algorithm import prompts
from fgo_kit.records import Feedback, Rule, Step, Task, Trajectory
from fgo_kit.simulate.logisticsqa.language import Convention, render
from fgo_kit.simulate.model import load
from fgo_kit.simulate.varied import varied

AFTER = {label: (("label", label),) for label in ("b/l", "ref")}
GENERAL = Rule("g", render(Convention((), AFTER["b/l"])), ("t1", "t2", "t3"))
CASE = Rule("c", render(Convention(("sea",), AFTER["b/l"])), ("t4",))
RIVAL = Rule("v", render(Convention(("sea",), AFTER["ref"])), ("t5", "t6"))
STRANGE = Rule("x", "Whatever the moon says, be polite.", ("t7",))


def merged(*rules, found=None, counts=False, llm=None):
    """What a merger says of a union: {edited id: (op, text or reason)}."""
    asked = prompts.merge_union(module(*rules), found or {}, counts=counts)
    edits = json.loads((llm or load("null")).complete(asked).text)["edits"]
    return {tuple(edit.get("ids") or [edit["id"]]): (edit["op"], edit.get("text") or edit["reason"]) for edit in edits}


def test_a_blind_merger_absorbs_special_cases_and_one_that_weighs_keeps_them():
    assert merged(GENERAL, CASE, llm=varied("null", weighing=0.0)) == {("g", "c"): ("unite", GENERAL.text)}
    assert merged(GENERAL, CASE) == {}


def test_a_blind_merger_drops_the_less_supported_of_two_that_conflict_and_one_that_weighs_keeps_both():
    blind = merged(CASE, RIVAL, llm=varied("null", weighing=0.0, generalise=0.0))
    assert list(blind) == [("c",)] and blind["c",][0] == "drop" and "support 1" in blind["c",][1]
    assert merged(CASE, RIVAL) == {}


@pytest.mark.parametrize("weighing", [0.0, 1.0])
def test_both_unite_what_says_the_same_and_carry_over_what_they_cannot_read(weighing):
    twin = Rule("g2", GENERAL.text.replace("b/l", "B/L"), ("t8",))
    assert merged(GENERAL, twin, STRANGE, llm=varied("null", weighing=weighing)) == {("g", "g2"): ("unite", GENERAL.text)}


@pytest.mark.parametrize(("right", "wrong", "without", "dropped"), [
    (1, 4, 0.0, False), (1, 4, 1.0, True), (1, 4, 3.0, True), (4, 1, 5.0, False), (0, 1, 0.0, True), (0, 0, 0.0, False),
])  # fmt: skip
def test_rules_are_blamed_for_uses_that_went_no_better_than_without_them(right, wrong, without, dropped):
    rule = Rule("g", GENERAL.text, ("t1",), right=right, wrong=wrong, without=without)
    said = merged(rule, counts=True)
    assert list(said) == ([("g",)] if dropped else [])
    assert not dropped or said["g",] == ("drop", f"Used {right} times right and {wrong} wrong; without it the same tasks were as often right.")
    assert merged(rule) == {}  # what is not shown is not weighed


def test_what_copies_found_is_shown_and_read_over():
    found = {"g": "found in 3 of 5 copies; changed by 1", "c": "found in 1 of 5 copies"}
    for counts in (False, True):
        assert merged(GENERAL, CASE, found=found, counts=counts) == {}


# -- reviewers


def played(number, document, expected, right, told=""):
    task = Task(f"t{number}", document, expected)
    return task, Trajectory(task.id, (Step(f"<document>\n{document}\n</document>", "ANSWER: ?"),), "?", float(right)), Feedback(task.id, float(right), told)


def votes(rules, *lines, llm=None):
    asked = prompts.review(module(*rules), list(lines))
    return {vote["id"]: (vote["vote"], vote["tasks"]) for vote in json.loads((llm or load("null")).complete(asked).text)["votes"]}


BOTH = "Note: sea freight. B/L: ABCD1234567 Ref: XY998877"
LAND = "Note: by truck. B/L: ABCD7654321"
NEITHER = "Note: nothing of note."


@pytest.mark.parametrize(("rules", "lines", "said"), [
    ([GENERAL], [(1, LAND, "ABCD7654321", False)], {"g": ("keep", ["t1"])}),  # it would have been right
    ([GENERAL], [(1, LAND, "ABCD7654321", True)], {}),  # the task was done without it
    ([GENERAL], [(1, BOTH, "XY998877", True)], {"g": ("drop", ["t1"])}),  # it would spoil what was done
    ([GENERAL], [(1, BOTH, "XY998877", False)], {}),  # wrong with it and without it
    ([GENERAL, RIVAL], [(1, BOTH, "XY998877", False)], {"v": ("keep", ["t1"])}),  # the more specific is followed first
    ([GENERAL, CASE, RIVAL], [(1, BOTH, "XY998877", False)], {"c": ("drop", ["t1"]), "v": ("keep", ["t1"])}),
    ([GENERAL, RIVAL], [(1, NEITHER, "None", False)], {}),  # they touch none
    ([GENERAL], [(1, LAND, "ABCD7654321", False), (2, BOTH, "XY998877", True)], {"g": ("keep", ["t1"])}),  # one against one
    ([GENERAL], [(1, LAND, "ABCD7654321", False), (2, BOTH, "XY998877", True), (3, BOTH, "XY998877", True)], {"g": ("drop", ["t2", "t3"])}),
    ([STRANGE], [(1, LAND, "ABCD7654321", False)], {}),
])  # fmt: skip
def test_a_reviewer_blames_and_helps(rules, lines, said):
    assert votes(rules, *(played(*line) for line in lines)) == said


def test_a_reviewer_that_does_not_check_blames_nobody_and_one_with_limits_votes_on_part():
    lines = [played(n, BOTH, "XY998877", True) for n in range(1, 9)]
    assert votes([GENERAL], *lines) == {"g": ("drop", [f"t{n}" for n in range(1, 9)])}
    assert votes([GENERAL], *lines, llm=varied("null", checking=0.0)) == {}
    noticed = votes([GENERAL], *lines, llm=varied("small", notice_x50=60.0)).get("g", ("", []))[1]
    assert len(noticed) < 8
