"""LLMs behind Anthropic's messages, its own and those of compatible servers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from ..calls.protocol import Message, Reply, ToolCall, Unreachable, Usage
from ..calls.toolcalls import Called, paired, plain
from .batch_endpoints import AnthropicBatches, Endpoint
from .optional import CACHE, SCHEMA, SYSTEM, TOOLS, Part, without_system
from .remote import FINISH, Remote, arguments_text, as_object, clean, pieces, raw_turn
from .usage import Reported, tokens


class AnthropicMessages(Remote):
    """A model behind Anthropic's messages. `sample` only numbers draws: it has no seed."""

    spec = "anthropic:<model>"
    parameters = (*Remote.parameters, "thinking")
    prices = "anthropic"
    key_variable = "ANTHROPIC_API_KEY"
    url_variable = "ANTHROPIC_BASE_URL"
    optional = (SYSTEM, SCHEMA, TOOLS, CACHE)
    home = "https://api.anthropic.com"
    allowed = {
        "effort": ("low", "medium", "high", "xhigh", "max"),
        "service_tier": ("auto", "standard_only"),
        "thinking": ("adaptive", "disabled", "between_tools"),
    }

    def _connect(self, api_key: str, base_url: str | None, timeout: float) -> tuple[Callable[..., Any], Endpoint]:
        import anthropic

        client = anthropic.Anthropic(
            api_key=api_key, base_url=base_url or self.home, max_retries=0,
            timeout=anthropic.Timeout(timeout, connect=10),
        )  # fmt: skip
        return client.messages.with_raw_response.create, AnthropicBatches(client, self.name, self._safely)

    def _present(self, messages: Sequence[Message], tools: Sequence[dict], schema: dict | None) -> frozenset[Part]:
        has_system = any(message["role"] == "system" for message in messages)
        asked = {SYSTEM: has_system, SCHEMA: schema, TOOLS: tools, CACHE: True}
        return frozenset(part for part, present in asked.items() if present)

    def _request(
        self, messages: list[Message], tools: Sequence[dict], schema: dict | None, sample: int, without: frozenset[Part]
    ) -> dict[str, Any]:
        import anthropic

        request = self._asked(sample, draws_by_header=True) | {"max_tokens": self.max_completion}
        messages = without_system(messages) if SYSTEM in without else messages
        system = "\n\n".join(m["content"] for m in messages if m["role"] == "system")
        turns = [m for m in messages if m["role"] != "system"]
        chat: list[Any] = plain(turns)
        if tools and TOOLS not in without:
            request["tools"] = [
                {"name": t["name"], "description": t["description"], "input_schema": t["parameters"]} for t in tools
            ]
            request["tool_choice"] = {"type": "auto", "disable_parallel_tool_use": True}  # only the first is made
            chat = dialogue(turns)
        config: dict[str, Any] = {"effort": self.params["effort"]} if "effort" in self.params else {}
        if schema and SCHEMA not in without:
            config["format"] = {"type": "json_schema", "schema": anthropic.transform_schema(schema)}
        if config:
            request["output_config"] = config
        mark = {} if CACHE in without else {"cache_control": {"type": "ephemeral"}}
        if system:
            request["system"] = [{"type": "text", "text": system, **mark}]
        if len(turns) > 1 or tools:  # a dialogue that goes on: its next turn reads all of this from the cache
            request |= mark
        return {**request, **self._thinking(), "messages": chat}

    def _thinking(self) -> dict[str, Any]:
        thinking = self.params.get("thinking")
        if isinstance(thinking, int):
            return {"thinking": {"type": "enabled", "budget_tokens": thinking}}
        return {"thinking": {"type": thinking}} if thinking else {}

    def _read(self, body: dict[str, Any]) -> tuple[Reply, Reported]:
        content = body.get("content")
        if not isinstance(content, (str, list)):
            raise Unreachable(f"{self.name}: the answer holds no content: {json.dumps(body)[:200]}")
        thought, text = pieces(content)
        blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
        raw = raw_turn(blocks, ("thinking", "redacted_thinking"), ("tool_use", "id"))
        calls = tuple(
            ToolCall(clean(block.get("id")) or f"call_{number}", block["name"], arguments_text(block.get("input")), raw)
            for number, block in enumerate(blocks)
            if block.get("type") == "tool_use" and clean(block.get("name"))
        )
        reason = str(body.get("stop_reason"))
        details = body.get("stop_details")
        details = details if reason == "refusal" and isinstance(details, dict) else {}
        text, category = text or clean(details.get("explanation")), clean(details.get("category"))
        finish = FINISH.get(reason, "stop")
        reply = Reply(text, Usage(0, 0), finish, calls, thought, clean(body.get("model")), category)
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
        words: list[dict[str, Any]] = [{"type": "text", "text": part.words}] if part.words else []
        call, arguments = part.call, as_object(json.loads(part.call.arguments))
        use = {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments}
        blocks = json.loads(call.raw) if call.raw else [*words, use]
        result = {
            "type": "tool_result", "tool_use_id": blocks[-1]["id"], "content": part.result, "is_error": part.failed
        }  # fmt: skip
        chat.append({"role": "assistant", "content": blocks})
        chat.append({"role": "user", "content": [result]})
    return chat
