"""Figures of tables and runs: points, curves, merge trees (see `drawing` for their look)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter

from ..runs.result import Run
from .drawing import (
    SHARES,
    WIDTH,
    across,
    add_legend,
    colour_of,
    draw_points,
    draw_rows,
    in_lines,
    looks,
    new_figure,
    note_simulated,
    set_title,
    tidy,
)
from .tree import positions
from .verdicts import highest


def plot_points(
    table: pd.DataFrame, y: str = "method", within: str = "", value: str = "score", panel: str = "", title: str = "",
    lines: Mapping[str, float] | None = None,
) -> Figure:  # fmt: skip
    """Points with intervals: a row for every value of column `y`, in it one for every value of `within`.

    value: the column shown. panel: a column whose values get a panel each. lines: vertical lines by name, e.g. the
    score of a baseline. Without a title, every panel names the highest mean in it.

    >>> plot_points(summary(rows), panel="benchmark")  # doctest: +SKIP
    """
    panels = list(dict.fromkeys(table[panel])) if panel else [""]
    rows, look = list(dict.fromkeys(table[y])), looks(table[within or y])
    height = 1.1 + 0.16 * len(rows) + 0.09 * len(rows) * (len(look) if within and within != y else 1)
    wide = None if title else 1.3 + 2.2 * across(len(panels))  # panels with titles of their own
    figure, axes = new_figure(len(panels), height, title, wide, sharey=True, sharex=value in SHARES)
    for ax, name in zip(axes, panels, strict=True):
        part = table[table[panel] == name] if panel else table
        draw_rows(ax, part, rows, (y, within or y), value, look)
        ax.set_title(str(name) if title else f"{name}\n{best_title(part, value, y)}", fontsize=8)
        for (label, x), dashes in zip((lines or {}).items(), cycle(("--", ":", "-.")), strict=False):
            ax.axvline(100 * x, color=colour_of(label), linewidth=0.9, linestyle=dashes, label=label)
    add_legend(figure)
    return note_simulated(figure, table["constants"])


def best_title(table: pd.DataFrame, value: str = "score", by: str = "method", where: str = "") -> str:
    """What a panel shows, in lines that fit it: of a share the highest mean, of amounts the least and the most."""
    if value in SHARES:
        text = f"highest mean{where}: {highest(table, value, by)}"
    else:
        least, most = (table.loc[at] for at in (table[value].idxmin(), table[value].idxmax()))
        text = f"{least[value]:.3g} ({least[by]}) to {most[value]:.3g} ({most[by]}){where}"
    return in_lines(text, 34 if not where else 48)


def plot_methods(table: pd.DataFrame) -> Figure:
    """Scores with intervals, a panel for every LLM, and in a last one the prompt tokens of a call, of the first LLM."""
    llms, methods = (list(dict.fromkeys(table[key])) for key in ("llm", "method"))
    wide = 1.3 + 2.2 * across(len(llms) + 1)
    figure, axes = new_figure(len(llms) + 1, 1.1 + 0.22 * len(methods), width=wide, sharey=True)
    for ax in axes[1:-1]:
        ax.sharex(axes[0])
    for ax, llm in zip(axes, llms, strict=False):
        part = table[table["llm"] == llm]
        draw_rows(ax, part, methods, ("method", "method"), "score", looks(methods))
        ax.set_title(f"{llm}\n{best_title(part)}", fontsize=8)
    calls = table[table["llm"] == llms[0]].set_index("method").loc[:, ["tokens_call_mean", "tokens_call_max"]] / 1000
    places = [methods.index(method) for method in calls.index]
    axes[-1].barh(places, calls["tokens_call_mean"], color=[colour_of(method) for method in calls.index])
    axes[-1].plot(calls["tokens_call_max"], places, "|", color="black", markersize=9, label="largest call of a run")
    axes[-1].set_title(f"{llms[0]}\nprompt tokens of an optimiser\nor merger call", fontsize=8)
    axes[-1].set_xlabel("thousand tokens", fontsize=8)
    tidy(axes[-1])
    add_legend(figure)
    return note_simulated(figure, table["constants"])


def plot_curves(
    table: pd.DataFrame, x: str, series: str, value: str, labels: tuple[str, str], title: str = "", panel: str = "llm"
) -> Figure:
    """Lines with intervals over a column of sizes (log scale), panels one below another.

    labels: of the x and the y axis. What is no share starts at 0, or has a log scale where values lie far apart.
    Variants of a method ("fgo, 2 passes") are dashed. Every panel names the highest mean at the largest size.
    """
    panels, sizes = list(dict.fromkeys(table[panel])), sorted(set(table[x]))
    figure, axes = plt.subplots(len(panels), 1, figsize=(WIDTH, 0.9 + 1.7 * len(panels)), sharex=True,
                                sharey=value in SHARES, squeeze=False, layout="constrained")  # fmt: skip
    look = looks(table[series])
    for ax, name in zip(axes[:, 0], panels, strict=True):
        for at, label in enumerate(look):
            part = table[(table[panel] == name) & (table[series] == label)].sort_values(x)
            shift = (sizes[-1] / sizes[0]) ** (0.012 * (at - (len(look) - 1) / 2))  # so that no interval hides another
            draw_points(ax, part, value, part[x] * shift, upright=True, **look[label], label=label,
                        linestyle="--" if "," in label else "-")  # fmt: skip
        ax.set_xscale("log", base=2)
        ax.set_xticks(sizes, [f"{size:.3g}" for size in sizes])
        ax.minorticks_off()
        last = table[(table[panel] == name) & (table[x] == sizes[-1])]
        ax.set_title(f"{name}\n{best_title(last, value, series, f' at {sizes[-1]:.3g}')}", fontsize=8)
        if value not in SHARES:
            _from_zero(ax)
        tidy(ax, "y")
        ax.set_ylabel(labels[1], fontsize=8)
    axes[-1, 0].set_xlabel(labels[0], fontsize=8)
    set_title(figure, title)
    add_legend(figure)
    return note_simulated(figure, table["constants"])


def plot_waiting(table: pd.DataFrame, title: str = "") -> Figure:
    """Score against the critical path, the calls that wait for each other (log scale): a panel a benchmark.

    table: a summary with the column chain, mean calls a run; a row without calls is no point. Bars: 95 % intervals.
    """
    table = table[table["chain"] > 0]
    look = looks(table["method"])
    figure, axes = new_figure(table["benchmark"].nunique(), 2.6, title, width=7.5, sharey=True)
    for ax, (name, part) in zip(axes, table.groupby("benchmark", sort=False), strict=True):
        for method, style in look.items():
            own = part[part["method"] == method]
            draw_points(ax, own, "score", own["chain"], upright=True, **style, label=method)
        ax.set_title(str(name), fontsize=8)
        along_calls(ax)
    axes[0].set_ylabel(SHARES["score"], fontsize=8)
    add_legend(figure)
    return note_simulated(figure, table["constants"])


def along_calls(ax: Axes) -> None:
    """The critical path across, in plain numbers on a log scale."""
    ax.set_xscale("log")
    ax.set_xlabel("calls that wait for each other, a run", fontsize=8)
    ax.xaxis.set_major_locator(LogLocator(10, subs=(1.0, 3.0)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter("")
    tidy(ax, "both")


def _from_zero(ax: Axes) -> None:
    """From 0, or a log scale with plain numbers where the largest figure is far above the smallest."""
    low, high = ax.dataLim.intervaly
    if high < 8 * low:
        ax.set_ylim(0, 1.1 * high)
        return
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(10, subs=(1.0, 3.0)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter(NullFormatter())


def plot_merge_tree(run: Run, ax: Axes | None = None) -> Axes:
    """The tree of merges: every node with its number of rules; refused and failed merges in red."""
    if run.merge_tree is None:
        raise ValueError(f"run {run.id} ({run.config['method']}) has no merge tree; only fgo merges")
    nodes, places = list(run.merge_tree.walk()), positions([run.merge_tree])
    leaves = sum(not node.children for node in nodes)
    ax = ax or plt.subplots(figsize=(max(4.0, 0.55 * leaves), 3.0), layout="constrained")[1]
    kinds = {"subset": "#F0E442", "merge": "#56B4E9", "refused or failed": "#D55E00"}
    for node in nodes:
        for child in node.children:
            ax.plot(*zip(places[node.id], places[child.id], strict=True), color="#999999", zorder=1)
        kind = "subset" if not node.children else "merge" if node.decision == "merged" else "refused or failed"
        ax.annotate(f"{node.id}\n{len(node.module.rules)}", places[node.id], ha="center", va="center", fontsize=7,
                    bbox={"boxstyle": "round", "facecolor": kinds[kind], "edgecolor": "none"})  # fmt: skip
    ax.legend(handles=[Patch(color=colour, label=kind) for kind, colour in kinds.items()], fontsize=7, frameon=False)
    ax.set_title(f"{leaves} modules in {len(nodes) - leaves} merges (numbers: rules)", fontsize=9)
    ax.set_xlim(-0.7, leaves - 0.3)
    ax.set_ylim(-0.5, places[run.merge_tree.id][1] + 0.5)
    ax.axis("off")
    note_simulated(ax.figure, run.config["llm_params"].get("constants", ""))
    return ax
