"""Figures and their files: `plot_*`, `save`.

Colours belong to methods and are the same everywhere (Okabe and Ito's colour-blind-safe set). Whatever
rests on the simulated LLM says so under the figure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..runs.places import FIGURES
from ..runs.provenance import manifest
from ..runs.result import Run
from .tree import positions

TOKENS = {
    "tokens_call_mean": "k tokens a call", "tokens_call_max": "largest call", "tokens_optimiser": "all such calls",
    "tokens_all_in": "all in",
}  # fmt: skip
COLOURS = {
    "base": "#999999", "all_at_once": "#0072B2", "bootstrapping": "#E69F00", "fgo": "#009E73",
    "fgo + counts + audit": "#CC79A7", "fgo+": "#D55E00", "combee": "#56B4E9", "gepa": "#000000",
    "always_none": "#666666", "most_frequent_reference": "#666666",
}  # fmt: skip


def colour_of(label: str) -> str:
    """The colour of a method, whatever follows a comma in its label; black for a strategy of one's own.

    >>> colour_of("fgo, 4 epochs") == colour_of("fgo")
    True
    """
    return COLOURS.get(label) or COLOURS.get(label.split(",")[0], "#000000")


def plot_methods(table: pd.DataFrame) -> Figure:
    """Scores with intervals, a panel for every LLM, beside the prompt tokens of a call, of the first LLM."""
    llms = list(dict.fromkeys(table["llm"]))
    figure, axes = plt.subplots(
        1, len(llms) + 1, figsize=(2.3 * (len(llms) + 1) + 1, 2.6), sharey=True, layout="constrained"
    )
    for ax, llm in zip(axes, llms, strict=False):
        plot_scores(table[table["llm"] == llm], ax=ax)
    plot_call_tokens(table[table["llm"] == llms[0]], ax=axes[-1])
    note_simulated(figure, table["constants"])
    return figure


def plot_sets(table: pd.DataFrame) -> Figure:
    """Scores with intervals, a panel for every benchmark; methods in the same order everywhere."""
    names, methods = (list(dict.fromkeys(table[key])) for key in ("benchmark", "method"))
    figure, axes = plt.subplots(
        1, len(names), figsize=(2.3 * len(names) + 1.2, 0.24 * len(methods) + 1.3), sharey=True, layout="constrained",
        squeeze=False,
    )  # fmt: skip
    for ax, name in zip(axes[0], names, strict=True):
        part = table[table["benchmark"] == name]
        ax.set_yticks(range(len(methods)), methods)
        plot_scores(part, ax=ax, places={method: number for number, method in enumerate(methods)})
        ax.set_title(f"{name}\n{_best(part)}", fontsize=8)
    note_simulated(figure, table["constants"])
    return figure


def plot_scores(table: pd.DataFrame, ax: Axes | None = None, places: Mapping[str, int] | None = None) -> Axes:
    """One LLM's methods as points with 95 % intervals; the title names the highest mean.

    places: where methods stand on the y axis; by default in the table's order.
    """
    ax = ax or plt.subplots(figsize=(3.4, 2.4), layout="constrained")[1]
    for row in table.to_dict("records"):
        x, low, high = 100 * row["score"], 100 * row["lo"], 100 * row["hi"]
        colour = colour_of(row["method"])
        y = places[row["method"]] if places else row["method"]
        ax.errorbar([x], [y], xerr=[[x - low], [high - x]], fmt="o", color=colour, capsize=3)
    ax.set_title(f"{table['llm'].iloc[0]}\n{_best(table)}", fontsize=8)
    ax.set_xlabel("test score, %", fontsize=8)
    _listed(ax)
    return ax


def _best(table: pd.DataFrame) -> str:
    best = table[table["score"] == table["score"].max()]  # several where they are equal
    if best.empty:
        return "no run"
    near = (table["hi"] >= best["lo"].min()) & ~table.index.isin(best.index)
    apart = "" if len(best) == 1 and not near.any() and best["lo"].notna().all() else "\n(not told apart)"
    return f"highest mean: {' and '.join(best['method'])}{apart}"


def plot_call_tokens(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Mean prompt tokens of an optimiser or merger call of one LLM, with the largest one marked."""
    ax = ax or plt.subplots(figsize=(3.4, 2.4), layout="constrained")[1]
    for row in table.dropna(subset=["tokens_call_mean"]).to_dict("records"):
        colour = colour_of(row["method"])
        ax.barh(row["method"], row["tokens_call_mean"] / 1000, color=colour)
        ax.plot(row["tokens_call_max"] / 1000, row["method"], "|", color="black", markersize=9)
    ax.set_title(f"{table['llm'].iloc[0]}: prompt tokens of an\noptimiser or merger call (| largest)", fontsize=8)
    ax.set_xlabel("thousand tokens", fontsize=8)
    _listed(ax)
    return ax


