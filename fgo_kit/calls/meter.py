"""The meter: every LLM call of a run goes through `Meter.ask`, which caches, limits, retries and logs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from functools import partial
from typing import Any

from ..records.showing import storable
from .budget import NOTHING, Account, Tariff
from .clock import TICK, now, sleep_until
from .limiter import Limiter, Try
from .limits import DEFAULT, Limits
from .log import CallLog, LogNotWritten, NotACallLog
from .outcomes import Outcomes
from .prices import BATCH, tier_of
from .protocol import LLM, BudgetExceeded, CallFailed, Cancelled, ContextOverflow, Message, Reply, Unreachable, as_reply
from .reply_text import thought_apart
from .requests import Asked, Place, Response, asked
from .served import Served
from .workers import SIDE_BY_SIDE, Awaited, Pool, within

__all__ = ["Meter", "Place"]


class Meter:
    """Asks an LLM on behalf of one run: log, budget, limiter and workers in one place.

    on_call: called with (place, paid) after each call that ended well, in the thread that made it. batch: whether calls
    go in batches where an LLM has them.
    Raises ValueError for a USD budget on a model without a known price.
    """

    def __init__(
        self, llm: LLM, log: CallLog, run_id: str, limits: Limits = DEFAULT, *, sample: int = 0,
        on_call: Callable[[Place, bool], None] | None = None, batch: bool = False,
    ):  # fmt: skip
        self._may_batch = batch
        self.log, self.run_id, self.limits, self.sample, self.on_call = log, run_id, limits, sample, on_call
        self.pool = Pool(limits.workers)
        self._asks(llm)
        self._account = Account.logged(log, run_id, limits)
        self._limiter = Limiter(limits, sample)
        self._outcomes = Outcomes(log, run_id, limits.max_failures)
        self._leases = log.leases() if log.path else None  # what is in memory nobody else has
        self._flights: dict[str, Awaited] = {}  # identical calls meanwhile wait for one instead of paying again
        self._others: dict[int, Meter] = {}
        self._lock = threading.Lock()

    def _asks(self, llm: LLM) -> None:
        self.llm, self._tariff, self._served = llm, Tariff(llm, self.limits, self._may_batch), Served(llm.name)
        self._no_credit: CallFailed | None = None
        keyed = llm.params | getattr(llm, "knowledge", {})
        self._params = json.dumps(keyed, sort_keys=True, default=str)
        self.log.know(llm, self._params)
        self._with_less_room = self.log.with_less_room(llm.name, self._params)
        self._batches: Any = None
        if tier_of(llm, self._may_batch) == BATCH:
            in_batches = llm.in_batches  # pyright: ignore[reportAttributeAccessIssue]
            self._batches = in_batches(self.log, self.run_id, self.limits.patience)
            self.pool.away_at_most = max(self.pool.away_at_most, SIDE_BY_SIDE)

    def beside(self, limiter: Limiter, others: Sequence[Meter] = ()) -> None:
        """Share a limiter with other runs, and workers with the meters of those in this process; before any call."""
        self._limiter = limiter
        for other in others[:1]:
            other.pool.most = min(other.pool.most, self.pool.most)
            other.pool.away_at_most = max(other.pool.away_at_most, self.pool.away_at_most)
            self.pool = other.pool

    def asking(self, llm: LLM) -> Meter:
        """The same meter for another LLM of the run: one log, budget, limiter and pool of workers for both."""
        if llm is self.llm:
            return self
        with self._lock:
            if id(llm) not in self._others:
                self._others[id(llm)] = other = copy(self)
                other._asks(llm)
            return self._others[id(llm)]

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
            if self._batches:  # what goes in a batch only waits
                self.pool.leave()
            response, paid = self._answer(request, messages, (tools, response_schema), place)
            if response.finish == "overflow":  # billed, but no answer: it fails the same way every time
                raise ContextOverflow(response.text)
        except KeyboardInterrupt:
            self.cancel()
            raise
        except Exception as error:
            if not isinstance(error, (BudgetExceeded, Cancelled, LogNotWritten, NotACallLog)):  # those were never made
                self.log.record(self.run_id, place, request, error=error, span=(began, now()))
            raise
        finally:
            self.pool.come_back()
        if not paid:
            self.log.record(self.run_id, place, request, span=(began, now()))
        self._served.see(response.model)
        if self.on_call:
            self.on_call(place, paid)
        return thought_apart(as_reply(response))  # once more, for answers logged before thoughts were split off

    def map(self, fn: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        """See `Pool.map`: results in order, at most `workers` at a time over the whole run."""
        return self.pool.map(fn, items)

    def together(self, thunks: Iterable[Callable[[], Any]]) -> list[Any]:
        """See `Pool.together`: each thunk in its own thread, for work that mostly waits in `map`."""
        return self.pool.together(thunks)

    def cancel(self) -> None:
        """See `Pool.cancel`: queued work is dropped, later asks raise Cancelled."""
        self.pool.cancel()
        if self._leases:  # calls that hang are somebody else's to make
            self._leases.release_all()

    def outcome(self, place: Place, status: str, reason: str | Exception = "") -> None:
        """Say how what was asked at `place` ended, once for each rollout, evaluation, proposal, merge and so on.

        place: of its last call, so turn included. status: "answered", "empty", "cut", "refused", "failed" (there is
        no answer at all; reason: the CallFailed that was raised) or "unusable" (after the repair). reason: in the
        provider's words. Raises TooManyFailures when the share of all but the answered ones among the outcomes of
        this phase passes `max_failures`, from ten on, or when the first ten failed alike in a way that waiting does
        not change. An `AuthError` for want of credit is raised at once.

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

    def _answer(self, request: Asked, messages, options: tuple, place: Place) -> tuple[Response, bool]:
        """The logged answer, that of an identical call on its way, or a paid one; and whether it was paid."""
        while True:
            self.pool.check()
            with self._lock:
                flight = self._flights.get(request.key)
                if flight is None:
                    mine = self._flights[request.key] = Awaited()
                    break
            while not flight.here.acquire(timeout=TICK):
                self.pool.check()
            flight.here.release()
            if flight.answer is not None:
                return flight.answer, False
            if flight.error and not isinstance(flight.error, (Cancelled, KeyboardInterrupt)):
                raise flight.error
        try:
            mine.answer = self._found(request.key)
            if mine.answer is not None:
                return mine.answer, False
            mine.answer = self._pay(request, messages, options, place)
            return mine.answer, True
        except BaseException as error:
            mine.error = error
            raise
        finally:
            with self._lock:
                del self._flights[request.key]
            mine.here.release()

    def _found(self, key: str) -> Response | None:
        """The logged answer, also when it is another holder of the log who is getting it; None to get it oneself.

        One that ended by itself under a smaller limit of tokens holds under a larger.
        """
        response = self.log.find(key)
        for llm in () if response else self._with_less_room:
            response = response or self.log.find_under(llm, key)
        while response is None and self._leases and not self._leases.take(key):
            self.pool.leave()
            self.pool.check()
            time.sleep(TICK / 2)
            response = self.log.find(key)
        return response

    def _pay(self, request: Asked, messages, options: tuple, place: Place) -> Response:
        try:
            tries, since = 0, 0.0
            while True:
                tries += 1
                try:
                    return self._try(request, messages, options, place, tries)
                except CallFailed as error:
                    since = since or now()
                    seconds = self._limiter.failed(error, tries, since)
                    if seconds is None:
                        raise
                    again_at = now() + seconds
                self.pool.leave()
                sleep_until(lambda: again_at, self.pool.check)  # noqa: B023
        except BaseException:
            if self._leases:  # an answer that is logged ends its lease
                self._leases.release(request.key)
            raise

    def _try(self, request: Asked, messages, options: tuple, place: Place, tries: int) -> Response:
        """Ask once, log the answer, and account for it. Times and cost are those of this try."""
        at_once = self.pool.away_at_most if self._batches else self.limits.workers
        self.log.need_room(request, self.llm.max_completion, at_once)
        most, cost, answered = self._tariff.most(messages, request.extra), NOTHING, False
        this = Try(self.run_id, place, request.key, most, self._batches is not None)
        sender = {"send": self._batches.sender(request, most, self.pool.check)} if self._batches else {}
        self._wait_for(lambda: self._account.hold(most, request.key))
        try:
            self._wait_for(lambda: self._limiter.begin(this))
            try:
                began, reply, error = self._complete(messages, *options, sender=sender)
                answered, response = True, self._response(reply, began, tries)
                cost = (1, response.prompt + response.completion, response.usd or 0.0)
                self.log.record(self.run_id, place, request, response=response, error=error)
                return response
            except CallFailed as error:
                if error.maybe_billed:
                    cost = self._tariff.most(messages, request.extra, priced=True)
                    self.log.lose(self.run_id, place, cost, error)
                raise
            finally:
                self._limiter.end(this, cost, answered)
        finally:
            self._account.settle(most, cost)

    def _wait_for(self, true: Callable[[], bool]) -> None:
        while not true():
            self.pool.check()

    def _complete(self, messages, tools, schema, sender: dict) -> tuple[float, Reply, ContextOverflow | None]:
        """When the call began, the answer, and the error of one that was billed and overflowed all the same."""
        self.pool.check()
        if self._no_credit:  # nor is there any for this call
            raise self._no_credit
        began = now()
        call = partial(self.llm.complete, messages, tools=tools, response_schema=schema, sample=self.sample, **sender)
        try:
            reply = thought_apart(call() if self.llm.simulated or sender else within(self.limits.patience, call))
        except TimeoutError:
            raise Unreachable(f"{self.llm.name}: no whole answer within {self.limits.patience:g} s") from None
        except ContextOverflow as error:
            if error.usage is None:
                raise
            return began, Reply(str(error), error.usage, "overflow"), error
        except CallFailed as error:
            if error.no_credit:
                self._no_credit = error
            raise
        return began, reply, None

    def _response(self, reply: Reply, began: float, attempt: int) -> Response:
        usage = reply.usage
        counter = usage.counter or (self.llm.counter if self.llm.simulated else "provider")
        raw = ([call.raw] if call.raw else [] for call in reply.tool_calls)
        calls = json.dumps([[c.id, c.name, c.arguments, *more] for c, more in zip(reply.tool_calls, raw, strict=True)])
        finish = f"{reply.finish}: {reply.category}" if reply.category else reply.finish
        return Response(
            storable(reply.text), calls, finish, usage.prompt, usage.cached, usage.completion, usage.reasoning,
            counter, self._tariff.usd(usage), began, now(), attempt, storable(reply.thought), reply.model,
            usage.written,
        )  # fmt: skip
