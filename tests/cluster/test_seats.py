"""Environments of one run that are played elsewhere: the same trajectories, whatever becomes of the workers."""

import pickle
import shutil
import socket
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from engine import cluster
from helpers import ScriptedLLM, TinyBench, small_bench, wait_until

from fgo_kit.algorithm.benchmark import Environment, EnvironmentFailed
from fgo_kit.benchmarks import alfworld, gaia
from fgo_kit.benchmarks.alfworld.engine import missing
from fgo_kit.calls.providers import load_llm
from fgo_kit.cluster import seats
from fgo_kit.cluster import wire as wired
from fgo_kit.cluster.executor import played_elsewhere
from fgo_kit.cluster.seats import LOST, NotReady
from fgo_kit.records import Task
from fgo_kit.runs.compare import compare
from fgo_kit.runs.run import run
from fgo_kit.simulate.model import load
from fgo_kit.simulate.server import serving

LOSING = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # of a thread that ends
TASKS = tuple(Task(name, name, "3") for name in ("a", "b", "c", "d"))


class Worlds:
    """What happens to all environments of a test: how many are open, how often a worker is lost, what was seen."""

    def __init__(self):
        self.open = self.most_open = self.begun = self.closed = 0
        self.losing: dict[str, int] = {}
        self.drift, self.lock = 0, threading.Lock()


@dataclass
class Counting(Environment):
    """Adds up what it is told; 3 ends it. "die" ends the seat that plays it, as often as the test says."""

    task: Task
    worlds: Worlds
    total: int = 0
    info: dict = field(default_factory=dict)

    def __post_init__(self):
        with self.worlds.lock:
            self.worlds.begun += 1
            self.worlds.open += 1
            self.worlds.most_open = max(self.worlds.open, self.worlds.most_open)
            self.start = self.worlds.begun * self.worlds.drift

    def observe(self):
        return f"{self.task.text} at {self.start}"

    def step(self, action):
        if action == "wrong":
            raise EnvironmentFailed("this task cannot be played on")
        if action == "odd":
            raise Odd("one", "two")
        if action == "lock":
            return threading.Lock(), False
        self.total += int(action)
        if self.total >= 2 and self.worlds.losing.get(self.task.id, 0) > 0:
            self.worlds.losing[self.task.id] -= 1
            raise SystemExit  # ends the thread, and with it the connection
        self.info, self.final, self.answer = {"steps": str(self.total)}, f"total {self.total}", str(self.total)
        return f"now {self.total}", self.total >= 3

    def close(self):
        with self.worlds.lock:
            self.worlds.open -= 1
            self.worlds.closed += 1


class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(one)


@dataclass(frozen=True)
class CountingBench(TinyBench):
    test: tuple = TASKS
    worlds: Worlds = field(default_factory=Worlds, compare=False)
    form = "turns"
    at_once = 2

    def start(self, task):
        return Counting(task, self.worlds)


class Here(ThreadPoolExecutor):
    """Workers that are threads of this process, and are given the very objects."""


def seated():
    return [thread for thread in threading.enumerate() if thread.name == "fgo seat"]


@contextmanager
def played(bench):
    """The benchmark, played by threads; at the end they have left."""
    with Here(2) as executor, played_elsewhere(bench, executor, lambda bench: "") as elsewhere:
        yield elsewhere
    wait_until(lambda: not seated(), 10)


def test_a_task_is_played_as_it_is_here():
    bench = CountingBench()
    with played(bench) as elsewhere, closing(elsewhere.start(TASKS[0])) as there, closing(bench.start(TASKS[0])) as here:
        assert there.observe() == here.observe()
        for action in ("1", "1", "1"):
            assert there.step(action) == here.step(action)
            assert (there.answer, there.info, there.final) == (here.answer, here.info, here.final)
        assert elsewhere.fingerprint == bench.fingerprint and elsewhere.test == bench.test


