"""The hub: runs elsewhere share one log, its leases, one limiter and one budget, and one that dies holds nothing up."""

import pickle
import socket
import ssl
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest
from engine import certificates
from helpers import ScriptedLLM, small_bench, wait_until

from fgo_kit.calls.budget import Account
from fgo_kit.calls.limiter import Limiter, Try
from fgo_kit.calls.limits import Limits
from fgo_kit.calls.log import CallLog, LogNotWritten, Place
from fgo_kit.calls.meter import Meter
from fgo_kit.calls.protocol import BudgetExceeded, Cancelled, RateLimited
from fgo_kit.calls.providers import load_llm
from fgo_kit.cluster.hub import NAME, Hub
from fgo_kit.cluster.remote import Line, RemoteLimiter, RemoteLog
from fgo_kit.cluster.wire import Gone, exchange
from fgo_kit.runs.compare import compare
from fgo_kit.simulate.model import load
from fgo_kit.simulate.server import serving


def chat(text):
    return [{"role": "user", "content": str(text)}]


def asked_for(task, usd=0.5):
    return Try("r", Place("test", task=task), f"key-{task}", (1, 100, usd))


@pytest.fixture
def log(tmp_path):
    with CallLog(tmp_path / "log.sqlite") as log:
        log.begin("r", {}, {})
        yield log


@pytest.fixture
def hub(log):
    hub = Hub(log, Limiter(Limits(workers=2), total=Account(Limits(budget_usd=1.2), (0, 0, 0.0))), "127.0.0.1")
    yield hub
    hub.close()


def test_calls_of_a_run_elsewhere_are_in_the_log_and_paid_once(log, hub):
    llm = ScriptedLLM(lambda messages: "yes")
    with Line(hub.address) as line:
        meter = Meter(llm, RemoteLog(line), "r", Limits(workers=4))
        meter.beside(RemoteLimiter(line))
        answers = meter.map(lambda n: meter.ask(chat(n % 10), Place("test", task=str(n))).text, range(30))
    assert answers == ["yes"] * 30 and len(llm.asked) == 10
    calls = log.calls("r")
    assert len(calls) == 30 and calls["paid"].sum() == 10 and log.read("SELECT * FROM leases") == []


def test_errors_of_the_log_are_raised_where_it_is_asked(log, hub, monkeypatch):
    def full(size):
        raise LogNotWritten(f"no room for {size}")

    monkeypatch.setattr(log, "check_room", full)
    with Line(hub.address) as line:
        remote = RemoteLog(line)
        with pytest.raises(LogNotWritten, match="no room for 7"):
            remote.check_room(7)
        with pytest.raises(KeyError, match="no such run"):
            remote.run("no such run")
        assert remote.run("r")["status"] == "running"


def test_permits_and_the_budget_are_those_of_all(hub):
    with Line(hub.address) as one, Line(hub.address) as other:
        first, second = RemoteLimiter(one), RemoteLimiter(other)
        assert first.begin(asked_for("a")) and second.begin(asked_for("b"))
        assert not second.begin(asked_for("c"))  # two at a time
        first.end(asked_for("a"), (1, 50, 0.4), True)
        assert not second.begin(asked_for("c"))  # 0.4 spent, 0.5 held: 0.5 more do not fit beside them
        second.end(asked_for("b"), (1, 50, 0.1), True)
        assert second.begin(asked_for("c"))
        second.end(asked_for("c"), (1, 50, 0.5), True)
        with pytest.raises(BudgetExceeded, match="1.2 usd: 1 spent"):
            first.begin(asked_for("d"))


def test_a_rate_limit_that_one_run_meets_holds_all(hub):
    with Line(hub.address) as one, Line(hub.address) as other:
        first, second = RemoteLimiter(one), RemoteLimiter(other)
        for _ in range(3):
            wait = first.failed(RateLimited("slow down", retry_after=0.5), 1, time.time())
        assert 0.5 <= wait < 1
        begun = time.monotonic()
        while not second.begin(asked_for("a", usd=0)):
            pass
        assert time.monotonic() - begun > 0.4


def test_what_a_run_had_is_free_when_its_connection_breaks(log, hub):
    gone, other = Line(hub.address), Line(hub.address)
    limiter, leases = RemoteLimiter(gone), RemoteLog(gone).leases()
    assert leases.take("run r") and leases.take("key-a") and limiter.begin(asked_for("a")) and limiter.begin(asked_for("b"))
    with other:
        mine = RemoteLog(other).leases()
        assert not mine.take("run r")
        gone.__exit__()
        wait_until(lambda: mine.take("run r") and mine.take("key-a"))
        assert log.lost("r") == (2, 200, 1.0)  # they may have been billed
        with pytest.raises(BudgetExceeded):
            RemoteLimiter(other).begin(asked_for("c"))


