"""Explore: module x tasks -> trajectories. Also what every stage of a run shares: the `Context`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Protocol

from ..calls import toolcalls
from ..calls.meter import Meter, Place
from ..calls.protocol import BadRequest, ContextOverflow, FGOError
from ..records import Feedback, Module, Step, Task, Trajectory
from . import prompts

MAX_TURNS = 50
"""Longest rollout, in turns: ALFWorld's own limit."""
HISTORY_LIMIT = 6_000
"""Tokens of dialogue, without the module, that an agent is shown. Beyond it the oldest turns are left out."""


class EnvironmentFailed(FGOError):
    """One task cannot be played, or played on. Its trajectory gets this as its status; the run goes on."""


class Environment(Protocol):
    """One task being played. One that has an `info: dict[str, str]` leaves it in the trajectory; the `answer`
    of one with tools, whose actions are whole replies, is what counts at the end.

    Raises EnvironmentFailed where it is this task that cannot be played; any other error ends the run.
    """

    def observe(self) -> str: ...

    def step(self, action: str) -> tuple[str, bool]:
        """Next observation, and whether the episode is over."""
        ...

    def close(self) -> None: ...


class Benchmark(Protocol):
    """Tasks in three disjoint splits, how to play one, and how to score it.

    tools: {"name", "description", "parameters"} each; empty for a benchmark whose actions are plain answers. One
    may have a `history_limit` in place of HISTORY_LIMIT.
    """

    name: str
    fingerprint: str
    train: tuple[Task, ...]
    gate: tuple[Task, ...]
    test: tuple[Task, ...]
    seed_module: Module
    tools: tuple

    def start(self, task: Task) -> Environment:
        """Raises what an `Environment` raises."""
        ...

    def score(self, task: Task, trajectory: Trajectory) -> float: ...


@dataclass(frozen=True)
class Settings:
    """The choices that make two runs of a method differ. The paper's setting has gate, counts, audit off."""

    divide: str = "similar"
    merge: str = "progressive"
    n_subsets: int | str | None = None
    epochs: int = 2
    passes: int = 1
    fan_in: int = 2
    gate: str = "none"
    edits: bool = True
    counts: bool = False
    audit: int = 0


@dataclass(frozen=True)
class Judged:
    """One line of a run's notebook: a trajectory, its feedback, and where in the run it was made."""

    place: Place
    trajectory: Trajectory
    feedback: Feedback | None = None


@dataclass(frozen=True)
class Context:
    """What every stage of one run needs. `record` collects trajectories in whatever order they end.

    `pass_number` counts the passes from 1; the names of subsets and merge nodes of later ones bear a `suffix`.
    """

    bench: Benchmark
    meter: Meter
    settings: Settings
    seed: int
    record: list[Judged] = field(default_factory=list)
    dropped: list[Place] = field(default_factory=list)
    pass_number: int = 1

    @property
    def suffix(self) -> str:
        return "" if self.pass_number == 1 else f"p{self.pass_number}"


def rollout(ctx: Context, module: Module, task: Task, place: Place) -> Trajectory:
    """One trajectory. A call that fails for good, or a task that cannot be played, gives a status, never a
    wrong answer."""
    cite = ctx.settings.counts or ctx.settings.audit > 0
    known = {rule.id for rule in module.rules}
    tools = ctx.bench.tools
    native = tools if getattr(ctx.meter.llm, "native_tools", False) else ()
    system, chat, steps, cited, left_out = prompts.act(module, cite, tools), [], [], [], 0
    private = {"private": "yes"} if task.meta.get("private") == "yes" else {}
    try:
        with closing(ctx.bench.start(task)) as environment:
            observation, done, answer = environment.observe(), False, ""
            while not done and len(steps) < MAX_TURNS:
                chat.append({"role": "user", "content": observation})
                left_out = _left_out(ctx, system, chat, left_out)
                messages = [system, *prompts.shortened(chat, left_out)]
                reply = ctx.meter.ask(messages, replace(place, task=task.id, turn=len(steps)), tools=native)
                said = toolcalls.reply_text(reply)
                answer, used = prompts.parse_action(said)
                cited += [rule_id for rule_id in used if rule_id in known]
                steps.append(Step(observation, said))
                chat.append({"role": "assistant", "content": said if said.strip() else "(empty)"})
                observation, done = environment.step(said if tools else answer)
            info, answer = dict(getattr(environment, "info", {})), getattr(environment, "answer", answer)
    except (BadRequest, ContextOverflow, EnvironmentFailed) as error:
        return Trajectory(task.id, tuple(steps), "", status=f"{type(error).__name__}: {error}", info=private)
    info |= private
    info |= {"turns left out": str(left_out)} if left_out else {}
    trajectory = Trajectory(task.id, tuple(steps), answer, cited=tuple(dict.fromkeys(cited)), info=info)
    return replace(trajectory, score=ctx.bench.score(task, trajectory))


def _left_out(ctx: Context, system: dict[str, str], chat: list[dict[str, str]], left_out: int) -> int:
    """How many of the oldest turns are not shown. A quarter of the limit is freed at once, so that the
    prompt keeps its beginning, which providers cache, for many turns."""
    llm, turns = ctx.meter.llm, len(chat) // 2
    if turns <= 1:
        return left_out
    room = llm.context_window - llm.max_completion - llm.count([system])
    limit = min(getattr(ctx.bench, "history_limit", HISTORY_LIMIT), room)
    if llm.count(prompts.shortened(chat, left_out)) <= limit:
        return left_out
    while left_out < turns - 1 and llm.count(prompts.shortened(chat, left_out)) > 0.75 * limit:
        left_out += 1
    return left_out


def rollouts(ctx: Context, module: Module, tasks: Sequence[Task], place: Place) -> list[Trajectory]:
    """One trajectory a task, in the order of the tasks."""
    trajectories = ctx.meter.map(lambda task: rollout(ctx, module, task, place), tasks)
    if place.phase not in ("rollout", "divide"):  # those are recorded with their feedback
        ctx.record.extend(Judged(replace(place, task=t.task_id), t) for t in trajectories)
    return trajectories


def count_uses(module: Module, trajectories: Sequence[Trajectory]) -> Module:
    """The module with the right and wrong uses of its rules in these trajectories added."""
    right: dict[str, int] = {}
    wrong: dict[str, int] = {}
    for trajectory in trajectories:
        if trajectory.ok:
            tally = right if trajectory.score >= 0.5 else wrong
            for rule_id in trajectory.cited:
                tally[rule_id] = tally.get(rule_id, 0) + 1
    return module.map_rules(
        lambda rule: replace(
            rule, right=rule.right + right.get(rule.id, 0), wrong=rule.wrong + wrong.get(rule.id, 0)
        )
    )
