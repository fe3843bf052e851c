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
from pathlib import Path
from time import monotonic

from lxml import etree

MAX_BYTES = 20_000_000
"""Largest file that is read, and largest member or document inside one, after decompression."""
MAX_MEMBERS = 5_000
MAX_DEPTH = 3
MAX_PDF_PAGES = 300
MAX_PDF_SECONDS = 30.0
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


def names_in(files: Files) -> list[str]:
    """All names that can be read: the attachments, and what is in those archives among them that can be opened."""
    found = []
    for name, path in sorted(files.items()):
        found.append(name)
        if _kind(name) == "zip":
            with contextlib.suppress(FileProblem):
                found += [f"{name}/{inner}" for inner in zip_names(_load(path, name), name)]
    return found


def read_bytes(files: Files, name: str) -> bytes:
    """The content of an attachment, or of `archive.zip/inner.csv`. Raises FileProblem."""
    outer, inner = _located(files, name)
    data = _load(files[outer], outer)
    depth = 0
    while inner:
        depth += 1
        if depth > MAX_DEPTH:
            raise FileProblem(f"{name}: archives in archives are read to a depth of {MAX_DEPTH}")
        data, inner = _member(data, outer, inner)
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
    wanted = name.strip().removeprefix("./")
    if wanted in files:
        return wanted, ""
    for outer in files:
        if wanted.startswith(f"{outer}/"):
            return outer, wanted[len(outer) + 1 :]
    known = names_in(files)
    same = [one for one in known if one.endswith(f"/{wanted}")]
    if len(same) == 1 and same[0] not in files:
        outer = next(outer for outer in files if same[0].startswith(f"{outer}/"))
        return outer, same[0][len(outer) + 1 :]
    shown = ", ".join(known[:40]) + (f" and {len(known) - 40} more" if len(known) > 40 else "")
    raise FileProblem(f"no file {name!r}; there are: {shown or 'no files with this task'}")


def _load(path: Path, name: str) -> bytes:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise FileProblem(f"{name}: {size:,} bytes exceed the limit of {MAX_BYTES:,}")
    return path.read_bytes()


def _kind(name: str) -> str:
    stem, dot, end = name.rpartition(".")
    return end.lower() if dot and stem else ""


def _opened(data: bytes, name: str) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise FileProblem(f"{name}: is not a zip archive that can be read ({error})") from None
    if len(archive.infolist()) > MAX_MEMBERS:
        raise FileProblem(f"{name}: holds {len(archive.infolist()):,} files; the limit is {MAX_MEMBERS:,}")
    return archive


def zip_names(data: bytes, name: str) -> list[str]:
    """The names of the files in an archive, in its order."""
    return [one.filename for one in _opened(data, name).infolist() if not one.is_dir()]


def _member(data: bytes, outer: str, inner: str) -> tuple[bytes, str]:
    """(content, what is left of the path) of the member of an archive that a path leads to."""
    archive = _opened(data, outer)
    for one in archive.infolist():
        if one.filename == inner or (inner.startswith(f"{one.filename}/") and not one.is_dir()):
            return _bounded(archive, one, outer), inner[len(one.filename) + 1 :]
    raise FileProblem(f"no file {inner!r} in {outer}; it holds: {', '.join(zip_names(data, outer)[:40])}")


