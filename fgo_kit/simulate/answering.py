"""How the server answers a request: the LLM behind it, the faults that are drawn, the ledger of all that was served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..calls.protocol import LLM, BadRequest, ContextOverflow, Reply, Usage
from .prompt_cache import PromptCache
from .protocols import Request
from .thinking import thought_over

SHARES = {"p429": "rate_limited", "p5xx": "server_error", "p_truncated": "truncated", "p_malformed": "malformed",
          "p_refused": "refused", "p_expired": "expired"}
"""The faults that are drawn, as the ledger counts them."""
KINDS = ("prompt", "completion", "cached", "written", "reasoning")
"""Of tokens, as in `Usage`."""
CATEGORY = "general_harms"
"""Of a refusal, where a protocol has categories."""


@dataclass(frozen=True)
class Faults:
    """What the server does wrong, drawn once a request from a Generator seeded with `seed`.

    p429: rate limited; p5xx: 500, or overloaded (503, Anthropic 529); p_truncated: an answer cut in half,
    finish reason "length"; p_malformed: status 200 and broken JSON, in a batch an answer without a message;
    p_refused: a refusal; p_expired: a request in a batch is not answered. retry_after in seconds;
    latency_ms is waited before every answer but a 429, batch_ms before a batch ends; context_window in tokens, by
    default the LLM's own; batch_room: requests that may be in batches that have not ended.
    Raises ValueError for shares that are not probabilities or sum to more than 1.
    """

    p429: float = 0.0
    p5xx: float = 0.0
    p_truncated: float = 0.0
    p_malformed: float = 0.0
    p_refused: float = 0.0
    p_expired: float = 0.0
    retry_after: float = 0.01
    latency_ms: float = 0.0
    batch_ms: float = 0.0
    batch_room: int | None = None
    context_window: int | None = None
    seed: int = 0

    def __post_init__(self):
        shares = {name: getattr(self, name) for name in SHARES}
        if min(shares.values()) < 0 or sum(shares.values()) > 1 + 1e-9:
            raise ValueError(f"fault shares {shares} are not probabilities; use shares >= 0 that sum to <= 1")
        waits = {name: getattr(self, name) for name in ("retry_after", "latency_ms", "batch_ms")}
        if min(waits.values()) < 0:
            raise ValueError(f"{', '.join(f'{name}={wait}' for name, wait in waits.items())}: use values >= 0")


@dataclass(frozen=True)
class Answer:
    """What a request gets. fault: as the ledger counts it; reply: what was answered, and billed."""

    status: int
    body: dict[str, Any]
    fault: str = ""
    reply: Reply | None = None


@dataclass
class State:
    """One server's LLMs, faults and ledger. Touched by the server's own event loop only."""

    choose: Callable[[str], LLM]
    models: tuple[str, ...]
    faults: Faults
    rng: np.random.Generator
    ledger: dict = field(default_factory=lambda: {"requests": 0, "successes": 0, "faults": {}} | dict.fromkeys(
        (f"{kind}_tokens" for kind in KINDS), 0))
    cache: PromptCache = field(default_factory=PromptCache)

    def draw(self) -> tuple[str, bool]:
        """The fault of one request ("" for none), and whether a 5xx is an overload."""
        shares = [getattr(self.faults, name) for name in SHARES]
        kind = int(np.searchsorted(np.cumsum(shares), self.rng.random(), side="right"))
        return (*SHARES.values(), "")[kind], self.rng.random() < 0.5

    def refusal(self, protocol, fault: str, overloaded: bool) -> Answer | None:
        """The answer to a request with a fault that keeps it from the LLM, None where there is none."""
        if fault == "rate_limited":
            return failed(protocol, fault, 429, "Rate limit reached")
        if fault == "server_error":
            status = protocol.OVERLOADED if overloaded else 500
            return failed(protocol, fault, status, "The server had an error while processing your request")
        return None

    async def answer(self, protocol, request: Request, fault: str) -> Answer:
        """What the LLM answers, with a fault that does not keep the request from it."""
        try:
            llm = self.choose(request.model)
            window = self.faults.context_window or llm.context_window
            tokens = llm.count(request.messages)
            if tokens > window:
                return failed(protocol, "context_overflow", 400, protocol.overflow(tokens, window))
            reply = await asyncio.get_running_loop().run_in_executor(None, lambda: llm.complete(
                request.messages, tools=request.tools, response_schema=request.schema, sample=request.sample))
        except ContextOverflow:  # prompt and answer together do not fit
            message = protocol.overflow(tokens + llm.max_completion, window)
            return failed(protocol, "context_overflow", 400, message)
        except BadRequest as error:
            return failed(protocol, "bad_request", 400, str(error))
        except Exception as error:  # whatever the LLM raises must reach the client as an error of the server
            return failed(protocol, "internal_error", 500, f"{type(error).__name__}: {error}")
        if fault == "refused":
            reply = Reply("", Usage(reply.usage.prompt, 1), "refusal", category=CATEGORY)
        usage = self.cache.billed(request, llm, reply.usage)
        reply = thought_over(replace(reply, usage=usage), request.thinking)
        if fault == "truncated":
            reply = _cut(reply, reply.usage.completion // 2)
        elif request.max_tokens is not None and reply.usage.completion > request.max_tokens:
            reply = _cut(reply, request.max_tokens)
        return Answer(200, protocol.write(request, reply, self.ledger["requests"]), fault, reply)

    def count(self, answer: Answer) -> None:
        """Enter an answer in the ledger. A truncated one is a fault and, like any paid answer, a success."""
        if answer.fault:
            self.count_fault(answer.fault)
        if answer.reply is not None and answer.fault != "malformed":
            self.ledger["successes"] += 1
            for kind in KINDS:
                self.ledger[f"{kind}_tokens"] += getattr(answer.reply.usage, kind)

    def count_fault(self, kind: str) -> None:
        self.ledger["faults"][kind] = self.ledger["faults"].get(kind, 0) + 1


def failed(protocol, fault: str, status: int, message: str) -> Answer:
    """An answer that is an error."""
    return Answer(status, protocol.error(fault, status, message), fault)


def _cut(reply: Reply, tokens: int) -> Reply:
    """The first `tokens` tokens of an answer, thinking first, its text by share of characters; calls are lost."""
    tokens, spoken = max(tokens, 1), max(reply.usage.completion - reply.usage.reasoning, 1)
    text = reply.text[: len(reply.text) * max(tokens - reply.usage.reasoning, 0) // spoken]
    usage = replace(reply.usage, completion=tokens, reasoning=min(reply.usage.reasoning, tokens))
    return replace(reply, text=text, usage=usage, finish="length", tool_calls=())
