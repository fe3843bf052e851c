"""One log among several: threads, runs and processes pay for no call twice and share answers and budgets."""

import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers import ScriptedLLM, TinyBench, job_of, take_over_all, tasks, wait_until

from fgo_kit.calls.limits import Limits
from fgo_kit.calls.log import CallLog
from fgo_kit.calls.meter import Meter, Place
from fgo_kit.calls.protocol import BadRequest, BudgetExceeded
from fgo_kit.runs.compare import compare
from fgo_kit.runs.run import run
from fgo_kit.simulate.server import serving


def chat(text):
    return [{"role": "user", "content": str(text)}]


class Slow(ScriptedLLM):
    """A paid LLM that takes its time; counts what it is asked, also by several meters at once."""

    def __init__(self, reply=lambda messages: "yes", pause=0.02):
        super().__init__(reply, name="openai:slow")
        self.pause, self.simulated = pause, False

    def complete(self, messages, **options):
        time.sleep(self.pause)
        return super().complete(messages, **options)


def meters(path, llm, n=2, **limits):
    for number in range(n):
        log = CallLog(path)
        log.begin(f"r{number}", {}, {})
        yield Meter(llm, log, f"r{number}", Limits(**{"workers": 4} | limits))


def test_two_holders_of_a_log_pay_for_no_call_twice(tmp_path):
    llm = Slow()
    both = list(meters(tmp_path / "log.sqlite", llm))
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda m: m.map(lambda n: m.ask(chat(n), Place("test", task=str(n))).text, range(60)), both))
    assert answers == [["yes"] * 60] * 2 and len(llm.asked) == 60
    paid = [meter.spent[0] for meter in both]
    assert sum(paid) == 60 and all(len(meter.log.calls(meter.run_id)) == 60 for meter in both)
    assert both[0].log.read("SELECT * FROM leases") == []


def test_what_another_holder_failed_at_is_asked_by_the_next(tmp_path):
    begun = threading.Event()

    def reply(messages):
        begun.set()
        return BadRequest("no") if len(llm.asked) == 1 else "yes"

    llm = Slow(reply, pause=0.2)
    first, second = meters(tmp_path / "log.sqlite", llm)
    with ThreadPoolExecutor(1) as pool:
        failed = pool.submit(first.ask, chat("x"), Place("test"))
        wait_until(lambda: first.log.read("SELECT * FROM leases"))
        assert second.ask(chat("x"), Place("test")).text == "yes"
        assert isinstance(failed.exception(), BadRequest)
    assert len(llm.asked) == 2


def test_after_an_interrupt_calls_that_hang_are_asked_again(tmp_path):
    hanging = threading.Event()

    def reply(messages):
        if len(llm.asked) == 1:
            hanging.wait(10)
        return "yes"

    llm = Slow(reply)
    first, second = meters(tmp_path / "log.sqlite", llm)
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(first.ask, chat("x"), Place("test"))
        wait_until(lambda: llm.asked)
        first.cancel()
        assert second.ask(chat("x"), Place("test")).text == "yes"
        hanging.set()
        assert late.result().text == "yes"  # paid too, and kept
    assert [first.spent[0], second.spent[0]] == [1, 1]


PROCESS = """
import sys
from fgo_kit.calls.limits import Limits
from fgo_kit.calls.log import CallLog
from fgo_kit.calls.meter import Meter, Place
from fgo_kit.calls.providers import load_llm
path, url, name = sys.argv[1:]
with CallLog(path) as log:
    log.begin(name, {}, {})
    meter = Meter(load_llm("openai:small", base_url=url), log, name, Limits(workers=4))
    ask = lambda n: meter.ask([{"role": "user", "content": f"question {n}"}], Place("test", task=str(n))).text
    meter.map(ask, range(40))
    print(meter.spent[0], len(log.calls(name)))
"""


def test_two_processes_on_one_log_pay_for_no_call_twice(tmp_path):
    path = tmp_path / "log.sqlite"
    with serving(ScriptedLLM(lambda messages: "yes"), latency_ms=30) as server:
        command = [sys.executable, "-c", PROCESS, path, server.openai_url]
        root = str(Path(__file__).resolve().parents[2])
        started = [subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True, cwd=root) for name in "ab"]
        printed = [process.communicate(timeout=60)[0].split() for process in started]
        assert server.ledger()["successes"] == 40
    assert sum(int(paid) for paid, _ in printed) == 40 and [logged for _, logged in printed] == ["40", "40"]


# -- runs


def answers(messages):
    job = job_of(messages)
    if job == "merge":
        return take_over_all(messages)
    return {"propose": '{"edits": []}', "evaluate": "fine"}.get(job, "answer 1")


@pytest.fixture
def bench():
    return TinyBench(train=tasks(8), test=tasks(6, "x"))


def test_the_same_run_twice_at_once_is_made_once(tmp_path, bench):
    llm, path = Slow(answers), tmp_path / "log.sqlite"
    with ThreadPoolExecutor(3) as pool, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        runs = list(pool.map(lambda _: run(bench, llm, log=path, workers=2, budget_calls=50), range(3)))
    assert len({found.id for found in runs}) == 1 and len({str(found.module) for found in runs}) == 1
    assert len(llm.asked) == runs[0].tokens()["paid_calls"].sum() <= 50
    assert any("being made elsewhere" in str(warning.message) for warning in told)


def test_two_of_the_same_run_share_one_budget(tmp_path, bench):
    llm, path = Slow(answers), tmp_path / "log.sqlite"

    def stopped(_):
        with pytest.raises(BudgetExceeded):
            run(bench, llm, log=path, workers=4, budget_calls=10)

    with ThreadPoolExecutor(3) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        list(pool.map(stopped, range(3)))
    assert len(llm.asked) == 10


def test_a_grid_in_an_executor_pays_for_no_call_twice(tmp_path, bench):
    methods = ["base", "fgo", "bootstrapping", "all_at_once"]
    alone, together = Slow(answers), Slow(answers)
    first = compare(bench, alone, methods, [0], log=tmp_path / "a.sqlite", workers=2)
    with ThreadPoolExecutor(4) as pool:
        table = compare(bench, together, methods, [0], log=tmp_path / "b.sqlite", workers=2, executor=pool)
    assert table["score"].tolist() == first["score"].tolist() and (table["status"] == "ok").all()
    assert len(together.asked) == len(alone.asked) < table["calls"].sum()
