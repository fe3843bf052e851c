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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
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
from .review import review
from .rewrite import rewritten
from .trimming import broken, trimmed
from .union import MERGE_SCHEMA, Draft, apply_merge_edits, read_merge_edits, union_of

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
        return finished(ctx, f"m1{ctx.suffix}", leaves, Draft(made), leaves)
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
    return _carry_out(ctx, _named(plan, leaves, names), leaves)


def _named(plan: Plan, leaves: Sequence[MergeNode], names: Iterator[str]) -> _Planned | MergeNode:
    if isinstance(plan, int | np.integer):
        return leaves[plan]
    children = tuple(_named(part, leaves, names) for part in plan)
    return children[0] if len(children) == 1 else _Planned(next(names), children)


def _carry_out(ctx: Context, node: _Planned | MergeNode, subsets: Sequence[MergeNode] = ()) -> MergeNode:
    if isinstance(node, MergeNode):
        return node
    children = ctx.meter.together([lambda child=child: _carry_out(ctx, child) for child in node.children])
    return merge_node(ctx, node.id, children, subsets)


def merge_node(
    ctx: Context, node_id: str, children: Sequence[MergeNode], subsets: Sequence[MergeNode] = ()
) -> MergeNode:
    """One merge: ask the merger, check its answer, let the subsets vote, audit it, and let the gate decide.

    subsets: those that vote on what comes of it, where the settings ask for a review: all, at the last merge.
    """
    make = _edited if ctx.settings.edits is True else _written_anew
    draft = ctx.meter.map(lambda kids: make(ctx, node_id, kids), [children])[0]
    if draft is None:
        edits = ctx.settings.edits  # a rewrite knows no support
        best = max(children, key=lambda child: (total_support(child), 0 if edits else len(child.module.rules)))
        return MergeNode(node_id, best.module, tuple(children), decision="failed", tasks=tasks_of(children))
    return finished(ctx, node_id, children, draft, subsets)


def finished(
    ctx: Context, node_id: str, children: Sequence[MergeNode], draft: Draft, subsets: Sequence[MergeNode] = ()
) -> MergeNode:
    """The node of a draft, however it was made: reviewed, audited, trimmed, and let through by the gate or not.

    What a single child became is compared with the module before it, a merge with its children.
    """
    votes, audited = (), ()
    ctx.know(draft.module)
    if ctx.settings.review and subsets:
        draft, votes = review(ctx, node_id, draft, subsets)
    candidate = draft.module
    if ctx.settings.audit:
        candidate, audited = audit(ctx, node_id, candidate, children)
    candidate = trimmed(ctx, candidate, pooled([child.module for child in children]), Place("merge", node=node_id))
    node = MergeNode(
        node_id, candidate, tuple(children), "failed" if draft.failed else "merged", candidate, audited=audited,
        tasks=tasks_of(children), rulings=draft.rulings, votes=votes,
    )  # fmt: skip
    rivals = children if len(children) > 1 else [MergeNode("before", ctx.before)]
    node = node if ctx.settings.gate == "none" else gated(ctx, node, rivals)
    best = max(rivals, key=total_support)
    return refused(ctx, node, best) if broken(ctx, node.module, best.module, node_id) else node


def _edited(ctx: Context, node_id: str, children: Sequence[MergeNode]) -> Draft:
    """The children's union as the merger edits it; as it is where no answer could be used."""
    union, place = union_of(ctx, children, node_id), Place("merge", node=node_id)
    messages = prompts.merge_union(union.module, union.found, counts=ctx.settings.cites)

    def adopt(text: str) -> tuple[Draft, list[str]]:
        edits = read_merge_edits(text, union.module)
        return union.ruled(*apply_merge_edits(union.module, edits.items, node_id, "merger")), edits.problems

    edited = _asked(ctx, messages, place, adopt, MERGE_SCHEMA)
    return replace(union, failed=True) if edited is None else edited


def _written_anew(ctx: Context, node_id: str, children: Sequence[MergeNode]) -> Draft | None:
    """The module that the merger writes, as a list with sources or as text; None where no answer could be used."""
    settings, modules = ctx.settings, [child.module for child in children]
    named = [(child.id, child.module) for child in children]
    messages = prompts.merge(named, counts=settings.cites, edits=bool(settings.edits))

    def adopt(text: str) -> tuple[Draft, list[str]]:
        if not settings.edits:
            return Draft(rewritten(pooled(modules), text, node_id, node_id)), []
        merged = read_merged(text, pooled(modules))
        return Draft(unite(modules, merged.items, node_id)), merged.problems

    return _asked(ctx, messages, Place("merge", node=node_id), adopt, MERGED_SCHEMA if settings.edits else None)


def _asked(
    ctx: Context, messages: list[dict[str, str]], place: Place, adopt: Callable, schema: dict | None
) -> Draft | None:
    try:
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
