"""Try every kind of fault and write what came of it: `make test-faults` writes README.md, `make test` a short form.

One file a kind, `fault_*.py`, each with `rows(short)` that yields a `Row` for every line of the table.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]  # also where processes are started from here

from common import Row  # noqa: E402

KINDS = sorted(file.stem for file in HERE.glob("fault_*.py"))


def rows_of(kind: str, short: bool) -> Iterator[Row]:
    """The rows of one kind of fault, as they come."""
    return importlib.import_module(kind).rows(short)


def page(rows: list[Row]) -> str:
    """README.md of this folder."""
    survived, tried = sum(row.survived for row in rows), sum(row.tried for row in rows)
    head = f"""# What faults do

Written by `make test-faults`. One small run is made through an SDK, a fault is brought about, and the same command is
given again where the run was stopped. *Survived*: the result was that of an undisturbed run, or what the last column
says. *Lost*: answers that the run already had and that were gone. *Paid twice*: answers billed again, beyond those in
flight when a process was killed.

Not in the table: a page of HTML with status 200 is an error at once and no passing fault, so a run that meets one ends
(with such pages for 1 to 50 % of all requests, 10 of 12 runs did) and is repaired by the same command. A process is
killed a few milliseconds after a call began that was drawn among all calls of the phase, those that the log answers
included.

**{survived} of {tried} survived; {sum(r.lost for r in rows)} calls lost; {sum(r.twice for r in rows)} paid twice.**

| fault | tried | survived identical | calls lost | calls paid twice | notes |
|---|---:|---:|---:|---:|---|
"""
    lines = [f"| {r.fault} | {r.tried} | {r.survived} | {r.lost} | {r.twice} | {r.note} |" for r in rows]
    return head + "\n".join(lines) + "\n"


def main() -> int:
    """Try all kinds in full, or those named; write the table when it is all of them."""
    kinds = [f"fault_{name}" for name in sys.argv[1:]] or KINDS
    rows = []
    for kind in kinds:
        for row in rows_of(kind, short=False):
            print(row, flush=True)
            rows.append(row)
    if kinds == KINDS:
        (HERE / "README.md").write_text(page(rows), encoding="utf-8")
    return int(any(row.survived < row.tried or row.twice for row in rows))


if __name__ == "__main__":
    sys.exit(main())
