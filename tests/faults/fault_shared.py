"""Several on one log: processes that make the same or other runs at once, some of them killed."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from common import CHOICES, Row, Rows, last_told, made, making, process, server, survived, undisturbed


def rows(short: bool) -> Rows:
    yield _together(1 if short else 6, kill=False)
    yield _together(1 if short else 12, kill=True)


def _together(tried: int, kill: bool) -> Row:
    kept = twice = 0
    for seed in range(tried):
        rng = np.random.default_rng(seed)
        with tempfile.TemporaryDirectory() as folder, server(latency=0.003) as provider:
            log = Path(folder) / "log.sqlite"
            started = [process(making, provider.url, str(log), {}) for _ in range(3)]
            if kill:
                while not any(told.poll() for _, told in started):  # until one of them makes the run
                    time.sleep(0.01)
                time.sleep(float(rng.uniform(0, 0.5)))
                for one, _ in started[:2]:
                    one.kill()
            ends = [last_told(told) for _, told in started[2 if kill else 0 :]]
            kept += survived(lambda: made(provider.url, log)) and set(ends) == {"done"}  # noqa: B023
            twice += max(0, provider.billed.total() - undisturbed()[1] - (2 * CHOICES["workers"] if kill else 0))
    what = "three processes make the same run on one log" + (", two are killed" if kill else "")
    return Row(what, tried, kept, 0, twice)

