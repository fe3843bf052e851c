"""What all figures are drawn with: colours, panels, points with intervals, bars, legends, the note on simulation.

A colour belongs to a method or strategy and is the same everywhere (Okabe and Ito's colour-blind-safe set, and Paul
Tol's for strategies). So does a marker, and every second part of a bar is hatched, so that a print in grey can be read.
Whatever rests on the simulated LLM says so under the figure, and names of code are written as words. Tables have a
column of values with its bounds (see `verdicts.intervals`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.text import Text

from .verdicts import Verdict, intervals, judged

WIDTH = 85 / 25.4
"""Inches: a column of a printed page."""
COLOURS = {
    "base": "#999999", "all_at_once": "#0072B2", "bootstrapping": "#E69F00", "fgo": "#009E73",
    "all_at_once + counts + review": "#332288", "bootstrapping + counts": "#882255",
    "bootstrapping + counts + review": "#CC79A7",
    "fgo+": "#D55E00", "combee": "#56B4E9", "gepa": "#000000", "few_shot": "#DDAA33",
    "always_none": "#666666", "most_frequent_reference": "#666666",
    "random": "#999933", "contiguous": "#DDAA33", "stratified": "#56B4E9", "similar": "#332288",
    "difficulty": "#CC6677", "failure": "#882255", "budget": "#117733",
    "progressive": "#332288", "pairwise": "#56B4E9", "sequential": "#44AA99", "concat": "#DDAA33",
    "select": "#CC6677", "vote": "#117733", "oneshot": "#882255",
    "no gate": "#000000", "hard gate": "#D55E00", "soft gate": "#0072B2",
    "support unknown": "#999999", "support 4+": "#0072B2", "support 2-3": "#E69F00", "support 1": "#882255",
    "rollout": "#56B4E9", "evaluate": "#F0E442", "propose": "#0072B2", "merge": "#009E73", "repair": "#D55E00",
    "audit": "#CC79A7", "gate": "#E69F00",
    "better": "#009E73", "worse": "#D55E00", "equivalent": "#0072B2", "unclear": "#DDDDDD", "alike": "#DDDDDD",
    "too few seeds for an interval": "#888888", "not known": "#888888",
}  # fmt: skip
SPARE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
MARKERS = "osD^vP*X<>phdx"
INTERVAL = "95 % interval"
WORDS = {"always_none": "always None", "gepa": "GEPA", "combee": "Combee", "oneshot": "one shot",
         "concat": "concatenated", " weighing=0": ", blind merger"}  # fmt: skip
"""What figures write for names of code; in all others _ becomes a space."""
HATCHES = ("", "////")
SHARES = {"score": "test score, %", "overlap": "rules that another subset\nwrote too, %", "share": "rules kept, %",
          "gain": "gain, points"}  # fmt: skip
"""Columns that are shares and shown in per cent, with their labels; any other column has its own name and unit."""


def colour_of(label: str, default: str = "#000000") -> str:
    """The colour of a method, whatever follows a comma in its label; black for a strategy of one's own.

    >>> colour_of("fgo, 4 epochs") == colour_of("fgo")
    True
    """
    return COLOURS.get(label) or COLOURS.get(str(label).split(",")[0], default)


def looks(labels: Iterable[str]) -> dict[str, dict]:
    """Colour and marker of every label, its own everywhere; those without get what is free in this figure."""
    labels = list(dict.fromkeys(labels))
    own, known = [colour_of(label, "") for label in labels], list(COLOURS)
    spare = cycle([colour for colour in SPARE if colour not in own] or SPARE)
    shapes = [known.index(name) if (name := label.split(",")[0]) in known else at for at, label in enumerate(labels)]
    return {label: {"color": colour or next(spare), "marker": MARKERS[shape % len(MARKERS)]}
            for label, colour, shape in zip(labels, own, shapes, strict=True)}  # fmt: skip


def in_plain_words(text: str) -> str:
    """A label or title with names of code as words.

    >>> in_plain_words("highest mean: all_at_once (simulated:small weighing=0)")
    'highest mean: all at once (simulated:small, blind merger)'
    """
    known = "|".join(rf"\b{name}\b" for name in WORDS)
    return re.sub(known, lambda found: WORDS[found[0]], text).replace("_", " ")


# -- panels


def across(panels: int) -> int:
    """How many panels are side by side: three at most, which can be read on a printed page; four are two by two."""
    return 2 if panels == 4 else min(panels, 3)


def in_lines(text: str, width: int) -> str:
    """A text in lines of so many letters; a number stays with its %, and a remark on intervals in one line."""
    for whole in (" %", "(intervals overlap)"):
        text = text.replace(whole, whole.replace(" ", "\u00a0"))
    return fill(text, width).replace("\u00a0", " ")


def new_figure(
    panels: int, height: float, title: str = "", width: float | None = None, columns: int = 0, **options
) -> tuple[Figure, Sequence[Axes]]:
    """A figure with panels in rows, as wide as a printed column for up to two of them, or where one is below another.

    height: inches, of a row. width: inches, where it is not the usual one. columns: see `across` for the usual number.
    The title states the finding.
    """
    width = width or (WIDTH if panels <= 2 or columns == 1 else 1.3 + 1.9 * across(panels))
    columns = columns or across(panels)
    rows = -(-panels // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(width, rows * height), squeeze=False, layout="constrained",
                                **options)  # fmt: skip
    for ax in axes.flat[panels:]:
        ax.remove()
    if text := in_lines(title, int(14.5 * width)):  # over the whole width; the figure grows by its lines
        figure.set_figheight(figure.get_figheight() + 0.15 * text.count("\n"))
        figure.suptitle(text, fontsize=8, fontweight="bold", x=0.02, ha="left")
    return figure, axes.flat[:panels]


def draw_points(ax: Axes, table: pd.DataFrame, value: str, at: Sequence[float], upright: bool = False, **look) -> None:
    """Points with their intervals, at given places of the other axis: the one way in which all figures show them.

    upright: values go up, and `at` along. A ring is round a point that has no bounds, since seeds are too few.
    """
    shown = np.array([(i.value, i.lo, i.hi) for i in intervals(table, value)]).reshape(-1, 3).T
    middle, lo, hi = shown * (100 if value in SHARES else 1)
    gaps = [np.maximum(middle - lo, 0), np.maximum(hi - middle, 0)]
    x, y, direction = (at, middle, "yerr") if upright else (middle, at, "xerr")
    style = {"linestyle": "", "marker": "o", "markersize": 4, "capsize": 1.5, "elinewidth": 0.9, "linewidth": 1.1}
    ax.errorbar(x, y, **{direction: gaps}, **(style | look))
    if np.isfinite(lo).any():
        ax.plot([], [], color="#666666", linewidth=0.9, marker="|", label=INTERVAL)
    bare = [found == Verdict.TOO_FEW for found in judged(table, value)]
    if any(bare):
        ring = {"marker": "o", "markersize": 9, "markerfacecolor": "none", "color": "#888888", "linestyle": ""}
        ax.plot(np.asarray(x)[bare], np.asarray(y)[bare], **ring, label=Verdict.TOO_FEW)


def draw_rows(
    ax: Axes, table: pd.DataFrame, rows: Sequence[str], columns: tuple[str, str], value: str, look: Mapping[str, dict],
    title: str = "",
) -> None:  # fmt: skip
    """The points of one panel: named rows from top to bottom, in each of them the values of the second column.

    look: colour and marker by value of the second column (see `looks`).
    """
    y, within = columns
    for at, label in enumerate(look):
        part = table[table[within] == label]
        shift = 0.0 if y == within else 0.72 * ((at + 0.5) / len(look) - 0.5)
        places = [rows.index(row) + shift for row in part[y]]
        draw_points(ax, part, value, places, **look[label], label=label if y != within else None)
    ax.set_yticks(range(len(rows)), map(in_plain_words, rows))
    ax.set_ylim(len(rows) - 0.5, -0.5)
    tidy(ax, title, SHARES.get(value, value))


def draw_bars(ax: Axes, table: pd.DataFrame, parts: Mapping[str, str], y: str = "method") -> None:
    """Stacked bars, a row of the table each: columns and their colours from left to right."""
    start, rows = np.zeros(len(table)), [in_plain_words(row) if isinstance(row, str) else row for row in table[y]]
    for (part, colour), hatch in zip(parts.items(), cycle(HATCHES), strict=False):
        ax.barh(rows, table[part], left=start, color=colour, hatch=hatch, edgecolor="white", linewidth=0.3, label=part)
        start = start + table[part].to_numpy(float)


def tidy(ax: Axes, title: str = "", x: str = "", y: str = "", grid: str = "x", size: float = 7.5) -> None:
    """The look of all panels: title, names of the axes, a light grid along `grid` ("x", "y" or "both"), no box, numbers
    of `size` points."""
    for write, text in ((ax.set_title, title), (ax.set_xlabel, x), (ax.set_ylabel, y)):
        if text:
            write(text, fontsize=8)
    ax.grid(axis=grid, color="#DDDDDD", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=size)
    ax.spines[["top", "right"]].set_visible(False)


def finish(figure: Figure, constants: str | Iterable[str], colours: Mapping[str, str] | None = None) -> Figure:
    """`note_simulated` of a figure with a legend under its panels: patches of these colours, then all that panels
    label; none where nothing is."""
    named = {label: Patch(color=colour) for label, colour in (colours or {}).items()}
    for ax in figure.axes:
        named |= {label: handle for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    named |= {label: named.pop(label) for label in (INTERVAL, Verdict.TOO_FEW) if label in named}  # the last of all
    if named:
        columns = min(len(named), max(1, int(figure.get_figwidth() / (0.4 + 0.062 * max(map(len, named))))))
        figure.set_figheight(figure.get_figheight() + 0.16 * -(-len(named) // columns))
        figure.legend(named.values(), named, loc="outside lower center", ncols=columns, fontsize=7, frameon=False,
                      handletextpad=0.3, columnspacing=1.0, borderaxespad=1.7)  # fmt: skip
    return note_simulated(figure, constants)


def note_simulated(figure: Figure, constants: str | Iterable[str]) -> Figure:
    """Finish a figure: names of code as words, and under it that it is simulated, with the hash of the constants
    (several, where some were varied). "" is for a real model: nothing is written."""
    for text in figure.findobj(Text):
        text.set_text(in_plain_words(text.get_text()))
    engine = figure.get_layout_engine()
    if engine is not None:  # a strip for the note
        strip = 0.14 / figure.get_figheight()
        engine.set(rect=(0, strip, 1, 1 - strip))
    hashes = list(dict.fromkeys(h for h in ([constants] if isinstance(constants, str) else constants) if h))
    if hashes:
        more = f" and {len(hashes) - 1} varied sets" if len(hashes) > 1 else ""
        text = f"simulated LLM (constants {hashes[0]}{more}): no evidence about any named model"
        size = min(5.5, 1.5 * figure.get_figwidth())
        figure.text(0.995, 0.005, text, ha="right", va="bottom", fontsize=size, color="#666666")
    return figure
