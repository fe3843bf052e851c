"""The wire forms of OpenAI's chat completions and Responses and of Anthropic's messages, as a server reads and writes
them. All three classes offer the same functions: `read` a request, `write` an answer, `error` bodies, `overflow`.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from ..calls.protocol import Message, Reply
from ..calls.toolcalls import call_text
from .thinking import THOUGHTS, BadBody, check_thoughts, signature, signed, tokens_of


@dataclass(frozen=True)
class Request:
    """What all protocols ask for. `tools` are in OpenAI's form, `schema` is a JSON schema or None.

    thinking: tokens to think before the answer. marks: so many first messages are put into the cache, one number for
    each mark.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[dict, ...] = ()
    schema: dict | None = None
    sample: int = 0
    max_tokens: int | None = None
    thinking: int = 0
    marks: tuple[int, ...] = ()


REFUSAL = "I cannot help with that."


def _parse(body: bytes) -> dict:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadBody(f"the body is not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise BadBody(f"the body is a JSON {type(data).__name__}; expected an object")
    if data.get("stream"):
        raise BadBody("stream=true is not supported; ask without streaming")
    return data


def _get(data: Any, key: str, kind: type, default: Any = BadBody) -> Any:
    """data[key], which must be of `kind`; a missing or null value gives `default`, or BadBody without one."""
    value = data.get(key) if isinstance(data, dict) else None
    if value is None and default is not BadBody:
        return default
    if not isinstance(value, kind) or isinstance(value, bool):
        found = "missing" if value is None else f"a {type(value).__name__}"
        raise BadBody(f"{key}: expected {kind.__name__}, but it is {found}")
    return value


def _text(content: Any) -> str:
    """The text of a message's content: a string, or a list of blocks (text, tool calls and their results)."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list) or not all(isinstance(block, dict) for block in content):
        raise BadBody("content: expected a string or a list of blocks")
    return "\n".join(_block(block) for block in content if block.get("type") not in THOUGHTS)


def _block(block: dict) -> str:
    kind = block.get("type")
    if kind in ("text", "input_text", "output_text"):
        return _get(block, "text", str)
    if kind == "tool_result":
        return _text(block.get("content"))
    if kind == "tool_use":
        return call_text(_get(block, "name", str), block.get("input"))
    raise BadBody(f"content block of type {kind!r} is not supported; use text, tool_use or tool_result")


def _call(function: dict) -> str:
    arguments = _get(function, "arguments", str, "{}")
    try:
        return call_text(_get(function, "name", str), json.loads(arguments))
    except ValueError:  # models write arguments that are not JSON
        return call_text(_get(function, "name", str), arguments)


def _messages(data: dict, roles: dict[str, str]) -> list[Message]:
    """The messages as text. Tool calls become a line of the assistant (see `fgo_kit.toolcalls`), their results
    text of the user."""
    found = []
    for message in _get(data, "messages", list):
        role = _role(message, roles)
        calls = [_get(call, "function", dict) for call in _get(message, "tool_calls", list, [])]
        lines = [_text(message.get("content")), *(_call(call) for call in calls)]
        found.append({"role": role, "content": "\n".join(line for line in lines if line)})
    if not found:
        raise BadBody("messages: expected at least one")
    return found


def _role(message: Any, roles: dict[str, str]) -> str:
    """Ours for a message's role."""
    role = _get(message, "role", str)
    if role not in roles:
        raise BadBody(f"role {role!r} is not supported; use one of {', '.join(roles)}")
    return roles[role]


def _schema(form: dict) -> dict | None:
    return _get(form, "schema", dict) if form.get("type") == "json_schema" else None


def _sample(headers: Any) -> int:
    """The draw, where a protocol has no seed: the header `x-sample`, 0 without it."""
    sample = headers.get("x-sample", "0")
    if not sample.isdecimal():
        raise BadBody(f"header x-sample={sample!r}: expected a whole number >= 0")
    return int(sample)


class OpenAI:
    """POST /v1/chat/completions."""

    OVERLOADED = 503
    TYPES = {400: "invalid_request_error", 429: "requests", 500: "server_error", 503: "server_error"}
    ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "user"}
    CODES = {"rate_limited": "rate_limit_exceeded", "context_overflow": "context_length_exceeded"}

    def read(self, body: bytes, headers: Any) -> Request:
        data = _parse(body)
        if _get(data, "n", int, 1) != 1:
            raise BadBody(f"n={data['n']} is not supported; ask once for each answer")
        form = _get(data, "response_format", dict, {})
        schema = _schema(_get(form, "json_schema", dict, {}) | {"type": form.get("type")})
        limit = _get(data, "max_completion_tokens", int, _get(data, "max_tokens", int, None))
        messages = tuple(_messages(data, self.ROLES))
        return Request(_get(data, "model", str), messages, tuple(_get(data, "tools", list, [])), schema,
                       _get(data, "seed", int, 0), limit, tokens_of(_get(data, "reasoning_effort", str, "none")),
                       tuple(range(1, len(messages) + 1)))

    def write(self, request: Request, reply: Reply, number: int) -> dict:
        usage = reply.usage
        is_refused = reply.finish == "refusal" and reply.category != "content_filter"
        message = {"role": "assistant", "content": None if is_refused else reply.text or None,
                   "refusal": (reply.text or REFUSAL) if is_refused else None}
        if reply.tool_calls:
            message["tool_calls"] = [{"id": call.id, "type": "function", "function": {
                "name": call.name, "arguments": call.arguments}} for call in reply.tool_calls]
        finish = ("stop" if is_refused else "content_filter") if reply.finish == "refusal" else reply.finish
        return {
            "id": f"chatcmpl-{number}", "object": "chat.completion", "created": int(time.time()),
            "model": request.model,
            "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
            "usage": {"prompt_tokens": usage.prompt, "completion_tokens": usage.completion,
                      "total_tokens": usage.prompt + usage.completion,
                      "prompt_tokens_details": {"cached_tokens": usage.cached,
                                                "cache_write_tokens": usage.written},
                      "completion_tokens_details": {"reasoning_tokens": usage.reasoning}},
        }

    def error(self, kind: str, status: int, message: str) -> dict:
        return {"error": {"message": message, "type": self.TYPES[status], "param": None, "code": self.CODES.get(kind)}}

    def overflow(self, tokens: int, window: int) -> str:
        return (f"This model's maximum context length is {window} tokens. However, your messages resulted in "
                f"{tokens} tokens. Please reduce the length of the messages.")


