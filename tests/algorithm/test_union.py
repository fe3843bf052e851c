"""The union of several modules and the edits to it: hand-worked, exact in lineage, and nothing lost by omission."""

import json
import re
import time
from dataclasses import replace

import pytest
from helpers import ScriptedLLM, context, module, random_merger, shown_rules
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from fgo_kit.algorithm.merge import merge_tree
from fgo_kit.algorithm.union import MergeEdit, apply_merge_edits, read_merge_edits, union_of
from fgo_kit.records import Component, MergeNode, Module, Rule, Ruling

A = Rule("a", "Take the code.", ("t1", "t2"), right=2, wrong=1, without=0.5)
B = Rule("b", "take  the CODE.", ("t2", "t3"), right=1, without=1.0)
C = Rule("c", "Answer None.", ("t9",))
OLD = Rule("o", "Read it all.", ("t0",))
NEW = Rule("n", "Read the end.", ("t4",), ("o",), "s1/e1")


def leaf(number, *rules):
    return MergeNode(f"s{number}", module(*rules), tasks=(f"t{number}",))


def union(*children, before=(), **settings):
    ctx = replace(context(ScriptedLLM(lambda messages: "?"), **settings), before=module(*before))
    for child in children:
        for node in child.walk():
            ctx.know(node.module)
    return union_of(ctx, children, "m1")


def edited(answer, *children, **settings):
    """The node that a merger's answer makes of these children, and what the LLM was asked."""
    llm = ScriptedLLM(lambda messages: answer if isinstance(answer, str) else json.dumps({"edits": answer}))
    return merge_tree(context(llm, **settings), children, tuple(range(len(children)))), llm.asked


# -- without a model


def test_rules_of_the_same_words_are_one_with_all_that_is_known_of_both():
    found = union(leaf(1, A, C), leaf(2, B))
    both = Rule("m1.w1", "Take the code.", ("t1", "t2", "t3"), ("a", "b"), "m1", 3, 1, 1.5)
    assert found.module == module(both, C)
    assert found.rulings == (Ruling("a", "unite", "words", into="m1.w1"), Ruling("b", "unite", "words", into="m1.w1"))
    assert found.found == {"m1.w1": "found in 2 of 2 copies", "c": "found in 1 of 2 copies"}


def test_the_same_words_in_two_components_are_two_rules():
    held = Module((Component("one", "", (A,)), Component("two", "", (B,))))
    found = union(MergeNode("s1", held), leaf(2))
    assert found.module == held and not found.rulings


def test_a_rule_is_found_where_any_that_it_comes_from_is():
    below = MergeNode("m9", module(replace(A, id="m9.m1", parents=("a", "b"), origin="m9")), (leaf(1, A), leaf(2, B), leaf(3, C)))
    assert union(below, leaf(4, C), leaf(5)).found == {"m9.m1": "found in 2 of 5 copies", "c": "found in 2 of 5 copies"}


@pytest.mark.parametrize(("copies", "kept", "action"), [
    ([(OLD,), (OLD,), (OLD,)], True, None),
    ([(), (OLD,), (OLD,)], True, None),  # one of three dropped it
    ([(), (), (OLD,)], False, "drop"),
    ([(), (OLD,)], False, "drop"),  # a change outweighs as many that left it alone
    ([(NEW,), (OLD,)], False, "revise"),
    ([(NEW,), (OLD,), (OLD,)], True, None),  # both stay: the merger sees them
])  # fmt: skip
def test_inherited_rules_are_merged_three_ways(copies, kept, action):
    found = union(*(leaf(n, *rules) for n, rules in enumerate(copies, 1)), before=(OLD,))
    assert (OLD.id in {rule.id for rule in found.module.rules}) == kept
    assert [(ruling.action, ruling.by) for ruling in found.rulings] == ([(action, "copies")] if action else [])
    if action == "revise":
        assert found.rulings[0].into == "n" and found.rulings[0].reason == "1 of 2 copies that had it changed it"

