"""The tasks that every client of the benchmark learns: plain questions and answers, dealt anew for every seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta

import model
import numpy as np

WORDS = "Say which code a word gets, or unknown."
DATES = "Write the day as the office that is asked about writes it, or say unknown."
KINDS = {kind: f"{'ABCDEFGH'[i]}{i}" for i, kind in enumerate(("foo", "bar", "baz", "qux", "zap", "nim", "tor", "ven"))}
OFFICES = dict(zip(("lund", "bern", "riga", "oslo", "pisa", "graz", "cork", "vigo"), model.FORMATS, strict=True))
TARGETS = {"words": 1.0, "dates": 1.0, "documents": 0.5}
"""The held-out score that is to be reached."""
N_TRAIN, N_HELD_OUT = {"words": 40, "dates": 40, "documents": 96}, {"words": 40, "dates": 40, "documents": 64}


@dataclass(frozen=True)
class Tasks:
    """What a client is given: `train` and `held_out` as (question, answer), and where it may stop: at the `target`."""

    name: str
    seed: int
    instructions: str
    train: list[tuple[str, str]]
    held_out: list[tuple[str, str]]
    target: float


def tasks(name: str, seed: int) -> Tasks:
    """The tasks of a seed."""
    if name == "documents":
        return _documents(seed)
    rng, n = np.random.default_rng(seed), N_TRAIN[name]
    rows = [_row(name, number, rng) for number in rng.permutation(10)]  # one of each kind, so that all are in every part
    dealt = [row[at] for row in rows for at in rng.permutation(len(row))]
    return Tasks(name, seed, WORDS if name == "words" else DATES, dealt[:n], dealt[n : n + N_HELD_OUT[name]], TARGETS[name])


def _row(name: str, number: int, rng: np.random.Generator) -> list[tuple[str, str]]:
    if name == "words":
        return [(f"Which code does the word 'w{number}-{kind}' get?", code) for kind, code in KINDS.items()]
    day = date(2024, 1, 1) + timedelta(int(rng.integers(366)))
    return [(f"How does the office of {office} write {day}?", day.strftime(form)) for office, form in OFFICES.items()]


def _documents(seed: int) -> Tasks:
    bench = documents(seed)
    train, held_out = ([(bench.first_observation(task), task.answer) for task in part] for part in (bench.train, bench.test))
    return Tasks("documents", seed, str(bench.seed_module), train, held_out, TARGETS["documents"])


def documents(seed: int):
    """LogisticsQA-gen with a part of its tasks."""
    import fgo_kit as fgo

    bench = fgo.load_benchmark("logisticsqa", n_train=N_TRAIN["documents"], split_seed=seed)
    at = np.random.default_rng(seed).permutation(len(bench.test))[: N_HELD_OUT["documents"]]
    return replace(bench, test=tuple(bench.test[i] for i in at))


def written(some: Tasks) -> dict:
    return asdict(some)
