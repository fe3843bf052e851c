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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isqrt

import numpy as np

from ..calls.log import Place
from ..records import Division, MergeNode, Module, Task
from ..records.later import import_soon
from .context import Context
from .divide import divide
from .merge import finished, merge
from .optimize import explore, optimize, propose
from .registry import DIVISIONS, method
from .rollout import count_uses, uncounted
from .trimming import until_stopped
from .union import Draft


@dataclass(frozen=True)
class Outcome:
    """What a method found: the module, and for FGO the division and the tree of merges behind it.

    `earlier` holds the trees of the rounds before the last.
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
    """All training trajectories in one optimiser prompt, in an order drawn from the seed: width 1, depth 1."""
    whole = Division("all", (tuple(task.id for task in shuffled(ctx)),))
    return _one_after_another(ctx, whole)


@method(trains="subsets")
def bootstrapping(ctx: Context) -> Outcome:
    """Random mini-batches as large as FGO's subsets, one after another, each from the last module: width 1."""
    own = ctx.settings.divide if DIVISIONS[ctx.settings.divide].sets_number else "random"  # as many subsets as fgo's
    n_batches = sum(map(len, _rounds(ctx, own)))
    return _one_after_another(ctx, divide(ctx.bench.train, "random", n_batches, _rng(ctx, "batches")))


def _one_after_another(ctx: Context, batches: Division) -> Outcome:
    """Every batch is a round of its own, and every epoch a pass through all of them."""
    settings = replace(ctx.settings, epochs=1, passes=ctx.settings.epochs * ctx.settings.passes)
    rounds = [Division(batches.strategy, (ids,)) for ids in batches.subsets]
    return Outcome(_on_plane(replace(ctx, settings=settings), rounds).module, batches)


@method(trains="subsets", merges_modules=True)
def fgo(ctx: Context) -> Outcome:
    """Divide, optimise every subset on its own, merge (the paper's method).

    With `rounds` the tasks are dealt into so many parts, and each part's subsets start from the module merged before.
    With `passes` all is repeated from the last merged module, and learns from what is still wrong.
    """
    import_soon("scipy.cluster.hierarchy")  # which orders the merges
    return _on_plane(ctx, _rounds(ctx, ctx.settings.divide))


def _rounds(ctx: Context, strategy: str) -> list[Division]:
    """The subsets of every round."""
    n_rounds, train = ctx.settings.rounds, ctx.bench.train
    dealt = divide(train, "random", n_rounds, _rng(ctx, "rounds")).subsets if n_rounds > 1 else ()
    parts = [_tasks(ctx, ids) for ids in dealt] or [train]
    return [divide(part, strategy, ctx.settings.n_subsets, _rng(ctx, "divide"), ctx) for part in parts]


def _on_plane(ctx: Context, rounds: Sequence[Division]) -> Outcome:
    """Pass after pass, round after round: the subsets of a round side by side, and merged.

    The subsets of a round are the width, the rounds the depth: all-at-once is one round of one subset, bootstrapping
    are many rounds of one, and the paper's FGO is one round of many.
    """
    division = Division(rounds[0].strategy, tuple(ids for part in rounds for ids in part.subsets))
    if ctx.on_division:
        ctx.on_division(division)
    made: list[MergeNode] = []

    def passes() -> Iterator[MergeNode]:
        module = ctx.bench.seed_module
        for number in range(1, ctx.settings.passes + 1):
            for at, part in enumerate(rounds, 1):
                made.append(_round(replace(ctx, pass_number=number, round_number=at, before=module), part, len(rounds)))
                module = made[-1].module
            yield made[-1]

    *earlier, last = made[: len(until_stopped(ctx, passes())) * len(rounds)]
    return Outcome(last.module, division, last, tuple(earlier))


def _round(ctx: Context, part: Division, n_rounds: int) -> MergeNode:
    alone = len(part) == 1
    module = ctx.before if alone else ctx.before.map_rules(uncounted)  # copies' old counts would be added up

    def leaf(number: int) -> MergeNode:
        ids = part.subsets[number]
        name = f"s{number + 1}{ctx.suffix}" if not alone else f"b{ctx.round_number}" if n_rounds > 1 else "s1"
        return MergeNode(name, optimize(ctx, module, _tasks(ctx, ids), name), tasks=ids)

    leaves = ctx.meter.together([lambda number=number: leaf(number) for number in range(len(part))])
    if not alone:
        return merge(ctx, leaves, ctx.settings.merge)
    only = leaves[0]
    if only.module == module or not ctx.settings.judges:
        return only
    return finished(ctx, f"{only.id}e{ctx.pass_number}", leaves, Draft(only.module), leaves)


@method
def combee(ctx: Context) -> Outcome:
    """Every trajectory in two of ⌊√n⌋ shuffled groups, a proposal a group, one merge of all; every epoch anew."""
    tasks = shuffled(ctx)
    whole, made = Division("all", (tuple(task.id for task in tasks),)), []

    def rounds() -> Iterator[MergeNode]:
        module = ctx.bench.seed_module
        for number in range(1, ctx.settings.epochs * ctx.settings.passes + 1):
            made.append(_combee_round(replace(ctx, pass_number=number, before=module), tasks))
            module = made[-1].module
            yield made[-1]

    *earlier, last = until_stopped(ctx, rounds())
    return Outcome(last.module, whole, last, tuple(earlier))


def _combee_round(ctx: Context, tasks: list[Task]) -> MergeNode:
    module = ctx.before
    groups = _two_groups_each(len(tasks), _rng(ctx, f"groups {ctx.pass_number}"))
    place = Place("rollout", subset="all", epoch=ctx.pass_number)
    lines = explore(ctx, module, tasks, place)
    module = module.map_rules(uncounted)  # as in a later pass of fgo

    def leaf(number: int) -> MergeNode:
        name = f"g{number + 1}{ctx.suffix}"
        shown = [(task, t, comment) for task, t, comment in (lines[i] for i in groups[number]) if comment is not None]
        counted = count_uses(ctx, module, [trajectory for _, trajectory, _ in shown]) if ctx.settings.counts else module
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


def _rng(ctx: Context, purpose: str) -> np.random.Generator:
    return np.random.default_rng([ctx.seed, *purpose.encode()])


def shuffled(ctx: Context) -> list[Task]:
    """The training tasks in an order drawn from the seed; ValueError where there are none."""
    if not ctx.bench.train:
        raise ValueError(f"the training split of {ctx.bench.name} is empty; there is nothing to optimise on")
    return [ctx.bench.train[i] for i in _rng(ctx, "order").permutation(len(ctx.bench.train))]


def _tasks(ctx: Context, ids: tuple[str, ...]) -> list[Task]:
    return [ctx.train[task_id] for task_id in ids]
