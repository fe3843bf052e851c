"""Solutions as tool calls: each reads the files, then runs a program on them with `run_python`.

They share no code with the builders: what they print is computed from the files alone.
"""

from __future__ import annotations

import re

# The sandbox has the standard library only to rely on, so the programs bring their readers along.
PRELUDE = """
import csv, io, json, math, re, zipfile
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict

def data(name):
    outer, inside, inner = name.partition(".zip/")
    return zipfile.ZipFile(outer + ".zip").read(inner) if inside else open(name, "rb").read()

def text(name):
    return data(name).decode()

def table(name):
    lines = [line for line in text(name).splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines, delimiter="\\t" if name.endswith(".tsv") else ","))

def book(name):
    "Sheet by name: rows of cells as text."
    file, space = zipfile.ZipFile(io.BytesIO(data(name))), "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    sheets = {}
    for n, sheet in enumerate(ET.fromstring(file.read("xl/workbook.xml")).iter(space + "sheet"), 1):
        rows = []
        for row in ET.fromstring(file.read(f"xl/worksheets/sheet{n}.xml")).iter(space + "row"):
            cells = defaultdict(str)
            for cell in row:
                cells[ord(cell.get("r")[0]) - 65] = "".join(cell.itertext())
            rows.append([cells[i] for i in range(max(cells, default=-1) + 1)])
        sheets[sheet.get("name")] = rows
    return sheets

def records(rows):
    return [dict(zip(rows[0], row + [""] * 9)) for row in rows[1:]]

def once(rows, key):
    return rows if TWICE else list({row[key]: row for row in rows}.values())

def live(rows, everything=False):
    return [row for row in rows if everything or row.get("status") not in DEAD]

def plain(key):
    return re.sub(r"[- ]", "", key).upper()

def show(value, digits):
    print(f"{round(value + 1e-9, digits):.{digits}f}" if digits else round(value + 1e-9))
"""


def read_all(call, name: str, tool: str = "read_file") -> str:
    """A whole file, page after page."""
    text, page = "", 1
    while True:
        part = call(tool, name=name, **({"page": page} if page > 1 else {}))
        cut = re.search(r"\n\[cut: \d+ more characters; ask for page=(\d+)\]$", part)
        text += part[: cut.start()] if cut else part
        if not cut:
            return text
        page = int(cut[1])


def program(d, body: str, *reads: str, **given):
    """An oracle: read the files named, then run `body`, which prints the answer.

    `given` are the question's values, as variables; DEAD and TWICE are the conventions of the draw's world, and SEEN
    has the text of the files that were read.
    """
    given = {"DEAD": set(d.conventions.dead), "TWICE": d.conventions.twice} | given

    def oracle(call) -> str:
        seen = {name: read_all(call, name) for name in reads}
        start = "".join(f"{name} = {value!r}\n" for name, value in given.items())
        return call("run_python", code=f"{PRELUDE}\nSEEN = {seen!r}\n{start}{body.strip()}\n").strip()

    return oracle
