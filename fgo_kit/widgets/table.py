"""Trajectories of one or more runs as a table to filter, sort and open: the browser without its face."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache

from ..records import Task, brief, showable
from ..rollout import Judged
from ..run import Run

PAGE = 50
"""Rows a page."""
LIMIT = 20_000
"""Longest observation, action or other text of an open trajectory that is shown at first, in characters."""
PHASES = ("rollout", "audit", "gate", "test")
MOST_TYPES = 60  # a key of the meta data with more values than this is no type
SORTS = ("task", "where", "outcome", "answer", "expected", "cited", "run")
_RULE = re.compile(r"^\[([\w.-]+)\] (.*?)(?=\n\[[\w.-]+\] |\n\n|\n</module>)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Query:
    """What to show: every filter that is not "" must hold; `text` are words that must all occur.

    outcome: right, wrong or failed. change: gained or lost, against the task's first trajectory. type: "key: value"
    of the task's meta data. rule: "<run number>:<rule id>", cited by the trajectory or supported by its task.
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


class Table:
    """The trajectories of runs, each run in the order it was made; those of one task can be set side by side."""

    def __init__(self, runs: Sequence[Run]):
        self.runs = list(runs)
        self.labels = _labels(self.runs)
        rows: list[Row] = []
        by_benchmark: dict[str, dict[str, Row]] = {}
        for number, run in enumerate(self.runs):
            first = by_benchmark.setdefault(run.config.get("benchmark", ""), {})
            tasks = {task.id: task for task in run.state.tasks}
            for judged in sorted(run.state.record, key=_when):
                task = tasks.get(judged.trajectory.task_id) or Task(judged.trajectory.task_id, "")
                rows.append(_row(len(rows), number, judged, task, first))
        self.rows = rows
        self._searched: tuple[str, set[int]] = ("", set())

    # -- finding

    def find(self, query: Query) -> list[int]:
        """Numbers of the rows a query asks for, in its order (all pages)."""
        wanted = [(self._keys[name], value) for name in self._keys if (value := getattr(query, name))]
        found = [row.number for row in self.rows if all(keys[row.number] == value for keys, value in wanted)]
        if query.type:
            found = [i for i in found if query.type in self._types_of[i]]
        if query.rule:
            held = self._of_rule(query.rule)
            found = [i for i in found if i in held]
        if query.text.strip():
            held = self._of_text(query.text.casefold())
            found = [i for i in found if i in held]
        if query.sort:
            found.sort(key=lambda i: _SORT_KEYS[query.sort](self, self.rows[i]), reverse=query.down)
        elif query.down:
            found.reverse()
        return found

    def page(self, query: Query) -> dict:
        """One page of a query as JSON for the view: total, page, pages, rows."""
        found = self.find(query)
        pages = max(1, -(-len(found) // PAGE))
        page = min(max(0, query.page), pages - 1)
        shown = found[page * PAGE : (page + 1) * PAGE]
        return {"total": len(found), "page": page, "pages": pages, "rows": [self.line(i) for i in shown]}

    def line(self, number: int) -> dict:
        """A row as the list shows it."""
        row = self.rows[number]
        trajectory = row.judged.trajectory
        return {
            "i": number, "task": brief(row.task.id), "run": brief(self.labels[row.run]), "where": brief(_where(row)),
            "outcome": row.outcome, "change": row.change, "answer": brief(trajectory.answer),
            "expected": brief(row.task.answer), "cited": brief(" ".join(trajectory.cited)), "first": row.first,
        }  # fmt: skip

    @cached_property
    def facets(self) -> dict[str, list]:
        """What can be chosen: filter -> [[group, value, label], ...]; a filter with one value is left out."""
        counted = {name: Counter(keys) for name, keys in self._keys.items()}
        order = {"outcome": ("right", "wrong", "failed").index, "phase": lambda p: (*PHASES, p).index(p)}
        facets = {
            name: [["", value, f"{brief(value)} ({counts[value]:,})"] for value in sorted(filter(None, counts), key=order.get(name, natural))]
            for name, counts in counted.items()
        }  # fmt: skip
        facets["type"] = self._types()
        facets["rule"] = [
            [brief(self.labels[n]) if len(self.runs) > 1 else "", showable(f"{n}:{rule}"), brief(f"{rule} {text}", 70)]
            for (n, rule), text in self._rules.items()
        ]
        return {name: options for name, options in facets.items() if len(options) > 1 or name in ("rule", "change") and options}

    def _types(self) -> list[list[str]]:
        tasks = {id(row.task): row.task for row in self.rows}
        counts: dict[str, Counter] = {}
        for task, times in Counter(id(row.task) for row in self.rows).items():
            for key, value in tasks[task].meta.items():
                counts.setdefault(str(key), Counter())[str(value)] += times
        return [
            [brief(key), showable(f"{key}: {value}"), f"{brief(value)} ({number:,})"]
            for key, values in counts.items()
            if 1 < len(values) <= MOST_TYPES
            for value, number in sorted(values.items(), key=lambda item: natural(item[0]))
        ]

    # -- one trajectory

    def detail(self, number: int, limit: int = LIMIT) -> dict:
        """An open trajectory as JSON for the view; each text is cut at `limit` characters, `cut` is what is missing."""
        row = self.rows[number]
        cutter = _Cutter(limit)
        trajectory = row.judged.trajectory
        rules, note = self.rules_in_force(number)
        detail = self.line(number) | {
            "answer": cutter(trajectory.answer), "expected": cutter(row.task.answer), "status": cutter(trajectory.status),
            "score": f"{trajectory.score:.3g}" if trajectory.ok else "", 
            "meta": [[brief(str(key)), brief(str(value))] for key, value in row.task.meta.items()],
            "feedback": cutter(row.judged.feedback.text) if row.judged.feedback else "",
            "rules": [{"id": brief(rule), "text": cutter(text), "cited": rule in trajectory.cited} for rule, text in rules],
            "rules_note": note, "others": [self.line(i) for i in self.same_task(number) if i != number],
            "steps": [
                {"brief": brief(step.action, 90), "saw": cutter(step.observation), "did": cutter(step.action)}
                for step in trajectory.steps
            ],
        }  # fmt: skip
        return detail | {"cut": cutter.cut}

    def same_task(self, number: int) -> list[int]:
        """Every trajectory of the same task, in all runs, earliest first."""
        first = self.rows[number].first
        return [row.number for row in self.rows if row.first == first]

    def rules_in_force(self, number: int) -> tuple[list[tuple[str, str]], str]:
        """The rules the agent was shown, as (id, text), and a note on where they are known from.

        They are read from the prompt in the call log; without it, those of the final module for the test.
        """
        row = self.rows[number]
        run = self.runs[row.run]
        place = replace(row.judged.place, task=row.judged.trajectory.task_id, turn=0)
        key = self._call_keys(row.run).get(str(place))
        try:
            prompt = run.log.messages_of(key)[0]["content"] if key else ""
        except (KeyError, IndexError):
            prompt = ""
        if prompt:
            return _RULE.findall(prompt), "as the agent's prompt had them"
        if place.phase == "test":
            return [(rule.id, rule.text) for rule in run.module.rules], "of the final module; the prompt is not in the log"
        return [], "not known: the prompt is not in the log"

    def _call_keys(self, run: int) -> dict[str, str]:
        if run not in self._logged:
            calls = self.runs[run].calls()
            self._logged[run] = dict(zip(calls["place"], calls["key"], strict=True))
        return self._logged[run]

    # -- caches

    def warm(self) -> None:
        """Prepare what the first search would wait for."""
        _ = self._texts, self._types_of

    @cached_property
    def _logged(self) -> dict[int, dict[str, str]]:
        return {}

    @cached_property
    def _keys(self) -> dict[str, list[str]]:
        """Per filter, the value of every row."""
        benchmarks = [str(run.config.get("benchmark", "")) for run in self.runs]
        keys = {
            "run": [self.labels[row.run] for row in self.rows],
            "benchmark": [benchmarks[row.run] for row in self.rows],
            "phase": [row.judged.place.phase for row in self.rows],
            "subset": [str(row.judged.place.subset or row.judged.place.node) for row in self.rows],
            "epoch": [str(row.judged.place.epoch or "") for row in self.rows],
            "outcome": [row.outcome for row in self.rows],
            "change": [row.change for row in self.rows],
        }
        return {name: [showable(value) for value in values] for name, values in keys.items()}

    @cached_property
    def _types_of(self) -> list[tuple[str, ...]]:
        return [tuple(showable(f"{key}: {value}") for key, value in row.task.meta.items()) for row in self.rows]

    @cached_property
    def _texts(self) -> list[str]:
        return [_text(row).casefold() for row in self.rows]

    @cached_property
    def _rules(self) -> dict[tuple[int, str], str]:
        """(run, rule id) -> text, of all rules that a run's tree or final module holds or a trajectory cites."""
        found = {}
        for number, run in enumerate(self.runs):
            nodes = run.merge_tree.walk() if run.merge_tree else ()
            for rule in (*run.module.rules, *(rule for node in nodes for rule in node.module.rules)):
                found.setdefault((number, rule.id), rule.text)
        for row in self.rows:
            for rule in row.judged.trajectory.cited:
                found.setdefault((row.run, rule), "")
        return found

    def _of_text(self, text: str) -> set[int]:
        """Rows with all words of a text. One that goes on from the last is looked for among its finds alone."""
        before, found = self._searched
        if text != before:
            within = found if before and text.startswith(before) else range(len(self.rows))
            words = text.split()
            found = {i for i in within if all(word in self._texts[i] for word in words)}
            self._searched = (text, found)
        return found

    def _of_rule(self, name: str) -> set[int]:
        number, _, rule = name.partition(":")
        support: set[str] = set()
        run = self.runs[int(number)] if number.isdigit() and int(number) < len(self.runs) else None
        for node in (*run.merge_tree.walk(),) if run and run.merge_tree else ():
            support.update(*(held.support for held in node.module.rules if showable(held.id) == rule))
        support.update(*(held.support for held in run.module.rules if showable(held.id) == rule) if run else ())
        return {
            row.number for row in self.rows
            if str(row.run) == number and (rule in map(showable, row.judged.trajectory.cited) or row.task.id in support)
        }  # fmt: skip


class _Cutter:
    """Cleans texts, cuts each after `limit` characters, and counts what was cut."""

    def __init__(self, limit: int):
        self.limit, self.cut = limit, 0

    def __call__(self, text: str) -> str:
        self.cut += max(0, len(text) - self.limit)
        return showable(text[: self.limit])


@lru_cache(maxsize=1 << 16)
def natural(text: str) -> tuple:
    """A sort key that puts s2 before s10."""
    parts = re.split(r"([0-9]+)", text[:200])
    return tuple((n % 2 == 0, int(part) if n % 2 else 0, part) for n, part in enumerate(parts) if part)


def _labels(runs: list[Run]) -> list[str]:
    """A name for every run: its method, and what tells it from the others."""
    labels = [str(run.config.get("method", run.id)) for run in runs]
    for extra in ("benchmark", "llm", "seed"):
        if len({run.config.get(extra) for run in runs}) > 1:
            labels = [f"{label}, {extra} {run.config.get(extra)}" for label, run in zip(labels, runs, strict=True)]
    twice = Counter(labels)
    labels = [f"{label} {run.id[:6]}" if twice[label] > 1 else label for label, run in zip(labels, runs, strict=True)]
    return [showable(label) for label in labels]


def _when(judged: Judged) -> tuple:
    place = judged.place
    phase = PHASES.index(place.phase) if place.phase in PHASES else len(PHASES)
    return phase, natural(str(place.subset)), place.epoch, natural(place.node), natural(judged.trajectory.task_id)


def _where(row: Row) -> str:
    place = row.judged.place
    parts = (place.phase, str(place.subset), f"epoch {place.epoch}" if place.epoch else "", place.node)
    return " · ".join(part for part in parts if part)


def _outcome(judged: Judged) -> str:
    if not judged.trajectory.ok:
        return "failed"
    return "right" if judged.trajectory.score >= 0.5 else "wrong"


def _row(number: int, run: int, judged: Judged, task: Task, first: dict[str, Row]) -> Row:
    """A row; `first` holds the first row of every task of the benchmark seen so far, and takes this one."""
    outcome = _outcome(judged)
    before = first.get(task.id)
    if before is None:
        first[task.id] = row = Row(number, run, judged, task, outcome, "", number)
        return row
    change = {("wrong", "right"): "gained", ("right", "wrong"): "lost"}.get((before.outcome, outcome), "")
    return Row(number, run, judged, task, outcome, change, before.number)


def _text(row: Row) -> str:
    trajectory = row.judged.trajectory
    steps = (part for step in trajectory.steps for part in (step.observation, step.action))
    feedback = row.judged.feedback.text if row.judged.feedback else ""
    meta = (str(value) for value in row.task.meta.values())
    return "\n".join((row.task.id, trajectory.answer, row.task.answer, trajectory.status, feedback, *meta, *steps))


_SORT_KEYS = {
    "task": lambda table, row: natural(row.task.id),
    "where": lambda table, row: (row.run, _when(row.judged)),
    "outcome": lambda table, row: (row.outcome, row.change),
    "answer": lambda table, row: row.judged.trajectory.answer,
    "expected": lambda table, row: row.task.answer,
    "cited": lambda table, row: [natural(rule) for rule in row.judged.trajectory.cited],
    "run": lambda table, row: natural(table.labels[row.run]),
}
