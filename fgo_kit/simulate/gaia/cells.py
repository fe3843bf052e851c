"""Tables, and what stands in their cells: numbers with signs and units, dates in words and figures."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache

Date = tuple[int, int, int]
"""(year, month, day), day 0 where only a month is named."""

_NUMBER = re.compile(r"[-+−(]?\s*[$€£¥]?\s*\d[\d, '\u00a0\u202f]*(?:[.]\d+)?")
_UNIT = re.compile(r"[\s%°]*[A-Za-z°%µ²³/€$£]*(?: per [A-Za-z]+)?")
MONTHS = {
    "january": 1, "jan": 1, "february": 2, "feb": 2, "march": 3, "mar": 3, "april": 4, "apr": 4, "may": 5, "june": 6,
    "jun": 6, "july": 7, "jul": 7, "august": 8, "aug": 8, "september": 9, "sept": 9, "sep": 9, "october": 10, "oct": 10,
    "november": 11, "nov": 11, "december": 12, "dec": 12,
}  # fmt: skip
_DATES = tuple(re.compile(form, re.I) for form in (
    r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})(?:[-/.](?P<d>\d{1,2}))?",
    r"(?P<d>\d{1,2})[./](?P<m>\d{1,2})[./](?P<y>\d{4})",
    rf"(?:(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\s+)?(?P<m>{'|'.join(MONTHS)})\.?\s+(?P<y>\d{{4}})",
    rf"(?P<m>{'|'.join(MONTHS)})\.?\s+(?P<d>\d{{1,2}}),?\s+(?P<y>\d{{4}})",
))  # fmt: skip


@dataclass(frozen=True)
class Table:
    """Rows of cells as text under headers. `name`: the sheet, or the list of records, that it is."""

    name: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@lru_cache(maxsize=131_072)
def _figure(text: str) -> tuple[float | None, str]:
    """(number, unit beside it) of a cell, or (None, "")."""
    text = text.strip()
    match = _NUMBER.match(text) if any(map(str.isdigit, text)) else None
    if not match:
        return None, ""
    unit = text[match.end() :].strip(" )")
    if not _UNIT.fullmatch(unit) or len(unit) > 16 or re.match(r"[-/.:]\d", text[match.end() :]):
        return None, ""
    value = float(re.sub(r"[^\d.]", "", match[0]))
    return -value if match[0].lstrip()[:1] in "-−(" else value, unit


def number(text: str) -> float | None:
    """The number that a cell is, or None. Currency signs, separators, per cent and units may stand beside it.

    >>> number("$1,234.50"), number("(12)"), number("12 kg"), number("A-12"), number("")
    (1234.5, -12.0, 12.0, None, None)
    """
    return _figure(text)[0]


def unit_beside(text: str) -> str:
    """The unit written beside the number of a cell, or "".

    >>> unit_beside("12 kg"), unit_beside("12")
    ('kg', '')
    """
    return _figure(text)[1]


@lru_cache(maxsize=65_536)
def date(text: str) -> Date | None:
    """(year, month, day) of a text that starts with a date, day 0 where it names only a month; or None.

    >>> date("2024-03-09"), date("9 March 2024"), date("March 2024"), date("x")
    ((2024, 3, 9), (2024, 3, 9), (2024, 3, 0), None)
    """
    match = next(filter(None, (form.match(text.strip()) for form in _DATES)), None)
    if match is None:
        return None
    month = MONTHS.get(match["m"].casefold()) or int(match["m"])
    return (int(match["y"]), month, int(match["d"] or 0)) if 1 <= month <= 12 else None


def cell_text(value) -> str:
    """A JSON value as the text of a cell."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def records(name: str, items: list[dict]) -> Table:
    """A table of JSON-like records; records in records give columns of two words."""
    flat = []
    for item in items:
        row = {}
        for key, value in item.items():
            inner = {f"{key} {name}": more for name, more in value.items()} if isinstance(value, dict) else {key: value}
            row |= {str(header): cell_text(cell) for header, cell in inner.items()}
        flat.append(row)
    headers = tuple(dict.fromkeys(header for row in flat for header in row))
    return Table(name, headers, tuple(tuple(row.get(header, "") for header in headers) for row in flat))
