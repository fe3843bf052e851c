"""How an answer ended. Only an answered one is ever scored, parsed or adopted."""

from __future__ import annotations

from ..calls.protocol import Reply
from ..calls.reply_text import given_answer, is_blank


class NoAnswer(Exception):
    """A turn of a rollout that holds no answer: its status, one of `Meter.outcome`, and why."""

    def __init__(self, status: str, reason: str):
        super().__init__(reason)
        self.status = status


def ending(reply: Reply, whole: bool = False) -> str:
    """"answered", "empty", "cut" or "refused". whole: whether what was asked for stands before a cut.

    >>> from fgo_kit.calls.protocol import Usage
    >>> [ending(Reply(text, Usage(9, 9), finish)) for text, finish in (("42", "stop"), (" ", "stop"), ("4", "length"))]
    ['answered', 'empty', 'cut']
    """
    if reply.finish == "refusal":
        return "refused"
    if reply.finish == "length" and not whole:
        return "cut"
    return "empty" if is_blank(reply.text) and not reply.tool_calls else "answered"


def why(reply: Reply, status: str) -> str:
    """The reason for an ending in a few words: the provider's own where it gave any."""
    if status == "refused":
        words = reply.text.strip()[:300] or "the model refused, without a word"
        return f"{reply.category}: {words}" if reply.category else words
    spent = f"{reply.usage.completion:,} tokens, {reply.usage.reasoning:,} of them thought"
    return f"cut off after {spent}" if status == "cut" else f"nothing was answered ({spent})"


def has_whole_answer(text: str) -> bool:
    """Whether an ANSWER line of a text is followed by another line, so that it was not cut.

    >>> has_whole_answer("ANSWER: 42\\nBecause"), has_whole_answer("ANSWER: 4")
    (True, False)
    """
    given = given_answer(text[: text.rfind("\n") + 1])
    return bool(given) and given == given_answer(text)
