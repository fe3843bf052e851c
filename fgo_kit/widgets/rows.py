"""What the trajectory browser lists: a row for every trajectory, and the query that picks rows."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, fields, replace
from functools import lru_cache

from ..algorithm.context import Judged
from ..records import NOT_SHOWN, Task, concealed, showable
from ..runs.result import Run

PHASES = ("divide", "rollout", "audit", "gate", "test")
SORTS = ("task", "where", "outcome", "answer", "expected", "cited", "run")


@dataclass(frozen=True)
class Query:
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
    def of(cls, choices: dict) -> Query:
        """A query from its JSON form; ValueError for what is not one."""
        known = {field.name: type(field.default) for field in fields(cls)}
        for name, value in choices.items():
            if name not in known or type(value) is not known[name]:
                raise ValueError(f"query {name}={value!r} is not allowed; use {sorted(known)}, text mostly")
        if choices.get("sort", "") not in ("", *SORTS):
            raise ValueError(f"sort={choices['sort']!r} is unknown; use one of {list(SORTS)}")
        return cls(**choices)


@dataclass(frozen=True)
class Row:
    """One trajectory and what it is filtered by."""

    number: int
    run: int
    judged: Judged
    task: Task
    outcome: str
    change: str = ""
    first: int = 0  # number of the task's first trajectory


@lru_cache(maxsize=1 << 16)
def natural(text: str) -> tuple:
    """A sort key that puts s2 before s10."""
    parts = re.split(r"([0-9]+)", text[:200])
    return tuple((n % 2 == 0, int(part) if n % 2 else 0, part) for n, part in enumerate(parts) if part)


def labels_of(runs: list[Run]) -> list[str]:
    """A name for every run: its method, and what tells it from the others."""
    labels = [str(run.config.get("method", run.id)) for run in runs]
    for extra in ("benchmark", "llm", "seed"):
        if len({run.config.get(extra) for run in runs}) > 1:
            labels = [
                f"{label}, {extra} {run.config.get(extra)}" for label, run in zip(labels, runs, strict=True)
            ]
    twice = Counter(labels)
    labels = [
        f"{label} {run.id[:6]}" if twice[label] > 1 else label
        for label, run in zip(labels, runs, strict=True)
    ]
    return [showable(label) for label in labels]


def when_of(judged: Judged) -> tuple:
    place = judged.place
    phase = PHASES.index(place.phase) if place.phase in PHASES else len(PHASES)
    return (
        phase,
        natural(str(place.subset)),
        place.epoch,
        natural(place.node),
        natural(judged.trajectory.task_id),
    )


def where_of(row: Row) -> str:
    place = row.judged.place
    parts = (place.phase, str(place.subset), f"epoch {place.epoch}" if place.epoch else "", place.node)
    return " · ".join(part for part in parts if part)


def outcome_of(judged: Judged) -> str:
    if not judged.trajectory.ok:
        return "failed"
    return "right" if judged.trajectory.score >= 0.5 else "wrong"


def row_of(number: int, run: int, judged: Judged, task: Task, first: dict[str, Row]) -> Row:
    """A row; `first` holds the first row of every task of the benchmark seen so far, and takes this one. A private
    task's row holds nothing of what was read and written."""
    outcome = outcome_of(judged)
    if task.private:
        task, feedback = replace(task, answer=NOT_SHOWN), judged.feedback and replace(judged.feedback, text=NOT_SHOWN)
        judged = replace(judged, trajectory=concealed(judged.trajectory), feedback=feedback)
    before = first.get(task.id)
    if before is None:
        first[task.id] = row = Row(number, run, judged, task, outcome, "", number)
        return row
    change = {("wrong", "right"): "gained", ("right", "wrong"): "lost"}.get((before.outcome, outcome), "")
    return Row(number, run, judged, task, outcome, change, before.number)


def text_of(row: Row) -> str:
    trajectory = row.judged.trajectory
    steps = (part for step in trajectory.steps for part in (step.observation, step.action))
    feedback = row.judged.feedback.text if row.judged.feedback else ""
    meta = (str(value) for value in row.task.meta.values())
    return "\n".join(
        (row.task.id, trajectory.answer, row.task.answer, trajectory.status, feedback, *meta, *steps)
    )
