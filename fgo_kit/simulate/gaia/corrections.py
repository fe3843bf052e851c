"""Figures that lines elsewhere correct: which records and which figure a correction speaks of."""

from __future__ import annotations

import re

from .cells import number
from .question import Query, words
from .world import Frame, Row, World, is_id, mentioned

CORRECTION = re.compile(
    r"\b(?:correct\w*|errat\w*|amend\w*|instead of|should (?:be|read)|replac\w*|mistake\w*|wrong\w*|now)\b", re.I
)
_NOT_BUT = re.compile(
    r"\bnot\s+([\d.,:]+)\D{1,12}?\bbut\s+([\d.,:]+)|([\d.,:]+)\D{0,12}?\b(?:instead of|rather than|\(not|"
    r", not)\s+[\d.,:]+",
    re.I,
)
_FIGURE = re.compile(r"(?<![\w.])-?\d[\d,]*(?::\d\d)?(?:\.\d+)?(?![\w-])")
ADDED = re.compile(r"\b(?:added|add|plus|deducted|subtracted|penalty)\b", re.I)


def correct(main: Frame, lines: list[str], query: Query, seen: World) -> None:
    """Replace the figures that lines elsewhere correct: where a line names records and a new figure."""
    for line in lines:
        touched = _named(main, line, seen)
        figures = [text for text in _FIGURE.findall(line)]
        for row in touched:
            mine = {cell.strip() for cell in row.cells.values()}
            new = _new_figure(line, figures, row)
            column = _figure_column(main, row, query, line) if new else ""
            if column and ADDED.search(line):
                sign = -1 if re.search(r"deduct|subtract|minus", line) else 1
                row.cells[column] = f"{(number(row.cells[column]) or 0) + sign * (number(new) or 0):g}"
            elif column and new not in {row.cells.get(column)} | (mine if len(mine) < 2 else set()):
                row.cells[column] = new


def _named(main: Frame, line: str, seen: World) -> list[Row]:
    """The rows that most of the values in a line speak of; a word of their file's own notes counts as one."""
    scores = []
    line = line.casefold()
    told: dict[str, bool] = {}
    for file in dict.fromkeys(row.file for row in main.rows):
        own = {
            word
            for where, text in seen.lines
            if where == file and text.startswith("#")
            for word in re.findall(r"[A-Z]\w{3,}", text)
        }
        told[file] = any(mentioned(word, line) for word in own if not re.search(rf"(?i)\b{word}\b", file)) or mentioned(
            file.rsplit("/", 1)[-1].rsplit(".", 1)[0], line
        )
    if len(set(told.values())) < 2:
        told = dict.fromkeys(told, False)
    for row in main.rows:
        texts = [cell for cell in row.cells.values() if cell and (number(cell) is None or len(cell) > 4)]
        hits = sum(len(cell) > 1 and mentioned(cell, line) for cell in texts)
        scores.append(hits + told[row.file] if hits else 0)
    most = max(scores, default=0)
    found = [row for row, score in zip(main.rows, scores, strict=True) if score == most and most > 0]
    return found if len(found) <= max(3, len(main.rows) // 6) else []


def _new_figure(line: str, figures: list[str], row: Row) -> str:
    if found := _NOT_BUT.search(line):
        return (found[2] or found[3]).strip(".,")
    old = {cell.strip() for cell in row.cells.values()}
    fresh = [figure for figure in figures if figure not in old]
    return fresh[-1].replace(",", "") if fresh else ""


def _figure_column(main: Frame, row: Row, query: Query, line: str) -> str:
    numeric = [name for name in main.headers if number(row.cells.get(name, "")) is not None and not is_id(name)]
    numeric = [name for name in numeric if name not in main.joined] or numeric
    told = [name for name in numeric if set(words(name)) & set(words(line))]
    asked = [name for name in numeric if set(words(name)) & query.words]
    return (told or asked or numeric or [""])[-1]


__all__ = ["ADDED", "CORRECTION", "correct"]
