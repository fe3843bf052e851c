"""LLMs behind OpenAI's chat completions, its own and those of compatible servers."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from .protocol import Message, Reply, ToolCall, Usage
from .remote import Remote, as_object, clean
from .toolcalls import Called, paired

FINISH = {"stop": "stop", "length": "length", "tool_calls": "tool_calls", "content_filter": "refusal"}


class OpenAIChat(Remote):
    """A model behind OpenAI's chat completions, or any server that speaks them (base_url)."""

    spec = "openai:<model>"
    parameters = (*Remote.parameters, "temperature")
    prices = "openai"
    key_variable = "OPENAI_API_KEY"
    url_variable = "OPENAI_BASE_URL"

    def _connect(self, api_key: str, base_url: str | None, timeout: float):
        import openai

        return openai.OpenAI(
            api_key=api_key, base_url=base_url or "https://api.openai.com/v1", max_retries=0,
            timeout=openai.Timeout(timeout, connect=10),
        )  # fmt: skip

    def _send(self, messages, tools, schema, sample) -> Reply:
        # OpenAI's newer models refuse max_tokens, local servers know nothing else
        limit = "max_tokens" if "base_url" in self.params else "max_completion_tokens"
        options: dict[str, Any] = {limit: self.max_completion, "seed": sample}
        if "temperature" in self.params:
            options["temperature"] = self.params["temperature"]
        if tools:
            options["tools"] = [{"type": "function", "function": dict(tool)} for tool in tools]
        chat = dialogue(messages) if tools else list(messages)
        if schema:
            named = {"name": _schema_name(schema), "schema": schema, "strict": _is_strict(schema)}
            options["response_format"] = {"type": "json_schema", "json_schema": named}
        answer = self._client.chat.completions.create(model=self.model, messages=chat, **options)
        choice = answer.choices[0]
        calls = tuple(
            ToolCall(call.id, call.function.name, clean(call.function.arguments))
            for call in choice.message.tool_calls or ()
        )
        text = clean(choice.message.content or getattr(choice.message, "refusal", None) or "")
        usage = self._usage(answer.usage) if answer.usage else self._estimated(messages, text)
        return Reply(text, usage, FINISH.get(choice.finish_reason, "stop"), calls)

    def _usage(self, usage) -> Usage:
        prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
        cached = (prompt.cached_tokens or 0) if prompt else 0
        reasoning = (completion.reasoning_tokens or 0) if completion else 0
        return Usage(int(usage.prompt_tokens), int(usage.completion_tokens), cached, reasoning)

    def _estimated(self, messages, text: str) -> Usage:
        return Usage(self.count(messages), self._count(text), counter=self.counter)


def dialogue(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """A dialogue with its calls written out as text -> OpenAI's tool calls and tool messages."""
    chat: list[dict[str, Any]] = []
    for part in paired(messages):
        if not isinstance(part, Called):
            chat.append(part)
            continue
        arguments = json.dumps(as_object(json.loads(part.call.arguments)), ensure_ascii=False)
        called = {"name": part.call.name, "arguments": arguments}
        calls = [{"id": part.call.id, "type": "function", "function": called}]
        chat.append({"role": "assistant", "content": part.words or None, "tool_calls": calls})
        chat.append({"role": "tool", "tool_call_id": part.call.id, "content": part.result})
    return chat


def _schema_name(schema: dict) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", schema.get("title", "answer"))[:64]


def _is_strict(schema: Any) -> bool:
    """Whether OpenAI's strict mode takes a schema: every object closed and all its properties required."""
    if isinstance(schema, list):
        return all(map(_is_strict, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object":
        closed = schema.get("additionalProperties") is False
        if not closed or sorted(schema.get("required", ())) != sorted(schema.get("properties", {})):
            return False
    return all(map(_is_strict, schema.values()))
