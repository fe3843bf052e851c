"""Figures of the ablation notebooks, one printed column wide, with intervals throughout.

Colours belong to strategies and methods as in `figures`; markers differ too, so that a print in grey can be
read. Every function takes a tidy table with the columns value, lo and hi named by `value` (see each).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from ..report.figures import COLOURS, note_simulated, tidy
from .ablations import TOKEN_FIGURES, over_seeds

WIDTH = 85 / 25.4
"""Inches: a column of a printed page."""
PALETTE = {
    **COLOURS,
    "random": "#999933", "contiguous": "#DDAA33", "stratified": "#56B4E9", "similar": "#332288",
    "difficulty": "#CC6677", "failure": "#882255", "budget": "#117733",
    "progressive": "#332288", "pairwise": "#56B4E9", "sequential": "#44AA99", "concat": "#DDAA33",
    "select": "#CC6677", "vote": "#117733",
    "oneshot": "#882255", "no gate": "#000000", "hard gate": "#D55E00", "soft gate": "#0072B2",
    "unknown": "#999999", "4+": "#0072B2", "2-3": "#E69F00", "1": "#882255",
}  # fmt: skip
_SPARE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
_MARKERS = "osD^vP*X"
_SHARE = {"score": "test score, %", "overlap": "rules that another subset wrote too, %", "share": "rules kept, %"}


def looks(names: Iterable[str]) -> dict[str, dict]:
    """Colour and marker of every name; names without a colour of their own, or of their first word, get spare ones."""
    known = list(dict.fromkeys(names))
    own = {name: PALETTE.get(name) or PALETTE.get(str(name).split(",")[0]) for name in known}
    spare = iter(_SPARE * len(known))
    colours = {name: colour or next(spare) for name, colour in own.items()}
    return {name: {"color": colours[name], "marker": _MARKERS[at % len(_MARKERS)]} for at, name in enumerate(known)}


def plot_grid(
    table: pd.DataFrame, y: str, within: str, value: str = "score", panel: str = "", title: str = "",
    lines: Mapping[str, float] | None = None,
) -> Figure:  # fmt: skip
    """Points with intervals: a row for every value of the column `y`, in it one for every value of `within`.

    value: the column shown, with value_lo and value_hi, or lo and hi; its name is the label where it is not a
    share, which is shown in per cent. panel: a column whose values get a panel each. lines: vertical lines by
    name, e.g. the reference's score.
    """
    groups, inner = list(dict.fromkeys(table[y])), list(dict.fromkeys(table[within]))
    panels = list(dict.fromkeys(table[panel])) if panel else [""]
    one = groups == inner
    rows = len(groups) * (1 if one else len(inner))
    figure, axes = _figure(0.95 + 0.09 * rows + 0.16 * len(groups), len(panels), title, value in _SHARE)
    look = looks(inner)
    for ax, name in zip(axes, panels, strict=True):
        part = table[table[panel] == name] if panel else table
        for at, label in enumerate(inner):
            shift = 0.0 if one else 0.72 * ((at + 0.5) / len(inner) - 0.5)
            points = part[part[within] == label]
            where = [groups.index(group) + shift for group in points[y]]
            _points(ax, points, value, where, look[label] | {"label": label})
        for text, x in (lines or {}).items():
            ax.axvline(100 * x, color=PALETTE.get(text, "#000000"), linewidth=0.9, linestyle="--", label=text)
        ax.set_yticks(range(len(groups)), groups)
        ax.set_ylim(len(groups) - 0.5, -0.5)
        ax.set_title(str(name), fontsize=8)
        for edge in range(1, len(groups)):
            ax.axhline(edge - 0.5, color="#EEEEEE", linewidth=0.8, zorder=0)
        tidy(ax, "x", 7.5)
    _foot(figure, axes, not one or bool(lines), _SHARE.get(value, value), table)
    return figure


def plot_curves(
    table: pd.DataFrame, x: str, series: str, value: str, panel: str, labels: tuple[str, str], title: str = ""
) -> Figure:
    """Lines with intervals over a column of sizes (log scale), panels one below another.

    labels: of the x and the y axis. A y axis of tokens starts at 0, or has a log scale where figures lie far
    apart; any other shows shares in per cent. Variants of a method ("fgo, 2 passes") are dashed.
    """
    panels, names = list(dict.fromkeys(table[panel])), list(dict.fromkeys(table[series]))
    figure, axes = plt.subplots(
        len(panels), 1, figsize=(WIDTH, 0.9 + 1.55 * len(panels)), sharex=True, squeeze=False, layout="constrained"
    )
    look, sizes = looks(names), sorted(set(table[x]))
    for ax, name in zip(axes[:, 0], panels, strict=True):
        for at, label in enumerate(names):
            part = table[(table[panel] == name) & (table[series] == label)].sort_values(x)
            shift = (sizes[-1] / sizes[0]) ** (0.012 * (at - (len(names) - 1) / 2))
            drawn = look[label] | {"label": label, "linestyle": "--" if "," in label else "-"}
            _line(ax, part, (x, value), shift, drawn, "tokens" not in labels[1])
        ax.set_xscale("log", base=2)
        ax.set_xticks(sizes, [f"{size:.3g}" for size in sizes])
        ax.minorticks_off()
        ax.set_title(str(name), fontsize=8)
        if "tokens" in labels[1]:
            _token_axis(ax)
        tidy(ax, "y", 7.5)
    figure.supylabel(labels[1], fontsize=8)
    _title(figure, title)
    _foot(figure, axes[:, 0], True, labels[0], table)
    return figure


def draw_windows(figure: Figure, windows: Sequence[int]) -> Figure:
    """Context windows, in tokens, as lines across every panel of a token figure (in thousands), up to the next one."""
    for ax in figure.axes:
        top = ax.dataLim.intervaly[1]
        above = [window for window in windows if window / 1000 > top][:1]
        for window in [w for w in windows if w / 1000 <= top] + above:
            ax.axhline(window / 1000, color="#666666", linewidth=0.8, linestyle=":")
            name = f"{window // 1000}k window" if window < 1_000_000 else "1M window"
            ax.annotate(name, (0.01, window / 1000), xycoords=("axes fraction", "data"), fontsize=6.5,
                        color="#666666", va="bottom")  # fmt: skip
        if above:
            ax.set_ylim(top=1.25 * above[0] / 1000)
    return figure


def token_changes(rows: pd.DataFrame, method: str = "fgo", reference: str = "all_at_once") -> pd.DataFrame:
    """Change of the three token figures against a reference, in per cent: a row a benchmark, LLM and figure.

    change: of the mean over runs; lo, hi: its 95 % interval over seeds (see `ablations.over_seeds`).
    """
    table = []
    for (benchmark, llm), part in rows.groupby(["benchmark", "llm"], sort=False):
        for column, figure in TOKEN_FIGURES.items():
            means = part.groupby(["seed", "method"])[column].mean().unstack().dropna(subset=[method, reference])
            found = over_seeds(100 * means[method] / means[reference], means.index, means[reference])
            bounds = {"change": found.value - 100, "lo": found.lo - 100, "hi": found.hi - 100}
            table.append({"benchmark": benchmark, "llm": llm, "figure": figure} | bounds)
    return pd.DataFrame(table)


def draw_changes(figure: Figure, changes: pd.DataFrame) -> Figure:
    """The intervals of `token_changes` upon the bars of `costs.plot_reductions`."""
    for ax, name in zip(figure.axes, TOKEN_FIGURES.values(), strict=True):
        for place, row in enumerate(changes[changes["figure"] == name].itertuples()):
            ax.plot([row.lo, row.hi], [place - 0.2, place - 0.2], color="black", linewidth=1, marker="|", markersize=4)
    return figure


def plot_gates(decisions: pd.DataFrame, title: str = "") -> Figure:
    """Every gated merge: candidate minus best child on the gate split (across) and on the test split (up).

    A panel for every kind of gate; crosses are the means of accepted and refused candidates with their
    intervals over seeds. A perfect gate has accepted candidates above 0 and refused ones below.
    """
    kinds = list(dict.fromkeys(decisions["kind"]))
    figure, axes = _figure(2.6, len(kinds), title)
    for ax, kind in zip(axes, kinds, strict=True):
        for accepted, colour, label in ((True, "#0072B2", "accepted"), (False, "#D55E00", "refused")):
            part = decisions[(decisions["kind"] == kind) & (decisions["accepted"] == accepted)]
            ax.plot(100 * part["gate"], 100 * part["test"], ".", color=colour, alpha=0.35, markersize=4)
            across, up = (over_seeds(part[name], part["seed"]) for name in ("gate", "test"))
            x, y = 100 * across.value, 100 * up.value
            xerr, yerr = ([[100 * (one.value - one.lo)], [100 * (one.hi - one.value)]] for one in (across, up))
            mark = "o" if accepted else "X"
            ax.errorbar([x], [y], xerr, yerr, mark, color=colour, mec="white", ms=7, capsize=2, label=label, zorder=3)
        ax.axhline(0, color="#666666", linewidth=0.7)
        ax.axvline(0, color="#666666", linewidth=0.7)
        ax.set_title(f"{kind} gate", fontsize=8)
        tidy(ax, "both", 7.5)
    figure.supylabel("the same on the test split, points", fontsize=8)
    _foot(figure, axes, True, "candidate minus best child, gate split, points", decisions)
    return figure


def _figure(height: float, panels: int, title: str, sharex: bool = True) -> tuple[Figure, Sequence[Axes]]:
    figure, axes = plt.subplots(
        1, panels, figsize=(WIDTH, height), sharey=True, sharex=sharex, squeeze=False, layout="constrained"
    )
    _title(figure, title)
    return figure, axes[0]


def _title(figure: Figure, title: str) -> None:
    """A finding over the whole width; the figure grows by its lines."""
    text = fill(title.replace(" %", "\u00a0%"), 48)
    if text:
        figure.set_figheight(figure.get_figheight() + 0.15 * text.count("\n"))
        figure.suptitle(text, fontsize=8, fontweight="bold", x=0.02, ha="left")


def _bounds(table: pd.DataFrame, value: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    own = f"{value}_lo" in table
    names = (value, f"{value}_lo", f"{value}_hi") if own else (value, "lo", "hi")
    return tuple(table[name].to_numpy(float) for name in names)


def _points(ax: Axes, table: pd.DataFrame, value: str, where: Sequence[float], look: Mapping) -> None:
    middle, lo, hi = (part * (100 if value in _SHARE else 1) for part in _bounds(table, value))
    gaps = [np.maximum(middle - lo, 0), np.maximum(hi - middle, 0)]
    ax.errorbar(middle, where, xerr=gaps, linestyle="", markersize=3.5, capsize=1.5, elinewidth=0.9, **look)


def _line(ax: Axes, table: pd.DataFrame, axes: tuple[str, str], shift: float, look: Mapping, percent: bool) -> None:
    middle, lo, hi = (part * (100 if percent else 1) for part in _bounds(table, axes[1]))
    gaps = [np.maximum(middle - lo, 0), np.maximum(hi - middle, 0)]
    ax.errorbar(
        table[axes[0]] * shift, middle, gaps, linewidth=1.1, markersize=3.5, capsize=1.5, elinewidth=0.9, **look
    )


def _foot(figure: Figure, axes: Sequence[Axes], shown: bool, label: str, table: pd.DataFrame) -> None:
    """Under the panels: the label they share, the legend, and the note on simulated results."""
    handles, labels = axes[0].get_legend_handles_labels()
    rows, columns = 0, 3 if max(map(len, labels), default=0) < 15 else 2
    if shown and handles:
        rows = -(-len(handles) // columns)
    below = 0.3 + 0.15 * rows
    height = figure.get_figheight() + below
    figure.set_figheight(height)
    note_simulated(figure, table["constants"])
    figure.get_layout_engine().set(rect=(0, below / height, 1, 1 - below / height))
    figure.text(0.5, (below - 0.02) / height, label, ha="center", va="top", fontsize=8)
    if rows:
        figure.legend(
            handles, labels, loc="lower center", bbox_to_anchor=(0.5, 0.08 / height), ncols=columns, fontsize=7,
            frameon=False, handletextpad=0.3, columnspacing=1.0, borderpad=0.2,
        )  # fmt: skip


def _token_axis(ax: Axes) -> None:
    """From 0, or a log scale with plain numbers where the largest figure is far above the smallest."""
    low, high = ax.dataLim.intervaly
    if high < 8 * low:
        ax.set_ylim(0, 1.1 * high)
        return
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(10, subs=(1.0, 3.0)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
