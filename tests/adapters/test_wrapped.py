"""Anyone's own function as an LLM: sync and async, its faults, and everything that is none."""

import asyncio
import threading

import pytest
from helpers import TinyBench, context, tasks

import fgo_kit as fgo
from fgo_kit.adapters.coroutines import settled
from fgo_kit.adapters.wrapped import FunctionFailed
from fgo_kit.calls.protocol import Overloaded, RateLimited, Unreachable
from fgo_kit.calls.requests import Place

ASKED = [{"role": "user", "content": "What is it?"}]


def same(messages):
    return "ANSWER: answer 1"


async def later(messages):
    await asyncio.sleep(0.001)
    return "ANSWER: answer 1"


class Callable:
    async def __call__(self, messages):
        return fgo.Reply("ANSWER: answer 1", fgo.Usage(5, 2))


@pytest.mark.parametrize("function", [same, later, Callable(), lambda messages: later(messages)])
def test_a_function_answers_whole_runs_in_its_own_name(function, tmp_path):
    bench = TinyBench(tasks(4), (), tasks(3, "x"))
    run = fgo.run(bench, fgo.wrap_llm(function, name="mine"), method="base", log=tmp_path / "log.sqlite", workers=4)
    assert run.score == pytest.approx(1 / 3)
    assert set(run.calls()["llm"]) == {"mine"} and run.config["simulated"] is False
    again = fgo.run(bench, fgo.wrap_llm(function, name="mine"), method="base", log=tmp_path / "log.sqlite")
    assert again.id == run.id and again.tokens()["paid_calls"].sum() == 3


def test_tokens_are_estimated_unless_the_reply_counts_them(tmp_path):
    ledgers = []
    for function in (same, Callable()):
        ctx = context(fgo.wrap_llm(function, name="mine"))
        ctx.meter.ask(ASKED, Place("test"))
        calls = ctx.meter.log.calls()
        ledgers.append((int(calls["prompt"].iloc[0]), int(calls["completion"].iloc[0]), calls["counter"].iloc[0]))
    assert ledgers[1] == (5, 2, "provider") and ledgers[0][2] == "estimate" and ledgers[0][0] > 3


def test_async_functions_share_a_loop_and_work_beside_a_running_one():
    loops = set()

    async def note(messages):
        loops.add(id(asyncio.get_running_loop()))
        return "x"

    async def cell():  # a notebook's cell has a loop of its own, in which nothing can be awaited from sync code
        return settled(note(ASKED))

    assert asyncio.run(cell()) == "x"
    threads = [threading.Thread(target=lambda: settled(note(ASKED))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loops) == 1


def test_a_time_out_inside_an_async_function_is_its_error():
    async def slow(messages):
        await asyncio.wait_for(asyncio.sleep(5), 0.01)

    with pytest.raises(Unreachable, match="mine"):
        fgo.wrap_llm(slow, name="mine").complete(ASKED)


class TransportError(Exception):
    """As httpx names the base of its own."""


RAISED = [
    (KeyError("oops"), FunctionFailed, r"function of 'mine' failed at test_wrapped.py:\d+: KeyError"),
    (ConnectionResetError("gone"), Unreachable, "gone"),
    (TransportError("pipe"), Unreachable, "pipe"),
    (RateLimited("slow down", 3), RateLimited, "slow down"),
    (Overloaded("busy"), Overloaded, "busy"),
]


@pytest.mark.parametrize("error, kind, told", RAISED)
def test_what_a_function_raises_is_a_failed_call(error, kind, told):
    def failing(messages):
        raise error

    with pytest.raises(kind, match=told):
        fgo.wrap_llm(failing, name="mine").complete(ASKED)


@pytest.mark.parametrize("gives", [None, 3, b"text", ["text"]])
def test_what_is_no_answer_is_refused(gives):
    with pytest.raises(TypeError, match="the function of 'mine' gave a .*; return a text or a fgo.Reply"):
        fgo.wrap_llm(lambda messages: gives, name="mine").complete(ASKED)


ARGUMENTS = {
    "no function": (("mine",), {"name": "x"}, TypeError, "function='mine' is not callable"),
    "no name": ((same,), {"name": " "}, ValueError, "name=' ' is not allowed; use a text of your own"),
    "a spec": ((same,), {"name": "openai:gpt"}, ValueError, "name='openai:gpt' is not allowed"),
    "window as text": ((same,), {"name": "x", "context_window": "32k"}, ValueError, "context_window='32k' is not allowed; use a whole number"),
    "no window": ((same,), {"name": "x", "context_window": 0}, ValueError, "context_window=0 is not allowed"),
    "no room": ((same,), {"name": "x", "context_window": 4_000}, ValueError, "max_completion=4096 leaves nothing of context_window=4000"),
}  # fmt: skip


@pytest.mark.parametrize("case", ARGUMENTS)
def test_arguments_of_wrap_llm_are_checked(case):
    given, options, error, told = ARGUMENTS[case]
    with pytest.raises(error, match=told):
        fgo.wrap_llm(*given, **options)


@pytest.mark.parametrize(
    "llm, told",
    [
        (same, r"llm=same is a function; make it an LLM: fgo.wrap_llm\(same, name='mine'\)"),
        (lambda messages: "x", "wrap_llm"),
        (None, "llm=None is no LLM; give a spec for load_llm"),
        (7, "llm=7 is no LLM"),
    ],
)
def test_what_is_no_llm_is_refused_everywhere(llm, told):
    bench = TinyBench(tasks(4), (), tasks(3, "x"))
    for start in (fgo.run, fgo.compare, fgo.start):
        with pytest.raises(TypeError, match=told):
            start(bench, llm)


def test_the_simulated_llm_refuses_tasks_that_it_has_no_competence_for_before_anything_is_asked():
    bench = fgo.from_table([{"question": f"What is {n} and {n}?", "answer": 2 * n} for n in range(20)], score="number")
    asked = []
    for start in (fgo.run, fgo.compare, fgo.start):
        with pytest.raises(ValueError, match=r"simulated:small has no competence for the tasks of table.*wrap_llm"):
            start(bench, "simulated")
    with pytest.raises(ValueError, match="no competence"):
        fgo.run(bench, "simulated", on_call=lambda *call: asked.append(call))
    assert not asked
    assert fgo.run(TinyBench(tasks(4), (), tasks(3, "x")), "simulated", method="base").score >= 0  # invoices of anyone


def test_an_edited_function_is_asked_again(tmp_path):
    def one(messages):
        return "ANSWER: 1"

    def two(messages):
        return "ANSWER: 2"

    rows = [{"question": f"{n} minus {n - 1}?", "answer": 1} for n in range(1, 21)]
    bench = fgo.from_table(rows, score="number", alike=1.0)
    choices = {"method": "base", "log": tmp_path / "log.sqlite"}
    assert [fgo.run(bench, fgo.wrap_llm(f, name="mine"), **choices).score for f in (one, two, one)] == [1, 0, 1]
