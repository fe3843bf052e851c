"""The rule language for household games: typed rules, rendered to plain sentences and parsed back.

    find     where to look for a kind of thing first
    clean, heat, cool    the appliance that does it
    lamp     hold the thing and use the lamp
    open, once, second, repeat, hold, go, finish    habits of play, without arguments

`parse_rule(render(rule)) == rule` for every rule; `parse_rule` also reads what people type, such as
"Mugs are usually in the cabinets or on a shelf".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from .reading import VERBS, stem

PLAIN = {
    "open": "Open a closed receptacle before you look for anything in it.",
    "second": "Put down two objects one after another: after placing the first, find the second.",
    "once": "Do not search a receptacle twice.",
    "repeat": "Do not repeat an action that did nothing.",
    "hold": "Take an object before you clean, heat, cool, place or look at it.",
    "go": "Go to a receptacle before you act on it.",
    "finish": "Clean, heat or cool an object before you put it down.",
}
"""The rules without arguments."""
_BY_TEXT = {text: name for name, text in PLAIN.items()}


@dataclass(frozen=True)
class Rule:
    """A rule as understood. `places` are kinds of receptacles (of lamps for "lamp"), best first."""

    kind: str
    thing: str = ""
    places: tuple[str, ...] = ()

    @property
    def about(self) -> tuple[str, str]:
        """What it settles: two rules about the same are duplicates or rivals."""
        return self.kind, self.thing


@lru_cache(maxsize=65_536)
def render(rule: Rule) -> str:
    """The rule as a sentence."""
    if rule.kind in PLAIN:
        return PLAIN[rule.kind]
    if rule.kind == "find":
        return f"Look for {_an(rule.thing)} first in: {', '.join(rule.places)}."
    if rule.kind == "lamp":
        return f"To look at an object in the light, hold it and use the {rule.places[0]}."
    return f"{rule.kind.capitalize()} objects with the {rule.places[0]}."


def _an(noun: str) -> str:
    return f"an {noun}" if noun[:1] in "aeiou" else f"a {noun}"


_FIND = re.compile(r"Look for an? ([a-z]+) first in: ([a-z]+(?:, [a-z]+)*)\.")
_WITH = re.compile(r"(Clean|Heat|Cool) objects with the ([a-z]+)\.")
_LAMP = re.compile(r"To look at an object in the light, hold it and use the ([a-z]+)\.")

_AGAIN = re.compile(
    r"(?:\b(?:not|never|avoid|stop|without)|n['’]t)\b.*\b(?:repeat\w*|again|same (?:action|command)|twice)\b",
    re.I,
)
_ONCE = re.compile(
    r"(?:\b(?:not|never|avoid|stop|without)|n['’]t)\b.*"
    r"\b(?:search|check|visit|look|go back|return|revisit)\w*\b.*"
    r"\b(?:twice|again|already|back|second time)\b", re.I,
)  # fmt: skip
_SECOND = re.compile(r"\b(?:second|both|two|other one)\b", re.I)
_OPEN = re.compile(r"\bopen\w*\b", re.I)
_CLOSED = re.compile(r"\b(?:closed|shut|before|first|inside|if|when)\b", re.I)
_HOLD = re.compile(
    r"\b(?:take|pick\w*(?: \w+)? up|grab|hold\w*|carry\w*|have)\b.*\b(?:before|first|until)\b", re.I
)
_GO = re.compile(r"\b(?:go|walk|move) to\b.*\bbefore\b|\b(?:be|stand) (?:at|near)\b.*\b(?:before|to)\b", re.I)
_FINISH = re.compile(
    r"\b(?:clean|wash|heat|cool)\w*\b.*\bbefore\b.*\b(?:put|plac|mov)|"
    r"\b(?:put|plac)\w*\b.*\b(?:after|until|once)\b.*\b(?:clean|wash|heat|cool)", re.I,
)  # fmt: skip
_WORDS = {
    "clean": "clean", "wash": "clean", "rinse": "clean", "heat": "heat", "warm": "heat", "cook": "heat",
    "cool": "cool", "chill": "cool",
}  # fmt: skip
_DOING = r"(clean|wash|rinse|heat|warm|cook|cool|chill)(?:s|es|ed|ing)?\b"
_DO_WITH = re.compile(
    rf"\b{_DOING}.*?\b(?:with|using|in|at|by)\s+(?:the |an? )?[\"'“‘]?([a-z]+(?: [a-z]+)?)", re.I
)
_USE_TO = re.compile(
    rf"\b(?:use|the)\s+(?:the |an? )?[\"'“‘]?([a-z]+(?: [a-z]+)?)[\"'”’]?\s+(?:to|for|is for)\s+{_DOING}",
    re.I,
)
_SEARCH = re.compile(
    r"\b(?:look|search|check|hunt|seek)\w*\s+(?:first\s+)?for\s+(?:an? |the |some |any )?"
    r"[\"'“‘]?([a-z]+(?: [a-z]+)??)[\"'”’]?"
    r"\s*(?:first|,)?\s*(?:in|on|at|inside)(?:/on)?\s*:?\s*(.+)", re.I,
)  # fmt: skip
_ARE_IN = re.compile(
    r"^\W*(?:an? |the |some )?[\"'“‘]?([a-z]+(?: [a-z]+)?)[\"'”’]?\s+"
    r"(?:is|are|can be|may be|will be|tends? to be)\s+"
    r"(?:\w+\s+){0,3}?(?:in|on|at|inside)(?:/on)?\s*:?\s*(.+)", re.I,
)  # fmt: skip
_AMP = re.compile(r"\b((?:desk|floor|table)?\s?lamp)\b", re.I)


@lru_cache(maxsize=65_536)
def parse_rule(text: str) -> Rule | None:
    """The rule that a sentence states, or None where it states none in this language.

    >>> parse_rule("Mugs are usually found in the cabinets or on a shelf")
    Rule(kind='find', thing='mug', places=('cabinet', 'shelf'))
    """
    text = " ".join(text.split())
    if text in _BY_TEXT:
        return Rule(_BY_TEXT[text])
    if found := _FIND.fullmatch(text):
        return Rule("find", found[1], tuple(dict.fromkeys(found[2].split(", "))))
    if found := _WITH.fullmatch(text):
        return Rule(found[1].casefold(), "", (found[2],))
    if found := _LAMP.fullmatch(text):
        return Rule("lamp", "", (found[1],))
    return _typed(text)


def _typed(text: str) -> Rule | None:
    """Rules as people type them."""
    if found := _SEARCH.search(text) or _ARE_IN.search(text):
        places = _places(found[2])
        return Rule("find", stem(found[1]), places) if places else None
    if _ONCE.search(text):
        return Rule("once")
    if _AGAIN.search(text):
        return Rule("repeat")
    if found := _AMP.search(text):
        return Rule("lamp", "", (stem(found[1]),))
    if _SECOND.search(text):
        return Rule("second")
    if _FINISH.search(text):
        return Rule("finish")
    if _HOLD.search(text):
        return Rule("hold")
    if _GO.search(text):
        return Rule("go")
    if _OPEN.search(text) and _CLOSED.search(text):
        return Rule("open")
    if found := _USE_TO.search(text):
        return Rule(_WORDS[found[2].casefold()], "", (_noun(found[1]),))
    if found := _DO_WITH.search(text):
        return Rule(_WORDS[found[1].casefold()], "", (_noun(found[2]),))
    return None


_FILLER = frozenset(
    [
        "and",
        "or",
        "then",
        "the",
        "a",
        "an",
        "in",
        "on",
        "at",
        "of",
        "if",
        "to",
        "before",
        "first",
        "also",
        "it",
        "is",
        "usually",
        "often",
        "you",
    ]
)


def _noun(words: str) -> str:
    kept = []
    for word in words.casefold().split():
        if word in _FILLER:
            break
        kept.append(word)
    return stem(" ".join(kept) or words)


def _places(text: str) -> tuple[str, ...]:
    text = re.split(r"[.;!]", text, maxsplit=1)[0]
    parts = re.split(r",|/|\band\b|\bor\b|\bthen\b|\bin\b|\bon\b|>", text)
    names = [
        _noun(re.sub(r"^\W*(?:the|an?|some|any)\s+", "", part.strip()))
        for part in parts
        if part.strip(" '\"“”‘’")
    ]
    return tuple(dict.fromkeys(name for name in names if name))[:8]


__all__ = ["PLAIN", "VERBS", "Rule", "parse_rule", "render"]
