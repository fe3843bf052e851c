"""How far a run is: counts of its calls, what it will have made in the end, and when that may be. No widget in here."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass

from ..algorithm.benchmark import Benchmark
from ..algorithm.divide import chosen_width, count
from ..algorithm.registry import DIVISIONS, GATES, MERGES, METHODS, Strategy
from ..algorithm.settings import Settings
from ..calls.clock import now
from ..calls.log import Place
from ..calls.protocol import LLM, Cancelled
from ..records import Division

PHASES = ("divide", "rollout", "evaluate", "propose", "repair", "merge", "review", "audit", "gate", "test")
WINDOW = 10.0
"""Calls per second are those of the last so many seconds."""
NAN = float("nan")


class Watched:
    """An LLM whose calls under way are counted, and whose errors are kept by name; in all else the LLM itself."""

    def __init__(self, llm: LLM):
        self._llm, self._flying, self.failed = llm, set(), []  # changed by single steps, which need no lock

    def __getattr__(self, name: str):
        return getattr(self._llm, name)

    @property
    def flying(self) -> int:
        """How many calls are under way."""
        return len(self._flying)

    def complete(self, messages, **options):
        """The LLM's own answer or error."""
        call = object()
        self._flying.add(call)
        try:
            return self._llm.complete(messages, **options)
        except Exception as error:
            self.failed += [type(error).__name__] * (not isinstance(error, Cancelled))
            raise
        finally:
            self._flying.discard(call)


@dataclass(frozen=True)
class Bar:
    """One phase, or one subset: how much is done of what is expected (0: not known)."""

    name: str
    done: int
    expected: int = 0


class Progress:
    """Counts the calls of one run; `count` and `divided` may be called from any thread."""

    def __init__(self, bench: Benchmark, settings: Settings):
        self.bench, self.settings = bench, settings
        self.method: Strategy | None = METHODS.get(settings.method)  # None for a shortcut, which asks nothing
        self.began = now()
        self.calls = 0
        self._n_subsets = self._known_subsets()
        self._calls: Counter[str] = Counter()
        self._units: Counter[str] = Counter()  # first turns: a trajectory each, however many turns it takes
        self._subsets: Counter[str] = Counter()
        self._recent: deque[float] = deque()
        self._lock = threading.Lock()

    def _known_subsets(self) -> int:
        """How many subsets there will be, as far as that does not hang on how long trajectories are; 0 where the
        division decides it."""
        if self.method is not None and self.method.trains == "whole":
            return 1
        width, rounds, train = self.settings.n_subsets, self.settings.rounds, self.bench.train
        if width is None:
            width = 0 if DIVISIONS[self.settings.divide].sets_number else chosen_width(train[: len(train) // rounds])
        return rounds * count(width, len(train) // rounds) if width else 0

    def divided(self, division: Division) -> None:
        """Take note of the division (for `run(on_division=)`)."""
        self._n_subsets = len(division)

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

    def expected(self) -> dict[str, int]:
        """Units a phase will have in the end, as far as it can be known: {} for a method that does not say."""
        chosen, bench, method = self.settings, self.bench, self.method
        if method is None or not method.trains:
            return {}
        known = {"test": len(bench.test)}
        if method.trains != "nothing":
            passes = chosen.passes if method.merges_modules else 1
            rounds, n_subsets = passes * chosen.epochs, self._n_subsets
            known |= dict.fromkeys(("rollout", "evaluate"), rounds * len(bench.train))
            known |= {"propose": rounds * n_subsets}
            if chosen.review:
                known["review"] = n_subsets * (passes if method.merges_modules else rounds)
            if n_subsets and not method.merges_modules and GATES[chosen.gate].needs_gate:
                known["gate"] = 2 * known["propose"] * len(bench.gate)
            if n_subsets > 1 and method.merges_modules:
                known |= self._merging(passes)
        return {phase: number for phase, number in known.items() if number}

    def _merging(self, passes: int) -> dict[str, int]:
        chosen, merge = self.settings, MERGES[self.settings.merge]
        nodes = passes * chosen.rounds * merge.merges(self._n_subsets // chosen.rounds, chosen.fan_in)
        known = {"merge": nodes if merge.asks_llm else 0, "audit": nodes * chosen.audit}
        if GATES[chosen.gate].needs_gate:  # every node's candidate, and every module that is merged
            known["gate"] = (nodes + nodes + passes * (self._n_subsets - chosen.rounds)) * len(self.bench.gate)
        return known

    def left(self) -> float:
        """Seconds still to go at the present rate; NaN when that cannot be said."""
        expected, rate = self.expected(), self.rate()
        if not expected or rate <= 0 or self.calls < 3:
            return NAN
        with self._lock:
            turns = {phase: max(1.0, self._calls[phase] / max(1, self._units[phase])) for phase in expected}
            return sum(max(0, n - self._units[phase]) * turns[phase] for phase, n in expected.items()) / rate

    def phases(self) -> tuple[Bar, ...]:
        """Every phase that has begun or is expected, in the order of a run."""
        with self._lock:
            units = Counter(self._units)
        expected = self.expected()
        names = dict.fromkeys([*PHASES, *units])
        return tuple(Bar(name, units[name], expected.get(name, 0)) for name in names if units[name] or name in expected)

    def subsets(self, done: bool = False) -> tuple[Bar, ...]:
        """Every subset seen: its trajectories, feedbacks and proposals. While under way, the expected
        number is that of subsets of one size."""
        with self._lock:
            counted = sorted(self._subsets.items(), key=lambda item: (len(item[0]), item[0]))
        each = 0
        if self._n_subsets and self.method is not None and self.method.trains:
            each = round(self.settings.epochs * (2 * len(self.bench.train) / self._n_subsets + 1))
        return tuple(Bar(name, number, number if done else max(each, number)) for name, number in counted)
