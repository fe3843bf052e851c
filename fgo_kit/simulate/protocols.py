"""The wire forms of OpenAI chat completions and Anthropic messages, as a server reads and writes them.

Both classes offer the same functions: `read` a request, `write` an answer, `error` bodies, `overflow`.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from ..calls.protocol import Message, Reply
from ..calls.toolcalls import call_text


@dataclass(frozen=True)
class Request:
    """What both protocols ask for. `tools` are in OpenAI's form, `schema` is a JSON schema or None."""

    model: str
    messages: tuple[Message, ...]
    tools: tuple[dict, ...] = ()
    schema: dict | None = None
    sample: int = 0
    max_tokens: int | None = None


class BadBody(ValueError):
    """A request body that cannot be read; the message says what was expected."""


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
    return "\n".join(_block(block) for block in content)


def _block(block: dict) -> str:
    kind = block.get("type")
    if kind == "text":
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
        role = _get(message, "role", str)
        if role not in roles:
            raise BadBody(f"role {role!r} is not supported; use one of {', '.join(roles)}")
        calls = [_get(call, "function", dict) for call in _get(message, "tool_calls", list, [])]
        lines = [_text(message.get("content")), *(_call(call) for call in calls)]
        found.append({"role": roles[role], "content": "\n".join(line for line in lines if line)})
    if not found:
        raise BadBody("messages: expected at least one")
    return found


class OpenAI:
    """POST /v1/chat/completions."""

    OVERLOADED = 503
    TYPES = {400: "invalid_request_error", 429: "requests", 500: "server_error", 503: "server_error"}
    ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant",
             "tool": "user"}
    CODES = {"rate_limited": "rate_limit_exceeded", "context_overflow": "context_length_exceeded"}

    @staticmethod
    def read(body: bytes, headers: Any) -> Request:
        data = _parse(body)
        if _get(data, "n", int, 1) != 1:
            raise BadBody(f"n={data['n']} is not supported; ask once for each answer")
        schema = None
        response_format = _get(data, "response_format", dict, {})
        if response_format.get("type") == "json_schema":
            schema = _get(_get(response_format, "json_schema", dict), "schema", dict)
        limit = _get(data, "max_completion_tokens", int, _get(data, "max_tokens", int, None))
        return Request(_get(data, "model", str), tuple(_messages(data, OpenAI.ROLES)),
                       tuple(_get(data, "tools", list, [])), schema, _get(data, "seed", int, 0), limit)

    @staticmethod
    def write(request: Request, reply: Reply, number: int) -> dict:
        usage = reply.usage
        message = {"role": "assistant", "content": reply.text or None, "refusal": None}
        if reply.tool_calls:
            message["tool_calls"] = [{"id": call.id, "type": "function", "function": {
                "name": call.name, "arguments": call.arguments}} for call in reply.tool_calls]
        finish = "content_filter" if reply.finish == "refusal" else reply.finish
        return {
            "id": f"chatcmpl-{number}", "object": "chat.completion", "created": int(time.time()),
            "model": request.model,
            "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
            "usage": {"prompt_tokens": usage.prompt, "completion_tokens": usage.completion,
                      "total_tokens": usage.prompt + usage.completion,
                      "prompt_tokens_details": {"cached_tokens": usage.cached},
                      "completion_tokens_details": {"reasoning_tokens": usage.reasoning}},
        }

    @classmethod
    def error(cls, kind: str, status: int, message: str) -> dict:
        return {"error": {"message": message, "type": cls.TYPES[status], "param": None,
                          "code": cls.CODES.get(kind)}}

    @staticmethod
    def overflow(tokens: int, window: int) -> str:
        return (f"This model's maximum context length is {window} tokens. However, your messages resulted in "
                f"{tokens} tokens. Please reduce the length of the messages.")


class Anthropic:
    """POST /v1/messages. It has no seed: the header `x-sample` is the sample, 0 without it."""

    OVERLOADED = 529
    TYPES = {400: "invalid_request_error", 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error"}
    FINISH = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "refusal": "refusal"}

    @staticmethod
    def read(body: bytes, headers: Any) -> Request:
        data = _parse(body)
        messages = _messages(data, {"user": "user", "assistant": "assistant"})
        if system := _text(data.get("system")):
            messages.insert(0, {"role": "system", "content": system})
        form = _get(_get(data, "output_config", dict, {}), "format", dict, {})
        schema = _get(form, "schema", dict) if form.get("type") == "json_schema" else None
        tools = tuple({"type": "function", "function": {
            "name": _get(tool, "name", str), "description": _get(tool, "description", str, ""),
            "parameters": _get(tool, "input_schema", dict, {})}} for tool in _get(data, "tools", list, []))
        sample = headers.get("x-sample", "0")
        if not sample.isdecimal():
            raise BadBody(f"header x-sample={sample!r}: expected a whole number >= 0")
        return Request(_get(data, "model", str), tuple(messages), tools, schema, int(sample),
                       _get(data, "max_tokens", int))

    @classmethod
    def write(cls, request: Request, reply: Reply, number: int) -> dict:
        usage = reply.usage
        content: list[dict] = [{"type": "text", "text": reply.text}] if reply.text else []
        content += [{"type": "tool_use", "id": call.id, "name": call.name, "input": _object(call.arguments)}
                    for call in reply.tool_calls]
        return {
            "id": f"msg_{number}", "type": "message", "role": "assistant", "model": request.model,
            "content": content, "stop_reason": cls.FINISH.get(reply.finish, "end_turn"),
            "stop_sequence": None,
            "usage": {"input_tokens": usage.prompt - usage.cached, "cache_read_input_tokens": usage.cached,
                      "cache_creation_input_tokens": 0, "output_tokens": usage.completion},
        }

    @classmethod
    def error(cls, kind: str, status: int, message: str) -> dict:
        return {"type": "error", "error": {"type": cls.TYPES[status], "message": message}}

    @staticmethod
    def overflow(tokens: int, window: int) -> str:
        return f"prompt is too long: {tokens} tokens > {window} maximum"


def _object(arguments: str) -> dict:
    """A tool call's arguments as an object; what is none is handed on under "arguments"."""
    try:
        value = json.loads(arguments)
    except ValueError:
        value = arguments
    return value if isinstance(value, dict) else {"arguments": value}
