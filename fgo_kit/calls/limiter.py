"""Limiter: how long a call that failed waits, when all calls wait with it, and when it is given up."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import numpy as np

from .clock import now, sleep_until
from .protocol import CallFailed, Overloaded, RateLimited

SHORTEST = 0.25  # seconds to wait at least
LONGEST = 30.0  # seconds to wait at most, unless the provider asks for more
SHARE = 0.15  # of the time that a call has been failing it waits before its next try: an outage costs little more
RECENT, MOST = 16, 0.75  # all calls are held when such a share of so many recent tries failed
ALONE_TRIES, ALONE_SECONDS = 3, 60.0  # after both a call is given up that fails while others succeed


class Limiter:
    """Shared by all threads of a run. patience: seconds without any answer after which calls are given up."""

    def __init__(self, patience: float, seed: int = 0):
        self._patience = patience
        self._rng = np.random.default_rng(seed)
        self._lock = threading.Lock()
        self._recent: deque[bool] = deque(maxlen=RECENT)  # whether a try failed
        self._held_until = 0.0
        self._answered_at = 0.0
        self._failing_since: float | None = None

    def wait(self, check: Callable[[], None]) -> None:
        """Return when no hold is on; `check` is called meanwhile and may raise."""
        sleep_until(lambda: self._held_until, check)

    def answered(self) -> None:
        """A try got its answer."""
        with self._lock:
            self._recent.append(False)
            self._answered_at, self._failing_since = now(), None

    def failed(self, error: CallFailed, tries: int, since: float) -> float:
        """Seconds to wait before the next try of a call that failed so often since then; raises `error` to give it up.

        One call that fails waits alone. When most of the recent tries of all calls failed, all are held as long.
        """
        if not error.waiting_helps:
            raise error
        with self._lock:
            moment = now()
            self._recent.append(True)
            self._failing_since = self._failing_since or moment
            if self._given_up(error, tries, since, moment):
                raise error
            seconds = self._seconds(error, moment - since)
            if 3 <= sum(self._recent) >= MOST * len(self._recent):
                self._held_until = max(self._held_until, moment + seconds)
            return seconds

    def _given_up(self, error: CallFailed, tries: int, since: float, moment: float) -> bool:
        if self._answered_at < since:  # nobody has had an answer meanwhile
            return moment - (self._failing_since or moment) >= self._patience
        if isinstance(error, RateLimited) and not isinstance(error, Overloaded):  # says nothing about this call
            return moment - since >= self._patience
        return tries >= ALONE_TRIES and moment - since >= min(ALONE_SECONDS, self._patience)

    def _seconds(self, error: CallFailed, failing: float) -> float:
        """The whole Retry-After up to `patience`, else a share of the time the call has been failing; and jitter."""
        if error.retry_after is not None:
            return max(SHORTEST, min(error.retry_after, self._patience)) + self._rng.uniform(0, SHORTEST)
        return min(LONGEST, max(SHORTEST, SHARE * failing)) * self._rng.uniform(1, 1.5)
