"""LLMs behind the official SDKs (OpenAI, Anthropic and compatible servers).

The SDKs retry nothing here: backoff happens once, in the meter. What they raise becomes the typed errors
of `llm`, with the API key taken out.
"""

from __future__ import annotations

import json
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from .log import redact
from .protocol import (
    AuthError,
    BadRequest,
    ContextOverflow,
    FGOError,
    Message,
    Overloaded,
    RateLimited,
    Reply,
    ToolCall,
    Unreachable,
    Usage,
    is_local,
)  # fmt: skip
from .tokens import count_messages, encoding_for
from .toolcalls import Called, paired

CONTEXT_WINDOW = 128_000  # tokens, for models whose window nobody here knows
MAX_COMPLETION = 4096
TIMEOUT = 120.0  # seconds without an answer; 10 to connect

# providers word an overflow differently, and most give it no code
_OVERFLOW = re.compile(
    r"context_length_exceeded|maximum context length|prompt is too long|context (window|size|limit)"
    r"|exceeds? the (model's )?context|too many (input )?tokens|request_too_large",
    re.IGNORECASE,
)
_FINISH = {
    "stop": "stop", "length": "length", "tool_calls": "tool_calls", "content_filter": "refusal",
    "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls",
    "refusal": "refusal",
}  # fmt: skip


class _Remote(ABC):
    """What the two SDKs have in common."""

    provider = ""
    simulated = False

    def __init__(
        self, model: str, *, api_key: str, base_url: str | None = None, temperature: float | None = None,
        max_completion: int = MAX_COMPLETION, context_window: int | None = None, timeout: float = TIMEOUT,
        native_tools: bool = True,
    ):  # fmt: skip
        self.model = model
        self.name = f"{self.provider}:{model}"
        self.max_completion = max_completion
        self.params: dict[str, Any] = {"max_completion": max_completion}
        if temperature is not None:
            self.params["temperature"] = temperature
        if base_url:
            self.params["base_url"] = base_url
        self.native_tools = native_tools
        if not native_tools:
            self.params["native_tools"] = False
        self.context_window = context_window or _known_window(self.provider, model) or CONTEXT_WINDOW
        self.counter, self._count = encoding_for(model)
        self._key = api_key
        self._schemas = True  # until the server refuses structured output
        self._client = self._connect(api_key, base_url, timeout)

    def __repr__(self) -> str:
        return f"load_llm({self.name!r}, {', '.join(f'{k}={v!r}' for k, v in self.params.items())})"

    def __getstate__(self):
        raise TypeError(f"{self.name} holds an API key and is not pickled; call load_llm where it is needed")

    def count(self, messages: Sequence[Message]) -> int:
        return count_messages(messages, self._count)

    def complete(
        self, messages: Sequence[Message], *, tools: Sequence[dict] = (), response_schema: dict | None = None,
        sample: int = 0,
    ) -> Reply:  # fmt: skip
        """One answer. A server that refuses structured output is asked without, from then on."""
        schema = response_schema if self._schemas else None
        try:
            return self._guarded(partial(self._send, messages, tools, schema, sample))
        except BadRequest as error:
            if schema is None or not re.search(r"response_format|output_config|json_schema", str(error)):
                raise
        self._schemas = False
        return self._guarded(partial(self._send, messages, tools, None, sample))

    def _guarded(self, send) -> Reply:
        try:
            return send()
        except FGOError:
            raise
        except Exception as error:
            failure = _translate(error, self.name)
            failure.args = (self._scrub(str(failure)),)
        raise failure  # out here the SDK's own error, which holds the request, is not chained to it

    def _scrub(self, text: str) -> str:
        return redact(text.replace(self._key, "[redacted]") if len(self._key) > 4 else text)

    @abstractmethod
    def _connect(self, api_key: str, base_url: str | None, timeout: float):
        """The SDK's client."""

    @abstractmethod
    def _send(self, messages, tools, schema, sample) -> Reply:
        """One request, without retries; raises the SDK's errors."""


class OpenAILLM(_Remote):
    """A model behind OpenAI's chat completions, or any server that speaks them (base_url)."""

    provider = "openai"

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
        chat = _openai_chat(messages) if tools else list(messages)
        if schema:
            named = {"name": _schema_name(schema), "schema": schema, "strict": _is_strict(schema)}
            options["response_format"] = {"type": "json_schema", "json_schema": named}
        answer = self._client.chat.completions.create(model=self.model, messages=chat, **options)
        choice = answer.choices[0]
        calls = tuple(
            ToolCall(call.id, call.function.name, _clean(call.function.arguments))
            for call in choice.message.tool_calls or ()
        )
        text = _clean(choice.message.content or getattr(choice.message, "refusal", None) or "")
        usage = self._usage(answer.usage) if answer.usage else self._estimated(messages, text)
        return Reply(text, usage, _FINISH.get(choice.finish_reason, "stop"), calls)

    def _usage(self, usage) -> Usage:
        prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
        cached = (prompt.cached_tokens or 0) if prompt else 0
        reasoning = (completion.reasoning_tokens or 0) if completion else 0
        return Usage(int(usage.prompt_tokens), int(usage.completion_tokens), cached, reasoning)

    def _estimated(self, messages, text: str) -> Usage:
        return Usage(self.count(messages), self._count(text), counter=self.counter)


