"""One task that always fails while others succeed, and a provider that refuses everything until it is repaired."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

import pandas as pd
from common import CHOICES, Row, Rows, bench, made, server, survived

from fgo_kit.calls.log import CallLog
from fgo_kit.calls.protocol import AuthError, TooManyFailures

WAITS = {"SHORTEST": 0.02, "LONGEST": 0.2, "ALONE_SECONDS": 0.5}
TASK = ("500", "503", "reset", "403", "400", "cut", "page", "hang", "empty", "length", "filter")
ALL = ("400", "401", "402", "403", "404", "422", "page", "empty", "length", "filter")


def rows(short: bool) -> Rows:
    with ExitStack() as waits:
        for name, seconds in WAITS.items():
            waits.enter_context(mock.patch(f"fgo_kit.calls.limiter.{name}", seconds))
        for kind in ("503", "403", "filter") if short else TASK:
            yield _one_task(kind)
        if not short:
            yield _one_task("drip", patience=2.0)
        for kind in ("401", "402", "empty") if short else ALL:
            yield _everything(kind)


def _one_task(kind: str, patience: float = 30.0) -> Row:
    """A test and a training task in turn; after the repair the same command asks for what waiting can bring."""
    kept = twice = 0
    tasks, choices = (bench().test[2], bench().train[1]), {"patience": patience, "max_failures": 0.3}  # it is audited twice
    for task in tasks:
        with tempfile.TemporaryDirectory() as folder:
            log, bad = Path(folder) / "log.sqlite", [task.text]
            with server(fault=lambda text, n: kind if bad and bad[0] in text and "<trajectories>" not in text else "") as provider:  # noqa: B023
                made(provider.url, log, timeout=0.4 if kind == "hang" else 30.0, **choices)
                failures = _failures(log)
                bad.clear()
                again = survived(lambda: made(provider.url, log, **choices))  # noqa: B023
                lasting = bool(failures["lasting"].all())
                kept += set(failures["task"]) == {task.id} and (again or lasting)
                twice += 0 if kind in ("cut", "drip", "page") else provider.twice
    return Row(f"one task: {kind}", len(tasks), kept, 0, twice, "a failure of its own, others are scored")


def _everything(kind: str) -> Row:
    broken = [True]
    with tempfile.TemporaryDirectory() as folder, server(fault=lambda *_: kind if broken else "") as provider:
        log, began, said = Path(folder) / "log.sqlite", time.monotonic(), ""
        try:
            made(provider.url, log)
        except (TooManyFailures, AuthError) as error:
            said = type(error).__name__
        seconds, asked = time.monotonic() - began, provider.requests
        broken.clear()
        few = asked <= CHOICES["workers"] + CHOICES["n_subsets"]  # those in flight, and one that each subset began
        as_it_should = said == "AuthError" and few if kind == "402" else said == "TooManyFailures"
        kept = survived(lambda: made(provider.url, log)) and as_it_should and seconds < 10
    return Row(f"everything: {kind}", 1, int(kept), 0, 0, f"{said} after {seconds:.1f} s, {asked} requests; then repaired")


def _failures(log: Path) -> pd.DataFrame:
    with CallLog(log) as opened:
        return opened.failures()
