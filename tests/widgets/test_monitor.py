"""Runs in the background: what the monitor says, and that a stopped run has lost nothing."""

import io
import threading
import time

import pytest
from helpers import Wrapped, small_bench, wait_until

import fgo_kit as fgo
from fgo_kit.calls.limits import Limits
from fgo_kit.calls.log import CallLog
from fgo_kit.calls.protocol import BudgetExceeded, Cancelled, RateLimited
from fgo_kit.simulate.model import load
from fgo_kit.widgets.progress import Bar
from fgo_kit.widgets.status import Snapshot, line


@pytest.fixture(scope="module")
def bench():
    return small_bench()


def test_a_started_run_ends_like_one_that_was_waited_for(bench):
    monitor = fgo.start(bench, "simulated", counts=True, audit=4, seed=1)
    found, plain = monitor.result(60), fgo.run(bench, "simulated", counts=True, audit=4, seed=1)
    assert (found.id, found.scores, str(found.module)) == (plain.id, plain.scores, str(plain.module))
    shot = monitor.snapshot()
    assert shot.state == "done" and shot.calls == len(plain.calls())
    assert shot.paid == plain.tokens()["paid_calls"].sum()
    assert {part.name: part.done for part in shot.phases} == plain.calls().groupby("phase").size().to_dict()
    assert all(part.done == part.expected for part in shot.phases)


@pytest.mark.parametrize("choices", [
    {"method": "base"}, {"method": "all_at_once"}, {"method": "bootstrapping", "n_subsets": 3},
    {"n_subsets": 5, "fan_in": 3}, {"merge": "oneshot", "n_subsets": 4, "gate": "hard"},
    {"n_subsets": 3, "gate": "soft"}, {"method": "all_at_once", "gate": "hard"}, {"method": "fgo", "n_subsets": 3},
    {"method": "fgo", "rounds": 2, "n_subsets": 4, "passes": 2, "review": True}, {"method": "bootstrapping", "rounds": 2, "n_subsets": 2, "review": True},
])  # fmt: skip
def test_what_is_expected_comes_to_pass(bench, choices):
    monitor = fgo.start(bench, "simulated", epochs=1, **choices)
    monitor.result(60)
    for part in monitor.snapshot().phases:
        slack = part.expected if part.name in ("repair", "gate", "review") else 0  # an unchanged module is not judged
        assert abs(part.done - part.expected) <= slack, part


@pytest.mark.parametrize("choices", [{}, {"method": "fgo"}, {"method": "bootstrapping"}, {"passes": 2, "epochs": 1}], ids=str)
def test_totals_are_known_before_the_first_answer(bench, choices):
    hold = threading.Event()
    monitor = fgo.start(bench, Wrapped(load("small"), lambda _: hold.wait(60)), **choices)
    expected = {bar.name: bar.expected for bar in monitor.snapshot().phases}  # before the tasks are divided
    wait_until(lambda: monitor.snapshot().flying)
    assert expected == {bar.name: bar.expected for bar in monitor.snapshot().phases}
    hold.set()
    calls = monitor.result(60).calls()
    done = calls[calls["phase"] != "repair"].groupby("phase").size()
    assert expected == done.to_dict() and "propose" in expected


def test_stop_ends_the_run_soon_keeps_what_was_paid_and_the_run_resumes(bench, tmp_path):
    path, hold = tmp_path / "log.sqlite", threading.Event()
    asked = []

    def before(messages):
        asked.append(1)
        if len(asked) > 20:
            hold.wait(60)  # from here on answers take long

    monitor = fgo.start(bench, Wrapped(load("small"), before), log=path, workers=4)
    wait_until(lambda: len(asked) > 21)
    began = time.monotonic()
    assert monitor.stop() and time.monotonic() - began < 20 and monitor.state == "stopped"
    with pytest.raises(Cancelled):
        monitor.result()
    assert monitor.snapshot().flying == 0 and dict(monitor.shown()["facts"])["under way"] == "0"
    hold.set()
    wait_until(lambda: monitor.llm.flying == 0)
    log = CallLog(path)
    wait_until(lambda: len(log.calls()) == len(asked))  # answers that were under way are kept too
    assert log.runs()["status"].tolist() == ["Cancelled"] and (log.calls()["status"] == "ok").all()

    again = fgo.start(bench, Wrapped(load("small"), lambda _: asked.append(1)), log=path)
    found, plain = again.result(60), fgo.run(bench, "simulated")
    assert found.scores == plain.scores and str(found.module) == str(plain.module)
    assert len(asked) == plain.tokens()["paid_calls"].sum()  # nothing was paid for twice
    assert found.tokens()["prompt"].sum() == plain.tokens()["prompt"].sum()


