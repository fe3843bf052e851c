"""03: why answers are wrong. Every wrong test answer of a run gets one cause (see `diagnosis`)."""

from __future__ import annotations

from collections import Counter

import pandas as pd
from matplotlib.figure import Figure

from ..algorithm.benchmark import Benchmark
from ..calls.protocol import LLM
from ..records import Module
from ..report.drawing import SPARE, draw_bars, finish, in_lines, new_figure, tidy
from ..report.verdicts import bounded, highest
from ..runs.result import Run
from ..runs.variants import VARIANTS
from ..stats import over_seeds
from .diagnosis import DIAGNOSES, Diagnosis, Texts
from .presets import preset
from .sets import Grid

CAUSES = {
    "not expressible": "no rule of the language would have helped",
    "wrongly applied": "a rule of the final module misled the agent",
    "outranked": "a right rule is in the final module, and another one answered",
    "disobeyed or guessed": "a right rule is in the final module, and was not followed",
    "found and lost": "no right rule is in the final module, and one was in a module before",
    "never found": "no module of the run has a right rule",
}  # fmt: skip
"""What each cause means. The first that holds is taken."""
FILES = {"LogisticsQA-gen": "merge_dissection", "ALFWorld-gen": "merge_dissection_alfworld",
         "GAIA-like": "merge_dissection_gaia"}  # fmt: skip
PLAYED = {"alfworld": (32, 2), "gaia": (64, 4)}
"""Of the sets that are played turn by turn: training tasks, seeds."""


def grids(name: str, log: str) -> dict[str, Grid]:
    """Every row of the main comparison in the first development world, on every set at the full preset; at others
    on documents alone."""
    chosen = preset(name)
    drawn = {"logisticsqa": (chosen.n_train, len(chosen.seeds))} | (PLAYED if name == "full" else {})
    return {
        benchmark: Grid(benchmark, ({"n_train": n_train},), VARIANTS, chosen.seeds[:seeds], log)
        for benchmark, (n_train, seeds) in drawn.items()
    }  # fmt: skip


def causes(run: Run, bench: Benchmark, llm: LLM) -> dict:
    """For `compare(after=causes)`: the share of all scored test tasks that each cause made wrong, by name.

    What a method without merge trees once had in a module is not known: it counts as never found.
    """
    tasks, judged = {task.id: task for task in bench.test}, [j for j in run.state.record if j.place.phase == "test"]
    final, before = texts_of([run.module]), texts_of([node.module for tree in run.trees for node in tree.walk()])
    answered, diagnosed = [j.trajectory for j in judged if j.trajectory.ok], DIAGNOSES[bench.name]
    counts = Counter(cause(diagnosed(tasks[t.task_id], t), final, before) for t in answered if t.score < 1)
    return {name: counts[name] / max(1, len(answered)) for name in CAUSES}


def texts_of(modules: list[Module]) -> Texts:
    """The texts of the modules' rules, each once."""
    return dict.fromkeys(rule.text for module in modules for rule in module.rules)


def cause(wrong: Diagnosis, final: Texts, before: Texts) -> str:
    """The cause of a wrong answer. final, before: the rules of the final module, and of all modules of the run."""
    if not wrong.expressible:
        return "not expressible"
    if wrong.misleads(final):
        return "wrongly applied"
    if wrong.helps(final):
        return "outranked" if wrong.applied else "disobeyed or guessed"
    return "found and lost" if wrong.helps(before) else "never found"


def dissected(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with `causes`, one line a set, LLM, method and cause: share of the test tasks, lo, hi over seeds;
    constants."""
    lines = []
    names = ["benchmark", "llm", "method"]
    for key, runs in rows[rows["status"] == "ok"].groupby(names, sort=False):
        line = dict(zip(names, key, strict=True)) | {"runs": len(runs), "constants": runs["constants"].iloc[0]}
        for name in CAUSES:
            share = bounded(over_seeds(runs[name], runs["seed"]), 0)
            lines.append(line | {"cause": name, "share": share.value, "lo": share.lo, "hi": share.hi})
    return pd.DataFrame(lines)


def show_causes(table: pd.DataFrame) -> pd.DataFrame:
    """A `dissected` for reading: per cent of the test tasks, a column a cause, and all of them together."""
    wide = 100 * table.pivot_table("share", ["benchmark", "llm", "method"], "cause", sort=False)[list(CAUSES)]
    return wide.assign(wrong=wide.sum(axis=1)).round(1).rename_axis(columns="% of the test tasks")


def plot_causes(table: pd.DataFrame) -> Figure:
    """Of one set, stacked bars, a row a method and a panel an LLM: how many test tasks each cause made wrong."""
    [benchmark] = table["benchmark"].unique()
    wide, colours = show_causes(table).loc[benchmark], dict(zip(CAUSES, SPARE, strict=False))
    llms = list(dict.fromkeys(table["llm"]))
    title, height = f"{benchmark}: why answers are wrong", 1.3 + 0.2 * table["method"].nunique()
    figure, axes = new_figure(len(llms), height, title, width=1.8 + 2.2 * len(llms), sharey=True, sharex=True)
    largest = largest_causes(table)
    for ax, llm in zip(axes, llms, strict=True):
        draw_bars(ax, wide.loc[llm][::-1].reset_index(), colours)
        tidy(ax, in_lines(f"{llm}: fgo+ loses most by {largest.get(llm, 'no run')}", 34), "wrong test answers, %")
    return finish(figure, table["constants"])


def largest_causes(table: pd.DataFrame, method: str = "fgo+") -> dict[str, str]:
    """The cause of most wrong answers of a method, by LLM."""
    own = table[table["method"] == method]
    return {llm: highest(part, "share", "cause") for llm, part in own.groupby("llm", sort=False)}
