"""03: width and depth. Score, tokens and critical path of every point of the plane on which all methods lie."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from ..calls.protocol import LLM
from ..report.drawing import across
from ..report.figures import draw_waiting
from ..report.summary import cells, numbers, summary
from ..report.verdicts import highest
from ..runs.variants import VARIANTS
from .everywhere import models
from .presets import preset
from .sets import Grid

FILES = {"logisticsqa plane": "merge_plane", "alfworld plane": "merge_plane_alfworld", "gaia plane": "merge_plane_gaia"}
ALL_AT_ONCE = "1×1"
"""One subset in one round: the point that others are compared with."""
SEEDS = 4
PLAYED = {"alfworld": (32, 2, 3), "gaia": (64, SEEDS, 1)}
"""Of the sets that are played turn by turn: training tasks, seeds, one test task in so many."""
LEAST = 2
"""Tasks a subset, at least."""


def points(n_train: int, sides: tuple[int, ...]) -> dict[str, dict]:
    """The switches of fgo+ at every width and depth that leave each subset `LEAST` tasks, as variants.

    >>> list(points(8, (1, 4)))
    ['1×1', '1×4', '4×1']
    """
    return {
        f"{width}×{depth}": VARIANTS["fgo+"] | {"n_subsets": width, "rounds": depth}
        for width in sides for depth in sides if n_train >= LEAST * width * depth
    }  # fmt: skip


def grids(name: str, log: str) -> dict[str, Grid]:
    """The plane of every set at a preset, in the first development world; documents alone at others than the full."""
    chosen, full = preset(name), name == "full"
    sides = (1, 2, 4, 8, 16) if full else (1, 4)
    drawn = {"logisticsqa": (chosen.n_train, SEEDS, 1)} | (PLAYED if full else {})
    return {
        f"{benchmark} plane": Grid(
            benchmark, ({"n_train": n_train},), points(n_train, sides), chosen.seeds[:seeds], log,
            test=(min(1, every - 1), every),
        ) for benchmark, (n_train, seeds, every) in drawn.items()
    }  # fmt: skip


def mergers(model: str, name: str) -> Sequence[LLM | str]:
    """Small and large simulated LLMs whose merger weighs evidence, and blind ones; a real model is asked as it is."""
    return models(model, ("small", "large") if name == "full" else ("small",))


def plane(rows: pd.DataFrame) -> pd.DataFrame:
    """`report.summary` of rows, with width and depth; gains are over all at once with the same switches."""
    table = summary(rows, ALL_AT_ONCE)
    sides = table["method"].str.split("×", expand=True).astype(int)
    return table.assign(width=sides[0], depth=sides[1])


def show_plane(table: pd.DataFrame) -> pd.DataFrame:
    """A `plane` for reading: scores in per cent, tokens in thousands."""
    shown = table[["benchmark", "llm", "width", "depth"]].assign(**{"score, %": cells(table)})
    shown["gain over 1×1, points"] = cells(table, "gain", "+")
    shown["thousand tokens in total"] = numbers(table["tokens_all_in"] / 1000)
    shown["calls that wait"] = numbers(table["chain"])
    return shown


def plot_plane(table: pd.DataFrame) -> Figure:
    """Score against critical path (log scale): a line a width, along it the depths from left to right."""
    lines = table.sort_values(["width", "depth"]).assign(line=lambda table: "width " + table["width"].astype(str))
    title, width = f"{table['benchmark'].iloc[0]}: score by width × depth", 1.3 + 2.2 * across(table["llm"].nunique())
    return draw_waiting(lines, ("llm", "line"), title, width, "-")


def best_points(table: pd.DataFrame) -> dict[str, str]:
    """The width and depth with the highest mean score, by LLM."""
    return {llm: highest(part) for llm, part in table.groupby("llm", sort=False)}
