"""Merge: modules -> one module and the tree of how it came about. The strategies are in `merge_strategies`.

A strategy is `f(ctx, leaves)`; `merging` puts it in the registry, from there or from a notebook cell. Most only plan
a tree and return it as nested tuples of leaf numbers, which `merge_tree` carries out; one that needs no LLM returns
the merged module; any other returns the `MergeNode` it made:

    @merging
    def first_two_first(ctx, leaves):
        "The first two modules, then all others at once."
        return ((0, 1), *range(2, len(leaves)))
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from ..calls.log import Place
from ..calls.protocol import ContextOverflow
from ..records import MergeNode, Module
from . import prompts
from .audit import audit
from .context import Context
from .gates import gated, refused
from .lineage import MERGED_SCHEMA, pooled, read_merged, unite
from .optimize import ask_checked
from .registry import MERGES
from .rewrite import rewritten
from .trimming import broken, trimmed

Plan = int | tuple["Plan", ...]


def merge(ctx: Context, leaves: Sequence[MergeNode], strategy: str) -> MergeNode:
    """Merge the leaves by a named strategy; one leaf is returned as it is.

    Raises ValueError for an unknown strategy and for a plan that does not hold every leaf once.
    """
    chosen = MERGES.named(strategy)
    if not leaves:
        raise ValueError("there are no modules to merge")
    if len(leaves) == 1:
        return leaves[0]
    made = chosen(ctx, list(leaves))
    if isinstance(made, MergeNode):
        return made
    if isinstance(made, Module):
        return finished(ctx, f"m1{ctx.suffix}", tuple(leaves), made)
    named = _leaves_of(made)
    if len(named) != len(leaves) or set(named) != set(range(len(leaves))):
        raise ValueError(
            f"merge={strategy!r} planned {made!r:.200}; a plan holds every leaf number from 0 to {len(leaves) - 1} "
            "once, as nested tuples"
        )
    return merge_tree(ctx, leaves, made)


def _leaves_of(plan: Plan) -> list[int]:
    return [number for part in plan for number in _leaves_of(part)] if isinstance(plan, tuple | list) else [plan]


@dataclass(frozen=True)
class _Planned:
    """A node of the plan with its id, given before anything runs so that ids do not depend on timing."""

    id: str
    children: tuple[_Planned | MergeNode, ...]


def merge_tree(ctx: Context, leaves: Sequence[MergeNode], plan: Plan) -> MergeNode:
    """Carry out a plan: every node starts as soon as its own children are ready."""
    names = (f"m{number}{ctx.suffix}" for number in count(1))
    return _carry_out(ctx, _named(plan, leaves, names))


def _named(plan: Plan, leaves: Sequence[MergeNode], names: Iterator[str]) -> _Planned | MergeNode:
    if isinstance(plan, int | np.integer):
        return leaves[plan]
    children = tuple(_named(part, leaves, names) for part in plan)
    return children[0] if len(children) == 1 else _Planned(next(names), children)


def _carry_out(ctx: Context, node: _Planned | MergeNode) -> MergeNode:
    if isinstance(node, MergeNode):
        return node
    children = ctx.meter.together([lambda child=child: _carry_out(ctx, child) for child in node.children])
    return merge_node(ctx, node.id, tuple(children))


def merge_node(ctx: Context, node_id: str, children: tuple[MergeNode, ...]) -> MergeNode:
    """One merge: ask the merger, check its answer, audit it, and let the gate decide."""
    candidate = ctx.meter.map(lambda kids: _candidate(ctx, node_id, kids), [children])[0]
    if candidate is None:
        edits = ctx.settings.edits  # a rewrite knows no support
        best = max(children, key=lambda child: (total_support(child), 0 if edits else len(child.module.rules)))
        return MergeNode(node_id, best.module, children, decision="failed", tasks=tasks_of(children))
    return finished(ctx, node_id, children, candidate)


def finished(ctx: Context, node_id: str, children: tuple[MergeNode, ...], candidate: Module) -> MergeNode:
    """The node of a candidate, however it was made: audited, trimmed, accepted or refused by gate and `must_pass`."""
    audited: tuple[str, ...] = ()
    if ctx.settings.audit:
        candidate, audited = audit(ctx, node_id, candidate, children)
    candidate = trimmed(ctx, candidate, pooled([child.module for child in children]), Place("merge", node=node_id))
    node = MergeNode(node_id, candidate, children, "merged", candidate, audited=audited, tasks=tasks_of(children))
    node = node if ctx.settings.gate == "none" else gated(ctx, node)
    best = max(children, key=total_support)
    return refused(ctx, node, best) if broken(ctx, node.module, best.module, node_id) else node


def _candidate(ctx: Context, node_id: str, children: tuple[MergeNode, ...]) -> Module | None:
    """The merged module; None when no answer could be used or the prompt was refused, e.g. as too long."""
    settings, place = ctx.settings, Place("merge", node=node_id)
    modules = [child.module for child in children]
    named = [(child.id, child.module) for child in children]
    messages = prompts.merge(named, counts=settings.cites, edits=settings.edits)

    def adopt(text: str) -> tuple[Module, list[str]]:
        if not settings.edits:
            return rewritten(pooled(modules), text, node_id, node_id), []
        merged = read_merged(text, pooled(modules))
        return unite(modules, merged.items, node_id), merged.problems

    try:
        schema = MERGED_SCHEMA if settings.edits else None
        return ask_checked(ctx, "merger", messages, place, adopt, schema, whole=True)
    except ContextOverflow as error:
        ctx.meter.outcome(place, "failed", error)
        return None


def tasks_of(children: Sequence[MergeNode]) -> tuple[str, ...]:
    """The training tasks below these nodes."""
    return tuple(task_id for child in children for task_id in child.tasks)


def total_support(node: MergeNode) -> int:
    """How many times a training task speaks for a rule of the node's module."""
    return sum(len(rule.support) for rule in node.module.rules)
