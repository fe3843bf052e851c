"""Reads GAIA's official layout: a folder with metadata.jsonl or parquet, and the attachments beside it.

The shipped GAIA-like set is one compressed file in the same columns; it is unpacked once into that layout.
"""

from __future__ import annotations

import base64
import hashlib
import json
import lzma
import os
import shutil
import tempfile
import warnings
from collections import Counter
from pathlib import Path, PurePosixPath

from ...records import Task
from .files import Files

COLUMNS = ("task_id", "Question", "Level", "Final answer", "file_name")
LEVELS = ("1", "2", "3")
HIDDEN = "?"
"""GAIA's test split has this in place of its answers."""
_ROOT = Path(__file__).resolve().parents[3]
_ARCHIVE = _ROOT / "data" / "gaia_like" / "tasks.jsonl.xz"
_UNPACKED = _ROOT / "data" / "runs" / "gaia_like"

Loaded = tuple[list[Task], dict[str, Files]]
"""The tasks of a folder in its order, and each task's files by task id."""


def read_folder(folder: Path) -> Loaded:
    """The tasks of a folder in the official layout. Raises ValueError or FileNotFoundError that name the file,
    what is wrong and the fix."""
    rows, source = _rows(folder)
    _check_ids(rows, source)
    tasks, files = [], {}
    for number, row in enumerate(rows, 1):
        task, found = _task(row, folder, f"{source}, row {number}")
        tasks.append(task)
        files[task.id] = found
    return tasks, files


def _rows(folder: Path) -> tuple[list[dict], str]:
    lines, tables = folder / "metadata.jsonl", _tables(folder)
    if lines.is_file():
        return _json_rows(lines), str(lines)
    if tables:
        return [row for table in tables for row in _parquet_rows(table)], str(tables[0])
    raise FileNotFoundError(
        f"{folder} holds neither metadata.jsonl nor a parquet file; give the folder of one GAIA split, e.g. "
        f"GAIA/2023/validation, as downloaded from its dataset page"
    )


def _tables(folder: Path) -> list[Path]:
    """metadata.parquet, else the parquet files of the levels, else whatever parquet there is."""
    whole = folder / "metadata.parquet"
    if whole.is_file():
        return [whole]
    return sorted(folder.glob("metadata.level*.parquet")) or sorted(folder.glob("*.parquet"))


def _json_rows(file: Path) -> list[dict]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not UTF-8 at byte {error.start}; download it again") from error
    rows = []
    for number, line in enumerate(text.split("\n"), 1):  # a question may hold other line ends
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{file}, line {number}: not valid JSON ({error}); download it again") from error
        if not isinstance(row, dict):
            raise ValueError(f"{file}, line {number}: must hold a JSON object, one task; download it again")
        rows.append(row)
    return rows


def _parquet_rows(file: Path) -> list[dict]:
    try:
        with warnings.catch_warnings():  # of an option of pandas that fastparquet looks at
            warnings.simplefilter("ignore")
            from fastparquet import ParquetFile

            table = ParquetFile(str(file)).to_pandas()
    except Exception as error:  # the reader raises whatever a damaged file leads it to
        what = f"{type(error).__name__}: {error}"[:200]
        raise ValueError(f"{file}: cannot be read as parquet ({what}); download it again") from error
    return [
        {key: None if value != value else value for key, value in row.items() if key in (*COLUMNS, "file_path")}
        for row in table.to_dict("records")
    ]


def _check_ids(rows: list[dict], source: str) -> None:
    if not rows:
        raise ValueError(f"{source}: holds no task; download it again")
    for number, row in enumerate(rows, 1):
        missing = [name for name in COLUMNS if name not in row]
        if missing:
            raise ValueError(
                f"{source}, row {number}: lacks the columns {missing}; GAIA's are {list(COLUMNS)}, it has {sorted(row)}"
            )
    twice = [str(one) for one, n in Counter(str(row["task_id"]) for row in rows).items() if n > 1]
    if twice:
        raise ValueError(f"{source}: {len(twice)} task ids occur more than once: {', '.join(twice[:5])}; keep one each")


