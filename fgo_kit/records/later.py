"""Libraries that take long to import: when first used, or in the background while a run waits for its first calls."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from threading import RLock, Thread
from typing import TYPE_CHECKING, Any

_IMPORTING = RLock()
"""Held while one of them is imported. Modules of scipy import one another in circles: two threads that enter a circle
at two places find each other's modules half made."""


class Later:
    """A module that is imported when something of it is first used, by one thread at a time.

    >>> Later("json").dumps([1])
    '[1]'
    """

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(_imported(self._name), attribute)


@contextmanager
def importing() -> Iterator[None]:
    """Where a large library is imported: by one thread at a time, and without a search for garbage meanwhile.

    All that an import makes stays; to look through it again and again takes a third of the time.
    """
    with _IMPORTING:
        collecting = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if collecting:
                gc.enable()


def _imported(name: str) -> Any:
    with importing():
        return import_module(name)


if TYPE_CHECKING:
    import pandas as pandas
else:
    pandas = Later("pandas")


def import_soon(name: str) -> None:
    """Import in the background what a run will need, while its first calls are under way."""
    Thread(target=_imported, args=(name,), name="fgo imports").start()
