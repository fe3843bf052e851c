"""The nouns of merging by hand: `Decision`, `Merging`, `Evaluation`, and the `Desk` they are worked at."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import combinations
from typing import Any

import numpy as np

from ..algorithm.benchmark import Benchmark
from ..algorithm.context import Context, Cut, Judged
from ..algorithm.merge_strategies import related_first
from ..algorithm.settings import Settings
from ..calls.limits import DEFAULT, Limits
from ..calls.log import Place
from ..calls.meter import Meter
from ..records import MergeNode, Module, digest, from_json
from ..runs.result import Run

YOU = "you"
"""Origin of rules that a person wrote or reworded."""


@dataclass(frozen=True, repr=False)
class Decision:
    """One thing a person decided. What each `do` reads:

    merge     nodes (else the chosen or suggested ones), seed, strategy: makes a candidate to judge
    accept, reject                                               the candidate
    redo      seed, strategy                                     the candidate, made again
    keep      node (else the better child)                       a child instead of the candidate
    choose    nodes                                              which modules merge next
    edit      node, rule, text        drop   node, rule          move   node, rule, at (1 is first)
    write     node, text, component   lock, unlock   rule        a locked rule outlives every merge
    evaluate  node, k                                            on the first k gate tasks
    finish                                                       merge all that is left, as the run would
    """

    do: str
    node: str = ""
    rule: str = ""
    text: str = ""
    nodes: tuple[str, ...] = ()
    component: str = ""
    at: int = 0
    k: int = 0
    seed: int | None = None
    strategy: str = ""

    @classmethod
    def of(cls, given: Decision | Mapping[str, Any]) -> Decision:
        """The decision that `as_dict` gave, or the like; ValueError for what is none.

        >>> Decision.of({"do": "move", "rule": "s1e1.1", "at": 2})
        Decision('move', rule='s1e1.1', at=2)
        """
        if isinstance(given, Decision):
            return given
        known = {part.name for part in fields(cls)}
        if not known.issuperset(given):
            raise ValueError(f"a decision has no {sorted(set(given) - known)}; it has {sorted(known)}")
        return from_json(cls, json.dumps(dict(given)))

    def as_dict(self) -> dict:
        """As JSON-able data, without what is left open."""
        return {part.name: value for part in fields(self) if (value := getattr(self, part.name)) != part.default}

    def __repr__(self) -> str:
        choices = [f", {name}={value!r}" for name, value in self.as_dict().items() if name != "do"]
        return f"Decision({self.do!r}{''.join(choices)})"


@dataclass(frozen=True)
class Evaluation:
    """Scores of one version of a node's module on gate tasks; NaN where a call failed."""

    node: str
    module: str
    scores: tuple[tuple[str, float], ...]

    @property
    def mean(self) -> float:
        values = np.array([score for _, score in self.scores])
        return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


@dataclass(frozen=True)
class Merging:
    """The state of a merge by hand.

    open: the modules still to be merged, each with the tree below it. pending: the candidate that awaits
    a verdict; its children stay open until then. current: the node touched last. used: ids of all merges
    tried. restored: (node, rule) for every locked rule that a merge dropped and that was put back.
    """

    open: tuple[MergeNode, ...]
    pending: MergeNode | None = None
    current: str = ""
    chosen: tuple[str, ...] = ()
    rejected: tuple[tuple[str, ...], ...] = ()
    used: tuple[str, ...] = ()
    locked: tuple[str, ...] = ()
    restored: tuple[tuple[str, str], ...] = ()
    written: int = 0
    evaluations: tuple[Evaluation, ...] = ()

    @property
    def module(self) -> Module:
        """The present module: the candidate's, else that of the open node touched last."""
        if self.pending:
            return self.pending.module
        return next((node for node in self.open if node.id == self.current), self.open[-1]).module

    @property
    def done(self) -> bool:
        return len(self.open) == 1 and self.pending is None

    @property
    def editable(self) -> tuple[MergeNode, ...]:
        """The nodes whose rules can change: the candidate, and the open ones it is not made of."""
        below = {child.id for child in self.pending.children} if self.pending else set()
        return (*(node for node in self.open if node.id not in below), *filter(None, [self.pending]))

    def walk(self) -> Iterator[MergeNode]:
        """Every node, children first; the candidate last."""
        for node in self.open:
            yield from node.walk()
        if self.pending:
            yield self.pending

    def node(self, node_id: str) -> MergeNode:
        """A node by its id; ValueError names those there are."""
        for node in self.walk():
            if node.id == node_id:
                return node
        raise ValueError(f"there is no node {node_id!r}; the nodes are {[node.id for node in self.walk()]}")

    def evaluation(self, module: Module) -> Evaluation | None:
        """The last evaluation of this very text, if any."""
        version = digest(str(module))
        return next((e for e in reversed(self.evaluations) if e.module == version), None)


