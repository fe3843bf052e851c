"""Libraries that take long to import: when first used, or in the background while a run waits for its first calls."""

from __future__ import annotations

from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING, Any

SOON = ("pandas", "scipy.cluster.hierarchy")
"""What a run will need: tables, and the order of merges."""


class Later:
    """A module that is imported when something of it is first used.

    >>> Later("json").dumps([1])
    '[1]'
    """

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)


if TYPE_CHECKING:
    import pandas as pandas
else:
    pandas = Later("pandas")


def import_soon() -> None:
    """Import in the background what a run will need, while its first calls are under way."""
    Thread(target=lambda: [import_module(name) for name in SOON], name="fgo imports").start()
