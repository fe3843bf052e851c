"""The LLM protocol, its errors and its price; `load_llm` finds an implementation by its spec."""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from .log import Response

Message = dict[str, str]  # {"role": "system" | "user" | "assistant", "content": text}


@dataclass(frozen=True)
class Usage:
    """Tokens of one call. `prompt` includes the `cached` ones, `completion` includes `reasoning`.

    counter: who counted, when it was not the provider (some local servers report no usage).
    """

    prompt: int
    completion: int
    cached: int = 0
    reasoning: int = 0
    counter: str = ""


@dataclass(frozen=True)
class ToolCall:
    """A tool the model wants called; `arguments` is JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Reply:
    """One answer. `finish` is "stop", "length" (cut off at max_completion), "tool_calls" or "refusal"."""

    text: str
    usage: Usage
    finish: str = "stop"
    tool_calls: tuple[ToolCall, ...] = ()


def as_reply(response: Response) -> Reply:
    """A logged response as it was first given."""
    usage = Usage(response.prompt, response.completion, response.cached, response.reasoning)
    calls = () if response.tool_calls == "[]" else json.loads(response.tool_calls)
    return Reply(response.text, usage, response.finish, tuple(ToolCall(*call) for call in calls))


class LLM(Protocol):
    """What answers messages. Two LLMs with the same `name` and `params` are the same for the cache.

    name: the spec it was loaded by, e.g. "openai:gpt-4o-mini". params: everything beside the messages
    that changes the answer. max_completion: upper bound of completion tokens of one call.
    counter: how `count` counts before a call ("estimate", "tiktoken o200k_base"). One with `native_tools` is
    given the tools of a benchmark and answers with tool calls; without that it writes calls as text.
    """

    name: str
    params: dict[str, Any]
    simulated: bool
    context_window: int
    max_completion: int
    counter: str

    def count(self, messages: Sequence[Message]) -> int:
        """Prompt tokens of `messages`, as well as they can be known before the call."""
        ...

    def complete(
        self, messages: Sequence[Message], *, tools: Sequence[dict] = (), response_schema: dict | None = None,
        sample: int = 0,
    ) -> Reply:  # fmt: skip
        """One answer; raises the errors of this module. `sample` numbers independent draws."""
        ...


class FGOError(Exception):
    """Base of the errors of an LLM call. `usage` is set when the failed call was billed."""

    usage: Usage | None = None


class ContextOverflow(FGOError):
    """The prompt (or prompt and answer) does not fit the model's context window."""


class BudgetExceeded(FGOError):
    """The next call might exceed the run's budget; it was not made."""


class RateLimited(FGOError):
    """Too many requests. `retry_after` is the seconds the provider asked for, if it did."""

    def __init__(self, message: str, retry_after: float | None = None):
        super().__init__(message)
        self.retry_after = retry_after


class Overloaded(RateLimited):
    """The provider failed on its side (5xx); worth trying again."""


class Unreachable(FGOError):
    """No usable answer: time-out, broken connection, or a body that is no valid answer."""


class BadRequest(FGOError):
    """The provider refused the request as it is; trying again will not help."""


class AuthError(FGOError):
    """The API key is missing, wrong, or has no access or credit."""


class UnseenCall(FGOError):
    """A replay was asked something its log does not hold."""


class Cancelled(FGOError):
    """The run was interrupted, or another of its calls failed, before this call was made."""


SIMULATED = "simulated, simulated:<profile>"
PROVIDERS = f"{SIMULATED}, openai:<model>, anthropic:<model>, replay:<call log file>"


def load_llm(spec: str, base_url: str | None = None, api_key: str | None = None, **params: Any) -> LLM:
    """An LLM by its spec: "simulated", "openai:gpt-4o-mini", "anthropic:...", "replay:run.sqlite".

    base_url: an OpenAI- or Anthropic-compatible server; on this machine it needs no key.
    api_key: by default from OPENAI_API_KEY or ANTHROPIC_API_KEY; it appears in no log and no error.
    params: temperature, max_completion, context_window, timeout (seconds; openai and anthropic);
    native_tools=False for a server without tool calls of its own, which are then written as text;
    source, the spec of the LLM to replay where a log holds several (replay).
    Raises ValueError for an unknown spec or parameter, AuthError without a key.
    """
    provider, _, model = spec.partition(":")
    if provider == "simulated":
        _allow(spec, params | _given(base_url=base_url, api_key=api_key), ())
        from ..simulate.model import load

        return load(model) if model else load("small")
    if provider not in ("openai", "anthropic", "replay") or not model:
        raise ValueError(f"spec={spec!r} names no LLM; allowed are {PROVIDERS}")
    if provider == "replay":
        _allow(spec, params | _given(base_url=base_url, api_key=api_key), ("source",))
        from .replay import ReplayLLM

        return ReplayLLM(model, **params)
    from . import remote as providers

    _allow(spec, params, ("temperature", "max_completion", "context_window", "timeout", "native_tools"))
    variable = f"{provider.upper()}_API_KEY"
    base_url = base_url or os.environ.get(f"{provider.upper()}_BASE_URL") or None
    key = api_key or _key_for(base_url, variable)
    kind = providers.OpenAILLM if provider == "openai" else providers.AnthropicLLM
    return kind(model, api_key=key, base_url=_without_password(base_url), **params)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _allow(spec: str, params: dict, names: tuple[str, ...]) -> None:
    unknown = [name for name in params if name not in names]
    if unknown:
        allowed = ", ".join(names) or "none"
        raise ValueError(f"{unknown[0]} is no parameter of {spec!r}; allowed: {allowed}")


def _key_for(base_url: str | None, variable: str) -> str:
    key = os.environ.get(variable, "")
    if base_url and is_local(base_url):
        return "none"  # a key from the environment is not shown to whatever listens on this machine
    if not key:
        raise AuthError(f"no API key: set the environment variable {variable}, or pass api_key=")
    return key


def _without_password(base_url: str | None) -> str | None:
    if base_url and "@" in urlsplit(base_url).netloc:
        raise ValueError("base_url holds a user name or password, which would be logged; use api_key=")
    return base_url


def is_local(base_url: str) -> bool:
    """Whether a URL points at this machine or a private network, where calls cost nothing."""
    host = urlsplit(base_url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_private


def price(spec: str, usage: Usage, base_url: str | None = None) -> float | None:
    """USD list price of one call (genai-prices), or None when there is none.

    0.0 for simulated and replayed calls and for servers on this machine or a private network; None
    for an unknown model and for any other `base_url`, whose prices nobody here knows.

    >>> price("simulated", Usage(1000, 100))
    0.0
    """
    provider, _, model = spec.partition(":")
    if provider in ("simulated", "replay"):
        return 0.0
    if base_url:
        return 0.0 if is_local(base_url) else None
    import genai_prices

    counted = genai_prices.Usage(
        input_tokens=usage.prompt, cache_read_tokens=usage.cached, output_tokens=usage.completion
    )
    try:
        return float(genai_prices.calc_price(counted, model, provider_id=provider).total_price)
    except LookupError:
        return None
