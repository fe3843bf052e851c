"""LLMs behind Anthropic's messages, its own and those of compatible servers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..calls.prices import is_local
from ..calls.protocol import Message, Reply, ToolCall, Unreachable, Usage
from ..calls.toolcalls import Called, paired
from .optional import SCHEMA, SYSTEM, TOOLS, Part, without_system
from .remote import FINISH, Remote, arguments_text, as_object, clean, pieces
from .usage import Reported, tokens


class AnthropicMessages(Remote):
    """A model behind Anthropic's messages. `sample` only tells draws apart: it has no seed."""

    spec = "anthropic:<model>"
    prices = "anthropic"
    key_variable = "ANTHROPIC_API_KEY"
    url_variable = "ANTHROPIC_BASE_URL"
    optional = (SYSTEM, SCHEMA, TOOLS)
    home = "https://api.anthropic.com"

    def _connect(self, api_key: str, base_url: str | None, timeout: float):
        import anthropic

        client = anthropic.Anthropic(
            api_key=api_key, base_url=base_url or self.home, max_retries=0,
            timeout=anthropic.Timeout(timeout, connect=10),
        )  # fmt: skip
        return client.messages.with_raw_response.create

    def _present(self, messages: Sequence[Message], tools: Sequence[dict], schema: dict | None) -> frozenset[Part]:
        asked = {SYSTEM: any(m["role"] == "system" for m in messages), SCHEMA: schema, TOOLS: tools}
        return frozenset(part for part, present in asked.items() if present)

    def _request(
        self, messages: list[Message], tools: Sequence[dict], schema: dict | None, sample: int, without: frozenset[Part]
    ) -> dict[str, Any]:
        import anthropic

        request: dict[str, Any] = {"model": self.model, "max_tokens": self.max_completion}
        messages = without_system(messages) if SYSTEM in without else messages
        system = "\n\n".join(m["content"] for m in messages if m["role"] == "system")
        if system:
            request["system"] = system
        chat: list[Any] = [m for m in messages if m["role"] != "system"]
        if tools and TOOLS not in without:
            request["tools"] = [
                {"name": t["name"], "description": t["description"], "input_schema": t["parameters"]} for t in tools
            ]
            chat = dialogue(chat)
        if schema and SCHEMA not in without:
            plain = anthropic.transform_schema(schema)
            request["output_config"] = {"format": {"type": "json_schema", "schema": plain}}
        if is_local(self.params.get("base_url", "")):
            request["extra_headers"] = {"x-sample": str(sample)}  # our loopback server's stand-in for a seed
        return {**request, "messages": chat}

    def _read(self, body: dict[str, Any]) -> tuple[Reply, Reported]:
        content = body.get("content")
        if not isinstance(content, (str, list)):
            raise Unreachable(f"{self.name}: the answer holds no content: {json.dumps(body)[:200]}")
        thought, text = pieces(content)
        blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
        calls = tuple(
            ToolCall(clean(block.get("id")) or f"call_{number}", block["name"], arguments_text(block.get("input")))
            for number, block in enumerate(blocks)
            if block.get("type") == "tool_use" and clean(block.get("name"))
        )
        reason = str(body.get("stop_reason"))
        reply = Reply(text, Usage(0, 0), FINISH.get(reason, "stop"), calls, thought, clean(body.get("model")))
        return reply, _reported(body.get("usage"))


def _reported(usage: Any) -> Reported:
    usage = usage if isinstance(usage, dict) else {}
    details = usage.get("output_tokens_details")
    read, written = (tokens(usage.get(f"cache_{what}_input_tokens")) or 0 for what in ("read", "creation"))
    fresh = tokens(usage.get("input_tokens"))
    thought = tokens(details.get("thinking_tokens")) if isinstance(details, dict) else 0
    prompt = None if fresh is None else fresh + read + written
    return Reported(prompt, tokens(usage.get("output_tokens")), None, read, thought or 0, written)


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
