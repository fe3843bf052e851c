"""Whole runs through the official SDKs against the loopback server: ledger, faults, concurrency, secrets."""

import sqlite3
import time
from contextlib import nullcontext
from dataclasses import replace

import genai_prices
import pytest
from helpers import serving_process, small_bench

from fgo_kit.adapters.anthropic_messages import AnthropicMessages
from fgo_kit.adapters.openai_chat import OpenAIChat
from fgo_kit.benchmarks.gaia import benchmark as gaia
from fgo_kit.benchmarks.logisticsqa import benchmark as logisticsqa
from fgo_kit.calls.budget import Tariff
from fgo_kit.calls.limits import Limits
from fgo_kit.calls.log import CallLog
from fgo_kit.calls.meter import Meter, Place
from fgo_kit.calls.protocol import BudgetExceeded, Usage
from fgo_kit.calls.providers import load_llm
from fgo_kit.records import to_json
from fgo_kit.runs.run import run
from fgo_kit.simulate.answering import KINDS
from fgo_kit.simulate.model import load
from fgo_kit.simulate.server import serving

CHOICES = {"n_subsets": 3, "counts": True, "audit": 4}
KEY = "sk-very-secret-0123456789abcdef"


def short(bench):
    """A benchmark with a test split of twelve tasks."""
    return replace(bench, test=bench.test[:12])


@pytest.fixture(scope="module")
def bench():
    return small_bench(n_train=24)


@pytest.fixture(scope="module")
def alone(bench):
    """The same run in this process, without any protocol."""
    return {seed: run(bench, "simulated:small", seed=seed, **CHOICES) for seed in (0, 5)}


def client(provider, server, **options):
    url = server.openai_url if provider == "openai" else server.url
    return load_llm(f"{provider}:small", base_url=url, **options)


def paid(found):
    table = found.tokens()
    return {name: int(table[f"paid_{name}"].sum()) for name in ("calls", "prompt", "completion")}


def logical(found):
    table = found.tokens().sort_values("phase")
    return table[["phase", "calls", "prompt", "completion"]].values.tolist()


def served(server):
    ledger = server.ledger()
    return {
        "calls": ledger["successes"],
        "prompt": ledger["prompt_tokens"],
        "completion": ledger["completion_tokens"],
    }


@pytest.mark.parametrize("provider, seed, options", [
    ("openai", 0, {}), ("openai", 5, {}), ("openai", 5, {"api": "responses"}), ("anthropic", 0, {}),
])  # fmt: skip
def test_a_run_through_an_sdk_is_the_run_without_one(bench, alone, provider, seed, options):
    with serving(load("small")) as server:
        llm = client(provider, server, **options)
        found = run(bench, llm, seed=seed, log=CallLog(None), workers=8, **CHOICES)
        assert paid(found) == served(server)
        assert server.ledger()["requests"] == server.ledger()["successes"]
    assert str(found.module) == str(alone[seed].module)
    assert to_json(found.state) == to_json(alone[seed].state)
    assert found.scores == alone[seed].scores and logical(found) == logical(alone[seed])
    assert found.config["simulated"] is False and "real model" in repr(found)


@pytest.mark.parametrize("spec, options", [
    ("openai:gpt-5.6-luna", {"effort": "low"}), ("openai:gpt-4o-mini", {"api": "chat"}),
    ("anthropic:claude-haiku-4-5", {"thinking": 1_024}), ("anthropic:claude-haiku-4-5", {"native_tools": False}),
])  # fmt: skip
def test_the_ledger_is_the_servers_own_count_and_the_price_lists_sum(spec, options, monkeypatch):
    """Every kind of token, over dialogues with tools whose turns are written to the cache and read from it; to the
    cent, and never over a budget."""
    provider, model = spec.split(":")
    bench = short(gaia.load(n_train=8))
    with serving(load("small"), p_truncated=0.05) as server:
        home = server.openai_url if provider == "openai" else server.url
        for kind in (OpenAIChat, AnthropicMessages):
            monkeypatch.setattr(kind, "home", home)
        llm = load_llm(spec, api_key=KEY, **options)
        found = run(bench, llm, method="fgo", n_subsets=2, epochs=1, log=CallLog(None), max_failures=1, budget_usd=5)
        counted = {kind: server.ledger()[f"{kind}_tokens"] for kind in KINDS}
    calls = found.calls()
    calls = calls[calls.paid]
    assert {kind: calls[kind].sum() for kind in KINDS} == counted
    assert min(counted["cached"], counted["written"]) > 0
    assert (counted["reasoning"] > 0) == bool({"effort", "thinking"} & options.keys())
    usd = sum(float(genai_prices.calc_price(genai_prices.Usage(
        input_tokens=row.prompt, cache_read_tokens=row.cached, cache_write_tokens=row.written,
        output_tokens=row.completion), model, provider_id=provider).total_price) for row in calls.itertuples())  # fmt: skip
    assert found.tokens().paid_usd.sum() == pytest.approx(usd, abs=1e-9) and 0 < usd < 5


@pytest.mark.parametrize("spec", ["openai:gpt-5.6-luna", "anthropic:claude-haiku-4-5"])
def test_a_budget_in_usd_is_never_passed_cache_writes_included(spec, monkeypatch):
    bench = short(gaia.load(n_train=8))

    def spent(log, **limits):
        with serving(load("small")) as server:
            for kind, home in ((OpenAIChat, server.openai_url), (AnthropicMessages, server.url)):
                monkeypatch.setattr(kind, "home", home)
            llm = load_llm(spec, api_key=KEY, max_completion=2_000)
            with nullcontext() if not limits else pytest.raises(BudgetExceeded):
                run(bench, llm, method="fgo", n_subsets=2, epochs=1, log=log, **limits)
        return log.calls().written.sum(), log.calls().paid_usd.sum()

    _, whole = spent(CallLog(None))
    written, usd = spent(CallLog(None), budget_usd=whole / 2)
    assert written > 0 and whole / 10 < usd <= whole / 2


