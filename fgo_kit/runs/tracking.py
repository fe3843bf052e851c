"""Telling a tracker of experiments about a run as it goes on: `run(tracker="mlflow")`, "wandb", or an object of one's
own."""

from __future__ import annotations

import math
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Protocol

from ..calls.log import CallLog, Place, redact
from .export import markdown
from .result import Run

EVERY = 5.0
"""Seconds between two reports of a run under way."""
TRACKERS = {"mlflow": "fgo_kit.report.trackers:MLflow", "wandb": "fgo_kit.report.trackers:WandB"}
"""Trackers by name: where their classes are, imported when they are used."""


class Tracker(Protocol):
    """Where a run is reported to. Its calls come one at a time, `begin` first and `end` last."""

    def begin(self, name: str, params: Mapping[str, Any]) -> None:
        """A run starts: its name, and what decides its result."""

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Numbers after so many calls."""

    def text(self, name: str, content: str) -> None:
        """A text to keep, under a file's name."""

    def end(self, status: str) -> None:
        """The run ended: "ok", or the name of the error that ended it."""


def load_tracker(spec: str) -> Tracker:
    """The tracker of a name, with its project or experiment after a colon. ValueError for an unknown one, ImportError
    where its package is not installed."""
    name, _, project = spec.partition(":")
    if name not in TRACKERS:
        raise ValueError(f"tracker={spec!r} is unknown; use one of {list(TRACKERS)}, or an object of your own")
    module, _, kind = TRACKERS[name].partition(":")
    return getattr(import_module(module), kind)(project or "fgo_kit")


class Watch:
    """A run under way, and who is told of it. What a tracker raises is a warning: a run does not end for that."""

    def __init__(self, tracker: Tracker | None, spent: Callable[[], Mapping[str, float]], on_call: Callable | None):
        self._tracker, self._spent, self._on_call = tracker, spent, on_call
        self._calls: Counter[str] = Counter()
        self._told, self._lock = time.monotonic(), threading.Lock()

    def on_call(self, place: Place, paid: bool) -> None:
        """Follows every call, in the thread that made it."""
        if self._on_call:
            self._on_call(place, paid)
        if self._tracker is None:
            return
        with self._lock:
            self._calls[place.phase] += 1
            due = time.monotonic() - self._told >= EVERY
            self._told = time.monotonic() if due else self._told
            if due:
                self._report({**{f"calls_{phase}": n for phase, n in self._calls.items()}, **self._spent()})

    def done(self, run: Run) -> Run:
        """The run as it was made, after its results were told."""
        if self._tracker is not None:
            with self._lock:
                self._report(results(run))
                self._ask("text", "prompt.md", run.prompt())
                self._ask("text", "module.md", markdown(run))
        return run

    def _report(self, values: Mapping[str, float]) -> None:
        known = {name: float(value) for name, value in values.items() if not math.isnan(value)}
        self._ask("metrics", known, sum(self._calls.values()))

    def end(self, status: str) -> None:
        """The run is over."""
        self._ask("end", status)

    def _ask(self, method: str, *arguments: Any) -> None:
        if self._tracker is None:
            return
        try:
            getattr(self._tracker, method)(*arguments)
        except Exception as error:
            self._tracker, name = None, type(self._tracker).__name__
            warnings.warn(f"{name} failed ({redact(str(error))}); the run goes on untracked", stacklevel=2)


@contextmanager
def watched(
    tracker: Tracker | str | None, log: CallLog, run_id: str, config: Mapping[str, Any], on_call: Callable | None
) -> Iterator[Watch]:
    """A watch over the run made inside. Errors of starting a tracker are raised: nothing has been asked yet."""
    chosen = load_tracker(tracker) if isinstance(tracker, str) else tracker
    if chosen is None:
        yield Watch(None, dict, on_call)
        return
    chosen.begin(f"{config['benchmark']} {config['method']} {run_id[:8]}", {"run_id": run_id, **flat(config)})
    watch = Watch(chosen, lambda: _spent(log, run_id), on_call)
    try:
        yield watch
    except BaseException as error:
        watch.end(type(error).__name__)
        raise
    watch.end("ok")


def _spent(log: CallLog, run_id: str) -> dict[str, float]:
    calls, tokens, usd = log.paid(run_id)
    return {"paid_calls": calls, "paid_tokens": tokens, "paid_usd": math.nan if usd is None else usd}


def flat(config: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested choices as one level, their names joined by dots.

    >>> flat({"seed": 0, "controls": {"max_rules": 9}})
    {'seed': 0, 'controls.max_rules': 9}
    """
    level: dict[str, Any] = {}
    for name, value in config.items():
        level |= flat(value, f"{above}{name}.") if isinstance(value, Mapping) else {f"{above}{name}": value}
    return level


def results(run: Run) -> dict[str, float]:
    """The numbers of a finished run: its score with interval, its rules, tokens in all and by phase."""
    ledger = run.tokens().set_index("phase")
    parts = ("calls", "prompt", "completion")
    by_phase = {f"{part}_{phase}": float(n) for part in parts for phase, n in ledger[part].to_dict().items()}
    row = {name: float(value) for name, value in run.row().items() if type(value) in (int, float)}
    return row | by_phase
