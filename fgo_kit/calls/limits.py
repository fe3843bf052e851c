"""Limits of a run that do not change its result: how many calls at once, what it may pay, when it gives up."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real


@dataclass(frozen=True)
class Limits:
    """Validates itself: ValueError names what is out of its bounds.

    workers: calls at a time, without those that wait for a batch. max_failures: the share of failed answers in a phase
    beyond which the run stops. patience: seconds without progress after which calls are given up. budget_usd,
    budget_tokens (prompt and completion), budget_calls: what the run may pay in all, however often it is resumed and
    however many processes ask for it at once; None is no limit, and answers from the log cost nothing, whichever run
    paid for them. Other runs in the same log have budgets of their own; `compare(total_usd=)` limits all in a log
    together.

    >>> Limits(budget_usd=-1)
    Traceback (most recent call last):
    ValueError: budget_usd=-1 is not allowed; use a number >= 0, or None for no limit
    """

    workers: int = 8
    max_failures: float = 0.2
    patience: float = 600.0
    budget_usd: float | None = None
    budget_tokens: int | None = None
    budget_calls: int | None = None

    def __post_init__(self):
        self._check("workers", "a whole number >= 1", lambda n: n >= 1 and n % 1 == 0)
        self._check("max_failures", "a share from 0 to 1", lambda share: 0 <= share <= 1)
        self._check("patience", "a number of seconds > 0", lambda seconds: 0 < seconds < float("inf"))
        for name in ("budget_usd", "budget_tokens", "budget_calls"):
            if getattr(self, name) is not None:
                self._check(name, "a number >= 0, or None for no limit", lambda most: most >= 0)

    def _check(self, name: str, allowed: str, fits) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, Real) or not fits(value):
            raise ValueError(f"{name}={value!r} is not allowed; use {allowed}")


DEFAULT = Limits()
