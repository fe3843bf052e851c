"""Trajectories of one or more runs to filter, sort and open: the browser without its face."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, cached_property

from ..records import Rule
from ..records.showing import brief, showable
from ..runs.result import Run
from .progress import PHASES
from .trajectory_entries import SORTS, Filters, entries_of, labels_of, natural

PAGE = 50
"""Entries a page."""
LIMIT = 20_000
"""Longest text (observation, action ...) of an open trajectory that is shown at first, in characters."""
MOST_TYPES = 60
"""A key of the meta data with more values than this is no type."""
_RULE = re.compile(r"^\[([\w.-]+)\] (.*?)(?=\n\[[\w.-]+\] |\n\n|\n</module>)", re.MULTILINE | re.DOTALL)
_ORDERS = {"outcome": ("right", "wrong", "failed").index, "phase": lambda phase: (*PHASES, phase).index(phase)}


class Catalogue:
    """The trajectories of runs, each in the order it was made; those of one task can be compared."""

    def __init__(self, runs: Sequence[Run]):
        self.runs, self.labels = list(runs), labels_of(list(runs))
        self.entries = entries_of(self.runs)
        self._keys_of_calls = cache(self._read_keys_of_calls)

    # -- finding

    def find(self, filters: Filters) -> list[int]:
        """Numbers of the entries that pass the filters, in their order (all pages)."""
        wanted = [(keys, value) for name, keys in self._values.items() if (value := getattr(filters, name))]
        passing = [i for i in range(len(self.entries)) if all(keys[i] == value for keys, value in wanted)]
        if filters.type:
            passing = [i for i in passing if filters.type in self.entries[i].types]
        if filters.rule:
            held = self._of_rule(filters.rule)
            passing = [i for i in passing if i in held]
        for word in filters.text.casefold().split():
            passing = [i for i in passing if word in self.entries[i].text]
        if filters.sort:
            passing.sort(key=lambda i: SORTS[filters.sort](self.entries[i]), reverse=filters.down)
        elif filters.down:
            passing.reverse()
        return passing

    def page(self, filters: Filters) -> dict:
        """One page of what passes, as JSON for the view: total, page, pages, rows."""
        passing = self.find(filters)
        pages = max(1, -(-len(passing) // PAGE))
        page = min(max(0, filters.page), pages - 1)
        rows = [self.line(i) for i in passing[page * PAGE : (page + 1) * PAGE]]
        return {"total": len(passing), "page": page, "pages": pages, "rows": rows}

    def line(self, number: int) -> dict:
        """An entry as the list shows it."""
        entry = self.entries[number]
        trajectory = entry.judged.trajectory
        texts = {
            "task": entry.task.id, "run": entry.label, "where": entry.where, "answer": trajectory.answer,
            "expected": entry.task.answer, "cited": " ".join(trajectory.cited),
        }  # fmt: skip
        facts = {"i": number, "outcome": entry.outcome, "change": entry.change, "first": entry.first}
        return facts | {name: brief(text) for name, text in texts.items()}

    @cached_property
    def facets(self) -> dict[str, list]:
        """What can be chosen: filter -> [[group, value, label], ...]; a filter with one value is left out."""
        counted = {name: Counter(filter(None, keys)) for name, keys in self._values.items()}
        facets = {name: [["", value, f"{brief(value)} ({counts[value]:,})"]
                         for value in sorted(counts, key=_ORDERS.get(name, natural))]
                  for name, counts in counted.items()}  # fmt: skip
        groups = [brief(label) if len(self.runs) > 1 else "" for label in self.labels]
        facets["type"] = self._type_facet()
        facets["rule"] = [
            [groups[run], showable(f"{run}:{rule}"), brief(f"{rule} {text}", 70)]
            for (run, rule), text in self._rules.items()
        ]
        always = ("rule", "change")
        return {name: values for name, values in facets.items() if len(values) > (0 if name in always else 1)}

    def _type_facet(self) -> list[list[str]]:
        counts: dict[str, Counter] = {}
        for entry in self.entries:
            for key, value in entry.task.meta.items():
                counts.setdefault(str(key), Counter())[str(value)] += 1
        return [
            [brief(key), showable(f"{key}: {value}"), f"{brief(value)} ({values[value]:,})"]
            for key, values in counts.items() if 1 < len(values) <= MOST_TYPES for value in sorted(values, key=natural)
        ]  # fmt: skip

    # -- one trajectory

    def detail(self, number: int, limit: int = LIMIT) -> dict:
        """An open trajectory as JSON for the view; each text is cut at `limit` characters, `cut` says
        how many are missing."""
        entry, cutter = self.entries[number], _Cutter(limit)
        trajectory, feedback = entry.judged.trajectory, entry.judged.feedback
        rules, note = self.rules_in_force(number)
        detail = self.line(number) | {
            "answer": cutter(trajectory.answer), "expected": cutter(entry.task.answer),
            "status": cutter(trajectory.status), "score": f"{trajectory.score:.3g}" if trajectory.ok else "",
            "meta": [[brief(str(key)), brief(str(value))] for key, value in entry.task.meta.items()],
            "feedback": cutter(feedback.text) if feedback else "",
            "rules": [
                {"id": brief(rule), "text": cutter(text), "cited": rule in trajectory.cited} for rule, text in rules
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
        first = self.entries[number].first
        return [entry.number for entry in self.entries if entry.first == first]

    def rules_in_force(self, number: int) -> tuple[list[tuple[str, str]], str]:
        """The rules the agent was shown, as (id, text), and a note on where they are known from.

        They are read from the prompt in the call log; without it, those of the final module for the test.
        """
        entry = self.entries[number]
        run = self.runs[entry.run]
        place = replace(entry.judged.place, task=entry.judged.trajectory.task_id, turn=0)
        key = self._keys_of_calls(entry.run).get(str(place))
        try:
            prompt = run.log.messages_of(key)[0]["content"] if key else ""
        except (KeyError, IndexError):
            prompt = ""
        if prompt:
            return _RULE.findall(prompt), "as the agent's prompt had them"
        if place.phase == "test":
            rules = [(rule.id, rule.text) for rule in run.module.rules]
            return rules, "of the final module; the prompt is not in the log"
        return [], "not known: the prompt is not in the log"

    def _read_keys_of_calls(self, run: int) -> dict[str, str]:
        calls = self.runs[run].calls()
        return dict(zip(calls["place"], calls["key"], strict=True))

    # -- what filters look at

    def warm(self) -> None:
        """Prepare what the first search would wait for."""
        _ = [(entry.text, entry.types) for entry in self.entries]

    @cached_property
    def _values(self) -> dict[str, list[str]]:
        """By filter, the value of every entry."""
        benchmarks = [run.config.get("benchmark", "") for run in self.runs]
        names = ("run", "benchmark", "phase", "subset", "epoch", "outcome", "change")
        rows = [(entry.label, benchmarks[entry.run], at.phase, at.subset or at.node, at.epoch or "", entry.outcome,
                 entry.change) for entry in self.entries for at in [entry.judged.place]]  # fmt: skip
        return {name: [showable(str(row[column])) for row in rows] for column, name in enumerate(names)}

    def _held(self, run: Run) -> list[Rule]:
        """Every rule of the final module and of the merge tree."""
        nodes = run.merge_tree.walk() if run.merge_tree else ()
        return [*run.module.rules, *(rule for node in nodes for rule in node.module.rules)]

    @cached_property
    def _rules(self) -> dict[tuple[int, str], str]:
        """(run, rule id) -> text, of all rules that a run holds or a trajectory cites."""
        texts: dict[tuple[int, str], str] = {}
        for number, run in enumerate(self.runs):
            for rule in self._held(run):
                texts.setdefault((number, rule.id), rule.text)
        for entry in self.entries:
            for rule_id in entry.judged.trajectory.cited:
                texts.setdefault((entry.run, rule_id), "")
        return texts

    def _of_rule(self, name: str) -> set[int]:
        """Entries that cite a rule, or whose task supports it."""
        number, _, rule_id = name.partition(":")
        entries = [entry for entry in self.entries if str(entry.run) == number]
        held = self._held(self.runs[entries[0].run]) if entries else []
        support = {task for rule in held if showable(rule.id) == rule_id for task in rule.support}
        return {
            entry.number for entry in entries
            if entry.task.id in support or rule_id in map(showable, entry.judged.trajectory.cited)
        }  # fmt: skip


class _Cutter:
    """Cleans texts, cuts each after `limit` characters, and counts what was cut."""

    def __init__(self, limit: int):
        self.limit, self.cut = limit, 0

    def __call__(self, text: str) -> str:
        self.cut += max(0, len(text) - self.limit)
        return showable(text[: self.limit])