def test_the_merger_is_told_how_many_copies_changed_an_inherited_rule():
    found = union(leaf(1, NEW), leaf(2, OLD), leaf(3, OLD), before=(OLD,)).found
    assert found == {"n": "found in 3 of 3 copies", "o": "found in 2 of 3 copies; changed by 1"}


@pytest.mark.parametrize(("uses", "kept"), [((0, 0), False), ((1, 0), False), ((1, 1), True), ((2, 5), True)])
def test_where_uses_are_counted_a_copy_that_never_used_a_rule_does_not_speak_for_it(uses, kept):
    copies = [leaf(1), *(leaf(n, replace(OLD, right=used)) for n, used in enumerate(uses, 2))]
    found = union(*copies, before=(OLD,), counts=True)
    assert ("o" in {rule.id for rule in found.module.rules}) == kept
    if not kept:
        used = 1 + sum(used > 0 for used in uses)
        assert found.rulings == (Ruling("o", "drop", "copies", f"1 of {used} copies that used it changed it"),)


def test_a_rule_that_a_merge_below_dropped_counts_as_changed_by_its_copies():
    ruled = (Ruling("o", "drop", "merger", "It contradicts rule a."),)
    below = MergeNode("m9", module(A), (leaf(1, OLD, A), leaf(2, OLD)), rulings=ruled)
    assert [rule.id for rule in union(below, leaf(3, OLD), before=(OLD,)).module.rules] == ["a"]
    assert [rule.id for rule in union(below, *(leaf(n, OLD) for n in (3, 4, 5)), before=(OLD,)).module.rules] == ["a", "o"]


def test_a_tie_of_two_copies_does_not_speak_for_those_of_other_merges():
    below = MergeNode("m9", module(A), (leaf(1, A), leaf(2, OLD)), rulings=(Ruling("o", "drop", "copies", "1 of 2"),))
    assert [rule.id for rule in union(below, leaf(3, OLD), before=(OLD,)).module.rules] == ["a", "o"]
    assert [rule.id for rule in union(below, leaf(3), before=(OLD,)).module.rules] == ["a"]


# -- edits


def test_every_kind_of_edit():
    d, e = Rule("d", "Look twice.", ("t5",)), Rule("e", "Look once.", ("t6",), right=4)
    found, asked = edited([
        {"op": "unite", "ids": ["d", "e"], "text": "Look."}, {"op": "revise", "id": "c", "text": "Answer None if lost.", "reason": "too wide"},
        {"op": "drop", "id": "a", "reason": "did harm"},
    ], leaf(1, A, C, d), leaf(2, e))  # fmt: skip
    assert found.module == module(
        Rule("m1.m2", "Answer None if lost.", ("t9",), ("c",), "m1"), Rule("m1.m1", "Look.", ("t5", "t6"), ("d", "e"), "m1", right=4),
    )  # fmt: skip
    assert found.rulings == (
        Ruling("d", "unite", "merger", into="m1.m1"), Ruling("e", "unite", "merger", into="m1.m1"),
        Ruling("c", "revise", "merger", "too wide", "m1.m2"), Ruling("a", "drop", "merger", "did harm"),
    )  # fmt: skip
    assert found.decision == "merged" and len(asked) == 1 and "found in 1 of 2 copies" in asked[0][1]["content"]


def test_what_is_made_on_the_way_stands_nowhere():
    found, _ = edited([{"op": "revise", "id": "m1.w1", "text": "Take any code."}], leaf(1, A), leaf(2, B))
    (rule,) = found.module.rules
    assert (rule.id, rule.parents, rule.support) == ("m1.m1", ("a", "b"), ("t1", "t2", "t3"))
    assert [(ruling.action, ruling.by) for ruling in found.rulings_on("b")] == [("unite", "words"), ("revise", "merger")]


def test_the_earlier_of_two_edits_takes_a_rule():
    ids = [MergeEdit(op="drop", ids=["a"]), MergeEdit(op="unite", ids=["a", "c"], text="Take a code or None.")]
    changed, rulings = apply_merge_edits(module(A, C), ids, "m1", "merger")
    assert [(rule.id, rule.parents) for rule in changed.rules] == [("m1.m1", ("c",))]
    assert [(ruling.rule, ruling.action) for ruling in rulings] == [("a", "drop"), ("c", "unite")]