@LOSING
def test_a_lost_seat_is_replaced_and_its_task_played_up_to_the_same_point():
    bench = CountingBench()
    bench.worlds.losing["a"] = LOST - 1
    with played(bench) as elsewhere, closing(elsewhere.start(TASKS[0])) as there:
        assert [there.step("1") for _ in range(3)] == [("now 1", False), ("now 2", False), ("now 3", True)]
        assert there.answer == "3" and bench.worlds.begun == LOST


@LOSING
def test_a_task_that_ends_one_seat_after_another_is_given_up_alone():
    bench = CountingBench()
    bench.worlds.losing["a"] = LOST
    with played(bench) as elsewhere:
        with closing(elsewhere.start(TASKS[0])) as there, pytest.raises(EnvironmentFailed, match=f"task a: {LOST} workers"):
            there.step("2")
        with closing(elsewhere.start(TASKS[1])) as there:
            assert there.step("3") == ("now 3", True)


@LOSING
def test_a_task_that_goes_otherwise_when_played_again_has_failed():
    bench = CountingBench()
    bench.worlds.losing["a"], bench.worlds.drift = 1, 1
    with played(bench) as elsewhere, closing(elsewhere.start(TASKS[0])) as there:
        there.step("1")
        with pytest.raises(EnvironmentFailed, match="task a.*otherwise"):
            there.step("1")


def test_errors_are_raised_here_and_the_seat_is_used_again():
    with played(CountingBench()) as elsewhere:
        for action, error in (("wrong", EnvironmentFailed), ("x", ValueError), ("odd", RuntimeError), ("lock", TypeError)):
            with closing(elsewhere.start(TASKS[0])) as there, pytest.raises(error):
                there.step(action)
        assert len(seated()) == 1


def test_no_more_are_played_at_once_than_here_and_all_are_closed():
    bench = CountingBench()

    def play(task):
        with closing(elsewhere.start(task)) as there:
            time.sleep(0.02)
            return there.step("3")[0]

    with played(bench) as elsewhere, ThreadPoolExecutor(8) as threads:
        assert set(threads.map(play, TASKS * 4)) == {"now 3"}
    assert bench.worlds.most_open <= 2 and bench.worlds.open == 0 and bench.worlds.closed == 16


def test_an_answer_that_nobody_waited_for_is_nobody_elses(monkeypatch):
    def interrupted(wire, *request):
        if request == ("step", "1"):
            wire.write(pickle.dumps((request[0], request[1:])))
            wire.flush()
            raise KeyboardInterrupt
        return wired.exchange(wire, *request)

    monkeypatch.setattr(seats, "exchange", interrupted)
    with played(CountingBench()) as elsewhere:
        with closing(elsewhere.start(TASKS[0])) as there, pytest.raises(KeyboardInterrupt):
            there.step("1")
        with closing(elsewhere.start(TASKS[1])) as other:
            assert other.observe() == "b at 0" and other.step("3") == ("now 3", True)


def test_a_stranger_gets_no_seat():
    bench = CountingBench()
    with played(bench) as elsewhere:
        address = elsewhere.start.__self__.address
        with socket.create_connection(address.place) as stranger:
            stranger.sendall(b"x" * 100)
            stranger.settimeout(10)
            assert stranger.recv(10) == b""
        with closing(elsewhere.start(TASKS[0])) as there:
            assert there.step("3") == ("now 3", True)
        assert repr(address.token) not in repr(address)


def test_workers_that_cannot_have_the_benchmark_are_one_error():
    bench = CountingBench()  # its lock cannot be sent to another process
    with ProcessPoolExecutor(1) as executor, played_elsewhere(bench, executor, lambda bench: "") as elsewhere:
        for _ in range(2):
            with pytest.raises(NotReady, match="a worker cannot play tiny: TypeError.*pickle"):
                elsewhere.start(TASKS[0])


def test_a_benchmark_without_turns_is_refused_before_anything_runs():
    llm = ScriptedLLM(lambda messages: "ANSWER: None")
    with Here(1) as executor, pytest.raises(ValueError, match="executor=.*LogisticsQA-gen has nothing to play.*compare"):
        run(small_bench(), llm, executor=executor)
    assert llm.asked == []


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with cluster(tmp_path_factory.mktemp("cluster"), 3) as engine:
        yield engine


