import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import ScriptedLLM, context, wait_until

from fgo_kit.calls.budget import Account
from fgo_kit.calls.limits import Limits
from fgo_kit.calls.log import CallLog, Place
from fgo_kit.calls.meter import Meter
from fgo_kit.calls.prices import price
from fgo_kit.calls.protocol import (
    AuthError,
    BadRequest,
    BudgetExceeded,
    Cancelled,
    ContextOverflow,
    Overloaded,
    RateLimited,
    Reply,
    ToolCall,
    Unreachable,
    Usage,
)


class FakeLLM:
    """Answers with the length of what it is asked, after a pause that depends on its length."""

    params: dict = {}
    context_window, max_completion, counter, native_tools = 10_000, 20, "estimate", False

    def __init__(self, pause=0.0, simulated=True, name="simulated:fake"):
        self.pause, self.simulated, self.name = pause, simulated, name
        self.calls, self.now, self.most = 0, 0, 0
        self.lock = threading.Lock()

    def count(self, messages):
        return sum(len(m["content"]) for m in messages)

    def complete(self, messages, *, tools=(), response_schema=None, sample=0):
        with self.lock:
            self.calls += 1
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            time.sleep(self.pause * (len(messages[-1]["content"]) % 7) / 6)
            return self.answer(messages, sample)
        finally:
            with self.lock:
                self.now -= 1

    def answer(self, messages, sample):
        length = self.count(messages)
        return Reply(f"{length}", Usage(length, 1 + length % 20))


class Faulty(FakeLLM):
    """Raises the given errors first, then answers."""

    def __init__(self, *errors):
        super().__init__()
        self.errors = list(errors)

    def answer(self, messages, sample):
        if self.errors:
            raise self.errors.pop(0)
        return super().answer(messages, sample)


def chat(text):
    return [{"role": "user", "content": str(text)}]


def working():
    """The threads of meters that have something to do."""
    return [t for t in threading.enumerate() if t.name in ("fgo worker", "fgo control")]


def place(n, phase="rollout"):
    return Place(phase, task=str(n))


@pytest.fixture
def log():
    with CallLog() as log:
        log.begin("r", {}, {})
        yield log


@pytest.fixture
def quick(monkeypatch):
    """Waits of hundredths of seconds, and a call that fails alone is given up after a quarter of one."""
    for name, value in (("SHORTEST", 0.005), ("LONGEST", 0.03), ("ALONE_SECONDS", 0.25)):
        monkeypatch.setattr(f"fgo_kit.calls.limiter.{name}", value)


# -- caching


def test_the_same_question_is_paid_once(log):
    llm, seen = FakeLLM(), []
    meter = Meter(llm, log, "r", Limits(workers=1), on_call=lambda place, paid: seen.append((place.task, paid)))
    first, second = meter.ask(chat("hello"), place(1)), meter.ask(chat("hello"), place(2))
    assert first == second == Reply("5", Usage(5, 6))
    assert (llm.calls, seen) == (1, [("1", True), ("2", False)])
    assert meter.spent == (1, 11, 0.0)


def test_another_sample_is_another_draw(log):
    llm = FakeLLM()
    for sample in (0, 1, 0):
        Meter(llm, log, f"r{sample}", Limits(workers=1), sample=sample).ask(chat("hello"), place(1))
    assert llm.calls == 2


def test_tool_calls_survive_the_cache(log):
    class Tools(FakeLLM):
        def answer(self, messages, sample):
            return Reply("", Usage(3, 4, 1, 2), "tool_calls", (ToolCall("c1", "look", '{"at": "é"}'),))

    meter = Meter(Tools(), log, "r", Limits(workers=1))
    assert meter.ask(chat("x"), place(1)) == meter.ask(chat("x"), place(2))
    assert meter.ask(chat("x"), place(3)).tool_calls[0].arguments == '{"at": "é"}'


def test_identical_calls_at_once_pay_once(log):
    llm = FakeLLM(pause=0.2)
    meter = Meter(llm, log, "r", Limits(workers=16))
    replies = meter.map(lambda n: meter.ask(chat("same"), place(n)), range(16))
    assert llm.calls == 1 and len(replies) == 16
    assert log.tokens("r").calls[0] == 16 and log.tokens("r").paid_calls[0] == 1


