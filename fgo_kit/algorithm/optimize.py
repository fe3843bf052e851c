"""Optimise: one subset -> an improved module. Each epoch explores, evaluates and proposes.

The optimiser answers with edits, each naming the tasks that speak for it. An answer that cannot be used is asked for
once more with the error, and then counts as no edit at all.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from ..calls.log import Place
from ..calls.protocol import BadRequest, ContextOverflow
from ..records import Feedback, Module, Task, Trajectory
from . import prompts
from .context import Context, Judged
from .edits import PROPOSAL_SCHEMA, Proposal, apply_edits, parse, unlocked
from .rewrite import rewritten
from .rollout import count_uses, rollouts
from .trimming import trimmed

Answer = TypeVar("Answer")
REJECTED_LIMIT = 20
"""Most rejected rules that an optimiser prompt shows."""


def optimize(ctx: Context, module: Module, tasks: Sequence[Task], subset: str) -> Module:
    """The module after `epochs` over one subset (paper: targeted optimisation of a copy).

    Epochs count on from pass to pass: the second pass of two epochs has epochs 3 and 4.
    """
    before = (ctx.pass_number - 1) * ctx.settings.epochs
    for epoch in range(before + 1, before + ctx.settings.epochs + 1):
        module = epoch_pass(ctx, module, tasks, Place("rollout", subset=subset, epoch=epoch))
    return module


def epoch_pass(ctx: Context, module: Module, tasks: Sequence[Task], place: Place) -> Module:
    """One explore-evaluate-propose pass."""
    trajectories = rollouts(ctx, module, tasks, place)
    if ctx.settings.counts:
        module = count_uses(module, trajectories)
    feedback = evaluate(ctx, tasks, trajectories, place)
    judged = [line for line in zip(tasks, trajectories, feedback, strict=True) if line[2] is not None]
    return propose(ctx, module, judged, replace(place, phase="propose"))


def evaluate(
    ctx: Context, tasks: Sequence[Task], trajectories: Sequence[Trajectory], place: Place
) -> list[Feedback | None]:
    """The textual gradient: what was right, what was wrong and why; None for a rollout that failed."""

    def judge(pair: tuple[Task, Trajectory]) -> Feedback | None:
        task, trajectory = pair
        where = replace(place, phase="evaluate", task=task.id)
        feedback = None
        if trajectory.ok:
            try:
                told = ctx.meter.ask(prompts.evaluate(task, trajectory), where).text.strip()
            except (BadRequest, ContextOverflow) as error:  # the trajectory still teaches, without comment
                told = f"(no feedback: {type(error).__name__})"
            feedback = Feedback(task.id, trajectory.score, f"{trajectory.comment}\n{told}".strip())
        ctx.record.append(Judged(replace(place, task=task.id), trajectory, feedback))
        return feedback

    return ctx.meter.map(judge, list(zip(tasks, trajectories, strict=True)))


def propose(
    ctx: Context, module: Module, judged: list[tuple[Task, Trajectory, Feedback]], place: Place
) -> Module:
    """Ask the optimiser for edits and apply them. Whole trajectories are dropped while the prompt overflows."""
    settings = ctx.settings
    shown = list(judged)

    rejected = sorted(set(ctx.rejected))[:REJECTED_LIMIT] if settings.controls.remember else []

    def render(n: int) -> list[dict[str, str]]:
        return prompts.propose(module, shown[:n], counts=settings.counts, edits=settings.edits, rejected=rejected)

    if shown and _overflows(ctx, render(len(shown))):
        sizes = range(2, len(shown))  # one trajectory is asked about in any case
        fitting = 1 + bisect_left(sizes, True, key=lambda n: _overflows(ctx, render(n)))
        while len(shown) > fitting:
            _drop_last(ctx, shown, place)
    while shown:
        try:
            return _proposed(ctx, module, render(len(shown)), shown, place)
        except ContextOverflow:  # the provider counts otherwise than we do: an eighth fewer, and again
            for _ in range(max(1, len(shown) // 8)):
                _drop_last(ctx, shown, place)
    if judged:
        raise ContextOverflow(
            f"the optimiser prompt for {place} does not fit the {ctx.meter.llm.context_window} token window even "
            "with one trajectory; use a model with a larger window or shorter task texts"
        )
    return module


def _overflows(ctx: Context, messages: list[dict[str, str]]) -> bool:
    llm = ctx.meter.llm
    return llm.count(messages) + llm.max_completion > llm.context_window


def _drop_last(ctx: Context, shown: list, place: Place) -> None:
    ctx.dropped.append(replace(place, task=shown.pop()[0].id))


def _proposed(
    ctx: Context, module: Module, messages: list[dict[str, str]], shown: list[tuple], place: Place
) -> Module:
    origin = f"{place.subset}/e{place.epoch}"
    prefix = f"{place.subset}e{place.epoch}"
    task_ids = tuple(task.id for task, _, _ in shown)

    def adopt(text: str) -> Module:
        if ctx.settings.edits:
            proposal = unlocked(parse(Proposal, text), ctx.settings.controls.locked)
            return apply_edits(module, proposal, task_ids, prefix, origin)
        return rewritten(module, text, prefix, origin)

    changed = ask_checked(ctx, messages, place, adopt, PROPOSAL_SCHEMA if ctx.settings.edits else None)
    return module if changed is None else trimmed(ctx, changed, module, place)


def ask_checked(
    ctx: Context,
    messages: list[dict[str, str]],
    place: Place,
    adopt: Callable[[str], Answer],
    schema: dict | None,
) -> Answer | None:
    """`adopt(answer)`, with one repair round if that raises ValueError; None when both answers were unusable."""
    reply = ctx.meter.ask(messages, place, response_schema=schema)
    try:
        return adopt(reply.text)
    except ValueError as error:
        again = prompts.repair(messages, reply.text, _first_lines(error))
    try:
        reply = ctx.meter.ask(again, replace(place, phase="repair", task=place.phase), response_schema=schema)
        return adopt(reply.text)
    except (ValueError, ContextOverflow, BadRequest):
        return None


def _first_lines(error: ValueError) -> str:
    return "\n".join(str(error).splitlines()[:8])[:800]
