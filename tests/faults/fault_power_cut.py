"""A power cut: of what SQLite had written, but the disk had not yet kept, only a part is there."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
from common import Row, Rows, last_told, made, making, process, server, survived, undisturbed

from fgo_kit.calls.log import CallLog


def rows(short: bool) -> Rows:
    tried, kept, gone, damaged = 4 if short else 60, 0, 0, 0
    with tempfile.TemporaryDirectory() as folder, server() as provider:
        whole = Path(folder) / "whole.sqlite"
        holder = CallLog(whole)  # so that the journal is not moved into the file when the run ends
        holder.runs()
        last_told(process(making, provider.url, str(whole), {})[1])
        journal, paid = Path(f"{whole}-wal").read_bytes(), undisturbed()[1]
        for seed in range(tried):
            copy = Path(folder) / f"{seed}.sqlite"
            shutil.copy(whole, copy)
            Path(f"{copy}-wal").write_bytes(_cut(journal, np.random.default_rng(seed)))
            before = provider.billed.total()
            with CallLog(copy) as log:
                there = len(log.read("SELECT key FROM responses"))
            kept += survived(lambda: made(provider.url, copy))  # noqa: B023
            gone += paid - there
            damaged += provider.billed.total() - before - (paid - there)
        holder.close()
    yield Row("power cut: the journal ends anywhere, or in zeros", tried, kept, 0, damaged,
              f"{gone} answers that had not reached the disk were asked for again")


def _cut(journal: bytes, rng: np.random.Generator) -> bytes:
    at = int(rng.integers(0, len(journal)))
    return journal[:at] + bytes(int(rng.integers(0, len(journal) - at)) if rng.random() < 0.5 else 0)
