"""A look before a run: a server's defects are named, the pilot is free for the run, the bill is near the truth."""

import json
import random
import time
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest
from helpers import ScriptedLLM, Wrapped, small_bench

import fgo_kit as fgo
from fgo_kit.benchmarks import gaia
from fgo_kit.benchmarks.alfworld import engine
from fgo_kit.calls.log import CallLog
from fgo_kit.calls.protocol import BadRequest, BudgetExceeded, Reply, Usage
from fgo_kit.planning.bill import Measured, bill
from fgo_kit.planning.pilot import smallest_effect, with_optimising
from fgo_kit.simulate.server import serving

WINDOW = 1_500  # tokens that a truncating server reads


class Defective:
    """The simulated LLM as a server with defects of these kinds would serve it."""

    def __init__(self, *defects):
        self.llm, self.defects = fgo.load_llm("simulated"), defects

    def __getattr__(self, name):
        return getattr(self.llm, name)

    def complete(self, messages, *, tools=(), response_schema=None, sample=0):
        messages = [dict(message) for message in messages]
        if "schema" in self.defects and response_schema:
            raise BadRequest("response_format is not supported")
        if "tools" in self.defects and tools:
            raise BadRequest("tools are not supported by this model")
        if "tools ignored" in self.defects:
            tools = ()
        if "system role" in self.defects and messages[0]["role"] == "system":
            raise BadRequest("the system role is not supported")
        if "system ignored" in self.defects:
            messages = [message for message in messages if message["role"] != "system"]
        if "window" in self.defects:
            last = messages[-1]
            last["content"] = last["content"][-4 * WINDOW :]
        if "latency" in self.defects:
            time.sleep(0.35)
        if "answer" in self.defects:
            return Reply("", Usage(self.count(messages), 4_096, reasoning=4_096), "length", thought="I think. " * 50)
        try:
            reply = self.llm.complete(messages, tools=tools, response_schema=response_schema, sample=sample)
        except BadRequest:  # what the simulated LLM cannot read, a real one answers somehow
            reply = Reply("What do you mean?", Usage(self.count(messages), 5))
        return replace(reply, usage=Usage(10**9, 0)) if "usage" in self.defects else reply


def look(*defects, bench=None, pilot=0, **choices):
    with serving(Defective(*defects)) as server:
        llm = fgo.load_llm("openai:m", base_url=server.openai_url)
        return fgo.preflight(bench or small_bench(n_train=4, n_test=6), llm, pilot=pilot, log=CallLog(None), **choices)


def named(found):
    return set(found.defects["check"])


@pytest.fixture(scope="module")
def with_tools():
    bench = gaia.load()
    return replace(bench, train=bench.train[:1], test=bench.test[:2])


@pytest.mark.parametrize("api, effort", [("chat", None), ("responses", "low"), ("messages", "low")])
def test_on_a_good_server_no_defect_is_named(with_tools, api, effort):
    with serving(fgo.load_llm("simulated")) as server:
        if api == "messages":
            llm = fgo.load_llm("anthropic:m", base_url=server.url, effort=effort, thinking="adaptive")
        else:
            llm = fgo.load_llm("openai:m", base_url=server.openai_url, api=api, effort=effort)
        found = fgo.preflight(with_tools, llm, pilot=0, log=CallLog(None), method="base")
        assert server.ledger()["requests"] <= 12
    assert not named(found), found
    assert {"tools", "window", "caching"} <= set(found.checks["check"])
    assert ("effort" in set(found.checks["check"])) == bool(effort)


DEFECTS = {
    "schema": ("missing", "nothing"), "tools": ("missing", "native_tools=False"), "system role": ("missing", "nothing"),
    "tools ignored": ("wrong", "native_tools=False"), "system ignored": ("wrong", "system role"), "window": ("wrong", "context_window="),
    "usage": ("wrong", "budget"), "latency": ("wrong", "patience="), "answer": ("wrong", "max_completion="),
}  # fmt: skip


