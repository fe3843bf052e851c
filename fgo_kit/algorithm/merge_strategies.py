"""The merge strategies: which modules meet in which order, or how one module is made without an LLM.

    with the merger's LLM   progressive, pairwise, sequential, oneshot
    without                 concat, vote, select

Gates, audits and edits or rewriting hold for all that make a module; `select` only chooses one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest

import numpy as np

from ..records import MergeNode, Module, Rule
from .gates import gate_scores, mean_score
from .merge import Merged, Plan, merging, pooled, related_first, tasks_of, total_support, unite
from .rollout import Context

VOTE_RULES = 24
"""Most rules that `vote` keeps: about as many as small models obey together."""
RARE_SLOTS = 6
"""Those of them that are kept free for rules only one module has."""


@merging
def progressive(ctx: Context, leaves: list[MergeNode]) -> Plan:
    """Related modules first: agglomerative clustering of their texts, `fan_in` children a node."""
    return related_first([leaf.module for leaf in leaves], ctx.settings.fan_in)


@merging
def pairwise(ctx: Context, leaves: list[MergeNode]) -> Plan:
    """A tournament: neighbours merge in the order given, `fan_in` at a time, round by round."""
    plans, width = list(range(len(leaves))), ctx.settings.fan_in
    while len(plans) > 1:
        groups = [tuple(plans[at : at + width]) for at in range(0, len(plans), width)]
        plans = [group if len(group) > 1 else group[0] for group in groups]
    return plans[0]


@merging
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


@merging
def concat(ctx: Context, leaves: list[MergeNode]) -> Module:
    """All rules of all modules, one after another, without an LLM."""
    return pooled([leaf.module for leaf in leaves])


@merging
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
    rare = [[key for key, found in ranked if {n for n, _ in found} == {number}] for number in range(len(modules))]
    in_turn = (key for row in zip_longest(*rare) for key in row if key is not None and key not in kept)
    rest = [key for key, _ in ranked if key not in kept]
    chosen = dict.fromkeys([*kept, *_first(in_turn, RARE_SLOTS), *rest])
    rules = [
        {"text": same[key][0][1].text, "from": [rule.id for _, rule in same[key]], "component": key[0]}
        for key in list(chosen)[:VOTE_RULES]
    ]
    return unite(modules, Merged.model_validate({"rules": rules}), f"m1{ctx.suffix}")


@merging
def select(ctx: Context, leaves: list[MergeNode]) -> MergeNode:
    """No merge: the module that is best on the gate split, of equals the better supported."""
    name = f"m1{ctx.suffix}"
    scores = [mean_score(gate_scores(ctx, leaf.module, f"{name}<{leaf.id}")) for leaf in leaves]
    known = [-1.0 if np.isnan(score) else score for score in scores]
    best = max(range(len(leaves)), key=lambda number: (known[number], total_support(leaves[number])))
    return MergeNode(
        name, leaves[best].module, tuple(leaves), f"kept {leaves[best].id}", tasks=tasks_of(leaves),
        gate_score=scores[best],
    )  # fmt: skip


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _votes(found: Sequence[tuple[int, Rule]]) -> tuple[int, int]:
    """How many modules have the rule, and how many tasks speak for it, less those it was wrong on."""
    support = {task for _, rule in found for task in rule.support}
    return len({number for number, _ in found}), len(support) - sum(rule.wrong for _, rule in found)


def _first(keys: Iterable, most: int) -> list:
    return [key for _, key in zip(range(most), keys, strict=False)]
