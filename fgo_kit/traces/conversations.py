"""Conversations of ETO, AgentGym and AgentBench: what was said by whom, from "human" and "gpt" (or "user" and "agent")
in turn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ..records import Task
from .formats import record_format
from .trace import Trace, identity, reward, short_values
from .turns import Event, is_labelled, said, trajectory

EXAMPLE = """\
{"meta": {"task_id": "0", "reward": 1}, "conversations": [{"from": "human", "value": "You are in ..."},
  {"from": "gpt", "value": "Thought: ...\\nAction: go to desk 1"}, {"from": "human", "value": "Observation: ..."}]}"""
TURNS = ("conversations", "history")
AGENTS = ("gpt", "assistant", "agent", "model", "bot")
OTHERS = ("human", "user", "system", "environment", "env", "tool", "observation")
IDS = ("name", "id", "item_id", "task_id", "index", "game_file")
_OBSERVED = re.compile(r"\A\s*observation(?: \d{1,4})?:[ \t]*", re.IGNORECASE)


def _turns(record: Any) -> list | None:
    """The turns of a record, of its own or of its output; None without any."""
    places = [record, record.get("output")] if isinstance(record, dict) else []
    held = (place.get(name) for place in places if isinstance(place, dict) for name in TURNS)
    return next((turns for turns in held if isinstance(turns, list)), None)


@record_format("ETO, AgentGym or AgentBench conversations", EXAMPLE, lambda record: _turns(record) is not None)
def conversations(record: Any, default_id: str) -> Trace:
    """What is said before the agent first acts is the task; an "OK" to instructions is no act."""
    turns = _turns(record)
    if turns is None:
        raise ValueError(f"it has no list of {' or '.join(TURNS)}")
    told = next((number for number, turn in enumerate(turns) if not _is_system(turn)), len(turns))
    system = "\n".join(str(turn.get("value", turn.get("content"))) for turn in turns[:told])
    events = list(_events(turns[told:]))
    played = trajectory(identity(record, IDS, default_id), events, reward(record))
    first = next(number for number, (kind, _) in enumerate(events) if kind != "shown")
    text = "\n".join(words for _, words in events[:first] if words)
    return Trace(Task(played.task_id, text, meta=short_values(record.get("meta"))), played, system)


def _is_system(turn: Any) -> bool:
    return isinstance(turn, dict) and "system" in (turn.get("from"), turn.get("role"))


def _events(turns: list) -> Iterator[Event]:
    for number, turn in enumerate(turns, 1):
        who = turn.get("from", turn.get("role")) if isinstance(turn, dict) else None
        text = turn.get("value", turn.get("content")) if isinstance(turn, dict) else None
        if not isinstance(who, str) or not isinstance(text, str) or who.lower() not in (*AGENTS, *OTHERS):
            raise ValueError(f"turn {number} does not say who of {', '.join((*AGENTS, *OTHERS))} speaks, and what")
        text = text.replace("\r\n", "\n")
        if who.lower() in OTHERS:
            yield "shown", _OBSERVED.sub("", text).strip()
        elif number > 2 or not re.match(r"\s*ok\b", text, re.IGNORECASE) or is_labelled(text):
            yield from said(text.strip())  # else it only agrees to the instructions
