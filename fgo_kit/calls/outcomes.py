"""Outcomes: how what was asked ended, counted by phase, and when failures are too many for a run to mean anything."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from .log import CallLog
from .protocol import AuthError, BadRequest, CallFailed, ContextOverflow, RateLimited, TooManyFailures, Unreachable
from .requests import Place

ENOUGH = 10
"""From so many answers on a phase is judged before its end."""
STATUSES = {
    "answered": "",
    "empty": "a reasoning model may have spent its tokens on thinking: raise max_completion",
    "cut": "raise max_completion",
    "refused": "see what the provider's filter minds in these prompts, or use another model",
    "failed": "put right what the reason names",
    "unusable": "use a model that keeps to the form it is asked for",
}
"""How an answer can end, and what to do about it. Only an answered one is ever scored, parsed or adopted."""
ADVICE = {
    AuthError: "see that the API key is right, may use this model and has credit",
    ContextOverflow: "use a model with a larger context window",
    BadRequest: "see that the model's name, base_url and parameters are right for this server",
    RateLimited: "use fewer workers, or come back later",
    Unreachable: "see that the server at base_url is up",
}


@dataclass
class _Phase:
    total: int = 0
    failed: list[tuple[str, str | Exception]] = field(default_factory=list)  # status, reason


class Outcomes:
    """The outcomes of one run, which its log keeps too (see `CallLog.failures`). Safe to share between threads."""

    def __init__(self, log: CallLog, run_id: str, max_failures: float):
        self._log, self._run_id, self._most = log, run_id, max_failures
        self._before = log.failed_places(run_id)
        self._phases: dict[str, _Phase] = defaultdict(_Phase)
        self._lock = threading.Lock()

    def note(self, place: Place, status: str, reason: str | Exception = "") -> None:
        """See `Meter.outcome`."""
        if status not in STATUSES:
            raise ValueError(f"status={status!r} is unknown; use one of {list(STATUSES)}")
        if isinstance(reason, CallFailed) and reason.no_credit:
            raise reason  # so is every other call
        if status != "answered" or str(place) in self._before:
            self._log.settle(self._run_id, place, status, str(reason), not _waiting_helps(reason))
        with self._lock:
            phase = self._phases[place.phase]
            phase.total += 1
            if status != "answered":
                phase.failed.append((status, reason))
            if phase.total >= ENOUGH:
                self._judge(place.phase, phase)

    def end(self) -> None:
        """Judge the phases with fewer answers than `ENOUGH`; for the end of a run. Raises TooManyFailures."""
        with self._lock:
            for name, phase in self._phases.items():
                self._judge(name, phase)

    def _judge(self, name: str, phase: _Phase) -> None:
        kinds = Counter((status, type(reason)) for status, reason in phase.failed)
        hopeless = len(kinds) == 1 and phase.total == len(phase.failed) == ENOUGH
        hopeless = hopeless and not _waiting_helps(phase.failed[0][1])
        if len(phase.failed) <= self._most * phase.total and not hopeless:
            return
        status, kind = kinds.most_common(1)[0][0]
        reasons = Counter(str(reason) for found, reason in phase.failed if (found, type(reason)) == (status, kind))
        advice = next((text for error, text in ADVICE.items() if issubclass(kind, error)), STATUSES[status])
        commonest = reasons.most_common(1)[0][0] or status
        raise TooManyFailures(
            f"{len(phase.failed)} of {phase.total} answers in phase {name!r} are of no use, and max_failures is "
            f"{self._most:g}. Most often ({reasons.total()} times, {status}): {commonest}. "
            f"What to do: {advice}; then run the same again, which asks only for what has no answer yet"
        )


def _waiting_helps(reason: str | Exception) -> bool:
    return getattr(reason, "waiting_helps", False)
