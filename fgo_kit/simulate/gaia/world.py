"""All that was read, as sheets, lines and rows, and how names in it are compared."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from . import units
from .cells import Document
from .question import STOP, words
from .tables import read

_KEY = re.compile(r"[\s_./-]+")


@dataclass(frozen=True)
class Sheet:
    """A table of a file, under plain column names, with the unit of each column."""

    file: str
    title: str
    headers: tuple[str, ...]
    units: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass
class Row:
    """One record: cells by column name, the units of its columns, the file and the sheet it stands in."""

    cells: dict[str, str]
    units: dict[str, str]
    file: str
    title: str


@dataclass(frozen=True)
class World:
    """All that was read: sheets, and every line outside tables with the file it stands in."""

    sheets: tuple[Sheet, ...]
    lines: tuple[tuple[str, str], ...]
    order: tuple[str, ...]


@dataclass
class Frame:
    """The rows that a question is about, and the names of their columns."""

    rows: list[Row]
    headers: list[str] = field(default_factory=list)
    joined: set[str] = field(default_factory=set)
    names: dict[str, list[str]] = field(default_factory=dict)
    titles: tuple[str, ...] = ()


def plain(key: str, loosely: bool) -> str:
    """A key for comparison: exactly, or whatever its case, blanks and hyphens.

    >>> plain("C-014", True), plain("c 014", True)
    ('c014', 'c014')
    """
    return _KEY.sub("", key).casefold() if loosely else key


def mentioned(value: str, text: str) -> bool:
    """Whether a cell's value stands in a text as whole words."""
    value, text = value.strip().casefold(), text.casefold()
    if value not in text or len(value) < 2 or value in STOP or not any(map(str.isalnum, value)):
        return False
    return re.search(rf"(?<![\w]){re.escape(value)}(?:s|'s)?(?![\w])", text) is not None


def is_id(name: str) -> bool:
    """Whether a column's name says that it numbers things."""
    return bool({"id", "no", "nr", "number", "pos", "bib", "request", "code", "year", "zip", "key"} & set(words(name)))


@lru_cache(maxsize=1_024)
def world(sources: tuple[tuple[str, str], ...]) -> World:
    """Read tool outputs given as (file, text)."""
    sheets, lines = [], []
    for file, text in sources:
        document: Document = read(text)
        lines += [(file, line) for line in document.lines]
        for table in document.tables:
            named = [units.header(header) for header in table.headers]
            names, seen = [], {}
            for name, _ in named:
                seen[name] = seen.get(name, 0) + 1
                names.append(name if seen[name] == 1 else f"{name} {seen[name]}")
            sheets.append(Sheet(file, table.name, tuple(names), tuple(unit for _, unit in named), table.rows))
    return World(tuple(sheets), tuple(lines), tuple(file for file, _ in sources))


__all__ = ["Frame", "Row", "Sheet", "World", "is_id", "mentioned", "plain", "world"]
