"""How far a run is: counts of its calls, what it has paid, and when it may end. No widget in here."""

from __future__ import annotations

import re
import threading
from collections import Counter, deque
from dataclasses import dataclass

from ..algorithm.benchmark import Benchmark
from ..algorithm.divide import count
from ..algorithm.registry import GATES, MERGES, METHODS, Strategy
from ..algorithm.settings import Settings
from ..calls.clock import now
from ..calls.log import Place
from ..calls.protocol import LLM, Cancelled
from ..records import showable

PHASES = ("divide", "rollout", "evaluate", "propose", "repair", "merge", "audit", "gate", "test")
WINDOW = 10.0
"""Calls per second are those of the last so many seconds."""


class Watched:
    """An LLM whose failures and calls under way are counted; in everything else the LLM itself."""

    def __init__(self, llm: LLM):
        self._llm = llm
        self.errors: Counter[str] = Counter()
        self.flying = 0
        self._lock = threading.Lock()

    def __getattr__(self, name: str):
        return getattr(self._llm, name)

    def complete(self, messages, **options):
        """The LLM's own answer or error."""
        with self._lock:
            self.flying += 1
        try:
            return self._llm.complete(messages, **options)
        except Exception as error:
            if not isinstance(error, Cancelled):
                with self._lock:
                    self.errors[type(error).__name__] += 1
            raise
        finally:
            with self._lock:
                self.flying -= 1


@dataclass(frozen=True)
class Part:
    """One phase, or one subset: how much is done of what is expected (0: not known)."""

    name: str
    done: int
    expected: int = 0


@dataclass(frozen=True)
class Snapshot:
    """A run's progress at one moment. Seconds, tokens and USD are totals; `left` is estimated, else NaN.

    calls: answered, from the log or paid. paid, tokens, usd: paid in all, None when unpriced.
    rate: calls per second of the last ten seconds. retries: calls to the LLM that failed, by error, whether
    or not a later attempt went well. state: running, stopping, done, stopped or failed.
    """

    state: str
    seconds: float
    calls: int
    rate: float
    flying: int
    paid: int
    tokens: int
    usd: float | None
    left: float
    phases: tuple[Part, ...]
    subsets: tuple[Part, ...]
    retries: tuple[tuple[str, int], ...] = ()
    error: str = ""


class Progress:
    """Counts the calls of one run; `count` may be called from any thread."""

    def __init__(self, bench: Benchmark, settings: Settings):
        self.bench, self.settings = bench, settings
        self.began = now()
        self.calls = 0
        self._calls: Counter[str] = Counter()
        self._units: Counter[str] = Counter()  # first turns: a trajectory each, however many turns it takes
        self._subsets: Counter[str] = Counter()
        self._recent: deque[float] = deque()
        self._lock = threading.Lock()

    def count(self, place: Place, paid: bool) -> None:
        """Take note of one call (for `run(on_call=)`)."""
        with self._lock:
            self.calls += 1
            self._calls[place.phase] += 1
            self._units[place.phase] += place.turn == 0
            if place.subset and place.phase in ("rollout", "evaluate", "propose"):
                self._subsets[str(place.subset)] += place.turn == 0
            self._recent.append(now())

    def rate(self) -> float:
        """Calls per second of the last seconds."""
        with self._lock:
            present = now()
            while self._recent and self._recent[0] < present - WINDOW:
                self._recent.popleft()
            return len(self._recent) / max(0.1, min(WINDOW, present - self.began))

    @property
    def method(self) -> Strategy | None:
        """What is known of the run's method; None for a shortcut that asks nothing."""
        return METHODS.get(self.settings.method)

    def expected(self) -> dict[str, int]:
        """Units a phase will have in the end, as far as it can be known: {} for a method that does not say."""
        chosen, bench, method = self.settings, self.bench, self.method
        if method is None or not method.trains:
            return {}
        known = {"test": len(bench.test)}
        if method.trains == "nothing":
            return known
        passes = chosen.passes if method.merges_modules else 1
        rollouts = passes * chosen.epochs * len(bench.train)
        known |= {"rollout": rollouts, "evaluate": rollouts}
        subsets = self._n_subsets()
        if subsets:
            known["propose"] = passes * chosen.epochs * subsets
            known |= self._merging(passes, subsets) if method.merges_modules else self._gating(known["propose"])
        return {phase: number for phase, number in known.items() if number}

    def _n_subsets(self) -> int:
        """Subsets there will be, else those seen in the first pass."""
        if self.method.trains == "whole":
            return 1
        if self.settings.n_subsets is not None:
            return count(self.settings.n_subsets, len(self.bench.train))
        return len([name for name in self._subsets if not re.search(r"\dp\d", name)])

    def _gating(self, proposals: int) -> dict[str, int]:
        return {"gate": 2 * proposals * len(self.bench.gate)} if GATES[self.settings.gate].needs_gate else {}

    def _merging(self, passes: int, subsets: int) -> dict[str, int]:
        if subsets == 1:
            return {}
        chosen, merge = self.settings, MERGES[self.settings.merge]
        nodes = passes * merge.merges(subsets, chosen.fan_in)
        known = {"merge": nodes if merge.asks_llm else 0, "audit": nodes * chosen.audit}
        if GATES[chosen.gate].needs_gate:  # every node's candidate, and every module that is merged
            known["gate"] = (nodes + nodes + passes * (subsets - 1)) * len(self.bench.gate)
        return known

    def left(self) -> float:
        """Seconds still to go at the present rate; NaN when that cannot be said."""
        expected, rate = self.expected(), self.rate()
        if not expected or rate <= 0 or self.calls < 3:
            return float("nan")
        with self._lock:
            calls = sum(
                max(0, number - self._units[phase])
                * max(1.0, self._calls[phase] / max(1, self._units[phase]))
                for phase, number in expected.items()
            )
        return calls / rate

    def phases(self) -> tuple[Part, ...]:
        """Every phase that has begun or is expected, in the order of a run."""
        expected = self.expected()
        names = [*PHASES, *(name for name in self._units if name not in PHASES)]
        return tuple(
            Part(name, self._units[name], expected.get(name, 0))
            for name in names if self._units[name] or expected.get(name)
        )  # fmt: skip

    def subsets(self, done: bool = False) -> tuple[Part, ...]:
        """Every subset seen: its trajectories, feedbacks and proposals. While under way, the expected
        number is that of subsets of one size."""
        with self._lock:
            counted = sorted(self._subsets.items(), key=lambda item: (len(item[0]), item[0]))
        each = 0
        if counted and self.method and self.method.trains in ("subsets", "whole"):
            each = round(self.settings.epochs * (2 * len(self.bench.train) / len(counted) + 1))
        return tuple(Part(name, number, number if done else max(each, number)) for name, number in counted)


