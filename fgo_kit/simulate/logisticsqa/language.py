"""The rule language for documents: conventions of where a reference stands, as plain sentences and parsed back.

    condition    the document mentions one or two words, or nothing
    action       take the code that follows a label, stands in a field, has a shape, appears once
                 (or two of these at a time); answer None; answer None if several codes share a shape

`parse_rule(render(convention)) == convention` for every one; `parse_rule` also reads what people type, such as
"the reference follows the label 'HBL no'".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from .reading import Code, Pick, Reading, folded, shape_of, words_of


@dataclass(frozen=True)
class Convention:
    """A rule as understood. `pick` None answers None; `several` makes that depend on a shape."""

    when: tuple[str, ...] = ()
    pick: Pick | None = None
    several: str = ""

    @property
    def specificity(self) -> int:
        """Readers let the more specific rule win; "otherwise None" loses to everything."""
        if self.pick is None and not self.when and not self.several:
            return -1
        return 2 * len(self.when) + len(self.pick or ()) + bool(self.several)

    def covers(self, other: Convention) -> bool:
        """Whether `other` is a case of this rule: the same action under more conditions."""
        if (self.pick is None) != (other.pick is None) or self.several != other.several:
            return False
        if self.pick is None and not self.when and not self.several:
            return self == other
        return set(self.when) <= set(other.when) and set(self.pick or ()) <= set(other.pick or ())

    def answer(self, reading: Reading) -> str | None:
        """What the rule says of a document: a code, "None", or None where it does not apply."""
        if not all(word in reading.mentioned for word in self.when):
            return None
        if self.pick is not None:
            return _first(self.pick, reading)
        return "None" if not self.several or self.several in reading.several else None


def _first(pick: Pick, reading: Reading) -> str | None:
    if len(pick) <= 2 and pick in reading.answers:
        return reading.answers[pick]
    if any((wanted,) not in reading.answers for wanted in pick if wanted[0] != "field"):
        return None  # no code has this property, so none has them all
    # typed by a person: more than a pair, a longer label, or a field by a part of its path
    return next((code.text for code in reading.codes if all(_has(code, *wanted) for wanted in pick)), None)


def _has(code: Code, kind: str, value: str) -> bool:
    if kind == "field":
        return code.field == value or (bool(value) and value.casefold() in code.field.casefold())
    return value in code.labels if kind == "label" else value == getattr(code, kind)


_PROPERTIES = {
    "label": 'follows the label "{}"', "field": 'stands in the field "{}"', "shape": 'has the shape "{}"',
    "seen": "appears {}",
}  # fmt: skip


@lru_cache(maxsize=262_144)
def render(rule: Convention) -> str:
    """The rule as a sentence."""
    mentions = " and ".join(f'"{word}"' for word in rule.when)
    condition = f"If the document mentions {mentions}, " if mentions else ""
    if rule.pick is not None:
        parts = dict(rule.pick)
        words = [form.format(parts[kind]) for kind, form in _PROPERTIES.items() if kind in parts]
        sentence = f"{condition}the reference is the code that {' and '.join(words)}."
        return sentence[0].upper() + sentence[1:]
    if rule.several:
        start = f"{condition}and" if condition else "If"
        return f'{start} several codes have the shape "{rule.several}", answer None.'
    return f"{condition}answer None." if rule.when else "If no other rule applies, answer None."


_Q = r"[\"'“”‘’«»„`]"
_QUOTED = rf"{_Q}([^\"“”«»„`]{{1,90}}?){_Q}"
_ANY_QUOTED = re.compile(_QUOTED)
_MENTIONS = re.compile(rf"(?:mention(?:s|ing)?|contain(?:s|ing)?|says?)\s+(?:the\s+)?(?:words?\s+|phrase\s+)?{_QUOTED}"
                       rf"(?:\s+and\s+{_QUOTED})?", re.I)
_LABEL = re.compile(rf"(?:follow(?:s|ing)?|after|next to|preceded by|behind|label(?:l?ed)?(?:\s+as)?)\s+(?:the\s+)?"
                    rf"(?:labels?\s+|words?\s+|phrase\s+|text\s+)?{_QUOTED}", re.I)
_FIELD = re.compile(rf"\b(?:in|from|under)\s+(?:the\s+)?(?:fields?|elements?)\s+(?:{_QUOTED}|([\w/]+))", re.I)
_FIELD_BEFORE = re.compile(rf"\b(?:in|from|under)\s+(?:the\s+)?(?:{_QUOTED}|([\w/]+))\s+(?:field|element)\b", re.I)
_SHAPE = re.compile(rf"\b(?:shape|form|format|pattern)\s+(?:of\s+|like\s+)?{_Q}?([A9][A9 ./-]{{3,}}[A9])", re.I)
_SEVERAL = re.compile(r"\b(?:several|multiple|more than one)\b", re.I)
_NONE = re.compile(
    r"\b(?:answer|return|give|say|reply|is)\s+(?:with\s+)?[\"'“‘]?none\b|\bno (?:transport )?reference\b", re.I
)
_ONCE = re.compile(r"\b(?:appears?|occurs?|seen|stands?)\s+(?:only\s+|just\s+)?once\b|\bnot repeated\b", re.I)
_REPEATED = re.compile(r"\b(?:appears?|occurs?)\s+(?:repeatedly|more than once|several times)"
                       r"|(?<!not )\brepeated\b|\bmost (?:often|frequent)", re.I)


@lru_cache(maxsize=65_536)
def parse_rule(text: str) -> Convention | None:
    """The rule that a sentence states, or None where it states none in this language.

    >>> parse_rule("the reference follows the label 'HBL no'").pick
    (('label', 'hbl no'),)
    """
    when = _conditions(text)
    shape = _SHAPE.search(text)
    bare = _ANY_QUOTED.sub(lambda quoted: "none" if quoted[1].strip().casefold() == "none" else "x", text)
    if _NONE.search(bare):
        return Convention(when, None, shape_of(shape[1]) if shape and _SEVERAL.search(bare) else "")
    pick = []
    if label := _LABEL.search(text):
        pick.append(("label", words_of(label[1])))
    if field := _FIELD.search(text) or _FIELD_BEFORE.search(text):
        pick.append(("field", (field[1] or field[2]).strip()))
    if shape:
        pick.append(("shape", shape_of(shape[1])))
    if _ONCE.search(bare):
        pick.append(("seen", "once"))
    elif _REPEATED.search(bare):
        pick.append(("seen", "repeatedly"))
    pick = [(kind, value) for kind, value in pick if value]
    return Convention(when, tuple(sorted(pick))) if pick else None


def _conditions(text: str) -> tuple[str, ...]:
    mentions = _MENTIONS.search(text)
    phrases = filter(None, mentions.groups()) if mentions else ()
    words = [folded(word) for phrase in phrases for word in re.findall(r"[^\W\d_]{3,}", phrase)]
    return tuple(sorted(dict.fromkeys(words)))
