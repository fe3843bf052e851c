"""A log as a file: its bytes, its text, and the JSON records it holds."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..records.showing import brief

LEAST, RATIO = 30_000_000, 20
"""A packed log may unpack to so many bytes, or to so many times its own size where that is more."""
LISTS = ("data", "samples")
"""Names under which a document holds its records."""


@dataclass(frozen=True)
class Source:
    """One log. Raises FileNotFoundError where there is none, ValueError for what is damaged (UnicodeDecodeError, a
    kind of it, for what is no text)."""

    path: Path

    @cached_property
    def raw(self) -> bytes:
        if not self.path.is_file():
            raise FileNotFoundError(f"path={str(self.path)!r} is no file; give the log itself, e.g. a .jsonl or .eval")
        return self.path.read_bytes()

    @property
    def most(self) -> int:
        """Bytes that may come out of this file when it is unpacked."""
        return max(LEAST, RATIO * len(self.raw))

    @cached_property
    def text(self) -> str:
        try:
            return self._unpacked().decode("utf-8-sig").replace("\r\n", "\n")
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{self.path}: {error}; the gzipped file is damaged") from error

    def _unpacked(self) -> bytes:
        if self.raw[:2] != b"\x1f\x8b":
            return self.raw
        with gzip.open(io.BytesIO(self.raw)) as file:
            held = file.read(self.most + 1)
        if len(held) > self.most:
            raise ValueError(f"{self.path}: unpacks to over {self.most:,} bytes; unpack it yourself if you trust it")
        return held

    @cached_property
    def records(self) -> list[tuple[str, Any]]:
        """(where, record) of JSON lines or of a JSON document; an error in place of what is no JSON."""
        lines = [(number, line) for number, line in enumerate(self.text.split("\n"), 1) if line.strip()]
        if len(lines) > 1 and not isinstance(_parsed(lines[0][1]), ValueError):
            return [(f"line {number}", _parsed(line)) for number, line in lines]
        whole = _parsed(self.text)
        if isinstance(whole, ValueError):  # or nothing at all
            return [(f"line {number}", _parsed(line)) for number, line in lines]
        return [(f"record {number}", record) for number, record in enumerate(_held(whole), 1)]


def _held(document: Any) -> list:
    """The records of a JSON document: itself, unless it is a list of them or has one."""
    if isinstance(document, dict):
        return next((document[name] for name in LISTS if isinstance(document.get(name), list)), [document])
    is_chat = isinstance(document, list) and document and isinstance(document[0], dict) and "role" in document[0]
    return document if isinstance(document, list) and not is_chat else [document]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        return ValueError(f"it is no JSON ({getattr(error, 'msg', error)}): {brief(text)!r}")
