"""`from_table`: anyone's own questions, from a table to a benchmark like any other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ...algorithm.benchmark import OneAnswer
from ...algorithm.prompts import quote, section
from ...algorithm.settings import whole
from ...calls.meter import Meter
from ...calls.requests import Place, source_of
from ...records import Component, Module, Task, Trajectory, digest, to_json
from ...records.later import pandas as pd
from ..splits import InSplits, testing_set, training_set
from .agent import Agent, agent_of
from .judge import Judge
from .scores import Named, Scorer, checked, scorer_of
from .source import read_rows
from .tasks import Columns, split_tasks

INSTRUCTIONS = (
    "Answer the question inside <task>. Rules listed below take precedence over general judgement, and more specific "
    "rules over general ones."
)


@dataclass(frozen=True)
class Table(InSplits):
    """A benchmark of anyone's own tasks. scorer: see `scores.Scorer`; agent: None for the built-in one."""

    seed_module: Module
    scorer: Scorer | Judge
    agent: Agent | None = None

    def __repr__(self) -> str:
        return f"{self.name}: {len(self.train)} train, {len(self.gate)} gate, {len(self.test)} test tasks"

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all tasks with their splits, of how they are scored, and of an agent with its version."""
        splits = [sorted(to_json(task) for task in split) for split in (self.train, self.gate, self.test)]
        named = isinstance(self.scorer, Named | Judge)
        scored = self.scorer.identity if named else source_of(self.scorer)
        return digest([*splits, scored, *([self.agent.identity] if self.agent else [])])

    def start(self, task: Task) -> OneAnswer:
        return OneAnswer(section("task", quote(task.text)))

    def score(self, task: Task, trajectory: Trajectory) -> float | tuple[float, str]:
        """What the scorer gives; NaN for a rollout that failed. Raises ValueError for what is no score from 0 to 1, and
        for a judge, which needs a run to ask in."""
        if isinstance(self.scorer, Judge):
            raise ValueError(f"score='judge:{self.scorer.spec}' asks an LLM, which is done within a run alone")
        return checked(self.scorer(task, trajectory), task) if trajectory.ok else math.nan

    def dry(self) -> Table:
        """The tasks without agent and judge."""
        return replace(self, agent=None, scorer=Named("normalised") if isinstance(self.scorer, Judge) else self.scorer)

    def scored(
        self, task: Task, trajectory: Trajectory, meter: Meter | None = None, place: Place | None = None
    ) -> Trajectory:
        if not isinstance(self.scorer, Judge) or meter is None or place is None:
            return super().scored(task, trajectory)
        score, comment = self.scorer.judged(task, trajectory, meter, place)
        return replace(trajectory, score=score, comment=comment)


def from_table(
    source: pd.DataFrame | str | Path | Iterable[Mapping[str, Any]], question: str = "question", answer: str = "answer",
    score: str | Scorer = "exact", instructions: str | Module = INSTRUCTIONS, split: str | None = None, seed: int = 0,
    agent: Callable[..., Any] | None = None, *, version: str | None = None, id: str | None = None,
    n_train: int | None = None, n_test: int | None = None, alike: float = 0.9, name: str | None = None,
) -> Table:
    """A benchmark of your own questions and answers; see below for how each answer is scored.

    source: a DataFrame, a .csv, .tsv, .jsonl or .parquet file, a folder that Hugging Face's `save_to_disk` wrote, or
    dicts. question, answer, id, split: the names of its columns. Without id its column "id" is taken, or rows are
    numbered; further columns are in each task's `meta`.
    split: a column with "train", "gate" (also "validation", "dev") or "test"; by default half of the tasks are for
    training, 15 % for gates and the rest for the test, dealt by `seed`, and questions alike (cosine of their words
    of at least `alike`; 1.0: equal ones alone) stay in one split. n_train, n_test: take so many; smaller sets are parts
    of larger ones.
    score: "exact", "normalised" (case, punctuation, articles), "number" (the last one), "contains", "f1",
    "judge:<llm>" (a spec of `load_llm`, asked within the run and paid from its budget), or a function
    `(task, trajectory) -> float` from 0 to 1, which may give `(float, feedback)`. The feedback, and what a judge says,
    is for the optimiser. instructions: the text that is optimised, as a text or a `Module`.
    agent: a function `(module_text, task)`, async or not, that answers in place of the run's LLM, which then evaluates,
    proposes and merges alone; one with a third parameter is given that LLM, and calls through it are in the ledger
    (`llm(text)`, `llm.complete(messages)`, `await llm.acomplete(messages)`). It returns an answer, a list of texts or
    chat messages (the last one answers), or a `Trajectory`; what it raises is that task's failure. The task's expected
    answer is hidden from it. version: with one, here or as its attribute, its results are kept in the log and not asked
    for again; change it when the agent changes.

    Raises ValueError with all faults of the table and the numbers of their rows, FileNotFoundError, TypeError.

    >>> rows = [{"question": f"{n} plus {n}?", "answer": 2 * n} for n in range(1, 21)]
    >>> from_table(rows, score="number", alike=1.0)
    table: 10 train, 3 gate, 7 test tasks
    """
    seed = whole("seed", seed, 0)
    if not isinstance(instructions, str | Module):
        raise TypeError(f"instructions={instructions!r} is no text; give the one to be optimised, or a fgo.Module")
    scorer = scorer_of(score)
    if not isinstance(alike, float | int) or not 0 < alike <= 1:
        raise ValueError(f"alike={alike!r} is not allowed; use a number above 0, up to 1")
    rows = read_rows(source)
    has_ids = any("id" in row for row in rows.by_number.values())
    columns = Columns(question, answer, id or ("id" if has_ids else ""), split or rows.split or "")
    numbers = isinstance(scorer, Named) and scorer.name == "number"
    train, gate, test = split_tasks(rows, columns, alike, seed, numbers)
    module = instructions if isinstance(instructions, Module) else Module((Component("instructions", instructions),))
    train, test = training_set(train, n_train, seed), testing_set(test, n_test, seed)
    playing = None if agent is None else agent_of(agent, version)
    return Table(name or rows.name, train, gate, test, module, scorer, playing)
