"""JSON in a model's answer, read as far as it can be: the last object that fits, item by item.

Words around it, fences, trailing commas, raw line breaks, other quotes and bad escapes do not matter; a container
that cannot be read is lost alone. One pass over the text, never slower than linear.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ValidationError

MOST_ITEMS = 1_000
"""Longest list that is read from one answer."""
MOST_DEPTH = 60
UNREADABLE = object()
"""Stands for a part that is no JSON."""
Item = TypeVar("Item", bound=BaseModel)

_BLANK = re.compile(r"[\s,]*")  # commas are read past, so that trailing and doubled ones do no harm
_BRACKET = re.compile(r"[{}\[\]]")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_WORD = re.compile(r"[A-Za-z_]\w*")
_COLON = re.compile(r"\s*:")
_WORDS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None, "NaN": None}
_QUOTES = {'"': '"', "'": "'"} | dict.fromkeys("“”„‟", "“”‟") | dict.fromkeys("‘’‚‛", "‘’‛")
_KEY_END = {quote: re.compile(rf"\\.|[{ends}]", re.DOTALL) for quote, ends in _QUOTES.items()}
_VALUE_END = {quote: re.compile(rf"\\.|[{ends}](?=\s*(?:[,}}\]]|\Z))", re.DOTALL) for quote, ends in _QUOTES.items()}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES = {sign: sign for sign in "\"'\\/"} | {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


@dataclass(slots=True)
class _Open:
    """A container whose end was not seen yet. What is in a broken one is prose, until the next bracket."""

    value: dict | list
    broken: bool = False
    key: str | None = None

    def put(self, value: Any) -> None:
        if isinstance(self.value, list):
            self.value.append(value)
        elif self.key is not None:
            self.value[self.key], self.key = value, None


class _Reader:
    """Reads the containers of a text. `closed` has (value, whether no other is around it) of every object, and of
    the lists with none around them."""

    def __init__(self, text: str, at: int = 0):
        self.text, self.at = text, at
        self.stack: list[_Open] = []
        self.open = {"{": 0, "[": 0}
        self.sound = 0  # how many open ones are not broken
        self.endless: set[re.Pattern] = set()  # ends that the rest of the text does not have
        self.closed: list[tuple[dict | list, bool]] = []

    def step(self) -> None:
        top = self.stack[-1] if self.stack else None
        if top is None or top.broken:
            bracket = _BRACKET.search(self.text, self.at)
            self.at = bracket.start() if bracket else len(self.text)
        else:
            blank = _BLANK.match(self.text, self.at)
            self.at = blank.end() if blank else self.at
        sign = self.text[self.at : self.at + 1]
        if sign in ("}", "]"):
            self._close("{" if sign == "}" else "[")
        elif top is not None and not top.broken and isinstance(top.value, dict) and top.key is None:
            self._key(top, sign)
        elif sign in ("{", "["):
            self._push(sign)
        elif top is not None and sign:
            self._scalar(top, sign)

    def _key(self, top: _Open, sign: str) -> None:
        start, key = self.at, self._string(_KEY_END[sign]) if sign in _QUOTES else None
        if word := _WORD.match(self.text, start):
            key, self.at = word[0], word.end()
        colon = _COLON.match(self.text, self.at)
        if key is None or colon is None:
            self._break(top, start)
        else:
            top.key, self.at = key, colon.end()

    def _scalar(self, top: _Open, sign: str) -> None:
        start, value = self.at, UNREADABLE
        if sign in _QUOTES:
            text = self._string(_VALUE_END[sign])
            value = UNREADABLE if text is None else text
        elif number := _NUMBER.match(self.text, start):
            whole = number[0].lstrip("-").isdecimal() and len(number[0]) < 100
            value, self.at = int(number[0]) if whole else float(number[0]), number.end()
        elif word := _WORD.match(self.text, start):
            value, self.at = _WORDS.get(word[0], UNREADABLE), word.end()
        if value is UNREADABLE:
            self._break(top, start)
        else:
            top.put(value)

    def _string(self, ends: re.Pattern) -> str | None:
        """The string that begins here, None where it has no end. A quote amid a value is part of it."""
        start = self.at + 1
        for mark in () if ends in self.endless else ends.finditer(self.text, start):
            if mark[0][0] != "\\":
                self.at = mark.end()
                return _unescaped(self.text[start : mark.start()])
        self.endless.add(ends)
        return None

    def _push(self, bracket: str) -> None:
        self.at += 1
        if len(self.stack) >= MOST_DEPTH:
            return self._break(self.stack[-1], self.at)
        self.stack.append(_Open({} if bracket == "{" else []))
        self.open[bracket] += 1
        self.sound += 1

    def _break(self, top: _Open, at: int) -> None:
        """What stands here is no JSON: the rest of this container is read as prose."""
        self.sound -= not top.broken
        top.broken = True
        self.at = at if self.text[at : at + 1] in ("{", "[") else at + 1

    def _close(self, bracket: str) -> None:
        """End the innermost container with this bracket, and those inside it whose own end was forgotten."""
        self.at += 1
        while self.open[bracket]:
            done = self.stack.pop()
            kind = "{" if isinstance(done.value, dict) else "["
            self.open[kind] -= 1
            self.sound -= not done.broken
            if not done.broken and (kind == "{" or not self.sound):
                self.closed.append((done.value, not self.sound))
            if self.stack:
                self.stack[-1].put(UNREADABLE if done.broken else done.value)
            if kind == bracket:
                return


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    plain = _ESCAPE.sub(
        lambda mark: chr(int(mark[1][1:], 16)) if len(mark[1]) > 1 else _ESCAPES.get(mark[1], mark[0]), text
    )
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def value_at(text: str, at: int) -> dict | list | None:
    """The object or list that begins at a place of a text, None where there is none that can be read.

    >>> value_at("TOOL: {'tool': 'search', 'arguments': {},} so", 6)
    {'tool': 'search', 'arguments': {}}
    """
    reader = _Reader(text, at)
    if text[at : at + 1] in ("{", "["):
        reader.step()
    while reader.stack and reader.at < len(text):
        reader.step()
    value, alone = reader.closed[-1] if reader.closed else (None, False)
    return value if alone and not reader.stack else None


@dataclass
class Listed(Generic[Item]):
    """The items that could be read, and for each of the others why not."""

    items: list[Item] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_list(
    text: str, name: str, kind: type[Item], check: Callable[[Item], Item] | None = None
) -> Listed[Item]:
    """The items of the list `name` in the last object of a text that has one; each costs only itself.

    check: gives an item as it is to be used, or raises ValueError for one that is of no use. A list or items that
    stand alone count too. Raises ValueError where there is no such list, or no item of it is of use.

    >>> class Edit(BaseModel):
    ...     op: str
    >>> read_list('Sure: {"edits": [{"op": "add"}, {"po": 1},]}', "edits", Edit)
    Listed(items=[Edit(op='add')], problems=['edit 2: op: Field required'])
    """
    written = _last_list(text, name)
    if written is None:
        raise ValueError(f'the answer holds no JSON object with the list "{name}"')
    found: Listed[Item] = Listed()
    for number, item in enumerate(written[:MOST_ITEMS], 1):
        try:
            fitting = _fitting(item, kind)
            found.items.append(check(fitting) if check else fitting)
        except ValueError as error:
            found.problems.append(f"{name.removesuffix('s')} {number}: {error}")
    if len(written) > MOST_ITEMS:
        found.problems.append(f"{len(written)} {name} were written and only the first {MOST_ITEMS} are read")
    if written and not found.items:
        raise ValueError("\n".join(found.problems))
    return found


def _last_list(text: str, name: str) -> list | None:
    reader = _Reader(text)
    while reader.at < len(text):
        reader.step()
    alone: list[list] = []
    for value, on_its_own in reversed(reader.closed):
        if isinstance(value, dict) and name in value:
            written = value[name]
            if written is None or isinstance(written, dict):
                return [written] if written else []
            if isinstance(written, list):
                return written
        elif on_its_own:
            alone.append(value if isinstance(value, list) else [value])
    items = [item for part in reversed(alone) for item in part]
    return items if any(isinstance(item, dict) for item in items) or alone[:1] == [[]] else None


def _fitting(item: Any, kind: type[Item]) -> Item:
    """The item as a `kind`; an object around it is taken off. Raises ValueError, in few words."""
    if item is UNREADABLE:
        raise ValueError("it is no JSON")
    try:
        return kind.model_validate(_stated(item))
    except ValidationError as error:
        inside = next(iter(item.values())) if isinstance(item, dict) and len(item) == 1 else None
        if isinstance(inside, dict):
            return _fitting(inside, kind)
        raise ValueError(_in_few_words(error)) from None


def _stated(item: Any) -> Any:
    """An object without what is null, blank or unreadable, which all mean absent."""
    if not isinstance(item, dict):
        return item
    return {name: value for name, value in item.items() if value not in (None, "", UNREADABLE)}


def _in_few_words(error: ValidationError) -> str:
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(": ".join([*map(str, fault["loc"]), fault["msg"]]) for fault in faults)[:300]


def _ids(value: Any) -> Any:
    """One string or number stands for a list of one; commas and brackets around ids are no part of them."""
    values = value if isinstance(value, list) else [value]
    return [name for part in values if isinstance(part, (str, int)) for name in _names(str(part))]


def _names(text: str) -> Iterator[str]:
    """The ids in a text: one, or several in brackets of their own.

    >>> [*_names("[r1]"), *_names("[r1], [r2]"), *_names("invoice 7, page 2")]
    ['r1', 'r1', 'r2', 'invoice 7, page 2']
    """
    text = text.strip()
    inside = text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text
    parts = re.split(r"\]\s*[,;]?\s*\[", inside) if inside is not text else [text]
    return (part.strip() for part in parts if part.strip())


Id = Annotated[str, BeforeValidator(lambda value: next(iter(_ids(value)), ""))]
"""The id of a rule or a task, as models write it: with brackets around it, or as a number."""
Ids = Annotated[list[str], BeforeValidator(_ids)]
"""Several of them; one alone need not be in a list."""
Line = Annotated[str, BeforeValidator(lambda value: one_line(value) if isinstance(value, str) else value)]
"""Text on one line, so that no part of it can be taken for another line of a prompt."""


def one_line(text: str) -> str:
    """The text with its line breaks as blanks.

    >>> one_line("Prefer the number\\n  after B/L.")
    'Prefer the number after B/L.'
    """
    return " ".join(part.strip() for part in text.splitlines() if part.strip())
