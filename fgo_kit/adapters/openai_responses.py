"""LLMs behind OpenAI's Responses, the endpoint of its own models."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from ..calls.protocol import Message, Reply, ToolCall, Unreachable, Usage
from ..calls.toolcalls import Called, paired, plain
from .batch_endpoints import Endpoint, ResponsesBatches
from .openai_chat import OpenAIChat, named_schema, reported
from .optional import SCHEMA, SYSTEM, TEMPERATURE, TOOLS, Part, without_system
from .remote import Remote, arguments_text, as_object, clean, pieces, raw_turn
from .usage import Reported

_FINISH = {"max_output_tokens": "length", "content_filter": "refusal"}
"""How an answer ended, by why it is incomplete."""


class OpenAIResponses(OpenAIChat):
    """A model behind Responses. `sample` only numbers draws: it has no seed. Nothing is stored at the provider."""

    optional = (TEMPERATURE, SYSTEM, SCHEMA, TOOLS)
    prompt = "input"

    @classmethod
    def load(cls, model: str, *, base_url: str | None = None, api: str | None = None, **params: Any) -> Remote:
        """As `Remote.load`; by chat completions where `api` says so, or at a compatible server."""
        by_chat = api == "chat" or (api is None and cls._elsewhere(base_url))
        params |= {} if api is None else {"api": api}
        return (OpenAIChat if by_chat else super()).load(model, base_url=base_url, **params)

    def _connect(self, api_key: str, base_url: str | None, timeout: float) -> tuple[Callable[..., Any], Endpoint]:
        client = self._client(api_key, base_url, timeout)
        return client.responses.with_raw_response.create, ResponsesBatches(client, self.name, self._safely)

    def _request(
        self, messages: list[Message], tools: Sequence[dict], schema: dict | None, sample: int, without: frozenset[Part]
    ) -> dict[str, Any]:
        request = self._asked(sample, draws_by_header=True)
        request |= {"max_output_tokens": self.max_completion, "store": False}
        if "temperature" in self.params and TEMPERATURE not in without:
            request["temperature"] = self.params["temperature"]
        if "effort" in self.params:
            request["reasoning"] = {"effort": self.params["effort"]}
        messages = without_system(messages) if SYSTEM in without else messages
        items: list[Any] = plain(messages)
        if tools and TOOLS not in without:
            request["tools"] = [{"type": "function", "strict": False, **tool} for tool in tools]
            request["parallel_tool_calls"] = False  # only the first is made
            items = dialogue(messages)
        if schema and SCHEMA not in without:
            request["text"] = {"format": {"type": "json_schema", **named_schema(schema)}}
        return {**request, "input": items}

    def _read(self, body: dict[str, Any]) -> tuple[Reply, Reported]:
        output = body.get("output")
        if not isinstance(output, list):
            raise Unreachable(f"{self.name}: the answer holds no output: {json.dumps(body)[:200]}")
        items = [item for item in output if isinstance(item, dict)]
        parts = [part for item in items if item.get("type") == "message" for part in _parts(item)]
        thought = "\n".join(filter(None, (pieces([item])[0] for item in items)))
        refused = "".join(clean(part.get("refusal")) for part in parts if part.get("type") == "refusal")
        details = body.get("incomplete_details")
        reason = clean(details.get("reason")) if isinstance(details, dict) else ""
        calls = _calls(items)
        finish = "refusal" if refused else _FINISH.get(reason, "tool_calls" if calls else "stop")
        category = reason if _FINISH.get(reason) == "refusal" else ""
        text = pieces(parts)[1] or refused
        reply = Reply(text, Usage(0, 0), finish, calls, thought, clean(body.get("model")), category)
        return reply, reported(body.get("usage"), "input", "output")


def _parts(item: dict[str, Any]) -> list[dict[str, Any]]:
    content = item.get("content")
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []


def _calls(items: list[dict[str, Any]]) -> tuple[ToolCall, ...]:
    without_nulls = [{name: value for name, value in item.items() if value is not None} for item in items]
    raw = raw_turn(without_nulls, ("reasoning",), ("function_call", "call_id"))
    called = (item for item in items if item.get("type") == "function_call" and clean(item.get("name")))
    return tuple(
        ToolCall(clean(call.get("call_id")) or f"call_{n}", call["name"], arguments_text(call.get("arguments")), raw)
        for n, call in enumerate(called)
    )


def dialogue(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """A dialogue with its calls written out as text -> items of Responses: messages, calls and their outputs."""
    items: list[dict[str, Any]] = []
    for part in paired(messages):
        if not isinstance(part, Called):
            items.append(part)
            continue
        call = part.call
        arguments = json.dumps(as_object(json.loads(call.arguments)), ensure_ascii=False)
        words = [{"role": "assistant", "content": part.words}] if part.words else []
        called = {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": arguments}
        items += json.loads(call.raw) if call.raw else [*words, called]
        items.append({"type": "function_call_output", "call_id": items[-1]["call_id"], "output": part.result})
    return items
