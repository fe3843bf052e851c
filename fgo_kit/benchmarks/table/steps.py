"""What an agent returned, as a trajectory: an answer, steps as texts, a chat, or a `Trajectory`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from numbers import Number
from typing import Any

from ...algorithm.answer_status import NoAnswer
from ...algorithm.prompts import section
from ...calls.reply_text import is_blank, split_thought
from ...records import Step, Task, Trajectory

ROLES = {"human": "user", "ai": "assistant"}
TAKEN = "return a text, a list of texts or of messages {'role', 'content'}, (answer, list), or a fgo.Trajectory"


def trajectory_of(given: Any, task: Task, quote: Callable[[str], str]) -> Trajectory:
    """What an agent returned for a task. Raises TypeError for what is none of these, NoAnswer for an empty answer.

    Text: the answer. A list of texts: what it did step by step, the answer last. Messages (OpenAI's, or a dict that
    holds them under "messages"): a step for each of the assistant's, the answer its last. (answer, list): both.
    quote: makes what was read safe to show.
    """
    seen = section("task", quote(task.text))
    if isinstance(given, Trajectory):
        steps = tuple(Step(quote(step.observation), step.action) for step in given.steps)
        return _of(task, given.answer, steps or (Step(seen, given.answer),), given)
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], list):
        played = trajectory_of(given[1], task, quote)
        return _of(task, _text(given[0]), played.steps, played)
    if isinstance(given, Mapping):
        given = given.get("messages", given)
    if not isinstance(given, list):
        answer = _text(given)
        return _of(task, answer, (Step(seen, answer),))
    if not given:
        raise TypeError(f"the agent returned an empty list; {TAKEN}")
    if all(isinstance(step, str) for step in given):
        return _of(task, given[-1], tuple(Step("" if n else seen, step) for n, step in enumerate(given)))
    return _of_chat(task, [_message(message) for message in given], quote)


def _of(task: Task, answer: str, steps: tuple[Step, ...], given: Trajectory | None = None) -> Trajectory:
    form = "answer" if len(steps) < 2 else "turns"
    kept = given or Trajectory(task.id, (), "")
    answer = split_thought(answer)[1]
    steps = tuple(replace(step, action=split_thought(step.action)[1]) for step in steps)
    if not kept.ok or is_blank(answer):
        raise NoAnswer("empty" if kept.ok else kept.status, kept.reason or "the agent returned an empty answer")
    return replace(
        kept, task_id=task.id, steps=steps, answer=answer.strip(), form=form, private=task.private, score=float("nan")
    )


def _of_chat(task: Task, chat: list[tuple[str, str]], quote: Callable[[str], str]) -> Trajectory:
    steps, read, answer = [], [], ""
    for role, content in chat:
        if role == "assistant":
            steps.append(Step(quote("\n".join(read)), content))
            read, answer = [], content
        elif role != "system":  # the module, most often
            read.append(content)
    if not steps:
        raise TypeError(f"the agent returned messages without one of the assistant's; {TAKEN}")
    first = replace(steps[0], observation=section("task", steps[0].observation or quote(task.text)))
    return replace(_of(task, answer, (first, *steps[1:])), final=quote("\n".join(read)))


def _message(message: Any) -> tuple[str, str]:
    """(role, text) of a message: a dict as OpenAI has it, or an object with the same names, as LangChain has."""
    get = message.get if isinstance(message, Mapping) else lambda name: getattr(message, name, None)
    role = get("role") or get("type")
    if not isinstance(role, str):
        raise TypeError(f"the agent returned a list with a {type(message).__name__} that is no message; {TAKEN}")
    content = get("content") or ""
    if isinstance(content, Sequence) and not isinstance(content, str):
        content = "\n".join(str(part.get("text", "")) if isinstance(part, Mapping) else str(part) for part in content)
    return ROLES.get(role, role), "\n".join([str(content), *map(_call, get("tool_calls") or ())]).strip()


def _call(call: Any) -> str:
    """A tool call as our own prompts write it."""
    if not isinstance(call, Mapping):
        call = {"function": {"name": call.function.name, "arguments": call.function.arguments}}
    called = call.get("function") or {"name": call.get("name"), "arguments": call.get("args")}
    arguments = called.get("arguments")
    with suppress(ValueError):  # else it stays as it was written
        arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
    return "TOOL: " + json.dumps({"tool": called.get("name"), "arguments": arguments}, ensure_ascii=False, default=str)


def _text(answer: Any) -> str:
    if isinstance(answer, str):
        return answer
    if isinstance(answer, Number):
        return str(answer)
    raise TypeError(f"the agent returned a {type(answer).__name__}; {TAKEN}")
