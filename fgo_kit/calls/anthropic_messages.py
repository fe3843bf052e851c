"""LLMs behind Anthropic's messages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .prices import is_local
from .protocol import ContextOverflow, Message, Reply, ToolCall, Usage
from .remote import Remote, as_object, clean
from .toolcalls import Called, paired

FINISH = {
    "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls", "refusal": "refusal",
}  # fmt: skip


class AnthropicMessages(Remote):
    """A model behind Anthropic's messages. `sample` only tells draws apart: it has no seed."""

    spec = "anthropic:<model>"
    prices = "anthropic"
    key_variable = "ANTHROPIC_API_KEY"
    url_variable = "ANTHROPIC_BASE_URL"

    def _connect(self, api_key: str, base_url: str | None, timeout: float):
        import anthropic

        return anthropic.Anthropic(
            api_key=api_key, base_url=base_url or "https://api.anthropic.com", max_retries=0,
            timeout=anthropic.Timeout(timeout, connect=10),
        )  # fmt: skip

    def _send(self, messages, tools, schema, sample) -> Reply:
        import anthropic

        options: dict[str, Any] = {}
        system = "\n\n".join(m["content"] for m in messages if m["role"] == "system")
        if system:
            options["system"] = system
        if tools:
            options["tools"] = [
                {"name": t["name"], "description": t["description"], "input_schema": t["parameters"]}
                for t in tools
            ]
        if schema:
            plain = anthropic.transform_schema(schema)
            options["output_config"] = {"format": {"type": "json_schema", "schema": plain}}
        if is_local(self.params.get("base_url", "")):
            options["extra_headers"] = {"x-sample": str(sample)}  # our loopback server's stand-in for a seed
        chat = [m for m in messages if m["role"] != "system"]
        chat = dialogue(chat) if tools else chat
        answer = self._client.messages.create(
            model=self.model, max_tokens=self.max_completion, messages=chat, **options
        )
        usage = self._usage(answer.usage)
        if answer.stop_reason == "model_context_window_exceeded":
            tokens = f"{usage.prompt} + {usage.completion} tokens"
            error = ContextOverflow(f"{self.name}: prompt and answer exceed the context window ({tokens})")
            error.usage = usage
            raise error
        text = clean("".join(block.text for block in answer.content if block.type == "text"))
        calls = tuple(
            ToolCall(block.id, block.name, clean(json.dumps(block.input)))
            for block in answer.content
            if block.type == "tool_use"
        )
        return Reply(text, usage, FINISH.get(answer.stop_reason, "stop"), calls)

    def _usage(self, usage) -> Usage:
        read = usage.cache_read_input_tokens or 0
        prompt = int(usage.input_tokens) + read + (usage.cache_creation_input_tokens or 0)
        thought = usage.output_tokens_details.thinking_tokens if usage.output_tokens_details else 0
        return Usage(prompt, int(usage.output_tokens), read, thought or 0)


def dialogue(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """A dialogue with its calls written out as text -> Anthropic's tool_use and tool_result blocks."""
    chat: list[dict[str, Any]] = []
    for part in paired(messages):
        if not isinstance(part, Called):
            chat.append(part)
            continue
        arguments, call = json.loads(part.call.arguments), part.call
        words: list[dict[str, Any]] = [{"type": "text", "text": part.words}] if part.words else []
        use = {"type": "tool_use", "id": call.id, "name": call.name, "input": as_object(arguments)}
        result = {"type": "tool_result", "tool_use_id": call.id, "content": part.result, "is_error": part.failed}
        chat.append({"role": "assistant", "content": [*words, use]})
        chat.append({"role": "user", "content": [result]})
    return chat
