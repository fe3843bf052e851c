"""Gates and audits: whether a candidate module may replace what it was made of, and which rules it must lose.

    none   every candidate is taken
    hard   not one that is worse on the gate split than the better child
    soft   not one that is worse beyond noise
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..calls.meter import Place
from ..records import MergeNode, Module, Rule, Trajectory
from .rollout import Context, count_uses, rollouts

GATES = {
    "none": "Every candidate is taken.",
    "hard": "A candidate that is worse on the gate split than the better child is refused.",
    "soft": "A candidate that is worse by more than noise is refused (one-sided 5 %).",
}
SOFT_Z = 1.645
"""Soft gate: refuse when the candidate is worse by more than this many standard errors (one-sided 5 %)."""


def audit(
    ctx: Context, node_id: str, candidate: Module, children: Sequence[MergeNode]
) -> tuple[Module, tuple[str, ...]]:
    """Roll the candidate out on up to `audit` training tasks of the children and count uses again.

    Returns the module without the rules that did harm here, and their ids: those that were wrong more often than
    right, unless the tasks that used them score better in sum than when they were last explored without them. Hard
    tasks fail with a good rule, too; that alone does not speak against it.
    """
    by_id = {task.id: task for task in ctx.bench.train}
    task_ids = list(dict.fromkeys(task_id for child in children for task_id in child.tasks))
    rng = np.random.default_rng([ctx.seed, *node_id.encode()])
    chosen = rng.permutation(len(task_ids))[: ctx.settings.audit]
    tasks = [by_id[task_ids[i]] for i in sorted(chosen)]
    trajectories = rollouts(ctx, candidate, tasks, Place("audit", node=node_id))
    seen = count_uses(candidate.map_rules(lambda rule: replace(rule, right=0, wrong=0)), trajectories)
    doubtful = {rule.id: _line(rule, children) for rule in seen.rules if rule.wrong > rule.right}
    harmful = tuple(rule_id for rule_id, line in doubtful.items() if _gained(ctx, trajectories, rule_id, line) <= 0)
    counted = count_uses(candidate, trajectories)
    kept = {c.name: tuple(r for r in c.rules if r.id not in harmful) for c in counted.components}
    return counted.with_rules(kept), harmful


def _line(rule: Rule, children: Sequence[MergeNode]) -> set[str]:
    """The rule's id, and those of all rules below that it comes from."""
    parents = {one.id: one.parents for child in children for node in child.walk() for one in node.module.rules}
    line, todo = {rule.id}, list(rule.parents)
    while todo:
        one = todo.pop()
        if one not in line:
            line.add(one)
            todo += parents.get(one, ())
    return line


def _gained(ctx: Context, trajectories: Sequence[Trajectory], rule_id: str, line: set[str]) -> float:
    """How much better the tasks that cite a rule score in sum than when last explored without any of its line."""
    explored = sorted((j for j in list(ctx.record) if j.place.phase == "rollout"), key=lambda j: j.place.epoch)
    before = {
        j.trajectory.task_id: j.trajectory.score
        for j in explored if j.trajectory.ok and line.isdisjoint(j.trajectory.cited)
    }  # fmt: skip
    citing = [t for t in trajectories if t.ok and rule_id in t.cited and t.task_id in before]
    return sum(trajectory.score - before[trajectory.task_id] for trajectory in citing)


def gated(ctx: Context, node: MergeNode) -> MergeNode:
    """The node after its gate: the candidate, or the better child where the candidate is refused."""
    candidate = gate_scores(ctx, node.module, node.id)
    of_child = [gate_scores(ctx, child.module, f"{node.id}<{child.id}") for child in node.children]
    best = max(range(len(of_child)), key=lambda i: mean_score(of_child[i]))
    node = replace(node, candidate_gate_score=mean_score(candidate))
    if accepts(ctx.settings.gate, candidate, of_child[best]):
        return replace(node, gate_score=mean_score(candidate))
    child = node.children[best]
    return replace(node, module=child.module, decision=f"kept {child.id}", gate_score=mean_score(of_child[best]))


def gate_scores(ctx: Context, module: Module, node_id: str) -> np.ndarray:
    """Scores on the gate split, NaN where a call failed. Raises ValueError if the split is empty."""
    if not ctx.bench.gate:
        chosen = f"gate={ctx.settings.gate!r}" if ctx.settings.gate != "none" else f"merge={ctx.settings.merge!r}"
        raise ValueError(f"{chosen} needs gate tasks and {ctx.bench.name} has none; use gate='none' and another merge")
    return np.array([t.score for t in rollouts(ctx, module, ctx.bench.gate, Place("gate", node=node_id))])


def accepts(gate: str, candidate: np.ndarray, incumbent: np.ndarray) -> bool:
    """Whether a gate lets a candidate replace the incumbent, from paired scores on the gate tasks.

    >>> accepts("hard", np.array([1, 0, 0]), np.array([1, 1, 0]))
    False
    """
    difference = candidate - incumbent
    difference = difference[~np.isnan(difference)]
    if gate == "none" or not len(difference) or difference.mean() >= 0:
        return True
    if gate == "hard" or len(difference) < 2:
        return False
    return bool(difference.mean() + SOFT_Z * difference.std(ddof=1) / np.sqrt(len(difference)) >= 0)


def mean_score(scores: np.ndarray) -> float:
    """Mean without the failed calls; NaN without any score."""
    return float(np.nanmean(scores)) if np.isfinite(scores).any() else float("nan")
