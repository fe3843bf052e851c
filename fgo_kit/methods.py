"""FGO and the methods it is compared with: `f(ctx) -> Outcome`, one plain function each.

    fgo             divide -> optimise every subset -> merge
    all_at_once     one subset holding everything
    bootstrapping   mini-batches in sequence, each starting from the module before
    base            the seed module as it is

`method` puts a function in the registry, from here or from a notebook cell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .divide import divide
from .merge import accepts, gate_scores, merge
from .meter import Place
from .optimize import epoch_pass, optimize
from .records import Division, MergeNode, Module, Task
from .rollout import Context


@dataclass(frozen=True)
class Outcome:
    """What a method found: the module, and for FGO the division and the tree of merges behind it."""

    module: Module
    division: Division | None = None
    merge_tree: MergeNode | None = None


Method = Callable[[Context], Outcome]
METHODS: dict[str, Method] = {}


def method(function: Method) -> Method:
    """Register a method under its function name (decorator)."""
    METHODS[function.__name__] = function
    return function


@method
def base(ctx: Context) -> Outcome:
    """No optimisation: the seed module."""
    return Outcome(ctx.bench.seed_module)


@method
def all_at_once(ctx: Context) -> Outcome:
    """All training trajectories in one optimiser prompt, in an order drawn from the seed."""
    tasks = _shuffled(ctx)
    module = ctx.bench.seed_module
    for epoch in range(1, ctx.settings.epochs + 1):
        module = _gated_pass(ctx, module, tasks, Place("rollout", subset="s1", epoch=epoch))
    return Outcome(module, Division("all", (tuple(task.id for task in tasks),)))


@method
def bootstrapping(ctx: Context) -> Outcome:
    """Random mini-batches as large as FGO's subsets, one after another, each from the last module."""
    size = len(_division(ctx))
    division = divide(ctx.bench.train, "random", size, _rng(ctx, "batches"))
    module = ctx.bench.seed_module
    for epoch in range(1, ctx.settings.epochs + 1):
        for number, ids in enumerate(division.subsets, 1):
            module = _gated_pass(ctx, module, _tasks(ctx, ids), Place("rollout", subset=f"b{number}", epoch=epoch))
    return Outcome(module, division)


@method
def fgo(ctx: Context) -> Outcome:
    """Divide, optimise every subset on its own, merge (the paper's method)."""
    division = _division(ctx)

    def leaf(number: int) -> MergeNode:
        ids = division.subsets[number]
        name = f"s{number + 1}"
        return MergeNode(name, optimize(ctx, ctx.bench.seed_module, _tasks(ctx, ids), name), tasks=ids)

    leaves = ctx.meter.together([lambda number=number: leaf(number) for number in range(len(division))])
    tree = merge(ctx, leaves, ctx.settings.merge)
    return Outcome(tree.module, division, tree)


def _gated_pass(ctx: Context, module: Module, tasks: list[Task], place: Place) -> Module:
    """An epoch pass whose proposal must pass the gate: baselines have no merges to gate."""
    candidate = epoch_pass(ctx, module, tasks, place)
    if ctx.settings.gate == "none" or candidate == module:
        return candidate
    name = f"{place.subset}e{place.epoch}"
    new, old = gate_scores(ctx, candidate, name), gate_scores(ctx, module, f"{name}<")
    return candidate if accepts(ctx.settings.gate, new, old) else module


def _division(ctx: Context) -> Division:
    return divide(ctx.bench.train, ctx.settings.divide, ctx.settings.n_subsets, _rng(ctx, "divide"))


def _rng(ctx: Context, purpose: str) -> np.random.Generator:
    return np.random.default_rng([ctx.seed, *purpose.encode()])


def _shuffled(ctx: Context) -> list[Task]:
    if not ctx.bench.train:
        raise ValueError(f"the training split of {ctx.bench.name} is empty; there is nothing to optimise on")
    return [ctx.bench.train[i] for i in _rng(ctx, "order").permutation(len(ctx.bench.train))]


def _tasks(ctx: Context, ids: tuple[str, ...]) -> list[Task]:
    by_id = {task.id: task for task in ctx.bench.train}
    return [by_id[task_id] for task_id in ids]