def plot_merge_tree(run: Run, ax: Axes | None = None) -> Axes:
    """The tree of merges: every node with its number of rules; refused and failed merges in red."""
    if run.merge_tree is None:
        raise ValueError(f"run {run.id} ({run.config['method']}) has no merge tree; only fgo merges")
    leaves = [node for node in run.merge_tree.walk() if not node.children]
    ax = ax or plt.subplots(figsize=(max(4.0, 0.55 * len(leaves)), 3.0), layout="constrained")[1]
    places = positions([run.merge_tree])
    for node in run.merge_tree.walk():
        x, y = places[node.id]
        for child in node.children:
            ax.plot([x, places[child.id][0]], [y, places[child.id][1]], color="#999999", zorder=1)
        refused = node.decision not in ("leaf", "merged")
        face = "#D55E00" if refused else ("#56B4E9" if node.children else "#F0E442")
        ax.annotate(
            f"{node.id}\n{len(node.module.rules)}", (x, y), ha="center", va="center", fontsize=7,
            bbox={"boxstyle": "round", "facecolor": face, "edgecolor": "none"},
        )  # fmt: skip
    merges = sum(1 for node in run.merge_tree.walk() if node.children)
    ax.set_title(f"{len(leaves)} modules in {merges} merges (numbers: rules)", fontsize=9)
    ax.set_xlim(-0.7, len(leaves) - 0.3)
    ax.set_ylim(-0.5, places[run.merge_tree.id][1] + 0.5)
    ax.axis("off")
    note_simulated(ax.figure, run.config["llm_params"].get("constants", ""))
    return ax


def tidy(ax: Axes, grid: str = "x", size: float = 8) -> None:
    """The look of all figures: a light grid along `grid` ("x", "y" or "both"), no box, labels of `size` points."""
    ax.grid(axis=grid, color="#DDDDDD", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=size)
    ax.spines[["top", "right"]].set_visible(False)


def _listed(ax: Axes) -> None:
    """Tidy, with the rows of a table from top to bottom."""
    tidy(ax)
    if not ax.yaxis_inverted():
        ax.invert_yaxis()


def note_simulated(figure: Figure, constants: str | Iterable[str]) -> None:
    """Write under a figure that it is simulated, with the hash of the constants (several, where some were varied).

    "" stands for a real model: nothing is written.
    """
    engine = figure.get_layout_engine()
    if engine is not None:  # a strip for the note
        strip = 0.12 / figure.get_figheight()
        engine.set(rect=(0, strip, 1, 1 - strip))
    hashes = list(dict.fromkeys(h for h in ([constants] if isinstance(constants, str) else constants) if h))
    if hashes:
        more = f" and {len(hashes) - 1} varied sets" if len(hashes) > 1 else ""
        text = f"simulated LLM (constants {hashes[0]}{more}): no evidence about any named model"
        figure.text(0.995, 0.005, text, ha="right", va="bottom", fontsize=5.5, color="#666666")


# -- files


def save(
    name: str, table: pd.DataFrame, rows: pd.DataFrame | None, figure: Figure | None = None, preset: str = "fast"
) -> Path:
    """Write NAME.csv, NAME.json (provenance) and, with a figure, NAME.png and NAME.pdf; returns the CSV's path.

    rows: the runs behind the table, None for one that rests on no runs. preset "full" writes to
    paper_figures/, any other to paper_figures/fast/. Same rows, same bytes in CSV and figures: times and
    machine stand in the JSON alone.
    """
    folder = FIGURES if preset == "full" else FIGURES / "fast"
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / f"{name}.csv", index=False, float_format="%.4f", lineterminator="\n")
    if figure is not None:
        _settle(figure)
        figure.savefig(folder / f"{name}.png", dpi=200, metadata={"Software": None})
        figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
    provenance = {"preset": preset, **({} if rows is None else _runs_behind(rows)), "manifest": manifest()}
    (folder / f"{name}.json").write_text(json.dumps(provenance, indent=1) + "\n", encoding="utf-8")
    return folder / f"{name}.csv"


def _settle(figure: Figure) -> None:
    """Lay out for good, to a millionth of the figure: the solver's last digits differ from process to process."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for ax in figure.axes:
        ax.set_position(np.round(ax.get_position().bounds, 6))
    for text in figure.texts:
        text.set_position(np.round(text.get_position(), 6))


def _runs_behind(rows: pd.DataFrame) -> dict:
    return {
        "simulated": bool(rows["simulated"].all()), "llms": sorted(set(rows["llm"])),
        "seeds": sorted({int(seed) for seed in rows["seed"]}), "runs": sorted(set(rows["run_id"])),
        "data": sorted(set(rows["data"])), "simulator_constants": sorted(set(rows["constants"])),
        "run_seconds": round(float(rows["seconds"].sum()), 1),
    }  # fmt: skip
