"""Tables among lines of text: delimited, set in columns, logs, lists of `name: figure`."""

from __future__ import annotations

import csv
import io
import re

from .cells import Table, date, number, records

_LOG = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d)?)\S* (.+)")
_ITEM = re.compile(r"\s*(?:[-*•]|\d+[.)])?\s*([^:|]{2,50}?)\s*:\s*([-+]?[$€]?\d[\d.,]*)\s*(.{0,30})$")
_BULLET = re.compile(r"\s*[-*•]\s+([\d.,/]+)\s*([A-Za-z]{1,12})?\s+(?:of )?([A-Za-z][\w -]{1,40})$")
_GAP = re.compile(r"\s{2,}|\t")


def lined(text: str, name: str) -> tuple[list[Table], list[str]]:
    """The tables among lines of prose: delimited, in columns, logs, and lists of `name: figure`."""
    tables, others = _delimited(text, name)
    tables += _logs(others)
    tables += _columns(others, name, tables)
    tables += _items(others, name)
    return tables, others


def _logs(lines: list[str]) -> list[Table]:
    found_records, kept = [], []
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
        found_records.append({**record, "message": " ".join(rest)})
    if len(found_records) < 3:
        return []
    lines[:] = kept
    return [records("", found_records)]


def _heading(lines: list[str], at: int, name: str) -> str:
    """The nearest line above that titles what follows: a heading, or words in capitals."""
    for line in reversed(lines[max(0, at - 8) : at]):
        if (
            line.startswith("#")
            or (line.isupper() and not any(map(str.isdigit, line)))
            or re.fullmatch(r"[A-Z][\w ]{2,30}:?", line)
        ):
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
            head = (
                tuple(block[0])
                if headed
                else known or ("name", "value", *(f"field {n}" for n in range(3, 9)))[: len(block[0])]
            )
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
            found.setdefault((_heading(lines, at, name), ("name", "value", "note")), []).append(
                (at, (item[1], item[2], item[3]))
            )
        elif item := _BULLET.match(line):
            found.setdefault((_heading(lines, at, name), ("value", "unit", "name")), []).append(
                (at, (item[1], item[2] or "", item[3]))
            )
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
            title = name or next(
                (line.strip("# ").strip() for line in reversed(others[-2:]) if line.startswith("#")), ""
            )
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
            try:
                return next(csv.reader(io.StringIO(line), delimiter=one), []), one
            except csv.Error:
                return line.split(one), one
    return [line], ""


def _has_header(block: list[list[str]]) -> bool:
    """The first line names columns: no cell of it is a number, none but the first is empty."""
    first = block[0]
    return all(
        number(cell) is None and date(cell) is None
        for cell in first
        if not cell.strip().isdigit() or len(cell.strip()) != 4
    ) and any(cell.strip() for cell in first)


__all__ = ["lined"]
