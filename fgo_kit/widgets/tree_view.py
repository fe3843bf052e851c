"""The picture of a merge by hand: nodes with their places, what is made and what is planned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..records import MergeNode
from ..records.showing import brief
from ..report.tree import positions
from ..runs.result import Run
from .merging_by_hand import YOU, Merging, suggestion

COLUMN, LEVEL = 74, 62
"""Pixels from one column, and from one level, to the next."""
BOX = (62, 38)
"""Width and height of a node in pixels."""


@dataclass(frozen=True)
class Planned:
    """A merge that is not made yet."""

    id: str
    children: tuple[MergeNode | Planned, ...]


def tree_view(run: Run, state: Merging, selected: str) -> dict:
    """Nodes with the pixels of their middles, edges, and what is planned as dashed nodes."""
    roots = planned(run, state)
    places, nodes = positions(roots), [node for root in roots for node in _walk(root)]
    columns, levels = 1 + max(x for x, _ in places.values()), 1 + max(y for _, y in places.values())
    shown = []
    for node in nodes:
        column, level = places[node.id]
        place = {"x": COLUMN * (column + 0.5), "y": LEVEL * (levels - level - 0.5), "selected": node.id == selected}
        facts = {"kind": "planned", "rules": 0} if isinstance(node, Planned) else _facts(node, state)
        shown.append({"id": node.id, "label": brief(node.id, 24), **place, **facts})
    for node_id in () if state.pending else suggestion(run, state):
        next(node for node in shown if node["id"] == node_id)["next"] = True
    edges = [[node.id, child.id] for node in nodes for child in node.children]
    return {"nodes": shown, "edges": edges, "box": BOX, "width": COLUMN * columns, "height": LEVEL * levels}


def _facts(node: MergeNode, state: Merging) -> dict:
    score = state.evaluation(node.module)
    return {
        "kind": "pending" if node is state.pending else node.decision.split(" ")[0], "rules": len(node.module.rules),
        "open": not state.pending and node in state.open, "chosen": node.id in state.chosen,
        "score": f"{100 * score.mean:.0f} %" if score else "",
        "yours": any(rule.origin == YOU for rule in node.module.rules),
    }  # fmt: skip


def planned(run: Run, state: Merging) -> list[MergeNode | Planned]:
    """The roots of the picture: what is there, joined by the merges to come as far as the run shows them."""
    roots: dict[str, MergeNode | Planned] = {node.id: node for node in state.editable}
    for node in run.merge_tree.walk():
        names = sorted(child.id for child in node.children)
        if names and tuple(names) not in state.rejected:
            _join(roots, names, node.id)
    _join(roots, () if state.pending else suggestion(run, state), "next")
    if len(roots) > 1:
        _join(roots, list(roots), "the rest")
    return list(roots.values())


def _join(roots: dict[str, MergeNode | Planned], names, name: str) -> None:
    """Put roots, if they are all there, below one that is planned, which gets the name of what it stands for."""
    if names and set(names) <= set(roots):
        parts = tuple(roots.pop(root) for root in list(roots) if root in set(names))
        roots[name] = Planned(f"{name}?", parts)


def _walk(root: MergeNode | Planned) -> Iterator[MergeNode | Planned]:
    for child in root.children:
        yield from _walk(child)
    yield root
