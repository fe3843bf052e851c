"""`MergeStepper`: merge a run's modules by hand in a notebook. A thin view of `session.Session`."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path
from typing import Any

import traitlets

from ..algorithm.benchmark import Benchmark
from ..calls.limits import Limits
from ..calls.meter import Meter
from ..calls.protocol import LLM, BudgetExceeded, Cancelled, FGOError
from ..records import MergeNode, Module
from ..records.later import pandas as pd
from ..records.showing import showable
from ..runs.choices import split, takes
from ..runs.places import placed
from ..runs.result import Run
from ..runs.timing import critical_path, path_in_words
from .gate_steps import to_score
from .merging_by_hand import Decision, Merging
from .page import STATIC, Page, script
from .replay_decisions import calls_before_merging, desk_for, run_by_hand
from .session import Session, default_path
from .static_stepper import static_page
from .steps import ASKS
from .views import stepper_view

TICK = 0.1
"""Seconds between two reports of progress."""


class MergeStepper(Page):
    """Step through the merges of a run by hand; the picture, buttons and keyboard do what `do` does.

    save: the file that keeps every decision and is opened again when it exists; by default one under data/runs/by_hand
    that belongs to these modules, False for none. limits: the fields of `Limits`; budgets hold for what merging by
    hand pays. `decisions`, `module`, `state` and `to_run()` are what came of it.

    Raises ValueError for a run without merges, other data than the run's, or a file of something else.
    """

    _esm = script("stepper.js")
    _css = STATIC / "stepper.css"
    shown = traitlets.Dict().tag(sync=True)
    busy = traitlets.Dict().tag(sync=True)
    note = traitlets.Dict().tag(sync=True)

    @takes(Limits)
    def __init__(
        self, run: Run, bench: Benchmark, llm: LLM | str, *, save: str | os.PathLike | bool | None = None, **limits: Any
    ):
        super().__init__()
        self._meters: list[Meter] = []
        self._stopped = False
        self._progress = {"what": "", "done": 0, "of": 0}
        self._reported = 0.0
        self._working = threading.Lock()
        self.run: Run | None = None
        (chosen,) = split(MergeStepper, limits, Limits)
        desk = desk_for(run, bench, llm, limits=chosen, on_call=self._count, on_meter=self._metered)
        self.session = Session(desk, default_path(run) if save in (None, True) else save or None)
        self._learnt, calls = calls_before_merging(run), run.calls()
        used = (calls["prompt"] + calls["completion"])[calls["node"] == ""]
        self._leaf_tokens = {name: int(n) for name, n in used.groupby(calls["subset"]).sum().items() if name}
        self.on_msg(self._received)
        self._show()

    # -- from Python

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """What was decided and not undone: give it to `fgo.replay_merges`."""
        return self.session.done

    @property
    def state(self) -> Merging:
        return self.session.state

    @property
    def module(self) -> Module:
        """The present module."""
        return self.session.module

    def do(self, decision: Decision | dict | str, **choices) -> None:
        """Carry out a decision: `do("merge")`, `do("lock", rule="s1e1.1")`.

        Raises ValueError for one that is not possible now, and the errors of `fgo_kit.calls.protocol`.
        """
        decision = Decision.of({"do": decision, **choices} if isinstance(decision, str) else decision)
        self._work(decision.do, lambda: self._decide(decision))

    def undo(self) -> bool:
        """One decision back; False at the beginning."""
        return self._shown_after(self.session.undo)

    def redo(self) -> bool:
        """One undone decision forward; False at the end."""
        return self._shown_after(self.session.redo)

    def select(self, node: str) -> None:
        """Look at a node."""
        self._shown_after(lambda: self.session.select(node))

    def to_run(self) -> Run:
        """The result as a `Run` (method "by hand"), scored on the test split. ValueError before the root."""
        self.run = run_by_hand(self.decisions, self.session.desk)
        return self.run

    def export(self, kind: str = "json", path: str | os.PathLike | None = None) -> Path:
        """Write the module as "text", or with decisions and lineage as "json"; returns where."""
        endings = {"text": ".module.txt", "json": ".module.json"}
        if kind not in endings:
            raise ValueError(f"kind={kind!r} is unknown; use one of {list(endings)}")
        saved = self.session.path or default_path(self.session.desk.run)
        path = placed(path) if path else saved.with_suffix(endings[kind])
        path.parent.mkdir(parents=True, exist_ok=True)
        text = str(self.module) + "\n" if kind == "text" else self.session.export_json()
        path.write_text(text, encoding="utf-8", errors="replace")
        return path

    # -- from the page

    def _received(self, _, content: dict, buffers) -> None:
        if content.get("action") == "stop":
            self._stopped = True  # for the job under way, though it may not have its meter yet
            for meter in list(self._meters):
                meter.cancel()
            return
        try:
            label, slow, job = self._job(content)
        except (ValueError, KeyError, TypeError) as error:
            self._report(ValueError(f"the page sent what is no action: {error}"))
            return
        if slow:
            arguments = (self._guarded, label, job)
            threading.Thread(target=copy_context().run, args=arguments, daemon=True, name="fgo stepper").start()
        else:
            self._guarded(label, job)

    def _job(self, content: dict) -> tuple[str, bool, Callable[[], object]]:
        """What a message of the page asks for: its name, whether it may take a while, and what does it.

        A slow one runs in a thread, so that Stop can reach Python.
        """
        action = content.get("action")
        if action == "do":
            decision = Decision.of(content["decision"])
            return decision.do, decision.do in ASKS, lambda: self._decide(decision)
        if action == "select":
            return "", False, lambda: self.session.select(content["node"])
        if action == "export":
            return "export", content["kind"] == "run", lambda: self._export(content["kind"])
        if action in ("undo", "redo"):
            return "", False, getattr(self.session, action)
        raise ValueError(f"action={action!r} is unknown")

    def _decide(self, decision: Decision) -> None:
        if decision.do == "evaluate":
            tasks, nodes = to_score(self.session.desk, self.state, decision)
            self._progress["of"] = len(tasks) * len(nodes)
            self.busy = dict(self._progress)
        self.session.do(decision)

    def _export(self, kind: str) -> None:
        if kind == "run":
            run = self.to_run()
            text = f"Exported as run {run.id}: test score {100 * run.score:.1f} %. In Python: stepper.run"
        else:
            text = f"Written to {self.export(kind)}"
        self.note = {"text": showable(text), "error": False}

    def _guarded(self, label: str, job: Callable[[], object]) -> None:
        try:
            self._work(label, job)
        except (ValueError, FGOError, OSError) as error:
            self._report(error)

    def _work(self, label: str, job: Callable[[], object]) -> None:
        """Do one job at a time, reporting progress; the page shows the state after it, whatever happens."""
        if not self._working.acquire(blocking=False):
            raise ValueError(f"still busy with {self._progress['what']}; wait, or press Stop")
        try:
            self.note = {}
            self._progress = {"what": label, "done": 0, "of": 0}
            if label in (*ASKS, "export"):
                self.busy = dict(self._progress)
            job()
        finally:
            self._meters.clear()
            self._stopped = False
            self._working.release()
            self._show()
            self.busy = {}

    def _metered(self, meter: Meter) -> None:
        self._meters.append(meter)
        if self._stopped:
            meter.cancel()

    def _count(self, place, paid: bool) -> None:
        """Called in a worker's thread after every call."""
        self._progress["done"] += 1
        if time.monotonic() - self._reported > TICK and self.busy:
            self._reported = time.monotonic()
            self.busy = dict(self._progress)

    def _report(self, error: Exception) -> None:
        text = f"Budget reached: {error}" if isinstance(error, BudgetExceeded) else str(error)
        if isinstance(error, Cancelled):
            text = "Stopped. What was paid is kept: doing the same again goes on from there."
        self.note = {"text": showable(text)[:2_000], "error": True}

    # -- what is shown

    def _shown_after(self, change: Callable[[], bool | None]) -> bool | None:
        changed = change()
        self._show()
        return changed

    def _show(self) -> None:
        calls = self.session.desk.run.log.calls(self.session.desk.run_id)
        self.shown = stepper_view(self.session, self._tokens(calls), self._path(calls))

    def _tokens(self, calls: pd.DataFrame) -> dict[str, int]:
        """Logical tokens by node: what the run spent on each subset, and merging by hand on each merge."""
        at_node = (calls["prompt"] + calls["completion"]).groupby(calls["node"]).sum()
        return self._leaf_tokens | {str(name): int(n) for name, n in at_node.items()}

    def _path(self, calls: pd.DataFrame) -> str:
        """The critical path of all that was asked, in words: modules that are open wait for none of the others."""
        calls = pd.concat([self._learnt, calls[calls["phase"] != "test"]])
        trees = [*self.session.desk.run.state.earlier, MergeNode("open", Module(()), self.state.editable)]
        return path_in_words(len(calls), critical_path(calls, trees, "calls"))

    def plain(self) -> str:
        return static_page(self.shown)

    def __repr__(self) -> str:
        stands = "done" if self.state.done else f"{len(self.state.open)} modules open"
        return f"MergeStepper on run {self.session.desk.run.id}: {len(self.decisions)} decisions, {stands}"
