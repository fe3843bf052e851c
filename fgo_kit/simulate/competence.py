"""The contract between the simulated LLM and what it knows of one benchmark.

A folder beside this file, named like its benchmark, exports one `COMPETENCE`: how to act, judge and learn from
the text of a prompt alone. What bounds it (noticing, obeying, chance) comes with the `Call`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..calls.protocol import BadRequest
from ..records import digest
from .limits import Profile, assumed, noticing, obey

Draw = Callable[..., float]
"""A uniform draw in [0, 1), fixed by the prompt, the sample and the arguments."""

_SCORE = re.compile(r'<trajectory task="[^"]*" score="([^"]*)">')


@dataclass(frozen=True)
class Known:
    """A rule shown in a prompt, with the counts shown beside it."""

    id: str
    text: str
    support: int = 0
    right: int = 0
    wrong: int = 0
    without: float = 0.0


@dataclass(frozen=True)
class Shown:
    """A trajectory shown in a prompt, and whether its task was done.

    position: where it stands in the prompt, 0 its start to 1 its end; luck: the draw that noticing it takes.
    """

    task_id: str
    right: bool
    body: str
    position: float
    luck: float


class Call:
    """One prompt being answered: its chat, and the limits and randomness that bound what comes of it.

    system: the instructions; chat: the dialogue below them; user: its first message of the user.
    """

    def __init__(self, limits: Profile, messages: list[dict], tokens: int, sample: int):
        self.limits = limits
        self.tokens = tokens
        instructed = messages[0]["role"] == "system"
        self.system = messages[0]["content"]  # without the role, the text at the head of the first message
        self.chat = messages[instructed:] or messages
        self.user = next((m["content"] for m in self.chat if m["role"] == "user"), "")
        state = hashlib.blake2b(str(sample).encode(), digest_size=16)
        self.sample_seed, lasting = state.digest(), state.copy()
        first = self.user[: self.user.rfind("</")]  # without what is said after it, such as what was left out
        lasting.update(first.encode("utf-8", "surrogatepass"))
        for message in messages:
            state.update(f"\0{message['role']}\0{message['content']}".encode("utf-8", "surrogatepass"))
        self.seed, self.lasting_seed = state.digest(), lasting.digest()

    def draw(self, *what: object) -> float:
        """A uniform draw in [0, 1) that depends on the prompt, the sample and `what` alone."""
        return _uniform(self.seed, what)

    def lasting(self, *what: object) -> float:
        """A uniform draw that stays the same over a dialogue: of its first message, the sample and `what`."""
        return _uniform(self.lasting_seed, what)

    def luck(self, task_id: str) -> float:
        """A uniform draw for noticing what is in a trajectory: of this call, or of the task, the same in every call."""
        shared = _uniform(self.sample_seed, ("shared", task_id)) < assumed().miss_correlation
        return _uniform(self.sample_seed, ("notice", task_id)) if shared else self.draw("notice", task_id)

    def obeyed(self, rules: int) -> float:
        """The share of so many rules that is obeyed at once."""
        return obey(self.limits, rules)

    def noticed(self, hops: int, position: float = 0.5) -> float:
        """The chance of noticing a fact at a place in this prompt (see `limits.noticing`)."""
        return noticing(self.limits, self.tokens, position, hops)


@dataclass(frozen=True)
class Competence:
    """One benchmark's way of reading, acting and learning.

    tag: the section by which a prompt is recognised as belonging here; knowledge: all that is assumed or known
    without being read. act: (thought, answer, ids of the rules used) under rules given as (id, text); judge:
    feedback for a trajectory; example: what is noticed of one, or None; improve, review: edits to rules and votes on
    them, from examples; unite: merged rules, each from rules shown; parse_rule: a sentence as a rule, None where it is
    none of its own.
    """

    tag: str
    knowledge: Any
    act: Callable[[Call, Sequence[tuple[str, str]]], tuple[str, str, tuple[str, ...]]]
    judge: Callable[[Call], str]
    example: Callable[[Call, Shown], Any]
    improve: Callable[[Sequence, Sequence[Known], Draw], list[dict]]
    review: Callable[[Sequence, Sequence[Known], Draw], list[dict]]
    unite: Callable[[Sequence[Known], Draw], list[dict]]
    parse_rule: Callable[[str], Any]

    @property
    def hash(self) -> str:
        """Of what it knows: frozen before a grid is run."""
        return digest(self.knowledge)


def find_section(tag: str, text: str) -> str | None:
    """The text of the first <tag> ... </tag> section, or None."""
    match = re.search(rf"<{tag}(?:\s[^>]*)?>\n?(.*?)\n?</{tag}>", text, re.DOTALL)
    return match[1] if match else None


def section(tag: str, text: str) -> str:
    """The text of a section; BadRequest where there is none."""
    inside = find_section(tag, text)
    if inside is None:
        raise BadRequest(f"the simulated LLM finds no whole <{tag}> ... </{tag}> section in this prompt")
    return inside


def is_right(score: str) -> bool:
    """Whether a score, as written, counts as right; BadRequest where it is no number."""
    try:
        return float(score) >= 0.5
    except ValueError:
        raise BadRequest(f"a trajectory has score={score!r}; the simulated LLM reads numbers from 0 to 1") from None


def scored_right(text: str) -> bool:
    """Whether the trajectory in an evaluator's prompt was scored right; BadRequest where it has no score."""
    match = _SCORE.search(text)
    if match is None:
        raise BadRequest("the simulated LLM finds no <trajectory> with a score in this prompt")
    return is_right(match[1])


def _uniform(seed: bytes, what: tuple) -> float:
    text = "\0".join(map(str, what)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=7, key=seed).digest(), "big") / 2**56
