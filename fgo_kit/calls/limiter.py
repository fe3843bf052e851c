"""Limiter: how many calls are under way, how long one that failed waits, when all wait with it, when it is given up."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

import numpy as np

from .budget import Account, Cost
from .clock import TICK, now
from .limits import Limits
from .protocol import CallFailed, Overloaded, RateLimited
from .requests import Place

SHORTEST = 0.25  # seconds to wait at least
LONGEST = 30.0  # seconds to wait at most, unless the provider asks for more
SHARE = 0.15  # of the time that a call has been failing it waits before its next try: an outage costs little more
RECENT, MOST = 16, 0.75  # all calls are held when such a share of so many recent tries failed
ALONE_TRIES, ALONE_SECONDS = 3, 60.0  # after both a call is given up that fails while others succeed


@dataclass(frozen=True)
class Try:
    """A try of a call: whose, where, under which key, and what it can cost at most. batched: it waits for a batch."""

    run_id: str
    place: Place
    key: str
    most: Cost
    batched: bool = False


class Limiter:
    """Shared by all threads of a run, and by runs side by side.

    limits: its `workers` are tries at a time, beside those that wait for a batch; its `patience` the seconds without
    any answer after which calls are given up. total: a budget over all runs.
    """

    def __init__(self, limits: Limits, seed: int = 0, total: Account | None = None):
        self._patience, self.total = limits.patience, total
        self._permits = threading.Semaphore(limits.workers)
        self._rng = np.random.default_rng(seed)
        self._lock = threading.Lock()
        self._recent: deque[bool] = deque(maxlen=RECENT)  # whether a try failed
        self._held_until = 0.0
        self._answered_at = 0.0
        self._failing_since: float | None = None

    def begin(self, this: Try) -> bool:
        """Whether a try may be made now; where not, a moment has passed. Raises BudgetExceeded."""
        if not (this.batched or self._permits.acquire(timeout=TICK)):
            return False
        begun = False
        try:
            begun = not self._is_held() and (self.total is None or self.total.hold(this.most, this.key))
            return begun
        finally:
            if not (begun or this.batched):
                self._permits.release()

    def _is_held(self) -> bool:
        left = self._held_until - now()
        if left > 0:
            time.sleep(min(TICK, left))
        return left > 0

    def end(self, this: Try, cost: Cost, answered: bool) -> None:
        """A try that was begun has ended, and did cost, or can have cost, so much."""
        if not this.batched:
            self._permits.release()
        if self.total is not None:
            self.total.settle(this.most, cost)
        if answered:
            with self._lock:
                self._recent.append(False)
                self._answered_at, self._failing_since = now(), None

    def failed(self, error: CallFailed, tries: int, since: float) -> float | None:
        """Seconds to wait before the next try of a call that failed so often since then; None to give it up.

        One call that fails waits alone. When most of the recent tries of all calls failed, all are held as long.
        """
        if not error.waiting_helps:
            return None
        with self._lock:
            moment = now()
            self._recent.append(True)
            self._failing_since = self._failing_since or moment
            if self._given_up(error, tries, since, moment):
                return None
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
