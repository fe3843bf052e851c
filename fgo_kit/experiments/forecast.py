"""`estimate_notebooks`: what all notebooks would take with a real model, before any of it is paid for."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from dataclasses import replace

import pandas as pd

from ..algorithm.benchmark import Benchmark
from ..algorithm.settings import Settings
from ..runs.estimate import COUNTED, dry_run, priced
from ..runs.places import SHIPPED
from ..runs.variants import VARIANTS
from . import dataset_size, division, main_results, merging, quickstart, tokens
from .presets import preset
from .sets import SETS, Grid

MAIN = SHIPPED / "paper_figures" / "main_results.csv"
"""Means a run on all sets, as committed: what a run on games and questions takes is read from here."""


def main_grids(name: str) -> dict[str, Grid]:
    """Those of 01, and for each set two methods run once more with three epochs instead of two.

    Which ones are run at matched tokens, and with how many epochs, only the results say.
    """
    grids = main_results.grids(name)
    if preset(name).methods:
        return grids
    longer = {f"{method}, matched": {"method": method, "epochs": 4} for method in ("all_at_once", "bootstrapping")}
    matched = {f"{benchmark} matched": replace(grids[benchmark], methods=longer, times=1.5) for benchmark in SETS}
    return grids | matched


NOTEBOOKS: dict[str, Callable[[str], dict[str, Grid]]] = {
    "00_quickstart": quickstart.grids, "01_main_results": main_grids, "02_division_strategies": division.grids,
    "03_merge_ablations": merging.grids, "04_dataset_size": dataset_size.grids, "05_token_reduction": tokens.grids,
    "06_step_through_merges": quickstart.by_hand, "07_explore_trajectories": quickstart.explored,
}  # fmt: skip
"""The grids of every notebook that asks a real model, in order. 08 asks the simulated LLM alone."""


def parts(name: str) -> pd.DataFrame:
    """What all notebooks run with one real model at a preset: a row a notebook, grid and data set.

    Columns: notebook, benchmark, n_train, runs (that no notebook before it has in its log), times (see `Grid`).
    """
    asked, lines = set(), []
    for notebook in fnmatch.filter(NOTEBOOKS, preset(name).notebooks):
        for grid in NOTEBOOKS[notebook](name).values():
            for data in (options for options in grid.data if "path" not in options):  # one's own are not counted
                runs = _runs(grid, data) - asked
                asked |= runs
                lines.append((notebook, SETS[grid.benchmark], data["n_train"], len(runs), grid.times))
    return pd.DataFrame(lines, columns=["notebook", "benchmark", "n_train", "runs", "times"])


def _runs(grid: Grid, data: dict) -> set:
    """What the runs of a grid on one data set have in common, and no others."""
    place = grid.log, grid.benchmark, tuple(sorted(data.items()))
    return {(*place, Settings(**{**grid.choices, **choices, "seed": seed}))
            for choices in grid.methods.values() for seed in grid.seeds}  # fmt: skip


def estimate_notebooks(bench: Benchmark, model: str, name: str = "fast") -> dict:
    """What all notebooks would take with a real model: calls, prompt_tokens, completion_tokens, usd, by_notebook, note.

    usd is None where unpriced; by_notebook: a DataFrame with the columns calls, prompt, completion. A run on
    LogisticsQA-gen is measured on `bench` with the simulated LLM, one seed of every method of the main comparison;
    one on games and questions is read from the committed results. Training costs are taken to grow with the number
    of tasks. A real model's answers are usually longer, so completion tokens are counted three times. `note` says
    what is left out.
    """
    chosen, runs, documents = preset(name), parts(name), SETS["logisticsqa"]
    measured = _committed() | {documents: _measured(bench, chosen.seeds[0])}
    known = runs[runs["benchmark"].isin(measured)]
    lines = []
    for part in known.itertuples():
        size, learning, test = measured[part.benchmark]
        share = 1 / {SETS["alfworld"]: chosen.games[2], SETS["gaia"]: chosen.questions[2]}.get(part.benchmark, 1)
        of_run = part.times * part.n_train / size * learning + share * test
        lines.append({"notebook": part.notebook} | dict(part.runs * of_run))
    by_notebook = pd.DataFrame(lines).groupby("notebook", sort=False).sum()
    absent = ", ".join(dict.fromkeys(runs["benchmark"].drop(known.index)))
    left_out = f"real invoices and official games{absent and f'; not counted: {absent}'}"
    note = f"In total {runs['runs'].sum()} runs, without {left_out}; "
    return priced(model, by_notebook.sum()) | {
        "by_notebook": by_notebook.round().astype(int), "note": f"{note}cached calls are not paid again."
    }  # fmt: skip


def _measured(bench: Benchmark, seed: int) -> tuple[int, pd.Series, pd.Series]:
    """(training tasks, what a run takes for learning, and for its final test), a mean over the methods."""
    runs = [dry_run(bench, "simulated", seed=seed, **choices) for choices in VARIANTS.values()]
    ledger = pd.concat(runs).groupby(level="phase").sum() / len(runs)
    return len(bench.train), ledger.sum() - ledger.loc["test"], ledger.loc["test"]


def _committed() -> dict[str, tuple[int, pd.Series, pd.Series]]:
    """The same for sets whose runs are in the committed results; the test's tokens divide as all others do."""
    if not MAIN.is_file():
        return {}
    measured = {}
    for benchmark, part in pd.read_csv(MAIN).groupby("benchmark", sort=False):
        known, base = part.dropna(subset=["prompt_all_in"]), part[part["method"] == "base"]
        if known.empty or base["calls"].isna().all():
            continue
        mean, tested = known.mean(numeric_only=True), float(base["calls"].iloc[0])
        prompt, completion = mean["prompt_all_in"], mean["completion_all_in"]
        answered = mean["tokens_test"] * completion / (prompt + completion)
        learning = pd.Series([mean["calls"] - tested, prompt, completion], COUNTED)
        test = pd.Series([tested, mean["tokens_test"] - answered, answered], COUNTED)
        measured[benchmark] = int(known["n_train"].max()), learning, test
    return measured
