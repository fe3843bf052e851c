"""Attachments as text: tables, documents, archives. Files are untrusted and are never executed or unpacked.

What a file is follows from the end of its name. Readers take bytes, so that a file in an archive is read
like any other; sizes are bounded before anything is decompressed.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time
from functools import lru_cache
from pathlib import Path
from time import monotonic

from lxml import etree

from ..reading import same_letters

MAX_BYTES = 20_000_000
"""Largest file that is read, and largest member or document inside one, after decompression."""
MAX_UNPACKED = 3 * MAX_BYTES
"""Most that all members of an Office file may be together."""
MAX_INDENTED = 1_000_000
"""Longest JSON, in characters, that is indented."""
MAX_MEMBERS = 5_000
MAX_DEPTH = 3
MAX_PDF_PAGES = 300
MAX_PDF_SECONDS = 30.0
MAX_PDF_TEXTS = 300_000
"""Most pieces of text on a page: reading them takes some ten seconds, in which nothing looks at the clock."""
MAX_CELLS = 500_000
TEXT = (
    "txt", "md", "py", "csv", "tsv", "json", "jsonl", "jsonld", "xml", "html", "htm", "log", "yaml", "yml",
    "ini", "toml", "tex", "pdb", "svg", "r", "js", "c", "java", "sql", "sh",
)  # fmt: skip
IMAGES = ("png", "jpg", "jpeg", "gif", "bmp", "webp", "tif", "tiff")


class FileProblem(ValueError):
    """A file that is missing or cannot be read; the message says which, why, and what there is instead."""


Files = dict[str, Path]
"""The attachments of one task: the name the agent uses, and where the file is."""
State = tuple[tuple[str, Path, int, int], ...]
"""Files as a key of caches, with the time and size by which one that has changed is read again."""


def state_of(files: Files) -> State:
    known = ((name, path, path.stat()) for name, path in sorted(files.items()))
    return tuple((name, path, stat.st_mtime_ns, stat.st_size) for name, path, stat in known)


def files_of(state: State) -> Files:
    return {name: path for name, path, *_ in state}


def names_in(files: Files) -> list[str]:
    """All names that can be read: the attachments, and what is in those archives among them that can be opened."""
    names = []
    for name, path in sorted(files.items()):
        names.append(name)
        if _kind(name) == "zip":
            with contextlib.suppress(FileProblem):
                names += [f"{name}/{inner}" for inner in _members(_load(path, name), name)]
    return names


def read_bytes(files: Files, name: str) -> bytes:
    """The content of an attachment, or of `archive.zip/inner.csv`. Raises FileProblem."""
    outer, inner = _located(files, name)
    data = _load(files[outer], outer)
    for _ in range(MAX_DEPTH):
        if not inner:
            return data
        data, inner = _member(data, outer, inner)
    if inner:
        raise FileProblem(f"{name}: archives in archives are read to a depth of {MAX_DEPTH}")
    return data


def read_text(files: Files, name: str) -> str:
    """A file as the text an agent reads. Raises FileProblem."""
    data = read_bytes(files, name)
    reader = READERS.get(_kind(name)) or (_text if _looks_like_text(data) else _other)
    try:
        return reader(data, name)
    except FileProblem:
        raise
    except Exception as error:  # readers of foreign formats raise whatever they like on damaged files
        what = f"{type(error).__name__}: {error}"[:300]
        raise FileProblem(f"{name}: cannot be read as {_kind(name) or 'text'} ({what})") from None


def _located(files: Files, name: str) -> tuple[str, str]:
    """(attachment, path inside it) of a name; a path inside an archive may be given without the archive."""
    wanted = same_letters(name.strip().removeprefix("./"))
    for outer in files:
        own = same_letters(outer)
        if wanted == own or wanted.startswith(f"{own}/"):
            return outer, wanted[len(own) + 1 :]
    known = names_in(files)
    alike = [path for path in known if path not in files and same_letters(path).endswith(f"/{wanted}")]
    if wanted and len(alike) == 1:
        outer = next(outer for outer in files if alike[0].startswith(f"{outer}/"))
        return outer, alike[0][len(outer) + 1 :]
    shown = ", ".join(known[:40]) + (f" and {len(known) - 40} more" if len(known) > 40 else "")
    raise FileProblem(f"no file {name!r}; there are: {shown or 'no files with this task'}")


def _load(path: Path, name: str) -> bytes:
    state = path.stat()
    if state.st_size > MAX_BYTES:
        raise FileProblem(f"{name}: {state.st_size:,} bytes exceed the limit of {MAX_BYTES:,}")
    return _content(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=2)
def _content(path: Path, *_state: int) -> bytes:
    """Kept, because an archive of many pages is asked for one after the other."""
    return path.read_bytes()


def _kind(name: str) -> str:
    stem, dot, end = name.rpartition(".")
    return end.lower() if dot and stem else ""


@lru_cache(maxsize=2)
def _opened(data: bytes, name: str) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
    """An archive, and the files in it by name, in its order."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except Exception as error:  # a damaged list of contents leads zipfile to errors of many kinds
        raise FileProblem(f"{name}: is not a zip archive that can be read ({error})") from None
    if len(archive.infolist()) > MAX_MEMBERS:
        raise FileProblem(f"{name}: holds {len(archive.infolist()):,} files; the limit is {MAX_MEMBERS:,}")
    return archive, {same_letters(one.filename): one for one in archive.infolist() if not one.is_dir()}


