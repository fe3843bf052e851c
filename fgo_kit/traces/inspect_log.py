"""Logs of Inspect (inspect_ai), as .eval archives or as JSON: a sample is a trace."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from ..records import Task
from .chat import from_messages
from .formats import file_format, record_format
from .source import Source
from .trace import Trace, scored, short_values

EXAMPLE = """\
an .eval archive as `inspect eval` writes it, or its JSON form (--log-format json):
{"version": 2, "eval": {...}, "samples": [{"id": 1, "epoch": 1, "target": "4", "messages": [...], "scores": {...}}]}"""
NAME = "Inspect log"
LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
"""Correct, partly, incorrect, no answer: what Inspect's own metrics make of them."""
ZSTANDARD = 93


@record_format(NAME, EXAMPLE, lambda record: isinstance(record, dict) and {"epoch", "messages"} <= record.keys())
def sample(record: Any, default_id: str) -> Trace:
    """Scored by the first scorer of the log; a sample that ended in an error has failed."""
    if not isinstance(record, dict) or not isinstance(record.get("messages"), list):
        raise ValueError("it is no sample with messages")
    target = record.get("target", "")
    expected = target if isinstance(target, str) else ", ".join(map(str, target))
    task = Task(str(record.get("id", default_id)), "", expected, short_values(record.get("metadata")))
    error = record.get("error")
    reason = str(error.get("message", error) if isinstance(error, dict) else error) if error else ""
    score = float("nan") if error else _score(record.get("scores"))
    return from_messages(task, record["messages"], score, reason)


def _score(scores: Any) -> float:
    first = next(iter(scores.values()), None) if isinstance(scores, dict) else None
    value = first.get("value") if isinstance(first, dict) else first
    return LETTERS[value] if isinstance(value, str) and value in LETTERS else scored(value)


@file_format(NAME, EXAMPLE, lambda source: source.raw[:2] == b"PK")
def archive(source: Source) -> Iterator[tuple[str, Trace | ValueError]]:
    """Raises ValueError for a zip file that is no such log, and ImportError where zstd is packed and cannot be read."""
    try:
        with zipfile.ZipFile(source.path) as packed:
            samples = [part for part in packed.infolist() if part.filename.startswith("samples/")]
            if not samples:
                raise ValueError(f"{source.path} is a zip file without samples/; an .eval log has them")
            if any(part.compress_type == ZSTANDARD for part in samples):
                _read_zstandard()
            for part in samples:
                yield part.filename, _sample(packed, part, source.most)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{source.path} is damaged: {error}") from error


def _sample(packed: zipfile.ZipFile, part: zipfile.ZipInfo, most: int) -> Trace | ValueError:
    if part.file_size > most:  # more than it says never comes out of an archive
        return ValueError(f"it unpacks to over {most:,} bytes")
    try:
        return sample(json.loads(packed.read(part)), part.filename)
    except (ValueError, RecursionError) as error:
        return ValueError(str(error))


def _read_zstandard() -> None:
    """Teach `zipfile` the packing that Inspect uses, which Python itself reads from 3.14 on."""
    try:
        import zipfile_zstd  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError("this .eval log is packed with zstandard, which needs a package that is not installed: pip "
                          "install 'fgo-kit[inspect]'; or write the log as JSON: inspect log convert --to "
                          "json") from error
