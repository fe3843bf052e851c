"""How long a run takes and why: calls under way at once, and the longest chain of calls that wait for each other."""

from __future__ import annotations

from collections.abc import Sequence

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
    calls = calls[calls["turn"] >= 0]  # an agent's run that made them is none of its calls
    calls = calls if unit == "seconds" else calls.assign(seconds=1.0)
    calls = calls.replace({"phase": {"divide": "rollout", "evaluate": "rollout"}})  # evaluated when a rollout ends
    turns = calls.groupby(["phase", "subset", "epoch", "node", "task"])["seconds"].sum()
    stage = turns.groupby(["phase", "subset", "epoch", "node"]).max()
    chain = stage[stage.index.get_level_values("node") == ""].groupby("subset").sum()
    at_node = stage.drop("", level="node", errors="ignore")
    at_node = at_node.groupby(["phase", "epoch", "node"]).max().groupby("node").sum()  # subsets vote side by side
    at_node = at_node.groupby(at_node.index.str.split("<").str[0]).sum()
    length = 0.0
    for tree in trees:  # pass after pass: its subsets side by side, then its merges
        nodes = [node.id for node in tree.walk()]
        length += max(chain[chain.index.isin(nodes)], default=0.0) + _merging(tree, at_node)
        chain, at_node = chain[~chain.index.isin(nodes)], at_node[~at_node.index.isin(nodes)]
    return float(length + chain.sum() + at_node.sum())  # the rest is one thing after another


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


def _merging(node: MergeNode, at_node: pd.Series) -> float:
    waited = max((_merging(child, at_node) for child in node.children), default=0.0)
    return waited + (at_node.get(node.id, 0.0) if node.children else 0.0)
