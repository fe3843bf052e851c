"""Limiter: when the calls of a run must wait. Shared by all its threads."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from .clock import now, sleep_until

LONGEST_WAIT = 60.0  # seconds; a longer Retry-After is cut, so that a run cannot hang on one header
FIRST_WAIT = 0.25  # seconds, doubled at every failure in a row


class Limiter:
    """Makes all workers hold back together when a provider asks for it."""

    def __init__(self, seed: int = 0):
        self._rng = np.random.default_rng(seed)
        self._lock = threading.Lock()
        self._held_at = 0.0
        self._until = 0.0
        self._streak = 0

    def wait(self, check: Callable[[], None]) -> None:
        """Return when no hold is on; `check` is called meanwhile and may raise."""
        sleep_until(lambda: self._until, check)

    def hold(self, began: float, retry_after: float | None) -> None:
        """A call that began at `began` was refused: hold for `retry_after` seconds, else by backoff."""
        with self._lock:
            if retry_after is None and began < self._held_at:
                return  # sent before the present hold: the same wave of refusals, not a new one
            seconds = self._backoff(self._streak) if retry_after is None else min(retry_after, LONGEST_WAIT)
            self._streak += 1
            self._held_at = now()
            self._until = max(self._until, self._held_at + seconds)

    def success(self) -> None:
        self._streak = 0

    def pause(self, attempt: int, check: Callable[[], None]) -> None:
        """Backoff of one call alone, after a failure that says nothing about the others."""
        with self._lock:
            until = now() + self._backoff(attempt)
        sleep_until(lambda: until, check)

    def _backoff(self, failures: int) -> float:
        return float(self._rng.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(failures, 30))))
