"""Figures of tables: points and curves (see `drawing` for their look)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from .drawing import SHARES, across, colour_of, draw_points, draw_rows, finish, in_lines, looks, new_figure, tidy
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
        found = str(name) if title else f"{name}\n{best_title(part, value, y)}"
        draw_rows(ax, part, rows, (y, within or y), value, look, found)
        for (label, x), dashes in zip((lines or {}).items(), cycle(("--", ":", "-.")), strict=False):
            ax.axvline(100 * x, color=colour_of(label), linewidth=0.9, linestyle=dashes, label=label)
    return finish(figure, table["constants"])


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
        draw_rows(ax, part, methods, ("method", "method"), "score", looks(methods), f"{llm}\n{best_title(part)}")
    calls = table[table["llm"] == llms[0]].set_index("method").loc[:, ["tokens_call_mean", "tokens_call_max"]] / 1000
    places = [methods.index(method) for method in calls.index]
    axes[-1].barh(places, calls["tokens_call_mean"], color=[colour_of(method) for method in calls.index])
    axes[-1].plot(calls["tokens_call_max"], places, "|", color="black", markersize=9, label="largest call of a run")
    tidy(axes[-1], f"{llms[0]}\nprompt tokens of an optimiser\nor merger call", "thousand tokens")
    return finish(figure, table["constants"])


def plot_curves(
    table: pd.DataFrame, x: str, series: str, value: str, labels: tuple[str, str], title: str = "", panel: str = "llm"
) -> Figure:
    """Lines with intervals over a column of sizes (log scale), panels one below another.

    labels: of the x and the y axis. What is no share starts at 0, or has a log scale where values lie far apart.
    Variants of a method ("fgo, 2 passes") are dashed. Every panel names the highest mean at the largest size.
    """
    panels, sizes = list(dict.fromkeys(table[panel])), sorted(set(table[x]))
    height, look = 0.9 / len(panels) + 1.7, looks(table[series])
    figure, axes = new_figure(len(panels), height, title, columns=1, sharex=True, sharey=value in SHARES)
    for ax, name in zip(axes, panels, strict=True):
        for at, label in enumerate(look):
            part = table[(table[panel] == name) & (table[series] == label)].sort_values(x)
            shift = (sizes[-1] / sizes[0]) ** (0.012 * (at - (len(look) - 1) / 2))  # so that no interval hides another
            draw_points(ax, part, value, part[x] * shift, upright=True, **look[label], label=label,
                        linestyle="--" if "," in label else "-")  # fmt: skip
        ax.set_xscale("log", base=2)
        ax.set_xticks(sizes, [f"{size:.3g}" for size in sizes])
        ax.minorticks_off()
        last = table[(table[panel] == name) & (table[x] == sizes[-1])]
        if value not in SHARES:
            _from_zero(ax)
        found = best_title(last, value, series, f" at {sizes[-1]:.3g}")
        tidy(ax, f"{name}\n{found}", labels[0] if name == panels[-1] else "", labels[1], "y")
    return finish(figure, table["constants"])


def plot_waiting(table: pd.DataFrame, title: str = "") -> Figure:
    """Score against the critical path, the calls that wait for each other (log scale): a panel a benchmark.

    table: a summary with the column chain, mean calls a run; a row without calls is no point. Bars: 95 % intervals.
    """
    return draw_waiting(table[table["chain"] > 0], ("benchmark", "method"), title, 7.5)


def draw_waiting(table: pd.DataFrame, columns: tuple[str, str], title: str, width: float, line: str = "") -> Figure:
    """`plot_waiting` with a panel for every value of the first column, and the points of each value of the second
    joined by a line in their order, where it has a style; panels then name the highest mean in them."""
    panel, series = columns
    look, panels = looks(table[series]), table.groupby(panel, sort=False)
    figure, axes = new_figure(len(panels), 2.6, title, width, sharey=True)
    for ax, (name, part) in zip(axes, panels, strict=True):
        for label, style in look.items():
            own = part[part[series] == label]
            draw_points(ax, own, "score", own["chain"], upright=True, label=label, linestyle=line, **style)
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(10, subs=(1.0, 3.0)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter("")
        score = SHARES["score"] if ax.get_subplotspec().is_first_col() else ""
        found = f"{name}\n{best_title(part)}" if line else str(name)
        tidy(ax, found, "calls that wait for each other, a run", score, "both")
    return finish(figure, table["constants"])


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
