"""Gates: whether a candidate module may replace what it was made of, by its scores on the gate split.

A gate is `f(difference) -> bool`, from the paired differences of candidate and incumbent on the gate tasks that both
have a score on; `gate` puts it in the registry. It is asked only where there is such a task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..calls.log import Place
from ..records import MergeNode, Module
from .context import Context
from .registry import GATES, gate
from .rollout import rollouts

SOFT_Z = 1.645
"""Soft gate: refuse when the candidate is worse by more than this many standard errors (one-sided 5 %)."""


@gate
def none(difference: np.ndarray) -> bool:
    """Every candidate is taken."""
    return True


@gate(needs_gate=True)
def hard(difference: np.ndarray) -> bool:
    """A candidate that is worse on the gate split than the better child is refused."""
    return bool(difference.mean() >= 0)


@gate(needs_gate=True)
def soft(difference: np.ndarray) -> bool:
    """A candidate that is worse by more than noise is refused (one-sided 5 %)."""
    if difference.mean() >= 0 or len(difference) < 2:
        return hard(difference)
    return bool(difference.mean() + SOFT_Z * difference.std(ddof=1) / np.sqrt(len(difference)) >= 0)


def accepts(name: str, candidate: np.ndarray, incumbent: np.ndarray) -> bool:
    """Whether the gate called `name` lets a candidate replace the incumbent, from paired scores on the gate tasks.

    >>> accepts("hard", np.array([1, 0, 0]), np.array([1, 1, 0]))
    False
    """
    difference = candidate - incumbent
    difference = difference[~np.isnan(difference)]
    return not len(difference) or GATES.named(name)(difference)


def gated(ctx: Context, node: MergeNode, rivals: Sequence[MergeNode]) -> MergeNode:
    """The node after its gate: the candidate, or the best rival where the candidate is refused."""
    modules = {node.id: node.module} | {f"{node.id}<{rival.id}": rival.module for rival in rivals}
    candidate, *of_rival = gate_scores(ctx, modules)
    best = max(range(len(of_rival)), key=lambda number: mean_score(of_rival[number]))
    node = replace(node, candidate_gate_score=mean_score(candidate))
    if accepts(ctx.settings.gate, candidate, of_rival[best]):
        return replace(node, gate_score=mean_score(candidate))
    return refused(ctx, node, rivals[best], mean_score(of_rival[best]))


def refused(ctx: Context, node: MergeNode, child: MergeNode, score: float = float("nan")) -> MergeNode:
    """The node with a child's module in the place of its candidate, whose new rules are remembered as rejected."""
    reject(ctx, node.module, child.module)
    return replace(node, module=child.module, decision=f"kept {child.id}", gate_score=score)


def reject(ctx: Context, candidate: Module, incumbent: Module) -> None:
    """Remember the rules that a refused candidate would have brought."""
    known = {rule.text for rule in incumbent.rules}
    ctx.rejected.extend(rule.text for rule in candidate.rules if rule.text not in known)


def gate_scores(ctx: Context, modules: Mapping[str, Module]) -> list[np.ndarray]:
    """Scores on the gate split of modules that are named as nodes, side by side; NaN where a call failed.

    ValueError where the split is empty.
    """
    if not ctx.bench.gate:
        chosen = f"gate={ctx.settings.gate!r}" if ctx.settings.gate != "none" else f"merge={ctx.settings.merge!r}"
        raise ValueError(f"{chosen} needs gate tasks and {ctx.bench.name} has none; use gate='none' and another merge")

    def scores(name: str) -> np.ndarray:
        return np.array([t.score for t in rollouts(ctx, modules[name], ctx.bench.gate, Place("gate", node=name))])

    return ctx.meter.together([lambda name=name: scores(name) for name in modules])


def mean_score(scores: np.ndarray) -> float:
    """Mean without the failed calls; NaN without any score."""
    return float(np.nanmean(scores)) if np.isfinite(scores).any() else float("nan")
