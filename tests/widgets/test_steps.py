"""Merging by hand, without a widget: what each decision does."""

from __future__ import annotations

import json

import helpers
import pytest
from by_hand import made, merge_all, scripted

import fgo_kit as fgo
from fgo_kit.records import MergeNode, Rule
from fgo_kit.widgets.gate_steps import flips
from fgo_kit.widgets.merging_by_hand import Decision, Merging, suggestion, unmerged
from fgo_kit.widgets.node_view import node_view
from fgo_kit.widgets.replay_decisions import desk_for, replay_merges
from fgo_kit.widgets.rule_steps import restored
from fgo_kit.widgets.session import Session
from fgo_kit.widgets.steps import apply


def texts(module):
    return [rule.text for rule in module.rules]


def first_rule(session, node=None):
    node = node or session.state.pending
    return node.module.rules[0]


def test_accepting_every_suggestion_is_what_the_run_did_and_costs_nothing(session, source):
    run, bench, llm = source
    merge_all(session)
    assert session.module == run.module
    assert [n.id for n in session.state.walk()] == [n.id for n in run.merge_tree.walk()]
    assert run.log.paid(session.desk.run_id) == (0, 0, 0.0)
    assert replay_merges(session.done, run, bench, llm) == run.module


def test_a_candidate_awaits_one_verdict(session):
    with pytest.raises(ValueError, match="no merge awaits a verdict"):
        session.do(Decision("accept"))
    session.do(Decision("merge"))
    pending = session.state.pending
    assert len(session.state.open) == 6
    with pytest.raises(ValueError, match=f"{pending.id} awaits a verdict"):
        session.do(Decision("merge"))
    assert len(session.decisions) == 1
    session.do(Decision("accept"))
    assert len(session.state.open) == 5 and session.state.pending is None


def test_a_rejected_merge_is_not_suggested_again_but_can_be_chosen(session):
    session.do(Decision("merge"))
    group = tuple(child.id for child in session.state.pending.children)
    session.do(Decision("reject"))
    assert len(session.state.open) == 6
    assert set(suggestion(session.desk.run, session.state)) != set(group)
    session.do(Decision("merge", nodes=group))
    assert {child.id for child in session.state.pending.children} == set(group)
    assert session.state.pending.id.startswith("h"), "the same id again would take the place of the first try"


def test_when_every_pair_is_rejected_it_says_so_and_finish_still_works():
    session = Session(desk_for(*made(n_subsets=3)))
    for _ in range(3):
        session.do(Decision("merge"))
        session.do(Decision("reject"))
    with pytest.raises(ValueError, match="every pair was rejected"):
        session.do(Decision("merge"))
    session.do(Decision("finish"))
    assert session.state.done


def test_modules_chosen_merge_next_and_unknown_ones_are_named(session):
    names = [node.id for node in session.state.open]
    session.do(Decision("choose", nodes=(names[0], names[3], names[5])))
    session.do(Decision("merge"))
    assert {c.id for c in session.state.pending.children} == {names[0], names[3], names[5]}
    assert session.state.chosen == ()
    session.do(Decision("accept"))
    with pytest.raises(ValueError, match=names[0]):
        session.do(Decision("merge", nodes=(names[0], names[1])))
    with pytest.raises(ValueError, match="too few"):
        session.do(Decision("merge", nodes=(names[1],)))


def test_redo_asks_again_with_another_seed_or_strategy(session):
    session.do(Decision("merge"))
    before = session.state.pending
    session.do(Decision("redo"))
    assert session.state.pending.id != before.id
    assert session.state.pending.children == before.children
    session.do(Decision("redo", strategy="pool"))
    assert set(texts(session.module)) == {r.text for c in before.children for r in c.module.rules}
    session.do(Decision("redo", strategy="rewrite", seed=5))
    asked = session.desk.run.log.calls(session.desk.run_id).query("phase == 'merge'")
    assert asked["key"].is_unique, "each try draws anew"
    known = {rule.id for child in before.children for rule in child.module.rules}
    assert all(rule.id in known or rule.origin.startswith("rewrite") for rule in session.module.rules)
    for wrong, why in (({"strategy": "vote"}, "vote"), ({"seed": -1}, "-1")):
        with pytest.raises(ValueError, match=why):
            session.do(Decision("redo", **wrong))


def test_keep_takes_the_named_child_or_the_better(session):
    session.do(Decision("merge"))
    one, other = session.state.pending.children
    session.do(Decision("keep", node=other.id))
    kept = session.state.node(session.state.current)
    assert kept.module == other.module and kept.decision == f"kept {other.id}"
    session.undo()
    session.do(Decision("keep"))
    total = [sum(len(r.support) for r in child.module.rules) for child in (one, other)]
    assert session.module == (one if total[0] >= total[1] else other).module
    session.undo()
    with pytest.raises(ValueError, match="no child"):
        session.do(Decision("keep", node="nowhere"))


def test_keep_follows_the_gate_where_the_children_were_evaluated(session):
    session.do(Decision("merge"))
    node = session.state.pending
    session.do(Decision("evaluate", node=node.id, k=8))
    scores = [session.state.evaluation(child.module).mean for child in node.children]
    session.do(Decision("keep"))
    assert session.module == node.children[scores.index(max(scores))].module


def test_edit_keeps_support_and_names_its_parents(session):
    session.do(Decision("merge"))
    rule = first_rule(session)
    session.do(Decision("edit", node=session.state.current, rule=rule.id, text="  Take the\nfirst code.  "))
    new = session.module.rules[0]
    assert (new.text, new.origin, new.support) == ("Take the first code.", "you", rule.support)
    assert new.parents[0] == rule.id and (new.right, new.wrong) == (0, 0)


