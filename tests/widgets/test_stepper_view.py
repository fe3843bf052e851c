"""What the merge stepper shows: fates, differences, and hostile text as text."""

from __future__ import annotations

import json
from dataclasses import replace

import helpers
from by_hand import HOSTILE, made
from hypothesis import given
from hypothesis import strategies as st

from fgo_kit.records import MergeNode, Rule, Ruling, Vote
from fgo_kit.widgets.merging_by_hand import Merging, unmerged
from fgo_kit.widgets.node_view import fate, node_view, word_diff
from fgo_kit.widgets.replay_decisions import desk_for
from fgo_kit.widgets.session import Session
from fgo_kit.widgets.static_stepper import static_node, static_page, svg
from fgo_kit.widgets.views import shown, stepper_view


def test_fates_of_rules():
    a, b, c = Rule("a", "take the code after ref"), Rule("b", "take the code after no"), Rule("c", "say None")
    d, e = Rule("d", "quite another thing"), Rule("e", "rivals share most of these words here")
    kept, wider = a, Rule("m.1", "take the code after any label", parents=("b",))
    rival = Rule("f", "rivals share most of these words now")
    children = (MergeNode("s1", helpers.module(a, b, c)), MergeNode("s2", helpers.module(d, e, rival)))
    node = MergeNode("m", helpers.module(kept, wider, rival), children, "merged", audited=("c",))
    assert [fate(rule, node)[0] for rule in (a, b, c, d, e)] == [
        "kept", "generalised", "audited", "dropped", "conflicting",
    ]  # fmt: skip


def ruled(reason="Used once, wrong."):
    """A state whose node united a and b, of which its subsets had one revised, and dropped c for a reason."""
    a, b, c = (Rule(name, f"words of {name}") for name in "abc")
    own = Rule("m1.r1", "words of both", parents=("a", "b"))
    rulings = (Ruling("a", "unite", "words", into="m1.w1"), Ruling("b", "unite", "words", into="m1.w1"), Ruling("c", "drop", "merger", reason),
               Ruling("m1.w1", "revise", "review", "found in 2 subsets; votes: 1 revise", "m1.r1"))  # fmt: skip
    votes = (Vote("s1", "m1.w1", "revise", ("t1", "t2"), "words of both"), Vote("s2", "c", "keep", ("t3",)))
    leaves = (MergeNode("s1", helpers.module(a, c)), MergeNode("s2", helpers.module(b)))
    node = MergeNode("m1", helpers.module(own), leaves, "merged", rulings=rulings, votes=votes)
    return Merging((node,), current="m1"), node


def test_a_rule_says_why_it_went_and_who_voted_on_it():
    view = node_view(*ruled(), {})
    united = "united by words; revised by review: found in 2 subsets; votes: 1 revise"
    assert [rule["said"] for child in view["children"] for rule in child["rules"]] == [united, "dropped by merger: Used once, wrong.; reviewers: s2 keep (t3)", united]
    assert [rule["said"] for rule in view["components"][0]["rules"]] == ["reviewers: s1 revise (t1, t2)"]
    page = static_node(shown(view))
    assert "dropped by merger: Used once, wrong." in page and "reviewers: s1 revise (t1, t2)" in page


def test_reasons_are_text():
    for text in HOSTILE:
        page = static_node(shown(node_view(*ruled(text * (100_000 // len(text))), {})))
        assert len(page) < 20_000
        for mark in ("<script", "<img src=x", "<svg", "<style", "<!--", "\x00", "\x1b", "\ud800"):
            assert mark not in page


@given(st.text(max_size=200), st.text(max_size=200))
def test_word_diff_holds_both_texts(old, new):
    parts = word_diff(old, new)
    assert "".join(text for op, text in parts if op in "=-") == old
    assert "".join(text for op, text in parts if op in "=+") == new


def test_hostile_text_is_shown_as_text():
    run, bench, llm = made()
    leaf, *others = unmerged(run).open
    rules = [Rule(f"x{i}<b>", text * (1_000_000 // len(text) if i == 6 else 1), (text,), origin=text)
             for i, text in enumerate(HOSTILE)]  # fmt: skip
    bad = replace(leaf, module=helpers.module(*rules, preamble="".join(HOSTILE)))
    tree = replace(run.merge_tree, children=(bad, *others), module=bad.module)
    session = Session(desk_for(replace(run, state=replace(run.state, merge_tree=tree)), bench, llm))
    session.selected = bad.id
    view = stepper_view(session, {})
    assert len(json.dumps(view).encode()) < 200_000, "a line of 1 MB is cut"
    page = static_page(view)
    page.encode()
    svg(view["tree"]).encode()
    for mark in ("<script", "<img src=x", "<svg", "<style", "<!--", "<b>x", "\x00", "\x1b", "\ud800"):
        assert mark not in page.replace("<b>", "<B>")


def test_shown_cleans_everything_in_json():
    given = {"a": ["\ud800", ("b\x00",)], "n": 1.5, "none": None}
    assert shown(given) == {"a": ["\ufffd", ["b\ufffd"]], "n": 1.5, "none": None}
