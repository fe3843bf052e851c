"""Grids on a Dask cluster: a scheduler and three workers, each a process of its own."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from engine import cluster
from helpers import small_bench, wait_until

from fgo_kit.adapters.wrapped import wrap_llm
from fgo_kit.benchmarks import gaia
from fgo_kit.calls import budget
from fgo_kit.calls.log import CallLog
from fgo_kit.calls.prices import price
from fgo_kit.calls.providers import load_llm
from fgo_kit.cluster.executor import NotReady
from fgo_kit.cluster.hub import Hub
from fgo_kit.cluster.seats import Seats
from fgo_kit.runs.compare import compare
from fgo_kit.runs.run import run
from fgo_kit.simulate.model import load
from fgo_kit.simulate.server import serving

KEY = "sk-test-SECRETSECRET123456"
METHODS = {"nothing": {"method": "base"}, "two": {"method": "fgo", "n_subsets": 2}}
MINUTES = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with cluster(tmp_path_factory.mktemp("cluster"), 3, OPENAI_API_KEY=KEY) as engine:
        yield engine


@pytest.fixture(scope="module")
def bench():
    return small_bench(n_train=12, n_test=6)


@pytest.fixture(scope="module")
def server():
    with serving(load("small"), latency_ms=20) as server:
        yield server


def model(server):
    return load_llm("openai:gpt-5-mini", base_url=server.openai_url, api_key=KEY)


def same(table, other):
    """Whether two tables are the same but for what was paid, how much of it the provider had cached, and how long it took."""
    apart = ["seconds", "usd", "tokens_paid", "cached"]
    left, right = (rows.drop(columns=apart, errors="ignore") for rows in (table, other))
    pd.testing.assert_frame_equal(left, right)
    return True


@pytest.fixture(scope="module")
def local(bench, server, tmp_path_factory):
    """(table, number of calls) of the grid without a cluster."""
    before = server.ledger()["successes"]
    table = compare(bench, model(server), METHODS, range(3), log=tmp_path_factory.mktemp("local") / "log.sqlite")
    return table, server.ledger()["successes"] - before


@MINUTES
def test_simulated_runs_have_the_same_rows_as_here(engine, bench):
    there = compare(bench, "simulated", METHODS, range(3), executor=engine.client.get_executor())
    assert same(there, compare(bench, "simulated", METHODS, range(3)))


@MINUTES
def test_runs_of_a_real_model_have_the_same_rows_and_are_paid_once(engine, bench, server, local, tmp_path):
    before, log = server.ledger()["successes"], tmp_path / "log.sqlite"
    grid = partial(compare, bench, model(server), METHODS, range(3), log=log, executor=engine.client.get_executor())
    table = grid()
    assert same(table, local[0])
    assert server.ledger()["successes"] - before == local[1] == CallLog(log).paid(None)[0]
    assert same(grid(), table) and server.ledger()["successes"] - before == local[1]  # resumed from the log
    assert not any(KEY.encode() in file.read_bytes() for folder in (tmp_path, engine.folder) for file in folder.iterdir() if file.is_file())
    assert not list(engine.folder.rglob("*.sqlite"))  # no worker has a file of its own


@MINUTES
def test_a_key_that_a_worker_lacks_is_one_error_before_anything_runs(engine, bench, server, tmp_path):
    before, without = server.ledger()["requests"], engine.join(OPENAI_API_KEY="")
    engine.client.wait_for_workers(4, timeout=120)
    try:
        with pytest.raises(NotReady, match=r"1 of 4 workers.*nothing was begun:\ntcp://127.*OPENAI_API_KEY") as caught:
            compare(bench, model(server), METHODS, [0], log=tmp_path / "log.sqlite", executor=engine.client.get_executor())
    finally:
        engine.end(without)
    assert KEY not in str(caught.value) and server.ledger()["requests"] == before


def disturbed_grid(engine, bench, server, local, log, moment, victim=0):
    """A grid in which a worker is killed, and another joins, after a share of the calls; checks it against the local."""
    before = server.ledger()["successes"]

    def disturb():
        wait_until(lambda: server.ledger()["successes"] - before >= moment * local[1], 120)
        engine.end(engine.workers[victim])
        engine.join()

    with ThreadPoolExecutor(1) as disturbing:
        disturbed = disturbing.submit(disturb)
        table = compare(bench, model(server), METHODS, range(3), log=log, executor=engine.client.get_executor())
        disturbed.result()
    calls, asked = CallLog(log).lost(None)[0], server.ledger()["successes"] - before
    assert same(table, local[0])
    assert CallLog(log).paid(None)[0] == local[1] <= asked <= local[1] + calls
    assert calls <= 8 and CallLog(log).read("SELECT * FROM leases") == []


@MINUTES
def test_a_worker_that_is_killed_and_one_that_joins_change_nothing(engine, bench, server, local, tmp_path):
    disturbed_grid(engine, bench, server, local, tmp_path / "log.sqlite", 0.3)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twenty_killed_workers_of_twenty_change_nothing(engine, bench, server, local, tmp_path):
    rng = np.random.default_rng(0)
    for n in range(20):
        moment, victim = rng.uniform(0, 0.9), int(rng.integers(3))
        disturbed_grid(engine, bench, server, local, tmp_path / f"{n}.sqlite", moment, victim)
        engine.client.wait_for_workers(3, timeout=120)


@MINUTES
def test_one_budget_holds_for_all_workers(engine, bench, server, tmp_path, monkeypatch):
    def at(price):
        budget.price = price

    def listed(spec, usage, *_):
        return price(spec, usage)

    monkeypatch.setattr(budget, "price", listed)  # a server on this machine would be free
    llm, log = load_llm("openai:gpt-5-mini", base_url=server.openai_url, api_key=KEY, max_completion=600), CallLog(tmp_path / "log.sqlite")
    engine.client.run(at, listed)
    try:
        table = compare(bench, llm, METHODS, range(3), log=log.path, executor=engine.client.get_executor(), total_usd=0.01)
    finally:
        engine.client.run(at, price)
    assert 0.005 < log.paid(None)[2] <= 0.01 and "BudgetExceeded" in set(table["status"])


@MINUTES
def test_a_grid_that_is_interrupted_stops_on_the_workers(engine, bench, server, local, tmp_path):
    def stopped(run, bench, llm):
        raise ValueError("a column that cannot be had")

    log, before = tmp_path / "log.sqlite", server.ledger()["successes"]
    executor = engine.client.get_executor()
    with pytest.raises(ValueError, match="cannot be had"):
        compare(bench, model(server), METHODS, range(3), log=log, executor=executor, after=stopped)
    wait_until(lambda: not any(engine.client.processing().values()), 60)
    asked = server.ledger()["successes"] - before
    time.sleep(0.3)
    assert server.ledger()["successes"] - before == asked <= local[1]
    assert same(compare(bench, model(server), METHODS, range(3), log=log, executor=executor), local[0])


@MINUTES
def test_ones_own_function_and_columns_go_along(engine, bench, tmp_path):
    def pid(run, bench, llm):
        return {"pid": os.getpid()}

    llm = wrap_llm(lambda messages: "ANSWER: None", name="mine")
    table = compare(bench, llm, ["base"], range(4), log=tmp_path / "log.sqlite", executor=engine.client.get_executor(), after=pid)
    assert set(table["status"]) == {"ok"} and set(table["pid"]) <= {worker.pid for worker in engine.workers}


@MINUTES
def test_a_cluster_that_talks_in_tls_is_answered_in_tls(bench, server, local, tmp_path, monkeypatch):
    doors = []

    def told(kind, *arguments):
        doors.append(kind(*arguments))
        return doors[-1]

    for kind in (Hub, Seats):
        monkeypatch.setattr(f"fgo_kit.cluster.executor.{kind.__name__}", partial(told, kind))
    questions = replace(whole := gaia.load(n_train=2), test=whole.test[:3], gate=())
    with cluster(tmp_path, 2, tls=True, OPENAI_API_KEY=KEY) as engine:
        executor = engine.client.get_executor()
        table = compare(bench, model(server), METHODS, range(3), log=tmp_path / "log.sqlite", executor=executor)
        played = run(questions, model(server), log=tmp_path / "log.sqlite", method="base", executor=executor)
    assert same(table, local[0]) and len(played.trajectories()) == 3
    assert [(type(door), door.address.is_encrypted) for door in doors] == [(Hub, True), (Seats, True)]
