"""Call logs of this package: the training rollouts of the finished runs they hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..calls.log import CallLog
from ..records import from_json
from ..runs.state import State
from .formats import file_format
from .source import Source
from .trace import Trace

EXAMPLE = """\
an SQLite file that fgo.run(..., log="data/runs/mine.sqlite") or fgo.compare left, with real models
(runs of the simulated LLM leave one where log= is given)"""


@file_format("call log of this package", EXAMPLE, lambda source: source.raw[:15] == b"SQLite format 3")
def call_log(source: Source) -> Iterator[tuple[str, Trace | ValueError]]:
    """Only training rollouts, never those of gates, audits or the final test."""
    with CallLog(source.path) as log:
        runs = log.runs()
    for run_id, status, result in zip(runs["run_id"], runs["status"], runs["result"], strict=True):
        if not result or "state" not in result:
            yield f"run {run_id}", ValueError(f"no trajectories: it is {status!r}, or only its row was kept")
            continue
        state = from_json(State, result["state"])
        tasks = {task.id: task for task in state.tasks}
        for judged in state.record:
            if judged.place.phase == "rollout":
                trajectory = judged.trajectory
                read = trajectory.steps[0].observation if trajectory.steps else ""  # tasks are kept without their texts
                yield f"run {run_id}, {judged.place}", Trace(replace(tasks[trajectory.task_id], text=read), trajectory)
