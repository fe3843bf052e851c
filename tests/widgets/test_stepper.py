"""The merge stepper as Python sees it: what the page sends, what it is told, and the plain page."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import replace

import helpers
import pytest
from by_hand import learner, scripted

import fgo_kit as fgo
from fgo_kit.widgets.page import LIVE


@pytest.fixture
def stepper(source, tmp_path):
    return fgo.MergeStepper(*source, save=tmp_path / "hand.json")


def send(stepper, **message):
    """A message as the page sends it; returns when nothing is under way any more."""
    stepper._received(stepper, message, [])
    for thread in threading.enumerate():
        if thread.name == "fgo stepper":
            thread.join(30)


def test_importing_the_package_imports_no_widgets():
    code = "import sys, fgo_kit; sys.exit('anywidget' in sys.modules or 'ipywidgets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


def test_clicks_and_python_do_the_same(stepper, source):
    send(stepper, action="do", decision={"do": "merge"})
    node = stepper.state.pending.id
    assert stepper.shown["pending"] == node and stepper.busy == {}
    stepper.do("accept")
    send(stepper, action="undo")
    assert stepper.shown["cursor"] == 1 and stepper.shown["total"] == 2
    send(stepper, action="redo")
    send(stepper, action="select", node="s1")
    assert stepper.shown["node"]["id"] == "s1"
    send(stepper, action="do", decision={"do": "finish"})
    assert stepper.shown["done"] and stepper.module == source[0].module
    assert fgo.replay_merges(stepper.decisions, *source) == stepper.module
    assert "done" in repr(stepper)


@pytest.mark.parametrize(
    "message",
    [
        {"action": "do", "decision": {"do": "accept"}}, {"action": "dance"},
        {"action": "select", "node": "\ud800"},
        {"action": "do", "decision": {"do": "edit", "node": "s1", "rule": "<b>", "text": "abc"}},
        {"action": "do", "decision": {"do": "merge", "shell": "rm"}}, {"action": "export", "kind": "run"},
        {"action": "export", "kind": "../../x"}, {"action": "do"}, {},
    ],
)  # fmt: skip
def test_what_is_not_possible_is_told_and_changes_nothing(stepper, message):
    send(stepper, **message)
    assert stepper.note["error"] and stepper.note["text"]
    stepper.note["text"].encode()
    assert stepper.decisions == () and stepper.busy == {}


def test_exports(stepper, tmp_path):
    stepper.do("merge")
    send(stepper, action="export", kind="text")
    assert (tmp_path / "hand.module.txt").read_text().strip() == str(stepper.module)
    send(stepper, action="export", kind="json")
    data = json.loads((tmp_path / "hand.module.json").read_text())
    assert data["text"] == str(stepper.module) and data["decisions"][0]["do"] == "merge"
    stepper.do("finish")
    send(stepper, action="export", kind="run")
    assert stepper.run.module == stepper.module and "test score" in stepper.note["text"]


def test_stop_ends_an_evaluation_and_nothing_is_decided():
    entered, slow = threading.Event(), threading.Event()

    def reply(messages):
        if helpers.job_of(messages) == "act" and entered.is_set():
            slow.wait(5)
        return learner(messages)

    run, bench, llm = scripted(reply)
    stepper = fgo.MergeStepper(run, bench, llm, save=False, workers=2)
    entered.set()
    stepper._received(stepper, {"action": "do", "decision": {"do": "evaluate", "node": "s1", "k": 4}}, [])
    helpers.wait_until(lambda: stepper.busy.get("of") == 4)
    stepper._received(stepper, {"action": "do", "decision": {"do": "merge"}}, [])
    helpers.wait_until(lambda: "busy" in stepper.note.get("text", ""))
    stepper._received(stepper, {"action": "stop"}, [])
    helpers.wait_until(lambda: not stepper.busy)
    slow.set()
    assert "Stopped" in stepper.note["text"] and stepper.decisions == ()
    stepper.do("evaluate", node="s1", k=4)
    assert len(stepper.decisions) == 1


def test_a_stop_that_comes_before_the_first_call_is_not_lost():
    stepper = fgo.MergeStepper(*scripted(), save=False, workers=2)
    desk = stepper.session.desk
    stopped_in_between = lambda meter: (stepper._received(stepper, {"action": "stop"}, []), desk.on_meter(meter))  # noqa: E731
    stepper.session.desk = replace(desk, on_meter=stopped_in_between)
    send(stepper, action="do", decision={"do": "evaluate", "node": "s1", "k": 4})
    assert "Stopped" in stepper.note["text"] and stepper.decisions == () and stepper.busy == {}
    stepper.session.desk = desk
    stepper.do("evaluate", node="s1", k=4)
    assert len(stepper.decisions) == 1


def test_stop_ends_the_export_of_a_run_and_it_can_be_made_again():
    run, bench, llm = scripted()
    stepper = fgo.MergeStepper(run, bench, llm, save=False, workers=2)
    stepper.do("write", node="s1", text="a rule that makes every test prompt a new one")
    stepper.do("lock", rule="you.1")
    stepper.do("finish")
    test_asked, answer = threading.Event(), llm.reply

    def held(messages):
        if "document number 0 of x" in messages[1]["content"]:
            test_asked.set()
            helpers.wait_until(lambda: stepper._stopped)
        return answer(messages)

    llm.reply = held
    stepper._received(stepper, {"action": "export", "kind": "run"}, [])
    assert test_asked.wait(10)
    stepper._received(stepper, {"action": "stop"}, [])
    helpers.wait_until(lambda: not stepper.busy)
    assert "Stopped" in stepper.note["text"] and stepper.run is None
    llm.reply = answer
    assert stepper.to_run().module == stepper.module


def test_a_budget_bounds_merging_by_hand(source):
    run, bench, llm = source
    stepper = fgo.MergeStepper(run, bench, llm, save=False, budget_calls=3)
    stepper.do("merge")  # in the run's log
    send(stepper, action="do", decision={"do": "evaluate", "node": "s1", "k": 8})
    assert "Budget" in stepper.note["text"] and len(stepper.decisions) == 1


def test_a_limit_that_does_not_exist_is_refused(source):
    with pytest.raises(TypeError, match="MergeStepper does not take 'worker'; did you mean 'workers'"):
        fgo.MergeStepper(*source, save=False, worker=2)


def test_the_plain_page_stands_in_for_the_widget(stepper, monkeypatch):
    monkeypatch.delenv("FGO_HEADLESS", raising=False)
    stepper.do("merge")
    data = stepper._repr_mimebundle_()[0]
    assert LIVE in data
    assert "<table>" in data["text/html"] and "data:image/svg+xml" in data["text/html"]
    monkeypatch.setenv("FGO_HEADLESS", "1")
    assert LIVE not in stepper._repr_mimebundle_()[0]
