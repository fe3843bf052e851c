"""The three sets as the notebooks compare them: loaded where they can be, or the reason why not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from ..algorithm import gepa_peer
from ..algorithm.benchmark import Benchmark
from ..records import Task
from ..report.summary import by_group
from ..runs.compare import PAPER, Preset

SETS = {"logisticsqa": "LogisticsQA-gen", "alfworld": "ALFWorld-gen", "gaia": "GAIA-like"}


def try_load(name: str, **options) -> tuple[Benchmark | None, str]:
    """(benchmark, "") or (None, why it cannot be used here): not shipped, or its engine is not installed."""
    from .. import load_benchmark

    if name == "alfworld":
        from ..benchmarks.alfworld.engine import missing

        if missing():
            return None, missing()
    try:
        return load_benchmark(name, **options), ""
    except (ValueError, ImportError, OSError) as error:
        return None, str(error)


def peers() -> dict[str, dict]:
    """Neighbours of FGO as variants, in the paper's setting: combee, and GEPA where its package is installed."""
    names = ("combee", "gepa") if gepa_peer.version() else ("combee",)
    return {name: {"method": name, **PAPER} for name in names}


def interactive(name: str, chosen: Preset) -> tuple[Benchmark | None, str, dict]:
    """A set whose tasks are played turn by turn, at the size of a preset: (benchmark, reason, choices of `run`).

    A game takes ten times as long as a question: there are more training tasks of questions.
    """
    n_train, n_subsets = chosen.games if name == "alfworld" else chosen.questions
    bench, reason = try_load(name, n_train=n_train)
    if bench is not None and chosen.every > 1:
        bench = replace(bench, test=bench.test[1 :: chosen.every])
    return bench, reason, {"n_subsets": n_subsets}


def not_run(name: str, methods: Iterable[str], reason: str) -> pd.DataFrame:
    """Rows that say why a set was not run, a row a method; to stand beside those of `report.summary`."""
    return pd.DataFrame([{"benchmark": SETS[name], "method": one, "status": f"not run: {reason}"} for one in methods])


def by_level_and_family(rows: pd.DataFrame, tasks: Iterable[Task]) -> pd.DataFrame:
    """`report.by_group` of GAIA rows over all tasks, by level, and by whether training shows their family."""
    tasks = list(tasks)
    groups = [{task.id: f"level {task.meta['level']}" for task in tasks}]
    if any("seen" in task.meta for task in tasks):
        names = {"yes": "family seen", "no": "family unseen"}
        groups.append({task.id: names[task.meta["seen"]] for task in tasks if "seen" in task.meta})
    tables = [by_group(rows, chosen) for chosen in groups]
    return pd.concat([tables[0], *(table[table["group"] != "all"] for table in tables[1:])], ignore_index=True)


def whole(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a `report.by_group` table that are over all tasks."""
    return table[table["group"] == "all"].drop(columns="group")
