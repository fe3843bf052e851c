"""What `Controls` do to a run: rules with the least evidence are cut, candidates that break tasks are refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import numpy as np

from ..calls.log import Place
from ..records import MergeNode, Module, Rule
from .context import Context, Cut
from .controls import evidence, with_locked
from .gates import gate_scores, mean_score
from .rollout import rollouts

Step = TypeVar("Step", Module, MergeNode)


def trimmed(ctx: Context, module: Module, before: Module, place: Place) -> Module:
    """The module within `max_rules` and `max_tokens`, with what is locked put back; what was cut is recorded.

    Of rules with equal evidence the later one goes first.
    """
    controls = ctx.settings.controls
    module = with_locked(module, before, controls.locked)
    by_evidence = sorted((rule for rule in module.rules if rule.id not in controls.locked), key=evidence, reverse=True)
    while by_evidence and (control := _exceeded(ctx, module)):
        module = _without(ctx, module, [by_evidence.pop()], place, control)
    return module


def _exceeded(ctx: Context, module: Module) -> str:
    """The control that a module exceeds, or ""."""
    controls = ctx.settings.controls
    if controls.max_rules is not None and len(module.rules) > controls.max_rules:
        return "max_rules"
    if controls.max_tokens is None:
        return ""
    return "max_tokens" if tokens_of(ctx, module) > controls.max_tokens else ""


def tokens_of(ctx: Context, module: Module) -> int:
    """How long the module is in an agent's prompt."""
    return ctx.meter.llm.count([{"role": "system", "content": str(module)}])


def finally_trimmed(ctx: Context, module: Module) -> Module:
    """The final module without rules that too few training tasks speak for (`min_support`)."""
    controls = ctx.settings.controls
    weak = [r for r in module.rules if len(r.support) < controls.min_support and r.id not in controls.locked]
    return _without(ctx, module, weak, Place("final"), "min_support")


def _without(ctx: Context, module: Module, rules: list[Rule], place: Place, control: str) -> Module:
    ctx.cuts.extend(Cut(place, rule, control) for rule in rules)
    gone = {rule.id for rule in rules}
    return module.with_rules({c.name: tuple(r for r in c.rules if r.id not in gone) for c in module.components})


def broken(ctx: Context, candidate: Module, incumbent: Module, name: str) -> tuple[str, ...]:
    """Ids of the `must_pass` tasks that the incumbent passes and the candidate fails."""
    wanted = ctx.settings.controls.must_pass
    tasks = [task for task in (*ctx.bench.train, *ctx.bench.gate) if task.id in wanted]
    if not tasks or candidate == incumbent:
        return ()
    new, old = (
        np.array([t.score for t in rollouts(ctx, module, tasks, Place("gate", node=f"{name}<{which}"))])
        for module, which in ((candidate, "must pass"), (incumbent, "must pass before"))
    )
    return tuple(task.id for task, after, before in zip(tasks, new, old, strict=True) if before >= 0.5 > after)


def until_stopped(ctx: Context, steps: Iterable[Step]) -> list[Step]:
    """The steps of a method (modules, or merge trees), up to the best one where `stop_after` ends them early.

    `steps` is gone through lazily: what follows the end is never done.
    """
    patience, made, scores = ctx.settings.controls.stop_after, [], []
    for number, step in enumerate(steps, 1):
        made.append(step)
        if patience is None:
            continue
        module = step.module if isinstance(step, MergeNode) else step
        scores.append(mean_score(gate_scores(ctx, {f"stop{number}": module})[0]))
        best = int(np.nanargmax([*scores, -1.0]))  # the first of equals; a step whose score is not known is none
        if number - 1 - best >= patience:
            return made[: best + 1]
    return made
