"""Merge trees: where their nodes are in a picture, one layout for figures and widgets, and the figure of a run's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from ..runs.result import Run
from .drawing import note_simulated


def positions(roots: Iterable[Any]) -> dict[str, tuple[float, int]]:
    """(column, level) of every node by its id, children before their parent, trees from left to right.

    A node is anything with an id and children: a `MergeNode`, or one that is only planned. Leaves are on level 0 in
    columns 0, 1, 2 …; a parent is one level above its highest child, in the middle of its children's columns.

    >>> from collections import namedtuple
    >>> node = namedtuple("node", "id children")
    >>> positions([node("m1", [node("s1", []), node("s2", [])]), node("s3", [])])
    {'s1': (0.0, 0), 's2': (1.0, 0), 'm1': (0.5, 1), 's3': (2.0, 0)}
    """
    places: dict[str, tuple[float, int]] = {}
    leaves = 0

    def place(node: Any) -> tuple[float, int]:
        nonlocal leaves
        below = [place(child) for child in node.children]
        if below:
            column, level = sum(x for x, _ in below) / len(below), 1 + max(y for _, y in below)
        else:
            column, level, leaves = float(leaves), 0, leaves + 1
        places[node.id] = column, level
        return places[node.id]

    for root in roots:
        place(root)
    return places


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