@pytest.mark.parametrize(("edit", "says"), [
    ({"op": "drop", "id": "z"}, r"no rules \['z'\] were shown"), ({"op": "unite", "ids": ["a"], "text": "Take it."}, "unite needs two ids"),
    ({"op": "revise", "id": "a"}, "revise needs a text"), ({"op": "drop"}, "drop needs an id"), ({"op": "keep", "id": "a"}, "op"),
    ({"op": "unite", "ids": ["a", "z"], "text": "Take it."}, r"no rules \['z'\]"),
])  # fmt: skip
def test_an_edit_that_cannot_be_used_costs_itself_alone(edit, says):
    good = {"op": "drop", "id": "c", "reason": "spoils t3"}
    read = read_merge_edits(json.dumps({"edits": [edit, good]}), module(A, C))
    assert [(item.op, item.ids) for item in read.items] == [("drop", ["c"])]
    assert len(read.problems) == 1 and re.search(says, read.problems[0])


def test_an_empty_answer_leaves_the_union_and_an_unusable_one_too_but_says_so():
    found, asked = edited([], leaf(1, A), leaf(2, C))
    assert (found.module, found.decision, len(asked)) == (module(A, C), "merged", 1)
    found, asked = edited("I would rather not.", leaf(1, A), leaf(2, C))
    assert (found.module, found.decision, len(asked)) == (module(A, C), "failed", 2)  # it is asked for once more


@checks(max_examples=60)
@given(data=st.data(), seed=st.integers(0, 10_000))
def test_no_rule_is_lost_unless_it_was_named(data, seed):
    """Over a random tree, with a module before it: whoever is gone, or reworded, has a ruling that leads on or says drop."""
    texts = data.draw(st.lists(st.lists(st.integers(0, 5), max_size=4), min_size=2, max_size=5))
    inherited = data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts)))
    leaves = [
        leaf(n, *([OLD] if has_it else []), *(Rule(f"s{n}.{k}", f"rule {text} of any", (f"t{n}",)) for k, text in enumerate(rules)))
        for n, (rules, has_it) in enumerate(zip(texts, inherited, strict=True), 1)
    ]
    plan = tuple(range(len(leaves))) if seed % 2 or len(leaves) < 3 else ((0, 1), *range(2, len(leaves)))
    root = merge_tree(replace(context(ScriptedLLM(random_merger(seed))), before=module(OLD)), leaves, plan)
    for node in (node for node in root.walk() if node.children):
        present = {rule.id for rule in node.module.rules}
        for rule in (rule for child in node.children for rule in child.module.rules):
            rulings = node.rulings_on(rule.id)
            assert (rule.id in present) == (not rulings)
            if rulings:
                last = rulings[-1]
                assert (last.action == "drop" and not last.into) or last.into in present


def test_many_modules_are_united_in_little_time():
    def cpu(n):
        leaves = [leaf(n, *(Rule(f"s{n}.{k}", f"rule {5 * n + k} of its own", (f"t{n}",)) for k in range(5))) for n in range(n)]
        start = time.process_time()
        draft = union(*leaves, before=(OLD,))
        pairs = zip(draft.module.rules[::2], draft.module.rules[1::2], strict=False)
        edits = [MergeEdit(op="unite", ids=[a.id, b.id], text="one of two") for a, b in pairs]
        apply_merge_edits(draft.module, edits, "m1", "merger")
        return time.process_time() - start

    assert cpu(3_000) < 10


def test_the_prompt_shows_what_is_known_of_each_rule():
    _, asked = edited([], leaf(1, A, C), leaf(2, B), counts=True)
    text = asked[0][1]["content"]
    assert "(support 3; used 3 times right, 1 wrong; the same tasks without it 1.5 times right; found in 2 of 2 copies)" in text
    assert dict(shown_rules(text)) == {"m1.w1": "Take the code.", "c": "Answer None."}
