"""A run's final test as a log that Inspect reads (inspect_ai: `read_eval_log`, `inspect view`), in its JSON form."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..algorithm.context import Judged
from ..records import NOT_SHOWN, Task, concealed
from ..records.showing import storable

SCORER = "fgo_kit"


def write_eval(run: Any, path: Path, about: Mapping[str, Any]) -> Path:
    """Write the log; a sample a test task, with its trajectory as messages. about: what the log tells of the run.

    Private tasks keep their ids and scores alone. ValueError for a run without test tasks, and for a file that is not
    named .json, by which Inspect knows the form.
    """
    if path.suffix != ".json":
        raise ValueError(f"path={str(path)!r} must end in .json, by which Inspect knows the form of a log")
    tested = [judged for judged in run.state.record if judged.place.phase == "test"]
    if not tested:
        raise ValueError(f"run {run.id} has no test split, so there is nothing that Inspect could show")
    tasks = {task.id: task for task in run.state.tasks}
    samples = [_sample(judged, tasks[judged.trajectory.task_id]) for judged in tested]
    log = {
        "version": 2, "status": "success", "eval": _spec(run, len(samples), about),
        "plan": {"name": "plan", "steps": []}, "results": _results(run, samples),
        "stats": {"started_at": _when(run), "completed_at": _when(run)},
        "samples": samples,
    }  # fmt: skip
    path.write_text(storable(json.dumps(log, indent=1, ensure_ascii=False)) + "\n", encoding="utf-8")
    return path


def _when(run: Any) -> str:
    """When the test ended, as far as the ledger tells; a run without calls has no time."""
    ends = run.calls()["end"]
    return datetime.fromtimestamp(float(ends.max()) if len(ends) else 0.0, UTC).isoformat(timespec="seconds")


def _spec(run: Any, samples: int, about: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "eval_id": run.id, "run_id": run.id, "task_id": run.id, "created": _when(run), "model": run.config["llm"],
        "task": f"{run.config['benchmark']} ({run.config['method']})", "dataset": {"samples": samples},
        "config": {"epochs": 1}, "metadata": {**about, "prompt": run.prompt()},
    }  # fmt: skip


def _results(run: Any, samples: list[dict]) -> dict[str, Any]:
    lo, hi = run.ci
    values = {"mean": run.score, "interval_lo": lo, "interval_hi": hi}
    metrics = {name: {"name": name, "value": value} for name, value in values.items() if not math.isnan(value)}
    scored = sum("error" not in sample for sample in samples)
    scores = [{"name": SCORER, "scorer": SCORER, "metrics": metrics}]
    return {"total_samples": len(samples), "completed_samples": scored, "scores": scores}


def _sample(judged: Judged, task: Task) -> dict[str, Any]:
    trajectory = concealed(judged.trajectory)
    messages = list(_messages(trajectory))
    sample = {
        "id": task.id, "epoch": 1, "input": messages[0]["content"] if messages else "", "messages": messages,
        "target": NOT_SHOWN if task.private else task.answer, "metadata": dict(task.meta),
    }  # fmt: skip
    if not trajectory.ok:
        why = NOT_SHOWN if task.private and trajectory.reason else trajectory.reason
        return sample | {"error": {"message": f"{trajectory.status}: {why}", "traceback": "", "traceback_ansi": ""}}
    return sample | {"scores": {SCORER: {"value": trajectory.score, "answer": trajectory.answer}}}


def _messages(trajectory: Any) -> Iterator[dict[str, str]]:
    for step in trajectory.steps:
        yield {"role": "user", "content": step.observation}
        yield {"role": "assistant", "content": step.action}
    if trajectory.final:
        yield {"role": "user", "content": trajectory.final}
