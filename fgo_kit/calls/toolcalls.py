"""Tool calls as text, and what of them goes over the wire where a provider has calls of its own.

A rollout, its log and its replay hold text alone: an agent's turn ends in `TOOL: {...}` or `FINAL ANSWER: ...`,
a tool's output is a `<tool_result>` section of the user. `native` and `as_text` turn that into tool calls and
back, so a model with native calls and one without see and leave the same dialogue.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..records.showing import storable
from .json_text import value_at
from .protocol import Message, Reply, ToolCall
from .reply_text import final_answer, final_answer_start

_CALL = re.compile(r"^[^\w\n]*TOOL[^\w\n{]*?[:：][^\w{]*(?:json\b)?[^\w{]*", re.MULTILINE)
# how models write the calls of their own that their server did not take out of the text
_LEFT = re.compile(
    r"(?:<\|?(?:tool_call|function_call|python_tag)\|?>|\[TOOL_CALLS?\])\s*(?:```(?:json)?\s*)?|(?=<function=)"
)
_FUNCTION = re.compile(r"(?:<function=)?([\w.-]+)(?:>\s*|\s*\[ARGS\]\s*|\s*(?=<arg_key>))")
_PARAMETER = re.compile(
    r"<(?:parameter=|arg_key>)([\w.-]+)(?:</arg_key>\s*<arg_value)?>((?:[^<]|<(?!/?(?:parameter|arg_)))*)"
)
_RESULT = re.compile(r"<(tool_result|tool_error)\b[^>\n]*>\n?(.*?)\n?</\1>", re.DOTALL)
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")  # what providers take as the name of a tool


@dataclass(frozen=True)
class Turn:
    """What an agent's reply does: call a tool, or answer; neither where both are empty.

    tool, arguments: the call. answer: the final answer, None without one. problem: why a call cannot be
    read. start: where in the reply it begins.
    """

    tool: str = ""
    arguments: Any = None
    answer: str | None = None
    problem: str = ""
    start: int = 0


def read_turn(reply: str) -> Turn:
    """The first call or final answer in a reply: what follows a call was written without its result.

    >>> read_turn('THOUGHT: x\\nTOOL: {"tool": "search", "arguments": {"query": "a"}}').arguments
    {'query': 'a'}
    """
    final = final_answer_start(reply)
    calls = [mark for mark in (_CALL.search(reply), _LEFT.search(reply)) if mark]
    call = min(calls, key=re.Match.start, default=None)
    if call and (final is None or call.start() < final):
        return _call_at(reply, call)
    if final is None:
        return Turn(start=len(reply))
    return Turn(answer=final_answer(reply), start=final)


def _call_at(reply: str, mark: re.Match) -> Turn:
    start, ours = mark.start(), mark.re is _CALL
    try:
        # models break lines inside strings, which strict JSON does not have
        found, _ = json.JSONDecoder(strict=False).raw_decode(reply, mark.end())
    except (ValueError, RecursionError) as error:
        found = value_at(reply, mark.end()) or (None if ours else _marked_up(reply, mark.end()))
        if found is None:
            sign = "TOOL:" if ours else mark[0].strip() or "<function="
            return Turn(problem=f"what follows {sign} is not JSON ({error})"[:200], start=start)
    call = found[0] if isinstance(found, list) and found else found
    call = call if isinstance(call, dict) else {}
    name = call.get("tool", call.get("name", call.get("function")))
    if not isinstance(name, str):
        return Turn(problem='what follows TOOL: has no "tool" with the name of a tool', start=start)
    arguments = call.get("arguments", call.get("parameters", {}))
    return Turn(tool=name, arguments=_parsed(arguments) if isinstance(arguments, str) else arguments, start=start)


def _marked_up(reply: str, at: int) -> dict[str, Any] | None:
    """A call that is written in tags, one a parameter; None where there is none."""
    name = _FUNCTION.match(reply, at)
    if name is None:
        return None
    inside = value_at(reply, name.end())
    parameters = _PARAMETER.findall(reply, name.end())
    given = {key: _parsed(value.strip("\n")) for key, value in parameters}
    return {"tool": name[1], "arguments": inside or given}


def _parsed(arguments: str) -> Any:
    try:
        return json.loads(arguments, strict=False)
    except (ValueError, RecursionError):
        return arguments


def call_text(tool: str, arguments: Any) -> str:
    """The line that calls a tool.

    >>> call_text("search", {"query": "a"})
    'TOOL: {"tool": "search", "arguments": {"query": "a"}}'
    """
    return "TOOL: " + storable(json.dumps({"tool": tool, "arguments": arguments}, ensure_ascii=False))


def reply_text(reply: Reply) -> str:
    """A reply as one text: its first native call is written as a TOOL line after its words."""
    if not reply.tool_calls:
        return reply.text
    call = reply.tool_calls[0]
    words = reply.text[: read_turn(reply.text).start].rstrip()  # a call written out as well counts once
    return f"{words}\n{call_text(call.name, _parsed(call.arguments))}".lstrip("\n")


def has_whole_call(reply: Reply) -> bool:
    """Whether a reply calls a tool with arguments that can be read, so that they were not cut.

    >>> from .protocol import Usage
    >>> calls = [ToolCall("c", "search", arguments) for arguments in ('{"query": "a"}', '{"query": "a')]
    >>> [has_whole_call(Reply("", Usage(9, 9), "length", (call,))) for call in calls]
    [True, False]
    """
    if reply.tool_calls:
        return not isinstance(_parsed(reply.tool_calls[0].arguments), str)
    turn = read_turn(reply.text)
    return bool(turn.tool and not turn.problem)


def turn_of(reply: Reply, text: str) -> Message:
    """The assistant's message of a dialogue for a reply that was read as this text."""
    raw = reply.tool_calls[0].raw if reply.tool_calls else ""
    return {"role": "assistant", "content": text} | ({"raw": raw} if raw else {})


