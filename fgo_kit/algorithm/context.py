"""What the stages of one run share: its `Context`, and the notebook of trajectories it keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ..calls.log import Place
from ..calls.meter import Meter
from ..calls.protocol import LLM
from ..records import Division, Feedback, Module, Rule, Task, Trajectory
from .benchmark import Benchmark
from .settings import Settings


@dataclass(frozen=True)
class Judged:
    """One line of a run's notebook: a trajectory, its feedback, and where in the run it was made."""

    place: Place
    trajectory: Trajectory
    feedback: Feedback | None = None

    @property
    def score(self) -> float:
        """As it counts in what is learnt: the verdict of an evaluator who was not shown the scorer's."""
        return self.trajectory.score if self.feedback is None else self.feedback.score


@dataclass(frozen=True)
class Cut:
    """A rule that a control took out of a module: where in the run, and by which control."""

    place: Place
    rule: Rule
    control: str


@dataclass(frozen=True)
class Context:
    """What every stage of one run needs. `record` collects trajectories in whatever order they end.

    meter: asks the agent's LLM; roles: the LLMs of "optimizer", "evaluator" and "merger", where they are not the
    agent's. dropped: trajectories that were left out of optimiser prompts. unused: parts of adopted answers that were
    of no use, and why. cuts: rules that controls took out. rejected: texts of rules that a gate refused. traces:
    trajectories logged elsewhere, by task id, in place of the first rollouts of the seed module. pass_number counts the
    passes, round_number the rounds of each; the names of subsets and merge nodes of later ones bear a `suffix`. before:
    the module that a round started from. explored: by task id the training rollouts so far, one after another.
    parents: the parents of every rule ever made, by its id. on_division: see `run`.
    """

    bench: Benchmark
    meter: Meter
    settings: Settings
    record: list[Judged] = field(default_factory=list)
    dropped: list[Place] = field(default_factory=list)
    unused: list[tuple[Place, str]] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    traces: Mapping[str, Trajectory] = field(default_factory=dict)
    pass_number: int = 1
    round_number: int = 1
    before: Module = field(default=Module(()))
    explored: dict[str, list[Judged]] = field(default_factory=dict)
    parents: dict[str, tuple[str, ...]] = field(default_factory=dict)
    on_division: Callable[[Division], None] | None = None

    roles: Mapping[str, LLM] = field(default_factory=dict)

    @cached_property
    def train(self) -> dict[str, Task]:
        """The training tasks by their ids."""
        return {task.id: task for task in self.bench.train}

    @property
    def seed(self) -> int:
        return self.settings.seed

    def asking(self, role: str) -> Meter:
        """The meter for "optimizer", "evaluator" or "merger"; the agent's own where the role has no LLM of its own."""
        return self.meter.asking(self.roles.get(role, self.meter.llm))

    @property
    def suffix(self) -> str:
        parts = (("r", self.round_number), ("p", self.pass_number))
        return "".join(f"{letter}{number}" for letter, number in parts if number > 1)

    def note(self, judged: Judged) -> None:
        """Keep what was explored of a training task."""
        self.record.append(judged)
        self.explored.setdefault(judged.trajectory.task_id, []).append(judged)

    def know(self, module: Module) -> Module:
        """Take note of where the rules of a module come from."""
        self.parents.update({rule.id: rule.parents for rule in module.rules if rule.id not in rule.parents})
        return module

    def lineage(self, rule_id: str) -> set[str]:
        """The rule's id, and those of all rules that it comes from."""
        lineage, todo = set(), [rule_id]
        while todo:
            if (of := todo.pop()) not in lineage:
                lineage.add(of)
                todo += self.parents.get(of, ())
        return lineage
