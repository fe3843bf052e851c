"""Which records count, and which of them a question asks about."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from functools import lru_cache

from . import units
from .cells import date, number
from .question import Question, words
from .world import Frame, Record, Sources, Treatments, World, bare, is_id, mentioned, plain, world

DEAD = frozenset((
    "cancelled", "canceled", "void", "voided", "test", "withdrawn", "rejected", "annulled", "draft", "deleted",
    "invalid", "refunded", "expired", "inactive", "disqualified", "abandoned", "dsq", "dnf", "reversed",
))  # fmt: skip
"""Words that mark a record as one that does not count: common knowledge."""
_TOTAL = re.compile(r"^\W*(?:sub-?|grand )?(?:total|sum|all)s?\b", re.I)
_EVEN = re.compile(r"\b(?:including|even|whatever|regardless|irrespective|no matter)\b[^.?]*", re.I)
_ABOUT_ROWS = re.compile(r"\b(?:count|stay|left|kept|part|marked|status|sent|appear|listed)\b", re.I)
Kept = dict[str, list[str]]
"""The values that records must have, by column."""


def counting(main: Frame, question: Question, seen: World, on: Treatments) -> list[Record]:
    """The records that count, under the treatments that leave some out."""
    records = main.records
    if "totals" in on:
        records = [row for row in records if not any(_TOTAL.match(cell) for cell in list(row.cells.values())[:2])]
    key = next((name for name in main.headers[:6] if is_id(name) and name not in main.joined), "")
    if "once" in on and key:
        firsts: dict[str, Record] = {}
        for record in records:
            firsts.setdefault(record.cell(key), record)
        records = list(firsts.values())
    marks = {name[5:] for name in on if name.startswith("skip=")} | (DEAD if "skip" in on else set())
    if marks:
        dead = {file for file in {record.file for record in records} if _is_dead(file, seen, marks)}
        records = [record for record in records if record.file not in dead]
        if not ("skip?" in on and _EVEN.search(question.text)):
            columns = [name for name in main.headers if _is_status(name, main)]
            states = [{row.cell(name).strip().casefold() for name in columns} for row in records]
            records = [row for row, said in zip(records, states, strict=True) if not said & marks]
    return records


def _is_status(name: str, main: Frame) -> bool:
    """Whether a column holds few words, again and again, as a status does."""
    cells = main.column(name)
    kinds = set(cells)
    again = len(kinds) <= 8 and (len(kinds) < len(cells) or "stat" in name)
    return again and not all(number(cell) is not None for cell in kinds)


def _is_dead(file: str, seen: World, marks: set[str]) -> bool:
    """Whether its own heading, or a list elsewhere, says that one of several files does not count."""
    name = re.sub(r"[_-]+", " ", bare(file)).casefold()
    for where, line in seen.lines if len(seen.files) > 1 else ():
        lower = line.casefold()
        if len(line) < 80 and not _ABOUT_ROWS.search(line) and marks & set(re.findall(r"[a-z]+", lower)):
            own = where == file and line.startswith("#") and len(line.split()) < 7
            if own or re.match(rf"\W*{re.escape(name)}\W", lower):
                return True
    return False


@lru_cache(maxsize=4_096)
def marks_in(sources: Sources) -> tuple[str, ...]:
    """The words that stand again and again in short columns, and so may mark rows; the rarer first."""
    shares: dict[str, float] = defaultdict(float)
    for sheet in world(sources).sheets:
        for column in zip(*sheet.rows, strict=True):
            times = Counter(cell.strip().casefold() for cell in column)
            if len(column) >= 4 and 2 <= len(times) <= 4:
                for word, count in times.items():
                    if word.replace(" ", "").isalpha() and len(word) > 2 and 2 * count <= len(column):
                        shares[word] = max(shares[word], count / len(column))
    return tuple(sorted(shares, key=lambda word: (shares[word], word)))


def filters(main: Frame, question: Question, target: str | None) -> Kept:
    """Values of columns that the question names, the longest first; each stands for itself alone."""
    text = _EVEN.sub(" ", question.text, count=1).casefold()
    for title in main.titles:
        text = text.replace(title.casefold(), " ")
    money = units.kind(question.unit) == "money"
    named = [
        (name, cell) for name in main.headers
        if name not in (target, "unit", "note") and not (money and "currency" in name)
        for cell in dict.fromkeys(main.column(name)) if _names(cell, text)
    ]  # fmt: skip
    chosen: Kept = defaultdict(list)
    for name, cell in sorted(named, key=lambda item: -len(item[1])):
        lower = cell.casefold()
        if mentioned(cell, text) or lower in map(str.casefold, chosen[name]):
            chosen[name].append(cell)
            text = re.sub(rf"(?<!\w){re.escape(lower)}", " ", text)
    return {name: cells for name, cells in chosen.items() if cells} or _by_number(main, question, target)


def _names(cell: str, text: str) -> bool:
    worded = number(cell) is None and date(cell) is None and not units.known(cell) and not _TOTAL.match(cell)
    return worded and 0 < len(cell) < 60 and mentioned(cell, text)


def _by_number(main: Frame, question: Question, target: str | None) -> Kept:
    """A train, a sensor or a meter may be named by a number."""
    asked = set(re.findall(r"(?<![\w.,-])\d{1,6}(?![\w.,-])", question.text)) - set(question.years)
    for name in main.headers:
        if name != target and (is_id(name) or set(words(name)) & question.words):
            cells = [cell for cell in dict.fromkeys(main.column(name)) if cell in asked]
            if cells:
                return {name: cells}
    return {}


def passes(record: Record, kept: Kept, on: Treatments) -> bool:
    """Whether a record has the values that the question names."""
    return all(
        plain(record.cell(name).casefold(), "keys" in on) in {plain(cell.casefold(), "keys" in on) for cell in cells}
        for name, cells in kept.items()
    )


def in_time(records: list[Record], main: Frame, question: Question) -> list[Record]:
    """The records of the time that the question asks about."""
    if question.span is None:
        return records
    first, last = question.span
    days = [name for name in main.headers if any(date(record.cell(name)) for record in records[:8])]
    name = next((name for name in days if "valid" not in words(name)), "")
    if name:
        return [record for record in records if first <= (date(record.cell(name)) or (0, 0, 0)) <= last]
    year = next((name for name in main.headers if {"year", "published"} & set(words(name))), "")
    if year and question.years:
        return [record for record in records if first[0] <= (number(record.cell(year)) or 0) <= last[0]]
    return records
