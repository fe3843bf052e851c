"""The LLM protocol: what is asked and answered, and the errors of a call."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

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
    counter: how `count` counts before a call ("estimate", "tiktoken o200k_base"). native_tools: whether it is
    given the tools of a benchmark and answers with tool calls; without that it writes calls as text.
    """

    name: str
    params: dict[str, Any]
    simulated: bool
    context_window: int
    max_completion: int
    counter: str
    native_tools: bool

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
