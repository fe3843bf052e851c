"""What was read from a log: a `Trace` is a task with its trajectory, `Traces` are all of a file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..records import Task, Trajectory
from ..records.showing import brief, escape, showable

SCORES = {"success": 1.0, "ok": 1.0, "won": 1.0, "true": 1.0, "fail": 0.0, "failure": 0.0, "lost": 0.0, "false": 0.0}
"""Scores that logs write as words."""


@dataclass(frozen=True)
class Trace:
    """A task as far as the log tells it (its text, the expected answer, meta data), and what an agent did with it.

    system: the agent's instructions, "" where the log has none.
    """

    task: Task
    trajectory: Trajectory
    system: str = ""


@dataclass(frozen=True)
class Traces(Sequence):
    """The trajectories of a log, in its order: a sequence of `Trajectory`.

    tasks: their tasks by id. instructions: the agent's own, where all traces have the same, else "". unread: (where,
    why) of each trace that was left out, with `read_traces(skip=True)`. A task that was tried again has "#2", "#3" ...
    after its id.
    """

    format: str
    trajectories: tuple[Trajectory, ...]
    tasks: Mapping[str, Task] = field(repr=False)
    instructions: str = ""
    unread: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, name: str, traces: Iterable[Trace], unread: Iterable[tuple[str, str]] = ()) -> Traces:
        """Traces of one format, their ids made different."""
        seen: dict[str, int] = {}
        held, systems = [], set()
        for trace in traces:
            seen[trace.task.id] = times = seen.get(trace.task.id, 0) + 1
            task_id = trace.task.id if times == 1 else f"{trace.task.id}#{times}"
            held.append((replace(trace.task, id=task_id), replace(trace.trajectory, task_id=task_id)))
            systems.add(trace.system)
        instructions = systems.pop() if len(systems) == 1 else ""
        trajectories = tuple(trajectory for _, trajectory in held)
        return cls(name, trajectories, {task.id: task for task, _ in held}, instructions, tuple(unread))

    def __len__(self) -> int:
        return len(self.trajectories)

    def __getitem__(self, number):
        return self.trajectories[number]

    def __repr__(self) -> str:
        scores = [trajectory.score for trajectory in self.trajectories if not math.isnan(trajectory.score)]
        scored = f"{len(scores)} with a score, mean {sum(scores) / len(scores):.2f}" if scores else "none with a score"
        left = f"; {len(self.unread)} not read, see .unread" if self.unread else ""
        return showable(f"{len(self)} traces ({self.format}), {scored}{left}")

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>"


def scored(value: Any, name: str = "score") -> float:
    """A log's score from 0 to 1, NaN for none; ValueError for what is no score.

    >>> scored(True), scored("fail"), scored("0.5")
    (1.0, 0.0, 0.5)
    """
    if value is None:
        return float("nan")
    if isinstance(value, str):
        value = SCORES.get(value.strip().lower(), value)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if math.isnan(number) or not 0 <= number <= 1:
        raise ValueError(f"{name}={brief(repr(value))} is no score; scores are true, false or numbers from 0 to 1")
    return number


REWARDS = ("result", "success", "reward", "score", "won", "correct")
"""Names under which logs have a score."""


def first_of(record: Any, names: Sequence[str]) -> Any:
    """The first value, neither missing nor a part of many, under these names in a record, its meta or its output."""
    nested = [record, *(record.get(part) for part in ("meta", "metadata", "output"))]
    nested += [place.get("result") for place in nested if isinstance(place, Mapping)]
    held = (place.get(name) for place in nested if isinstance(place, Mapping) for name in names)
    return next((value for value in held if isinstance(value, str | int | float)), None)


def identity(record: Any, names: Sequence[str], default: str) -> str:
    """What a record calls its task, by the first of these names it has."""
    value = first_of(record, names)
    return default if value is None or isinstance(value, bool) else str(value)


def reward(record: Any) -> float:
    """The score that a record, its meta data or its output has; NaN for none, ValueError for what is no score."""
    return scored(first_of(record, REWARDS))


def short_values(values: Any, most: int = 60) -> dict[str, str]:
    """Meta data of a task: what of a record's own is short."""
    if not isinstance(values, Mapping):
        return {}
    scalars = {str(key): value for key, value in values.items() if isinstance(value, str | int | float | bool)}
    return {key: str(value) for key, value in scalars.items() if len(str(value)) <= most}
