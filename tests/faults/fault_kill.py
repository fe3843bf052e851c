"""kill -9 at random calls of every phase: the process is gone, the same command goes on."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from common import CHOICES, Row, Rows, made, making, process, server, survived, undisturbed

from fgo_kit.calls.log import CallLog


def rows(short: bool) -> Rows:
    tried, kept, lost, twice, flying = (defaultdict(int) for _ in range(5))
    for seed in range(4 if short else 100):
        phase, result = _killed(np.random.default_rng(seed))
        tried[phase] += 1
        for count, part in zip((kept, lost, twice, flying), result, strict=True):
            count[phase] += part
    for phase in sorted(tried):
        note = f"{flying[phase]} answers were in flight at the kills and came to nobody"
        yield Row(f"kill -9 in phase {phase}", tried[phase], kept[phase], lost[phase], twice[phase], note)


def _killed(rng: np.random.Generator) -> tuple[str, tuple[int, int, int, int]]:
    """The phase of the last call before the kill; whether it survived, answers lost, paid twice, in flight."""
    with tempfile.TemporaryDirectory() as folder, server(latency=0.003) as provider:
        log = Path(folder) / "log.sqlite"
        calls = int(rng.integers(1, undisturbed()[1]))
        finished, phase = _run_and_kill(provider.url, log, calls, float(rng.exponential(0.004)))
        with CallLog(log) as opened:
            logged = opened.calls()
            paid = int(logged["paid"].sum())
            lost = len(finished - set(logged["place"]))
        flying = provider.billed.total() - paid
        kept = survived(lambda: made(provider.url, log))
        return phase, (int(kept), lost, max(0, provider.twice - CHOICES["workers"]), flying)


def _run_and_kill(url: str, log: Path, calls: int, delay: float) -> tuple[set[str], str]:
    """The places of calls that the run said were finished before it was killed after so many, and the last's phase."""
    started, told = process(making, url, str(log), {})
    finished, phase = set(), ""
    while len(finished) < calls:
        place, phase = told.recv()
        finished.add(place)
    time.sleep(delay)
    started.kill()
    started.join()
    return finished - {"done"}, phase
