"""Trajectories of one or more runs as a table to filter, sort and open: the browser without its face."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from ..records import Task, brief, showable
from ..runs.result import Run
from .rows import PHASES, Query, Row, labels_of, natural, row_of, text_of, when_of, where_of

PAGE = 50
"""Rows a page."""
LIMIT = 20_000
"""Longest text (observation, action ...) of an open trajectory that is shown at first, in characters."""
MOST_TYPES = 60  # a key of the meta data with more values than this is no type
_RULE = re.compile(r"^\[([\w.-]+)\] (.*?)(?=\n\[[\w.-]+\] |\n\n|\n</module>)", re.MULTILINE | re.DOTALL)


class Table:
    """The trajectories of runs, each in the order it was made; those of one task can be compared."""

    def __init__(self, runs: Sequence[Run]):
        self.runs = list(runs)
        self.labels = labels_of(self.runs)
        rows: list[Row] = []
        by_benchmark: dict[str, dict[str, Row]] = {}
        for number, run in enumerate(self.runs):
            first = by_benchmark.setdefault(run.config.get("benchmark", ""), {})
            tasks = {task.id: task for task in run.state.tasks}
            for judged in sorted(run.state.record, key=when_of):
                task = tasks.get(judged.trajectory.task_id) or Task(judged.trajectory.task_id, "")
                rows.append(row_of(len(rows), number, judged, task, first))
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
            "i": number, "task": brief(row.task.id), "run": brief(self.labels[row.run]),
            "where": brief(where_of(row)), "outcome": row.outcome, "change": row.change, "first": row.first,
            "answer": brief(trajectory.answer), "expected": brief(row.task.answer),
            "cited": brief(" ".join(trajectory.cited)),
        }  # fmt: skip

    @cached_property
    def facets(self) -> dict[str, list]:
        """What can be chosen: filter -> [[group, value, label], ...]; a filter with one value is left out."""
        counted = {name: Counter(keys) for name, keys in self._keys.items()}
        order = {"outcome": ("right", "wrong", "failed").index, "phase": lambda p: (*PHASES, p).index(p)}
        facets = {}
        for name, counts in counted.items():
            values = sorted(filter(None, counts), key=order.get(name, natural))
            facets[name] = [["", value, f"{brief(value)} ({counts[value]:,})"] for value in values]
        facets["type"] = self._types()
        facets["rule"] = [
            [
                brief(self.labels[n]) if len(self.runs) > 1 else "",
                showable(f"{n}:{rule}"),
                brief(f"{rule} {text}", 70),
            ]
            for (n, rule), text in self._rules.items()
        ]
        return {
            name: options
            for name, options in facets.items()
            if len(options) > 1 or name in ("rule", "change") and options
        }

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
        """An open trajectory as JSON for the view; each text is cut at `limit` characters, `cut` says
        how many are missing."""
        row = self.rows[number]
        cutter = _Cutter(limit)
        trajectory = row.judged.trajectory
        rules, note = self.rules_in_force(number)
        detail = self.line(number) | {
            "answer": cutter(trajectory.answer), "expected": cutter(row.task.answer),
            "status": cutter(trajectory.status), "score": f"{trajectory.score:.3g}" if trajectory.ok else "",
            "meta": [[brief(str(key)), brief(str(value))] for key, value in row.task.meta.items()],
            "feedback": cutter(row.judged.feedback.text) if row.judged.feedback else "",
            "rules": [
                {"id": brief(rule), "text": cutter(text), "cited": rule in trajectory.cited}
                for rule, text in rules
            ],
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
            return [
                (rule.id, rule.text) for rule in run.module.rules
            ], "of the final module; the prompt is not in the log"
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
        return [
            tuple(showable(f"{key}: {value}") for key, value in row.task.meta.items()) for row in self.rows
        ]

    @cached_property
    def _texts(self) -> list[str]:
        return [text_of(row).casefold() for row in self.rows]

    @cached_property
    def _rules(self) -> dict[tuple[int, str], str]:
        """(run, rule id) -> text, of all rules that a run holds or a trajectory cites."""
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
        """Rows with all words of a text. One that goes on from the last looks among its finds alone."""
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
        support.update(
            *(held.support for held in run.module.rules if showable(held.id) == rule) if run else ()
        )
        rows = [row for row in self.rows if str(row.run) == number]
        citing = {row.number for row in rows if rule in map(showable, row.judged.trajectory.cited)}
        return citing | {row.number for row in rows if row.task.id in support}


class _Cutter:
    """Cleans texts, cuts each after `limit` characters, and counts what was cut."""

    def __init__(self, limit: int):
        self.limit, self.cut = limit, 0

    def __call__(self, text: str) -> str:
        self.cut += max(0, len(text) - self.limit)
        return showable(text[: self.limit])


_SORT_KEYS = {
    "task": lambda table, row: natural(row.task.id),
    "where": lambda table, row: (row.run, when_of(row.judged)),
    "outcome": lambda table, row: (row.outcome, row.change),
    "answer": lambda table, row: row.judged.trajectory.answer,
    "expected": lambda table, row: row.task.answer,
    "cited": lambda table, row: [natural(rule) for rule in row.judged.trajectory.cited],
    "run": lambda table, row: natural(table.labels[row.run]),
}
