"""Chats as OpenAI's API and most others have them: JSON lines, each a list of messages, or an object that has one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ..calls.reply_text import split_thought
from ..calls.toolcalls import call_text, final_answer
from ..records import Step, Task, Trajectory
from .formats import record_format
from .trace import Trace, first_of, identity, reward, short_values
from .turns import Event, is_labelled, opening, said, section, trajectory

EXAMPLE = """\
{"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}], "expected": "4", "score": 1}
{"messages": [{"role": "user", "content": "3+3?"}, {"role": "assistant", "content": "7"}], "expected": 6, "score": 0}"""
IDS = ("id", "task_id", "item_id", "custom_id", "name")
EXPECTED = ("expected", "target", "reference", "gold", "ideal")


def messages_in(record: Any) -> list | None:
    """The messages of a record, None where it has none."""
    if isinstance(record, dict):
        record = record.get("messages")
    return record if isinstance(record, list) and record and all(isinstance(part, dict) for part in record) else None


@record_format("OpenAI-style chats", EXAMPLE, lambda record: messages_in(record) is not None and "epoch" not in record)
def chat(record: Any, default_id: str) -> Trace:
    """Beside its messages a record may have id, expected (the right answer), score and metadata."""
    messages = messages_in(record)
    if not messages:
        raise ValueError("it is neither a list of messages nor an object that has one")
    known = record if isinstance(record, dict) else {}
    expected = first_of(known, EXPECTED)
    answer = "" if expected is None else str(expected)
    task = Task(identity(known, IDS, default_id), "", answer, short_values(known.get("metadata")))
    return from_messages(task, messages, reward(known))


def from_messages(task: Task, messages: Iterable[dict], score: float, failed: str = "") -> Trace:
    """A trace of one dialogue; the task's text is what the user says before the first reply. failed: why it did."""
    system, before, replies = _parted(list(messages))
    status = "failed" if failed else "ok"
    if not replies and failed:
        return Trace(replace(task, text=before), Trajectory(task.id, (), "", status=status, reason=failed), system)
    if not replies:
        raise ValueError("no agent acts in it: no message is of role 'assistant'")
    calls, first = any(_calls(reply) for reply, _ in replies), replies[0][0]
    if calls or (len(replies) == 1 and not is_labelled(_words(first))):
        played = _with_tools(task.id, before, replies, "tools" if calls else "answer")
    else:
        played = trajectory(task.id, _events(before, replies), score)
    return Trace(replace(task, text=before), replace(played, score=score, status=status, reason=failed), system)


Replies = list[tuple[dict, list[str]]]
"""Each message of the agent, with what it was shown after it."""


def _parted(messages: list[dict]) -> tuple[str, str, Replies]:
    """(instructions, what the user says first, replies)."""
    system, before, replies = [], [], []
    for number, message in enumerate(messages, 1):
        role = message.get("role")
        if role in ("system", "developer"):
            system.append(_text(message.get("content")))
        elif role == "assistant":
            replies.append((message, []))
        elif role in ("user", "tool", "function"):
            text = _text(message.get("content")).replace("\r\n", "\n").strip()
            seen = replies[-1][1] if replies else before
            seen.append(text if role == "user" else section("tool_result", text))
        else:
            raise ValueError(f"message {number} has role {role!r}; known are system, developer, user, assistant, tool")
    return "\n\n".join(system), "\n".join(before), replies


def _events(before: str, replies: Replies) -> Iterator[Event]:
    yield "shown", before
    for reply, seen in replies:
        yield from said(_words(reply))
        yield from (("shown", text.removeprefix("Observation: ")) for text in seen)


def _with_tools(task_id: str, before: str, replies: Replies, form: str) -> Trajectory:
    """Words as they are, calls of tools as lines after them."""
    steps, shown = [], opening(before)
    for reply, seen in replies:
        words = _words(reply)
        steps.append(Step(shown, "\n".join([words] * bool(words) + _calls(reply))))
        shown = "\n".join(text if text.startswith("<tool_result>") else section("result", text) for text in seen)
    final = final_answer(steps[-1].action)
    answer = _words(replies[-1][0]).strip() if final is None else final
    return Trajectory(task_id, tuple(steps), answer, final=shown, form=form)


def _words(message: dict) -> str:
    """What an agent said; what a model thought before is nobody else's to read."""
    return split_thought(_text(message.get("content")))[1]


def _text(content: Any) -> str:
    """The words of a message: texts as they are, parts of other kinds by their kind."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise ValueError(f"content={str(content)[:60]!r} is neither a text nor a list of parts")
    parts = [part if isinstance(part, dict) else {"type": "text", "text": str(part)} for part in content]
    return "\n".join(
        str(part.get("text", "")) if "text" in part else f"({part.get('type', 'part')} not shown)"
        for part in parts if part.get("type") not in ("reasoning", "thinking")
    )  # fmt: skip


def _calls(message: dict) -> list[str]:
    """Calls of tools in either API's form, as lines of text."""
    listed = message.get("tool_calls") or ([message["function_call"]] if message.get("function_call") else [])
    return [_call(call.get("function", call) if isinstance(call, dict) else call, call) for call in listed]


def _call(function: Any, call: Any) -> str:
    """OpenAI nests name and arguments (as JSON text) under `function`; Inspect has them next to each other."""
    if isinstance(function, str):
        return call_text(function, call.get("arguments", {}))
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise ValueError("a tool call has no name")
    arguments = function.get("arguments", {})
    with suppress(ValueError, RecursionError):  # then as the model wrote them
        arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
    return call_text(function["name"], arguments)
