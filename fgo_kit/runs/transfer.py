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
from ..records import Module
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
    check_data(learnt, bench)
    if isinstance(llms, str) or hasattr(llms, "complete"):
        raise TypeError(f"llms={llms!r} is one LLM; give a list, e.g. [{llms!r}]")
    return pd.DataFrame([_row(learnt, bench, as_llm(llm), log, choices) for llm in llms], columns=list(COLUMNS))


def check_data(run: Run, bench: Benchmark) -> None:
    """ValueError for a benchmark with other data than the run's."""
    if bench.fingerprint != run.config["fingerprint"]:
        raise ValueError(f"run {run.id} was made on other data (fingerprint {run.config['fingerprint']}) than "
                         f"{bench.name} given ({bench.fingerprint}); load the benchmark as for the run")


def played(module: Module, bench: Benchmark, llm: LLM, learnt: Run, **choices: Any) -> Run:
    """A module on the test split as the run that learnt would play its own, with its seed and citing rules or not."""
    asked_alike = {"seed": learnt.config["seed"], "counts": Settings.of(learnt.config).cites}
    taught = replace(bench, seed_module=module)  # pyright: ignore[reportArgumentType]
    return run(taught, llm, **{**asked_alike, **choices, "method": "base"})


def _row(learnt: Run, bench: Benchmark, llm: LLM, log: str | Path | CallLog | None, choices: dict) -> tuple:
    modules = (bench.seed_module, learnt.module)
    base, own = (played(module, bench, llm, learnt, log=log, **choices) for module in modules)
    scores = [np.array([[scored.scores[task.id] for task in bench.test]]) for scored in (own, base)]
    gain, row = paired_difference([scores[0]], [scores[1]]), own.row()
    return (
        llm.name, llm.simulated, row["score"], row["lo"], row["hi"], base.score, gain.value, gain.lo, gain.hi,
        row["failed"], row["usd"], own.id,
    )  # fmt: skip
