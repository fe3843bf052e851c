"""Optimise: one subset -> an improved module. Each epoch explores, evaluates and proposes.

The optimiser answers with edits, each naming the tasks that speak for it. An answer that cannot be used is asked for
once more with the error, and then counts as no edit at all.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from ..calls.log import Place
from ..calls.protocol import LLM, CallFailed, ContextOverflow
from ..records import Feedback, Module, Task, Trajectory
from . import prompts
from .answer_status import ending, why
from .context import Context, Judged
from .edits import PROPOSAL_SCHEMA, apply_edits, read_edits, unlocked
from .rewrite import rewritten
from .rollout import count_uses, logged_or_played
from .trimming import trimmed

Answer = TypeVar("Answer")
Line = tuple[Task, Trajectory, Feedback]
"""A trajectory as an optimiser is shown it."""
REJECTED_LIMIT = 20
"""Most rejected rules that an optimiser prompt shows."""
CLIPS = (None, 32_000, 16_000, 8_000, 4_000, 2_000, 1_000, 500)
"""Characters that each text of a single trajectory may have, tried in turn until a prompt fits."""


def optimize(ctx: Context, module: Module, tasks: Sequence[Task], subset: str) -> Module:
    """The module after `epochs` over one subset (paper: targeted optimisation of a copy).

    Epochs count on from pass to pass: the second pass of two epochs has epochs 3 and 4.
    """
    last = ctx.pass_number * ctx.settings.epochs
    for epoch in range(last - ctx.settings.epochs + 1, last + 1):
        module = epoch_pass(ctx, module, tasks, Place("rollout", subset=subset, epoch=epoch), epoch == last)
    return module


def epoch_pass(ctx: Context, module: Module, tasks: Sequence[Task], place: Place, last: bool = False) -> Module:
    """One explore-evaluate-propose pass. last: no rollout waits for the proposal, those of other subsets go first."""
    lines = explore(ctx, module, tasks, place)
    judged = [(task, trajectory, comment) for task, trajectory, comment in lines if comment is not None]
    if ctx.settings.counts:
        module = count_uses(ctx, module, [replace(played, score=comment.score) for _, played, comment in judged])
    ask, places = partial(propose, ctx, module, judged), [replace(place, phase="propose")]
    [proposed] = ctx.meter.map(ask, places) if last else map(ask, places)
    return proposed


def explore(
    ctx: Context, module: Module, tasks: Sequence[Task], place: Place
) -> list[tuple[Task, Trajectory, Feedback | None]]:
    """Rollouts with feedback, in the order of the tasks; each is evaluated as soon as it ends."""

    def play_and_judge(task: Task) -> tuple[Task, Trajectory, Feedback | None]:
        trajectory = logged_or_played(ctx, module, task, place)
        return task, trajectory, _judge(ctx, task, trajectory, place)

    return ctx.meter.map(play_and_judge, tasks)


def evaluate(
    ctx: Context, tasks: Sequence[Task], trajectories: Sequence[Trajectory], place: Place
) -> list[Feedback | None]:
    """The textual gradient: what was right, what was wrong and why; None for a rollout that failed."""
    return ctx.meter.map(lambda pair: _judge(ctx, pair[0], pair[1], place), list(zip(tasks, trajectories, strict=True)))


def _judge(ctx: Context, task: Task, trajectory: Trajectory, place: Place) -> Feedback | None:
    feedback = None
    if trajectory.ok:
        text = _reviewed(ctx, task, trajectory, replace(place, phase="evaluate", task=task.id))
        if ctx.settings.gold:
            feedback = Feedback(task.id, trajectory.score, f"{trajectory.comment}\n{text}".strip())
        elif (verdict := prompts.parse_verdict(text)) is not None:
            feedback = Feedback(task.id, verdict, text, blind=True)
    ctx.note(Judged(replace(place, task=task.id), trajectory, feedback))
    return feedback


def _reviewed(ctx: Context, task: Task, trajectory: Trajectory, place: Place) -> str:
    """The evaluator's words; where there are none the trajectory still teaches, without comment."""
    evaluator = ctx.asking("evaluator")
    gold = ctx.settings.gold
    messages = _clipped_to_fit(evaluator.llm, lambda limit: prompts.evaluate(task, trajectory, limit, gold))
    try:
        reply = evaluator.ask(messages, place)
    except CallFailed as error:
        ctx.meter.outcome(place, "failed", error)
        return f"(no feedback: {type(error).__name__})"
    status = ending(reply)
    reason = "" if status == "answered" else why(reply, status)
    if status == "answered" and not gold and prompts.parse_verdict(reply.text) is None:
        status, reason = "unusable", "it has no line VERDICT: right or VERDICT: wrong"
    ctx.meter.outcome(place, status, reason)
    return reply.text.strip() if status == "answered" else f"(no feedback: {status})"


