"""A damaged log: bits flip anywhere in the file. It is read right, or refused with the name of what is damaged."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from common import Row, Rows, made, server

from fgo_kit.calls.log import CallLog, NotACallLog


def rows(short: bool) -> Rows:
    tried, right, refused, flaws = 60 if short else 2_000, 0, 0, []
    with tempfile.TemporaryDirectory() as folder, server() as provider:
        whole = Path(folder) / "whole.sqlite"
        made(provider.url, whole)
        with CallLog(whole) as log:
            log.read("PRAGMA wal_checkpoint(TRUNCATE)")
            answers = {key: log.find(key) for key in log.calls()["key"]}
        content = whole.read_bytes()
        for seed in range(tried):
            try:
                right += _read(_damaged(content, Path(folder) / "log.sqlite", np.random.default_rng(seed)), answers)
            except NotACallLog as error:
                refused += "log.sqlite" in str(error)
            except Exception as error:
                flaws.append(type(error).__name__)
    note = f"{right} read right, {refused} refused by name" + (f"; also {sorted(set(flaws))}" if flaws else "")
    yield Row("bits flipped in a log", tried, right + refused, 0, 0, note)


def _damaged(content: bytes, path: Path, rng: np.random.Generator) -> Path:
    flipped = bytearray(content)
    near = len(content) if rng.random() < 0.7 else 3 * 4096  # the tables of contents stand first
    for at in rng.integers(0, near, int(rng.integers(1, 20))):
        flipped[at] ^= 1 << int(rng.integers(8))
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    path.write_bytes(flipped)
    return path


def _read(path: Path, answers: dict) -> bool:
    with CallLog(path) as log:
        for key in log.calls()["key"]:
            answer = log.find(key)
            if answer is not None:
                log.messages_of(key)
                if answer != answers.get(key, answer):
                    return False
        log.runs(), log.tokens(), log.failures(), log.llms()
        log.begin("another", {}, {})
    return True
