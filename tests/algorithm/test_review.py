"""Review: what a subset is shown and may say, and what the votes come to, by hand."""

import json
import re
import time

import pytest
from helpers import ScriptedLLM, TinyBench, context, job_of, module, take_over_all, tasks

from fgo_kit.algorithm.context import Judged
from fgo_kit.algorithm.merge import merge_tree
from fgo_kit.algorithm.review import read_ballots, review
from fgo_kit.algorithm.union import Draft
from fgo_kit.calls.log import Place
from fgo_kit.records import Feedback, MergeNode, Rule, Ruling, Step, Trajectory, Vote
from fgo_kit.runs.timing import critical_path

RULE = Rule("r", "Say Rome.", ("t1",))
OTHER = Rule("x", "Say Oslo.")


def voting(ballots, found_in=(1,), rule=RULE, fails=(), n=4, workers=1, **settings):
    """A context and leaves s1 .. s4, of a task each, whose reviewers answer with `ballots[number]` votes on rule r."""

    def votes(messages):
        number = int(re.search(r'task="t(\d)"', messages[1]["content"])[1])
        given = ballots.get(number, ())
        return given if isinstance(given, str) else json.dumps({"votes": [{"id": "r", "tasks": [f"t{number}"], **vote} for vote in given]})

    llm = ScriptedLLM(take_over_all, votes=votes)
    ctx = context(llm, TinyBench(train=tasks(n + 1)), workers=workers, review=True, **settings)
    for number in range(1, n + 1):
        status = "failed" if number in fails else "ok"
        played = Trajectory(f"t{number}", (Step("seen", "done"),), "", 0.0, status=status)
        ctx.note(Judged(Place("rollout", subset=f"s{number}", epoch=1, task=f"t{number}"), played,
                        None if number in fails else Feedback(f"t{number}", 0.0, "wrong")))  # fmt: skip
    leaves = [MergeNode(f"s{k}", module(*([rule] if k in found_in else [OTHER])), tasks=(f"t{k}",)) for k in range(1, n + 1)]
    return ctx, leaves


DROP, KEEP = {"vote": "drop"}, {"vote": "keep"}


def revise(text):
    return {"vote": "revise", "text": text}


@pytest.mark.parametrize(("found_in", "ballots", "outcome"), [
    ((1,), {}, None),
    ((1,), {2: [DROP]}, "drop"),  # one found it, one rejects it
    ((1, 2), {3: [DROP]}, None),
    ((1, 2), {3: [DROP], 4: [DROP]}, "drop"),
    ((1, 2), {2: [DROP]}, "drop"),  # who found it may reject it: one against one
    ((1,), {2: [KEEP], 3: [DROP]}, None),  # found once, one for it: two against one
    ((1,), {2: [KEEP], 3: [DROP], 4: [DROP]}, "drop"),
    ((1,), {1: [KEEP], 3: [DROP]}, "drop"),  # who found it speaks for it once
    ((1,), {2: [revise("Say Roma.")]}, "revise"),
    ((1, 2), {3: [revise("Say Roma.")]}, None),
    ((1, 2), {3: [revise("Say Roma.")], 4: [DROP]}, "revise"),  # one rejects it, of three who would have it in some words
    ((1,), {1: [revise("Say Roma.")], 3: [DROP]}, "drop"),  # found by one, who would revise it; one rejects it
    ((1, 2, 3), {1: [revise("Say Roma.")], 2: [revise("Say Roma.")]}, "revise"),
])  # fmt: skip
def test_what_votes_come_to(found_in, ballots, outcome):
    ctx, leaves = voting(ballots, found_in)
    draft, votes = review(ctx, "m1", Draft(module(RULE)), leaves)
    assert [(vote.subset, vote.choice) for vote in votes] == [(f"s{n}", vote["vote"]) for n, given in ballots.items() for vote in given]
    wanted = {None: ["Say Rome."], "drop": [], "revise": ["Say Roma."]}[outcome]
    assert [rule.text for rule in draft.module.rules] == wanted
    assert [(ruling.rule, ruling.action, ruling.by) for ruling in draft.rulings] == ([("r", outcome, "review")] if outcome else [])


def test_the_words_that_most_tasks_speak_for_are_taken():
    said = {2: "Say A.", 3: "Say B.", 4: "Say B."}
    ctx, leaves = voting({n: [revise(text)] for n, text in said.items()})
    draft, votes = review(ctx, "m1", Draft(module(RULE)), leaves)
    assert [(vote.text, vote.tasks) for vote in votes] == [(text, (f"t{n}",)) for n, text in said.items()]
    assert draft.module == module(Rule("m1.r1", "Say B.", ("t1",), ("r",), "m1"))
    assert draft.rulings == (Ruling("r", "revise", "review", "found in 1 subsets; votes: 3 revise", "m1.r1"),)


def test_rejected_rules_say_by_whom():
    ctx, leaves = voting({2: [DROP], 3: [DROP]}, found_in=(1,))
    found = merge_tree(ctx, leaves, (0, 1, 2, 3))
    assert "r" not in {rule.id for rule in found.module.rules} and found.decision == "merged"
    assert found.votes == (Vote("s2", "r", "drop", ("t2",)), Vote("s3", "r", "drop", ("t3",)))
    assert found.rulings[-1] == Ruling("r", "drop", "review", "found in 1 subsets; votes: 2 drop")