def test_identical_calls_at_once_fail_together(log):
    class Refusing(FakeLLM):
        def answer(self, messages, sample):
            time.sleep(0.1)
            raise BadRequest("no")

    llm = Refusing()
    meter = Meter(llm, log, "r", Limits(workers=4))

    def try_it(n):
        with pytest.raises(BadRequest):
            meter.ask(chat("same"), place(n))

    meter.map(try_it, range(4))
    assert llm.calls == 1 and list(log.calls("r").status) == ["BadRequest"] * 4


def test_workers_do_not_change_the_ledger():
    tables = []
    for workers in (1, 16):
        with CallLog() as log:
            log.begin("r", {}, {})
            meter = Meter(FakeLLM(pause=0.005), log, "r", Limits(workers=workers))
            replies = meter.map(lambda n: meter.ask(chat("x" * (n % 40)), place(n)).text, range(100))  # noqa: B023
            assert replies == [str(n % 40) for n in range(100)]
            tables.append(log.tokens("r"))
    assert tables[0].equals(tables[1]) and tables[0].calls[0] == 100 and tables[0].paid_calls[0] == 40


# -- retries


TRANSIENT = [RateLimited("429"), Overloaded("529"), Unreachable("time-out")]


@pytest.mark.parametrize("error", TRANSIENT)
def test_passing_failures_are_retried(log, quick, error):
    llm = Faulty(*[error] * 3)
    assert Meter(llm, log, "r", Limits(workers=1)).ask(chat("x"), place(1)).text == "1"
    assert llm.calls == 4 and log.calls("r").attempts[0] == 4 and log.paid("r") == (1, 3, 0.0)


def final(error):
    error.waiting_helps = False  # as a provider may say
    return error


@pytest.mark.parametrize("error", [BadRequest("no"), AuthError("401"), ContextOverflow("long"), final(Overloaded("no more"))])
def test_failures_that_waiting_does_not_change_are_raised_at_once(log, error):
    llm = Faulty(error)
    with pytest.raises(type(error)):
        Meter(llm, log, "r", Limits(workers=1)).ask(chat("x"), place(1))
    assert llm.calls == 1 and list(log.calls("r").status) == [type(error).__name__] and log.paid("r") == (0, 0, 0.0)


@pytest.mark.parametrize("error", TRANSIENT)
def test_without_any_progress_calls_are_given_up_after_patience(log, quick, error):
    llm, limits = Faulty(*[error] * 999), Limits(workers=1, patience=0.5)
    meter, began = Meter(llm, log, "r", limits), time.monotonic()
    with pytest.raises(type(error)):
        meter.ask(chat("x"), place(1))
    assert 0.5 <= time.monotonic() - began < 0.8 and llm.calls > 10
    for n in range(2, 9):  # nothing has come meanwhile: the others are not waited for as long again
        with pytest.raises(type(error)):
            meter.ask(chat(n), place(n))
    assert time.monotonic() - began < 1.2
    llm.errors.clear()  # asked again, the places are filled
    assert Meter(llm, log, "r", limits).ask(chat("x"), place(1)).text == "1"
    assert log.calls("r").set_index("task").status["1"] == "ok"


class Uneven(FakeLLM):
    """Fails for prompts that hold a word, or while `broken` is set."""

    def __init__(self, word="", error=None, pause=0.0):
        super().__init__(pause)
        self.word, self.error, self.broken, self.starts = word, error, False, []

    def answer(self, messages, sample):
        self.starts.append((messages[-1]["content"], time.monotonic()))
        if self.broken or (self.word and self.word in messages[-1]["content"]):
            raise self.error
        return super().answer(messages, sample)

    def tries(self, word):
        return [at for text, at in self.starts if word in text]


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("error", [Overloaded("500"), Unreachable("reset"), Overloaded("503", retry_after=0.1)])
def test_one_bad_task_is_given_up_while_others_succeed_and_holds_nobody(log, quick, error, workers):
    llm = Uneven("bad", error, pause=0.03 if workers > 1 else 0.0)
    meter = Meter(llm, log, "r", Limits(workers=workers))

    def work(n):
        try:
            return meter.ask(chat("bad" if n == 5 else f"fine {n}"), place(n)).text
        except type(error):
            return "failed"

    answers = meter.map(work, range(200))
    assert answers.count("failed") == 1 and answers[5] == "failed" and list(log.calls("r").status).count("ok") == 199
    bad = llm.tries("bad")
    assert llm.most <= workers and len(bad) >= 3 and 0.25 <= bad[-1] - bad[0] < 1
    assert sum(bad[0] < at < bad[1] + 0.2 for at in llm.tries("fine")) > 20  # the others went on meanwhile


