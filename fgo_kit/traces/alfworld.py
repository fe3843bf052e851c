"""ALFWorld's own demonstrations (its seq2seq data), and others' games as steps of observation and action.

In ALFWorld's, what was seen grows from step to step, its parts between [SEP], the last one the action before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..records import Task
from .formats import record_format
from .trace import Trace, identity, reward
from .turns import Event, is_game, said, trajectory

EXAMPLE = """\
{"data": [{"g": "<type and trial>", "g_id": 0, "task": "put a mug in desk",
  "steps": [{"step_id": 0, "obs": "You are in ... [SEP] restart", "action": "go to desk 1"}]}]}"""


@record_format("ALFWorld steps", EXAMPLE, lambda record: isinstance(record, dict) and "steps" in record)
def alfworld(record: Any, default_id: str) -> Trace:
    """ALFWorld's own demonstrate how an expert solved the game: their score is 1."""
    if not isinstance(record, dict) or not isinstance(record.get("steps"), list) or not record["steps"]:
        raise ValueError("step 1 holds no texts obs and action")
    demonstrated = isinstance(record.get("g"), str)
    name = record["g"] if demonstrated else identity(record, ("name", "id", "task_id", "task"), default_id)
    events = list(_events(record["steps"], str(record.get("task") or "")))
    kind = {"task type": name.partition("-")[0]} if demonstrated else {}
    score = 1.0 if demonstrated else reward(record)
    return Trace(Task(name, events[0][1], "done", kind), trajectory(name, events, score, kind))


def _events(steps: list, goal: str) -> Iterator[Event]:
    for number, step in enumerate(steps, 1):
        shown = step.get("obs", step.get("observation")) if isinstance(step, dict) else None
        action = step.get("action") if isinstance(step, dict) else None
        if not isinstance(shown, str) or not isinstance(action, str):
            raise ValueError(f"step {number} holds no texts obs and action")
        parts = [part.strip() for part in shown.split("[SEP]")]
        seen = parts[0] if number == 1 or len(parts) == 1 else parts[-2]
        yield "shown", f"{seen}\n\nYour task is to: {goal}" if number == 1 and goal and not is_game(seen) else seen
        yield from said(action.strip())