def line(shot: Snapshot, budget: tuple[float | None, ...] = (None, None, None)) -> str:
    """A snapshot as one line of plain ASCII text. budget: limits of calls, tokens, USD.

    >>> line(Snapshot("running", 61, 120, 2.0, 3, 100, 45_000, 0.0123, 90, (Part("rollout", 40, 128),), ()))
    '0:01:01 running | rollout 40/128 | 120 calls, 2.0/s | 45.0k tokens, 0.0123 USD | about 0:01:30 left'
    """
    calls, tokens, usd = budget
    at = [
        part for part in shot.phases if part.done and (not part.expected or part.done < part.expected)
    ] or shot.phases[-1:]
    where = ", ".join(
        f"{part.name} {part.done}" + (f"/{part.expected}" if part.expected else "") for part in at
    )
    made = (
        f"{shot.calls:,} calls"
        + (f" ({shot.paid:,} of {calls:,} paid for)" if calls else "")
        + f", {shot.rate:.1f}/s"
    )
    paid = _limited(short(shot.tokens), short(tokens) if tokens else "", "tokens")
    paid += ", " + _limited(
        "unpriced" if shot.usd is None else f"{shot.usd:.4f}", f"{usd:g}" if usd else "", "USD"
    )
    failed = ", ".join(f"{name} {number}" for name, number in shot.retries)
    parts = [f"{clock(shot.seconds)} {shot.state}", where, made, paid, failed and f"failed tries: {failed}"]
    if shot.state == "running" and shot.left == shot.left:
        parts.append(f"about {clock(shot.left)} left")
    text = " | ".join(part for part in [*parts, shot.error] if part)
    return " ".join(showable(text).encode("ascii", "replace").decode().split())


def _limited(value: str, limit: str, unit: str) -> str:
    return f"{value} of {limit} {unit}" if limit else f"{value} {unit}"


def short(number: float) -> str:
    """A count to three figures or so.

    >>> short(999), short(45_000), short(2_340_000)
    ('999', '45.0k', '2.34M')
    """
    for size, unit, digits in ((1e6, "M", 2), (1e3, "k", 1)):
        if number >= size:
            return f"{number / size:.{digits}f}{unit}"
    return f"{number:g}"


def clock(seconds: float) -> str:
    """h:mm:ss.

    >>> clock(3725.4)
    '1:02:05'
    """
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
