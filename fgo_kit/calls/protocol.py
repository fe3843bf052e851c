"""The LLM protocol: what is asked and answered, and the errors of a call."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .requests import Response

Message = dict[str, str]
"""{"role": "system" | "user" | "assistant", "content": text}; a turn that called a tool may have `ToolCall.raw` too."""


@dataclass(frozen=True)
class Usage:
    """Tokens of one call. `prompt` includes the `cached` and `written` ones, `completion` includes `reasoning`.

    cached: read from the provider's cache; written: put into it.

    counter: who counted, when it was not the provider (some local servers report no usage).
    """

    prompt: int
    completion: int
    cached: int = 0
    reasoning: int = 0
    counter: str = ""
    written: int = 0


@dataclass(frozen=True)
class ToolCall:
    """A tool the model wants called; `arguments` is JSON text as the model wrote it.

    raw: the turn up to this call in the provider's own JSON, where it holds thinking that must go back unchanged.
    """

    id: str
    name: str
    arguments: str
    raw: str = ""


@dataclass(frozen=True)
class Reply:
    """One answer. `finish` is "stop", "length" (cut off at max_completion), "tool_calls" or "refusal".

    thought: what the model wrote before it answered; never read as an answer. model: the one that answered, in the
    provider's words. category: of a refusal, in the provider's words, where it named one.
    """

    text: str
    usage: Usage
    finish: str = "stop"
    tool_calls: tuple[ToolCall, ...] = ()
    thought: str = ""
    model: str = ""
    category: str = ""


def as_reply(response: Response) -> Reply:
    """A logged response as it was first given."""
    r = response
    usage = Usage(r.prompt, r.completion, r.cached, r.reasoning, written=r.written)
    calls = () if r.tool_calls == "[]" else json.loads(r.tool_calls)
    finish, _, category = r.finish.partition(": ")
    return Reply(r.text, usage, finish, tuple(ToolCall(*call) for call in calls), r.thought, r.model, category)


class LLM(Protocol):
    """What answers messages. Two LLMs with the same `name` and `params` are the same for the cache, unless one has
    `knowledge`, a dict that decides its answers too but is no part of a run's id.

    name: the spec it was loaded by, e.g. "openai:gpt-4o-mini". params: everything but the messages
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
    """Base of the errors that end a run, and of those of one call, `CallFailed`."""


class CallFailed(FGOError):
    """One call has no answer. The rest of a run can go on; who asked says what it means, by `Meter.outcome`.

    usage: set when the call was billed all the same. maybe_billed: nobody here can know whether it was. waiting_helps:
    whether it is worth trying again later; retry_after: the seconds that the provider asked to wait before, if it did.
    no_credit: whether no other call would be paid for either, which ends a run at once. status: of the response that
    refused it, 0 without one.
    """

    usage: Usage | None = None
    maybe_billed = False
    waiting_helps = False
    no_credit = False
    status = 0

    def __init__(self, message: str, retry_after: float | None = None):
        super().__init__(message)
        self.retry_after = retry_after


class ContextOverflow(CallFailed):
    """The prompt (or prompt and answer) does not fit the model's context window."""


class BadRequest(CallFailed):
    """The provider refused the request as it is; trying again will not help."""


class AuthError(CallFailed):
    """The API key is missing, wrong, or has no access or credit."""


class RateLimited(CallFailed):
    """Too many requests."""

    waiting_helps = True


class Overloaded(RateLimited):
    """The provider failed on its side (5xx); worth trying again."""


class Unreachable(CallFailed):
    """No usable answer: time-out, broken connection, or a body that is no valid answer."""

    maybe_billed = True
    waiting_helps = True


class BudgetExceeded(FGOError):
    """The next call might exceed the run's budget; it was not made."""


class TooManyFailures(FGOError):
    """More answers of a phase are of no use than `max_failures` allows."""


class UnseenCall(FGOError):
    """A replay was asked something its log does not hold."""


class Cancelled(FGOError):
    """The run was interrupted, or another of its calls failed, before this call was made."""
