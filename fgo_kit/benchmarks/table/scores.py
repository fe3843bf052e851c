"""How an answer is scored: by a name, or by anyone's own function."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

from ...algorithm.registry import meant
from ...calls.providers import load_llm
from ...records import Task, Trajectory
from .judge import Judge

_NUMBER = re.compile(r"(?:(?<!\w)[-+])?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?|(?<!\w)[-+]?\.\d+")

Scorer = Callable[[Task, Trajectory], Any]
"""Gives a score from 0.0 to 1.0, or a score and what is to be said about the answer."""


def exact(answer: str, wanted: str) -> float:
    """The same text, but for blanks around it."""
    return float(answer.strip() == wanted.strip())


def normalised(answer: str, wanted: str) -> float:
    """The same words: case, punctuation, English articles, blanks and forms of one letter do not count.

    >>> normalised("The Eiffel Tower.", "eiffel tower"), normalised("Eiffel", "eiffel tower")
    (1.0, 0.0)
    """
    return float(_words(answer) == _words(wanted))


def contains(answer: str, wanted: str) -> float:
    """The wanted words stand in the answer one after another; compared as by `normalised`.

    >>> contains("It is Paris, I think", "paris"), contains("Parisian", "paris")
    (1.0, 0.0)
    """
    given, sought = _words(answer), _words(wanted)
    return float(any(given[at : at + len(sought)] == sought for at in range(len(given) - len(sought) + 1)))


def f1(answer: str, wanted: str) -> float:
    """The harmonic mean of how many of the answer's words are wanted and how many wanted ones it has.

    >>> round(f1("the big red car", "red car"), 2)
    0.8
    """
    given, sought = _words(answer), _words(wanted)
    shared = sum((Counter(given) & Counter(sought)).values())
    return 2 * shared / (len(given) + len(sought)) if shared else float(given == sought)


def number(answer: str, wanted: str) -> float:
    """The last number of the answer equals the wanted one; thousands separators, currencies and units do not count.

    >>> number("so 12 boxes make $1,204.50", "1204.5"), number("none", "3")
    (1.0, 0.0)
    """
    value = last_number(answer)
    return float(value is not None and math.isclose(value, last_number(wanted), rel_tol=1e-9, abs_tol=1e-12))


def last_number(text: str) -> float | None:
    """The last number in a text, None where there is none."""
    numbers = _NUMBER.findall(text.replace("\u2212", "-"))
    return float(numbers[-1].replace(",", "")) if numbers else None


def _words(text: str) -> list[str]:
    text = unicodedata.normalize("NFKC", text).casefold()
    inside_numbers = [text[at - 1 : at].isdigit() and text[at + 1 : at + 2].isdigit() for at in range(len(text))]
    signs = [unicodedata.category(letter)[0] in "PS" for letter in text]
    kept = (letter for letter, inside, sign in zip(text, inside_numbers, signs, strict=True) if inside or not sign)
    words = "".join(kept).split()
    return [word for word in words if word not in ("a", "an", "the")] or words or text.split()


SCORES: dict[str, Callable[[str, str], float]] = {
    score.__name__: score for score in (exact, normalised, number, contains, f1)
}


@dataclass(frozen=True)
class Named:
    """The scorer of a name in `SCORES`, which another process can have."""

    name: str

    @property
    def identity(self) -> str:
        """What its scores depend on."""
        return self.name

    def __call__(self, task: Task, trajectory: Trajectory) -> float:
        return SCORES[self.name](trajectory.answer, task.answer)


def scorer_of(score: str | Scorer) -> Scorer | Judge:
    """The scorer of a name, or the function given. Raises ValueError or TypeError with what is allowed, and for a judge
    what `load_llm` raises."""
    if callable(score):
        return score
    allowed = f"one of {list(SCORES)}, 'judge:<llm>' or a function (task, trajectory) -> float or (float, feedback)"
    if not isinstance(score, str):
        raise TypeError(f"score={score!r} is not allowed; use {allowed}")
    kind, _, spec = score.partition(":")
    if kind == "judge" and spec:
        load_llm(spec)  # a wrong spec or a missing key is told at once
        return Judge(spec)
    if score not in SCORES:
        raise ValueError(f"score={score!r} is unknown; {meant(score, SCORES)}use {allowed}")
    return Named(score)


def checked(given: Any, task: Task) -> tuple[float, str]:
    """What a scorer gave, as (score, feedback). Raises ValueError for what is no score."""
    score, feedback = given if isinstance(given, tuple) and len(given) == 2 else (given, "")
    if not isinstance(score, Real) or not 0 <= score <= 1 or not isinstance(feedback, str):
        raise ValueError(f"score= gave {given!r} for task {task.id!r}; it must give a number from 0 to 1, or that and "
                         "a text")
    return float(score), feedback