def propose(ctx: Context, module: Module, judged: list[Line], place: Place) -> Module:
    """Ask the optimiser for edits and apply them; the same module where nothing came of it."""
    settings = ctx.settings
    rejected = sorted(set(ctx.rejected))[:REJECTED_LIMIT] if settings.controls.remember else []

    def render(shown: list[Line], limit: int | None) -> list[dict[str, str]]:
        options = {"counts": settings.counts, "edits": bool(settings.edits), "rejected": rejected, "limit": limit}
        return prompts.propose(module, shown, **options)

    def asked(messages: list[dict[str, str]], shown: list[Line]) -> Module:
        return _proposed(ctx, module, messages, shown, place)

    return fitted(ctx, judged, place, render, asked) or module


def fitted(
    ctx: Context, judged: Sequence[Line], place: Place,
    render: Callable[[list[Line], int | None], list[dict[str, str]]],
    asked: Callable[[list[dict[str, str]], list[Line]], Answer | None],
) -> Answer | None:  # fmt: skip
    """What `asked(messages, shown)` gives for as many trajectories as fit the optimiser's window; None where none do.

    Whole trajectories are dropped while the prompt overflows, and of the last one head and tail are shown.
    """
    shown, llm = list(judged), ctx.asking("optimizer").llm
    if not shown:
        return None
    if _overflows(llm, render(shown, None)):
        sizes = range(2, len(shown))  # one trajectory is asked about in any case
        fitting = 1 + bisect_left(sizes, True, key=lambda n: _overflows(llm, render(shown[:n], None)))
        while len(shown) > fitting:
            _drop_last(ctx, shown, place)
    while len(shown) > 1:
        try:
            return asked(render(shown, None), shown)
        except ContextOverflow:  # the provider counts otherwise than we do: an eighth fewer, and again
            for _ in range(max(1, len(shown) // 8)):
                _drop_last(ctx, shown, place)
    failure: ContextOverflow | str = ""
    for limit in CLIPS:
        messages = render(shown, limit)
        if limit != CLIPS[-1] and _overflows(llm, messages):
            continue
        try:
            return asked(messages, shown)
        except ContextOverflow as error:
            failure = error
    ctx.meter.outcome(place, "failed", failure)
    return None


def _clipped_to_fit(llm: LLM, render: Callable[[int | None], list[dict[str, str]]]) -> list[dict[str, str]]:
    """The prompt with its texts clipped as little as it needs to fit."""
    return next((m for limit in CLIPS[:-1] if not _overflows(llm, m := render(limit))), render(CLIPS[-1]))


def _overflows(llm: LLM, messages: list[dict[str, str]]) -> bool:
    return llm.count(messages) + llm.max_completion > llm.context_window


def _drop_last(ctx: Context, shown: list, place: Place) -> None:
    ctx.dropped.append(replace(place, task=shown.pop()[0].id))


def _proposed(ctx: Context, module: Module, messages: list[dict[str, str]], shown: list[Line], place: Place) -> Module:
    origin = f"{place.subset}/e{place.epoch}"
    prefix = f"{place.subset}e{place.epoch}"
    task_ids = tuple(task.id for task, _, _ in shown)

    def adopt(text: str) -> tuple[Module, list[str]]:
        if not ctx.settings.edits:
            return rewritten(module, text, prefix, origin), []
        written = read_edits(text, module, task_ids)
        edits = unlocked(written.items, ctx.settings.controls.locked)
        return apply_edits(module, edits, prefix, origin), written.problems

    schema = PROPOSAL_SCHEMA if ctx.settings.edits else None
    changed = ask_checked(ctx, "optimizer", messages, place, adopt, schema)
    return module if changed is None else trimmed(ctx, ctx.know(changed), module, place)


def ask_checked(
    ctx: Context, role: str, messages: list[dict[str, str]], place: Place,
    adopt: Callable[[str], tuple[Answer, list[str]]], schema: dict | None, whole: bool = False,
) -> Answer | None:  # fmt: skip
    """What `adopt(answer)` makes of an answer, with one repair round if that raises ValueError.

    adopt: gives it with the faults of those parts of the answer that are of no use, which `ctx.unused` keeps. whole:
    whether an answer with faults is asked for once more before its other parts are taken.

    None where no answer could be used, which is counted with its reason: refused, empty, failed, or unusable after
    the repair. Raises ContextOverflow of the first question, which the asker can make shorter.
    """
    problem, status = "", "unusable"
    for asked in (place, replace(place, phase="repair", task=place.phase)):
        try:
            reply = ctx.asking(role).ask(messages, asked, response_schema=schema)
        except CallFailed as error:
            if isinstance(error, ContextOverflow) and not problem:
                raise
            ctx.meter.outcome(place, "failed", error)
            return None
        ended = ending(reply, whole=True)  # what was cut is read as far as it can be
        if ended == "refused":
            ctx.meter.outcome(place, ended, why(reply, ended))
            return None
        try:
            adopted, unused = adopt(reply.text)
            if unused and whole and asked is place:
                raise ValueError("\n".join(unused))
        except ValueError as error:
            problem, status = _first_lines(error), "empty" if ended == "empty" else "unusable"
            messages = prompts.repair(messages, reply.text, problem)
        else:
            ctx.meter.outcome(place, "answered")
            ctx.unused.extend((place, problem) for problem in unused)
            return adopted
    ctx.meter.outcome(place, status, problem)
    return None


def _first_lines(error: ValueError) -> str:
    return "\n".join(str(error).splitlines()[:8])[:800]
