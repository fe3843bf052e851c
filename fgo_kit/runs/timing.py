"""How long a run takes and why: calls under way at once, and the longest chain of calls that wait for each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ..records import MergeNode
from ..records.later import pandas as pd

UNITS = ("seconds", "calls")
LATENCY, WORKERS = 2.0, 16  # seconds a call and calls at a time, at which runs are said to take so long


def concurrency(calls: pd.DataFrame) -> float:
    """Mean number of calls under way over a run, from its paid calls (rows of `CallLog.calls`); NaN without any."""
    calls = calls[calls["paid"]]
    span = calls["end"].max() - calls["start"].min() if len(calls) else 0.0
    return float(calls["seconds"].sum() / span) if span > 0 else float("nan")


def critical_path(calls: pd.DataFrame, trees: Sequence[MergeNode], unit: str = "seconds") -> float:
    """The longest chain of a run's calls that wait for each other: its length with unlimited workers.

    calls: rows of `CallLog.calls`; trees: one merge tree a pass. unit: "seconds", or "calls", were all equally long.
    """
    if unit not in UNITS:
        raise ValueError(f"unit={unit!r} is unknown; use one of {UNITS}")
    own = calls[calls["turn"] >= 0]  # an agent's run that made them is none of its calls
    phases = own["phase"].replace(["divide", "evaluate"], "rollout")  # evaluated when a rollout ends
    lengths = own["seconds"] if unit == "seconds" else [1.0] * len(own)
    turns, stages, chain, at_node = (Counter[Any]() for _ in range(4))
    for *at, length in zip(phases, own["subset"], own["epoch"], own["node"], own["task"], lengths, strict=True):
        turns[tuple(at)] += length
    for (phase, subset, epoch, node, _), length in turns.items():
        stage = phase, "" if node else subset, epoch, node  # subsets vote side by side
        stages[stage] = max(stages[stage], length)
    for (_, subset, _, node), length in stages.items():
        (at_node if node else chain)[node.split("<")[0] or subset] += length
    total = 0.0
    for tree in trees:  # pass after pass: its subsets side by side, then its merges
        nodes = [node.id for node in tree.walk()]
        total += max((chain.pop(name, 0.0) for name in nodes), default=0.0) + _merging(tree, at_node)
        for name in nodes:
            at_node.pop(name, None)
    return float(total + chain.total() + at_node.total())  # the rest is one thing after another


def seconds_with(calls, chain, workers: float = WORKERS):
    """How long a run's calls take at most, were each `LATENCY` long: those of the chain wait, the others are spread.

    calls, chain: numbers, or columns of a table. workers: calls at a time; infinitely many leave the chain alone.

    >>> seconds_with(805, 5), seconds_with(805, 5, float("inf"))
    (110.0, 10.0)
    """
    return LATENCY * (chain + (calls - chain) / workers)


def path_in_words(calls: int, chain: float) -> str:
    """The critical path of so many calls, and how long it and all of them take at one latency.

    >>> path_in_words(805, 5)
    'critical path 5 of 805 calls (10 s at 2 s each; 110 s with 16 workers)'
    """
    least, most = (f"{seconds_with(calls, chain, workers):,.0f} s" for workers in (float("inf"), WORKERS))
    times = f"{least} at {LATENCY:g} s each; {most} with {WORKERS} workers"
    return f"critical path {chain:.0f} of {calls:,} calls ({times})"


def _merging(node: MergeNode, at_node: Mapping[str, float]) -> float:
    waited = max((_merging(child, at_node) for child in node.children), default=0.0)
    return waited + (at_node.get(node.id, 0.0) if node.children else 0.0)
