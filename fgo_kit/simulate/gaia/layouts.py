"""Tables among lines of text: delimited, set in columns, logs, lists of `name: figure`."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from itertools import groupby

from .cells import Table, date, number, records

_LOG = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d)?)\S* (.+)")
_LISTS = {
    ("name", "value", "note"): re.compile(
        r"\s*(?!\W*(?:correct|errat|note|amend))(?:[-*•]|\d+[.)])?\s*([^:|]{2,50}?)\s*:\s*"
        r"([-+]?[$€]?\d[\d.,]*)\s*(.{0,30})$", re.I,
    ),
    ("value", "unit", "name"): re.compile(
        r"\s*[-*•]\s+([\d.,/]+)\s*([A-Za-z]{1,12})?\s+(?:of )?([A-Za-z][\w -]{1,40})$"
    ),
}  # fmt: skip
_LONGEST = 100_000  # beyond it, in characters, a line is no row: csv has such a limit too
_GAP = re.compile(r"\s{2,}|\t")
_RULER = re.compile(r"\s*\|?[\s:|-]*-{3,}[\s:|-]*")
_TITLE = re.compile(r"#.*|[^a-z\d]*[A-Z][^a-z\d]*|[A-Z][\w ]{2,30}:?")


def lined(text: str, name: str) -> tuple[list[Table], list[str]]:
    """(tables, lines outside them) of lines of prose."""
    tables, lines = _delimited(text, name)
    for form in (_logs, _columns, _lists):
        more, lines = form(lines, name, tables)
        tables += more
    return tables, lines


def _delimited(text: str, name: str) -> tuple[list[Table], list[str]]:
    """Lines of as many cells under a line of column names; a cell more or less is forgiven below the first rows."""
    tables, others, block, mark = [], [], [], ""
    for line in [*text.splitlines(), ""]:
        if block and mark == "|" and _RULER.fullmatch(line):
            continue
        cells, used = _cells(line, mark if block else "")
        if block and (used != mark or abs(len(cells) - len(block[0])) > (len(block) > 2)):
            header, *rows = block
            if rows and _names_columns(header):
                title = name or next((line.strip("# ") for line in reversed(others[-2:]) if line[0] == "#"), "")
                padded = (tuple((row + [""] * len(header))[: len(header)]) for row in rows)
                tables.append(Table(title, tuple(header), tuple(padded)))
            else:
                others += [mark.join(row) for row in block]
            block = []
        if len(cells) > 1:
            block.append(cells)
            mark = used
        elif line.strip():
            others.append(line.strip())
    return tables, others


def _cells(line: str, mark: str) -> tuple[list[str], str]:
    """(cells, what sets them apart): by the mark of the lines above if there is one; ([line], "") for prose."""
    if line.lstrip().startswith("|") and line.count("|") > 2:
        return [cell.strip() for cell in line.strip().strip("|").split("|")], "|"
    marks = (mark,) if mark.strip("|") and mark in line else ("\t", ",", ";", " | ")
    used = next((used for used in marks if used in line), "")
    prose = ", " in line and len(line.split()) > 6 and (line.rstrip()[-1:] in ".:;?!" or line.lstrip()[:1] == "-")
    if line.startswith("#") or not used or (used == "," and prose) or len(line) > _LONGEST:
        return [line], ""
    cells = line.split(used) if used == " | " else next(csv.reader([line], delimiter=used), [])
    return [cell.strip() for cell in cells], used


def _names_columns(header: list[str]) -> bool:
    """Whether no cell of a line is a figure or a date, years apart."""
    figures = (cell for cell in header if not re.fullmatch(r"\d{4}", cell))
    return any(header) and all(number(cell) is None and date(cell) is None for cell in figures)


def _logs(lines: list[str], name: str, before: list[Table]) -> tuple[list[Table], list[str]]:
    """Lines that begin with a date and a time; key=value pairs become columns."""
    entries = [match for line in lines if (match := _LOG.match(line))]
    if len(entries) < 3:
        return [], lines
    rows = []
    for day, time, text in (match.groups() for match in entries):
        entry, message = {"date": day, "time": time}, []
        for at, word in enumerate(text.split()):
            key, equals, value = word.partition("=")
            if equals:
                entry[key] = value
            elif at < 2:
                entry[f"field {at + 1}"] = word.strip("[]:,")
            else:
                message.append(word)
        rows.append({**entry, "message": " ".join(message)})
    return [records("", rows)], [line for line in lines if not _LOG.match(line)]


def _heading(above: list[str], name: str) -> str:
    """The nearest line above that titles what follows: a heading, or words in capitals."""
    return next((line.strip("#: ") for line in reversed(above[-8:]) if _TITLE.fullmatch(line)), name)


def _columns(lines: list[str], name: str, before: list[Table]) -> tuple[list[Table], list[str]]:
    """Columns set apart by blanks; a part without a header has that of the part before it."""
    tables, others = [], []
    for width, group in groupby(lines, key=lambda line: len(_GAP.split(line.strip()))):
        part = list(group)
        block = [tuple(_GAP.split(line.strip())) for line in part]
        known = next((table.headers for table in reversed([*before, *tables]) if len(table.headers) == width), None)
        worded = [number(row[-1]) is None for row in block]
        per = {re.sub(r"[\d.,\s]+", "", row[-1]) for row in block}
        header = ("name", "value", *(f"field {n}" for n in range(3, width + 1)))
        if worded[0] and (len(block) == 1 or not all(worded)):
            header, *block = block
        elif width == 2 and len(per) == 1 and "per" in min(per):
            header = "name", f"rate_per_{min(per).rpartition('per')[2]}"
        else:
            header = known or header
        if width > 1 and len(block) > (not known):
            tables.append(Table(_heading(others, name), header, tuple(block)))
        else:
            others += part
    return tables, others


def _lists(lines: list[str], name: str, before: list[Table]) -> tuple[list[Table], list[str]]:
    """Lines of `name: figure`, or of `figure unit name`, under one heading; single ones stay lines."""
    items: dict[tuple, dict[int, tuple[str, ...]]] = defaultdict(dict)
    for at, line in enumerate(lines):
        for headers, form in _LISTS.items():
            if match := form.match(line):
                items[_heading(lines[:at], name), headers][at] = match.groups("")
                break
    lists = {key: rows for key, rows in items.items() if len(rows) > 1}
    taken = {at for rows in lists.values() for at in rows}
    tables = [Table(title, headers, tuple(rows.values())) for (title, headers), rows in lists.items()]
    return tables, [line for at, line in enumerate(lines) if at not in taken]
