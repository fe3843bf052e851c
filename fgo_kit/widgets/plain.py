"""Pieces of the plain pages that stand for live ones: no script, no style sheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..records.showing import escape

_CELL = "text-align:left;overflow-wrap:break-word"
_MARKS = {"=": "{}", "-": "<del>{}</del>", "+": "<ins>{}</ins>"}


def table(heads: Sequence[str], rows: Iterable[Iterable]) -> str:
    """A table whose cells are HTML already, left-aligned.

    >>> table(["a"], [["<b>1</b>"]]).count("<tr>")
    2
    """
    lines = ["".join(f"<td style='{_CELL}'>{cell}</td>" for cell in row) for row in rows]
    head = "".join(f"<th style='{_CELL}'>{name}</th>" for name in heads)
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def marked(diff: list[list[str]]) -> str:
    """Parts of `node_view.word_diff` as HTML."""
    return f"<bdi>{''.join(_MARKS[op].format(escape(text)) for op, text in diff)}</bdi>"
