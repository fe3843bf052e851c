"""GAIA-like: one compressed file a world, unpacked once into the folder layout of the official data."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from ...runs.places import RUNS
from ..reading import shipped_rows

SHIPPED = {0: "tasks.jsonl.xz"}
UNPACKED = RUNS / "gaia_like"


def unpacked(archive: Path, below: Path = UNPACKED) -> Path:
    """The folder of a world in the official layout, made on first use. Its name is the archive's hash."""
    if not archive.is_file():
        raise FileNotFoundError(f"{archive} is missing; make it: python data/gaia_like/make.py")
    folder = below / hashlib.sha256(archive.read_bytes()).hexdigest()[:16]
    if (folder / "metadata.jsonl").is_file():
        return folder
    below.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".new-", dir=below) as fresh:
        made = Path(fresh) / folder.name
        _unpack(archive, made)
        try:
            made.rename(folder)
        except OSError:
            if not (folder / "metadata.jsonl").is_file():  # otherwise another process was faster
                raise
    return folder


def _unpack(archive: Path, folder: Path) -> None:
    rows = shipped_rows(archive, "python data/gaia_like/make.py")
    for row in rows:
        contents = row.pop("files", None) or {}
        row["files"] = [_write(folder, f"{row['task_id']}/{name}", held) for name, held in contents.items()]
        row["file_name"] = row.get("file_name") or ""
    folder.mkdir(exist_ok=True)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "metadata.jsonl").write_text(text, encoding="utf-8")


def _write(folder: Path, path: str, held: dict) -> str:
    whole = folder / path
    if os.path.normpath(path) != path or not whole.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"the archive holds a file {path!r} outside its folder, which is refused")
    whole.parent.mkdir(parents=True, exist_ok=True)
    whole.write_bytes(held["text"].encode("utf-8") if "text" in held else base64.b64decode(held["base64"]))
    return path
