"""Merge: modules -> one module and the tree of how it came about. The strategies are in `merge_strategies`.

A strategy is `f(ctx, leaves)`; `merging` puts it in the registry, from there or from a notebook cell. Most
only plan a tree and return it as nested tuples of leaf numbers, which `merge_tree` carries out; one that
needs no LLM returns the merged module; any other returns the `MergeNode` it made:

    @merging
    def first_two_first(ctx, leaves):
        "The first two modules, then all others at once."
        return ((0, 1), *range(2, len(leaves)))

The merger answers with rules that name the child rules they come from; Python checks the ids, unites
support exactly, and the gate decides whether the candidate replaces the better child.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
from pydantic import BaseModel, Field

from ..calls.meter import Place
from ..calls.protocol import BadRequest, ContextOverflow
from ..records import MergeNode, Module, Rule
from . import prompts
from .gates import audit, gated
from .optimize import RuleText, ask_checked, parse, rewritten
from .rollout import Context

Plan = int | tuple["Plan", ...]
Strategy = Callable[[Context, list[MergeNode]], Plan | Module | MergeNode]
MERGES: dict[str, Strategy] = {}


class MergedRule(BaseModel):
    """One rule of the merged module, as the merger writes it."""

    text: RuleText
    sources: list[str] = Field(alias="from", min_length=1)
    component: str = ""


class Merged(BaseModel):
    """The merger's whole answer."""

    rules: list[MergedRule]


MERGED_SCHEMA = Merged.model_json_schema(by_alias=True)


def merging(strategy: Strategy) -> Strategy:
    """Register a merge strategy under its function name (decorator)."""
    MERGES[strategy.__name__] = strategy
    return strategy


def merge(ctx: Context, leaves: Sequence[MergeNode], strategy: str) -> MergeNode:
    """Merge the leaves by a named strategy; one leaf is returned as it is.

    Raises ValueError for an unknown strategy and for a plan that does not hold every leaf once.
    """
    if strategy not in MERGES:
        raise ValueError(f"merge={strategy!r} is unknown; use one of {sorted(MERGES)} or register your own")
    if not leaves:
        raise ValueError("there are no modules to merge")
    if len(leaves) == 1:
        return leaves[0]
    found = MERGES[strategy](ctx, list(leaves))
    if isinstance(found, MergeNode):
        return found
    if isinstance(found, Module):
        return finished(ctx, f"m1{ctx.suffix}", tuple(leaves), found)
    named = _leaves_of(found)
    if len(named) != len(leaves) or set(named) != set(range(len(leaves))):
        raise ValueError(
            f"merge={strategy!r} planned {found!r:.200}; a plan holds every leaf number from 0 to {len(leaves) - 1} "
            "once, as nested tuples"
        )
    return merge_tree(ctx, leaves, found)


def _leaves_of(plan: Plan) -> list[int]:
    return [number for part in plan for number in _leaves_of(part)] if isinstance(plan, tuple | list) else [plan]


def related_first(modules: Sequence[Module], fan_in: int) -> Plan:
    """Complete-linkage clustering of the rules' TF-IDF vectors, as nested tuples of at most `fan_in`."""
    from scipy.cluster.hierarchy import linkage, to_tree  # here, because importing them takes a second
    from sklearn.feature_extraction.text import TfidfVectorizer

    if fan_in < 2:
        raise ValueError(f"fan_in={fan_in} cannot merge anything; use fan_in >= 2")
    texts = [" ".join(rule.text for rule in module.rules) + " module" for module in modules]
    vectors = TfidfVectorizer(sublinear_tf=True).fit_transform(texts).toarray()
    root = to_tree(linkage(vectors, "complete"))

    def plan(cluster) -> Plan:
        if cluster.is_leaf():
            return cluster.id
        children = [cluster.left, cluster.right]
        while len(children) < fan_in and any(not child.is_leaf() for child in children):
            inner = [at for at, child in enumerate(children) if not child.is_leaf()]
            at = max(inner, key=lambda at: children[at].dist)
            children[at : at + 1] = [children[at].left, children[at].right]
        return tuple(plan(child) for child in children)

    return plan(root)


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
    """The node of a candidate, however it was made: audited, and accepted or refused by the gate."""
    audited: tuple[str, ...] = ()
    if ctx.settings.audit:
        candidate, audited = audit(ctx, node_id, candidate, children)
    node = MergeNode(node_id, candidate, children, "merged", candidate, audited=audited, tasks=tasks_of(children))
    return node if ctx.settings.gate == "none" else gated(ctx, node)