def test_stop_before_the_first_call_and_after_the_last(bench):
    gate = threading.Event()
    monitor = fgo.start(bench, Wrapped(load("small"), lambda _: gate.wait(5)), workers=1)
    threading.Timer(0.2, gate.set).start()
    assert monitor.stop() and monitor.state == "stopped"
    done = fgo.start(bench, "simulated", method="base")
    done.result(60)
    assert done.stop() and done.state == "done" and done.result().score >= 0


def test_choices_that_do_not_exist_are_refused_at_once(bench):
    for choices, error in [
        ({"method": "magic"}, ValueError),
        ({"epochs": 0}, ValueError),
        ({"colour": 1}, TypeError),
    ]:
        with pytest.raises(error):
            fgo.start(bench, "simulated", **choices)
    with pytest.raises(TypeError, match="on_call"):
        fgo.start(bench, "simulated", on_call=print)


def test_a_failed_run_says_why(bench):
    monitor = fgo.start(bench, "simulated", budget_calls=3)
    with pytest.raises(BudgetExceeded):
        monitor.result(60)
    assert monitor.state == "failed" and "budget of 3 calls" in monitor.text()
    assert monitor.shown()["paid"][0] == {"name": "calls paid", "text": "3 of 3", "share": 1.0}


def test_failed_tries_are_counted_though_the_run_goes_on(bench):
    turns = iter(range(10_000))

    def before(messages):
        if next(turns) % 20 == 5:
            raise RateLimited("slow down", retry_after=0.01)

    monitor = fgo.start(bench, Wrapped(load("small"), before), method="base", workers=2)
    assert monitor.result(60).score >= 0
    assert dict(monitor.snapshot().retries)["RateLimited"] >= 1 and "RateLimited" in monitor.text()


def test_result_can_run_out_of_time_and_the_run_goes_on(bench):
    gate = threading.Event()
    monitor = fgo.start(bench, Wrapped(load("small"), lambda _: gate.wait(10)), method="base")
    assert not monitor.wait(0.05)
    with pytest.raises(TimeoutError, match="under way"):
        monitor.result(0.05)
    gate.set()
    assert monitor.result(60).score >= 0


def test_the_text_form_is_lines_without_control_characters(bench):
    file = io.StringIO()
    fgo.start(bench, "simulated", method="base").follow(every=0.05, file=file)
    lines = file.getvalue().splitlines()
    assert lines and "done" in lines[-1] and file.getvalue().endswith("\n")
    assert all(mark.isprintable() and mark.isascii() for text in lines for mark in text)


def test_a_terminal_sees_one_line_that_changes(bench):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    file = Terminal()
    fgo.start(bench, "simulated", method="base").follow(every=0.05, file=file)
    assert file.getvalue().startswith("\r\x1b[K") and file.getvalue().count("\n") == 1


def test_hostile_errors_cannot_steer_a_terminal():
    shot = Snapshot(
        "failed",
        1,
        1,
        0,
        0,
        1,
        1,
        None,
        float("nan"),
        (Bar("test", 1, 2),),
        (),
        (),
        "Bad: \x1b[2J\n\u202eno\ud800",
    )
    assert line(shot, Limits()).isprintable() and line(shot, Limits()).isascii() and "unpriced USD" in line(shot, Limits())


def test_it_shows_itself_without_a_kernel(bench, monkeypatch):
    monkeypatch.setenv("FGO_HEADLESS", "1")
    monitor = fgo.start(bench, "simulated", method="base")
    monitor.result(60)
    assert set(monitor._repr_mimebundle_()[0]) == {"text/plain", "text/html"}
    assert ">128<" not in monitor._repr_html_() and ">12<" in monitor._repr_html_()  # of tasks, 12 are tested
