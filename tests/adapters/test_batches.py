"""Calls in batches, through both official SDKs against the loopback server: same results, half the price, nothing twice."""

import threading
from dataclasses import replace
from types import SimpleNamespace

import openai
import pytest
from helpers import small_bench

from fgo_kit.adapters import batches
from fgo_kit.adapters.anthropic_messages import AnthropicMessages
from fgo_kit.adapters.batch_endpoints import AnthropicBatches, OpenAIBatches
from fgo_kit.adapters.openai_chat import OpenAIChat
from fgo_kit.benchmarks.gaia import benchmark as gaia
from fgo_kit.calls.budget import Account, Tariff
from fgo_kit.calls.limits import Limits
from fgo_kit.calls.log import CallLog
from fgo_kit.calls.prices import price
from fgo_kit.calls.protocol import (
    BadRequest,
    BudgetExceeded,
    Cancelled,
    RateLimited,
    TooManyFailures,
    Unreachable,
    Usage,
)
from fgo_kit.calls.providers import load_llm
from fgo_kit.planning.preflight import preflight
from fgo_kit.runs.estimate import estimate
from fgo_kit.runs.run import run
from fgo_kit.simulate.model import load
from fgo_kit.simulate.server import serving

KEY = "sk-very-secret-0123456789abcdef"
SPECS = {"chat": ("openai:small", {"api": "chat"}), "responses": ("openai:small", {"api": "responses"}),
         "anthropic": ("anthropic:small", {})}  # fmt: skip
