"""Time as the calls of a run see it: a clock that never runs backwards, and waits that a stop can end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

TICK = 0.1  # seconds between looks at whether the run was cancelled, wherever something is awaited

_START = time.time() - time.perf_counter()


def now() -> float:
    """Seconds since 1970, monotonic within the process."""
    return _START + time.perf_counter()


def sleep_until(moment: Callable[[], float], check: Callable[[], None]) -> None:
    """Return when `moment()`, which may move, is over; `check` is called meanwhile and may raise."""
    while (left := moment() - now()) > 0:
        check()
        time.sleep(min(TICK, left))


def held_lock() -> threading.Lock:
    """A lock that is taken: who acquires it waits until another thread releases it. An Event takes longer."""
    lock = threading.Lock()
    lock.acquire()
    return lock
