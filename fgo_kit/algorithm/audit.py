"""Audits: which rules a merged module must lose, because they do harm on training tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..calls.log import Place
from ..records import MergeNode, Module, Rule, Trajectory
from .context import Context
from .rollout import count_uses, rollouts


def audit(
    ctx: Context, node_id: str, candidate: Module, children: Sequence[MergeNode]
) -> tuple[Module, tuple[str, ...]]:
    """Roll the candidate out on up to `audit` training tasks of the children and count uses again.

    Returns the module without the rules that did harm here, and their ids: those that were wrong more often than
    right, unless the tasks that used them score better in sum than when they were last explored without them. Hard
    tasks fail with a good rule, too; that alone does not speak against it.
    """
    trajectories = rollouts(ctx, candidate, _chosen_tasks(ctx, node_id, children), Place("audit", node=node_id))
    seen = count_uses(candidate.map_rules(lambda rule: replace(rule, right=0, wrong=0)), trajectories)
    doubtful = {rule.id: _lineage(rule, children) for rule in seen.rules if rule.wrong > rule.right}
    harmful = tuple(
        rule_id for rule_id, lineage in doubtful.items() if _gained(ctx, trajectories, rule_id, lineage) <= 0
    )
    counted = count_uses(candidate, trajectories)
    kept = {c.name: tuple(rule for rule in c.rules if rule.id not in harmful) for c in counted.components}
    return counted.with_rules(kept), harmful


def _chosen_tasks(ctx: Context, node_id: str, children: Sequence[MergeNode]) -> list:
    task_ids = list(dict.fromkeys(task_id for child in children for task_id in child.tasks))
    rng = np.random.default_rng([ctx.seed, *node_id.encode()])
    chosen = rng.permutation(len(task_ids))[: ctx.settings.audit]
    return [ctx.train[task_ids[number]] for number in sorted(chosen)]


def _lineage(rule: Rule, children: Sequence[MergeNode]) -> set[str]:
    """The rule's id, and those of all rules below that it comes from."""
    below = (rule for child in children for node in child.walk() for rule in node.module.rules)
    parents = {ancestor.id: ancestor.parents for ancestor in below}
    lineage, todo = {rule.id}, list(rule.parents)
    while todo:
        parent = todo.pop()
        if parent not in lineage:
            lineage.add(parent)
            todo += parents.get(parent, ())
    return lineage


def _gained(ctx: Context, trajectories: Sequence[Trajectory], rule_id: str, lineage: set[str]) -> float:
    """How much better the tasks that cite a rule score in sum than when last explored without any of its lineage."""
    explored = sorted((j for j in list(ctx.record) if j.place.phase == "rollout"), key=lambda j: j.place.epoch)
    before = {
        j.trajectory.task_id: j.trajectory.score
        for j in explored if j.trajectory.ok and lineage.isdisjoint(j.trajectory.cited)
    }  # fmt: skip
    citing = [t for t in trajectories if t.ok and rule_id in t.cited and t.task_id in before]
    return sum(trajectory.score - before[trajectory.task_id] for trajectory in citing)
