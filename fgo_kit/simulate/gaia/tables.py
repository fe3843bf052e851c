"""What a tool's output holds: tables, whatever format they were written in, and the lines around them.

Nothing here knows where a text comes from: a sheet, a CSV file, JSON records, a table of a page or an XML
list all become a `Table`; what is no table stays as lines.
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from xml.etree import ElementTree

_SHEET = re.compile(r"^#{1,3} (?:sheet:? (.*)|(page \d+))$", re.MULTILINE | re.IGNORECASE)
_CUT = re.compile(r"\[cut: ([\d,]+) more characters.*\]\s*\Z")
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
    rf"(?:(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\s+)?(?P<m>{'|'.join(MONTHS)})\.?\s+(?:(?P<e>\d{{1,2}}),?\s+)?(?P<y>\d{{4}})", re.I
)
_DTD = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.I)
_MAX_XML = 200_000


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


@lru_cache(maxsize=4_096)
def read(text: str) -> Document:
    """Read one tool output."""
    text = text.replace("&lt;", "<")
    found = _CUT.search(text)
    cut = int(found[1].replace(",", "")) if found else 0
    text = text[: found.start()] if found else text
    parts = _SHEET.split(text)
    if len(parts) > 1:
        tables, lines = _lined(parts[0], "")
        for name, page, body in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            more, others = _lined(body, (name or page).strip())
            tables += more
            lines += others
        return Document(tuple(tables), tuple(lines), cut)
    for form in (_json, _json_lines, _xml):
        read_as = form(text)
        if read_as is not None:
            return Document(tuple(read_as[0]), tuple(read_as[1]), cut)
    tables, lines = _lined(text, "")
    return Document(tuple(tables), tuple(lines), cut)


def _json(text: str):
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    tables, lines = [], []
    _walk(value, "", tables, lines, 0)
    return tables, lines


def _walk(value, name: str, tables: list, lines: list, depth: int) -> None:
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        tables.append(_records(name, value))
        if depth < 4:
            for one in value:
                for key, inner in one.items():
                    if isinstance(inner, list) and inner and isinstance(inner[0], dict):
                        _walk([{**_flat(one), **row} for row in inner if isinstance(row, dict)], key, tables, lines, 4)
    elif isinstance(value, list):
        lines.append(f"{name}: {', '.join(_cell(one) for one in value)}")
    elif isinstance(value, dict):
        if len(value) > 1 and all(isinstance(one, dict) for one in value.values()):
            tables.append(_records(name, [{"name": key, **one} for key, one in value.items()]))
        elif len(value) > 2 and all(isinstance(one, int | float) for one in value.values()):
            tables.append(Table(name, ("name", name or "value"), tuple((key, _cell(one)) for key, one in value.items())))
        if depth < 4:
            for key, inner in value.items():
                _walk(inner, key, tables, lines, depth + 1)
    else:
        lines.append(f"{name}: {_cell(value)}")


def _flat(record: dict) -> dict:
    return {key: value for key, value in record.items() if not isinstance(value, dict | list)}


def _cell(value) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _records(name: str, records: list[dict]) -> Table:
    flat = []
    for one in records:
        row = {}
        for key, value in one.items():
            if isinstance(value, dict):
                row |= {f"{key} {inner}": _cell(more) for inner, more in value.items()}
            else:
                row[str(key)] = _cell(value)
        flat.append(row)
    headers = tuple(dict.fromkeys(key for row in flat for key in row))
    return Table(name, headers, tuple(tuple(row.get(key, "") for key in headers) for row in flat))


def _json_lines(text: str):
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2 or not lines[0].lstrip().startswith("{"):
        return None
    records = []
    for line in lines:
        try:
            one = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(one, dict):
            records.append(one)
    return ([_records("", records)], []) if len(records) > 1 else None


def _xml(text: str):
    if not text.lstrip().startswith("<") or _DTD.search(text) or len(text) > _MAX_XML:
        return None
    try:
        root = ElementTree.fromstring(text.strip().encode())
    except (ElementTree.ParseError, ValueError):
        return None
    tables, lines = [], []
    for parent in root.iter():
        kinds: dict[str, list] = {}
        for child in parent:
            kinds.setdefault(_local(child.tag), []).append(child)
        for kind, children in kinds.items():
            records = [_element(child) for child in children]
            if len(children) > 1 and all(len(record) > 0 for record in records):
                tables.append(_records(kind, records))
            elif not len(children[0]) and not any(table.name == _local(parent.tag) for table in tables):
                lines += [f"{kind}: {(child.text or '').strip()}" for child in children]
    return tables, lines


def _element(element) -> dict:
    record = {_local(key): value for key, value in element.attrib.items()}
    for child in element:
        if len(child) == 0:
            record[_local(child.tag)] = (child.text or "").strip()
            record |= {f"{_local(child.tag)} {_local(key)}": value for key, value in child.attrib.items()}
    if not record and (element.text or "").strip():
        return {}
    if record and (element.text or "").strip():
        record[_local(element.tag)] = element.text.strip()
    return record


def _local(tag: str) -> str:
    return tag.rsplit("}", 1)[-1]


_LOG = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d)?)\S* (.+)")
_ITEM = re.compile(r"\s*(?:[-*•]|\d+[.)])?\s*([^:|]{2,50}?)\s*:\s*([-+]?[$€]?\d[\d.,]*)\s*(.{0,30})$")
_BULLET = re.compile(r"\s*[-*•]\s+([\d.,/]+)\s*([A-Za-z]{1,12})?\s+(?:of )?([A-Za-z][\w -]{1,40})$")
_GAP = re.compile(r"\s{2,}|\t")


def _lined(text: str, name: str) -> tuple[list[Table], list[str]]:
    """The tables among lines of prose: delimited, in columns, logs, and lists of `name: figure`."""
    tables, others = _delimited(text, name)
    tables += _logs(others)
    tables += _columns(others, name, tables)
    tables += _items(others, name)
    return tables, others


def _logs(lines: list[str]) -> list[Table]:
    records, kept = [], []
    for line in lines:
        found = _LOG.match(line)
        if not found:
            kept.append(line)
            continue
        record, rest = {"date": found[1], "time": found[2]}, []
        for at, word in enumerate(found[3].split()):
            key, equals, value = word.partition("=")
            if equals:
                record[key] = value
            elif at < 2:
                record[f"field {at + 1}"] = word.strip("[]:,")
            else:
                rest.append(word)
        records.append({**record, "message": " ".join(rest)})
    if len(records) < 3:
        return []
    lines[:] = kept
    return [_records("", records)]


def _heading(lines: list[str], at: int, name: str) -> str:
    """The nearest line above that titles what follows: a heading, or words in capitals."""
    for line in reversed(lines[max(0, at - 8) : at]):
        if line.startswith("#") or (line.isupper() and not any(map(str.isdigit, line))) or re.fullmatch(r"[A-Z][\w ]{2,30}:?", line):
            return line.strip("#: ").strip()
    return name


def _columns(lines: list[str], name: str, before: list[Table]) -> list[Table]:
    """Columns set apart by blanks; a part without a header has that of the part before it."""
    tables, block, at = [], [], 0
    taken: set[int] = set()
    for number_, line in enumerate([*lines, ""]):
        cells = [cell.strip() for cell in _GAP.split(line.strip())] if line else []
        if len(cells) >= 2 and (not block or len(cells) == len(block[0])):
            at = at if block else number_
            block.append(cells)
            taken.add(number_)
            continue
        if block:
            last = [number(row[-1]) is None for row in block]
            headed = last[0] and (len(block) == 1 or not all(last))
            known = next((t.headers for t in reversed([*before, *tables]) if len(t.headers) == len(block[0])), None)
            last_cells = {re.sub(r"[\d.,\s]+", "", row[-1]) for row in block}
            rate = next(iter(last_cells)) if not headed and len(last_cells) == 1 else ""
            if "per" in rate and len(block[0]) == 2:
                known = ("name", f"rate_per_{rate.rpartition('per')[2]}")
            head = tuple(block[0]) if headed else known or ("name", "value", *(f"field {n}" for n in range(3, 9)))[: len(block[0])]
            rows = tuple(map(tuple, block[1:] if headed else block))
            if rows and (len(rows) > 1 or known):
                tables.append(Table(_heading(lines, at, name), head, rows))
            else:
                taken -= set(range(at, number_))
            block = []
        if len(cells) >= 2:
            block, at = [cells], number_
            taken.add(number_)
    lines[:] = [line for number_, line in enumerate(lines) if number_ not in taken]
    return tables


def _items(lines: list[str], name: str) -> list[Table]:
    """Lists of `name: figure` or `figure unit name`; single ones stay lines."""
    found: dict[tuple, list] = {}
    taken: set[int] = set()
    for at, line in enumerate(lines):
        if (item := _ITEM.match(line)) and not re.match(r"\W*(?:correct|errat|note|amend)", line, re.I):
            found.setdefault((_heading(lines, at, name), ("name", "value", "note")), []).append((at, (item[1], item[2], item[3])))
        elif item := _BULLET.match(line):
            found.setdefault((_heading(lines, at, name), ("value", "unit", "name")), []).append((at, (item[1], item[2] or "", item[3])))
    tables = []
    for (title, headers), rows in found.items():
        if len(rows) > 1:
            taken |= {at for at, _ in rows}
            tables.append(Table(title, headers, tuple(row for _, row in rows)))
    lines[:] = [line for at, line in enumerate(lines) if at not in taken]
    return tables


def _delimited(text: str, name: str) -> tuple[list[Table], list[str]]:
    tables, others = [], []
    block: list[list[str]] = []
    mark = ""

    def close() -> None:
        nonlocal block
        if len(block) >= 2 and _has_header(block):
            width = len(block[0])
            rows = tuple(tuple(cell.strip() for cell in (row + [""] * width)[:width]) for row in block[1:])
            title = name or next((line.strip("# ").strip() for line in reversed(others[-2:]) if line.startswith("#")), "")
            tables.append(Table(title, tuple(cell.strip() for cell in block[0]), rows))
        else:
            others.extend(mark.join(row) for row in block)
        block = []

    for line in text.splitlines():
        if line.startswith("#"):
            if block:
                close()
            others.append(line.strip())
            continue
        if re.fullmatch(r"\s*\|?[\s:|-]*-{3,}[\s:|-]*", line) and block and mark == "|":
            continue
        cells, used = _cells(line, mark if block else "")
        if block and (used != mark or len(cells) != len(block[0])):
            if used == mark and mark == "," and abs(len(cells) - len(block[0])) <= 1 and len(block) > 2:
                block.append(cells)
                continue
            close()
        if len(cells) >= 2 and not (used == "," and _is_prose(line)):
            block.append(cells)
            mark = used
        elif line.strip():
            others.append(line.strip())
    if block:
        close()
    return tables, others


def _is_prose(line: str) -> bool:
    """A sentence with commas in it."""
    return ", " in line and len(line.split()) > 6 and (line.rstrip()[-1:] in ".:;?!" or line.lstrip()[:1] in "#-*")


def _cells(line: str, mark: str) -> tuple[list[str], str]:
    if line.lstrip().startswith("|") and line.count("|") > 2:
        return [cell.strip() for cell in line.strip().strip("|").split("|")], "|"
    marks = (mark,) if mark and mark != "|" and mark in line else ("\t", ",", ";", " | ")
    for one in marks:
        if one in line:
            if one == " | ":
                return [cell.strip() for cell in line.split(one)], one
            return next(csv.reader(io.StringIO(line), delimiter=one), []), one
    return [line], ""


def _has_header(block: list[list[str]]) -> bool:
    """The first line names columns: no cell of it is a number, none but the first is empty."""
    first = block[0]
    return all(number(cell) is None and date(cell) is None for cell in first if not cell.strip().isdigit() or len(cell.strip()) != 4) and any(
        cell.strip() for cell in first
    )


__all__ = ["MONTHS", "Document", "Table", "date", "number", "read", "unit_beside"]
