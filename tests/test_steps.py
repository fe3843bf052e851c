"""Merging by hand, without a widget: decisions, verdicts, locks, undo and redo, replay, the result as a run."""

from __future__ import annotations

import json
from dataclasses import replace

import helpers
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import fgo_kit as fgo
from fgo_kit import report
from fgo_kit.calllog import CallLog
from fgo_kit.llm import Cancelled
from fgo_kit.records import MergeNode, Rule, to_json
from fgo_kit.widgets.hand import Decision, State, start, suggestion
from fgo_kit.widgets.session import Session, as_decision, as_dict, desk_for, replay_merges, run_by_hand
from fgo_kit.widgets.static_stepper import static_page, svg
from fgo_kit.widgets.steps import apply, can_edit, flips, restored
from fgo_kit.widgets.views import fate, shown, stepper_view, word_diff

HOSTILE = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", "<!-- a --> b --!>",
    "</style><style>*{display:none}</style>", "\u202egnp.exe\u200f", "x" * 900, "a\x00b\x1b[31mc", "lone \ud800 half",
    "'\"><svg onload=alert(1)>", "&lt;b&gt;",
]  # fmt: skip


def made(llm="simulated", n_subsets=6, bench=None, **choices):
    """(run, bench, llm) of a small run with merges."""
    bench = bench or helpers.small_bench(n_train=24, n_test=6)
    return fgo.run(bench, llm, n_subsets=n_subsets, epochs=1, **choices), bench, llm


@pytest.fixture(scope="module")
def source():
    return made()


@pytest.fixture
def session(source):
    return Session(desk_for(*source))


def merge_all(session):
    while not session.state.done:
        session.do(Decision("merge"))
        session.do(Decision("accept"))


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
    assert all(not r.origin or r.support == () or r.id in {x.id for c in before.children for x in c.module.rules}
               for r in session.module.rules)  # fmt: skip
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
    assert not can_edit(session.state, child.id) and can_edit(session.state, session.state.pending.id)
    for _ in range(2):
        with pytest.raises(ValueError, match="merged already"):
            session.do(Decision("drop", node=child.id, rule=child.module.rules[0].id))
        if session.state.pending:
            session.do(Decision("accept"))


def forgetful(messages):
    """A merger that keeps the first rule it is shown and no other."""
    (name, text), *_ = helpers.shown_rules(messages[1]["content"])
    return json.dumps({"rules": [{"text": text, "from": [name]}]})


def learner(messages):
    """An LLM for whole runs: each subset learns two rules of its own; its merger is forgetful."""
    job = helpers.job_of(messages)
    if job == "merge":
        return forgetful(messages)
    if job == "propose":
        task = messages[1]["content"].split('task="')[1].split('"')[0]
        edits = [{"op": "add", "text": f"rule {i} seen in {task}", "support": [task]} for i in (1, 2)]
        return json.dumps({"edits": edits})
    return "ANSWER: answer 1"