def test_with_one_worker_several_bad_tasks_are_set_aside_until_others_are_done(log, quick):
    llm = Uneven("bad", Overloaded("500"), pause=0.01)
    meter = Meter(llm, log, "r", Limits(workers=1))

    def work(n):
        try:
            return meter.ask(chat(f"bad {n}" if n % 8 == 0 else f"fine {n}"), place(n)).text
        except Overloaded:
            return "failed"

    began = time.monotonic()
    answers = meter.map(work, range(80))
    assert [n for n, answer in enumerate(answers) if answer == "failed"] == list(range(0, 80, 8))
    assert llm.most == 1 and time.monotonic() - began < 5


def test_a_call_that_is_refused_for_the_rate_is_no_bad_task(log, quick):
    llm = Uneven("big", RateLimited("429"), pause=0.002)
    meter = Meter(llm, log, "r", Limits(workers=4, patience=1.0))

    def work(n):
        if n:
            return meter.ask(chat(f"fine {n}"), place(n))
        with pytest.raises(RateLimited):
            meter.ask(chat("big"), place(n))

    meter.map(work, range(600))
    big = llm.tries("big")
    assert big[-1] - big[0] >= 0.9  # the whole patience, not a quarter of a second


def test_half_of_all_answers_refused_is_survived(log, quick):
    rng = np.random.default_rng(0)

    class Flaky(FakeLLM):
        def answer(self, messages, sample):
            with self.lock:
                refused = rng.random() < 0.5
            if refused:
                raise RateLimited("429")
            return super().answer(messages, sample)

    meter = Meter(Flaky(), log, "r", Limits(workers=8))
    assert len(meter.map(lambda n: meter.ask(chat(n), place(n)), range(200))) == 200


def test_retry_after_is_waited_for_whole_and_by_the_refused_call_alone(log):
    llm = Uneven()

    def refuse_once(messages, sample):
        if messages[-1]["content"] == "first" and not llm.tries("first"):
            llm.starts.append(("first", time.monotonic()))
            raise RateLimited("429", retry_after=0.6)
        return Uneven.answer(llm, messages, sample)

    llm.answer = refuse_once
    meter = Meter(llm, log, "r", Limits(workers=2))
    meter.map(lambda text: meter.ask(chat(text), place(text)), ["first", *map(str, range(40))])
    first, second = llm.tries("first")
    assert 0.6 <= second - first < 1.0
    assert sum(first < at < first + 0.5 for _, at in llm.starts) >= 38


def test_a_refused_call_frees_its_slot_and_no_more_than_the_workers_ask_at_once(log):
    class Refusing(FakeLLM):
        def answer(self, messages, sample):
            with self.lock:
                refused = self.calls in (1, 2)
            if refused:
                raise RateLimited("429", retry_after=0.5)
            return super().answer(messages, sample)

    llm = Refusing(pause=0.02)
    meter, began = Meter(llm, log, "r", Limits(workers=2)), time.monotonic()
    meter.map(lambda n: meter.ask(chat("x" * (n + 6)), place(n)), range(60))
    assert llm.most == 2 and time.monotonic() - began < 1.2  # 60 calls on two workers, and no half second beside them
    wait_until(lambda: not working())


@pytest.mark.parametrize("error", [RateLimited("429", retry_after=0.3), Overloaded("503"), Unreachable("reset")])
def test_when_most_calls_fail_all_are_held_and_an_outage_costs_little_more_than_itself(log, monkeypatch, error):
    monkeypatch.setattr("fgo_kit.calls.limiter.SHORTEST", 0.05)
    llm = Uneven(error=error, pause=0.05)
    meter, ended = Meter(llm, log, "r", Limits(workers=8)), []

    def outage():
        time.sleep(0.1)
        llm.broken = True
        time.sleep(2)
        llm.broken = False
        ended.append(time.monotonic())

    thread = threading.Thread(target=outage)
    thread.start()
    meter.map(lambda n: meter.ask(chat(f"task {n}"), place(n)), range(400))
    thread.join()
    starts = sorted(at for _, at in llm.starts)
    after = [at for at in starts if at > ended[0]]
    assert after[0] - ended[0] < 0.6 and len(starts) - 400 < 8 * 25
    assert (log.calls("r").status == "ok").all()