def test_write_drop_and_move(session):
    session.do(Decision("merge"))
    node, before = session.state.current, session.module.rules
    session.do(Decision("write", node=node, text="Answer in capitals."))
    mine = session.module.rules[-1]
    assert (mine.origin, mine.support, mine.parents) == ("you", (), ())
    session.do(Decision("move", node=node, rule=mine.id, at=1))
    assert session.module.rules == (mine, *before)
    session.do(Decision("drop", node=node, rule=before[0].id))
    assert session.module.rules == (mine, *before[1:])
    for wrong in (
        Decision("move", node=node, rule=mine.id, at=99), Decision("drop", node=node, rule="none"),
        Decision("write", node=node, text="x"), Decision("write", node=node, text="y" * 1_001),
        Decision("write", node=node, text="some rule", component="tools"), Decision("dance"),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            session.do(wrong)
    assert session.module.rules == (mine, *before[1:])


def test_what_is_merged_already_cannot_change(session):
    session.do(Decision("merge"))
    child = session.state.pending.children[0]
    assert child not in session.state.editable and session.state.pending in session.state.editable
    for _ in range(2):
        with pytest.raises(ValueError, match="merged already"):
            session.do(Decision("drop", node=child.id, rule=child.module.rules[0].id))
        if session.state.pending:
            session.do(Decision("accept"))


def test_a_locked_rule_outlives_every_merge_and_this_is_recorded():
    session = Session(desk_for(*scripted()))
    leaf = session.state.open[-1]
    rule = leaf.module.rules[1]
    session.do(Decision("lock", rule=rule.id))
    session.do(Decision("finish"))
    assert rule in session.module.rules
    assert ("m1" in dict(session.state.restored)) or session.state.restored
    with pytest.raises(ValueError, match="unlock it"):
        session.do(Decision("drop", node=session.state.current, rule=rule.id))
    session.do(Decision("unlock", rule=rule.id))
    session.do(Decision("drop", node=session.state.current, rule=rule.id))
    assert rule not in session.module.rules


def test_without_the_lock_that_rule_is_lost():
    session = Session(desk_for(*scripted()))
    rule = session.state.open[-1].module.rules[1]
    session.do(Decision("finish"))
    assert rule.text not in texts(session.module)


def test_a_locked_rule_survives_keeping_the_other_child():
    session = Session(desk_for(*scripted()))
    session.do(Decision("merge"))
    one, other = session.state.pending.children
    rule = one.module.rules[0]
    session.do(Decision("lock", rule=rule.id))
    session.do(Decision("keep", node=other.id))
    assert session.module.rules == (*other.module.rules, rule)


def test_the_lock_follows_an_edit_and_a_merge_to_the_same_words():
    session = Session(desk_for(*scripted()))
    leaf = session.state.open[0]
    session.do(Decision("lock", rule=leaf.module.rules[0].id))
    session.do(Decision("edit", node=leaf.id, rule=leaf.module.rules[0].id, text="my own words"))
    assert session.state.locked == ("you.1",)
    session.do(Decision("finish"))
    assert texts(session.module).count("my own words") == 1
    kept = Rule("a", "same words", ("t1",))
    child = MergeNode("c", helpers.module(kept))
    twin = Rule("m.1", "same words", ("t1", "t2"), ("a", "b"), "m")
    node, put_back = restored(MergeNode("m", helpers.module(twin), (child,), "merged"), ("a",))
    assert [r.id for r in node.module.rules] == ["a"] and put_back == ()


def test_lock_names_what_there_is(session):
    with pytest.raises(ValueError, match="no open module has"):
        session.do(Decision("lock", rule="nothing"))
    with pytest.raises(ValueError, match="not locked"):
        session.do(Decision("unlock", rule="nothing"))


def test_evaluate_scores_node_and_children_and_shows_flips(session):
    session.do(Decision("merge"))
    node = session.state.pending
    session.do(Decision("evaluate", node=node.id, k=8))
    assert len(session.state.evaluations) == 3
    json.dumps(node_view(session.state, session.state.pending, {}), allow_nan=False)  # as the browser takes it
    rule = first_rule(session)
    for one in session.state.pending.module.rules:
        session.do(Decision("drop", node=node.id, rule=one.id))
    session.do(Decision("evaluate", node=node.id, k=8))
    assert len(session.state.evaluations) == 4, "children are scored once"
    against, gained, lost = flips(session.state, session.state.pending)
    was, now = (dict(session.state.evaluations[i].scores) for i in (2, 3))
    assert against == "its version before" and rule
    assert gained == [t for t in now if now[t] > was[t]] and lost == [t for t in now if now[t] < was[t]]
    for k in (-1, 9):
        with pytest.raises(ValueError, match=f"k={k}"):
            session.do(Decision("evaluate", node=node.id, k=k))


def test_finish_follows_the_gate_of_the_run():
    run, bench, llm = made(gate="hard")
    session = Session(desk_for(run, bench, llm))
    session.do(Decision("finish"))
    assert session.module == run.module
    assert run.log.paid(session.desk.run_id)[0] == 0


def test_a_run_without_merges_and_foreign_data_are_refused(source):
    run, bench, llm = source
    base = fgo.run(bench, llm, method="base")
    with pytest.raises(ValueError, match="no modules to merge"):
        unmerged(base)
    with pytest.raises(ValueError, match="made on other data"):
        desk_for(run, helpers.TinyBench(), llm)


def test_the_state_is_only_changed_by_apply(session):
    before = session.state
    after = apply(session.desk, before, Decision("merge"))
    assert isinstance(after, Merging) and before.pending is None and before == unmerged(session.desk.run)
    assert apply(session.desk, before, Decision("merge")) == after
