"""Budget: what a call can cost and what a run may still pay. Shared by all threads of a run."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce

from . import log_sql as sql
from .clock import TICK
from .limits import Limits
from .log import CallLog
from .prices import price, tier_of
from .protocol import LLM, BudgetExceeded, Message, Usage

Cost = tuple[float, float, float]
"""Calls, prompt + completion tokens, USD."""
NOTHING: Cost = (0, 0, 0.0)
TOOL_PROMPT = 1024  # tokens a provider may add to explain the use of tools, beyond their definitions


class Tariff:
    """What calls of one LLM cost. batch: whether they go in batches where it has them.

    Raises ValueError for a USD budget on a model without a known price.
    """

    def __init__(self, llm: LLM, limits: Limits, batch: bool = False):
        self._llm, self._base_url = llm, llm.params.get("base_url")
        self._tier = tier_of(llm, batch)
        self._budgeted = limits.budget_usd is not None
        self._free = price(llm.name, Usage(1_000_000, 1_000_000), self._base_url) == 0.0
        if self._budgeted and self.usd(Usage(1, 1)) is None:
            named = {name: llm.params[name] for name in ("base_url", "service_tier") if name in llm.params}
            raise ValueError(
                f"budget_usd={limits.budget_usd} needs a price, and none is known for {llm.name!r}"
                f"{f' with {named}' if named else ''}; limit tokens or calls instead"
            )

    def usd(self, usage: Usage) -> float | None:
        """The price of a call, None where nobody here knows it."""
        if self._free:
            return 0.0
        return price(self._llm.name, usage, self._base_url, self._tier)

    def most(self, messages: Sequence[Message], extra: str, priced: bool = False) -> Cost:
        """The most that a call can cost: exact when simulated, else no token is under a byte.

        The price is looked up, which takes its time, for a budget in USD or when it must be `priced`.
        """
        if self._llm.simulated:
            prompt = self._llm.count(messages)
        else:
            texts = (m["content"] + m.get("raw", "") for m in messages)
            prompt = sum(len(text.encode("utf-8", "replace")) + 16 for text in texts) + 16
            prompt += len(extra.encode("utf-8", "replace")) + TOOL_PROMPT if extra else 0
        usage = Usage(prompt, self._llm.max_completion)
        if not (priced or self._budgeted):
            return 1, usage.prompt + usage.completion, 0.0
        dearest = max(self.usd(usage) or 0.0, self.usd(replace(usage, written=prompt)) or 0.0)
        return 1, usage.prompt + usage.completion, dearest


class Account:
    """The most that a try can cost is held before it; what it did cost, or can have cost, is spent after it.

    spent: by the run so far. sent: the most that calls can cost whose answers are in batches still, by their keys.
    """

    def __init__(self, limits: Limits, spent: Cost, sent: Mapping[str, Cost] | None = None):
        self._limits = {"calls": limits.budget_calls, "tokens": limits.budget_tokens, "usd": limits.budget_usd}
        self._sent = dict(sent or {})
        self._spent = reduce(_sum, self._sent.values(), spent)
        self._held = NOTHING
        self._flying = 0
        self._changed = threading.Condition()

    @classmethod
    def logged(cls, log: CallLog, run_id: str | None, limits: Limits) -> Account:
        """That of a run, or with None of all, as its log has it."""
        (calls, tokens, usd), lost = log.paid(run_id), log.lost(run_id)
        sent = {key: tuple(most) for key, *most in log.read(sql.SENT_BY, {"run_id": run_id})}
        return cls(limits, _sum((calls, tokens, usd or 0.0), lost), sent)

    def hold(self, most: Cost, key: str = "") -> bool:
        """Set `most` aside if it fits beside the calls in flight; else a moment has passed. Raises BudgetExceeded."""
        with self._changed:
            self._spent = _less(self._spent, self._sent.pop(key, NOTHING))  # it is held from here on
            if short := self._short(most):
                if not self._flying:
                    raise BudgetExceeded(short)
                self._changed.wait(TICK)
                return False
            self._flying += 1
            self._held = _sum(self._held, most)
            return True

    def settle(self, most: Cost, cost: Cost) -> None:
        """A try has ended: what was held for it is free, what it cost is spent."""
        with self._changed:
            self._flying -= 1
            self._held = _less(self._held, most) if self._flying else NOTHING  # no rounding error is left behind
            self._spent = _sum(self._spent, cost)
            self._changed.notify_all()

    def _short(self, most: Cost) -> str:
        for (name, limit), *parts in zip(self._limits.items(), self._spent, self._held, most, strict=True):
            if limit is not None and sum(parts) > limit:
                return (
                    f"budget of {limit:g} {name}: {parts[0]:g} spent, and the next call may need {parts[2]:g}; "
                    f"run again with a larger budget to resume, nothing paid for is lost"
                )
        return ""


def _sum(a: Cost, b: Cost) -> Cost:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def _less(a: Cost, b: Cost) -> Cost:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]