def test_a_call_has_a_deadline_beside_what_its_llm_allows(log, quick):
    class Hanging(FakeLLM):
        def answer(self, messages, sample):
            released.wait(5)

    released = threading.Event()
    llm = Hanging(simulated=False, name="openai:gpt-4o-mini")
    meter, began = Meter(llm, log, "r", Limits(workers=1, patience=0.3, budget_calls=5)), time.monotonic()
    with pytest.raises(Unreachable, match=r"no whole answer within 0\.3 s"):
        meter.ask(chat("x"), place(1))
    assert time.monotonic() - began < 2
    released.set()
    assert 1 <= log.lost("r")[0] == llm.calls <= 2 and log.paid("r")[0] == 0


def test_a_billed_overflow_is_paid_once_and_fails_again(log):
    error = ContextOverflow("too long")
    error.usage = Usage(50, 2)
    llm = Faulty(error)
    meter = Meter(llm, log, "r", Limits(workers=1, budget_tokens=1000))
    for n in (1, 1, 2):
        with pytest.raises(ContextOverflow, match="too long"):
            meter.ask(chat("x"), place(n))
    assert llm.calls == 1 and log.paid("r") == (1, 52, 0.0)
    assert list(log.calls("r").status) == ["ContextOverflow"] * 2


# -- budgets


