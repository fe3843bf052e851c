"""`learn`: from logged traces to a better module, without a single rollout."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..algorithm.benchmark import Benchmark, Environment
from ..algorithm.registry import METHODS
from ..calls.protocol import LLM
from ..records import Component, Module, Task, Trajectory
from ..runs.first_epoch import fingerprint
from ..runs.result import Run
from ..runs.run import run
from . import Traces, read_traces

Scorer = Callable[[Task, Trajectory], float | tuple[float, str]]
INSTRUCTIONS = "Do the task you are given."
NEEDS_ROLLOUTS = {"epochs": 1, "passes": 1, "gate": "none", "counts": False, "audit": 0}
"""Choices that would roll out tasks, and the only values of them that logged traces allow."""


@dataclass(frozen=True)
class Logged(Benchmark):
    """Tasks of which only trajectories are at hand: all are for training, none can be played."""

    name: str
    train: tuple[Task, ...]
    seed_module: Module
    fingerprint: str
    scorer: Scorer | None = None
    first_seen: Mapping[str, str] = field(default_factory=dict, repr=False)
    gate: tuple[Task, ...] = ()
    test: tuple[Task, ...] = ()
    playable: bool = False

    def first_observation(self, task: Task) -> str:
        return self.first_seen[task.id]

    def start(self, task: Task) -> Environment:
        raise ValueError(f"task {task.id!r} is known from a log alone and cannot be played again; use a method that "
                         "needs no rollouts beyond the first epoch, e.g. 'fgo' or 'all_at_once'")

    def score(self, task: Task, trajectory: Trajectory) -> float | tuple[float, str]:
        return math.nan if self.scorer is None else self.scorer(task, trajectory)


def learn(
    traces: Traces | str | Path, llm: LLM | str = "simulated", *, method: str = "fgo", instructions: str | None = None,
    score: Scorer | None = None, **choices: Any,
) -> Run:
    """Divide, optimise and merge from logged traces, one epoch, without rolling anything out.

    traces: from `read_traces`, or a log's path. instructions: the fixed text above the rules to be learnt, by default
    the agent's own where all traces have the same. score: `f(task, trajectory) -> score from 0 to 1, or (score,
    feedback)`; without it the log's scores hold, and with gold=False none are needed: the evaluator judges. choices:
    further ones of `run`; unless they say otherwise, the subsets vote on the merged rules by these traces.

    There is no test split, so the run's score is NaN; to have one, give the traces to `run(bench, llm, traces=)`.
    Raises ValueError for traces without a score (but with gold=False), and for choices that need rollouts.

    >>> learn(read_traces("log.jsonl"), "openai:my-model").prompt()                          # doctest: +SKIP
    """
    if not isinstance(traces, Traces | str | Path):
        raise TypeError(f"traces are a {type(traces).__name__}; give a log's path, or what fgo.read_traces returned")
    if score is not None and not callable(score):
        raise TypeError(f"score={score!r} is no function (task, trajectory) -> score from 0 to 1")
    traces = traces if isinstance(traces, Traces) else read_traces(traces)
    wrong = [f"{name}={choices[name]!r}" for name, only in NEEDS_ROLLOUTS.items() if choices.get(name, only) != only]
    wrong += [f"method={method!r}"] if METHODS.named(method).own_rollouts else []
    if wrong:
        raise ValueError(f"{', '.join(wrong)} would roll out tasks, and logged traces cannot be played; leave it out, "
                         "or give a benchmark that can: fgo.run(bench, llm, traces=traces)")
    bench = _logged(traces, instructions or traces.instructions or INSTRUCTIONS, score)
    given = traces if score is None else [bench.scored(traces.tasks[t.task_id], t) if t.ok else t for t in traces]
    return run(bench, llm, method=method, traces=given, **{"review": True, **choices, "epochs": 1})


def _logged(traces: Traces, instructions: str, score: Scorer | None) -> Logged:
    tasks = tuple(traces.tasks[trajectory.task_id] for trajectory in traces)
    seen = {trajectory.task_id: trajectory.steps[0].observation for trajectory in traces if trajectory.steps}
    module = Module((Component("instructions", instructions),))
    return Logged("logged traces", tasks, module, fingerprint(traces), score, seen)
