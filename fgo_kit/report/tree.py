"""Where the nodes of merge trees are in a picture: one layout for figures and widgets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Node(Protocol):
    """What a picture needs of a node: `records.MergeNode`, or one that is only planned."""

    @property
    def id(self) -> str: ...
    @property
    def children(self) -> Iterable[Node]: ...


def positions(roots: Iterable[Node]) -> dict[str, tuple[float, int]]:
    """(column, level) of every node by its id, children before their parent, trees from left to right.

    Leaves are on level 0 in columns 0, 1, 2 …; a parent is one level above its highest child, in the middle
    of its children's columns.

    >>> from collections import namedtuple
    >>> node = namedtuple("node", "id children")
    >>> positions([node("m1", [node("s1", []), node("s2", [])]), node("s3", [])])
    {'s1': (0.0, 0), 's2': (1.0, 0), 'm1': (0.5, 1), 's3': (2.0, 0)}
    """
    places: dict[str, tuple[float, int]] = {}
    leaves = 0

    def place(node: Node) -> tuple[float, int]:
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
