"""FGO and the methods it is compared with: `f(ctx) -> Outcome`, one plain function each.

    fgo             divide -> optimise every subset -> merge
    all_at_once     one subset holding everything
    bootstrapping   mini-batches in sequence, each starting from the module before
    combee          overlapping groups of trajectories in parallel, and one reduce
    gepa            the optimiser of the `gepa` package, on the same splits and budget (see `gepa_peer`)
    few_shot        training tasks with their answers in the prompt (see `few_shot`)
    base            the seed module as it is

`method` puts a function in the registry, from here or from a notebook cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from math import isqrt

import numpy as np

from ..calls.log import Place
from ..records import Division, MergeNode, Module, Task
from .context import Context
from .divide import divide
from .gates import accepts, gate_scores, reject
from .merge import merge
from .optimize import epoch_pass, explore, optimize, propose
from .registry import DIVISIONS, method
from .rollout import count_uses
from .trimming import broken, until_stopped


@dataclass(frozen=True)
class Outcome:
    """What a method found: the module, and for FGO the division and the tree of merges behind it.

    `earlier` holds the trees of the passes before the last.
    """

    module: Module
    division: Division | None = None
    merge_tree: MergeNode | None = None
    earlier: tuple[MergeNode, ...] = ()


@method(trains="nothing")
def base(ctx: Context) -> Outcome:
    """No optimisation: the seed module."""
    return Outcome(ctx.bench.seed_module)


@method(trains="whole")
def all_at_once(ctx: Context) -> Outcome:
    """All training trajectories in one optimiser prompt, in an order drawn from the seed."""
    tasks = shuffled(ctx)
    whole = Division("all", (tuple(task.id for task in tasks),))
    return Outcome(_best(ctx, _epochs(ctx, whole, "s")), whole)


@method(trains="subsets")
def bootstrapping(ctx: Context) -> Outcome:
    """Random mini-batches as large as FGO's subsets, one after another, each from the last module."""
    own = ctx.settings.divide if DIVISIONS[ctx.settings.divide].sets_number else "random"  # as many subsets as fgo's
    division = divide(ctx.bench.train, "random", len(_division(ctx, own)), _rng(ctx, "batches"))
    return Outcome(_best(ctx, _epochs(ctx, division, "b")), division)


def _epochs(ctx: Context, division: Division, letter: str) -> Iterator[Module]:
    """The module after every epoch over all subsets in sequence."""
    module = ctx.bench.seed_module
    for epoch in range(1, ctx.settings.epochs + 1):
        for number, ids in enumerate(division.subsets, 1):
            place = Place("rollout", subset=f"{letter}{number}", epoch=epoch)
            module = _gated_pass(ctx, module, _tasks(ctx, ids), place)
        yield module


def _best(ctx: Context, modules: Iterable[Module]) -> Module:
    return until_stopped(ctx, modules)[-1]


@method(trains="subsets", merges_modules=True)
def fgo(ctx: Context) -> Outcome:
    """Divide, optimise every subset on its own, merge (the paper's method).

    With `passes` the same subsets start again from the merged module, and learn from what is still wrong.
    """
    division = _division(ctx, ctx.settings.divide)
    return _merged(ctx, division, lambda ctx, module: _fgo_pass(ctx, module, division), ctx.settings.passes)


def _merged(
    ctx: Context, division: Division, one_pass: Callable[[Context, Module], MergeNode], passes: int
) -> Outcome:
    """Pass after pass, each from the module merged before."""

    def trees() -> Iterator[MergeNode]:
        module = ctx.bench.seed_module
        for number in range(1, passes + 1):
            tree = one_pass(replace(ctx, pass_number=number), module)
            module = tree.module
            yield tree

    *earlier, last = until_stopped(ctx, trees())
    return Outcome(last.module, division, last, tuple(earlier))