@dataclass(frozen=True)
class Desk:
    """What decisions need apart from the state: the run whose modules are merged, its tasks, and an LLM.

    run_id: under which calls are logged. on_call: see `Meter`; on_meter: called with every meter before it is used.
    record: the run's rollouts, which audits compare with, and trajectories of evaluations and audits, as they end.
    cuts, unused: see `Context`.
    """

    run: Run
    bench: Benchmark
    llm: Any
    run_id: str
    limits: Limits = DEFAULT
    on_call: Callable[[Place, bool], None] | None = None
    on_meter: Callable[[Meter], None] | None = None
    record: list[Judged] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    unused: list[tuple[Place, str]] = field(default_factory=list)

    def context(self, seed: int | None = None, **changes) -> Context:
        """A context as the run had it, with another seed or other settings."""
        settings = Settings.of(self.run.config)
        settings = replace(settings, seed=settings.seed if seed is None else seed, **changes)
        meter = Meter(self.llm, self.run.log, self.run_id, self.limits, sample=settings.seed, on_call=self.on_call)
        if self.on_meter:
            self.on_meter(meter)
        earlier = self.run.state.earlier
        before = earlier[-1].module if earlier else self.bench.seed_module
        ctx = Context(self.bench, meter, settings, before=before, cuts=self.cuts, unused=self.unused)
        for judged in sorted(self.record, key=lambda judged: judged.place.epoch):
            ctx.note(judged)
        for node in (node for tree in self.run.trees for node in tree.walk()):
            ctx.know(node.module)
        return replace(ctx, record=self.record)


def unmerged(run: Run) -> Merging:
    """The modules of a run's subsets, none of them merged. ValueError for a run without a merge tree."""
    if run.merge_tree is None:
        raise ValueError(f"run {run.id} ({run.config['method']}) has no modules to merge; use a run with method='fgo' "
                         "and n_subsets >= 2")
    leaves = tuple(node for node in run.merge_tree.walk() if not node.children)
    return Merging(leaves, current=leaves[0].id)


def suggestion(run: Run, state: Merging, again: bool = False) -> tuple[str, ...]:
    """Ids of the modules to merge next: those the run merged, else the most alike; () when there are none.

    Groups that were rejected are left out unless `again`.
    """
    groups = _possible(run, state) if len(state.open) > 1 else ()
    return next((group for group in groups if again or tuple(sorted(group)) not in state.rejected), ())


def _possible(run: Run, state: Merging) -> Iterator[tuple[str, ...]]:
    """Groups of open modules that could merge, the best first."""
    ids = [node.id for node in state.open]
    for node in run.merge_tree.walk():
        if node.children and {child.id for child in node.children} <= set(ids):
            yield tuple(child.id for child in node.children)
    for group in _groups(related_first([node.module for node in state.open], int(run.config["fan_in"]))):
        yield tuple(ids[at] for at in group)
    yield from combinations(ids, 2)


def _groups(plan) -> Iterator[tuple[int, ...]]:
    """The groups of a plan that can merge at once: those of leaves alone."""
    if isinstance(plan, tuple):
        for part in plan:
            yield from _groups(part)
        if all(not isinstance(part, tuple) for part in plan):
            yield plan