def check_of(defect):
    return {"system ignored": "system role", "tools ignored": "tools"}.get(defect, defect)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_named_with_what_to_do(with_tools, defect):
    found = look(defect, bench=with_tools, method="base", **({"patience": 1} if defect == "latency" else {}))
    row = found.defects.set_index("check").loc[check_of(defect)]
    outcome, todo = DEFECTS[defect]
    assert row["outcome"] == outcome and todo in row["what_to_do"]
    by_nature = {"caching"} if defect == "system role" else set()  # the loopback server caches whole messages alone
    assert named(found) == {check_of(defect)} | by_nature


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("seed", range(8))
def test_of_several_defects_each_is_named_and_no_other(with_tools, seed):
    draw = random.Random(seed)
    drawn = draw.sample(["schema", "tools", "window", "usage", "system ignored", "latency"], draw.randint(2, 5))
    found = look(*drawn, bench=with_tools, method="base", patience=1)
    assert named(found) - {"caching"} == {check_of(defect) for defect in drawn}  # what is cut or left out is not cached


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_window_that_is_advised_is_one_that_arrives_whole():
    advice = look("window").defects.set_index("check").loc["window", "what_to_do"]
    window = int(advice.split("=")[1].split(",")[0])
    with serving(Defective("window")) as server:
        llm = fgo.load_llm("openai:m", base_url=server.openai_url, context_window=window, max_completion=100)
        assert window - llm.max_completion > 0
        llm = fgo.load_llm("openai:m", base_url=server.openai_url, context_window=window, max_completion=window - WINDOW // 2)
        assert "window" not in named(fgo.preflight(small_bench(n_train=4, n_test=6), llm, pilot=0, log=CallLog(None)))


@pytest.mark.parametrize("method, first", [("fgo", 8), ("all_at_once", 8)])
def test_the_run_pays_less_by_the_pilot(method, first):
    bench = small_bench(n_train=8, n_test=6)

    def paid(log):
        return int(fgo.run(bench, "simulated", method=method, seed=3, log=log).tokens()["paid_calls"].sum())

    log = CallLog(None)
    found = fgo.preflight(bench, "simulated", pilot=20, method=method, seed=3, log=log)
    assert found.scores.shape == (2, 8) and found.paid[0] == 16
    assert paid(CallLog(None)) - paid(log) == first
    again = fgo.preflight(bench, "simulated", pilot=20, method=method, seed=3, log=log)
    assert again.paid == found.paid and np.array_equal(again.scores, found.scores)


def test_what_flips_is_the_noise_of_the_score():
    bench = small_bench(n_train=6, n_test=6)
    right = {task.text: task.answer for task in bench.train}

    class Flipping(ScriptedLLM):
        def complete(self, messages, *, sample=0, **_):
            number, answer = next((n, a) for n, (text, a) in enumerate(right.items()) if text[:200] in messages[1]["content"])
            return Reply(f"ANSWER: {answer if sample == 0 or number % 2 else 'no idea'}", Usage(1, 1))

    found = fgo.preflight(bench, Flipping(None), seeds=4, log=CallLog(None))
    assert found.score == 0.75 and found.flips == 0.5 and found.effect == smallest_effect(0.5, 6, 4)
    assert "no gain can be relied on" in repr(replace(found, effect=float("nan")))
    known = repr(replace(found, effect=0.1))
    assert "gains below 10.0 points" in known and f"below {100 * with_optimising(0.1, 4, 0.05):.1f} if optimising, too," in known
    assert "50.0 % flip" in repr(found) and "headroom 25.0 points" in found._repr_html_()


def test_answers_in_another_form_are_seen(tmp_path):
    bench = small_bench(n_train=8, n_test=6)
    for answer, outcome in [("It is None.", "wrong"), ("ANSWER: None", "ok")]:
        found = fgo.preflight(bench, ScriptedLLM(lambda messages, answer=answer: answer), log=CallLog(None), method="base")
        assert found.checks.set_index("check").loc["form", "outcome"] == outcome
    rows = [{"question": f"{word}?", "answer": 4} for word in ("ape", "bee", "cat", "dog", "elk", "fox", "gnu", "hen")]
    own = fgo.from_table(rows, agent=lambda module, task: "It is 4.", score="number")  # keeps to no form of ours
    assert not named(fgo.preflight(own, ScriptedLLM(None), log=CallLog(None), method="base"))


def test_the_effect_shrinks_with_tasks_and_seeds_and_grows_with_noise():
    assert smallest_effect(0.3, 400, 1) < smallest_effect(0.3, 100, 1)
    assert smallest_effect(0.3, 100, 10) < smallest_effect(0.3, 100, 1) < smallest_effect(0.5, 100, 1)
    assert smallest_effect(0.0, 100, 1) == smallest_effect(0.0, 100, 10) > 0
    assert np.isnan(smallest_effect(0.3, 1, 1))


def hidden(words, thought, cached=0.0, name="simulated:small"):
    """A model that is not the stand-in: with a multiple of its words, thinking, and a share of prompts cached."""

    def longer(messages, reply):
        tokens, text = round(words * reply.usage.completion) + thought, reply.text
        if not text.startswith("{"):
            text = "Well, let me see. " * round((words - 1) * len(text) / 18) + "\n" + text
        usage = replace(reply.usage, completion=tokens, reasoning=thought, cached=round(cached * reply.usage.prompt))
        return replace(reply, text=text, usage=usage)

    llm = Wrapped(fgo.load_llm("simulated"), after=longer)
    llm.name = name
    return llm


SIZES = {"logisticsqa": (12, 8, 6), "gaia": (48, 3, 12), "alfworld": (8, 16, 4)}  # training tasks, a test task in, pilot


@pytest.mark.parametrize("words, thought", [(1.0, 0), (2.6, 0), (1.7, 300)])
@pytest.mark.parametrize("name", ["logisticsqa", "gaia", pytest.param("alfworld", marks=pytest.mark.slow)])
def test_the_bill_is_near_what_the_run_takes(name, words, thought):
    if name == "alfworld" and (reason := engine.missing()):
        pytest.skip(reason)
    n_train, every, pilot = SIZES[name]
    bench, llm = fgo.load_benchmark(name, n_train=n_train), hidden(words, thought)
    bench = replace(bench, test=bench.test[::every])
    found = fgo.preflight(bench, llm, pilot=pilot, log=CallLog(None), n_subsets=2)
    ledger = fgo.run(bench, llm, n_subsets=2, log=CallLog(None)).tokens()[["calls", "prompt", "completion"]].sum()
    for billed, taken in [("calls", "calls"), ("prompt_tokens", "prompt"), ("completion_tokens", "completion")]:
        assert found.bill[billed] == pytest.approx(ledger[taken], rel=0.15)
    assert fgo.estimate(bench, llm, found.measured, n_subsets=2) == found.bill


def test_what_the_pilot_reads_from_the_cache_is_billed_as_such():
    bench = small_bench(n_train=8, n_test=12)
    llm = hidden(1.0, 0, cached=0.5, name="openai:gpt-6-luna")
    found = fgo.preflight(bench, llm, pilot=4, log=CallLog(None), method="base")
    ledger = fgo.run(bench, llm, method="base", log=CallLog(None)).tokens()
    assert found.bill["usd"] == pytest.approx(ledger["usd"].sum(), rel=0.02)
    assert "50% of the agent's prompts come from the provider's cache" in repr(found)
    assert found.bill["usd"] < fgo.preflight(bench, hidden(1.0, 0, name="openai:gpt-6-luna"), pilot=4, log=CallLog(None), method="base").bill["usd"]


def test_a_tier_is_billed_at_its_own_price_or_it_is_told():
    bench, agent = small_bench(n_train=4, n_test=4), fgo.load_llm("simulated")

    def billed(name, **params):
        llm = hidden(1.0, 0, name=name)
        llm.params = params
        return bill(bench, llm, agent, Measured(), {"method": "base"})

    assert billed("openai:gpt-6-luna", service_tier="flex")["usd"] == pytest.approx(billed("openai:gpt-6-luna")["usd"] / 2)
    dearer = billed("openai:gpt-4", service_tier="flex")
    assert dearer["usd"] == billed("openai:gpt-4")["usd"] and "service_tier='flex' of openai:gpt-4" in dearer["note"]


def test_every_role_is_checked():
    bench = small_bench(n_train=4, n_test=4)
    with ExitStack() as stack:
        good, bad = (stack.enter_context(serving(Defective(*defects))) for defects in ((), ("answer",)))
        llm = fgo.load_llm("openai:m", base_url=good.openai_url)
        optimizer = fgo.load_llm("openai:o", base_url=bad.openai_url)
        found = fgo.preflight(bench, llm, optimizer=optimizer, pilot=2, log=CallLog(None))
    assert found.defects[["llm", "check"]].values.tolist() == [["openai:o", "answer"]] and not found.scores.size


def test_every_role_is_billed_at_its_own_price():
    bench, agent, dear = small_bench(n_train=4, n_test=4), fgo.load_llm("simulated"), Wrapped(fgo.load_llm("simulated"))

    def usd(name):
        dear.name = name
        return bill(bench, agent, agent, Measured(), {"optimizer": dear, "method": "all_at_once", "budget_calls": 1})["usd"]

    assert usd("simulated") == 0 < usd("openai:gpt-4o-mini") < usd("openai:gpt-4o") and usd("openai:no-such-model") is None
    assert not dear.asked


def test_a_dry_run_asks_no_role_and_knows_no_budget():
    other = Wrapped(fgo.load_llm("simulated"))
    fgo.estimate(small_bench(n_train=4, n_test=4), "openai:gpt-4o-mini", optimizer=other, workers=2, budget_calls=1)
    assert not other.asked


def test_budgets_and_bad_choices():
    bench = small_bench(n_train=4, n_test=4)
    log = CallLog(None)
    with pytest.raises(BudgetExceeded):
        fgo.preflight(bench, "simulated", budget_calls=5, log=log)
    assert log.calls()["paid"].sum() == 5
    for choices, says in [({"pilot": -1}, "pilot=-1"), ({"seeds": 0}, "seeds=0"), ({"gate": "hrad"}, "hrad")]:
        with pytest.raises(ValueError, match=says):
            fgo.preflight(bench, "simulated", **choices)
    with pytest.raises(TypeError, match="epoch"):
        fgo.preflight("logisticsqa", "simulated", epoch=2)


def test_the_words_of_the_command_line(capsys):
    from fgo_kit.cli import main

    assert main(["preflight", "logisticsqa", "simulated", "--n_train", "4", "--n_test", "4", "--pilot", "2", "--method", "base"]) == 0
    assert "One run: about 4 calls" in capsys.readouterr().out
    assert json.dumps(fgo.preflight(small_bench(n_train=4, n_test=4), "simulated", pilot=2, method="base").bill)
