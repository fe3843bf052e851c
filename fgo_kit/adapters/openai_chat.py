"""LLMs behind OpenAI's chat completions, its own and those of compatible servers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from ..calls.protocol import Message, Reply, ToolCall, Unreachable, Usage
from ..calls.toolcalls import Called, paired, plain
from .batch_endpoints import Endpoint, OpenAIBatches, body_of
from .failures import answered_failure
from .optional import LIMIT, SCHEMA, SEED, SYSTEM, TEMPERATURE, TOOLS, Part, without_system
from .remote import FINISH, Remote, arguments_text, as_object, clean, pieces
from .usage import Reported, tokens


class OpenAIChat(Remote):
    """A model behind OpenAI's chat completions, or any server that speaks them (base_url). prompt: its field there."""

    spec = "openai:<model>"
    parameters = (*Remote.parameters, "temperature", "api")
    prices = "openai"
    key_variable = "OPENAI_API_KEY"
    url_variable = "OPENAI_BASE_URL"
    optional = (LIMIT, SEED, TEMPERATURE, SYSTEM, SCHEMA, TOOLS)
    home = "https://api.openai.com/v1"
    allowed = {
        "effort": ("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        "service_tier": ("auto", "default", "flex", "scale", "priority", "fast"),
        "api": ("chat", "responses"),
    }
    prompt = "messages"

    def _connect(self, api_key: str, base_url: str | None, timeout: float) -> tuple[Callable[..., Any], Endpoint]:
        client = self._client(api_key, base_url, timeout)
        return client.chat.completions.with_raw_response.create, OpenAIBatches(client, self.name, self._safely)

    def _client(self, api_key: str, base_url: str | None, timeout: float) -> Any:
        import openai

        return openai.OpenAI(
            api_key=api_key, base_url=base_url or self.home, max_retries=0, timeout=openai.Timeout(timeout, connect=10)
        )

    def _send(self, request: dict[str, Any]) -> dict[str, Any]:
        # all in extra_body: the SDK compares its own arguments with their types, which takes a third of a call's CPU
        headers = request.get("extra_headers")
        required = {"model": self.model, self.prompt: ()}
        return super()._send({**required, "extra_headers": headers, "extra_body": body_of(request)})

    def _present(self, messages: Sequence[Message], tools: Sequence[dict], schema: dict | None) -> frozenset[Part]:
        asked = {
            LIMIT: True, SEED: True, TEMPERATURE: "temperature" in self.params, SCHEMA: schema, TOOLS: tools,
            SYSTEM: any(message["role"] == "system" for message in messages),
        }  # fmt: skip
        return frozenset(part for part, present in asked.items() if present)

    def _request(
        self, messages: list[Message], tools: Sequence[dict], schema: dict | None, sample: int, without: frozenset[Part]
    ) -> dict[str, Any]:
        # OpenAI's newer models refuse max_tokens, most other servers know nothing else
        limits = ["max_completion_tokens", "max_tokens"]
        request = self._asked(sample, draws_by_header=False)
        request[limits[("base_url" in self.params) != (LIMIT in without)]] = self.max_completion
        if SEED not in without:
            request["seed"] = sample
        if "temperature" in self.params and TEMPERATURE not in without:
            request["temperature"] = self.params["temperature"]
        if "effort" in self.params:
            request["reasoning_effort"] = self.params["effort"]
        messages = without_system(messages) if SYSTEM in without else messages
        chat: list[Any] = plain(messages)
        if tools and TOOLS not in without:
            request["tools"] = [{"type": "function", "function": dict(tool)} for tool in tools]
            chat = dialogue(messages)
        if schema and SCHEMA not in without:
            request["response_format"] = {"type": "json_schema", "json_schema": named_schema(schema)}
        return {**request, "messages": chat}

    def _read(self, body: dict[str, Any]) -> tuple[Reply, Reported]:
        choices = body.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        message = choice.get("message")
        if choice.get("error") and (error := answered_failure(self.name, {"error": choice["error"]})):
            raise error
        if not isinstance(message, dict):
            raise Unreachable(f"{self.name}: the answer holds no message: {json.dumps(body)[:200]}")
        thought, text = pieces(message.get("content"))
        fields = (message.get(name) for name in ("reasoning_content", "reasoning", "thinking"))
        thought = thought or next((clean(field) for field in fields if clean(field)), "")
        reason = str(choice.get("finish_reason")).lower()
        finish = FINISH.get(reason, "stop")
        category = reason if finish == "refusal" != reason else ""
        if not text and clean(message.get("refusal")):
            text, finish = clean(message["refusal"]), "refusal"
        reply = Reply(text, Usage(0, 0), finish, _calls(message), thought, clean(body.get("model")), category)
        return reply, reported(body.get("usage"), "prompt", "completion")


def _calls(message: dict[str, Any]) -> tuple[ToolCall, ...]:
    listed = message.get("tool_calls")
    functions = [(call.get("id"), call.get("function")) for call in listed or () if isinstance(call, dict)]
    functions = functions or [(None, message.get("function_call"))]  # the older form
    return tuple(
        ToolCall(clean(name) or f"call_{number}", clean(function["name"]), arguments_text(function.get("arguments")))
        for number, (name, function) in enumerate(functions)
        if isinstance(function, dict) and clean(function.get("name"))
    )


def reported(usage: Any, asked: str, answered: str) -> Reported:
    """The tokens in OpenAI's usage, whose fields begin with these words: prompt and completion, or input and output."""
    usage = usage if isinstance(usage, dict) else {}
    details = (usage.get(f"{name}_tokens_details") for name in (asked, answered))
    read, wrote = (detail if isinstance(detail, dict) else {} for detail in details)
    prompt, completion, total = (tokens(usage.get(f"{name}_tokens")) for name in (asked, answered, "total"))
    return Reported(
        prompt, completion, total, tokens(read.get("cached_tokens")) or 0, tokens(wrote.get("reasoning_tokens")) or 0,
        tokens(read.get("cache_write_tokens")) or 0,
    )  # fmt: skip


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


def named_schema(schema: dict) -> dict[str, Any]:
    """A schema of the answer as OpenAI wants it."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", schema.get("title", "answer"))[:64]
    return {"name": name, "schema": schema, "strict": _is_strict(schema)}


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