class Responses(OpenAI):
    """POST /v1/responses. It has no seed: the header `x-sample` is the sample."""

    def read(self, body: bytes, headers: Any) -> Request:
        data = _parse(body)
        messages = tuple(_items(data))
        form = _get(_get(data, "text", dict, {}), "format", dict, {})
        tools = tuple({"type": "function", "function": {name: tool.get(name) for name in (
            "name", "description", "parameters")}} for tool in _get(data, "tools", list, []))
        effort = _get(_get(data, "reasoning", dict, {}), "effort", str, "none")
        return Request(_get(data, "model", str), messages, tools, _schema(form), _sample(headers),
                       _get(data, "max_output_tokens", int, None), tokens_of(effort),
                       tuple(range(1, len(messages) + 1)))

    def write(self, request: Request, reply: Reply, number: int) -> dict:
        usage = reply.usage
        reason = "max_output_tokens" if reply.finish == "length" else reply.category or None
        reason = reason if reason in ("max_output_tokens", "content_filter") else None
        status = "incomplete" if reason else "completed"
        return {
            "id": f"resp_{number}", "object": "response", "created_at": time.time(), "status": status, "error": None,
            "incomplete_details": {"reason": reason} if reason else None, "instructions": None, "metadata": {},
            "model": request.model, "output": _output(reply, number, status), "parallel_tool_calls": False,
            "temperature": 1.0, "top_p": 1.0, "tool_choice": "auto", "tools": [],
            "usage": {"input_tokens": usage.prompt, "output_tokens": usage.completion,
                      "total_tokens": usage.prompt + usage.completion,
                      "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.written},
                      "output_tokens_details": {"reasoning_tokens": usage.reasoning}},
        }


def _items(data: dict) -> list[Message]:
    """The items of an input as messages: a call belongs to the words of the assistant before it."""
    given = data.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else _get(data, "input", list)
    check_thoughts(items)
    found: list[Message] = []
    if instructions := _get(data, "instructions", str, ""):
        found.append({"role": "system", "content": instructions})
    for item in items:
        kind = item.get("type", "message") if isinstance(item, dict) else "message"
        if kind == "function_call":
            words = found.pop()["content"] if found and found[-1]["role"] == "assistant" else ""
            found.append({"role": "assistant", "content": f"{words}\n{_call(item)}".lstrip("\n")})
        elif kind == "function_call_output":
            found.append({"role": "user", "content": _text(item.get("output"))})
        elif kind == "message":
            found.append({"role": _role(item, OpenAI.ROLES), "content": _text(item.get("content"))})
        elif kind not in THOUGHTS:
            raise BadBody(f"input item of type {kind!r} is not supported")
    if not found:
        raise BadBody("input: expected at least one item")
    return found


