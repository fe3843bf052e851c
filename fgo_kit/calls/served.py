"""Which model answered: providers move a name on to another model, and a run that mixes two is told so."""

from __future__ import annotations

import threading
import warnings


class Served:
    """The models that answered for one LLM in one run, in their provider's words. Threads may share it."""

    def __init__(self, name: str):
        self._name, self._first, self._told = name, "", False
        self._lock = threading.Lock()

    def see(self, model: str) -> None:
        """Note who answered, and warn once when it is another than before."""
        with self._lock:
            self._first = self._first or model
            changed = bool(model) and model != self._first and not self._told
            self._told = self._told or changed
        if changed:
            warnings.warn(
                f"{self._name}: {model!r} answers, and {self._first!r} did before in this run: its results mix two "
                "models. Ask for a dated name, or see log.calls() for who answered what",
                stacklevel=3,
            )
