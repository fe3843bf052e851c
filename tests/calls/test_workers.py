"""A call is made in another thread: whatever it does, who waits for it goes on in time."""

import os
import signal
import threading
import time

import pytest
from helpers import wait_until

from fgo_kit.calls import workers
from fgo_kit.calls.workers import within


def threads_for_calls():
    return [thread for thread in threading.enumerate() if thread.name == "fgo call"]


@pytest.fixture
def hanging():
    """A call that hangs until the test is over."""
    over = threading.Event()
    yield over.wait
    over.set()


def test_an_error_is_raised_where_the_call_is_awaited():
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 / 0)
    with pytest.raises(SystemExit):
        within(5, lambda: exit(3))
    assert within(5, lambda: "the thread goes on") == "the thread goes on"


def test_who_waits_for_a_call_that_hangs_goes_on_and_so_do_later_calls(hanging):
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        within(0.1, hanging)
    assert within(5, lambda: "later") == "later" and time.monotonic() - began < 2


def test_an_interrupt_does_not_wait_for_a_call_that_hangs(hanging):
    threading.Timer(0.1, lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        within(30, hanging)
    assert time.monotonic() - began < 5


def test_threads_are_used_again_and_end_when_there_is_nothing_to_do(monkeypatch):
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.1)
    former = set(threads_for_calls())  # they wait as long as they were told to
    monkeypatch.setattr(workers, "_IDLE", workers.deque())
    made = {within(5, threading.get_ident) for _ in range(50)}
    assert len(made) == 1
    wait_until(lambda: set(threads_for_calls()) <= former)
    assert within(5, lambda: "a new one") == "a new one"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_makes_its_calls_in_threads_of_its_own():
    within(5, lambda: None)
    answer = 0
    if not (child := os.fork()):
        try:
            answer = within(5, lambda: 7)
        finally:
            os._exit(answer)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
