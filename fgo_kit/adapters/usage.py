"""The tokens of an answer: what the provider reports, put right by estimate where it cannot be so.

Usage may be missing, empty, null, negative or absurd, or leave out what a model thought. What was put right is named
in `counter`; nothing here raises.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..calls.protocol import Usage

ABSURD, UNSEEN = 10, 20_000
"""A prompt is not so many times longer than the estimate, and so many tokens that a server may add out of sight."""
CUT = 0.7
"""A server that counts less than this share of the estimate read less than it was sent."""
CUT_TOKENS = 200
"""A smaller difference is one of counting."""


@dataclass(frozen=True)
class Estimate:
    """What can be known without the provider. window: the model's, in tokens. prompt (its messages alone), extra (tools
    and schema), answer (with calls), thought: tokens by `counter`."""

    window: int
    prompt: int
    extra: int
    answer: int
    thought: int
    counter: str


@dataclass(frozen=True)
class Reported:
    """What a provider says; None for what it does not, or what is no number of tokens. As in `Usage`."""

    prompt: int | None = None
    completion: int | None = None
    total: int | None = None
    cached: int = 0
    reasoning: int = 0
    written: int = 0


def tokens(value: Any) -> int | None:
    """A reported value as a number of tokens, None for what is none.

    >>> tokens(12), tokens(12.0), tokens(-1), tokens(None), tokens("12"), tokens(True)
    (12, 12, None, None, None, None)
    """
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    return int(value) if good else None


def settled(reported: Reported, known: Estimate) -> Usage:
    """The usage to be booked.

    >>> settled(Reported(21, 5, 1026, reasoning=1000), Estimate(8000, 20, 0, 5, 0, "estimate"))
    Usage(prompt=21, completion=1005, cached=0, reasoning=1000, counter='provider, thinking added', written=0)
    """
    sent = known.prompt + known.extra
    prompt = reported.prompt if reported.prompt and reported.prompt <= ABSURD * sent + UNSEEN else None
    completion, added = _completion(reported, known)
    counter = "provider, thinking added" if added else ""
    if prompt is None or completion is None:
        counter = known.counter if prompt is completion is None else f"provider and {known.counter}"
    prompt = sent if prompt is None else prompt
    completion = known.answer + known.thought if completion is None else completion
    cached = min(reported.cached, prompt)
    written = min(reported.written, prompt - cached)
    return Usage(prompt, completion, cached, min(reported.reasoning, completion), counter, written)


def _completion(reported: Reported, known: Estimate) -> tuple[int | None, bool]:
    """Completion tokens, None where the report is of no use, and whether thinking had to be added."""
    completion, most = reported.completion, 2 * known.window
    if completion is None or completion > most or (completion == 0 and known.answer + known.thought):
        return None, False
    total = reported.total if reported.total is not None and reported.total <= most else 0
    whole = max(completion, total - (reported.prompt or total))
    if reported.reasoning <= most and reported.reasoning > whole:
        whole += reported.reasoning
    if whole < (known.answer + known.thought) / 2 and known.thought > known.answer:
        whole += known.thought
    return whole, whole > completion


def read_less(usage: Usage, known: Estimate) -> bool:
    """Whether the server counted so little that it cannot have read the whole prompt."""
    return usage.prompt < CUT * known.prompt and known.prompt - usage.prompt > CUT_TOKENS
