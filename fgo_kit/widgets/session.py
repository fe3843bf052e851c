"""Merging by hand, decision after decision: undo, redo, and a file that keeps every one of them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..calls.limits import Limits
from ..calls.protocol import BudgetExceeded
from ..records import Module, digest, to_json
from ..runs.places import RUNS, placed
from ..runs.result import Run
from .merging_by_hand import Decision, Desk, Merging, suggestion, unmerged
from .steps import apply

FORMAT = "fgo merges by hand 1"
FOLDER = RUNS / "by_hand"


class Session:
    """Decisions made so far, a cursor in them, and the state at every point up to it.

    path: where every change is saved at once, and what is opened again when it exists; None saves nothing.
    Raises ValueError for a file that is none of ours or belongs to other modules.
    """

    def __init__(self, desk: Desk, path: str | os.PathLike | None = None):
        self.desk, self.path = desk, None if path is None else placed(path)
        self.decisions: tuple[Decision, ...] = ()
        self.cursor = 0
        self.selected = ""
        self.saved_at = ""
        self._states = [unmerged(desk.run)]
        if self.path and self.path.exists():
            self._reopen()

    @property
    def state(self) -> Merging:
        """The state at the cursor."""
        while len(self._states) <= self.cursor:
            self._states.append(apply(self.desk, self._states[-1], self.decisions[len(self._states) - 1]))
        return self._states[self.cursor]

    @property
    def done(self) -> tuple[Decision, ...]:
        """The decisions that count: those before the cursor."""
        return self.decisions[: self.cursor]

    @property
    def module(self) -> Module:
        return self.state.module

    def do(self, decision: Decision | Mapping[str, Any]) -> Merging:
        """Carry out a decision; what was undone before is forgotten. Nothing changes when it raises."""
        decision = Decision.of(decision)
        if decision.do == "merge" and not decision.nodes:  # noted by name, whatever is suggested one day
            decision = replace(decision, nodes=self.state.chosen or suggestion(self.desk.run, self.state))
        state = apply(self.desk, self.state, decision)
        self.decisions = (*self.done, decision)
        self._states = [*self._states[: self.cursor + 1], state]
        self._go_to(self.cursor + 1)
        return state

    def undo(self) -> bool:
        """One decision back; False at the beginning."""
        return self.cursor > 0 and self._go_to(self.cursor - 1)

    def redo(self) -> bool:
        """One decision forward again; False at the end."""
        return self.cursor < len(self.decisions) and self._go_to(self.cursor + 1)

    def select(self, node_id: str) -> None:
        """Look at a node: kept with the rest, but no decision."""
        self.selected = self.state.node(node_id).id
        self.save()

    def _go_to(self, cursor: int) -> bool:
        self.cursor = cursor
        self.selected = self.state.current
        self.save()
        return True

    def export_json(self) -> str:
        """Decisions, module and lineage as JSON text: what `replay_merges` needs and what came of it."""
        data = {"module": json.loads(to_json(self.module)), "text": str(self.module)}
        return json.dumps(self._contents() | data, indent=1, allow_nan=True)

    def save(self) -> None:
        """Write the file anew, whole or not at all."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self.path.parent) as fresh:
            part = Path(fresh) / self.path.name
            part.write_text(json.dumps(self._contents(), indent=1), encoding="utf-8")
            part.replace(self.path)
        self.saved_at = time.strftime("%H:%M:%S")

    def _contents(self) -> dict:
        return {
            "format": FORMAT, "modules": modules_digest(self.desk.run), "run": self.desk.run.id, "cursor": self.cursor,
            "selected": self.selected, "decisions": [decision.as_dict() for decision in self.decisions],
        }  # fmt: skip

    def _reopen(self) -> None:
        advice = "move it away, or name another file with save="
        try:
            saved = json.loads(self.path.read_text(encoding="utf-8"))
            if saved["format"] != FORMAT:
                raise ValueError(f"its format is {saved['format']!r}")
            self.decisions = tuple(Decision.of(given) for given in saved["decisions"])
            cursor, selected = int(saved["cursor"]), str(saved["selected"])
            if not 0 <= cursor <= len(self.decisions):
                raise ValueError(f"its cursor is {cursor} of {len(self.decisions)}")
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{self.path} is no file of merges by hand ({error}); {advice}") from None
        if saved["modules"] != modules_digest(self.desk.run):
            raise ValueError(f"{self.path} holds decisions on other modules than those of run {self.desk.run.id}; "
                             f"{advice}")
        self._replay_free(cursor)
        self.cursor = cursor
        known = {node.id for node in self.state.walk()}
        self.selected = selected if selected in known else self.state.current

    def _replay_free(self, cursor: int) -> None:
        """The states up to the cursor. Opening a file never pays: a real LLM's answers must be in the log."""
        desk = self.desk
        if not desk.llm.simulated:
            desk = replace(desk, limits=Limits(budget_calls=desk.run.log.paid(desk.run_id)[0]))
        for decision in self.decisions[:cursor]:
            try:
                self._states.append(apply(desk, self._states[-1], decision))
            except BudgetExceeded as error:
                raise ValueError(f"{self.path} needs answers of {desk.llm.name} that are not in {desk.run.log!r}: use "
                                 "the log it was made with, or pay for them again by fgo.replay_merges") from error


def modules_digest(run: Run) -> str:
    """A hash of the modules a run would merge: what a list of decisions belongs to."""
    return digest([run.config["fingerprint"], *(to_json(node) for node in unmerged(run).open)])


def default_path(run: Run) -> Path:
    """Where a run's merges by hand are saved when no file is named."""
    return FOLDER / f"{modules_digest(run)}.json"