def split_reply(text: str, number: int) -> tuple[str, tuple[ToolCall, ...]]:
    """(words, tool calls) of a reply written as text: the reverse of `reply_text`. A call of a name that providers
    would refuse stays text."""
    turn = read_turn(text)
    if not _NAME.fullmatch(turn.tool):
        return text, ()
    call = ToolCall(f"call_{number}", turn.tool, json.dumps(turn.arguments, ensure_ascii=False))
    return text[: turn.start].rstrip(), (call,)


def is_result(content: str) -> bool:
    """Whether a message is a tool's output."""
    return _RESULT.match(content) is not None


def bare_result(observation: str) -> str | None:
    """The text of a tool's output, "tool error: ..." for an error, None for another observation."""
    found = _RESULT.match(observation)
    if found is None:
        return None
    after = observation[found.end() :].strip()
    said = f"tool error: {found[2]}" if found[1] == "tool_error" else found[2]
    return f"{said}\n{after}" if after else said


@dataclass(frozen=True)
class Called:
    """A call and its result, as two messages of a dialogue say it. The call's `raw` is the whole turn."""

    words: str
    call: ToolCall
    result: str
    failed: bool


def plain(messages: Iterable[Message]) -> list[Message]:
    """The messages without the raw form of their turns."""
    return [{"role": message["role"], "content": message["content"]} for message in messages]


def paired(messages: Sequence[Message]) -> Iterable[Message | Called]:
    """The messages, with each call and the result that follows it as one `Called`."""
    at = 0
    while at < len(messages):
        message, after = messages[at], messages[at + 1] if at + 1 < len(messages) else None
        at += 1
        if message["role"] == "assistant" and after and after["role"] == "user" and is_result(after["content"]):
            words, calls = split_reply(message["content"], at)
            if calls:
                at += 1
                call = replace(calls[0], raw=message.get("raw", ""))
                yield Called(words, call, after["content"], after["content"].startswith("<tool_error"))
                continue
        yield from plain([message])
