"""A merge by hand from beginning to end: undo and redo, autosave, replay, and the result as a run."""

from __future__ import annotations

import json
from dataclasses import replace

import helpers
import pandas as pd
import pytest
from by_hand import HOSTILE, learner, made, merge_all, scripted
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import fgo_kit as fgo
from fgo_kit import report
from fgo_kit.calls.log import CallLog
from fgo_kit.calls.protocol import Cancelled
from fgo_kit.records import Rule, to_json
from fgo_kit.widgets.merging_by_hand import Decision, unmerged
from fgo_kit.widgets.replay_decisions import desk_for, replay_merges, run_by_hand
from fgo_kit.widgets.session import Session
from fgo_kit.widgets.static_stepper import static_page
from fgo_kit.widgets.views import stepper_view


def test_undo_and_redo_have_no_limit(session):
    merge_all(session)
    states = [session.state]
    while session.undo():
        states.append(session.state)
    assert len(states) == 11 and not session.undo()
    assert session.state == unmerged(session.desk.run)
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
    [
        ("", "no file of merges"),
        ('{"format": "x"}', "format"),
        ("[1]", "no file of merges"),
        ("\x00", "no file of"),
    ],
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


def test_opening_a_file_never_pays_a_real_llm(tmp_path):
    run, bench, llm = scripted()
    llm.simulated = False
    path = tmp_path / "hand.json"
    Session(desk_for(run, bench, llm), path).do(Decision("evaluate", node="s1", k=2))
    asked = len(llm.asked)
    assert Session(desk_for(run, bench, llm), path).cursor == 1
    elsewhere = replace(run, log=CallLog())
    with pytest.raises(ValueError, match="not in CallLog"):
        Session(desk_for(elsewhere, bench, llm), path)
    assert len(llm.asked) == asked


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
    kinds = ["merge", "merge", "accept", "accept", "reject", "redo", "keep", "choose", "edit", "drop", "move",
             "write", "lock", "unlock", "evaluate", "finish", "undo", "redo step"]  # fmt: skip
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
        "node": node.id, "rule": rules[number % len(rules)].id, "text": text, "at": number % 4,
        "k": number % 5,
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
    through_json = json.loads(json.dumps([decision.as_dict() for decision in session.done]))
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
            Decision.of(wrong)


def test_decisions_in_json_say_only_what_was_decided():
    decision = Decision("redo", seed=0, strategy="pool")
    assert decision.as_dict() == {"do": "redo", "seed": 0, "strategy": "pool"}
    assert Decision.of(decision.as_dict()) == decision


# -- the result as a run


def test_what_controls_cut_in_merges_by_hand_is_listed_as_cut():
    answers = {"merge": helpers.take_over_all}
    run, bench, llm = scripted(lambda m: answers.get(helpers.job_of(m), learner)(m), controls={"max_rules": 3})
    assert (run.rules()["fate"] == "cut").any()
    desk = desk_for(run, bench, llm)
    pd.testing.assert_frame_equal(run_by_hand([Decision("finish")], desk).rules(), run.rules())
    pooled = Decision("merge", nodes=("s1", "s2"), strategy="pool")  # all rules are kept, so no control cuts there
    rules = run_by_hand([pooled, Decision("finish")], desk).rules()
    first = rules[rules["node"].isin(["s1", "s2"])]
    assert set(first["fate"]) == {"kept"} and (rules["fate"] == "cut").any()


def test_the_result_is_a_run_like_any_other(tmp_path):
    run, bench, llm = made(log=tmp_path / "log.sqlite")
    session = Session(desk_for(run, bench, llm))
    session.do(Decision("merge"))
    session.do(Decision("redo", seed=3))
    session.do(Decision("write", node=session.state.current, text="Answer in capitals."))
    with pytest.raises(ValueError, match="modules are left"):
        run_by_hand(session.done, session.desk)
    session.do(Decision("finish"))
    mine = run_by_hand(session.done, session.desk)
    assert mine.module == session.module and mine.config["method"] == "by hand"
    assert set(mine.scores) == {task.id for task in bench.test}
    rows = pd.DataFrame([fgo.run(bench, llm, method="base").row(), run.row(), mine.row()])
    assert list(report.summary(rows)["method"]) == ["base", "fgo", "by hand"]
    ledger = mine.tokens().set_index("phase")
    theirs = run.tokens().set_index("phase")
    for phase in ("rollout", "evaluate", "propose"):
        assert ledger.loc[phase, "prompt"] == theirs.loc[phase, "prompt"], "its modules cost what they cost"
        assert ledger.loc[phase, "paid_prompt"] == 0
    assert ledger.loc["merge", "calls"] == 2 + 4
    again = run_by_hand(session.done, session.desk)
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
