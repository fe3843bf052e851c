"""Damaged and hostile input: every reader of files gives a text or an error that names the file, in time and memory.

Each kind is read in a process of its own, whose memory is looked at in the end:
    python fault_input.py KIND TIMES     prints what came of it as JSON
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import logging
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).parent
SECONDS, MEGABYTES = 8.0, 200
"""Most that one file may take, on a busy machine too, and most memory that all of a kind may."""
STALLED = 35.0
"""A damaged parquet file may stall its reader, which is then ended."""
NS = "xmlns='urn:x'"
INVOICE = f"<?xml version='1.0'?><Invoice {NS}><ID>7</ID><Note>B/L MAEU123456789</Note><P><ID schemeID='AAJ'>1</ID></P></Invoice>"
CARRIER = f"<AttachedDocument {NS}><Description><![CDATA[{INVOICE}]]></Description></AttachedDocument>"
PLAY = {"name": "a-1", "result": True, "traj": "You are in.\nYour task is to: x\n> think: y\nOK.\n> look\nA desk."}
PIECES = (
    b"<", b">", b"&", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"\0", b"\xef\xbb\xbf", b"<?xml ", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b'"', b"[", b"{",
    b"ID", b"9" * 9, b"\xff\xff\xff\xff", b"PK\3\4", b"/Kids [3 0 R 3 0 R]", b"obj", b"\xe2\x80\xa8", b"\n", b"1e999", b"\\ud800",
)  # fmt: skip


def packed(parts: dict[str, bytes | str]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return held.getvalue()


def workbook(more: str = "") -> bytes:
    import openpyxl

    held, book = io.BytesIO(), openpyxl.Workbook()
    book.active.append(["a", 1, 2.5, "=SUM(B1:C1)"])
    book.save(held)
    parts = {name: zipfile.ZipFile(held).read(name) for name in zipfile.ZipFile(held).namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    return packed(parts | {sheet: parts[sheet].replace(b"</sheetData>", b"</sheetData>" + more.encode())})


def pdf() -> bytes:
    import pypdf

    held, writer = io.BytesIO(), pypdf.PdfWriter()
    writer.add_blank_page(99, 99)
    writer.write(held)
    return held.getvalue()


def picture(kind: str) -> bytes:
    from PIL import Image

    held = io.BytesIO()
    Image.new("P", (9, 9)).save(held, kind)
    return held.getvalue()


def attachments() -> dict[str, bytes]:
    pages = packed({"pages/a.md": "# A\nx", "pages/b.html": "<html><p>y</p></html>", "n.zip": packed({"q.csv": "1,2\n"})})
    return {
        "a.xlsx": workbook(), "b.pdf": pdf(), "c.zip": pages, "d.png": picture("PNG"), "e.gif": picture("GIF"), "f.tif": picture("TIFF"),
        "g.docx": packed({"word/document.xml": f"<d {NS}><p><t>hi</t></p></d>"}), "h.json": json.dumps({"a": list(range(300))}).encode(),
        "i.pptx": packed({"ppt/slides/slide1.xml": f"<d {NS}><p><t>hi</t></p></d>"}), "j.csv": b"a,b\n1,2\n" * 20, "k.txt": "ü\n".encode("utf-16"),
    }  # fmt: skip


def damaged(data: bytes, draw: random.Random) -> bytes:
    """A file with some bytes changed, pieces put in, repeated or cut out; of an archive a member now and then."""
    if data[:2] == b"PK" and draw.random() < 0.5:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        name = draw.choice(sorted(parts))
        return packed(parts | {name: damaged(parts[name], draw)})
    out = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        at, kind = draw.randrange(len(out) + 1), draw.randrange(5)
        if kind == 0 and out:
            out[at % len(out)] = draw.randrange(256)
        elif kind == 1:
            out[at:at] = draw.choice(PIECES) * draw.choice((1, 1, 10, 1_000))
        elif kind == 2:
            del out[at : at + draw.randrange(1, 40)]
        elif kind == 3:
            out[at:at] = out[: draw.randrange(1, 200)]
        elif draw.random() < 0.2:
            del out[at:]
    return bytes(out)


def of_documents(folder: Path, draw: random.Random) -> Callable[[], object]:
    from fgo_kit.benchmarks.logisticsqa.ubl import read_ubl

    data = damaged(draw.choice((INVOICE, CARRIER, "\ufeff\n" + INVOICE)).encode(draw.choice(("utf-8", "utf-16"))), draw)
    return lambda: read_ubl(data, "input")


def of_attachments(folder: Path, draw: random.Random) -> Callable[[], object]:
    from fgo_kit.benchmarks.gaia.tools import Desk, call

    name, data = draw.choice(sorted(attachments().items()))
    (folder / name).write_bytes(damaged(data, draw))
    desk = Desk({name: folder / name})
    tool, words = draw.choice((("read_file", {"name": name}), ("search", {"query": "x input"}), ("open_page", {"name": "a"})))
    return lambda: call(desk, tool, words)


def of_rows(folder: Path, draw: random.Random) -> Callable[[], object]:
    from fgo_kit.benchmarks.gaia.source import read_folder

    rows = [{"task_id": f"{n}", "Question": "q\u2028?", "Level": 1, "Final answer": 5, "file_name": "é.txt"} for n in range(4)]
    (folder / "é.txt").write_text("x")
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (folder / "metadata.jsonl").write_bytes(damaged(lines.encode(), draw))
    return lambda: read_folder(folder)


def of_tables(folder: Path, draw: random.Random) -> Callable[[], object]:
    import pandas as pd
    from fastparquet import write

    from fgo_kit.benchmarks.gaia.source import read_folder

    table = pd.DataFrame([{"task_id": f"{n}", "Question": "q", "Level": "1", "Final answer": "5", "file_name": ""} for n in range(40)])
    (folder / "metadata.jsonl").unlink(missing_ok=True)
    write(str(folder / "metadata.parquet"), table)
    (folder / "metadata.parquet").write_bytes(damaged((folder / "metadata.parquet").read_bytes(), draw))
    return lambda: read_folder(folder)


def of_traces(folder: Path, draw: random.Random) -> Callable[[], object]:
    from fgo_kit.traces import read_traces

    turns = [{"from": who, "value": text} for who, text in (("human", PLAY["traj"]), ("gpt", "Thought: x\nAction: y"), ("human", "z"))]
    records = draw.choice(([PLAY] * 3, [{"id": "1", "conversations": turns}] * 3))
    data = "\n".join(map(json.dumps, records)).encode()
    data = gzip.compress(damaged(data, draw)) if draw.random() < 0.3 else damaged(draw.choice((data, gzip.compress(data))), draw)
    (folder / "input.jsonl").write_bytes(data)
    return lambda: read_traces(folder / "input.jsonl")


def of_answers(folder: Path, draw: random.Random) -> Callable[[], object]:
    from fgo_kit.benchmarks.gaia.calculator import calculate
    from fgo_kit.benchmarks.gaia.score import score
    from fgo_kit.benchmarks.logisticsqa.benchmark import normalise

    signs = ("9", "**", "(", ")", ",", ";", "-", ".", "e", "round(", "sqrt(", "^", "%", "\ufdfa", "nan", "inf", " ", "x", "\ud800", "//0")
    text = "".join(draw.choices(signs, k=draw.choice((3, 30, 300, 30_000))))
    whole = draw.choice((text, "1000", "a,b;c"))
    return lambda: (score(text, whole), normalise(text), calculate(text))


def bombs() -> Iterator[tuple[str, bytes]]:
    """Small files that say, or unfold to, much."""
    area, nested = "A1:XFD1048576", f"{'<p>' * 200}<t>{'x' * 100_000}</t>{'</p>' * 200}"
    yield "a.xlsx", workbook(f'<hyperlinks><hyperlink ref="{area}" location="x"/></hyperlinks>')
    yield "b.xlsx", workbook(f'<mergeCells count="1"><mergeCell ref="{area}"/></mergeCells>')
    yield "c.xlsx", packed({"xl/worksheets/sheet1.xml": b"0" * 21_000_000})
    yield "d.docx", packed({"word/document.xml": f"<d {NS}>{nested}</d>"})
    yield "e.zip", packed({f"pages/{n}.md": f"# {n}" for n in range(4_000)})
    yield "f.zip", packed({f"pages/{n}.md": b"0 " * 9_000_000 for n in range(9)})
    yield "g.json", b"[" * 4_000_000
    yield "h.html", b"<html>" + b"<script " * 100_000
    yield "i.xml", INVOICE.encode() * 20_000
    yield "input.jsonl.gz", gzipped(b"0" * 10_000_000, 90)
    yield "input2.jsonl.gz", gzipped((json.dumps(PLAY) + "\n").encode() * 10_000, 100)


def gzipped(piece: bytes, times: int) -> bytes:
    held = io.BytesIO()
    with gzip.open(held, "wb", 6) as file:
        for _ in range(times):
            file.write(piece)
    return held.getvalue()


def of_bombs(folder: Path, draw: random.Random) -> Callable[[], object]:
    """One after the other; they are made in a process of their own, whose memory does not count."""
    from fgo_kit.benchmarks.gaia.tools import Desk, call
    from fgo_kit.traces import read_traces

    if not any(folder.iterdir()):
        if (maker := os.fork()) == 0:
            for name, data in bombs():
                (folder / name).write_bytes(data)
            os._exit(0)
        os.waitpid(maker, 0)
    path = min(folder.iterdir())
    desk = Desk({path.name: path})

    def read() -> None:
        try:
            if path.suffix == ".gz":
                read_traces(path)
            elif path.suffix == ".zip":
                call(desk, "search", {"query": "x"})
            else:
                call(desk, "read_file", {"name": path.name})
        finally:
            path.unlink()

    return read


KINDS = {
    "damaged documents": (of_documents, 300, 20_000), "damaged attachments": (of_attachments, 200, 10_000),
    "damaged metadata": (of_rows, 200, 10_000), "damaged parquet": (of_tables, 4, 300), "damaged traces": (of_traces, 200, 10_000),
    "odd answers and expressions": (of_answers, 300, 20_000), "small files that unfold": (of_bombs, 10, 30),
}  # fmt: skip


def read_all(kind: str, times: int) -> dict:
    """In the process: read so many inputs of a kind. flaws: errors of other kinds than readers raise, and slowness."""
    make, flaws, slowest = KINDS[kind][0], [], 0.0
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.suppress(Exception):
            make(Path(folder), random.Random(-1))()  # what it imports is no memory of the input
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for seed in range(times):
            read = make(Path(folder), random.Random(seed))
            began = time.perf_counter()
            try:
                read()
            except (ValueError, FileNotFoundError) as error:
                flaws += [f"seed {seed}: nameless {type(error).__name__}"] if not str(error) else []
            except Exception as error:
                flaws.append(f"seed {seed}: {type(error).__name__}: {error}"[:200])
            slowest = max(slowest, time.perf_counter() - began)
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    return {"flaws": flaws, "slowest": slowest, "megabytes": more}


def rows(short: bool):
    from common import Row

    for kind, (_, few, many) in KINDS.items():
        times = few if short else many
        command = [sys.executable, str(HERE / "fault_input.py"), kind, str(times)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=3_000)
        if done.returncode:
            yield Row(kind, times, 0, note=f"the reader's process ended with {done.returncode}")
            continue
        came = json.loads(done.stdout)
        within = came["slowest"] < (STALLED if kind == "damaged parquet" else SECONDS) and came["megabytes"] < MEGABYTES
        note = f"read, or refused by name; {came['slowest']:.1f} s at most, {came['megabytes']} MB more; {'; '.join(came['flaws'][:3])}"
        yield Row(kind, times, times - len(came["flaws"]) if within else 0, note=note.removesuffix("; "))


if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parents[1])]
    print(json.dumps(read_all(sys.argv[1], int(sys.argv[2]))))
