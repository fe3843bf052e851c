"""A small GAIA of our own in the official layout, for tests."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

ANNOTATOR = {"Steps": "1. Read the file", "Number of steps": "1", "How long did this take?": "1 minute",
             "Tools": "none", "Number of tools": "0"}  # fmt: skip

CONTENTS = {
    "a1.csv": b"city,units,status\nOslo,5,ok\nOslo,7,cancelled\nBern,2,ok\n",
    "a2.txt": "The town of Ödeby was founded in 1821.\n".encode(),
}
QUESTIONS = [
    ("t1", "How many units were sold in Oslo, without cancelled ones?", 1, "5", "a1.csv"),
    ("t2", "When was Ödeby founded?", 1, "1821", "a2.txt"),
    ("t3", "What is 6 times 7?", 2, "42", ""),
    ("t4", "Which cities are in the table, in alphabetical order?", 2, "Bern, Oslo", "a1.csv"),
    ("t5", "According to the web, who keeps the lighthouse of Wren?", 3, "Ada Moss", "a3.zip"),
    ("t6", "Which year stands in the note?", 3, "1821", "a2.txt"),
]


def packed(**members: str | bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)  # with one date, so that the bytes are the same every time
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return held.getvalue()


WEB = {
    "pages/wren.md": "# Wren\n\nWren is an island. Its lighthouse is kept by Ada Moss.\n",
    "pages/oslo.html": "<html><head><title>x</title></head><body><h1>Oslo</h1><script>1</script><p>A city</p></body></html>",
    "notes.txt": "not a page",
}


def rows() -> list[dict]:
    return [
        {"task_id": name, "Question": text, "Level": level, "Final answer": answer, "file_name": file,
         "file_path": f"2023/validation/{file}" if file else "", "Annotator Metadata": ANNOTATOR}
        for name, text, level, answer, file in QUESTIONS
    ]  # fmt: skip


def write_files(folder: Path) -> None:
    for name, data in CONTENTS.items():
        (folder / name).write_bytes(data)
    (folder / "a3.zip").write_bytes(packed(**{name: text for name, text in WEB.items()}))


def write_jsonl(folder: Path, changed: list[dict] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write_files(folder)
    lines = (json.dumps(row, ensure_ascii=False) for row in (rows() if changed is None else changed))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def write_parquet(folder: Path, name: str = "metadata.parquet", changed: list[dict] | None = None) -> Path:
    import pandas as pd
    from fastparquet import write

    folder.mkdir(parents=True, exist_ok=True)
    write_files(folder)
    table = pd.DataFrame(rows() if changed is None else changed).drop(columns=["Annotator Metadata"], errors="ignore")
    for column, value in ANNOTATOR.items():  # a struct is stored as one column for each of its fields
        table[f"Annotator Metadata.{column}"] = value
    table["Level"] = table["Level"].astype(str)
    write(str(folder / name), table)
    return folder
