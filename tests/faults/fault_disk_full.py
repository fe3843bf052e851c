"""A full disk: files cannot grow beyond a random size; then there is room, and the same command goes on."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from common import Row, Rows, last_told, made, making, process, server, survived

from fgo_kit.calls.log import CallLog


def rows(short: bool) -> Rows:
    tried, kept, lost, twice, named = 2 if short else 30, 0, 0, 0, 0
    for seed in range(tried):
        with tempfile.TemporaryDirectory() as folder, server() as provider:
            log = Path(folder) / "log.sqlite"
            CallLog(log).close()
            limit = int(np.random.default_rng(seed).integers(700_000, 1_400_000))
            said = _run_with_little_room(provider.url, log, limit)
            with CallLog(log) as opened:
                lost += provider.billed.total() - int(opened.calls()["paid"].sum())
            kept += survived(lambda: made(provider.url, log))  # noqa: B023
            twice += provider.twice
            named += str(log) in said and "room" in said
    yield Row("disk full (files cannot grow)", tried, kept, lost, twice, f"{named} named the file and what to do")


def _run_with_little_room(url: str, log: Path, limit: int) -> str:
    """What a process says in the end in which files cannot grow beyond so many bytes."""
    return last_told(process(_limited, url, str(log), limit)[1])


def _limited(url: str, log: str, limit: int, told) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    making(url, log, {}, told)
