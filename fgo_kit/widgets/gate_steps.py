"""Merging by hand: modules scored on gate tasks, and what the scores say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..algorithm.merge import total_support
from ..algorithm.rollout import rollouts
from ..calls.log import Place
from ..records import MergeNode, Task, digest
from .merging_by_hand import Decision, Desk, Evaluation, Merging

K_GATE = 20
"""Gate tasks that a module is scored on where nobody says how many."""


def evaluate(desk: Desk, state: Merging, decision: Decision) -> Merging:
    """Score the node's module, and those of its children, on the first k gate tasks."""
    tasks, nodes = to_score(desk, state, decision)
    ctx, evaluations = desk.context(), list(state.evaluations)
    for node in nodes:
        version = digest(str(node.module))
        place = Place("gate", node=f"{decision.node}<{node.id}@{version[:6]}")
        trajectories = rollouts(ctx, node.module, tasks, place)
        evaluations.append(Evaluation(node.id, version, tuple((t.task_id, t.score) for t in trajectories)))
    return replace(state, evaluations=tuple(evaluations), current=decision.node)


def to_score(desk: Desk, state: Merging, decision: Decision) -> tuple[tuple[Task, ...], list[MergeNode]]:
    """The first k gate tasks (`K_GATE`, or all there are, for k=0), and the nodes to score on them: the one named,
    and its children unless they were scored on these before. ValueError when there are not so many tasks."""
    gate, k, node = desk.bench.gate, decision.k, state.node(decision.node)
    if not gate:
        raise ValueError(f"{desk.bench.name} has no gate tasks to evaluate on; load it with a gate split")
    if not 0 <= k <= len(gate):
        raise ValueError(f"k={k} is not allowed; {desk.bench.name} has {len(gate)} gate tasks")
    tasks = gate[: k or K_GATE]
    known = {(e.module, len(e.scores)) for e in state.evaluations}
    unknown = [child for child in node.children if (digest(str(child.module)), len(tasks)) not in known]
    return tasks, [*unknown, node]


def better_child(state: Merging, node: MergeNode) -> MergeNode:
    """By gate score where every child was evaluated, else by total support."""
    evaluations = [state.evaluation(child.module) for child in node.children]
    if all(evaluations):
        return node.children[int(np.argmax(np.nan_to_num([e.mean for e in evaluations], nan=-1.0)))]
    return max(node.children, key=total_support)


def flips(state: Merging, node: MergeNode) -> tuple[str, list[str], list[str]]:
    """(what the last evaluation is compared with, tasks it gets right now, tasks it no longer gets right).

    Compared with the node's own last version that was evaluated on these tasks, else with its better child.
    """
    now = state.evaluation(node.module)
    if now is None:
        return "", [], []
    older = [e for e in state.evaluations if e.node == node.id and e.module != now.module]
    children = [e for child in node.children if (e := state.evaluation(child.module))]
    before = older[-1] if older else max(children, key=lambda e: e.mean, default=None)
    if before is None:
        return "", [], []
    was = dict(before.scores)
    shared = [(task, score, was[task]) for task, score in now.scores if task in was]
    name = "its version before" if older else before.node
    return name, [task for task, new, old in shared if new > old], [task for task, new, old in shared if new < old]
