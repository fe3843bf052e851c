"""From fgo to fgo+, one change after another: which change mends what, and what kinds of errors are left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from ..algorithm.benchmark import Benchmark
from ..benchmarks.logisticsqa.benchmark import is_none
from ..calls.protocol import LLM
from ..report.figures import colour_of, note_simulated, tidy
from ..report.summary import percent, summary
from ..runs.compare import VARIANTS
from ..runs.result import Run
from .ablations import differences, over_seeds
from .findings import ALIKE, UNKNOWN, verdict_of

_CHANGES = {
    "+ 8 random subsets": ("divide", "n_subsets"), "+ plain union": ("merge",),
    "+ 2 passes of 1 epoch": ("passes", "epochs"), "+ counts": ("counts",), "+ audits = fgo+": ("audit",),
}  # fmt: skip
ERRORS = {
    "missed": ("#0072B2", "no answer where there is one"), "invented": ("#E69F00", "an answer where there is none"),
    "other": ("#CC79A7", "another answer"),
}  # fmt: skip
"""Kinds of errors on test tasks: their colours, and what they are."""
WORDS = {
    "better": "helps", "worse": "harms", "unclear": "is not told from no change", ALIKE: "changes nothing",
    UNKNOWN: "is not known to help",
}  # fmt: skip


def ladder(**choices) -> dict[str, dict]:
    """Variants of `compare` from fgo (with `choices` of its own) to fgo+, each with one change more than the last.

    >>> list(ladder())[0], ladder()["+ audits = fgo+"] == VARIANTS["fgo+"]
    ('fgo', True)
    """
    steps = {"fgo": VARIANTS["fgo"] | choices}
    for label, names in _CHANGES.items():
        steps[label] = steps[list(steps)[-1]] | {name: VARIANTS["fgo+"][name] for name in names}
    return steps


def errors(run: Run, bench: Benchmark, llm: LLM) -> dict[str, float]:
    """For `compare(after=errors)`: shares of the test tasks by kind of error (`ERRORS`); failed calls are none."""
    kinds = dict.fromkeys(ERRORS, 0)
    gold = {task.id: task.answer for task in bench.test}
    played = [j.trajectory for j in run.state.record if j.place.phase == "test" and j.trajectory.ok]
    for trajectory in played:
        if trajectory.score < 0.5:
            expected = "invented" if is_none(gold[trajectory.task_id]) else "other"
            kinds["missed" if is_none(trajectory.answer) else expected] += 1
    return {kind: count / max(1, len(played)) for kind, count in kinds.items()}


def steps(rows: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """`report.summary` of one set and LLM, with the shares of errors and the change that every step brought.

    step, step_lo, step_hi: score minus that of the label before, paired on tasks and seeds; the intervals of all
    steps hold together. NaN for the first label, and for methods that are no step.
    """
    table = summary(rows, labels[0])
    found = differences(rows, list(zip(labels[1:], labels, strict=False))).set_index("method")
    for column, name in (("step", "difference"), ("step_lo", "lo"), ("step_hi", "hi")):
        table[column] = table["method"].map(found[name])
    runs = dict(tuple(rows.groupby("method", sort=False)))
    for kind in ERRORS:
        table[kind] = [over_seeds(runs[method][kind], runs[method]["seed"]).value for method in table["method"]]
    return table


def show_steps(table: pd.DataFrame) -> pd.DataFrame:
    """`steps` for reading."""
    shown = table[["benchmark", "method"]].copy()
    shown["score, %"] = [percent(*row) for row in table[["score", "lo", "hi"]].to_numpy()]
    shown["step, points"] = [percent(*row, "+") for row in table[["step", "step_lo", "step_hi"]].to_numpy()]
    for kind, (_, meaning) in ERRORS.items():
        shown[f"{meaning}, %"] = [f"{100 * share:.1f}" for share in table[kind]]
    shown["rules"] = table["rules"].round(1)
    shown["k tokens all in"] = (table["tokens_all_in"] / 1000).round(1)
    return shown.set_index(["benchmark", "method"])


def step_lines(table: pd.DataFrame, labels: Sequence[str], beside: str = "bootstrapping") -> str:
    """Which steps of a `steps` table help and which harm beyond noise, and the first one's errors beside `beside`."""
    lines = []
    for benchmark, part in table.groupby("benchmark", sort=False):
        means = part.set_index("method")
        for label in labels[1:]:
            found = means.loc[label, ["step", "step_lo", "step_hi"]]
            points = f" ({percent(*found, '+')} points)" if found.notna().any() else " (no runs to compare)"
            lines.append(f"{benchmark}: {label} {WORDS[verdict_of(*found)]}{points}")
        more = {words: means.loc[labels[0], kind] - means.loc[beside, kind] for kind, (_, words) in ERRORS.items()}
        shares = ", ".join(f"{words} {100 * share:+.1f}" for words, share in more.items())
        lines.append(f"{benchmark}: errors of {labels[0]} less those of {beside}, points (means): {shares}")
    return "\n".join(lines)


def _told(table: pd.DataFrame) -> str:
    """Which steps help and which harm, in a line."""
    sides = {"helps": table["step_lo"] > 0, "harms": table["step_hi"] < 0}
    return "; ".join(f"{word} {', '.join(table.loc[side, 'method'].str.removeprefix('+ ')) or 'none'}"
                     for word, side in sides.items())  # fmt: skip


def plot_steps(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Scores with intervals, and beside them the errors as stacked bars: a row of panels a set."""
    rows = max(len(table) for table in tables.values())
    figure, axes = plt.subplots(len(tables), 2, figsize=(7.2, len(tables) * (0.22 * rows + 0.8) + 0.3), sharey="row",
                                layout="constrained", squeeze=False)  # fmt: skip
    for (name, table), (left, right) in zip(tables.items(), axes, strict=True):
        for row in table.to_dict("records"):
            x, bounds = 100 * row["score"], [[100 * (row["score"] - row["lo"])], [100 * (row["hi"] - row["score"])]]
            colour = colour_of("fgo" if row["method"].startswith("+") else row["method"])
            left.errorbar([x], [row["method"]], xerr=bounds, fmt="o", color=colour, capsize=3, markersize=4)
            start = 0.0
            for kind, (shade, _) in ERRORS.items():
                right.barh(row["method"], 100 * row[kind], left=start, color=shade)
                start += 100 * row[kind]
        left.set_title(f"{name}, beyond noise\n{_told(table)}", fontsize=7.5)
        left.set_xlabel("test score, %", fontsize=8)
        right.set_xlabel("errors, % of test tasks", fontsize=8)
        left.invert_yaxis()
        tidy(left, size=7)
        tidy(right, size=7)
    handles = [plt.Rectangle((0, 0), 1, 1, color=shade) for shade, _ in ERRORS.values()]
    figure.legend(handles, [meaning for _, meaning in ERRORS.values()], loc="outside upper right", ncols=3,
                  fontsize=7, frameon=False)  # fmt: skip
    note_simulated(figure, [constants for table in tables.values() for constants in table["constants"]])
    return figure