@pytest.mark.parametrize("seed", range(8))
def test_a_budget_is_never_exceeded(seed):
    rng = np.random.default_rng(seed)
    name = ["simulated:fake", "openai:gpt-4o-mini"][seed % 2]
    limits = Limits(workers=16, **[
        {"budget_calls": int(rng.integers(0, 40))}, {"budget_tokens": int(rng.integers(0, 3000))},
        {"budget_usd": float(rng.uniform(0, 3e-4))}, {"budget_calls": 25, "budget_tokens": 1500},
    ][seed // 2])  # fmt: skip
    texts = ["x" * int(n) for n in rng.integers(1, 120, 60)]
    with CallLog() as log:
        log.begin("r", {}, {})
        llm = FakeLLM(pause=0.01, simulated=seed % 2 == 0, name=name)
        meter = Meter(llm, log, "r", limits)
        try:
            meter.map(lambda n: meter.ask(chat(texts[n]), place(n)), range(60))
        except BudgetExceeded as error:
            assert "spent" in str(error) and "larger budget" in str(error)
        calls, tokens, usd = log.paid("r")
        assert limits.budget_calls is None or calls <= limits.budget_calls
        assert limits.budget_tokens is None or tokens <= limits.budget_tokens
        assert limits.budget_usd is None or usd <= limits.budget_usd
        assert llm.calls == calls


def test_a_call_budget_is_used_up_exactly_and_a_larger_one_resumes(log):
    llm = FakeLLM()
    for limit in (7, 7, 12):
        meter = Meter(llm, log, "r", Limits(workers=4, budget_calls=limit))
        with pytest.raises(BudgetExceeded):
            meter.map(lambda n: meter.ask(chat(n), place(n)), range(20))  # noqa: B023
        assert log.paid("r")[0] == llm.calls == limit
    meter = Meter(llm, log, "r", Limits(workers=4, budget_calls=20))
    assert len(meter.map(lambda n: meter.ask(chat(n), place(n)), range(20))) == 20 and llm.calls == 20
    assert meter.ask(chat(3), place("again")).text == "1"  # what is in the log costs nothing


@pytest.mark.parametrize("limit", ["budget_calls", "budget_tokens", "budget_usd"])
def test_answers_that_were_lost_count_against_the_budget_also_of_a_run_that_is_resumed(quick, limit):
    """They may have been billed: 200 with a broken body, a connection cut, a time-out."""
    rng, most = np.random.default_rng(1), {"budget_calls": 40, "budget_tokens": 2_000, "budget_usd": 4e-4}[limit]

    class Unreadable(FakeLLM):
        billed = (0, 0, 0.0)

        def answer(self, messages, sample):
            reply = super().answer(messages, sample)
            with self.lock:
                cost = (1, reply.usage.prompt + reply.usage.completion, price(self.name, reply.usage))
                self.billed = tuple(a + b for a, b in zip(self.billed, cost, strict=True))
                broken = rng.random() < 0.3
            if broken:
                raise Unreachable("broken JSON")
            return reply

    with CallLog() as log:
        log.begin("r", {}, {})
        llm = Unreadable(simulated=False, name="openai:gpt-4o-mini")
        for share in (0.5, 1):
            value = most * share if limit == "budget_usd" else int(most * share)
            meter = Meter(llm, log, "r", Limits(workers=8, **{limit: value}))
            with pytest.raises(BudgetExceeded):
                meter.map(lambda n: meter.ask(chat(n), place(n)), range(200))  # noqa: B023
            billed = dict(zip(("budget_calls", "budget_tokens", "budget_usd"), llm.billed, strict=True))[limit]
            assert 0.2 * value < billed <= value
        assert log.lost("r")[0] > 3


def test_a_call_that_does_not_fit_beside_others_waits_for_them():
    account = Account(Limits(budget_tokens=100), (0, 0, 0.0))
    assert account.hold((1, 90, 0.0))
    done = threading.Event()

    def wait_and_hold():
        while not account.hold((1, 50, 0.0)):
            pass
        done.set()

    threading.Thread(target=wait_and_hold, daemon=True).start()
    assert not done.wait(0.15)
    account.settle((1, 90, 0.0), (1, 30, 0.0))
    assert done.wait(1)
    with pytest.raises(BudgetExceeded, match="30 spent"):
        account.settle((1, 50, 0.0), (0, 0, 0.0))
        account.hold((1, 71, 0.0))


def test_a_budget_in_usd_needs_a_price(log):
    with pytest.raises(ValueError, match=r"budget_usd=1 .*no-such-model.*tokens or calls"):
        Meter(FakeLLM(name="openai:no-such-model"), log, "r", Limits(budget_usd=1))


@pytest.mark.parametrize("name, value", [
    ("workers", 0), ("workers", 2.5), ("workers", float("inf")), ("workers", "8"), ("workers", True), ("max_failures", 1.1), ("max_failures", -0.1),
    ("max_failures", float("nan")), ("patience", 0), ("patience", float("inf")), ("patience", None), ("budget_usd", -1),
    ("budget_tokens", "many"), ("budget_calls", -1), ("budget_calls", float("nan")),
])  # fmt: skip
def test_limits_name_what_is_out_of_bounds(name, value):
    with pytest.raises(ValueError, match=f"{name}={value!r} is not allowed; use a "):
        Limits(**{name: value})


# -- map and together


@pytest.mark.parametrize("workers", [1, 3])
def test_nested_work_does_not_deadlock_and_respects_the_workers(log, workers):
    llm = FakeLLM(pause=0.005)
    meter = Meter(llm, log, "r", Limits(workers=workers))

    def subset(s):
        def task(n):
            return meter.map(lambda k: meter.ask(chat(f"{s}{n}{k}"), place(f"{s}{n}{k}")), [0, 1])

        rows = meter.map(task, range(6))
        meter.ask(chat(f"propose {s}"), Place("propose", subset=str(s)))  # a control thread asks as well
        return s, len(rows)

    results = meter.together([lambda s=s: meter.together([lambda: subset(s)])[0] for s in range(5)])
    assert results == [(s, 6) for s in range(5)]
    assert llm.most <= workers and llm.calls == 5 * 13
    time.sleep(0.05)
    assert not working()  # no thread outlives its work


def test_one_worker_means_the_given_order(log):
    meter, seen = Meter(FakeLLM(pause=0.002), log, "r", Limits(workers=1)), []

    def work(n):
        seen.append((n, "begun"))
        meter.ask(chat(n), place(n))
        seen.append((n, "done"))

    meter.together([lambda: meter.map(work, range(3))] * 2)
    assert seen == [(n, step) for _ in range(2) for n in range(3) for step in ("begun", "done")]
    assert meter.map(str, []) == meter.together([]) == []


@pytest.mark.parametrize("workers", [1, 4])
def test_the_first_error_drops_what_has_not_started(log, workers):
    llm = FakeLLM(pause=0.01)
    meter = Meter(llm, log, "r", Limits(workers=workers))

    def work(n):
        if n == 3:
            raise RuntimeError("task 3 is broken")
        return meter.ask(chat(n), place(n))

    with pytest.raises(RuntimeError, match="task 3"):
        meter.map(work, range(500))
    assert llm.calls < 50
    assert meter.ask(chat("after"), place("after")).text == "5"  # the meter itself goes on


def test_a_failing_branch_stops_its_siblings_in_together(log):
    llm = FakeLLM(pause=0.02)
    meter = Meter(llm, log, "r", Limits(workers=2))

    def broken():
        time.sleep(0.05)
        raise RuntimeError("branch")

    with pytest.raises(RuntimeError, match="branch"):
        meter.together([lambda: meter.map(lambda n: meter.ask(chat(n), place(n)), range(500)), broken])
    assert llm.calls < 100


# -- interrupts and crashes

HANGING = """
import os, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
from test_meter import FakeLLM, Limits, Meter, CallLog, chat, place, Cancelled, Reply, Usage
class Hanging(FakeLLM):
    def answer(self, messages, sample):
        os.write(1, b"in flight\\n")
        time.sleep({seconds})
        return Reply("late", Usage(1, 1))
log = CallLog({path!r}); log.begin("r", {{}}, {{}})
meter = Meter(Hanging(), log, "r", Limits(workers={workers}))
try:
    meter.together([lambda: meter.map(lambda n: meter.ask(chat(n), place(n)), range(50))])
except KeyboardInterrupt:
    print("interrupted", flush=True)
    try:
        meter.ask(chat("more"), place("more"))
    except Cancelled:
        print("cancelled", flush=True)
    time.sleep({linger})
    print(len(log.calls("r")), flush=True)
"""


def _start(code):
    root = str(Path(__file__).resolve().parents[2])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, os.path.join(root, "tests", "calls"), os.path.join(root, "tests")])}
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)


