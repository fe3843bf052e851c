"""Explore: module x tasks -> trajectories."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

from ..calls import toolcalls
from ..calls.log import Place
from ..calls.protocol import CallFailed, Reply
from ..records import Module, Rule, Step, Task, Trajectory
from . import prompts
from .answer_status import NoAnswer, ending, has_whole_answer, why
from .benchmark import Environment, EnvironmentFailed
from .context import Context, Judged

MAX_TURNS = 50
"""Longest rollout, in turns: ALFWorld's own limit."""


def rollout(ctx: Context, module: Module, task: Task, place: Place) -> Trajectory:
    """One trajectory. A call that fails for good, an answer that is none, or a task that cannot be played gives a
    status and no score: it is neither right nor wrong."""
    steps: list[Step] = []
    trajectory = Trajectory(task.id, (), "", form=ctx.bench.form, private=task.private)
    place, reason = replace(place, task=task.id), ""
    try:
        if ctx.bench.agent is not None:
            trajectory = ctx.bench.agent.play(ctx.meter, module, task, place)
            steps += trajectory.steps
        else:
            with closing(ctx.bench.start(task)) as environment:
                played = _play(ctx, module, environment, steps, place)
            trajectory = replace(trajectory, steps=tuple(steps), final=environment.final, **played)
        trajectory = ctx.bench.scored(task, trajectory, ctx.meter, place)
    except NoAnswer as error:
        trajectory, reason = replace(trajectory, status=error.status, reason=str(error)), str(error)
    except (CallFailed, EnvironmentFailed) as error:
        trajectory, reason = replace(trajectory, status="failed", reason=f"{type(error).__name__}: {error}"), error
    trajectory = replace(trajectory, steps=tuple(steps))
    last = replace(place, turn=max(0, len(steps) - trajectory.ok))
    ctx.meter.outcome(last, "answered" if trajectory.ok else trajectory.status, reason)
    return trajectory


def _play(ctx: Context, module: Module, environment: Environment, steps: list[Step], place: Place) -> dict:
    """Turn after turn until the episode is over; `steps` grows. Returns answer, cited and info; raises NoAnswer."""
    tools, known = ctx.bench.tools, {rule.id for rule in module.rules}
    system = prompts.act(module, ctx.settings.cites, tools)
    chat: list[dict[str, str]] = []
    observation, done, answer, cited, left_out = environment.observe(), False, "", [], 0
    while not done and len(steps) < MAX_TURNS:
        chat.append({"role": "user", "content": observation})
        left_out = _left_out(ctx, system, chat, left_out)
        messages = [system, *prompts.shortened(chat, left_out)]
        reply = ctx.meter.ask(messages, replace(place, turn=len(steps)), tools=_native(ctx))
        text = toolcalls.reply_text(reply)
        _check_answered(reply, text, bool(tools))
        answer, used = prompts.parse_action(text)
        cited += [rule_id for rule_id in used if rule_id in known]
        steps.append(Step(observation, text))
        chat.append(toolcalls.turn_of(reply, text))
        observation, done = environment.step(text if tools else answer)
    info = dict(environment.info) | ({"turns left out": str(left_out)} if left_out else {})
    answer = answer if environment.answer is None else environment.answer
    return {"answer": answer, "cited": tuple(dict.fromkeys(cited)), "info": info}


def _check_answered(reply: Reply, text: str, tools: bool) -> None:
    """Raise NoAnswer for a turn that is empty, cut before its answer, refused, or answers with nothing at all."""
    turn = toolcalls.read_turn(text) if tools else None
    status = ending(reply, whole=has_whole_answer(text) or (tools and toolcalls.has_whole_call(reply)))
    given = prompts.parse_action(text)[0] if turn is None else turn.answer
    if status == "answered" and given == "":
        status = "empty"
    if status != "answered":
        raise NoAnswer(status, why(reply, status))


def _native(ctx: Context) -> tuple[dict, ...]:
    """The tools to hand to the provider: none for an LLM that writes calls as text."""
    return ctx.bench.tools if ctx.meter.llm.native_tools else ()


def _left_out(ctx: Context, system: dict[str, str], chat: list[dict[str, str]], left_out: int) -> int:
    """How many of the oldest turns are not shown. A quarter of the limit is freed at once, so that the
    prompt keeps its beginning, which providers cache, for many turns."""
    llm, turns = ctx.meter.llm, len(chat) // 2
    if turns <= 1:
        return left_out
    room = llm.context_window - llm.max_completion - llm.count([system])
    limit = min(ctx.bench.history_limit, room)
    if llm.count(prompts.shortened(chat, left_out)) <= limit:
        return left_out
    while left_out < turns - 1 and llm.count(prompts.shortened(chat, left_out)) > 0.75 * limit:
        left_out += 1
    return left_out


def logged_or_played(ctx: Context, module: Module, task: Task, place: Place) -> Trajectory:
    """One trajectory; in the first epoch the logged one, where there is one."""
    is_first = place.phase == "divide" or (place.phase == "rollout" and place.epoch == 1)
    return is_first and ctx.traces.get(task.id) or rollout(ctx, module, task, place)


def rollouts(ctx: Context, module: Module, tasks: Sequence[Task], place: Place) -> list[Trajectory]:
    """One trajectory a task, in the order of the tasks."""
    trajectories = ctx.meter.map(lambda task: logged_or_played(ctx, module, task, place), tasks)
    if place.phase not in ("rollout", "divide"):  # those are noted with their feedback
        ctx.record.extend(Judged(replace(place, task=t.task_id), t) for t in trajectories)
    return trajectories


def count_uses(ctx: Context, module: Module, trajectories: Sequence[Trajectory]) -> Module:
    """The module with the uses of its rules in these trajectories added: right, wrong, and `Rule.without`."""
    uses: dict[str, list[Trajectory]] = defaultdict(list)
    for trajectory in trajectories:
        for rule_id in trajectory.cited if trajectory.ok else ():
            uses[rule_id].append(trajectory)

    def counted(rule: Rule) -> Rule:
        lineage, of_rule = ctx.lineage(rule.id), uses[rule.id]
        right = sum(trajectory.score >= 0.5 for trajectory in of_rule)
        without = rule.without + sum(_score_without(ctx, trajectory, lineage) for trajectory in of_rule)
        return replace(rule, right=rule.right + right, wrong=rule.wrong + len(of_rule) - right, without=without)

    return module.map_rules(counted)


def _score_without(ctx: Context, trajectory: Trajectory, lineage: set[str]) -> float:
    """What the task of a trajectory scored when last explored without any of these rules; else the same."""
    played = reversed(ctx.explored.get(trajectory.task_id, ()))
    without = (j.score for j in played if j.trajectory.ok and lineage.isdisjoint(j.trajectory.cited))
    return next(without, trajectory.score)


def uncounted(rule: Rule) -> Rule:
    """The rule without the record of its uses."""
    return replace(rule, right=0, wrong=0, without=0.0)
