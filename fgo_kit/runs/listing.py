"""`strategies()`: everything that can be chosen by name, with one line each."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from ..algorithm.divide import DIVISIONS
from ..algorithm.gates import GATES
from ..algorithm.merge import MERGES
from ..algorithm.methods import METHODS

KINDS: dict[str, dict[str, Callable]] = {"method": METHODS, "divide": DIVISIONS, "merge": MERGES}


class Listing(pd.DataFrame):
    """A DataFrame that shows its texts whole and no row numbers."""

    @property
    def _constructor(self):
        return Listing

    def __repr__(self) -> str:
        width = {name: int(max(self[name].astype(str).str.len().max(), 1)) for name in self} if len(self) else {}
        aligned = {name: f"{{:<{number}}}".format for name, number in width.items()}
        return self.to_string(index=False, justify="left", formatters=aligned, max_colwidth=None)

    def _repr_html_(self) -> str:
        with pd.option_context("display.max_colwidth", None):
            return self.to_html(index=False, border=0, justify="left")


def strategies() -> pd.DataFrame:
    """What `run(method=, divide=, merge=, gate=)` can be: kind (the argument), name, one-line description.

    One's own, registered with `method`, `division` or `merging`, are listed with the others.
    """
    found = [
        (kind, name, _first_line(function)) for kind, table in KINDS.items() for name, function in sorted(table.items())
    ]
    return Listing([*found, *(("gate", *item) for item in GATES.items())], columns=["kind", "name", "description"])


def _first_line(function: Callable) -> str:
    return next(iter((getattr(function, "__doc__", None) or "").strip().splitlines()), "")
