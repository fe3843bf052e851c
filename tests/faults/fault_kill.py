"""kill -9 at random calls of every phase: the process is gone, the same command goes on."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from common import ASKED, Row, Rows, calls_by_phase, made, making, process, server, survived

from fgo_kit.calls.log import CallLog


def rows(short: bool) -> Rows:
    phases = list(calls_by_phase())
    for phase in phases[::2] if short else phases:
        tries = [_killed(phase, np.random.default_rng(seed)) for seed in range(1 if short else 100)]
        kept, lost, twice, flying = (sum(counts) for counts in zip(*tries, strict=True))
        note = f"{flying} answers were in flight at the kills and came to nobody"
        yield Row(f"kill -9 in phase {phase}", len(tries), kept, lost, twice, note)


def _killed(phase: str, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Whether the run survived, answers lost, paid twice, in flight: killed a moment after any call of the phase began."""
    with tempfile.TemporaryDirectory() as folder, server(latency=0.003) as provider:
        log = Path(folder) / "log.sqlite"
        number = int(rng.integers(1, calls_by_phase()[phase] + 1))
        finished = _run_and_kill(provider.url, log, phase, number, float(rng.exponential(0.004)))
        with CallLog(log) as opened:
            logged = opened.calls()
        flying = provider.billed.total() - int(logged["paid"].sum())
        kept = survived(lambda: made(provider.url, log))
        return int(kept), len(finished - set(logged["place"])), max(0, provider.twice - flying), flying


def _run_and_kill(url: str, log: Path, phase: str, number: int, delay: float) -> set[str]:
    """The places of the calls that the run said were finished before it was killed in so many calls of the phase."""
    started, told = process(making, url, str(log), {})
    finished = set()
    while number:
        place, said = told.recv()
        number -= (place, said) == (ASKED, phase)
        finished |= {place} - {ASKED}
    time.sleep(delay)
    started.kill()
    started.join()
    while told.poll():  # what it said last
        try:
            finished |= {told.recv()[0]} - {ASKED, "done"}
        except EOFError:
            break
    return finished