def test_an_answer_that_was_logged_in_the_last_moment_is_not_lost(log, hub):
    meter = Meter(ScriptedLLM(lambda messages: "yes"), log, "r")
    meter.ask(chat(1), Place("test"))
    key = log.calls("r")["key"][0]
    with Line(hub.address) as line:
        RemoteLimiter(line).begin(Try("r", Place("test"), key, (1, 100, 0.5)))
    time.sleep(0.1)
    assert log.lost("r")[0] == 0


def test_a_grid_that_stops_begins_no_call_and_takes_the_answers_of_those_under_way(log, hub):
    with Line(hub.address) as line:
        limiter = RemoteLimiter(line)
        assert limiter.begin(asked_for("a"))
        hub.close()
        with pytest.raises(Cancelled):
            limiter.begin(asked_for("b"))
        RemoteLog(line).finish("r", "ok", {})
        limiter.end(asked_for("a"), (1, 1, 0.0), True)
    assert log.run("r")["status"] == "ok"

    with pytest.raises(LogNotWritten, match="does not reach the log's process"), Line(hub.address) as late:
        late.ask("check_room", 0)


def test_who_does_not_have_the_token_is_not_heard(hub):
    class Boom:
        def __reduce__(self):
            return exec, ("raise SystemExit('a stranger was heard')",)

    with socket.create_connection(hub.address.place) as stranger:
        stranger.sendall(bytes(48) + pickle.dumps(Boom()))
        assert stranger.recv(1) == b""
    with pytest.raises(LogNotWritten), Line(replace(hub.address, token=bytes(32))) as line:
        line.ask("check_room", 0)


def test_a_door_with_certificates_is_open_to_who_has_one_and_the_token(log, tmp_path):
    files = certificates(tmp_path)

    def tls(purpose):
        context = ssl.create_default_context(purpose, cafile=files["ca-file"])
        context.load_cert_chain(files["cert"], files["key"])
        context.verify_mode, context.check_hostname = ssl.CERT_REQUIRED, False
        return context

    def heard(wrap, token):
        with socket.create_connection(hub.address.place, 10) as plain, suppress(OSError, Gone), wrap(plain) as connection:
            wire = connection.makefile("rwb")
            wire.write(token + b"n" * NAME)
            return exchange(wire, "check_room", 0) == (True, None)

    hub = Hub(log, Limiter(Limits()), "127.0.0.1", tls(ssl.Purpose.CLIENT_AUTH))
    without = ssl.create_default_context(cafile=files["ca-file"])
    without.check_hostname = False
    token = hub.address.token
    assert heard(tls(ssl.Purpose.SERVER_AUTH).wrap_socket, token)
    assert not heard(tls(ssl.Purpose.SERVER_AUTH).wrap_socket, bytes(len(token)))
    assert not heard(without.wrap_socket, token) and not heard(lambda plain: plain, token)
    hub.close()


def test_the_token_is_not_shown(hub):
    assert str(hub.address.token) not in repr(hub.address)


def test_many_threads_ask_at_once(log, hub):
    with Line(hub.address) as line, ThreadPoolExecutor(16) as threads:
        remote = RemoteLog(line)
        def fail(n):
            remote.settle("r", Place("test", task=str(n)), "failed", "x")
        list(threads.map(fail, range(200)))
    assert len(log.failures("r")) == 200
    assert threading.active_count() < 40


# -- grids through an executor of this machine


def test_processes_share_the_log_of_the_grid_and_its_budget(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    bench, methods = small_bench(n_train=8, n_test=6), {"nothing": {"method": "base"}, "two": {"method": "fgo", "n_subsets": 2}}
    with serving(load("small"), latency_ms=5) as server:
        llm = load_llm("openai:gpt-5-mini", base_url=server.openai_url)
        alone = compare(bench, llm, methods, [0], log=tmp_path / "alone.sqlite")
        asked = server.ledger()["successes"]
        with ProcessPoolExecutor(2) as pool:
            table = compare(bench, llm, methods, [0], log=tmp_path / "grid.sqlite", executor=pool, total_usd=1)
        assert server.ledger()["successes"] == 2 * asked
    assert table["scores"].tolist() == alone["scores"].tolist() and set(table["status"]) == {"ok"}
    assert CallLog(tmp_path / "grid.sqlite").paid(None)[0] == asked
