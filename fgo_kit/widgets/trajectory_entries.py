"""What the trajectory browser lists: an entry for every trajectory, and the filters that pick entries."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from typing import Any

from ..algorithm.context import Judged
from ..records import NOT_SHOWN, Task
from ..records.showing import showable
from ..runs.result import Run
from ..runs.saving import public
from .progress import PHASES


@dataclass(frozen=True)
class Filters:
    """What to show: every filter that is not "" must hold; `text` are words that must all occur.

    outcome: right, wrong or failed. change: gained or lost, against the task's first trajectory. type:
    "key: value" of the task's meta data. rule: "<run number>:<rule id>", cited by the trajectory or
    supported by its task.
    sort: one of SORTS, "" for the order of the run; down reverses it. page counts from 0.
    """

    run: str = ""
    benchmark: str = ""
    phase: str = ""
    subset: str = ""
    epoch: str = ""
    outcome: str = ""
    change: str = ""
    type: str = ""
    rule: str = ""
    text: str = ""
    sort: str = ""
    down: bool = False
    page: int = 0

    @classmethod
    def of(cls, query: Mapping) -> Filters:
        """Filters from their JSON form; ValueError for what is not one."""
        known = {field.name: type(field.default) for field in fields(cls)}
        for name, value in query.items():
            if name not in known or type(value) is not known[name]:
                raise ValueError(f"query {name}={value!r} is not allowed; use {sorted(known)}, text mostly")
        if query.get("sort", "") not in ("", *SORTS):
            raise ValueError(f"sort={query['sort']!r} is unknown; use one of {list(SORTS)}")
        return cls(**query)


@dataclass(frozen=True)
class Entry:
    """One trajectory and what it is filtered by. run, label: its run's number and name; first: the number of its
    task's first entry. A private task's entry holds nothing of what was read and written."""

    number: int
    run: int
    label: str
    judged: Judged
    task: Task
    outcome: str
    change: str = ""
    first: int = 0

    @property
    def where(self) -> str:
        place = self.judged.place
        parts = (place.phase, str(place.subset), f"epoch {place.epoch}" if place.epoch else "", place.node)
        return " · ".join(filter(None, parts))

    @cached_property
    def types(self) -> tuple[str, ...]:
        return tuple(showable(f"{key}: {value}") for key, value in self.task.meta.items())

    @cached_property
    def text(self) -> str:
        """All that words are looked for in, without regard to case."""
        task, trajectory, feedback = self.task, self.judged.trajectory, self.judged.feedback
        steps = (part for step in trajectory.steps for part in (step.observation, step.action))
        texts = (task.id, trajectory.answer, task.answer, trajectory.status, feedback.text if feedback else "")
        return "\n".join((*texts, *map(str, task.meta.values()), *steps)).casefold()


def entries_of(runs: list[Run]) -> list[Entry]:
    """Every trajectory of the runs, each run's in the order it was made."""
    entries: list[Entry] = []
    firsts: dict[tuple[str, str], Entry] = {}  # by benchmark and task
    for number, (run, label) in enumerate(zip(runs, labels_of(runs), strict=True)):
        tasks = {task.id: task for task in run.state.tasks}
        for judged in sorted(run.state.record, key=when_of):
            task = tasks.get(judged.trajectory.task_id) or Task(judged.trajectory.task_id, "")
            outcome, key = outcome_of(judged), (run.config.get("benchmark", ""), task.id)
            task = replace(task, answer=NOT_SHOWN) if task.private else task
            entry = Entry(len(entries), number, label, public(judged), task, outcome, first=len(entries))
            first = firsts.setdefault(key, entry)
            entries.append(replace(entry, first=first.number, change=_CHANGES.get((first.outcome, outcome), "")))
    return entries


_CHANGES = {("wrong", "right"): "gained", ("right", "wrong"): "lost"}


def outcome_of(judged: Judged) -> str:
    """right, wrong or failed."""
    if not judged.trajectory.ok:
        return "failed"
    return "right" if judged.trajectory.score >= 0.5 else "wrong"


@lru_cache(maxsize=1 << 16)
def natural(text: str) -> tuple:
    """A sort key that puts s2 before s10."""
    parts = re.split(r"([0-9]+)", text[:200])
    return tuple((n % 2 == 0, int(part) if n % 2 else 0, part) for n, part in enumerate(parts) if part)


def when_of(judged: Judged) -> tuple:
    """A sort key: the order of a run."""
    place = judged.place
    phase = PHASES.index(place.phase) if place.phase in PHASES else len(PHASES)
    return phase, natural(str(place.subset)), place.epoch, natural(place.node), natural(judged.trajectory.task_id)


def labels_of(runs: list[Run]) -> list[str]:
    """A name for every run: its method, and what makes it different from the others."""
    labels = [str(run.config.get("method", run.id)) for run in runs]
    for extra in ("benchmark", "llm", "seed"):
        values = [run.config.get(extra) for run in runs]
        if len(set(values)) > 1:
            labels = [f"{label}, {extra} {value}" for label, value in zip(labels, values, strict=True)]
    count = Counter(labels)
    names = zip(labels, runs, strict=True)
    return [showable(f"{label} {run.id[:6]}" if count[label] > 1 else label) for label, run in names]


SORTS: dict[str, Callable[[Entry], Any]] = {
    "task": lambda entry: natural(entry.task.id), "where": lambda entry: (entry.run, when_of(entry.judged)),
    "outcome": lambda entry: (entry.outcome, entry.change), "answer": lambda entry: entry.judged.trajectory.answer,
    "expected": lambda entry: entry.task.answer, "run": lambda entry: natural(entry.label),
    "cited": lambda entry: [natural(rule) for rule in entry.judged.trajectory.cited],
}  # fmt: skip
"""What entries are sorted by, by the name of the column."""