def _bounded(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> bytes:
    """A member's content. What the archive says of its size is not believed."""
    try:
        with archive.open(member) as stream:
            data = stream.read(MAX_BYTES + 1)
    except Exception as error:  # bad CRC, unknown compression, a password: zipfile raises many kinds
        raise FileProblem(f"{name}/{member.filename}: cannot be unpacked ({error})") from None
    if len(data) > MAX_BYTES:
        raise FileProblem(f"{name}/{member.filename}: exceeds the limit of {MAX_BYTES:,} bytes unpacked")
    return data


def _looks_like_text(data: bytes) -> bool:
    start = data[:4096]
    return b"\0" not in start and sum(byte < 9 or 13 < byte < 32 for byte in start) <= len(start) // 50


def _text(data: bytes, name: str) -> str:
    for encoding in ("utf-8-sig", "utf-16") if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        try:
            return data.decode(encoding).replace("\r\n", "\n")
        except UnicodeDecodeError:
            continue
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


def _check_packed(data: bytes, name: str) -> None:
    """Office files are archives: none may unpack to more than the limit."""
    archive = _opened(data, name)
    total = 0
    for one in archive.infolist():
        total += 0 if one.is_dir() else len(_bounded(archive, one, name))
        if total > 3 * MAX_BYTES:
            raise FileProblem(f"{name}: unpacks to more than the limit of {3 * MAX_BYTES:,} bytes")


def _xlsx(data: bytes, name: str) -> str:
    """Sheet after sheet as CSV; a formula without a stored value stands as it is written."""
    import openpyxl

    _check_packed(data, name)
    _check_cells(data, name)
    values = openpyxl.load_workbook(io.BytesIO(data), data_only=True)
    formulas = openpyxl.load_workbook(io.BytesIO(data)) if b"<f" in _sheets_xml(data, name) else values
    parts, cells = [], 0
    for sheet in values.worksheets:
        lines = []
        rows = zip(sheet.iter_rows(), formulas[sheet.title].iter_rows(), strict=True)
        cells += (sheet.max_row or 0) * (sheet.max_column or 0)
        if cells > MAX_CELLS:
            raise FileProblem(f"{name}: more than {MAX_CELLS:,} cells")
        for row, written in rows:
            shown = [_cell(a.value if a.value is not None else b.value) for a, b in zip(row, written, strict=True)]
            lines.append(_csv_line(shown).rstrip(",") if not any(shown) else _csv_line(shown))
        parts.append("\n".join((f"## sheet {sheet.title}", *lines)).rstrip())
    return "\n\n".join(parts)


def _check_cells(data: bytes, name: str) -> None:
    """Cells written, and those of merged areas, each of which openpyxl makes an object of, are counted before."""
    from openpyxl.utils import range_boundaries

    archive, cells = _opened(data, name), 0
    for one in archive.infolist():
        content = _bounded(archive, one, name) if one.filename.endswith(".xml") else b""
        cells += len(re.findall(rb"<(?:\w{1,20}:)?c[\s/>]", content))
        for area in re.findall(rb"<(?:\w{1,20}:)?mergeCell\s[^<>]{0,200}?ref=[\"']([\w:$]{1,30})", content):
            left, top, right, bottom = range_boundaries(area.decode())
            cells += (right - left + 1) * (bottom - top + 1)
        if cells > MAX_CELLS:
            raise FileProblem(f"{name}: more than {MAX_CELLS:,} cells")


def _sheets_xml(data: bytes, name: str) -> bytes:
    archive = _opened(data, name)
    sheets = [one for one in archive.infolist() if one.filename.startswith("xl/worksheets/")]
    return b"".join(_bounded(archive, one, name) for one in sheets)


def _pdf(data: bytes, name: str) -> str:
    import pypdf

    document = pypdf.PdfReader(io.BytesIO(data))
    if len(document.pages) > MAX_PDF_PAGES:
        raise FileProblem(f"{name}: {len(document.pages)} pages exceed the limit of {MAX_PDF_PAGES}")
    texts, end = [], monotonic() + MAX_PDF_SECONDS
    for number, page in enumerate(document.pages, 1):
        texts.append(f"## page {number}\n{page.extract_text().strip()}")
        if monotonic() > end:
            raise FileProblem(f"{name}: reading it takes longer than {MAX_PDF_SECONDS:g} s; page {number} was reached")
    return "\n\n".join(texts)


def _zip(data: bytes, name: str) -> str:
    found = [f"{one.filename} ({one.file_size:,} bytes)" for one in _opened(data, name).infolist() if not one.is_dir()]
    return "\n".join((f"{name}: {len(found)} files; read one as {name}/NAME", *found))


def _office(data: bytes, name: str) -> str:
    """The paragraphs of a .docx, the slides of a .pptx."""
    _check_packed(data, name)
    archive = _opened(data, name)
    wanted = re.compile(r"word/document\.xml|ppt/slides/slide(\d+)\.xml")
    parts = [(int(found[1] or 0), one) for one in archive.infolist() if (found := wanted.fullmatch(one.filename))]
    lines = []
    for number, one in sorted(parts, key=lambda part: part[0]):
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        root = etree.fromstring(_bounded(archive, one, name), parser)
        lines += [f"## slide {number}"] if number else []
        lines += ["".join(part.itertext("{*}t")) for part in root.iter("{*}p")]
    return "\n".join(line for line in lines if line.strip())


def _json(data: bytes, name: str) -> str:
    """As written, unless it is one long line: then indented."""
    text = _text(data, name)
    if len(text) > 400 and "\n" not in text.strip():
        try:
            return json.dumps(json.loads(text), indent=1, ensure_ascii=False)
        except (ValueError, RecursionError):
            return text
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