def _output(reply: Reply, number: int, status: str) -> list[dict]:
    output: list[dict] = []
    if reply.thought:
        output.append({"type": "reasoning", "id": f"rs_{number}", "status": None,
                       "summary": [{"type": "summary_text", "text": reply.thought}],
                       "encrypted_content": signature(reply.thought)})
    content: list[dict] = []
    if reply.finish == "refusal" and status == "completed":
        content = [{"type": "refusal", "refusal": reply.text or REFUSAL}]
    elif reply.text:
        content = [{"type": "output_text", "text": reply.text, "annotations": []}]
    if content:
        output.append({"type": "message", "id": f"msg_{number}", "role": "assistant", "status": status,
                       "content": content})
    return output + [
        {"type": "function_call", "id": f"fc_{number}_{n}", "call_id": signed(call.id, reply.thought),
         "name": call.name, "arguments": call.arguments, "status": "completed"}
        for n, call in enumerate(reply.tool_calls)]


class Anthropic:
    """POST /v1/messages. It has no seed: the header `x-sample` is the sample, 0 without it."""

    OVERLOADED = 529
    TYPES = {400: "invalid_request_error", 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error"}
    FINISH = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "refusal": "refusal"}

    def read(self, body: bytes, headers: Any) -> Request:
        data = _parse(body)
        messages = _messages(data, {"user": "user", "assistant": "assistant"})
        for message in data["messages"]:
            check_thoughts(message["content"] if isinstance(message.get("content"), list) else [])
        system, marks = data.get("system"), []
        if text := _text(system):
            messages.insert(0, {"role": "system", "content": text})
            marks += [1] if isinstance(system, list) and any("cache_control" in block for block in system) else []
        marks += [len(messages)] if data.get("cache_control") else []
        config = _get(data, "output_config", dict, {})
        form = _get(config, "format", dict, {})
        tools = tuple({"type": "function", "function": {
            "name": _get(tool, "name", str), "description": _get(tool, "description", str, ""),
            "parameters": _get(tool, "input_schema", dict, {})}} for tool in _get(data, "tools", list, []))
        mode = _get(_get(data, "thinking", dict, {}), "type", str, "disabled")
        thinking = 0 if mode == "disabled" else tokens_of(_get(config, "effort", str, "medium"))
        return Request(_get(data, "model", str), tuple(messages), tools, _schema(form), _sample(headers),
                       _get(data, "max_tokens", int), thinking, tuple(marks))

    def write(self, request: Request, reply: Reply, number: int) -> dict:
        usage, details = reply.usage, None
        content: list[dict] = []
        if reply.thought:
            content.append({"type": "thinking", "thinking": reply.thought, "signature": signature(reply.thought)})
        content += [{"type": "text", "text": reply.text, "citations": None}] if reply.text else []
        content += [{"type": "tool_use", "id": signed(call.id, reply.thought), "name": call.name,
                     "input": _object(call.arguments)} for call in reply.tool_calls]
        if reply.finish == "refusal":
            details = {"type": "refusal", "category": reply.category or None, "explanation": REFUSAL}
        return {
            "id": f"msg_{number}", "type": "message", "role": "assistant", "model": request.model,
            "content": content, "stop_reason": self.FINISH.get(reply.finish, "end_turn"),
            "stop_sequence": None, "stop_details": details,
            "usage": {"input_tokens": usage.prompt - usage.cached - usage.written,
                      "cache_read_input_tokens": usage.cached, "cache_creation_input_tokens": usage.written,
                      "output_tokens": usage.completion,
                      "output_tokens_details": {"thinking_tokens": usage.reasoning}},
        }

    def error(self, kind: str, status: int, message: str) -> dict:
        return {"type": "error", "error": {"type": self.TYPES[status], "message": message}}

    def overflow(self, tokens: int, window: int) -> str:
        return f"prompt is too long: {tokens} tokens > {window} maximum"


def _object(arguments: str) -> dict:
    """A tool call's arguments as an object; what is none is handed on under "arguments"."""
    try:
        value = json.loads(arguments)
    except ValueError:
        value = arguments
    return value if isinstance(value, dict) else {"arguments": value}
