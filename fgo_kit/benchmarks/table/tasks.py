"""The rows of a table as tasks: every fault is found before any is told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np

from ...records import Task
from ...records.later import pandas as pd
from ..splits import SHARES, SPLITS, deal, near_duplicates
from .scores import last_number
from .source import Rows

ALIASES = {"training": "train", "validation": "gate", "valid": "gate", "val": "gate", "dev": "gate"}


@dataclass(frozen=True)
class Columns:
    """Which columns of a table hold what. id: "" numbers the rows; split: "" deals the tasks to the three splits."""

    question: str
    answer: str
    id: str = ""
    split: str = ""

    @property
    def named(self) -> list[str]:
        return [name for name in (self.question, self.answer, self.id, self.split) if name]


def split_tasks(rows: Rows, columns: Columns, alike: float, seed: int, numbers: bool) -> tuple[tuple[Task, ...], ...]:
    """The tasks of a table in three splits. numbers: answers have to hold a number.

    Without a column that tells the split, questions that are equal, or alike to `alike`, stay in one of them.
    Raises ValueError with every fault of the table and the numbers of its rows.
    """
    if not rows.by_number:
        rows.faults.add("it holds no row")
        rows.faults.refuse()
    for name in columns.named:
        if name not in rows.columns:
            rows.faults.add(f"column {name!r} is missing; the columns are {sorted(rows.columns)}")
    tasks = {number: _task(rows, columns, number) for number in rows.by_number}
    _check_ids(rows, tasks)
    if numbers:
        for number in (n for n, task in tasks.items() if task.answer and last_number(task.answer) is None):
            rows.faults.add("the answer holds no number, as score='number' needs", number)
    groups = _groups(tasks, alike)
    if columns.split:
        parts = _given(rows, columns.split, tasks)
        _check_leaks(rows, parts, groups, alike)
    else:
        parts = _dealt(rows, tasks, groups, alike, seed)
    rows.faults.refuse()
    return tuple(tuple(tasks[number] for number in part) for part in parts)


def _task(rows: Rows, columns: Columns, number: int) -> Task:
    """A row as a task; faults are noted, and a faulty cell is empty in it."""
    question, answer = (_text(rows, name, number) for name in (columns.question, columns.answer))
    name = _text(rows, columns.id, number) if columns.id else f"row{number}"
    others = ((str(key), value) for key, value in rows.by_number[number].items() if not _absent(value))
    return Task(name.strip(), question, answer, {key: str(value) for key, value in others if key not in columns.named})


def _absent(value: Any) -> bool:
    if value is None or isinstance(value, str | int):
        return value is None
    return pd.api.types.is_scalar(value) and bool(pd.isna(value))


def _text(rows: Rows, column: str, number: int) -> str:
    value = rows.by_number[number].get(column)
    if column not in rows.columns:
        pass  # told already, once
    elif _absent(value):
        rows.faults.add(f"column {column!r} is missing (None or NaN)", number)
    elif isinstance(value, str):
        if value.strip():
            return value
        rows.faults.add(f"column {column!r} is empty", number)
    elif isinstance(value, bool | np.bool_ | Number):
        return str(int(value) if isinstance(value, float) and value.is_integer() else value)  # 3.0 was a 3 among NaN
    else:
        rows.faults.add(f"column {column!r} is a {type(value).__name__}, and has to be a text or a number", number)
    return ""


def _check_ids(rows: Rows, tasks: Mapping[int, Task]) -> None:
    by_id = defaultdict(list)
    for number, task in tasks.items():
        if task.id:
            by_id[task.id].append(number)
    for name, numbers in by_id.items():
        if len(numbers) > 1:
            rows.faults.add(f"id {name!r} occurs more than once", *numbers)


def _groups(tasks: Mapping[int, Task], alike: float) -> dict[int, int]:
    """A group number for each row: rows whose questions are equal, or alike, are in one group."""
    texts = {number: " ".join(task.text.casefold().split()) for number, task in tasks.items()}
    different = [text for text in dict.fromkeys(texts.values()) if text]
    groups = near_duplicates(different, alike, masked=False) if alike < 1 and different else range(len(different))
    group_of = dict(zip(different, groups, strict=True))
    return {number: group_of.get(text, -1) for number, text in texts.items()}


def _given(rows: Rows, column: str, tasks: Mapping[int, Task]) -> tuple[list[int], ...]:
    parts: dict[str, list[int]] = {name: [] for name in SPLITS}
    for number in tasks if column in rows.columns else ():
        value = rows.by_number[number].get(column)
        name = "" if _absent(value) else str(value).strip().casefold()
        name = ALIASES.get(name, name)
        if name in parts:
            parts[name].append(number)
        else:
            allowed = f"{', '.join(SPLITS)} (or validation, dev, val for gate)"
            rows.faults.add(f"column {column!r} is {value!r}, and has to be one of {allowed}", number)
    for name in ("train", "test"):
        if not parts[name] and column in rows.columns:
            rows.faults.add(f"no row is of the {name} split")
    return tuple(parts.values())


def _check_leaks(rows: Rows, parts: Iterable[list[int]], groups: Mapping[int, int], alike: float) -> None:
    train, _, test = parts
    trained = {groups[number]: number for number in reversed(train)}
    pairs = [(trained[groups[number]], number) for number in test if groups[number] in trained]
    if pairs:
        shown = ", ".join(f"{first} and {second}" for first, second in pairs[:20])
        more = f" and {len(pairs) - 20} more" if len(pairs) > 20 else ""
        rows.faults.add(f"training questions stand in the test split, equal or alike (cosine of {alike:g}; alike=1.0 "
                        f"looks for equal ones alone): rows {shown}{more}; take one of each out, or leave the splits "
                        "to from_table")


def _dealt(
    rows: Rows, tasks: Mapping[int, Task], groups: Mapping[int, int], alike: float, seed: int
) -> list[list[int]]:
    numbers, rng = list(tasks), np.random.default_rng([seed, 2])
    parts = deal([str(groups[number]) for number in numbers], [True] * len(numbers), SHARES, rng)
    if not all(parts) and set(groups.values()) != {-1}:  # else there is no question at all
        different = len(set(groups.values()))
        rows.faults.add(f"{len(numbers)} tasks in {different} groups of like questions are too few for three splits; "
                        f"give more, or a column with the splits, or alike=1.0 (now {alike:g}) to part questions that "
                        "are alike")
    return [[numbers[at] for at in part] for part in parts]
