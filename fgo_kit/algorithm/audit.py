"""Audits: which rules a merged module must lose, because they do harm on training tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..calls.log import Place
from ..records import MergeNode, Module
from .context import Context
from .rollout import count_uses, rollouts, uncounted


def audit(
    ctx: Context, node_id: str, candidate: Module, children: Sequence[MergeNode]
) -> tuple[Module, tuple[str, ...]]:
    """Roll the candidate out on up to `audit` training tasks of the children and count uses again.

    Returns the module without the rules that did harm here, and their ids: those that were wrong more often than
    right, unless the tasks that used them were right more often than when they were last explored without them. Hard
    tasks fail with a good rule, too; that alone does not speak against it.
    """
    trajectories = rollouts(ctx, candidate, _chosen_tasks(ctx, node_id, children), Place("audit", node=node_id))
    seen = count_uses(ctx, candidate.map_rules(uncounted), trajectories)
    harmful = tuple(rule.id for rule in seen.rules if rule.wrong > rule.right and rule.right <= rule.without)
    counted = count_uses(ctx, candidate, trajectories)
    kept = {c.name: tuple(rule for rule in c.rules if rule.id not in harmful) for c in counted.components}
    return counted.with_rules(kept), harmful


def _chosen_tasks(ctx: Context, node_id: str, children: Sequence[MergeNode]) -> list:
    task_ids = list(dict.fromkeys(task_id for child in children for task_id in child.tasks))
    rng = np.random.default_rng([ctx.seed, *node_id.encode()])
    chosen = rng.permutation(len(task_ids))[: ctx.settings.audit]
    return [ctx.train[task_ids[number]] for number in sorted(chosen)]
