"""What all kinds of faults are tried on: one small run through an SDK, its undisturbed result, and the table's rows."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from provider import Provider, providing

from fgo_kit.benchmarks.logisticsqa import benchmark as logisticsqa
from fgo_kit.calls.log import CallLog
from fgo_kit.calls.meter import Meter, Place
from fgo_kit.calls.protocol import FGOError
from fgo_kit.calls.providers import load_llm
from fgo_kit.records import digest, to_json
from fgo_kit.runs.run import run
from fgo_kit.simulate.model import load

CHOICES = {"n_subsets": 4, "epochs": 1, "counts": True, "audit": 4, "gate": "hard", "workers": 4}
ASKED = ""
"""Told in place of a place when a call begins."""
BASE_URL = "http://127.0.0.1:1/v1"
"""What the log knows the server by, whatever its port is today."""


@dataclass(frozen=True)
class Row:
    """One line of the table. survived: runs whose result, in the end, was that of an undisturbed run.

    lost: answers that had been given to the run, or logged, and were gone after the fault. twice: answers billed
    again, but for those in flight when a process was killed. note: what else there is to say, a gap for example.
    """

    fault: str
    tried: int
    survived: int
    lost: int = 0
    twice: int = 0
    note: str = ""


Rows = Iterator[Row]


@cache
def bench():
    found = logisticsqa.load(n_train=10)
    return replace(found, test=found.test[:6], gate=found.gate[:4])


@contextmanager
def server(**options) -> Iterator[Provider]:
    """A provider with the simulated LLM behind it."""
    with providing(load("small"), **options) as provider:
        yield provider


def made(url: str, log: Path | None, timeout: float = 30.0, on_call=None, **choices) -> str:
    """Make the run with the provider at `url`, or go on with it; a hash of its result. The log is closed."""
    llm = load_llm("openai:small", base_url=url, timeout=timeout)
    llm.params["base_url"] = BASE_URL
    with warnings.catch_warnings(), CallLog(log) as opened:
        warnings.simplefilter("ignore")
        found = run(bench(), llm, log=opened, on_call=on_call, **CHOICES | choices)
        return digest([to_json(found.state), sorted(found.scores.items())])


def process(target: Callable, *args) -> tuple:
    """A started process that calls `target(*args, told)`, and the end of the pipe where what it tells arrives."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["ready"])
    ours, theirs = context.Pipe(duplex=False)
    started = context.Process(target=target, args=(*args, theirs), daemon=True)
    started.start()
    theirs.close()
    return started, ours


def last_told(told) -> str:
    """The last that a process tells before it ends."""
    said = ("", "")
    with suppress(EOFError):
        while True:
            said = told.recv()
    return said[0]


def making(url: str, log: str, choices: dict, told) -> None:
    """For a process: make the run, tell `ASKED` and the phase of each call that begins, the place and phase of each
    that has ended, then "done" or the error."""
    def watch(meter: Meter) -> None:
        ask = meter.ask

        def telling(messages, place, **options):
            told.send((ASKED, place.phase))
            return ask(messages, place, **options)

        meter.ask = telling

    def ended(place: Place, paid: bool) -> None:
        told.send((str(place), place.phase))

    try:
        made(url, Path(log), on_call=ended, on_start=watch, **choices)
        told.send(("done", ""))
    except Exception as error:
        told.send((f"{type(error).__name__}: {error}", ""))


@cache
def undisturbed() -> tuple[str, int]:
    """The result without any fault, and how many answers it takes."""
    with server() as provider:
        return made(provider.url, None), provider.billed.total()


@cache
def calls_by_phase() -> dict[str, int]:
    """How many calls an undisturbed run makes in each phase, whoever pays."""
    with server() as provider, tempfile.TemporaryDirectory() as folder, CallLog(Path(folder) / "log.sqlite") as log:
        made(provider.url, log.path)
        return log.calls()["phase"].value_counts().to_dict()


def survived(go_on: Callable[[], str]) -> bool:
    """Whether a run ends with the undisturbed result."""
    try:
        return go_on() == undisturbed()[0]
    except FGOError:
        return False
