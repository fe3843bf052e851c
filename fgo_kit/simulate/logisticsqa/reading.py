"""Reading a document: the reference-like codes in it, and what stands around each of them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import lru_cache

Pick = tuple[tuple[str, str], ...]
"""Which code to take: sorted (kind, value) pairs, all of which must hold. Kinds: field, label, seen, shape."""

_CODE = re.compile(r"(?<![A-Za-z0-9])(?:\d{3} \d{4} \d{4}(?!\d)|[A-Z0-9]+(?:[-/.][A-Z0-9]+)*(?![a-z]))(?!\.\d)")
_DATE = re.compile(r"(?:\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./]\d{2,4})(?:\D.*)?$|\d+\.\d+$")
_WORD = re.compile(r"[^\W\d_]+(?:[./&][^\W\d_]+)*")
_PLAIN_WORD = re.compile(r"[^\W\d_]{3,}")
_NOT_IN_FIELDS = re.compile(r"[\"'“”‘’«»„`<>]")
_LINE_NUMBER = re.compile(r"\bLine \d+ ")
_COMBINING = dict.fromkeys(range(0x300, 0x370))
LABEL_WORDS = 3
"""Longest label, in words."""


@dataclass(frozen=True)
class Code:
    """One occurrence of a reference-like code."""

    text: str
    field: str
    labels: tuple[str, ...]
    shape: str
    seen: str


@dataclass(frozen=True)
class Reading:
    """A document as read: its codes, the words it mentions, and the answer that every pick would give."""

    codes: tuple[Code, ...]
    words: tuple[str, ...]
    mentioned: frozenset[str]
    answers: dict[Pick, str]
    several: frozenset[str]


def normal(text: str) -> str:
    """A reference without case, white space and separators; "" for every way of writing None.

    >>> normal("abcu-123 456/7"), normal("None")
    ('ABCU1234567', '')
    """
    bare = re.sub(r"[\s\-./#:]+", "", text).upper()
    return "" if bare in ("NONE", "NA", "NULL") else bare


def folded(word: str) -> str:
    """Lower case. The Turkish İ becomes a plain i: as an i and a combining dot it would split the word.

    >>> folded("İRSALİYE")
    'irsaliye'
    """
    lower = word.casefold()
    return lower if lower.isascii() else lower.translate(_COMBINING)


def words_of(phrase: str) -> str:
    """The words of a label or phrase as documents are searched for them: folded, single blanks.

    >>> words_of("  HBL No.: ")
    'hbl no'
    """
    return " ".join(folded(word) for word in _WORD.findall(phrase))


def shape_of(code: str) -> str:
    """
    >>> shape_of("MSKU 847362-9")
    'AAAA 999999-9'
    """
    return re.sub(r"[0-9]", "9", re.sub(r"[A-Za-z]", "A", code))


@lru_cache(maxsize=8_192)
def read(document: str) -> Reading:
    """Read a document of `Field: value` lines; any other text is one long field."""
    occurrences: list[tuple[str, str, tuple[str, ...]]] = []
    for line in document.splitlines():
        field, colon, value = line.partition(": ")
        if not colon or len(field) > 90:
            field, value = "", line
        field = _NOT_IN_FIELDS.sub("", _LINE_NUMBER.sub("", field)).strip()
        occurrences += [(code, field, labels) for code, labels in _codes(value)]
    times = Counter(normal(code) for code, _, _ in occurrences)
    codes = tuple(
        Code(text, field, labels, shape_of(text), "once" if times[normal(text)] == 1 else "repeatedly")
        for text, field, labels in occurrences
    )
    words = tuple(sorted({folded(word) for word in _PLAIN_WORD.findall(document)}))
    return Reading(codes, words, frozenset(words), _answers(codes), _several(codes))


def _codes(value: str):
    """Every code in a field's value with its labels: the one, two and three words before it."""
    start = 0
    for match in _CODE.finditer(value):
        code = match[0]
        digits = sum(map(str.isdigit, code))
        if digits < 3 or len(normal(code)) < 6 or _DATE.match(code):
            continue
        before = [folded(word) for word in _WORD.findall(value[max(start, match.start() - 48) : match.start()])]
        tail = before[-LABEL_WORDS:]
        yield code, tuple(" ".join(tail[-n:]) for n in range(1, len(tail) + 1))
        start = match.end()


def picks_of(code: Code) -> list[Pick]:
    """All picks that take this code: single properties and pairs of them."""
    labels = [("label", label) for label in code.labels]
    field, seen, shape = ("field", code.field), ("seen", code.seen), ("shape", code.shape)
    single = [*labels, seen, shape]
    pairs = [(label, shape) for label in labels] + [(seen, shape)]
    if code.field:
        single = [field, *single]
        pairs += [(field, label) for label in labels] + [(field, shape), (field, seen)]
    return [(kind_and_value,) for kind_and_value in single] + pairs


def _answers(codes: tuple[Code, ...]) -> dict[Pick, str]:
    answers: dict[Pick, str] = {}
    for code in codes:  # the first code that fits is the one a reader takes
        for pick in picks_of(code):
            answers.setdefault(pick, code.text)
    return answers


def _several(codes: tuple[Code, ...]) -> frozenset[str]:
    by_shape: dict[str, set[str]] = defaultdict(set)
    for code in codes:
        by_shape[code.shape].add(normal(code.text))
    return frozenset(shape for shape, texts in by_shape.items() if len(texts) > 1)
