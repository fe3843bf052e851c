"""KnowAgent's logs of ALFWorld games: a JSON record a game with its name, its result and its text."""

from __future__ import annotations

import re
from typing import Any

from ..records import Task
from ..records.showing import brief
from .formats import record_format
from .trace import Trace
from .turns import is_game, played, trajectory

EXAMPLE = """\
{"name": "<type and trial>", "result": true, "traj": "... Your task is to: ...\\n> Think: ...\\n> go to desk 1\\n"}
{"name": "<type and trial>", "result": 0, "traj": "... Your task is to: ...\\n> go to shelf 1\\nNothing happens."}"""


@record_format("KnowAgent", EXAMPLE, lambda record: isinstance(record, dict) and "traj" in record)
def knowagent(record: Any, default_id: str) -> Trace:
    """The task is what the game says first; the task's type is the name's beginning."""
    if not isinstance(record, dict):
        raise ValueError("it is no object")
    missing = [name for name in ("name", "result", "traj") if name not in record]
    if missing:
        raise ValueError(f"it has no {' and no '.join(missing)}")
    name, result, text = record["name"], record["result"], record["traj"]
    if not isinstance(name, str) or not isinstance(text, str):
        raise ValueError("name and traj must be texts")
    if result not in (True, False) or not isinstance(result, int | float):
        raise ValueError(f"result={brief(repr(result))} is neither true nor false")
    opening = re.split(r"\r?\n> ", text, maxsplit=1)[0]
    if not is_game(opening):
        raise ValueError('traj does not begin with a room and "Your task is to: ..."')
    kind = name.partition("-")[0]
    task = Task(name, opening.strip(), "done", {"task type": kind})
    return Trace(task, trajectory(name, played(text), float(result), {"task type": kind}))
