"""The layout of merge trees: leaves side by side, parents above and in the middle of their children."""

from collections import namedtuple

import numpy as np

from fgo_kit.report.tree import positions

Node = namedtuple("Node", "id children")


def test_places_of_an_uneven_tree_by_hand():
    m1 = Node("m1", [Node("s1", []), Node("s2", [])])
    places = positions([Node("m2", [m1, Node("s3", [])])])
    assert places == {"s1": (0.0, 0), "s2": (1.0, 0), "m1": (0.5, 1), "s3": (2.0, 0), "m2": (1.25, 2)}


def grow(rng, depth, names):
    children = [grow(rng, depth - 1, names) for _ in range(rng.integers(0, 4))] if depth else []
    return Node(f"n{next(names)}", children)


def walk(node):
    yield node
    for child in node.children:
        yield from walk(child)


def test_no_two_nodes_share_a_place_and_parents_are_above_their_children():
    for seed in range(30):
        names = iter(range(10_000))
        roots = [grow(np.random.default_rng([seed, n]), 4, names) for n in range(3)]
        places, nodes = positions(roots), [node for root in roots for node in walk(root)]
        assert len(set(places.values())) == len(places) == len(nodes)
        leaves = [places[node.id] for node in nodes if not node.children]
        assert sorted(leaves) == [(float(at), 0) for at in range(len(leaves))]
        for node in nodes:
            assert all(places[child.id][1] < places[node.id][1] for child in node.children)