def _members(data: bytes, name: str) -> dict[str, zipfile.ZipInfo]:
    return _opened(data, name)[1]


def _member(data: bytes, outer: str, inner: str) -> tuple[bytes, str]:
    """(content, what is left of the path) of the member of an archive that a path leads to."""
    members = _members(data, outer)
    path = inner
    while path not in members:
        path, slash, _ = path.rpartition("/")
        if not slash:
            raise FileProblem(f"no file {inner!r} in {outer}; it holds: {', '.join([*members][:40])}")
    return _bounded(data, path, outer), inner[len(path) + 1 :]


def _bounded(data: bytes, path: str, name: str) -> bytes:
    """A member's content. What the archive says of its size is not believed."""
    archive, members = _opened(data, name)
    try:
        with archive.open(members[path]) as stream:
            content = stream.read(MAX_BYTES + 1)
    except Exception as error:  # bad CRC, unknown compression, a password: zipfile raises many kinds
        raise FileProblem(f"{name}/{path}: cannot be unpacked ({error})") from None
    if len(content) > MAX_BYTES:
        raise FileProblem(f"{name}/{path}: exceeds the limit of {MAX_BYTES:,} bytes unpacked")
    return content


def _unpacked(data: bytes, name: str) -> dict[str, bytes]:
    """All members of an Office file, which is an archive: none may unpack to more than the limit."""
    parts, room = {}, MAX_UNPACKED
    for path in _members(data, name):
        parts[path] = _bounded(data, path, name)
        room -= len(parts[path])
        if room < 0:
            raise FileProblem(f"{name}: unpacks to more than the limit of {MAX_UNPACKED:,} bytes")
    return parts


def _looks_like_text(data: bytes) -> bool:
    start = data[:4096]
    return b"\0" not in start and sum(byte < 9 or 13 < byte < 32 for byte in start) <= len(start) // 50


def _text(data: bytes, name: str) -> str:
    for encoding in ("utf-8-sig", "utf-16") if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        with contextlib.suppress(UnicodeDecodeError):
            return data.decode(encoding).replace("\r\n", "\n")
    return data.decode("cp1252", "replace").replace("\r\n", "\n")


def _csv_line(row) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(row)
    return out.getvalue()


def _cell(value) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime) and value.time() == time(0):
        return value.date().isoformat()
    if isinstance(value, (date, time, datetime)):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _xlsx(data: bytes, name: str) -> str:
    """Sheet after sheet as CSV; a formula without a stored value stands as it is written."""
    import openpyxl

    parts = _unpacked(data, name)
    values = written = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    if any(b"<f" in content for path, content in parts.items() if path.startswith("xl/worksheets/")):
        written = openpyxl.load_workbook(io.BytesIO(data), read_only=True)
    texts, room = [], MAX_CELLS
    for sheet in values.worksheets:
        rows = _rows(sheet, room, name)
        if written is not values:
            both = zip(rows, _rows(written[sheet.title], room, name), strict=True)
            rows = [[own if value is None else value for value, own in zip(*row, strict=False)] for row in both]
        room -= sum(map(len, rows))
        lines = [_csv_line(list(map(_cell, row))) if any(map(_cell, row)) else "" for row in rows]
        texts.append("\n".join((f"## sheet {sheet.title}", *lines)).rstrip())
    return "\n\n".join(texts)


