"""The forms in which others log rollouts of text games, each read to one trajectory.

- play: `name`, `result` and `traj`, a game's text with the agent's lines after "> " (KnowAgent, ReAct, Reflexion);
- dialogue: turns below `conversations`, `messages` or `history`, or `output.history`, each with who speaks (`from` or
  `role`) and what (`value` or `content`), as ETO, AgentGym, AgentBench and chat models' logs have them;
- steps: `steps` of `obs` (or `observation`) and `action`, as ALFWorld's own data have them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ..algorithm import prompts
from ..records import Step, Trajectory

KNOWN = (
    '{"name": "<type and trial>", "result": true | false | 0 | 1, "traj": "You are in ...\\n> action\\n..."} or '
    '{"conversations" | "messages" | "history": [{"from" | "role": "human" | "gpt", "value" | "content": "..."}]} or '
    '{"steps": [{"obs": "...", "action": "..."}]}'
)
TURNS = ("conversations", "messages", "history")
AGENTS = ("gpt", "assistant", "agent", "model", "bot")
OTHERS = ("human", "user", "system", "environment", "env", "tool", "observation")
NAMES = ("name", "id", "item_id", "task_id", "index", "task")
SCORES = ("result", "success", "reward", "score", "won")
_LABEL = re.compile(
    r"^[ \t]*(thought|think|actionpath|action|act)(?:[ \t]+\d{1,4})?[ \t]*:|\b((?-i:ACTION)):",
    re.IGNORECASE | re.MULTILINE,
)
_KINDS = {"thought": "thought", "think": "thought", "actionpath": "path", "action": "action", "act": "action"}
_SHOWN_LABEL = re.compile(r"\A\s*observation(?: \d{1,4})?:[ \t]*", re.IGNORECASE)

Event = tuple[str, str]
"""("shown" | "thought" | "path" | "action", its text)."""


class UnknownForm(ValueError):
    """A record in none of the forms; the message says what is wrong with it."""


def read_record(record: object) -> Trajectory:
    """The trajectory of a record: the score is 1.0 or 0.0 (or the reward), NaN where the record has none.

    `info` holds the number of steps and of invalid actions ("Nothing happens."), of plays also the type of task.
    Raises UnknownForm.
    """
    if not isinstance(record, dict):
        raise UnknownForm("it is no object")
    turns = _turns(record)
    if turns is not None or "steps" in record:
        events = list(_step_events(record) if turns is None else _dialogue_events(turns))
        if not any(kind == "action" for kind, _ in events):
            raise UnknownForm("no agent acts in it")
        return _trajectory(_named(record), events, _score(record))
    _check_play(record)
    kind = {"task type": record["name"].partition("-")[0]}
    return _trajectory(record["name"], _play_events(record["traj"]), float(record["result"]), kind)


def _check_play(record: dict) -> None:
    missing = [name for name in ("name", "result", "traj") if name not in record]
    if missing:
        raise UnknownForm(f"it has no {' and no '.join(missing)}")
    if not isinstance(record["name"], str) or not isinstance(record["traj"], str):
        raise UnknownForm("name and traj must be texts")
    if record["result"] not in (True, False) or not isinstance(record["result"], int | float):
        raise UnknownForm(f"result={record['result']!r} is neither true nor false")
    if "Your task is to" not in re.split(r"\r?\n> ", record["traj"], maxsplit=1)[0]:
        raise UnknownForm('traj does not begin with a room and "Your task is to: ..."')


def _play_events(text: str) -> Iterator[Event]:
    shown: list[str] = []
    for line in text.split("\n"):
        line = line.removesuffix("\r")
        if not line.startswith("> "):
            shown.append(line)
            continue
        yield "shown", "\n".join(shown).strip()
        shown = []
        yield from _said(line[2:])
    yield "shown", "\n".join(shown).strip()


def _turns(record: dict) -> list | None:
    inner = record.get("output")
    for held in (record, inner) if isinstance(inner, dict) else (record,):
        for name in TURNS:
            if isinstance(held.get(name), list):
                return held[name]
    return None


def _dialogue_events(turns: list) -> Iterator[Event]:
    for number, turn in enumerate(turns, 1):
        who = turn.get("from", turn.get("role")) if isinstance(turn, dict) else None
        text = turn.get("value", turn.get("content")) if isinstance(turn, dict) else None
        if not isinstance(who, str) or not isinstance(text, str) or who.lower() not in (*AGENTS, *OTHERS):
            raise UnknownForm(f"turn {number} does not say who of {', '.join((*AGENTS, *OTHERS))} speaks, and what")
        text = text.replace("\r\n", "\n")
        if who.lower() in OTHERS:
            yield "shown", _SHOWN_LABEL.sub("", text).strip()
        elif number > 2 or not re.match(r"\s*ok\b", text, re.IGNORECASE) or _LABEL.search(text):
            yield from _said(text.strip())  # else it only agrees to the instructions


def _step_events(record: dict) -> Iterator[Event]:
    steps = record["steps"] if isinstance(record["steps"], list) else [None]
    for number, step in enumerate(steps, 1):
        shown = step.get("obs", step.get("observation")) if isinstance(step, dict) else None
        action = step.get("action") if isinstance(step, dict) else None
        if not isinstance(shown, str) or not isinstance(action, str):
            raise UnknownForm(f"step {number} holds no texts obs and action")
        yield "shown", shown.strip()
        yield from _said(action.strip())


def _said(text: str) -> Iterator[Event]:
    """What an agent wrote, by its labels; without any it is an action."""
    labels = [(match, _KINDS[(match[1] or match[2]).lower()]) for match in _LABEL.finditer(text)]
    if not labels or text[: labels[0][0].start()].strip():  # it begins without a label
        labels = [(match, kind) for match, kind in labels if kind == "action"][:1]
        before = text[: labels[0][0].start()] if labels else text
        yield "thought" if labels else "action", before.strip()
    ends = [*(match.start() for match, _ in labels[1:]), len(text)]
    for (match, kind), end in zip(labels, ends, strict=False):
        yield kind, text[match.end() : end].strip()


def _named(record: dict) -> str:
    places = [record, *(record[key] for key in ("meta", "output") if isinstance(record.get(key), dict))]
    for place in places:
        for name in NAMES:
            if isinstance(place.get(name), (str, int)) and not isinstance(place[name], bool):
                return str(place[name])
    raise UnknownForm(f"it has none of {', '.join(NAMES)} to name it by")


def _score(record: dict) -> float:
    places: list[Any] = [record, record.get("meta"), record.get("output")]
    places += [place.get("result") for place in places if isinstance(place, dict)]
    for place in places:
        for name in SCORES if isinstance(place, dict) else ():
            if isinstance(place.get(name), (bool, int, float)):
                return float(place[name])
    return math.nan


def _trajectory(name: str, events: Iterable[Event], score: float, info: dict[str, str] | None = None) -> Trajectory:
    steps: list[Step] = []
    held: dict[str, list[str]] = {"shown": [], "thought": [], "path": []}
    for kind, text in events:
        if kind == "action":
            steps.append(_step(held, text, first=not steps))
            held = {"shown": [], "thought": [], "path": []}
        elif text and not (text == "OK." and held["thought"] + held["path"]):  # with which games answer a thought
            held[kind].append(text)
    if held["thought"] or held["path"]:  # it ended on a thought
        steps.append(_step(held, "", first=not steps))
        held["shown"] = []
    final = "\n".join(held["shown"])
    shown = [step.observation for step in steps[1:]] + [final]
    counts = {"steps": str(len(steps)), "invalid actions": str(sum("Nothing happens" in text for text in shown))}
    last = prompts.parse_action(steps[-1].action)[0] if steps else ""
    return Trajectory(name, tuple(steps), last, score, info=(info or {}) | counts, final=final, form="turns")


def _step(held: dict[str, list[str]], action: str, first: bool) -> Step:
    shown = prompts.section("scene" if first else "result", prompts.quote("\n".join(held["shown"])))
    thought = " ".join(held["thought"]).replace("\n", " ")
    paths = [f"PATH: {text}" for text in held["path"]]
    answer = f"ANSWER: {action}".replace("\n", " ")
    return Step(shown, "\n".join([f"THOUGHT: {thought}"] * bool(thought) + [*paths, answer]))