def test_a_service_tier_is_priced_where_the_list_has_it():
    def usd(model, tier):
        llm = load_llm(f"openai:{model}", api_key=KEY, service_tier=tier)
        return Tariff(llm, Limits(budget_usd=1)).usd(Usage(1_000_000, 1_000_000))

    assert 2 * usd("gpt-6-luna", "flex") == usd("gpt-6-luna", "default") == usd("gpt-6-luna", "priority") / 2
    assert usd("gpt-4", "flex") == usd("gpt-4", "auto")  # unknown, but no dearer
    with pytest.raises(ValueError, match="budget_usd=1 needs a price.*scale.*tokens or calls"):
        usd("gpt-4o-mini", "scale")


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_refusals_and_errors_of_the_provider_lose_nothing(bench, alone, provider):
    with serving(load("small"), p429=0.10, p5xx=0.05, retry_after=0.01, seed=3) as server:
        found = run(bench, client(provider, server), log=CallLog(None), workers=8, **CHOICES)
        ledger = server.ledger()
        assert paid(found) == served(server)
    assert ledger["faults"]["rate_limited"] > 5 and ledger["faults"]["server_error"] > 2
    assert ledger["requests"] == ledger["successes"] + sum(ledger["faults"].values())
    assert to_json(found.state) == to_json(alone[0].state)
    calls = found.calls()
    assert calls["status"].eq("ok").all() and logical(found) == logical(alone[0])
    assert calls.loc[calls["paid"], "attempts"].sum() == ledger["requests"]


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_truncated_and_malformed_answers_are_survived(bench, alone, provider):
    with serving(load("small"), p_truncated=0.15, p_malformed=0.10, seed=4) as server:
        found = run(bench, client(provider, server), log=CallLog(None), max_failures=1, **CHOICES)
        ledger = server.ledger()
        assert paid(found) == served(server)
    assert min(ledger["faults"]["truncated"], ledger["faults"]["malformed"]) > 2
    calls = found.calls()
    assert (calls["finish"] == "length").sum() > 2 and calls["status"].eq("ok").all()
    assert len(found.scores) == len(bench.test) and 0 <= found.score <= 1
    shown = {rule.text for n in found.merge_tree.walk() for rule in n.module.rules}
    assert not any("{" in text or "edits" in text for text in shown)  # half an answer became no rule


def test_an_overflowing_prompt_drops_trajectories_and_the_run_goes_on(bench):
    with serving(load("small"), context_window=3_000) as server:
        found = run(bench, client("openai", server), log=CallLog(None), method="all_at_once", epochs=1)
        assert server.ledger()["faults"]["context_overflow"] > 0
    assert 0 < len(found.state.dropped) < len(bench.train)
    assert found.row()["dropped"] == len(found.state.dropped)


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_the_api_key_is_nowhere_in_the_log(bench, tmp_path, provider):
    path = tmp_path / "log.sqlite"
    with serving(load("small"), p5xx=0.1) as server:
        found = run(bench, client(provider, server, api_key=KEY), log=path, method="base")
        table = found.calls().to_csv() + repr(found) + repr(found.config)
    found.log.close()
    with sqlite3.connect(path) as db:
        dump = "\n".join(db.iterdump())
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert len(dump) > 1_000 and KEY not in dump and KEY not in table
    assert KEY.encode() not in written and KEY.encode("utf-16-le") not in written


def test_a_replay_of_the_log_gives_the_run_again_without_a_provider(bench, alone, tmp_path):
    path = tmp_path / "log.sqlite"
    with serving(load("small")) as server:
        first = run(bench, client("openai", server), log=path, **CHOICES)
    first.log.close()
    again = run(bench, load_llm(f"replay:{path}"), log=CallLog(None), **CHOICES)
    assert to_json(again.state) == to_json(first.state) == to_json(alone[0].state)


def test_sixteen_workers_are_kept_busy(capsys, tmp_path):
    bench = logisticsqa.load(n_train=256)
    with serving_process("small", latency_ms=50) as server:
        found = run(bench, client("openai", server), log=tmp_path / "log.sqlite", workers=16)
        assert paid(found) == served(server)
    calls = found.calls()
    span = calls["end"].max() - calls["start"].min()
    with capsys.disabled():
        print(
            f" [concurrency {found.concurrency():.1f} of 16; {paid(found)['calls']} calls in {span:.1f} s, "
            f"critical path {found.critical_path():.1f} s]", end="",
        )  # fmt: skip
    assert found.concurrency() >= 12
    assert found.concurrency() <= 16.01
    assert found.critical_path() < span


def test_throughput_stays_when_a_tenth_of_all_calls_is_refused(capsys):
    """A refused call waits the second it was told to without its slot, and holds nobody."""
    rates = []
    for share in (0.0, 0.1):
        with serving_process("small", latency_ms=200, p429=share, retry_after=1.0, seed=5) as server, CallLog() as log:
            meter = Meter(client("openai", server), log, "r", Limits(workers=16))
            chats = [[{"role": "user", "content": f"<document>\nOrder {n}\n</document>"}] for n in range(640)]
            began = time.monotonic()
            meter.map(lambda chat: meter.ask(chat, Place("test", task=chat[0]["content"])), chats)  # noqa: B023
            rates.append(len(chats) / (time.monotonic() - began))
            assert bool(share) == bool(server.ledger()["faults"])
    with capsys.disabled():
        print(f" [{rates[0]:.0f} calls/s, {rates[1]:.0f} with a tenth refused]", end="")
    assert rates[1] > 0.7 * rates[0]
