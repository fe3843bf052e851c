"""Logged trajectories in place of the rollouts of a run's first epoch."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..algorithm.benchmark import Benchmark
from ..records import Task, Trajectory, digest, to_json


def as_first_epoch(traces: Sequence[Trajectory] | None, bench: Benchmark, gold: bool = True) -> dict[str, Trajectory]:
    """The traces of a benchmark's training tasks by task id, with scores.

    The benchmark scores those that the log does not. Warns of traces that are not used: of other tasks, and second
    tries. ValueError where none is of a training task, and with gold for traces that remain without a score.
    """
    if isinstance(traces, str | Path):
        raise TypeError(f"traces={str(traces)!r} is a path; give what fgo.read_traces({str(traces)!r}) returns")
    known, used, left = {task.id: task for task in bench.train}, {}, []
    for trajectory in traces or ():
        task = known.get(trajectory.task_id)
        if task is None or task.id in used:
            left.append(trajectory.task_id)
        else:
            used[task.id] = _scored(bench, task, replace(trajectory, private=task.private or trajectory.private))
    if left and not used:
        raise ValueError(
            f"none of the {len(left)} traces is of a training task of {bench.name}: their tasks are {_some(left)}, and "
            f"those of the benchmark {_some(list(known))}; a trace counts for the task with the same id"
        )
    if left:
        many = f"{len(left)} of {len(left) + len(used)} traces are not used"
        why = f"they are of no training task of {bench.name}, or a task's second"
        warnings.warn(f"{many}: {why}: {_some(left)}", stacklevel=3)
    unscored = [task_id for task_id, trajectory in used.items() if trajectory.ok and math.isnan(trajectory.score)]
    if unscored and gold:
        raise ValueError(
            f"{len(unscored)} of {len(used)} traces have no score: {_some(unscored)}; give one, score=f with "
            "f(task, trajectory) -> 0.0 to 1.0, or let the evaluator judge them, gold=False"
        )
    return used


def logged_part(used: Mapping[str, Trajectory]) -> dict[str, str]:
    """What traces add to a run's config: nothing without any."""
    return {"traces": fingerprint(used.values())} if used else {}


def fingerprint(trajectories: Iterable[Trajectory]) -> str:
    """A hash of all that they hold."""
    return digest([to_json(trajectory) for trajectory in trajectories])


def _scored(bench: Benchmark, task: Task, trajectory: Trajectory) -> Trajectory:
    return bench.scored(task, trajectory) if trajectory.ok and math.isnan(trajectory.score) else trajectory


def _some(task_ids: Sequence[str], most: int = 5) -> str:
    return ", ".join(map(repr, task_ids[:most])) + (", ..." if len(task_ids) > most else "")
