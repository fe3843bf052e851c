"""What a method works on: a `Benchmark`, and the `Environment` of one of its tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from ..calls.meter import Meter
from ..calls.protocol import FGOError
from ..calls.requests import Place
from ..records import Module, Task, Trajectory


class EnvironmentFailed(FGOError):
    """One task cannot be played, or played on. Its trajectory gets this as its status; the run goes on."""


class Environment:
    """One task being played: `observe`, then `step` until it is over, then `close`.

    Raises EnvironmentFailed where it is this task that cannot be played; any other error ends the run.
    answer: what counts at the end, None for what the agent wrote last. info: what is known of the play besides the
    answer, e.g. task type, steps, invalid actions. final: what came of the last action.
    """

    answer: str | None = None
    info: Mapping[str, str] = MappingProxyType({})
    final: str = ""

    def observe(self) -> str:
        """The first observation."""
        raise NotImplementedError

    def step(self, action: str) -> tuple[str, bool]:
        """Next observation, and whether the episode is over. With tools the action is the whole reply."""
        raise NotImplementedError

    def close(self) -> None:
        """Called once, whatever happened."""


@dataclass(frozen=True)
class OneAnswer(Environment):
    """A task that needs no interaction: one observation, and the first answer ends it."""

    seen: str

    def observe(self) -> str:
        return self.seen

    def step(self, action: str) -> tuple[str, bool]:
        return "", True


class Benchmark:
    """Tasks in three disjoint splits, how to play one, and how to score it. The base of every benchmark.

    fingerprint: a hash of all tasks and of what else decides a rollout: part of a run's identity. tools: {"name",
    "description", "parameters"} each; empty where actions are plain answers. form: how a rollout is shown to evaluator
    and optimiser, as one "answer", as "turns", or as turns with "tools". history_limit: tokens of dialogue, without
    the module, that an agent is shown; beyond it the oldest turns are left out. trajectory_tokens: what a trajectory
    with feedback adds to its task's text in a prompt, None where that has to be measured. shortcuts: baselines that
    ask no model, `f(task) -> answer`, by the name they have as methods. agent: plays tasks in place of the built-in
    loop, by `agent.play(meter, module, task, place)`: a trajectory without a score, or what an `Environment` raises.
    playable: False where only logged trajectories are at hand; a run then has no test score. world: which draw of a
    generated set it is, None for other data. at_once: how many environments can be open at a time, None for any number;
    beyond it `start` waits.
    """

    name: str
    fingerprint: str
    train: tuple[Task, ...]
    gate: tuple[Task, ...]
    test: tuple[Task, ...]
    seed_module: Module
    tools: tuple[dict, ...] = ()
    form: str = "answer"
    history_limit: int = 6_000
    trajectory_tokens: int | None = None
    shortcuts: Mapping[str, Callable[[Task], str]] = MappingProxyType({})
    agent: Any = None
    playable: bool = True
    world: int | None = None
    at_once: int | None = None

    def start(self, task: Task) -> Environment:
        """The task's environment; raises what an `Environment` raises."""
        raise NotImplementedError

    def first_observation(self, task: Task) -> str:
        """What an agent is shown of a task before it acts."""
        with closing(self.start(task)) as environment:
            return environment.observe()

    def score(self, task: Task, trajectory: Trajectory) -> float | tuple[float, str]:
        """From 0.0 to 1.0, NaN for a rollout that failed; or that and a comment, which the optimiser is shown."""
        raise NotImplementedError

    def dry(self) -> Benchmark:
        """The same tasks for a dry run, in which nothing is asked or paid outside."""
        return self

    def scored(
        self, task: Task, trajectory: Trajectory, meter: Meter | None = None, place: Place | None = None
    ) -> Trajectory:
        """The trajectory with its score and the scorer's comment. meter, place: of its rollout, for a scorer that asks
        an LLM; one that gets no answer raises what an `Environment` raises."""
        given = self.score(task, trajectory)
        score, comment = given if isinstance(given, tuple) else (given, "")
        return replace(trajectory, score=score, comment=comment)
