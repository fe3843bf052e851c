"""The merge strategies: which modules meet in which order, or how one module is made without an LLM.

    with the merger's LLM   progressive, pairwise, sequential, oneshot
    without                 concat, vote, select

Gates, audits and edits or rewriting hold for all that make a module; `select` only chooses one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from ..records import MergeNode, Module, Rule
from ..records.later import Later
from .context import Context
from .gates import gate_scores, mean_score
from .lineage import MergedRule, pooled, unite
from .merge import Plan, tasks_of, total_support
from .registry import merging, tree_of_merges
from .words import halved, tf_idf

_HIERARCHY = Later("scipy.cluster.hierarchy")

CLUSTERED_AT_ONCE = 512
"""More modules than this are halved first, likes together."""
VOTE_RULES = 24
"""Most rules that `vote` keeps: about as many as small models obey together."""
RARE_SLOTS = 6
"""Those of them that are kept free for rules only one module has."""


@merging(merges=tree_of_merges)
def progressive(ctx: Context, leaves: list[MergeNode]) -> Plan:
    """Related modules first: agglomerative clustering of their texts, `fan_in` children a node."""
    return related_first([leaf.module for leaf in leaves], ctx.settings.fan_in)


def related_first(modules: Sequence[Module], fan_in: int) -> Plan:
    """Complete-linkage clustering of the rules' TF-IDF vectors, as nested tuples of at most `fan_in`."""
    if fan_in < 2:
        raise ValueError(f"fan_in={fan_in} cannot merge anything; use fan_in >= 2")
    texts = [" ".join(rule.text for rule in module.rules) + " module" for module in modules]
    return _related_first(tf_idf(texts), np.arange(len(modules)), fan_in)


def _related_first(vectors: Any, numbers: np.ndarray, fan_in: int) -> Plan:
    """The plan for these rows; where they are many, clustering them would take the square of their number."""
    if len(numbers) > CLUSTERED_AT_ONCE:
        left = halved(vectors[numbers], len(numbers) // 2, np.random.default_rng(0))
        return tuple(_related_first(vectors, half, fan_in) for half in (numbers[left], numbers[~left]))
    root = _HIERARCHY.to_tree(_HIERARCHY.linkage(vectors[numbers].toarray(), "complete"))

    def plan(cluster) -> Plan:
        if cluster.is_leaf():
            return int(numbers[cluster.id])
        children = [cluster.left, cluster.right]
        while len(children) < fan_in and any(not child.is_leaf() for child in children):
            inner = [at for at, child in enumerate(children) if not child.is_leaf()]
            at = max(inner, key=lambda at: children[at].dist)
            children[at : at + 1] = [children[at].left, children[at].right]
        return tuple(plan(child) for child in children)

    return plan(root)


@merging(merges=tree_of_merges)
def pairwise(ctx: Context, leaves: list[MergeNode]) -> Plan:
    """A tournament: neighbours merge in the order given, `fan_in` at a time, round by round."""
    plans: list[Plan] = list(range(len(leaves)))
    width = ctx.settings.fan_in
    while len(plans) > 1:
        groups = [tuple(plans[at : at + width]) for at in range(0, len(plans), width)]
        plans = [group[0] if len(group) == 1 else group for group in groups]
    return plans[0]


@merging(merges=tree_of_merges)
def sequential(ctx: Context, leaves: list[MergeNode]) -> Plan:
    """A fold: the first modules merge, and what comes of it with the next `fan_in` - 1, to the last."""
    plan, step = 0, ctx.settings.fan_in - 1
    for at in range(1, len(leaves), step):
        plan = (plan, *range(at, min(at + step, len(leaves))))
    return plan


@merging
def oneshot(ctx: Context, leaves: list[MergeNode]) -> Plan:
    """All modules in one merge."""
    return tuple(range(len(leaves)))


@merging(asks_llm=False)
def concat(ctx: Context, leaves: list[MergeNode]) -> Module:
    """All rules of all modules, one after another, without an LLM."""
    return pooled([leaf.module for leaf in leaves])


@merging(asks_llm=False)
def vote(ctx: Context, leaves: list[MergeNode]) -> Module:
    """The rules most modules have, then the best supported, and some rare ones, without an LLM.

    Rules count as the same when their words are. At most `VOTE_RULES` are kept, `RARE_SLOTS` of them for
    rules that only one module has, the best of every module in turn.
    """
    modules = [leaf.module for leaf in leaves]
    same: dict[tuple[str, str], list[tuple[int, Rule]]] = {}
    for number, module in enumerate(modules):
        for component in module.components:
            for rule in component.rules:
                same.setdefault((component.name, _words(rule.text)), []).append((number, rule))
    ranked = sorted(same.items(), key=lambda item: _votes(item[1]), reverse=True)
    kept = [key for key, _ in ranked[: VOTE_RULES - RARE_SLOTS]]
    rare = [[key for key, held in ranked if {n for n, _ in held} == {number}] for number in range(len(modules))]
    in_turn = (key for row in zip_longest(*rare) for key in row if key is not None and key not in kept)
    rest = [key for key, _ in ranked if key not in kept]
    chosen = dict.fromkeys([*kept, *_first(in_turn, RARE_SLOTS), *rest])
    rules = [
        {"text": same[key][0][1].text, "from": [rule.id for _, rule in same[key]], "component": key[0]}
        for key in list(chosen)[:VOTE_RULES]
    ]
    return unite(modules, [MergedRule.model_validate(rule) for rule in rules], f"m1{ctx.suffix}")


@merging(asks_llm=False, needs_gate=True)
def select(ctx: Context, leaves: list[MergeNode]) -> MergeNode:
    """No merge: the module that is best on the gate split, of equals the better supported."""
    name = f"m1{ctx.suffix}"
    scores = list(map(mean_score, gate_scores(ctx, {f"{name}<{leaf.id}": leaf.module for leaf in leaves})))
    known = [-1.0 if np.isnan(score) else score for score in scores]
    best = max(range(len(leaves)), key=lambda number: (known[number], total_support(leaves[number])))
    return MergeNode(
        name, leaves[best].module, tuple(leaves), f"kept {leaves[best].id}", tasks=tasks_of(leaves),
        gate_score=scores[best],
    )  # fmt: skip


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _votes(held: Sequence[tuple[int, Rule]]) -> tuple[int, int]:
    """How many modules have the rule, and how many tasks speak for it, less those it was wrong on."""
    support = {task for _, rule in held for task in rule.support}
    return len({number for number, _ in held}), len(support) - sum(rule.wrong for _, rule in held)


def _first(keys: Iterable, most: int) -> list:
    return [key for _, key in zip(range(most), keys, strict=False)]
