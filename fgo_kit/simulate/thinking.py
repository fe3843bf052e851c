"""Thinking as providers serve it: so much of it for an effort, signed, and to be sent back as it came."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

from ..calls.protocol import Reply
from ..calls.tokens import estimate

EFFORTS = {"none": 0, "minimal": 16, "low": 32, "medium": 64, "high": 128, "xhigh": 192, "max": 256}
"""Tokens that the server thinks for an effort."""
THOUGHTS = ("thinking", "redacted_thinking", "reasoning")
_THOUGHT = "I weigh what was asked. "
_MARK = "-thought-"


class BadBody(ValueError):
    """A request body that cannot be read; the message says what was expected."""


def tokens_of(effort: str) -> int:
    """Raises BadBody for an effort that is none."""
    if effort not in EFFORTS:
        raise BadBody(f"effort: {effort!r} is not supported; use one of {', '.join(EFFORTS)}")
    return EFFORTS[effort]


def thought_over(reply: Reply, tokens: int) -> Reply:
    """The reply after so many tokens of thinking, which are billed."""
    if not tokens:
        return reply
    usage = reply.usage
    usage = replace(usage, completion=usage.completion + tokens, reasoning=usage.reasoning + tokens)
    return replace(reply, thought=reply.thought or _THOUGHT * (tokens // estimate(_THOUGHT)), usage=usage)


def signature(thought: str) -> str:
    """What proves that a thought is the server's own."""
    return sha256(f"signed {thought}".encode()).hexdigest()[:24]


def signed(call_id: str, thought: str) -> str:
    """The id of a call that says which thought led to it."""
    return f"{call_id}{_MARK}{signature(thought)}" if thought else call_id


def check_thoughts(blocks: list[Any]) -> None:
    """Raise BadBody unless thinking comes back as it was given, before the call that it led to."""
    given = ""
    for block in blocks:
        kind = block.get("type") if isinstance(block, dict) else None
        if kind in ("thinking", "reasoning"):
            given = _given(block)
        elif kind in ("tool_use", "function_call"):
            led_by = str(block.get("call_id", block.get("id"))).partition(_MARK)[2]
            if led_by and led_by != given:
                raise BadBody(f"expected the thinking that led to it before the {kind} {block.get('name')!r}")


def _given(block: dict[str, Any]) -> str:
    if block["type"] == "thinking":
        text, given = block.get("thinking"), block.get("signature")
    else:
        summary = block.get("summary") or [{}]
        text, given = summary[0].get("text"), block.get("encrypted_content")
    if given != signature(str(text)):
        raise BadBody(f"{block['type']} blocks cannot be modified: they must be as they were in the answer")
    return str(given)