def test_a_rule_was_found_by_the_subsets_of_all_it_comes_from():
    united = Rule("m1.w1", "Say Rome.", ("t1",), ("r", "x"), "m1")
    ctx, leaves = voting({2: [{"vote": "drop", "id": "m1.w1"}]})
    ctx.know(module(united))
    draft, _ = review(ctx, "m1", Draft(module(united)), leaves)
    assert draft.module == module(united)  # all four have r or x, and three of them did not reject it


# -- what is asked, and of whom


@pytest.mark.parametrize("ballot", [
    {"id": "r", "vote": "drop", "tasks": []}, {"id": "r", "vote": "drop"}, {"id": "r", "vote": "drop", "tasks": ["t9"]},
    {"id": "z", "vote": "drop", "tasks": ["t1"]}, {"id": "r", "vote": "revise", "tasks": ["t1"]}, {"id": "r", "vote": "maybe", "tasks": ["t1"]},
], ids=str)  # fmt: skip
def test_a_vote_without_shown_rules_and_tasks_does_not_count(ballot):
    good = {"id": "x", "vote": "keep", "tasks": ["t1, t2"]}
    read = read_ballots(json.dumps({"votes": [ballot, good]}), module(RULE, OTHER), ["t1", "t2"])
    assert [(item.id, item.tasks) for item in read.items] == [("x", ["t1", "t2"])] and len(read.problems) == 1


def test_a_second_vote_on_a_rule_does_not_count():
    twice = [{"id": "r", "vote": vote, "tasks": ["t1"]} for vote in ("keep", "drop")]
    read = read_ballots(json.dumps({"votes": twice}), module(RULE), ["t1"])
    assert [item.vote for item in read.items] == ["keep"] and "second vote" in read.problems[0]


def test_a_reviewer_sees_the_union_and_the_last_trajectories_of_its_own_tasks_alone():
    ctx, leaves = voting({}, fails=(3,))
    ctx.note(Judged(Place("rollout", subset="s1", epoch=2, task="t1"), Trajectory("t1", (), "later", 1.0), Feedback("t1", 1.0, "well done")))
    review(ctx, "m1", Draft(module(RULE, OTHER)), leaves)
    asked = [messages[1]["content"] for messages in ctx.meter.llm.asked]
    assert [re.findall(r'task="(t\d)" score="(\d)"', text) for text in asked] == [[("t1", "1")], [("t2", "0")], [("t4", "0")]]
    assert all("[r] Say Rome. (support 1)" in text and "[x] Say Oslo." in text for text in asked)
    calls = ctx.meter.log.calls()
    assert calls[["phase", "subset", "node"]].values.tolist() == [["review", f"s{n}", "m1"] for n in (1, 2, 4)]  # s3 has nothing to show


def test_an_answer_of_no_use_is_a_subset_without_a_vote():
    ctx, leaves = voting({1: "I would rather not.", 2: [DROP]})
    draft, votes = review(ctx, "m1", Draft(module(RULE)), leaves)
    assert [vote.subset for vote in votes] == ["s2"] and not draft.module.rules
    assert ctx.meter.log.calls()["phase"].tolist().count("repair") == 1


def test_without_rules_nobody_is_asked():
    ctx, leaves = voting({})
    assert review(ctx, "m1", Draft(module()), leaves) == (Draft(module()), ()) and not ctx.meter.llm.asked


def test_only_the_last_merge_of_a_tree_is_reviewed_and_by_all():
    ctx, leaves = voting({})
    root = merge_tree(ctx, leaves, ((0, 1), (2, 3)))
    calls = ctx.meter.log.calls()
    assert calls[calls["phase"] == "review"]["node"].tolist() == [root.id] * 4
    assert [job_of(messages) for messages in ctx.meter.llm.asked].count("merge") == 3


def test_subsets_review_side_by_side_on_the_critical_path():
    ctx, leaves = voting({}, workers=4)
    root = merge_tree(ctx, leaves, ((0, 1), (2, 3)))
    assert critical_path(ctx.meter.log.calls(), [root], "calls") == 3  # a merge, the last merge, and the reviews at once


def test_many_subsets_and_votes_take_little_time():
    rules = [Rule(f"s{n}.{k}", f"rule {5 * n + k} of its own") for n in range(3_000) for k in range(5)]
    leaves = [MergeNode(f"s{n}", module(*rules[5 * n : 5 * n + 5]), tasks=(f"t{n}",)) for n in range(3_000)]
    against = json.dumps({"votes": [{"id": rule.id, "vote": "drop", "tasks": ["t1"]} for rule in rules[10:5_000:5]]})
    llm = ScriptedLLM(take_over_all, context_window=10**9, votes=lambda messages: against)
    ctx = context(llm, TinyBench(train=tasks(3_000)))
    ctx.note(Judged(Place("rollout"), Trajectory("t1", (), "", 1.0), Feedback("t1", 1.0, "well done")))  # only s1 played
    start = time.process_time()
    draft, votes = review(ctx, "m1", Draft(module(*rules)), leaves)
    assert time.process_time() - start < 10
    assert len(votes) == 998 and len(draft.module.rules) == 15_000 - 998
