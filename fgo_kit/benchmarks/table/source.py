"""Reads a table from wherever it is: its rows as dicts, each with its number, and what is wrong with the reading."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

from ...records.later import pandas as pd
from ..parquet import parquet_rows
from ..reading import json_lines, refuse_pointer, utf8_text

LONGEST_CELL = 10_000_000
SPLIT = "split"
"""The column in which a data set's parts (train, validation, test) are noted."""


class Faults:
    """What is wrong with a table, each fault with the numbers of its rows; all are told in one ValueError.

    >>> faults = Faults("mine.csv")
    >>> faults.add("column 'answer' is empty", 3, 7)
    >>> faults.refuse()
    Traceback (most recent call last):
    ValueError: mine.csv: 1 fault; correct it and load the table again:
    - column 'answer' is empty: rows 3, 7
    """

    def __init__(self, source: str, unit: str = "row"):
        self.source, self.unit = source, unit
        self._rows: dict[str, list[int]] = {}

    def add(self, fault: str, *rows: int) -> None:
        self._rows.setdefault(fault, []).extend(rows)

    def refuse(self) -> None:
        """Raises ValueError if there is any fault."""
        if not self._rows:
            return
        many = len(self._rows)
        lines = [f"- {fault}{_numbers(self.unit, rows)}" for fault, rows in self._rows.items()]
        rest = [f"- … and {many - 30} more"] if many > 30 else []
        told = f"{many} faults; correct them" if many > 1 else "1 fault; correct it"
        raise ValueError("\n".join([f"{self.source}: {told} and load the table again:", *lines[:30], *rest]))


def _numbers(unit: str, rows: list[int], most: int = 20) -> str:
    if not rows:
        return ""
    more = f" and {len(rows) - most} more" if len(rows) > most else ""
    return f": {unit}{'s' if rows[1:] else ''} {', '.join(map(str, rows[:most]))}{more}"


@dataclass(frozen=True)
class Rows:
    """A table as read. by_number: its rows by their numbers: from 1, in JSON lines that of the line. split: the column
    that tells its parts, where the source has parts of its own."""

    name: str
    by_number: dict[int, Mapping[str, Any]]
    faults: Faults = field(repr=False)
    split: str | None = None

    @cached_property
    def columns(self) -> set[str]:
        """The names of all columns that any row has."""
        return {str(name) for row in self.by_number.values() for name in row}


def read_rows(source: Any) -> Rows:
    """The rows of a DataFrame, a file (.csv, .tsv, .jsonl, .parquet), a data set saved by `datasets`, or any iterable
    of dicts. Raises TypeError, ValueError or FileNotFoundError for what is none of these; other faults are kept."""
    if hasattr(source, "columns") and isinstance(source, pd.DataFrame):
        twice = source.columns[source.columns.duplicated()].unique()
        faults = Faults("the DataFrame")
        for name in twice:
            faults.add(f"column {str(name)!r} occurs more than once")
        return Rows("table", dict(enumerate(source.loc[:, ~source.columns.duplicated()].to_dict("records"), 1)), faults)
    if isinstance(source, str | Path):
        return _read_path(Path(source).expanduser())
    if isinstance(source, Mapping) or not isinstance(source, Iterable):
        raise TypeError(f"source is a {type(source).__name__}; give {_TAKEN}")
    return _mappings("table", enumerate(source, 1), Faults("the rows"))


_TAKEN = (
    "a DataFrame, a list of dicts, or the path of a .csv, .tsv, .jsonl or .parquet file or of a folder that "
    "datasets' save_to_disk wrote"
)


def _read_path(path: Path) -> Rows:
    if not path.exists():
        raise FileNotFoundError(f"source={str(path)!r} does not exist; give {_TAKEN}")
    if path.is_dir():
        return _data_set(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"source={str(path)!r} is of no known kind; give {_TAKEN}")
    refuse_pointer(path)
    return reader(path, Faults(str(path)))


def _mappings(name: str, numbered: Iterable[tuple[int, Any]], faults: Faults) -> Rows:
    kept = {}
    for number, row in numbered:
        if isinstance(row, Mapping):
            kept[number] = row
        else:
            faults.add("it is no dict of column to value", number)
    return Rows(name, kept, faults)


def _csv(path: Path, faults: Faults) -> Rows:
    text = utf8_text(path)
    head = text.partition("\n")[0]
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        cells = list(csv.reader(StringIO(text, newline=""), delimiter=max(",;\t|", key=head.count), strict=True))
    except csv.Error as error:
        raise ValueError(f"{path}: cannot be read as CSV ({error}); save it again with quotes that close") from error
    finally:
        csv.field_size_limit(before)
    columns, rows = ([name.strip() for name in cells[0]], cells[1:]) if cells else ([], [])
    for name in sorted({name for name in columns if columns.count(name) > 1}):
        faults.add(f"column {name!r} occurs more than once")
    for number, row in enumerate(rows, 1):
        if row and len(row) != len(columns):
            faults.add(f"it has not the {len(columns)} cells of the header; quote cells that hold separators", number)
    kept = {number: dict(zip(columns, row, strict=False)) for number, row in enumerate(rows, 1) if any(row)}
    return Rows(path.stem, kept, faults)


def _json(path: Path, faults: Faults) -> Rows:
    numbered, faults.unit = [], "line"
    for number, line in json_lines(path):
        try:
            numbered.append((number, json.loads(line)))
        except (ValueError, RecursionError):
            faults.add("it is not valid JSON", number)
    return _mappings(path.stem, numbered, faults)


def _parquet(path: Path, faults: Faults) -> Rows:
    return Rows(path.stem, dict(enumerate(parquet_rows(path), 1)), faults)


_READERS = {".csv": _csv, ".tsv": _csv, ".jsonl": _json, ".parquet": _parquet}


def _data_set(folder: Path) -> Rows:
    try:
        from datasets import load_from_disk
    except ImportError as error:
        raise ImportError(f"{folder} is a folder, which the package datasets has to read: pip install datasets; or "
                          f"give {_TAKEN}") from error
    try:
        loaded = load_from_disk(str(folder))
    except Exception as error:  # whatever it raises on a folder that is none of its own
        why = f"{type(error).__name__}: {error}"
        raise ValueError(f"{folder}: datasets cannot load it ({why}); give {_TAKEN}") from error
    faults = Faults(str(folder))
    if not isinstance(loaded, Mapping):
        return _mappings(folder.name, enumerate(loaded, 1), faults)
    rows = [{**row, SPLIT: part} for part, held in loaded.items() for row in held]
    return Rows(folder.name, dict(enumerate(rows, 1)), faults, SPLIT)
