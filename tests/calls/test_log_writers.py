"""Many threads write one call log: nothing is lost and nothing is there twice, whoever fails or is interrupted."""

import signal
import sqlite3
import threading
import time
from contextlib import closing, contextmanager

import pytest

from fgo_kit.calls.log import CallLog, NotACallLog, Place, Response, asked

ERROR = ValueError("its answer was lost")


@pytest.fixture
def log(tmp_path):
    with CallLog(tmp_path / "log.sqlite") as log:
        log.begin("r", {}, {})
        yield log


def lose(log, name):
    log.lose("r", Place("rollout", task=name), (1, 2, 0.0), ERROR)


def lost(log):
    return sorted(place.split("/")[4] for (place,) in log.read("SELECT place FROM lost"))


@contextmanager
def held(log):
    """Another process writes: whoever writes here has to wait, and the rest in line for it."""
    with closing(sqlite3.connect(log.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def in_line(*jobs):
    """Threads at these jobs, each started when the one before waits."""
    threads = [threading.Thread(target=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    return threads


def joined(threads):
    for thread in threads:
        thread.join(10)
    return not any(thread.is_alive() for thread in threads)


def interrupt_main():
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


@pytest.mark.parametrize("behind", [(), ("c", "d")])
def test_a_writer_interrupted_in_line_holds_nobody_up_and_is_written_once(log, behind):
    with held(log):
        threads = in_line(lambda: lose(log, "a"))
        waits = threading.Timer(0.1, lambda: threads.extend(in_line(*(lambda n=n: lose(log, n) for n in behind), interrupt_main)))
        waits.start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            lose(log, "b")
        assert time.monotonic() - began < 5  # not as long as the other process writes
        waits.join()
    assert joined(threads)
    lose(log, "last")
    assert lost(log) == sorted(["a", "b", *behind, "last"])


def test_a_leader_whose_statement_fails_hands_over_to_the_next(log):
    refused = []

    def fail():
        try:
            log.write([("INSERT INTO runs (run_id) VALUES ('x')", ())])  # columns are missing
        except NotACallLog as error:
            refused.append(error)

    with held(log):
        threads = in_line(fail, *(lambda n=n: lose(log, n) for n in "abc"))
    assert joined(threads) and len(refused) == 1 and lost(log) == ["a", "b", "c"]


def test_interrupts_at_any_moment_lose_no_answer_and_count_none_twice(log):
    def record(name):
        request = asked("openai:x", "{}", [{"role": "user", "content": name}])
        answer = Response("yes", "[]", "stop", 5, 0, 2, 0, "provider", None, 1.0, 2.0)
        log.record("r", Place("rollout", task=name), request, response=answer)

    def others(first):
        for number in range(first, first + 300):
            record(f"other {number}")

    def interrupted(*_):
        if recording:
            raise KeyboardInterrupt

    def interrupts():
        for _ in range(40):
            time.sleep(0.01)
            interrupt_main()

    former = signal.signal(signal.SIGINT, interrupted)
    threads, made, stopped, recording = in_line(*(lambda at=at: others(at) for at in range(0, 1_200, 300))), [], 0, False
    threads += in_line(interrupts)
    try:
        while threads[-1].is_alive():
            try:
                recording = True
                record(f"own {len(made)}")
                recording = False
                made.append(f"own {len(made)}")
            except KeyboardInterrupt:
                recording = False
                stopped += 1
    finally:
        recording = False
        signal.signal(signal.SIGINT, former)
    assert joined(threads) and stopped > 10
    record("last")
    calls = log.calls("r")
    assert set(calls["task"]) >= {*made, "last"} and sum(calls["task"].str.startswith("other")) == 1_200
    assert len(calls) == calls["place"].nunique() == log.paid("r")[0] == log.tokens("r")["calls"].sum()
