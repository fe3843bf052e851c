"""Plain text in the form of ReAct and Reflexion: games with "> think:" and "> go to ...", or blocks of Thought, Action
and Observation after a Question. A file may hold many, between lines of ##### as Reflexion writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..records import Task
from ..records.showing import brief
from .formats import file_format
from .source import Source
from .trace import Trace, scored
from .turns import Event, played, trajectory

EXAMPLE = """\
You are in the middle of a room. ... Your task is to: put some mug in desk.
> think: First I need a mug. (or blocks of "Question: ...", "Thought 1: ...", "Action 1: ...", "Observation 1: ...")"""
_CUT = re.compile(r"^#{5,}[ \t]*$", re.MULTILINE)
_START = re.compile(r"^(?:Here is the task[.:]?|Your memory for the task below:)[ \t]*$", re.MULTILINE | re.IGNORECASE)
_NAME = re.compile(r"\s*Environment #(\d+):?", re.IGNORECASE)
_STATUS = re.compile(r"^(?:STATUS|Reward|Score|Success)[ \t]*:[ \t]*(\S+)[ \t]*$", re.MULTILINE | re.IGNORECASE)
_BLOCK = re.compile(r"^(Question|Thought|Action|Observation)(?: \d+)?[ \t]*:[ \t]*", re.MULTILINE)
_KINDS = {"Question": "shown", "Observation": "shown", "Thought": "thought", "Action": "action"}
_BEGINS = re.compile(
    r"(?=^Question(?: \d+)?[ \t]*:|^You are in the middle of a room\.[^\n]*\n{1,3}Your task is to:)", re.MULTILINE
)
_TURN = re.compile(r"^> ", re.MULTILINE)


def _fits(source: Source) -> bool:
    if source.raw.startswith((b"SQLite format 3", b"PK")) or source.text.lstrip().startswith(("{", "[")):
        return False  # a database, an archive, JSON
    return bool(_TURN.search(source.text) or _is_blocks(source.text))


def _is_blocks(text: str) -> bool:
    return any(mark[1] == "Action" for mark in _BLOCK.finditer(text))


@file_format("ReAct or Reflexion text", EXAMPLE, _fits)
def react(source: Source) -> Iterator[tuple[str, Trace | ValueError]]:
    """Examples and memory before the last "Here is the task" are the prompt's, not the agent's."""
    parts = [part for part in _CUT.split(source.text) if part.strip()]
    for number, part in enumerate(parts, 1):
        where = f"trace {number}"
        try:
            if not _is_summary(part):
                yield from ((where, trace) for trace in _traces(part, f"{source.path.stem} {number}"))
        except ValueError as error:
            yield where, error


def _is_summary(part: str) -> bool:
    """What Reflexion writes between games: those won before, and the figures of a trial at its end."""
    text = part.strip()
    return bool(re.fullmatch(r"Environment #\d+: \w+", text)) or text.startswith("-----")


def _traces(part: str, default_id: str) -> list[Trace]:
    """The games or questions of a part, each with the score that follows it."""
    named = _NAME.match(part)
    task_id = f"env_{named[1]}" if named else default_id
    begins = [match.end() for match in _START.finditer(part)]
    body = part[begins[-1] if begins else named.end() if named else 0 :].partition("\n-----")[0]
    texts = [text for text in _BEGINS.split(body) if _TURN.search(text) or _is_blocks(text)]
    if not texts:
        raise ValueError(f"it has no line of an agent: {brief(part)!r}")
    ids = [task_id] if len(texts) == 1 else [f"{task_id}.{n}" for n in range(1, len(texts) + 1)]
    return [_trace(text, name) for text, name in zip(texts, ids, strict=True)]


def _trace(text: str, task_id: str) -> Trace:
    status = _STATUS.findall(text)
    score, text = scored(status[-1] if status else None, "STATUS"), _STATUS.sub("", text).strip()
    if not _TURN.search(text):
        return _blocks(text, task_id, score)
    return Trace(Task(task_id, _TURN.split(text)[0].strip()), trajectory(task_id, played(text), score))


def _blocks(text: str, task_id: str, score: float) -> Trace:
    """Question, then Thought, Action and Observation in turn."""
    marks = list(_BLOCK.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    events: list[Event] = [("shown", text[: marks[0].start()].strip())]
    events += [(_KINDS[mark[1]], text[mark.end() : end].strip()) for mark, end in zip(marks, ends, strict=True)]
    first = next(number for number, (kind, _) in enumerate(events) if kind != "shown")
    question = "\n".join(words for _, words in events[:first] if words)
    return Trace(Task(task_id, question), trajectory(task_id, events, score))