@pytest.fixture(scope="module")
def server():
    with serving(load("small"), latency_ms=20) as server:
        yield server


def asking(server):
    return load_llm("openai:gpt-5-mini", base_url=server.openai_url, api_key="none")


def questions():
    bench = gaia.load(n_train=6)
    return replace(bench, test=bench.test[:8], gate=bench.gate[:2])


def games():
    bench = alfworld.load(n_train=2)
    return replace(bench, test=bench.test[:3], gate=())


engine_is_there = pytest.mark.skipif(bool(missing()), reason=missing() or "-")
SETS = pytest.mark.parametrize("load_set", [questions, pytest.param(games, marks=engine_is_there)])
CHOICES = {"method": "fgo", "n_subsets": 2, "epochs": 1}


def record(done):
    return [(str(judged.place), judged.trajectory) for judged in done.state.record], done.module


@SETS
@pytest.mark.timeout(600)
def test_a_run_with_environments_on_workers_is_the_same_run(load_set, engine, server, tmp_path, monkeypatch):
    bench = load_set()
    here = run(bench, asking(server), log=tmp_path / "here.sqlite", **CHOICES)
    monkeypatch.setattr(type(bench), "start", None)  # nothing is played in this process
    there = run(bench, asking(server), log=tmp_path / "there.sqlite", executor=engine.client.get_executor(), **CHOICES)
    assert record(there) == record(here) and there.id == here.id
    row = compare(bench, asking(server), {"one": CHOICES}, [1], log=tmp_path / "there.sqlite", executor=engine.client.get_executor())
    assert set(row["status"]) == {"ok"}


def disturbed_run(engine, server, bench, log, moments):
    """A run during which a worker is killed, and another joins, after these shares of its calls; checks it against one
    that was not disturbed."""
    here = run(bench, asking(server), log=log.with_name("here.sqlite"), **CHOICES)
    before, calls = server.ledger()["successes"], len(here.calls())

    def disturb():
        for moment in moments:
            wait_until(lambda: server.ledger()["successes"] - before >= moment * calls, 120)  # noqa: B023  awaited here
            engine.end(engine.workers[0])
            engine.join()

    with ThreadPoolExecutor(1) as disturbing:
        disturbed = disturbing.submit(disturb)
        there = run(bench, asking(server), log=log, executor=engine.client.get_executor(), **CHOICES)
        disturbed.result()
    assert record(there) == record(here) and server.ledger()["successes"] - before == calls
    engine.client.wait_for_workers(3, timeout=120)


@SETS
@pytest.mark.timeout(600)
def test_workers_that_are_killed_while_they_play_change_nothing(load_set, engine, server, tmp_path):
    disturbed_run(engine, server, load_set(), tmp_path / "there.sqlite", (0.2, 0.5))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twenty_killed_workers_of_twenty_change_nothing_in_what_is_played(engine, server, tmp_path):
    rng = np.random.default_rng(0)
    for n in range(20):
        disturbed_run(engine, server, questions(), tmp_path / f"{n}.sqlite", rng.uniform(0, 0.9, 1))


@pytest.mark.timeout(600)
def test_workers_without_the_tasks_files_are_one_error_before_anything_runs(engine, server, tmp_path):
    whole = questions()
    task, (name, path) = next((task.id, file) for task in whole.train for file in whole.files[task.id].items())
    bench = replace(whole, files=whole.files | {task: {name: Path(shutil.copy(path, tmp_path))}})
    assert bench.fingerprint == whole.fingerprint
    bench.files[task][name].unlink()
    before = server.ledger()["requests"]
    with pytest.raises(NotReady, match=r"3 of 3 workers.*nothing was begun:(\ntcp://127.*No such file.*){3}"):
        run(bench, asking(server), log=tmp_path / "log.sqlite", executor=engine.client.get_executor(), method="base")
    assert server.ledger()["requests"] == before