def _fgo_pass(ctx: Context, module: Module, division: Division) -> MergeNode:
    if ctx.pass_number > 1:  # all copies hold the same rules: their old counts would be added up
        module = module.map_rules(lambda rule: replace(rule, right=0, wrong=0))

    def leaf(number: int) -> MergeNode:
        ids = division.subsets[number]
        name = f"s{number + 1}{ctx.suffix}"
        return MergeNode(name, optimize(ctx, module, _tasks(ctx, ids), name), tasks=ids)

    leaves = ctx.meter.together([lambda number=number: leaf(number) for number in range(len(division))])
    return merge(ctx, leaves, ctx.settings.merge)


@method
def combee(ctx: Context) -> Outcome:
    """Every trajectory in two of ⌊√n⌋ shuffled groups, a proposal a group, one merge of all; every epoch anew."""
    tasks = shuffled(ctx)
    whole, rounds = Division("all", (tuple(task.id for task in tasks),)), ctx.settings.epochs * ctx.settings.passes
    return _merged(ctx, whole, lambda ctx, module: _combee_round(ctx, module, tasks), rounds)


def _combee_round(ctx: Context, module: Module, tasks: list[Task]) -> MergeNode:
    groups = _two_groups_each(len(tasks), _rng(ctx, f"groups {ctx.pass_number}"))
    place = Place("rollout", subset="all", epoch=ctx.pass_number)
    lines = explore(ctx, module, tasks, place)
    module = module.map_rules(lambda rule: replace(rule, right=0, wrong=0))  # as in a later pass of fgo

    def leaf(number: int) -> MergeNode:
        name = f"g{number + 1}{ctx.suffix}"
        shown = [(task, t, comment) for task, t, comment in (lines[i] for i in groups[number]) if comment is not None]
        counted = count_uses(module, [trajectory for _, trajectory, _ in shown]) if ctx.settings.counts else module
        proposed = propose(ctx, counted, shown, replace(place, phase="propose", subset=name))
        return MergeNode(name, proposed, tasks=tuple(tasks[i].id for i in groups[number]))

    leaves = ctx.meter.map(leaf, range(len(groups)))
    return merge(ctx, leaves, "oneshot")


def _two_groups_each(n: int, rng: np.random.Generator) -> list[list[int]]:
    """Numbers 0..n-1 in ⌊√n⌋ groups of about equal size, each in two different ones (if there are two)."""
    k = isqrt(n)
    groups: list[list[int]] = [[] for _ in range(k)]
    for rank, number in enumerate(rng.permutation(n).tolist()):
        groups[rank % k].append(number)
        if k > 1:
            groups[(rank + 1 + rank // k % (k - 1)) % k].append(number)
    return groups


def _gated_pass(ctx: Context, module: Module, tasks: list[Task], place: Place) -> Module:
    """An epoch pass whose proposal must pass the gate: baselines have no merges to gate."""
    candidate = epoch_pass(ctx, module, tasks, place)
    if candidate == module:
        return module
    name = f"{place.subset}e{place.epoch}"
    if _passes(ctx, candidate, module, name) and not broken(ctx, candidate, module, name):
        return candidate
    reject(ctx, candidate, module)
    return module


def _passes(ctx: Context, candidate: Module, module: Module, name: str) -> bool:
    if ctx.settings.gate == "none":
        return True
    new, old = gate_scores(ctx, {name: candidate, f"{name}<": module})
    return accepts(ctx.settings.gate, new, old)


def _division(ctx: Context, strategy: str) -> Division:
    division = divide(ctx.bench.train, strategy, ctx.settings.n_subsets, _rng(ctx, "divide"), ctx)
    if ctx.on_division:
        ctx.on_division(division)
    return division


def _rng(ctx: Context, purpose: str) -> np.random.Generator:
    return np.random.default_rng([ctx.seed, *purpose.encode()])


def shuffled(ctx: Context) -> list[Task]:
    """The training tasks in an order drawn from the seed; ValueError where there are none."""
    if not ctx.bench.train:
        raise ValueError(f"the training split of {ctx.bench.name} is empty; there is nothing to optimise on")
    return [ctx.bench.train[i] for i in _rng(ctx, "order").permutation(len(ctx.bench.train))]


def _tasks(ctx: Context, ids: tuple[str, ...]) -> list[Task]:
    return [ctx.train[task_id] for task_id in ids]
