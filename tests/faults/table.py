"""Try every kind of fault and write what came of it: `make test-faults` writes README.md, `make test` a short form.

One file a kind, `fault_*.py`, each with `rows(short)` that yields a `Row` for every line of the table. A kind can be
tried alone (`make test-faults ARGS="kill batch"`): the others keep their rows, and each says of which commit it is.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]  # also where processes are started from here

from common import Row  # noqa: E402

KINDS = sorted(file.stem for file in HERE.glob("fault_*.py"))
README = HERE / "README.md"
HEAD = """# What faults do

Written by `make test-faults`, a part for every kind. One small run is made through an SDK, a fault is brought about, and
the same command is given again where the run was stopped. *Survived*: the result was that of an undisturbed run, or what
the last column says. *Lost*: answers that the run already had and that were gone. *Paid twice*: answers billed again,
beyond those in flight when a process was killed.

Not in the table: a page of HTML with status 200 is an error at once and no passing fault, so a run that meets one ends
(with such pages for 1 to 50 % of all requests, 10 of 12 runs did) and is repaired by the same command. A process is
killed a few milliseconds after a call began that was drawn among all calls of the phase, those that the log answers
included.
"""
COLUMNS = ("| fault | tried | survived identical | calls lost | calls paid twice | notes |", "|---|---:|---:|---:|---:|---|")
_COUNTS = re.compile(r"^\|.*?\| (\d+) \| (\d+) \| (\d+) \| (\d+) \|.*\|$", re.MULTILINE)


def rows_of(kind: str, short: bool) -> Iterator[Row]:
    """The rows of one kind of fault, as they come."""
    return importlib.import_module(kind).rows(short)


def section(kind: str, rows: list[Row], commit: str) -> str:
    """The part of README.md on one kind, as of a commit."""
    lines = [f"| {r.fault} | {r.tried} | {r.survived} | {r.lost} | {r.twice} | {r.note} |" for r in rows]
    return "\n".join([f"## {kind.removeprefix('fault_')}, commit {commit}", "", *COLUMNS, *lines])


def sections(page: str) -> dict[str, str]:
    """The parts of a page by kind."""
    parts = re.split(r"^(?=## )", page, flags=re.MULTILINE)[1:]
    return {f"fault_{part[3 : part.index(',')]}": part.rstrip() for part in parts}


def page(parts: dict[str, str]) -> str:
    """README.md of this folder."""
    text = "\n\n".join(parts[kind] for kind in sorted(parts))
    tried, survived, lost, twice = (sum(map(int, column)) for column in zip(*_COUNTS.findall(text), strict=True))
    return f"{HEAD}\n**{survived} of {tried} survived; {lost} calls lost; {twice} paid twice.**\n\n{text}\n"


def main() -> int:
    """Try all kinds in full, or those named; after each its part of the page is written anew."""
    commit = subprocess.check_output(["git", "describe", "--always", "--dirty"], text=True, cwd=HERE).strip()
    bad = False
    for kind in [f"fault_{name}" for name in sys.argv[1:]] or KINDS:
        rows = []
        for row in rows_of(kind, short=False):
            print(row, flush=True)
            rows.append(row)
        bad = bad or any(row.survived < row.tried or row.twice for row in rows)
        known = sections(README.read_text(encoding="utf-8"))
        README.write_text(page(known | {kind: section(kind, rows, commit)}), encoding="utf-8")
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
