"""Budget and limiter: what a run may pay for, and when its calls must wait. Shared by all its threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .protocol import BudgetExceeded
from .workers import TICK

LONGEST_WAIT = 60.0  # seconds; a longer Retry-After is cut, so that a run cannot hang on one header
FIRST_WAIT = 0.25  # seconds, doubled at every failure in a row

_CLOCK = time.time() - time.perf_counter()  # wall-clock times that never run backwards


def now() -> float:
    """Seconds since 1970, monotonic within the process."""
    return _CLOCK + time.perf_counter()


@dataclass(frozen=True)
class Budget:
    """What a run may pay for in all, resumed or not: USD, prompt + completion tokens, calls answered.

    None is no limit. Answers from the cache cost nothing. Not seen: what a provider bills for a call
    whose answer never arrived.
    """

    usd: float | None = None
    tokens: int | None = None
    calls: int | None = None

    def __post_init__(self):
        for name, limit in vars(self).items():
            if limit is not None and not limit >= 0:
                raise ValueError(f"budget {name}={limit} must be at least 0, or None for no limit")


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
        while (left := self._until - now()) > 0:
            check()
            time.sleep(min(TICK, left))

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
        while (left := until - now()) > 0:
            check()
            time.sleep(min(TICK, left))

    def _backoff(self, failures: int) -> float:
        return float(self._rng.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(failures, 30))))


class Account:
    """Budget book-keeping: a call's upper bound is held before it, what it cost is spent after it."""

    def __init__(self, budget: Budget, spent: tuple[float, ...]):
        self.budget = budget
        self.spent = spent  # calls, tokens, usd
        self._held = (0.0, 0.0, 0.0)
        self._flying = 0
        self._changed = threading.Condition()

    def hold(self, bound: tuple[float, ...], check: Callable[[], None]) -> None:
        """Set `bound` aside, waiting for calls in flight if it does not fit beside them."""
        with self._changed:
            while short := self._short(bound):
                check()
                if not self._flying:
                    raise BudgetExceeded(short)
                self._changed.wait(TICK)
            self._flying += 1
            self._held = tuple(a + b for a, b in zip(self._held, bound, strict=True))

    def settle(self, bound: tuple[float, ...], cost: tuple[float, ...]) -> None:
        with self._changed:
            self._flying -= 1
            rest = tuple(a - b for a, b in zip(self._held, bound, strict=True))
            self._held = rest if self._flying else (0.0, 0.0, 0.0)  # no rounding error is left behind
            self.spent = tuple(a + b for a, b in zip(self.spent, cost, strict=True))
            self._changed.notify_all()

    def _short(self, bound: tuple[float, ...]) -> str:
        limits = (self.budget.calls, self.budget.tokens, self.budget.usd)
        names = ("calls", "tokens", "usd")
        for name, limit, spent, held, more in zip(names, limits, self.spent, self._held, bound, strict=True):
            if limit is not None and spent + held + more > limit:
                return (
                    f"budget of {limit:g} {name}: {spent:g} spent, and the next call may need {more:g}; "
                    f"run again with a larger budget to resume, nothing paid for is lost"
                )
        return ""
