"""`strategies()`: everything that can be chosen by name, with one line each."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..algorithm.registry import REGISTRIES


class Listing(pd.DataFrame):
    """A DataFrame that shows its texts whole and no row numbers."""

    @property
    def _constructor(self):
        return Listing

    def __repr__(self) -> str:
        width = {name: int(max(self[name].astype(str).str.len().max(), 1)) for name in self} if len(self) else {}
        aligned: Any = {name: f"{{:<{number}}}".format for name, number in width.items()}
        return self.to_string(index=False, justify="left", formatters=aligned, max_colwidth=None)

    def _repr_html_(self) -> str:
        with pd.option_context("display.max_colwidth", None):
            return self.to_html(index=False, border=0, justify="left")


def strategies() -> pd.DataFrame:
    """What `run(method=, divide=, merge=, gate=)` can be: kind (the argument), name, one-line description.

    One's own, registered with `method`, `division`, `merging` or `gate`, are listed with the others.

    >>> set(strategies()["kind"]) == {"method", "divide", "merge", "gate"}
    True
    """
    rows = [
        (table.argument, name, strategy.summary) for table in REGISTRIES for name, strategy in sorted(table.items())
    ]
    return Listing(rows, columns=["kind", "name", "description"])
