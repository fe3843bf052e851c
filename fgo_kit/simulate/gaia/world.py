"""All that was read, as sheets, lines and records, and how names in it are compared."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache

from . import units
from .question import STOP, words
from .tables import read

_KEY = re.compile(r"[\s_./-]+")
_NUMBERING = {"id", "no", "nr", "number", "pos", "bib", "request", "code", "year", "zip", "key"}
Sources = tuple[tuple[str, str], ...]
"""Tool outputs as (file, text)."""
Treatments = frozenset[str]
"""What is done to data and answer, by name (see `frames.TREATMENTS`)."""


@dataclass
class Record:
    """One row: cells by column name, the units of its columns, the file and the sheet it stands in."""

    cells: dict[str, str]
    units: dict[str, str]
    file: str
    title: str

    def cell(self, name: str) -> str:
        return self.cells.get(name, "")


@dataclass(frozen=True)
class Sheet:
    """A table of a file, under plain column names, with the units of those that have one."""

    file: str
    title: str
    headers: tuple[str, ...]
    units: dict[str, str]
    rows: tuple[tuple[str, ...], ...]

    def records(self) -> list[Record]:
        """Its rows, each with cells that may be changed."""
        cells = (dict(zip(self.headers, row, strict=True)) for row in self.rows)
        return [Record(row, self.units, self.file, self.title) for row in cells]


@dataclass(frozen=True)
class World:
    """All that was read: sheets, every line outside tables with the file it stands in, and the files in order."""

    sheets: tuple[Sheet, ...]
    lines: tuple[tuple[str, str], ...]
    files: tuple[str, ...]

    def lines_of(self, file: str) -> list[str]:
        return [line for where, line in self.lines if where == file]


@dataclass
class Frame:
    """The records that a question is about, and the names of their columns.

    joined: columns of other tables; names: by key, the joined columns that may name what it stands for; titles: of
    documents that the question names.
    """

    records: list[Record]
    headers: list[str]
    joined: set[str] = field(default_factory=set)
    names: dict[str, list[str]] = field(default_factory=dict)
    titles: tuple[str, ...] = ()

    def column(self, name: str) -> list[str]:
        return [record.cell(name) for record in self.records]


def base(file: str) -> str:
    """A file's name without folders."""
    return file.rsplit("/", 1)[-1]


def bare(file: str) -> str:
    """A file's name without folders and ending."""
    return base(file).rsplit(".", 1)[0]


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
    return re.search(rf"(?<!\w){re.escape(value)}(?:s|'s)?(?!\w)", text) is not None


def is_id(name: str) -> bool:
    """Whether a column's name says that it numbers things."""
    return bool(_NUMBERING & set(words(name)))


@lru_cache(maxsize=1_024)
def world(sources: Sources) -> World:
    """Read tool outputs."""
    sheets, lines = [], []
    for file, text in sources:
        tables, others = read(text)
        lines += [(file, line) for line in others]
        for table in tables:
            times, names = Counter(), {}
            for name, unit in map(units.header, table.headers):
                times[name] += 1
                names[name if times[name] == 1 else f"{name} {times[name]}"] = unit
            known = {name: unit for name, unit in names.items() if unit}
            sheets.append(Sheet(file, table.name, tuple(names), known, table.rows))
    return World(tuple(sheets), tuple(lines), tuple(file for file, _ in sources))