class AnthropicLLM(_Remote):
    """A model behind Anthropic's messages. `sample` only tells draws apart: it has no seed."""

    provider = "anthropic"

    def __init__(self, model: str, *, temperature: float | None = None, **options: Any):
        if temperature is not None:
            raise ValueError(f"temperature={temperature}: the anthropic SDK sends none; leave it out")
        super().__init__(model, **options)

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
        chat = _anthropic_chat(chat) if tools else chat
        answer = self._client.messages.create(
            model=self.model, max_tokens=self.max_completion, messages=chat, **options
        )
        usage = self._usage(answer.usage)
        if answer.stop_reason == "model_context_window_exceeded":
            tokens = f"{usage.prompt} + {usage.completion} tokens"
            error = ContextOverflow(f"{self.name}: prompt and answer exceed the context window ({tokens})")
            error.usage = usage
            raise error
        text = _clean("".join(block.text for block in answer.content if block.type == "text"))
        calls = tuple(
            ToolCall(block.id, block.name, _clean(json.dumps(block.input)))
            for block in answer.content
            if block.type == "tool_use"
        )
        return Reply(text, usage, _FINISH.get(answer.stop_reason, "stop"), calls)

    def _usage(self, usage) -> Usage:
        read = usage.cache_read_input_tokens or 0
        prompt = int(usage.input_tokens) + read + (usage.cache_creation_input_tokens or 0)
        thought = usage.output_tokens_details.thinking_tokens if usage.output_tokens_details else 0
        return Usage(prompt, int(usage.output_tokens), read, thought or 0)


def _openai_chat(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """A dialogue with its calls written out as text -> OpenAI's tool calls and tool messages."""
    chat: list[dict[str, Any]] = []
    for part in paired(messages):
        if not isinstance(part, Called):
            chat.append(part)
            continue
        arguments = json.dumps(_object(json.loads(part.call.arguments)), ensure_ascii=False)
        called = {"name": part.call.name, "arguments": arguments}
        calls = [{"id": part.call.id, "type": "function", "function": called}]
        chat.append({"role": "assistant", "content": part.words or None, "tool_calls": calls})
        chat.append({"role": "tool", "tool_call_id": part.call.id, "content": part.result})
    return chat


def _anthropic_chat(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The same -> Anthropic's tool_use and tool_result blocks."""
    chat: list[dict[str, Any]] = []
    for part in paired(messages):
        if not isinstance(part, Called):
            chat.append(part)
            continue
        arguments, call = json.loads(part.call.arguments), part.call
        words: list[dict[str, Any]] = [{"type": "text", "text": part.words}] if part.words else []
        use = {"type": "tool_use", "id": call.id, "name": call.name, "input": _object(arguments)}
        result = {"type": "tool_result", "tool_use_id": call.id, "content": part.result, "is_error": part.failed}
        chat.append({"role": "assistant", "content": [*words, use]})
        chat.append({"role": "user", "content": [result]})
    return chat


def _object(arguments: Any) -> dict:
    return arguments if isinstance(arguments, dict) else {"arguments": arguments}


def _translate(error: Exception, name: str) -> FGOError:
    """The typed error for whatever an SDK raised. Both SDKs name their classes alike."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    text = f"{name}: {type(error).__name__}: {error}"[:1500]
    if "APIStatusError" in kinds:
        return _status_error(error, text)
    if "APITimeoutError" in kinds or "APIConnectionError" in kinds:
        cause = f" ({type(error.__cause__).__name__}: {error.__cause__})" if error.__cause__ else ""
        return Unreachable(text + cause)
    return Unreachable(f"the answer could not be read: {text}")


def _status_error(error: Any, text: str) -> FGOError:
    status, code = error.status_code, str(getattr(error, "code", None) or "")
    if code == "insufficient_quota" or status in (401, 402, 403):
        return AuthError(text)
    if status == 429:
        return RateLimited(text, _retry_after(error.response.headers))
    if status == 408:
        return Unreachable(text)
    if status == 409 or status >= 500:
        return Overloaded(text, _retry_after(error.response.headers))
    if status in (400, 413, 422) and (code == "context_length_exceeded" or _OVERFLOW.search(text)):
        return ContextOverflow(text)
    return BadRequest(text)


def _retry_after(headers) -> float | None:
    """Seconds, from `retry-after-ms` or `retry-after` (seconds or a date); None when absent or unreadable."""
    try:
        if "retry-after-ms" in headers:
            seconds = float(headers["retry-after-ms"]) / 1000
        elif re.fullmatch(r"\s*[\d.]+\s*", value := headers.get("retry-after", "")):
            seconds = float(value)
        else:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
    except (TypeError, ValueError):
        return None
    return max(0.0, seconds)


def _known_window(provider: str, model: str) -> int | None:
    import genai_prices

    try:
        found = genai_prices.calc_price(genai_prices.Usage(input_tokens=1), model, provider_id=provider)
    except LookupError:
        return None
    return found.model.context_window


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


def _clean(text: str) -> str:
    """Lone surrogates, which JSON may hold and no file can, become question marks."""
    return text.encode("utf-8", "replace").decode()
