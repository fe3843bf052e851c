"""Budget book-keeping: what a run may still pay, counted before and after each call. Shared by all its threads."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .clock import TICK
from .limits import Limits
from .protocol import BudgetExceeded

Cost = tuple[float, float, float]
"""Calls, prompt + completion tokens, USD."""


class Account:
    """A call's upper bound is held before it, what it cost is spent after it.

    Not seen: what a provider bills for a call whose answer never arrived.
    """

    def __init__(self, limits: Limits, spent: Cost):
        self._limits = {"calls": limits.budget_calls, "tokens": limits.budget_tokens, "usd": limits.budget_usd}
        self._spent = spent
        self._held: Cost = (0.0, 0.0, 0.0)
        self._flying = 0
        self._changed = threading.Condition()

    def hold(self, bound: Cost, check: Callable[[], None]) -> None:
        """Set `bound` aside, waiting for calls in flight if it does not fit beside them."""
        with self._changed:
            while short := self._short(bound):
                check()
                if not self._flying:
                    raise BudgetExceeded(short)
                self._changed.wait(TICK)
            self._flying += 1
            self._held = _sum(self._held, bound)

    def settle(self, bound: Cost, cost: Cost) -> None:
        """A call has ended: what was held for it is free, what it cost is spent."""
        with self._changed:
            self._flying -= 1
            rest = _sum(self._held, tuple(-part for part in bound))
            self._held = rest if self._flying else (0.0, 0.0, 0.0)  # no rounding error is left behind
            self._spent = _sum(self._spent, cost)
            self._changed.notify_all()

    def _short(self, bound: Cost) -> str:
        for (name, limit), spent, held, more in zip(
            self._limits.items(), self._spent, self._held, bound, strict=True
        ):
            if limit is not None and spent + held + more > limit:
                return (
                    f"budget of {limit:g} {name}: {spent:g} spent, and the next call may need {more:g}; "
                    f"run again with a larger budget to resume, nothing paid for is lost"
                )
        return ""


def _sum(a: Cost, b: Cost) -> Cost:
    return tuple(x + y for x, y in zip(a, b, strict=True))