def _task(row: dict, folder: Path, source: str) -> tuple[Task, Files]:
    for name in ("task_id", "Question"):
        if not isinstance(row[name], str) or not row[name].strip():
            raise ValueError(f"{source}: {name} is {row[name]!r}; it must be a text that is not empty")
    level = str(row["Level"]).strip().removesuffix(".0")
    if level not in LEVELS:
        raise ValueError(f"{source}: Level is {row['Level']!r}; allowed are {', '.join(LEVELS)}")
    if not isinstance(row["Final answer"], (str, int, float)) or isinstance(row["Final answer"], bool):
        given = row["Final answer"]
        raise ValueError(f"{source}: Final answer is {given!r}; write a text, {HIDDEN!r} for a hidden one")
    files = _attachments(row, folder, source)
    meta = {"level": level, "files": json.dumps(sorted(files), ensure_ascii=False)}
    meta |= {"family": str(row["family"])} if "family" in row else {}
    meta |= {"seen": "yes" if row["seen"] else "no"} if "seen" in row else {}
    meta |= {"split": str(row["split"])} if "split" in row else {}
    named = "\n\nAttached files: " + ", ".join(sorted(files)) if files else ""
    return Task(row["task_id"], row["Question"].strip() + named, str(row["Final answer"]), meta), files


def _attachments(row: dict, folder: Path, source: str) -> Files:
    """The file of a task, or several where a column `files` lists their paths. None leads out of the folder."""
    listed = row.get("files")
    if listed is not None and (not isinstance(listed, list) or not all(isinstance(one, str) for one in listed)):
        raise ValueError(f"{source}: files is {listed!r}; it must be a list of paths below {folder}")
    if row["file_name"] is not None and not isinstance(row["file_name"], str):
        raise ValueError(f"{source}: file_name is {row['file_name']!r}; it must be a text, empty without a file")
    paths = listed if listed is not None else [row["file_name"]] if row["file_name"] else []
    found: Files = {}
    for path in paths:
        whole = folder / path
        if not _inside(whole, folder) or PurePosixPath(path).is_absolute():
            raise ValueError(
                f"{source}: the attachment {path!r} lies outside {folder}, which is refused; download the dataset "
                f"into a folder of its own, e.g. snapshot_download(..., local_dir='GAIA')"
            )
        if not whole.is_file():
            raise FileNotFoundError(
                f"{source}: the attachment {path!r} is missing in {folder}; download the dataset with its files"
            )
        name = PurePosixPath(path).name
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


def unpacked(archive: Path = _ARCHIVE, below: Path = _UNPACKED) -> Path:
    """The folder of the shipped set in the official layout, made on first use. Its name is the archive's hash."""
    if not archive.is_file():
        raise FileNotFoundError(f"{archive} is missing; make it: python data/gaia_like/make.py")
    data = archive.read_bytes()
    folder = below / hashlib.sha256(data).hexdigest()[:16]
    if (folder / "metadata.jsonl").is_file():
        return folder
    below.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=below))
    try:
        _unpack(data, archive, fresh)
        fresh.chmod(0o755)
        fresh.rename(folder)
    except OSError:
        if not (folder / "metadata.jsonl").is_file():  # otherwise another process was faster
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def _unpack(data: bytes, archive: Path, folder: Path) -> None:
    try:
        lines = lzma.decompress(data).decode("utf-8").split("\n")
        rows = [json.loads(line) for line in lines if line.strip()]
    except (lzma.LZMAError, ValueError) as error:
        raise ValueError(f"{archive}: damaged ({error}); make it again: python data/gaia_like/make.py") from error
    for row in rows:
        contents = row.pop("files", None) or {}
        row["files"] = [_write(folder, f"{row['task_id']}/{name}", held) for name, held in contents.items()]
        row["file_name"] = row.get("file_name") or ""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "metadata.jsonl").write_text(text, encoding="utf-8")


def _write(folder: Path, path: str, held: dict) -> str:
    whole = folder / path
    if os.path.normpath(path) != path or not whole.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"the archive holds a file {path!r} outside its folder, which is refused")
    whole.parent.mkdir(parents=True, exist_ok=True)
    whole.write_bytes(held["text"].encode("utf-8") if "text" in held else base64.b64decode(held["base64"]))
    return path
