"""The meter: every LLM call of a run goes through `Meter.ask`, which caches, limits, retries and logs."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..records import storable
from .budget import Account, Cost
from .clock import TICK, now
from .entries import Asked, Place, Response, asked
from .limiter import Limiter
from .limits import DEFAULT, Limits
from .log import CallLog
from .outcomes import Outcomes
from .prices import price
from .protocol import (
    LLM,
    BudgetExceeded,
    Cancelled,
    ContextOverflow,
    Message,
    RateLimited,
    Reply,
    Unreachable,
    Usage,
    as_reply,
)  # fmt: skip
from .workers import Pool

__all__ = ["Meter", "Place"]

THROTTLED_ATTEMPTS = 12  # 429 and 5xx; with half of all answers refused, one call in 4,000 gives up
UNREACHABLE_ATTEMPTS = 6
TOOL_PROMPT = 1024  # tokens a provider may add to explain the use of tools, beyond their definitions


class _Flight:
    """A call on its way; identical calls meanwhile wait for it instead of paying again."""

    __slots__ = ("error", "landed", "response")

    def __init__(self):
        self.error: BaseException | None = None
        self.response: Response | None = None
        self.landed = threading.Lock()
        self.landed.acquire()


class Meter:
    """Asks an LLM on behalf of one run: log, budget, limiter and workers in one place.

    on_call: called with (place, paid) after each call that ended well, in the thread that made it.
    Raises ValueError for a USD budget on a model without a known price.
    """

    def __init__(
        self, llm: LLM, log: CallLog, run_id: str, limits: Limits = DEFAULT, *, sample: int = 0,
        on_call: Callable[[Place, bool], None] | None = None,
    ):  # fmt: skip
        self.llm, self.log, self.run_id, self.sample, self.on_call = llm, log, run_id, sample, on_call
        self.limiter = Limiter(sample)
        self.pool = Pool(limits.workers)
        self._params = json.dumps(llm.params, sort_keys=True, default=str)
        log.know(llm, self._params)
        self._base_url = llm.params.get("base_url")
        self._free = price(llm.name, Usage(1_000_000, 1_000_000), self._base_url) == 0.0
        self._outcomes = Outcomes(log, run_id, limits.max_failures)
        self._account = self._open_account(limits)
        self._permits = threading.Semaphore(limits.workers)
        self._flights: dict[str, _Flight] = {}
        self._lock = threading.Lock()

    def ask(
        self, messages: Sequence[Message], place: Place, *, tools: Sequence[dict] = (),
        response_schema: dict | None = None,
    ) -> Reply:  # fmt: skip
        """One answer, from the log when it was paid for before. Raises the errors of `llm`.

        tools: {"name", "description", "parameters"} each; response_schema: a JSON schema with a title.
        """
        began = now()
        request = asked(
            self.llm.name, self._params, messages, tools=tools, schema=response_schema, sample=self.sample
        )
        try:
            response, paid = self._answer(request, messages, (tools, response_schema), place)
            if response.finish == "overflow":  # billed, but no answer: it fails the same way every time
                raise ContextOverflow(response.text)
        except KeyboardInterrupt:
            self.cancel()
            raise
        except Exception as error:
            if not isinstance(error, (BudgetExceeded, Cancelled)):  # those were never made
                self.log.record(self.run_id, place, request, error=error, span=(began, now()))
            raise
        if not paid:
            self.log.record(self.run_id, place, request, span=(began, now()))
        if self.on_call:
            self.on_call(place, paid)
        return as_reply(response)

    def map(self, fn: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        """See `Pool.map`: results in order, at most `workers` at a time over the whole run."""
        return self.pool.map(fn, items)

    def together(self, thunks: Iterable[Callable[[], Any]]) -> list[Any]:
        """See `Pool.together`: each thunk in its own thread, for work that mostly waits in `map`."""
        return self.pool.together(thunks)

    def cancel(self) -> None:
        """See `Pool.cancel`: queued work is dropped, later asks raise Cancelled."""
        self.pool.cancel()

    def outcome(self, place: Place, status: str, reason: str | Exception = "") -> None:
        """Say how what was asked at `place` ended, once for each rollout, evaluation, proposal, merge and so on.

        place: of its last call, so turn included. status: "answered", "empty", "cut", "refused", "failed" (there is
        no answer at all; reason: the CallFailed that was raised) or "unusable" (after the repair). reason: in the
        provider's words. Raises TooManyFailures when the share of all but the answered ones among the outcomes of
        this phase passes `max_failures`, from ten on, or when the first ten failed alike in a way that waiting does
        not change.

            try:
                reply = ctx.meter.ask(messages, place)
            except CallFailed as error:
                ctx.meter.outcome(place, "failed", error)
        """
        self._outcomes.note(place, status, reason)

    def judge(self) -> None:
        """Raise TooManyFailures for phases with fewer than ten outcomes; for the end of a run."""
        self._outcomes.end()

    @property
    def spent(self) -> tuple[int, int, float | None]:
        """What the run has paid so far: calls, tokens, USD (None when unpriced)."""
        return self.log.paid(self.run_id)

    def _open_account(self, limits: Limits) -> Account | None:
        if limits.budget_usd is limits.budget_tokens is limits.budget_calls is None:
            return None
        if limits.budget_usd is not None and self._usd(Usage(1, 1)) is None:
            raise ValueError(
                f"budget_usd={limits.budget_usd} needs a price, and none is known for {self.llm.name!r}"
                f"{' at ' + self._base_url if self._base_url else ''}; limit tokens or calls instead"
            )
        return Account(limits, tuple(part or 0 for part in self.log.paid(self.run_id)))

    def _usd(self, usage: Usage) -> float | None:
        return 0.0 if self._free else price(self.llm.name, usage, self._base_url)

    def _answer(self, request: Asked, messages, options: tuple, place: Place) -> tuple[Response, bool]:
        """The logged answer, that of an identical call on its way, or a paid one; and whether it was paid."""
        while True:
            self.pool.check()
            with self._lock:
                flight = self._flights.get(request.key)
                if flight is None:
                    mine = self._flights[request.key] = _Flight()
                    break
            while not flight.landed.acquire(timeout=TICK):
                self.pool.check()
            flight.landed.release()
            if flight.response is not None:
                return flight.response, False
            if not isinstance(flight.error, (Cancelled, KeyboardInterrupt)):
                raise flight.error
        try:
            mine.response = self.log.find(request.key)
            paid = mine.response is None
            if paid:
                mine.response = self._pay(request, messages, options, place)
            return mine.response, paid
        except BaseException as error:
            mine.error = error
            raise
        finally:
            with self._lock:
                del self._flights[request.key]
            mine.landed.release()

    def _pay(self, request: Asked, messages, options: tuple, place: Place) -> Response:
        bound = self._hold(messages, request.extra)
        cost = (0, 0, 0.0)
        try:
            response = self._complete(messages, *options)
            cost = (1, response.prompt + response.completion, response.usd or 0.0)
            # an overflow that was billed is a failed call and a paid one
            error = ContextOverflow(response.text) if response.finish == "overflow" else None
            self.log.record(self.run_id, place, request, response=response, error=error)
        finally:
            if bound is not None:
                self._account.settle(bound, cost)
        return response

    def _hold(self, messages, extra: str) -> Cost | None:
        """Set aside the most a call can cost: exact when simulated, else no token is under a byte."""
        if self._account is None:
            return None
        if self.llm.simulated:
            prompt = self.llm.count(messages)
        else:
            prompt = sum(len(m["content"].encode("utf-8", "replace")) + 16 for m in messages) + 16
            prompt += len(extra.encode("utf-8", "replace")) + TOOL_PROMPT if extra else 0
        most = Usage(prompt, self.llm.max_completion)
        bound = (1, most.prompt + most.completion, self._usd(most) or 0.0)
        self._account.hold(bound, self.pool.check)
        return bound

    def _complete(self, messages, tools, schema) -> Response:
        """Call the LLM until it answers or a failure is final. A call's times are those of its last try."""
        attempt = 0
        while True:
            attempt += 1
            try:
                began, reply = self._try(messages, tools, schema)
                return self._response(reply, began, attempt)
            except ContextOverflow as error:
                if error.usage is None:
                    raise
                billed = Reply(str(error), error.usage, "overflow")
                return self._response(billed, now(), attempt)
            except RateLimited:
                if attempt >= THROTTLED_ATTEMPTS:
                    raise
            except Unreachable:
                if attempt >= UNREACHABLE_ATTEMPTS:
                    raise
                self.limiter.pause(attempt, self.pool.check)

    def _try(self, messages, tools, schema) -> tuple[float, Reply]:
        while not self._permits.acquire(timeout=TICK):
            self.pool.check()
        try:
            self.limiter.wait(self.pool.check)
            self.pool.check()
            began = now()
            reply = self.llm.complete(messages, tools=tools, response_schema=schema, sample=self.sample)
            self.limiter.success()
            return began, reply
        except RateLimited as error:
            self.limiter.hold(began, error.retry_after)
            raise
        finally:
            self._permits.release()

    def _response(self, reply: Reply, began: float, attempt: int) -> Response:
        usage = reply.usage
        counter = usage.counter or (self.llm.counter if self.llm.simulated else "provider")
        calls = json.dumps([[call.id, call.name, call.arguments] for call in reply.tool_calls])
        return Response(
            storable(reply.text), calls, reply.finish, usage.prompt, usage.cached, usage.completion, usage.reasoning,
            counter, self._usd(usage), began, now(), attempt, storable(reply.thought), reply.model, usage.written,
        )  # fmt: skip
