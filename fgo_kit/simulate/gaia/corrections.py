"""Figures that lines elsewhere correct: which records and which figure a correction speaks of."""

from __future__ import annotations

import re

from .cells import number
from .question import Question, words
from .world import Frame, Record, bare, is_id, mentioned

CORRECTION = re.compile(
    r"\b(?:correct\w*|errat\w*|amend\w*|instead of|should (?:be|read)|replac\w*|mistake\w*|wrong\w*|now)\b", re.I
)
_INSTEAD = re.compile(r"([\d.,:]+)\D{0,12}?\b(?:instead of|rather than|\(not|, not)\s+[\d.,:]+", re.I)
_FIGURE = re.compile(r"(?<![\w.])-?\d[\d,]*(?::\d\d)?(?:\.\d+)?(?![\w-])")
ADDED = re.compile(r"\b(?:added|add|plus|deducted|subtracted|penalty)\b", re.I)


def correct(main: Frame, lines: list[str], question: Question) -> None:
    """Replace the figures that lines elsewhere correct: where a line names records and a new figure."""
    for line in lines:
        for record in _named(main, line):
            new = _new_figure(line, record)
            column = _figure_column(main, record, question, line) if new else ""
            if column and ADDED.search(line):
                sign = -1 if re.search(r"deduct|subtract|minus", line) else 1
                record.cells[column] = f"{(number(record.cell(column)) or 0) + sign * (number(new) or 0):g}"
            elif column:
                record.cells[column] = new


def _named(main: Frame, line: str) -> list[Record]:
    """The records that most of the values in a line speak of; the name of one of several files counts as a value."""
    files = {record.file for record in main.records}
    named = {file for file in files if mentioned(bare(file), line)}
    scores = []
    for record in main.records:
        texts = [cell for cell in record.cells.values() if cell and (number(cell) is None or len(cell) > 4)]
        hits = sum(mentioned(cell, line) for cell in texts)
        scores.append(hits + (record.file in named and len(named) < len(files)) if hits else 0)
    most = max(scores, default=0)
    best = [record for record, score in zip(main.records, scores, strict=True) if score == most > 0]
    return best if len(best) <= max(3, len(main.records) // 6) else []


def _new_figure(line: str, record: Record) -> str:
    if match := _INSTEAD.search(line):  # else the new figure comes last
        return match[1].strip(".,")
    old = {cell.strip() for cell in record.cells.values()}
    fresh = [figure for figure in _FIGURE.findall(line) if figure not in old]
    return fresh[-1].replace(",", "") if fresh else ""


def _figure_column(main: Frame, record: Record, question: Question, line: str) -> str:
    """The column of figures that the line speaks of, else the question, else the last one."""
    numeric = [name for name in main.headers if number(record.cell(name)) is not None and not is_id(name)]
    numeric = [name for name in numeric if name not in main.joined] or numeric
    named = [name for name in numeric if set(words(name)) & set(words(line))]
    asked = [name for name in numeric if set(words(name)) & question.words]
    return (named or asked or numeric or [""])[-1]
