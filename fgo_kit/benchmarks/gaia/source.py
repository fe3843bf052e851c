"""Reads GAIA's official layout: a folder with metadata.jsonl or parquet, and the attachments beside it."""

from __future__ import annotations

import json
import os
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints, ValidationError

from ...records import Task
from ..parquet import parquet_rows
from ..reading import each_readable, json_lines, json_object, located, refuse_pointer, refuse_twice, same_letters
from .files import Files

LEVELS = ("1", "2", "3")
HIDDEN = "?"
"""GAIA's test split has this in place of its answers."""

Loaded = tuple[list[Task], dict[str, Files]]
"""The tasks of a folder in its order, and each task's files by task id."""


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _level(value: Any) -> str:
    return str(value).strip().removesuffix(".0")


Filled = Annotated[str, StringConstraints(pattern=r"\S")]


class Row(BaseModel):
    """One task as its metadata have it. The descriptions say what is allowed; the last four columns are our own."""

    task_id: Filled = Field(description="it must be a text that is not empty")
    question: Filled = Field(alias="Question", description="it must be a text that is not empty")
    level: Annotated[Literal["1", "2", "3"], BeforeValidator(_level)] = Field(
        alias="Level", description="allowed are 1, 2, 3"
    )
    answer: Annotated[str, BeforeValidator(_plain)] = Field(
        alias="Final answer", description=f"write a text, {HIDDEN!r} for a hidden one"
    )
    file_name: str | None = Field(description="it must be a text, empty without a file")
    files: list[str] | None = Field(None, description="it must be a list of paths below the folder")
    family: str | None = Field(None, description="it must be a text")
    seen: bool | None = Field(None, description="it must be true or false")
    split: str | None = Field(None, description="it must be a text")


COLUMNS = {field.alias or name: field for name, field in Row.model_fields.items()}


def read_folder(folder: Path, skip_unreadable: bool = False) -> Loaded:
    """The tasks of a folder in the official layout. Raises ValueError or FileNotFoundError that name every row and
    file that cannot be used, what is wrong and the fix; skip_unreadable: these are left out with a warning."""
    rows, source = _rows(folder)
    if not rows:
        raise ValueError(f"{source}: holds no task; download it again")
    read = each_readable(rows, lambda placed: _task(*placed, folder), skip_unreadable, "tasks")
    refuse_twice((task for task, _ in read), source)
    return [task for task, _ in read], {task.id: files for task, files in read}


def _rows(folder: Path) -> tuple[list[tuple[str, str | dict]], Path]:
    """(where it stands, a row as JSON or read) of all rows, and the file they are in."""
    lines, tables = folder / "metadata.jsonl", _tables(folder)
    if lines.is_file():
        refuse_pointer(lines)
        return [(f"{lines}, line {number}", line) for number, line in json_lines(lines)], lines
    if not tables:
        raise FileNotFoundError(f"{folder} holds neither metadata.jsonl nor a parquet file; give the folder of one "
                                "GAIA split, e.g. GAIA/2023/validation, as downloaded from its dataset page")
    for table in tables:
        refuse_pointer(table)
    rows = [row for table in tables for row in parquet_rows(table, tuple(COLUMNS))]
    return [(f"{tables[0]}, row {number}", row) for number, row in enumerate(rows, 1)], tables[0]


def _tables(folder: Path) -> list[Path]:
    """metadata.parquet, else the parquet files of the levels, else whatever parquet there is."""
    whole = folder / "metadata.parquet"
    if whole.is_file():
        return [whole]
    return sorted(folder.glob("metadata.level*.parquet")) or sorted(folder.glob("*.parquet"))


def _row(given: str | dict, source: str) -> Row:
    is_read = isinstance(given, dict)
    held = given if is_read else json_object(given, source, "download it again", "a JSON object, one task")
    try:
        return Row(**held)
    except ValidationError as error:
        faults = error.errors(include_url=False)
    lacking = [fault["loc"][0] for fault in faults if fault["type"] == "missing"]
    if lacking:
        needed = [name for name, field in COLUMNS.items() if field.is_required()]
        raise ValueError(f"{source}: lacks the columns {lacking}; GAIA's are {needed}, it has {sorted(held)}")
    wrong = faults[0]["loc"][0]
    raise ValueError(f"{source}: {wrong} is {held[wrong]!r}; {COLUMNS[wrong].description}")


def _task(source: str, given: str | dict, folder: Path) -> tuple[Task, Files]:
    row = _row(given, source)
    files = _attachments(row, folder, source)
    meta = {"level": row.level, "files": json.dumps(sorted(files), ensure_ascii=False)}
    seen = None if row.seen is None else "yes" if row.seen else "no"
    own = {"family": row.family, "seen": seen, "split": row.split}
    meta |= {name: value for name, value in own.items() if value is not None}
    named = "\n\nAttached files: " + ", ".join(sorted(files)) if files else ""
    return Task(row.task_id, row.question.strip() + named, row.answer, meta), files


def _attachments(row: Row, folder: Path, source: str) -> Files:
    """The file of a task, or several where a column `files` lists their paths. None leads out of the folder."""
    paths = row.files if row.files is not None else [row.file_name] if row.file_name else []
    found: Files = {}
    for path in paths:
        try:
            whole = located(folder, path)
            inside = _inside(whole, folder)
        except (OSError, ValueError) as error:  # too long a name, or a NUL in it
            raise ValueError(f"{source}: the attachment {path!r:.200} is no name of a file ({error!s:.200})") from error
        if not inside or PurePosixPath(path).is_absolute():
            raise ValueError(f"{source}: the attachment {path!r} lies outside {folder}, which is refused; download the "
                             "dataset into a folder of its own, e.g. snapshot_download(..., local_dir='GAIA')")
        if not whole.is_file():
            raise FileNotFoundError(f"{source}: the attachment {path!r} is missing in {folder}; download the dataset "
                                    "with its files")
        refuse_pointer(whole)
        name = same_letters(PurePosixPath(path).name)
        if name in found:
            raise ValueError(f"{source}: two attachments are named {name!r}; rename one of them")
        found[name] = whole
    return found


def _inside(path: Path, folder: Path) -> bool:
    """Whether a file lies below a folder, or is a link below it into the cache of Hugging Face that the folder is
    part of: NAME/snapshots/REVISION/... -> NAME/blobs/HASH."""
    target, home = path.resolve(), folder.resolve()
    if target.is_relative_to(home):
        return True
    cache = next((one.parent for one in (home, *home.parents) if one.name == "snapshots"), None)
    within = Path(os.path.normpath(path.absolute())).is_relative_to(os.path.normpath(folder.absolute()))
    return cache is not None and within and target.parent == cache / "blobs"
