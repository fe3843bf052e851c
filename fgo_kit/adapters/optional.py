"""What a request can do without: each part is left out, or named otherwise, once a server has refused it.

Servers differ in what they take besides messages and model, and say so in words of their own. What is learned is kept
for the life of the LLM and told in one warning; it changes no key of the log.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ..calls.protocol import BadRequest, CallFailed, Message, Overloaded

Answer = TypeVar("Answer")
_NOT_TAKEN = re.compile(
    r"support|permit|allow|unknown|unrecogni|unexpected|invalid|forbidden|extra|instead|deprecat|available|require|cannot",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Part:
    """named: a refusal with these words is about this part. instead: what is done without it. guessed: the statuses of
    refusals that name nothing after which it is left out on trial, where it was never accepted before."""

    name: str
    named: str
    instead: str
    guessed: tuple[int, ...] = ()


SCHEMA = Part(
    "schema of the answer", r"response_format|response_schema|output_config|schema|structured|guided|grammar|\$defs",
    "it is asked for JSON in words alone", (400, 422, 500),
)  # fmt: skip
TOOLS = Part("tools", r"\btools?\b|\btool[_-]|function", "the model writes its calls of tools as text", (400, 422))
SYSTEM = Part(
    "system role",
    r"system.{0,30}(role|message|prompt|instruction)|\broles?\b.{0,60}(system|must|only|support|alternat)",
    "the system text stands at the head of the first user message",
)  # fmt: skip
SEED = Part("seed", r"\bseed\b", "its samples cannot be repeated")
TEMPERATURE = Part("temperature", r"\btemperature\b", "it answers at its own temperature")
CACHE = Part("cache mark", r"cache_control|cache", "its prompts are not marked for caching")
LIMIT = Part(
    "name of the token limit", r"^(?!.*(too large|at most|greater than|exceed)).*max_(completion_)?tokens",
    "the limit goes by its other name",
)  # fmt: skip


class Wishes:
    """What one server takes and what not, as far as it is known. parts: all that can be left out, in the order in
    which they are tried. Threads may share it."""

    def __init__(self, parts: tuple[Part, ...]):
        self._parts = parts
        self._without: frozenset[Part] = frozenset()
        self._accepted: frozenset[Part] = frozenset()

    @property
    def refused(self) -> frozenset[str]:
        """The names of the parts that are left out."""
        return frozenset(part.name for part in self._without)

    def settle(self, name: str, present: frozenset[Part], send: Callable[[frozenset[Part]], Answer]) -> Answer:
        """`send(without)` until nothing in the request is refused any more; what is left out is kept and told.

        After a 500 without words the same is sent once more before anything is left out: it may be a fault that passes.
        name: the LLM's. present: the parts that this request has. Raises what `send` does, of a part left out on
        trial what it raised before.
        """
        without, words, before, again = self._without, "", None, False
        while True:
            try:
                answer = send(without)
                break
            except (BadRequest, Overloaded) as error:
                if before is not None:
                    raise before from None
                part, is_named = self._refused(error, present - without)
                if part is None:
                    raise
                if not is_named and error.status >= 500 and not again:
                    again = True
                    continue
                before = None if is_named else error
                without, words = without | {part}, str(error)
        for part in without - self._without:
            warnings.warn(f"the server refuses the {part.name}, so from now on {part.instead} ({words})", stacklevel=4)
        self._without |= without
        self._accepted |= present - without
        return answer

    def _refused(self, error: CallFailed, parts: frozenset[Part]) -> tuple[Part | None, bool]:
        """The part that a refusal is about, None where it is about none; and whether it is named."""
        words = " ".join(str(error).split())
        if error.status < 502 and _NOT_TAKEN.search(words):
            for part in self._parts:
                if part in parts and re.search(part.named, words, re.IGNORECASE):
                    return part, True
        untried = (part for part in self._parts if part in parts - self._accepted and error.status in part.guessed)
        return next(untried, None), False


def without_system(messages: list[Message]) -> list[Message]:
    """The messages with the system text at the head of the first user message."""
    system = "\n\n".join(m["content"] for m in messages if m["role"] == "system")
    first, *rest = [m for m in messages if m["role"] != "system"] or [{"role": "user", "content": ""}]
    return [{**first, "content": f"{system}\n\n{first['content']}".strip()}, *rest] if system else messages
