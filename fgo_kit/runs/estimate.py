"""`estimate`: what all notebooks would take with a real model, before any of it is paid for."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ..algorithm.benchmark import Benchmark
from ..calls.prices import price
from ..calls.protocol import Usage
from .compare import VARIANTS, preset
from .places import SHIPPED
from .run import run

MAIN = SHIPPED / "paper_figures" / "main_results.csv"
"""Means a run on all sets, as committed: what a run on games and questions takes is read from here."""
LONGER = 3
"""A real model's answers are usually longer than the simulated one's: completion tokens are counted so often."""


@dataclass(frozen=True)
class Part:
    """Runs of a notebook with one real model that no notebook before it has in its log.

    times: what they take beside a run of the main comparison; gates at every merge take a multiple.
    """

    notebook: str
    runs: int
    n_train: int
    benchmark: str = "LogisticsQA-gen"
    times: float = 1.0


PARTS = {
    "fast": (
        Part("00_quickstart", 20, 64), Part("01_main_results", 36, 64), Part("01_main_results", 6, 64, times=1.5),
        Part("01_main_results", 21, 8, "ALFWorld-gen"), Part("01_main_results", 6, 8, "ALFWorld-gen", 1.5),
        Part("01_main_results", 33, 24, "GAIA-like"), Part("01_main_results", 6, 24, "GAIA-like", 1.5),
        Part("02_division_strategies", 57, 64), Part("03_merge_ablations", 54, 64, times=2.7),
        Part("04_dataset_size", 63, 35), Part("05_token_reduction", 30, 64), Part("06_step_through_merges", 2, 64),
        Part("07_explore_trajectories", 2, 64),
    ),
    "full": (
        Part("00_quickstart", 20, 64), Part("01_main_results", 360, 256), Part("01_main_results", 60, 256, times=1.5),
        Part("01_main_results", 70, 128, "ALFWorld-gen"), Part("01_main_results", 20, 128, "ALFWorld-gen", 1.5),
        Part("01_main_results", 110, 256, "GAIA-like"), Part("01_main_results", 20, 256, "GAIA-like", 1.5),
        Part("02_division_strategies", 410, 256), Part("02_division_strategies", 24, 32, "ALFWorld-gen"),
        Part("02_division_strategies", 24, 32, "GAIA-like"), Part("03_merge_ablations", 770, 128, times=2.7),
        Part("03_merge_ablations", 24, 32, "ALFWorld-gen"), Part("03_merge_ablations", 24, 32, "GAIA-like"),
        Part("04_dataset_size", 420, 84), Part("05_token_reduction", 100, 256), Part("06_step_through_merges", 2, 128),
        Part("07_explore_trajectories", 11, 256),
    ),
}  # fmt: skip
"""Counted in the notebooks' parameters and grids (a test counts again). 08 asks the simulated LLM alone.

In 01 two methods on each set are taken to be run once more at matched tokens, with three epochs instead of two:
which ones, and how many epochs, only the results say.
"""


def estimate(bench: Benchmark, model: str, name: str = "fast") -> dict:
    """What all notebooks would take with a real model: calls, tokens, USD (None where unpriced), by notebook.

    A run on LogisticsQA-gen is measured on `bench` with the simulated LLM, one seed of every method of the main
    comparison; one on games and questions is read from the committed results. Training costs are taken to
    grow with the number of tasks. A real model's answers are usually longer, so completion tokens are counted
    three times. `note` says what is left out.
    """
    preset(name)  # an unknown one is refused with the known ones
    measured = _committed() | {"LogisticsQA-gen": _measured(bench, preset(name).seeds[0])}
    lines, absent = [], []
    for part in PARTS[name]:
        if part.benchmark not in measured:
            absent.append(part.benchmark)
            continue
        size, train, test = measured[part.benchmark]
        share = 1 if part.benchmark == "LogisticsQA-gen" else 1 / preset(name).every
        learning = part.times * part.n_train / size * train
        lines.append({"notebook": part.notebook} | dict(part.runs * (learning + share * test)))
    by_notebook = pd.DataFrame(lines).groupby("notebook", sort=False).sum()
    total = by_notebook.sum()
    prompt, completion, calls = int(total["prompt"]), int(LONGER * total["completion"]), int(total["calls"])
    each = price(model, Usage(prompt // calls, completion // calls))  # prices rise with the length of a prompt
    left_out = f"; not counted: {', '.join(dict.fromkeys(absent))}" if absent else ""
    runs = sum(part.runs for part in PARTS[name])
    return {
        "calls": calls, "prompt_tokens": prompt, "completion_tokens": completion,
        "usd": None if each is None else each * calls, "by_notebook": by_notebook.round().astype(int),
        "note": f"All notebooks, {runs} runs, without real invoices{left_out}; cached calls are not paid again.",
    }  # fmt: skip


def _measured(bench: Benchmark, seed: int) -> tuple[int, pd.Series, pd.Series]:
    """(training tasks, what a run takes for learning, and for its final test), a mean over the methods."""
    ledgers = [run(bench, "simulated", seed=seed, workers=1, **choices).tokens() for choices in VARIANTS.values()]
    ledger = pd.concat(ledgers).groupby("phase")[["calls", "prompt", "completion"]].sum() / len(ledgers)
    test = ledger.loc["test"]
    return len(bench.train), ledger.sum() - test, test


def _committed() -> dict[str, tuple[int, pd.Series, pd.Series]]:
    """The same for sets whose runs are in the committed results; the test's tokens divide as all others do."""
    if not MAIN.is_file():
        return {}
    found = {}
    for benchmark, part in pd.read_csv(MAIN).groupby("benchmark", sort=False):
        known, base = part.dropna(subset=["prompt_all_in"]), part[part["method"] == "base"]
        if known.empty or base["calls"].isna().all():
            continue
        mean, tested = known.mean(numeric_only=True), float(base["calls"].iloc[0])
        answered = mean["completion_all_in"] / (mean["prompt_all_in"] + mean["completion_all_in"])
        prompt, completion = mean["tokens_test"] * (1 - answered), mean["tokens_test"] * answered
        train = {
            "calls": mean["calls"] - tested, "prompt": mean["prompt_all_in"], "completion": mean["completion_all_in"],
        }  # fmt: skip
        test = {"calls": tested, "prompt": prompt, "completion": completion}
        found[benchmark] = (int(known["n_train"].max()), pd.Series(train), pd.Series(test))
    return found
