"""Tables, and what stands in their cells: numbers with signs and units, dates in words and figures."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache

_NUMBER = re.compile(r"[-+−(]?\s*[$€£¥]?\s*\d[\d, '\u00a0\u202f]*(?:[.]\d+)?")
_UNIT = re.compile(r"[\s%°]*[A-Za-z°%µ²³/€$£]*(?: per [A-Za-z]+)?")
_DATES = (
    re.compile(r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})(?:[-/.](?P<d>\d{1,2}))?"),
    re.compile(r"(?P<d>\d{1,2})[./](?P<m>\d{1,2})[./](?P<y>\d{4})"),
)
MONTHS = {
    name: number
    for number, names in enumerate(
        ("january jan", "february feb", "march mar", "april apr", "may may", "june jun", "july jul",
         "august aug", "september sep sept", "october oct", "november nov", "december dec"), 1
    )
    for name in names.split()
}  # fmt: skip
_WORDED = re.compile(
    rf"(?:(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\s+)?(?P<m>{'|'.join(MONTHS)})\.?\s+(?:(?P<e>\d{{1,2}}),?\s+)?(?P<y>\d{{4}})",
    re.I,
)


@dataclass(frozen=True)
class Table:
    """Rows of cells as text under headers. `name`: the sheet, or the list of records, that it is."""

    name: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, at: int) -> list[str]:
        return [row[at] for row in self.rows]


@dataclass(frozen=True)
class Document:
    """One tool output as read: tables, the lines outside them, how many characters were cut off."""

    tables: tuple[Table, ...]
    lines: tuple[str, ...]
    cut: int = 0

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@lru_cache(maxsize=131_072)
def number(text: str) -> float | None:
    """The number that a cell is, or None. Currency signs, separators, per cent and units may stand beside it.

    >>> number("$1,234.50"), number("(12)"), number("12 kg"), number("A-12"), number("")
    (1234.5, -12.0, 12.0, None, None)
    """
    text = text.strip()
    if not text or not any(map(str.isdigit, text)):
        return None
    found = _NUMBER.match(text)
    if not found:
        return None
    rest = text[found.end() :].strip(" )")
    if not _UNIT.fullmatch(rest) or (rest and len(rest) > 16) or re.match(r"[-/.:]\d", text[found.end() :]):
        return None
    digits = re.sub(r"[^\d.]", "", found[0])
    try:
        value = float(digits)
    except ValueError:
        return None
    return -value if found[0].lstrip()[:1] in "-−(" else value


def unit_beside(text: str) -> str:
    """The unit written beside the number of a cell, or "".

    >>> unit_beside("12 kg"), unit_beside("12")
    ('kg', '')
    """
    found = _NUMBER.match(text.strip())
    return text.strip()[found.end() :].strip(" )") if found else ""


@lru_cache(maxsize=65_536)
def date(text: str) -> tuple[int, int, int] | None:
    """(year, month, day) of a text that starts with a date, day 0 where it names only a month; or None.

    >>> date("2024-03-09"), date("9 March 2024"), date("March 2024"), date("x")
    ((2024, 3, 9), (2024, 3, 9), (2024, 3, 0), None)
    """
    for form in _DATES:
        if found := form.match(text.strip()):
            parts = found.groupdict()
            month = int(parts["m"])
            return (int(parts["y"]), month, int(parts["d"] or 0)) if 1 <= month <= 12 else None
    if found := _WORDED.match(text.strip()):
        return int(found["y"]), MONTHS[found["m"].casefold()], int(found["d"] or found["e"] or 0)
    return None


def cell_text(value) -> str:
    """A JSON value as the text of a cell."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def records(name: str, found: list[dict]) -> Table:
    """A table of JSON-like records; records in records give columns of two words."""
    flat = []
    for one in found:
        row = {}
        for key, value in one.items():
            if isinstance(value, dict):
                row |= {f"{key} {inner}": cell_text(more) for inner, more in value.items()}
            else:
                row[str(key)] = cell_text(value)
        flat.append(row)
    headers = tuple(dict.fromkeys(key for row in flat for key in row))
    return Table(name, headers, tuple(tuple(row.get(key, "") for key in headers) for row in flat))


__all__ = ["MONTHS", "Document", "Table", "cell_text", "date", "number", "records", "unit_beside"]
