"""Transfer: how a module that was learnt with one agent serves others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..algorithm.benchmark import Benchmark
from ..algorithm.settings import Settings
from ..calls.log import CallLog
from ..calls.protocol import LLM
from ..calls.providers import as_llm
from ..records.later import pandas as pd
from ..stats import paired_difference
from .result import Run
from .run import run

COLUMNS = ("llm", "simulated", "score", "lo", "hi", "base", "gain", "gain_lo", "gain_hi", "failed", "usd", "run_id")


def transfer(
    learnt: Run, bench: Benchmark, llms: Sequence[LLM | str], *, log: str | Path | CallLog | None = None, **choices: Any
) -> pd.DataFrame:
    """The module of a run, scored on the test split with other agents: one row an agent.

    llm, simulated. score, lo, hi: with the module; base: with the benchmark's own. gain, gain_lo, gain_hi: their paired
    difference over the tasks that both answered, with its 95 % interval. failed: answers of no use, usd: paid, run_id:
    of the run with the module. bench: a dataclass, as `replace` copies it. choices: of `run`, e.g. workers
    and budgets. Raises ValueError for a benchmark with other data than the run's.

    >>> transfer(run, bench, ["simulated:small", "simulated:large"])[["llm", "gain"]]         # doctest: +SKIP
    """
    if bench.fingerprint != learnt.config["fingerprint"]:
        raise ValueError(
            f"run {learnt.id} was made on other data (fingerprint {learnt.config['fingerprint']}) than {bench.name} "
            f"given ({bench.fingerprint}); load the benchmark as for the run"
        )
    if isinstance(llms, str) or hasattr(llms, "complete"):
        raise TypeError(f"llms={llms!r} is one LLM; give a list, e.g. [{llms!r}]")
    return pd.DataFrame([_row(learnt, bench, as_llm(llm), log, choices) for llm in llms], columns=list(COLUMNS))


def _row(learnt: Run, bench: Benchmark, llm: LLM, log: str | Path | CallLog | None, choices: dict) -> tuple:
    asked_alike = {"seed": learnt.config["seed"], "counts": Settings.of(learnt.config).cites}  # citing or not
    choices = {**asked_alike, **choices, "method": "base"}
    taught = replace(bench, seed_module=learnt.module)  # pyright: ignore[reportArgumentType]
    base, own = (run(each, llm, log=log, **choices) for each in (bench, taught))
    scores = [np.array([[scored.scores[task.id] for task in bench.test]]) for scored in (own, base)]
    gain, row = paired_difference([scores[0]], [scores[1]]), own.row()
    return (
        llm.name, llm.simulated, row["score"], row["lo"], row["hi"], base.score, gain.value, gain.lo, gain.hi,
        row["failed"], row["usd"], own.id,
    )  # fmt: skip
