"""The rule language for household games: habits of play, rendered to plain sentences and parsed back.

    find     where to look for a kind of thing first
    clean, heat, cool    the appliance that does it
    lamp     hold the thing and use the lamp
    open, once, second, repeat, hold, go, finish    without arguments (see `PLAIN`)

`parse_rule(render(habit)) == habit` for every habit; `parse_rule` also reads what people type, such as
"Mugs are usually in the cabinets or on a shelf".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from .reading import stem

PLAIN = {
    "open": "Open a closed receptacle before you look for anything in it.",
    "second": "Put down two objects one after another: after placing the first, find the second.",
    "once": "Do not search a receptacle twice.",
    "repeat": "Do not repeat an action that did nothing.",
    "hold": "Take an object before you clean, heat, cool, place or look at it.",
    "go": "Go to a receptacle before you act on it.",
    "finish": "Clean, heat or cool an object before you put it down.",
}
"""The habits without arguments."""
_BY_TEXT = {text: name for name, text in PLAIN.items()}


@dataclass(frozen=True)
class Habit:
    """A rule as understood. `places` are kinds of receptacles (of lamps for "lamp"), best first."""

    kind: str
    thing: str = ""
    places: tuple[str, ...] = ()

    @property
    def about(self) -> tuple[str, str]:
        """What it settles: two habits about the same are duplicates or rivals."""
        return self.kind, self.thing


@lru_cache(maxsize=65_536)
def render(habit: Habit) -> str:
    """The habit as a sentence."""
    if habit.kind in PLAIN:
        return PLAIN[habit.kind]
    if habit.kind == "find":
        article = "an" if habit.thing[:1] in "aeiou" else "a"
        return f"Look for {article} {habit.thing} first in: {', '.join(habit.places)}."
    if habit.kind == "lamp":
        return f"To look at an object in the light, hold it and use the {habit.places[0]}."
    return f"{habit.kind.capitalize()} objects with the {habit.places[0]}."


_FIND = re.compile(r"Look for an? ([a-z]+) first in: ([a-z]+(?:, [a-z]+)*)\.")
_WITH = re.compile(r"(Clean|Heat|Cool) objects with the ([a-z]+)\.")
_LAMP = re.compile(r"To look at an object in the light, hold it and use the ([a-z]+)\.")


@lru_cache(maxsize=65_536)
def parse_rule(text: str) -> Habit | None:
    """The habit that a sentence states, or None where it states none in this language.

    >>> parse_rule("Mugs are usually found in the cabinets or on a shelf")
    Habit(kind='find', thing='mug', places=('cabinet', 'shelf'))
    """
    text = " ".join(text.split())
    if text in _BY_TEXT:
        return Habit(_BY_TEXT[text])
    if match := _FIND.fullmatch(text):
        return Habit("find", match[1], tuple(dict.fromkeys(match[2].split(", "))))
    if match := _WITH.fullmatch(text):
        return Habit(match[1].casefold(), "", (match[2],))
    if match := _LAMP.fullmatch(text):
        return Habit("lamp", "", (match[1],))
    return _typed(text)


_NOT = r"(?:\b(?:not|never|avoid|stop|without)|n['’]t)\b.*"
_TYPED = {
    "once": _NOT + r"\b(?:search|check|visit|look|go back|return|revisit)\w*\b.*"
    r"\b(?:twice|again|already|back|second time)\b",
    "repeat": _NOT + r"\b(?:repeat\w*|again|same (?:action|command)|twice)\b",
    "lamp": r"\b((?:desk|floor|table)?\s?lamp)\b",
    "second": r"\b(?:second|both|two|other one)\b",
    "finish": r"\b(?:clean|wash|heat|cool)\w*\b.*\bbefore\b.*\b(?:put|plac|mov)|"
    r"\b(?:put|plac)\w*\b.*\b(?:after|until|once)\b.*\b(?:clean|wash|heat|cool)",
    "hold": r"\b(?:take|pick\w*(?: \w+)? up|grab|hold\w*|carry\w*|have)\b.*\b(?:before|first|until)\b",
    "go": r"\b(?:go|walk|move) to\b.*\bbefore\b|\b(?:be|stand) (?:at|near)\b.*\b(?:before|to)\b",
    "open": r"(?=.*\bopen\w*\b).*\b(?:closed|shut|before|first|inside|if|when)\b",
}
_TYPED = {kind: re.compile(form, re.I) for kind, form in _TYPED.items()}
_WORDS = {
    "clean": "clean", "wash": "clean", "rinse": "clean", "heat": "heat", "warm": "heat", "cook": "heat",
    "cool": "cool", "chill": "cool",
}  # fmt: skip
_DOING = r"(clean|wash|rinse|heat|warm|cook|cool|chill)(?:s|es|ed|ing)?\b"
_A = r"(?:the |an? )?[\"'“‘]?"
_NAME = r"([a-z]+(?: [a-z]+)?)"
_DO_WITH = re.compile(rf"\b{_DOING}.*?\b(?:with|using|in|at|by)\s+{_A}{_NAME}", re.I)
_USE_TO = re.compile(rf"\b(?:use|the)\s+{_A}{_NAME}[\"'”’]?\s+(?:to|for|is for)\s+{_DOING}", re.I)
_IN = r"(?:in|on|at|inside)(?:/on)?\s*:?\s*(.+)"
_SEARCH = re.compile(r"\b(?:look|search|check|hunt|seek)\w*\s+(?:first\s+)?for\s+(?:an? |the |some |any )?"
                     rf"[\"'“‘]?([a-z]+(?: [a-z]+)??)[\"'”’]?\s*(?:first|,)?\s*{_IN}", re.I)
_ARE_IN = re.compile(rf"^\W*(?:an? |the |some )?[\"'“‘]?{_NAME}[\"'”’]?\s+"
                     rf"(?:is|are|can be|may be|will be|tends? to be)\s+(?:\w+\s+){{0,3}}?{_IN}", re.I)


def _typed(text: str) -> Habit | None:
    """Habits as people type them; of several that a sentence may state the first is taken."""
    if match := _SEARCH.search(text) or _ARE_IN.search(text):
        places = _places(match[2])
        return Habit("find", stem(match[1]), places) if places else None
    if kind := next((kind for kind, form in _TYPED.items() if form.search(text)), ""):
        return Habit(kind, "", (stem(_TYPED[kind].search(text)[1]),) if kind == "lamp" else ())
    if match := _USE_TO.search(text):
        return Habit(_WORDS[match[2].casefold()], "", (_noun(match[1]),))
    if match := _DO_WITH.search(text):
        return Habit(_WORDS[match[1].casefold()], "", (_noun(match[2]),))
    return None


_FILLER = {
    "and", "or", "then", "the", "a", "an", "in", "on", "at", "of", "if", "to", "before", "first", "also", "it", "is",
    "usually", "often", "you",
}  # fmt: skip


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
    named = [part.strip() for part in parts if part.strip(" '\"“”‘’")]
    names = [_noun(re.sub(r"^\W*(?:the|an?|some|any)\s+", "", part)) for part in named]
    return tuple(dict.fromkeys(name for name in names if name))[:8]