@pytest.mark.parametrize("workers", [1, 4])
def test_an_interrupt_arrives_while_calls_hang(tmp_path, workers):
    values = dict(seconds=600, path=str(tmp_path / "log.sqlite"), workers=workers, linger=0)
    process = _start(HANGING.format(**values))
    for _ in range(workers):
        assert process.stdout.readline() == "in flight\n"
    started = time.time()
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "interrupted\n"
    assert time.time() - started < 2
    assert process.stdout.read().split() == ["cancelled", "0"]


def test_replies_that_come_after_an_interrupt_are_logged(tmp_path):
    values = dict(seconds=0.6, path=str(tmp_path / "log.sqlite"), workers=3, linger=1.2)
    process = _start(HANGING.format(**values))
    for _ in range(3):
        process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.stdout.read().split() == ["interrupted", "cancelled", "3"]


def test_kill_loses_nothing_that_was_finished(tmp_path):
    path = tmp_path / "log.sqlite"
    code = f"""
    import os
    from test_meter import FakeLLM, Limits, Meter, CallLog, chat, place
    log = CallLog({str(path)!r}); log.begin("r", {{}}, {{}})
    tell = lambda place, paid: os.write(1, (place.task + "\\n").encode())
    meter = Meter(FakeLLM(pause=.02), log, "r", Limits(workers=4), on_call=tell)
    meter.map(lambda n: meter.ask(chat(n), place(n)), range(10**6))
    """
    process = _start(textwrap.dedent(code))
    finished = [process.stdout.readline().strip() for _ in range(60)]
    process.kill()
    finished += process.stdout.read().split("\n")[:-1]
    with CallLog(path) as log:
        logged = list(log.calls("r").task)
        assert [task for task in finished if task not in logged] == []
        assert len(logged) <= len(finished) + 4
        llm = FakeLLM()
        meter = Meter(llm, log, "r", Limits(workers=4))
        meter.map(lambda n: meter.ask(chat(n), place(n)), range(len(logged) + 20))
        assert llm.calls <= 20 + 4 and len(log.calls("r")) == len(logged) + 20
        assert log.paid("r")[0] == len(logged) + 20


def test_after_cancel_nothing_is_asked(log):
    llm = FakeLLM()
    meter = Meter(llm, log, "r", Limits(workers=4))
    meter.cancel()
    with pytest.raises(Cancelled, match="interrupted"):
        meter.ask(chat("x"), place(1))
    with pytest.raises(Cancelled):
        meter.map(lambda n: meter.ask(chat(n), place(n)), range(3))
    assert llm.calls == 0 and log.calls("r").empty


def test_one_ask_costs_little(log):
    llm = FakeLLM()
    meter = Meter(llm, log, "r", Limits(workers=1))
    best = float("inf")
    for batch in range(10):
        started = time.process_time()
        for n in range(200):
            meter.ask(chat(f"{batch} {n}"), place(f"{batch} {n}"))
        best = min(best, (time.process_time() - started) / 200)
    assert best < 500e-6  # about 80 µs on a quiet machine; the bound leaves room for a busy one


def test_a_call_that_is_tried_again_is_not_kept_by_those_that_wait_for_it():
    """More of them than there are places, those of workers that are away included."""
    asked = []

    def reply(messages):
        asked.append(messages)
        return Overloaded("not yet") if len(asked) == 1 else "yes"

    meter = context(ScriptedLLM(reply), workers=2).meter
    message = [{"role": "user", "content": "the same"}]
    found = meter.map(lambda n: meter.ask(message, Place("rollout", task=str(n))).text, range(60))
    assert found == ["yes"] * 60 and len(asked) == 2