def _rows(sheet, room: int, name: str) -> list[list]:
    """The values of a sheet, whose own word on its size is not believed; `room` for cells is left."""
    sheet.reset_dimensions()
    rows, width = [], 1
    for cells in sheet.iter_rows(values_only=True):
        rows.append(list(cells))
        width = max(width, len(cells))
        if len(rows) * width > room:
            raise FileProblem(f"{name}: more than {MAX_CELLS:,} cells")
    return [row + [None] * (width - len(row)) for row in rows]


def _pdf(data: bytes, name: str) -> str:
    import pypdf

    document = pypdf.PdfReader(io.BytesIO(data))
    if len(document.pages) > MAX_PDF_PAGES:
        raise FileProblem(f"{name}: {len(document.pages)} pages exceed the limit of {MAX_PDF_PAGES}")
    texts, end = [], monotonic() + MAX_PDF_SECONDS
    for number, page in enumerate(document.pages, 1):
        contents = page.get_contents()
        drawn = b"" if contents is None else contents.get_data()
        if drawn.count(b"Tj") + drawn.count(b"TJ") > MAX_PDF_TEXTS:
            raise FileProblem(f"{name}: page {number} draws more than {MAX_PDF_TEXTS:,} pieces of text")
        texts.append(f"## page {number}\n{page.extract_text().strip()}")
        if monotonic() > end:
            raise FileProblem(f"{name}: reading it takes longer than {MAX_PDF_SECONDS:g} s; page {number} was reached")
    return "\n\n".join(texts)


def _zip(data: bytes, name: str) -> str:
    lines = [f"{path} ({member.file_size:,} bytes)" for path, member in _members(data, name).items()]
    return "\n".join((f"{name}: {len(lines)} files; read one as {name}/NAME", *lines))


def _office(data: bytes, name: str) -> str:
    """The paragraphs of a .docx, the slides of a .pptx."""
    wanted, parts = re.compile(r"word/document\.xml|ppt/slides/slide(\d{1,6})\.xml"), _unpacked(data, name)
    texts = [(int(match[1] or 0), parts[path]) for path in parts if (match := wanted.fullmatch(path))]
    lines = []
    for number, content in sorted(texts, key=lambda part: part[0]):
        root = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
        lines += [f"## slide {number}"] if number else []
        for part in root.iter("{*}p", "{*}t"):
            if etree.QName(part).localname == "p":
                lines.append("")
            elif lines:
                lines[-1] += part.text or ""
    return "\n".join(line for line in lines if line.strip())


def _json(data: bytes, name: str) -> str:
    """As written, unless it is one long line: then indented."""
    text = _text(data, name)
    if 400 < len(text) <= MAX_INDENTED and "\n" not in text.strip():
        with contextlib.suppress(ValueError, RecursionError):
            return json.dumps(json.loads(text), indent=1, ensure_ascii=False)
    return text


def _image(data: bytes, name: str) -> str:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        told = f"{name}: {image.format} image, {image.width} x {image.height} pixels, {image.mode}, {len(data):,} bytes"
        info = [f"{key}: {value}" for key, value in image.info.items() if isinstance(value, (str, int, float))]
    return "\n".join((told, *info[:40]))


def _other(data: bytes, name: str) -> str:
    return f"{name}: {len(data):,} bytes of a kind that is not read as text"


READERS: dict[str, Callable[[bytes, str], str]] = {
    **dict.fromkeys(TEXT, _text), **dict.fromkeys(IMAGES, _image), "json": _json, "xlsx": _xlsx, "xlsm": _xlsx,
    "pdf": _pdf, "zip": _zip, "docx": _office, "pptx": _office,
}  # fmt: skip