CHOICES = {"method": "fgo", "n_subsets": 2, "epochs": 1}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Seconds become a fraction of one."""
    for name, seconds in {"QUIET": 0.1, "FIRST_LOOK": 0.05, "BEAT": 0.1, "LISTED": 0.3}.items():
        monkeypatch.setattr(batches, name, seconds)


@pytest.fixture(scope="module")
def bench():
    return small_bench(n_train=12, n_test=8)


@pytest.fixture(scope="module")
def alone(bench):
    return run(bench, "simulated:small", **CHOICES)


def client(protocol, server, **options):
    spec, more = SPECS[protocol]
    url = server.url if protocol == "anthropic" else server.openai_url
    return load_llm(spec, base_url=url, batch=True, **more, **options)


def is_same(found, other) -> bool:
    return found.state.record == other.state.record and found.module == other.module and found.score == other.score


def paid_calls(log) -> int:
    return int(log.calls()["paid"].sum())


@pytest.mark.parametrize("protocol", SPECS)
def test_a_run_in_batches_is_the_run_without(bench, alone, protocol):
    """And it takes as many batches as calls wait for each other."""
    with serving(load("small"), batch_ms=50) as server, CallLog(None) as log:
        found = run(bench, client(protocol, server), log=log, **CHOICES)
        ledger = server.ledger()
        assert is_same(found, alone)
        assert ledger["batches"] == found.critical_path("calls")
        assert ledger["successes"] == ledger["requests"] == paid_calls(log) and ledger["repeated"] == 0
        assert log.read("SELECT * FROM batched") == []


def test_dialogues_go_one_turn_a_wave():
    bench = replace(small := gaia.load(n_train=6), test=small.test[:6])
    with serving(load("small")) as server:
        found = run(bench, client("anthropic", server), method="base", log=CallLog(None))
        assert server.ledger()["batches"] == found.critical_path("calls") > 1
    assert is_same(found, run(bench, "simulated:small", method="base"))


@pytest.mark.parametrize("protocol", SPECS)
def test_what_expires_or_fails_is_asked_again(bench, alone, protocol):
    with serving(load("small"), p_expired=0.2, p429=0.1, p5xx=0.1, seed=1) as server:
        found = run(bench, client(protocol, server), log=CallLog(None), **CHOICES)
        ledger = server.ledger()
    assert is_same(found, alone) and ledger["repeated"] == 0
    assert {"expired", "rate_limited", "server_error"} <= ledger["faults"].keys()


def test_answers_without_a_message_are_asked_for_again_and_noted_as_lost(bench, alone):
    with serving(load("small"), p_malformed=0.1, seed=1) as server, CallLog(None) as log:
        found = run(bench, client("chat", server), log=log, **CHOICES)
        assert is_same(found, alone)
        assert log.lost(None)[0] == server.ledger()["faults"]["malformed"] > 0


@pytest.mark.parametrize("spec", ["openai:gpt-5.6-luna", "anthropic:claude-haiku-4-5"])
def test_half_the_usd(bench, spec, monkeypatch):
    def usd(**options):
        with serving(load("small")) as server:
            monkeypatch.setattr(OpenAIChat, "home", server.openai_url)
            monkeypatch.setattr(AnthropicMessages, "home", server.url)
            found = run(bench, load_llm(spec, api_key=KEY, **options), method="base", log=CallLog(None), workers=1)
        assert Tariff(load_llm(spec, api_key=KEY, **options), Limits()).usd(Usage(10**6, 0)) > 0
        return found.tokens().paid_usd.sum()

    assert 0 < usd(batch=True) == pytest.approx(usd() / 2)


def test_what_has_no_price_for_batches_costs_half():
    usage = Usage(1000, 100)
    for model in ("openai:gpt-5-mini", "anthropic:claude-haiku-4-5", "openai:gpt-3.5-turbo-instruct", "google:gemini-2.5-pro"):
        assert price(model, usage, None, "batch") == pytest.approx(price(model, usage) / 2)
    assert price("openai:no-such-model", usage, None, "batch") is None


def test_how_calls_are_sent_is_no_part_of_what_they_are():
    plain, batched = (load_llm("openai:gpt-5-mini", api_key=KEY, batch=batch) for batch in (False, True))
    assert plain.params == batched.params and "batch=True" in repr(batched) and "batch" not in repr(plain)
    with pytest.raises(ValueError, match="batch='yes' is not allowed; use True or False"):
        load_llm("openai:gpt-5-mini", api_key=KEY, batch="yes")
    with pytest.raises(ValueError, match="service_tier='flex' does not go with batch=True"):
        load_llm("openai:gpt-5-mini", api_key=KEY, batch=True, service_tier="flex")
    with pytest.raises(ValueError, match="batch is no parameter of 'simulated'"):
        load_llm("simulated", batch=True)


@pytest.mark.parametrize("protocol", SPECS)
@pytest.mark.parametrize("taken", [True, False])
def test_a_batch_of_which_it_is_not_known_whether_it_was_taken_is_looked_for(bench, alone, protocol, taken, monkeypatch):
    kind = AnthropicBatches if protocol == "anthropic" else OpenAIBatches
    submit, times = kind._submit, []

    def broken(self, tag, bodies):
        times.append(tag)
        if taken or len(times) > 1:
            name = submit(self, tag, bodies)
        if len(times) == 1:
            raise ConnectionResetError("the line broke")
        return name

    monkeypatch.setattr(kind, "_submit", broken)
    with serving(load("small")) as server:
        found = run(bench, client(protocol, server), log=CallLog(None), **CHOICES)
        ledger = server.ledger()
    assert is_same(found, alone) and ledger["repeated"] == 0
    assert ledger["batches"] == len(times) - (not taken)


@pytest.mark.parametrize("protocol", SPECS)
def test_a_stopped_run_waits_for_its_open_batch(bench, alone, protocol, tmp_path):
    with serving(load("small"), batch_ms=300) as server:
        stopper = {}
        threading.Thread(target=stop_when, args=(server, stopper)).start()
        with CallLog(tmp_path / "log.sqlite") as log, pytest.raises(Cancelled):
            run(bench, client(protocol, server), log=log, on_start=lambda meter: stopper.update(meter=meter), **CHOICES)
        with CallLog(tmp_path / "log.sqlite") as log:
            found = run(bench, client(protocol, server), log=log, **CHOICES)
            assert is_same(found, alone)
            assert server.ledger()["successes"] == paid_calls(log) and server.ledger()["repeated"] == 0


def stop_when(server, stopper):
    """Cancel a run when its first batch is under way."""
    for _ in range(1_000):
        if server.ledger().get("batches"):
            return stopper["meter"].cancel()
        threading.Event().wait(0.01)


def test_a_batch_that_was_cancelled_at_the_provider_stops_the_run(bench, alone, tmp_path):
    with serving(load("small"), batch_ms=200) as server:
        there = openai.OpenAI(api_key="any", base_url=server.openai_url)

        def cancel():
            for _ in range(1_000):
                if found := there.batches.list().data:
                    return there.batches.cancel(found[0].id)
                threading.Event().wait(0.01)

        threading.Thread(target=cancel).start()
        with CallLog(tmp_path / "log.sqlite") as log:
            with pytest.raises(Cancelled, match="the batch was cancelled at the provider"):
                run(bench, client("chat", server), log=log, **CHOICES)
            assert is_same(run(bench, client("chat", server), log=log, **CHOICES), alone)
        assert server.ledger()["repeated"] == 0


@pytest.mark.parametrize("protocol", SPECS)
def test_where_the_queue_is_full_calls_wait_until_there_is_room(bench, protocol):
    with serving(load("small"), batch_ms=1_500, batch_room=30) as server:
        llm = client(protocol, server)
        llm._endpoint.submit("tag", {f"other-{n}": other_request(protocol) for n in range(25)})  # somebody else's
        found = run(bench, llm, method="base", log=CallLog(None))
        assert server.ledger()["faults"]["queue_full"] > 0
    assert is_same(found, run(bench, "simulated:small", method="base"))


def other_request(protocol):
    asked = {"model": "small", "max_tokens": 9} if protocol == "anthropic" else {"model": "small"}
    return asked | {"input" if protocol == "responses" else "messages": [{"role": "user", "content": "hello"}]}


def test_a_batch_refused_for_one_line_costs_the_others_a_second_try_at_most():
    """What OpenAI says of a batch that it does not begin, by hand."""
    def answers(*errors):
        listed = [SimpleNamespace(**{"line": None, "param": None, "message": "no", **error}) for error in errors]
        batch = SimpleNamespace(status="failed", errors=SimpleNamespace(data=listed), error_file_id=None, output_file_id=None)
        there = SimpleNamespace(batches=SimpleNamespace(retrieve=lambda name: batch))
        found = OpenAIBatches(there, "openai:m", lambda ask: ask()).results(["batch_1"], ["a-0", "b-0"])
        return [(type(answer), answer.waiting_helps) for answer in found.values()]

    bad, again = (BadRequest, False), True
    assert answers({"code": "invalid_json_line", "line": 2})[1] == bad
    assert answers({"code": "invalid_json_line", "line": 2})[0][1] == again
    assert answers({"code": "model_not_found"}) == [bad, bad]
    assert answers({"code": "token_limit_exceeded"}) == [(RateLimited, True)] * 2


def test_a_provider_that_is_gone_is_given_up_after_patience_and_the_batch_stays(bench, alone, tmp_path, monkeypatch):
    log = CallLog(tmp_path / "log.sqlite")
    gone, has_ended = threading.Event(), OpenAIBatches._has_ended

    def away(self, batch):
        if gone.is_set():
            raise ConnectionRefusedError("nobody there")
        return has_ended(self, batch)

    monkeypatch.setattr(OpenAIBatches, "_has_ended", away)
    gone.set()
    with serving(load("small")) as server:
        with pytest.raises(TooManyFailures, match="nobody there"):
            run(bench, client("chat", server), log=log, patience=0.3, **CHOICES)
        assert server.ledger()["batches"] == 1
        gone.clear()
        assert is_same(run(bench, client("chat", server), log=log, **CHOICES), alone)
        assert server.ledger()["repeated"] == 0 and server.ledger()["successes"] == paid_calls(log)


def test_a_batch_that_the_provider_does_not_know_is_no_reason_to_wait_for_ever(bench, alone, tmp_path):
    log = CallLog(tmp_path / "log.sqlite")
    with serving(load("small"), batch_ms=60_000) as server:
        stopper = {}
        threading.Thread(target=stop_when, args=(server, stopper)).start()
        with pytest.raises(Cancelled):
            run(bench, client("chat", server), log=log, on_start=lambda meter: stopper.update(meter=meter), **CHOICES)
    log.write([("UPDATE batched SET ids = 'batch_99'", ())])
    with serving(load("small")) as server:
        llm = client("chat", server)
        llm.params["base_url"] = next(iter(log.llms()))["params"].partition('base_url": "')[2].partition('"')[0]
        with pytest.raises(TooManyFailures, match="status 404"):
            run(bench, llm, log=log, **CHOICES)
        assert log.lost(None)[0] > 0
        assert is_same(run(bench, llm, log=log, **CHOICES), alone)


def test_a_budget_is_not_passed(bench):
    with serving(load("small")) as server, CallLog(None) as log:
        with pytest.raises(BudgetExceeded):
            run(bench, client("chat", server), log=log, budget_calls=15, **CHOICES)
        assert paid_calls(log) == server.ledger()["successes"] <= 15


def test_what_an_open_batch_can_cost_is_part_of_what_was_spent():
    account = Account(Limits(budget_calls=2), (0, 0, 0.0), {"sent": (1, 50, 0.0)})
    account.hold((1, 50, 0.0), "sent")  # its answer was paid for before
    account.hold((1, 50, 0.0), "new")
    account.settle((1, 50, 0.0), (1, 5, 0.0))
    account.settle((1, 50, 0.0), (1, 5, 0.0))
    with pytest.raises(BudgetExceeded, match="2 spent"):
        account.hold((1, 50, 0.0), "other")
    with pytest.raises(BudgetExceeded, match="2 spent"):
        Account(Limits(budget_calls=2), (0, 0, 0.0), {"a": (1, 9, 0.0), "b": (1, 9, 0.0)}).hold((1, 9, 0.0))


def test_the_key_is_in_no_error(bench):
    llm = load_llm("openai:small", base_url="http://127.0.0.1:9/v1", api_key=KEY, batch=True)
    with pytest.raises(Unreachable) as caught:
        llm._endpoint.has_ended(f"batch-{KEY}")
    assert KEY not in str(caught.value) and caught.value.__cause__ is caught.value.__context__ is None


def test_a_look_before_a_run_does_not_wait_for_batches(bench):
    with serving(load("small")) as server:
        found = preflight(bench, client("chat", server), load("small"), pilot=0)
        assert len(found.checks) and server.ledger()["successes"] > 0 and "batches" not in server.ledger()


def test_an_estimate_knows_the_price_of_batches(bench):
    usd = [estimate(bench, load_llm("openai:gpt-5-mini", api_key=KEY, batch=batch), "simulated", method="base")["usd"]
           for batch in (False, True)]  # fmt: skip
    assert usd[1] == pytest.approx(usd[0] / 2)
