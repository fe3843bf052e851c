"""03: why answers are wrong. Every wrong test answer of a run on LogisticsQA-gen gets one cause.

A rule is right where it answers a document as expected, read in the simulated LLM's rule language.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import pandas as pd
from matplotlib.figure import Figure

from ..algorithm.benchmark import Benchmark
from ..calls.protocol import LLM
from ..records import Module, Task, Trajectory
from ..report.drawing import SPARE, add_legend, draw_bars, new_figure, note_simulated, tidy
from ..report.verdicts import bounded, highest
from ..runs.result import Run
from ..runs.variants import VARIANTS
from ..simulate.logisticsqa.language import parse_rule
from ..simulate.logisticsqa.reading import normal, read
from ..stats import over_seeds
from .presets import preset
from .sets import Grid

CAUSES = {
    "not expressible": "no rule of the language states the document's convention",
    "wrongly applied": "there is no reference, and a rule took one",
    "outranked": "a right rule is in the final module, and another one answered",
    "disobeyed or guessed": "a right rule is in the final module, and none was used",
    "found and lost": "no right rule is in the final module, and one was in a module before",
    "never found": "no module of the run has a right rule",
}  # fmt: skip
"""What each cause means. The first that holds is taken."""
_APPLIED = re.compile(r"^THOUGHT: Rule \S+ applies\.", re.MULTILINE)


def grid(name: str, log: str) -> Grid:
    """Every row of the main comparison at a preset, in the first development world."""
    chosen = preset(name)
    return Grid("logisticsqa", ({"n_train": chosen.n_train},), VARIANTS, chosen.seeds, log)


def causes(run: Run, bench: Benchmark, llm: LLM) -> dict:
    """For `compare(after=causes)`: the share of all scored test tasks that each cause made wrong, by name.

    What a method without merge trees once had in a module is not known: it counts as never found.
    """
    tasks, judged = {task.id: task for task in bench.test}, [j for j in run.state.record if j.place.phase == "test"]
    final, before = right_in([run.module]), right_in([node.module for tree in run.trees for node in tree.walk()])
    answered = [j.trajectory for j in judged if j.trajectory.ok]
    counts = Counter(cause(tasks[t.task_id], t, final, before) for t in answered if t.score < 1)
    return {name: counts[name] / max(1, len(answered)) for name in CAUSES}


def cause(task: Task, wrong: Trajectory, final: Callable[[Task], bool], before: Callable[[Task], bool]) -> str:
    """The cause of a wrong answer. final, before: whether a module has a right rule for a task (see `right_in`)."""
    applied = bool(_APPLIED.search(wrong.steps[-1].action))
    if task.meta["expressible"] == "no":
        return "not expressible"
    if applied and not normal(task.answer):
        return "wrongly applied"
    if final(task):
        return "outranked" if applied else "disobeyed or guessed"
    return "found and lost" if before(task) else "never found"


def right_in(modules: list[Module]) -> Callable[[Task], bool]:
    """Whether any rule of any of the modules is right for a task."""
    texts = dict.fromkeys(rule.text for module in modules for rule in module.rules)
    return lambda task: any(is_right(text, task) for text in texts)


def is_right(text: str, task: Task) -> bool:
    """Whether a rule answers the task as expected; one that does not apply, or cannot be read, does not.

    >>> is_right("If no other rule applies, answer None.", Task("t", "Note: nothing here", "None"))
    True
    """
    rule = parse_rule(text)
    answer = rule.answer(read(task.text)) if rule else None
    return answer is not None and normal(answer) == normal(task.answer)


def dissected(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with `causes`, one line an LLM, method and cause: share of the test tasks, lo, hi over seeds; constants."""
    lines = []
    for (llm, method), runs in rows[rows["status"] == "ok"].groupby(["llm", "method"], sort=False):
        line = {"llm": llm, "method": method, "runs": len(runs), "constants": runs["constants"].iloc[0]}
        for name in CAUSES:
            share = bounded(over_seeds(runs[name], runs["seed"]), 0)
            lines.append(line | {"cause": name, "share": share.value, "lo": share.lo, "hi": share.hi})
    return pd.DataFrame(lines)


def show_causes(table: pd.DataFrame) -> pd.DataFrame:
    """A `dissected` for reading: per cent of the test tasks, a column a cause, and all of them together."""
    wide = 100 * table.pivot_table("share", ["llm", "method"], "cause", sort=False)[list(CAUSES)]
    return wide.assign(wrong=wide.sum(axis=1)).round(1).rename_axis(columns="% of the test tasks")


def plot_causes(table: pd.DataFrame) -> Figure:
    """Stacked bars, a row a method and a panel an LLM: how many test tasks each cause made wrong."""
    wide, colours = show_causes(table), dict(zip(CAUSES, SPARE, strict=False))
    llms = list(dict.fromkeys(table["llm"]))
    largest = "; ".join(f"{llm}: {most}" for llm, most in largest_causes(table).items())
    figure, axes = new_figure(len(llms), 1.1 + 0.2 * table["method"].nunique(), f"What fgo+ loses most by: {largest}",
                              width=1.8 + 2.2 * len(llms), sharey=True)  # fmt: skip
    for ax, llm in zip(axes, llms, strict=True):
        draw_bars(ax, wide.loc[llm][::-1].reset_index(), colours)
        ax.set_title(llm, fontsize=8)
        ax.set_xlabel("wrong test answers, %", fontsize=8)
        tidy(ax)
    add_legend(figure, colours)
    return note_simulated(figure, table["constants"])


def largest_causes(table: pd.DataFrame, method: str = "fgo+") -> dict[str, str]:
    """The cause of most wrong answers of a method, by LLM."""
    own = table[table["method"] == method]
    return {llm: highest(part, "share", "cause") for llm, part in own.groupby("llm", sort=False)}