def scripted(reply=learner, n=8, **choices):
    bench = helpers.TinyBench(helpers.tasks(n), helpers.tasks(4, "g"), helpers.tasks(4, "x"))
    return made(helpers.ScriptedLLM(reply), n_subsets=n // 2, bench=bench, divide="random", **choices)


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
        start(base)
    with pytest.raises(ValueError, match="made on other data"):
        desk_for(run, helpers.TinyBench(), llm)


# -- undo, redo, autosave


def test_undo_and_redo_have_no_limit(session):
    merge_all(session)
    states = [session.state]
    while session.undo():
        states.append(session.state)
    assert len(states) == 11 and not session.undo()
    assert session.state == start(session.desk.run)
    for expected in reversed(states[:-1]):
        assert session.redo() and session.state == expected
    assert not session.redo()


def test_a_new_decision_forgets_what_was_undone(session):
    session.do(Decision("merge"))
    session.do(Decision("accept"))
    session.undo()
    session.do(Decision("reject"))
    assert [d.do for d in session.decisions] == ["merge", "reject"] and not session.redo()


def test_a_saved_session_reopens_exactly_as_left(source, tmp_path):
    path = tmp_path / "deep" / "hand.json"
    one = Session(desk_for(*source), path)
    one.do(Decision("merge"))
    one.do(Decision("write", node=one.state.current, text=HOSTILE[7]))
    one.do(Decision("accept"))
    one.do(Decision("merge"))
    one.undo()
    one.select("s1")
    two = Session(desk_for(*source), path)
    assert (two.decisions, two.cursor, two.selected, two.state) == (one.decisions, 3, "s1", one.state)
    assert two.redo() and two.state.pending
    assert [p.name for p in path.parent.iterdir()] == ["hand.json"], "no temporary file is left"


@pytest.mark.parametrize(
    ("content", "why"),
    [("", "no file of merges"), ('{"format": "x"}', "format"), ("[1]", "no file of merges"), ("\x00", "no file of")],
)
def test_a_file_of_something_else_is_refused_and_left_alone(source, tmp_path, content, why):
    path = tmp_path / "hand.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=why):
        Session(desk_for(*source), path)
    assert path.read_text() == content


def test_decisions_on_other_modules_are_refused(source, tmp_path):
    path = tmp_path / "hand.json"
    Session(desk_for(*source), path).do(Decision("merge"))
    with pytest.raises(ValueError, match="other modules"):
        Session(desk_for(*made(n_subsets=4)), path)


def test_a_failed_save_leaves_the_old_file(session, tmp_path, monkeypatch):
    session.path = tmp_path / "hand.json"
    session.do(Decision("merge"))
    before = session.path.read_text()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        session.do(Decision("accept"))
    assert session.path.read_text() == before
    assert list(tmp_path.iterdir()) == [session.path]


def test_when_the_llm_fails_nothing_is_decided(source):
    run, bench, _ = source
    broken = helpers.Wrapped(fgo.load_llm("simulated"))
    session = Session(desk_for(run, bench, broken))
    names = [node.id for node in session.state.open]

    def refuse(_):
        raise Cancelled("stop")

    broken.before = refuse
    with pytest.raises(Cancelled):
        session.do(Decision("merge", nodes=tuple(names)))
    broken.before = None
    assert session.decisions == () and session.do(Decision("merge", nodes=tuple(names))).pending


# -- replay


@st.composite
def intents(draw):
    """Decisions in the abstract: numbers that pick among what is there, so most of them are possible."""
    kinds = ["merge", "merge", "accept", "accept", "reject", "redo", "keep", "choose", "edit", "drop", "move", "write",
             "lock", "unlock", "evaluate", "finish", "undo", "redo step"]  # fmt: skip
    kind, number = draw(st.sampled_from(kinds)), draw(st.integers(0, 50))
    text = draw(st.sampled_from(HOSTILE) | st.text(max_size=60))
    return kind, number, text


def decide(session, intent):
    """Turn an intent into a decision on what is there now; one that is not possible changes nothing."""
    kind, number, text = intent
    if kind in ("undo", "redo step"):
        session.undo() if kind == "undo" else session.redo()
        return
    state = session.state
    node = list(state.walk())[number % len(list(state.walk()))]
    if state.pending and number % 2:
        node = state.pending
    rules = node.module.rules or (Rule("none", "none"),)
    names = [n.id for n in state.open]
    choices = {
        "node": node.id, "rule": rules[number % len(rules)].id, "text": text, "at": number % 4, "k": number % 5,
        "nodes": tuple(names[number % len(names) :][:3]), "seed": number if kind == "redo" else None,
        "strategy": ("", "edits", "rewrite", "pool")[number % 4] if kind in ("redo", "merge") else "",
    }  # fmt: skip
    if kind == "merge" and number % 3:
        choices["nodes"] = ()
    if kind == "keep":
        choices["node"] = "" if number % 2 else choices["node"]
    before, count = session.state, session.cursor
    try:
        session.do(Decision(kind, **choices))
    except ValueError:
        assert session.state is before and session.cursor == count


@hypothesis_settings(max_examples=60)
@given(st.lists(intents(), max_size=25), st.integers(0, 3))
def test_any_list_of_decisions_replays_to_the_same_module(many, seed):
    run, bench, llm = scripted_random(seed)
    session = Session(desk_for(run, bench, llm))
    for intent in many:
        decide(session, intent)
    through_json = json.loads(json.dumps([as_dict(decision) for decision in session.done]))
    again = replay_merges(through_json, run, bench, llm)
    assert to_json(again) == to_json(session.module)
    ids = [rule.id for rule in session.module.rules]
    assert len(set(ids)) == len(ids)
    state = session.state
    for rule_id in state.locked:  # every locked rule is in some module that still counts
        held = [r.id for n in (*state.open, *filter(None, [state.pending])) for r in n.module.rules]
        assert rule_id in held or state.pending
    json.dumps(stepper_view(session, {})).encode()
    static_page(stepper_view(session, {})).encode()


SOURCES: dict = {}


def scripted_random(seed):
    if seed not in SOURCES:
        merger = helpers.random_merger(seed)
        reply = lambda messages: (merger if helpers.job_of(messages) == "merge" else learner)(messages)  # noqa: E731
        SOURCES[seed] = scripted(reply)
    return SOURCES[seed]


def test_replay_says_which_decision_is_not_possible(source):
    with pytest.raises(ValueError, match="decision 2: .*awaits a verdict"):
        replay_merges([{"do": "merge"}, {"do": "merge"}], *source)
    for wrong in ({"do": "merge", "who": "me"}, {"do": "move", "at": "first"}, {}):
        with pytest.raises(ValueError):
            as_decision(wrong)


def test_decisions_in_json_say_only_what_was_decided():
    decision = Decision("redo", seed=0, strategy="pool")
    assert as_dict(decision) == {"do": "redo", "seed": 0, "strategy": "pool"}
    assert as_decision(as_dict(decision)) == decision


# -- the result as a run


def test_the_result_is_a_run_like_any_other(tmp_path):
    run, bench, llm = made(log=tmp_path / "log.sqlite")
    session = Session(desk_for(run, bench, llm))
    session.do(Decision("merge"))
    session.do(Decision("redo", seed=3))
    session.do(Decision("write", node=session.state.current, text="Answer in capitals."))
    with pytest.raises(ValueError, match="modules are left"):
        run_by_hand(session.done, run, bench, llm)
    session.do(Decision("finish"))
    mine = run_by_hand(session.done, run, bench, llm)
    assert mine.module == session.module and mine.config["method"] == "by hand"
    assert set(mine.scores) == {task.id for task in bench.test}
    rows = fgo.compare(bench, llm, ["base", "fgo"], [0], n_subsets=6, epochs=1)
    rows.loc[len(rows)] = mine.row()
    assert list(report.summary(rows)["method"]) == ["base", "fgo", "by hand"]
    ledger = mine.tokens().set_index("phase")
    theirs = run.tokens().set_index("phase")
    for phase in ("rollout", "evaluate", "propose"):
        assert ledger.loc[phase, "prompt"] == theirs.loc[phase, "prompt"], "its modules cost what they cost"
        assert ledger.loc[phase, "paid_prompt"] == 0
    assert ledger.loc["merge", "calls"] == 2 + 4
    again = run_by_hand(session.done, run, bench, llm)
    assert again.id == mine.id and again.score == mine.score
    origins = mine.rules().query("origin == 'you'")
    assert set(origins["text"]) == {"Answer in capitals."}
    report.plot_merge_tree(mine)


def test_every_token_of_merging_by_hand_is_in_the_log(tmp_path):
    run, bench, llm = made(log=tmp_path / "log.sqlite")
    session = Session(desk_for(run, bench, llm))
    session.do(Decision("merge"))
    session.do(Decision("redo", seed=7))
    session.undo()
    session.undo()
    asked = run.log.calls(session.desk.run_id)
    assert len(asked) == 2 and asked["paid"].sum() == 1
    with CallLog(tmp_path / "log.sqlite") as log:
        assert log.paid(session.desk.run_id)[0] == 1


# -- what is shown


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


@given(st.text(max_size=200), st.text(max_size=200))
def test_word_diff_holds_both_texts(old, new):
    parts = word_diff(old, new)
    assert "".join(text for op, text in parts if op in "=-") == old
    assert "".join(text for op, text in parts if op in "=+") == new


def test_hostile_text_is_shown_as_text(source):
    run, bench, llm = source
    leaf, *others = start(run).open
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
    assert shown({"a": ["\ud800", ("b\x00",)], "n": 1.5, "none": None}) == {"a": ["\ufffd", ["b\ufffd"]], "n": 1.5, "none": None}


def test_the_state_is_only_changed_by_apply(session):
    before = session.state
    after = apply(session.desk, before, Decision("merge"))
    assert isinstance(after, State) and before.pending is None and before == start(session.desk.run)
    assert apply(session.desk, before, Decision("merge")) == after