def _candidate(ctx: Context, node_id: str, children: tuple[MergeNode, ...]) -> Module | None:
    """The merged module; None when no answer could be used or the prompt was refused, e.g. as too long."""
    settings, place = ctx.settings, Place("merge", node=node_id)
    modules = [child.module for child in children]
    named = [(child.id, child.module) for child in children]
    messages = prompts.merge(named, counts=settings.counts or settings.audit > 0, edits=settings.edits)

    def adopt(text: str) -> Module:
        if settings.edits:
            return unite(modules, parse(Merged, text), node_id)
        return rewritten(pooled(modules), text, node_id, node_id)

    try:
        return ask_checked(ctx, messages, place, adopt, MERGED_SCHEMA if settings.edits else None)
    except (BadRequest, ContextOverflow):
        return None


def pooled(modules: Sequence[Module]) -> Module:
    """All rules of all modules in order; a rule that several children share stands once, its record united."""
    first = modules[0]
    rules: dict[str, dict[str, Rule]] = {component.name: {} for component in first.components}
    for module in modules:
        for component in module.components:
            listed = rules[component.name]
            for rule in component.rules:
                listed[rule.id] = _join(listed[rule.id], rule) if rule.id in listed else rule
    return first.with_rules({name: tuple(listed.values()) for name, listed in rules.items()})


def _join(a: Rule, b: Rule) -> Rule:
    support = tuple(dict.fromkeys((*a.support, *b.support)))
    return replace(a, support=support, right=a.right + b.right, wrong=a.wrong + b.wrong)


def unite(modules: Sequence[Module], merged: Merged, node_id: str) -> Module:
    """The merger's rules with exact lineage: support is the union and uses are the sum over the sources.

    A rule taken over word for word from one source keeps its id. ValueError names every unknown id.
    """
    pool = pooled(modules)
    known = {rule.id: rule for rule in pool.rules}
    home = {rule.id: component.name for component in pool.components for rule in component.rules}
    _check_sources(merged, known, [component.name for component in pool.components])
    rules: dict[str, list[Rule]] = {component.name: [] for component in pool.components}
    kept: set[str] = set()
    for number, written in enumerate(merged.rules, 1):
        sources = tuple(dict.fromkeys(written.sources))
        joined = known[sources[0]]
        for source in sources[1:]:
            joined = _join(joined, known[source])
        same = len(sources) == 1 and joined.text == written.text and joined.id not in kept
        if same:
            kept.add(joined.id)
        else:
            joined = replace(joined, id=f"{node_id}.{number}", text=written.text, parents=sources, origin=node_id)
        rules[written.component or home[sources[0]]].append(joined)
    return pool.with_rules({name: tuple(listed) for name, listed in rules.items()})


def _check_sources(merged: Merged, known: dict[str, Rule], names: list[str]) -> None:
    wrong = []
    for number, written in enumerate(merged.rules, 1):
        unknown = [source for source in written.sources if source not in known]
        if unknown:
            wrong.append(f"rule {number}: 'from' names rules that were not shown: {unknown[:5]}")
        if written.component and written.component not in names:
            wrong.append(f"rule {number}: no component {written.component!r}; the components are {names}")
    if known and not merged.rules:
        wrong.append("no rules: a merge of modules with rules cannot be empty")
    if wrong:
        raise ValueError("\n".join(wrong))


def tasks_of(children: Sequence[MergeNode]) -> tuple[str, ...]:
    """The training tasks below these nodes."""
    return tuple(task_id for child in children for task_id in child.tasks)


def total_support(node: MergeNode) -> int:
    """How many times a training task speaks for a rule of the node's module."""
    return sum(len(rule.support) for rule in node.module.rules)
