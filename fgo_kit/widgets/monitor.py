"""`start(bench, llm)`: a run in the background, watched and stopped from a notebook or a terminal.

    monitor = fgo.start(bench, "openai:gpt-4o-mini", budget_usd=5)  # returns at once
    monitor                                                          # in a notebook: live, with Stop
    run = monitor.follow().result()                                  # in a terminal: lines of text

A stopped run has kept every answer it paid for; starting it again with the same choices goes on from there.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

from ..algorithm.benchmark import Benchmark
from ..algorithm.settings import Settings
from ..calls.clock import now
from ..calls.limits import Limits
from ..calls.log import CallLog
from ..calls.meter import Meter
from ..calls.protocol import LLM, Cancelled
from ..calls.providers import as_llm
from ..calls.roles import Roles
from ..records.showing import escape, showable
from ..runs.choices import takes
from ..runs.result import Run
from ..runs.run import chosen_for, log_path, run
from .plain import table
from .progress import NAN, Progress, Watched
from .status import Snapshot, line, page_view


@takes(Settings, Limits, Roles)
def start(
    bench: Benchmark, llm: LLM | str = "simulated", *, log: str | Path | CallLog | None = None, **choices: Any
) -> Monitor:
    """`run(bench, llm, log=log, **choices)` in a background thread; returns its `Monitor` at once.

    Takes all choices of `run` but its hooks. Raises ValueError and TypeError for choices that do not exist,
    before anything is asked; what fails later is raised by `Monitor.result`.
    """
    llm = as_llm(llm)
    settings, limits, roles = chosen_for(bench, llm, start, choices)
    opened = log if isinstance(log, CallLog) else CallLog(log_path(log, llm))
    return Monitor(bench, llm, settings, limits, roles, opened)


class Monitor:
    """A run under way. `snapshot()` and `text()` say how far it is, `stop()` ends it, `result()` waits."""

    def __init__(self, bench: Benchmark, llm: LLM, settings: Settings, limits: Limits, roles: Roles, log: CallLog):
        self.progress, self.llm, self.limits = Progress(bench, settings), Watched(llm), limits
        self.title = showable(f"{settings.method} on {bench.name} with {llm.name}")
        self._meter: Meter | None = None
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._run: Run | None = None
        self._error: BaseException | None = None
        self._seconds = 0.0
        args = (bench, log, vars(settings) | vars(limits) | vars(roles))
        threading.Thread(target=self._carry_out, args=args, daemon=True, name="fgo run").start()

    def _carry_out(self, bench: Benchmark, log: CallLog, choices: dict) -> None:
        progress = self.progress
        hooks = {"on_call": progress.count, "on_division": progress.divided, "on_start": self._started}
        try:
            self._run = run(bench, self.llm, log=log, **hooks, **choices)
        except BaseException as error:  # kept, and raised by result
            self._error = error
        self._seconds = now() - progress.began
        self._ended.set()

    def _started(self, meter: Meter) -> None:
        self._meter = meter
        if self._stopping.is_set():
            meter.cancel()

    # -- what a user calls

    def stop(self, timeout: float = 30.0) -> bool:
        """Stop the run; True when it ended within `timeout` seconds. Calls under way end on their own."""
        self._stopping.set()
        if self._meter is not None:
            self._meter.cancel()
        return self._ended.wait(timeout)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run has ended, at most `timeout` seconds; whether it has. An interrupt ends the
        waiting, not the run. While a cell waits, clicks do not reach Python: interrupt it to use Stop."""
        return self._ended.wait(timeout)

    def result(self, timeout: float | None = None) -> Run:
        """The finished run. Raises what ended it otherwise: `Cancelled` after `stop`, the errors of `run`;
        TimeoutError when it is still under way after `timeout` seconds."""
        if not self.wait(timeout):
            raise TimeoutError(f"the run is still under way after {timeout:g} s; {self.text()}")
        if self._error is not None:
            raise self._error
        return self._run

    @property
    def state(self) -> str:
        """running, stopping, done, stopped or failed."""
        if not self._ended.is_set():
            return "stopping" if self._stopping.is_set() else "running"
        if self._error is None:
            return "done"
        return "stopped" if isinstance(self._error, (Cancelled, KeyboardInterrupt)) else "failed"

    def snapshot(self) -> Snapshot:
        """How far the run is."""
        state, progress, ended = self.state, self.progress, self._ended.is_set()
        paid, tokens, usd = (0, 0, 0.0)
        if self._meter is not None:
            with suppress(Exception):  # a log that was closed meanwhile
                paid, tokens, usd = self._meter.spent
        seconds = self._seconds if ended else now() - progress.began
        return Snapshot(
            state, seconds, progress.calls, progress.calls / max(seconds, 1e-9) if ended else progress.rate(),
            0 if ended else self.llm.flying, paid, tokens, usd, NAN if ended else progress.left(),
            progress.phases(), progress.subsets(done=state == "done"), tuple(sorted(Counter(self.llm.failed).items())),
            f"{type(self._error).__name__}: {self._error}" if state == "failed" else "",
        )  # fmt: skip

    def text(self) -> str:
        """The snapshot as one line of plain text."""
        return line(self.snapshot(), self.limits)

    def follow(self, every: float = 5.0, file: TextIO | None = None) -> Monitor:
        """Write a line every few seconds until the run has ended, for terminals and CI; returns the monitor.

        A terminal sees one line change; anywhere else each is a line of its own without control characters.
        """
        out = file or sys.stdout
        live, ended = out.isatty(), False
        while not ended:
            ended = self.wait(every)
            out.write(f"\r\x1b[K{self.text()}" if live else f"{self.text()}\n")
            out.flush()
        if live:
            out.write("\n")
        return self

    # -- how it shows itself

    def __repr__(self) -> str:
        return f"Monitor of {self.title}: {self.text()}"

    def _repr_html_(self) -> str:
        bars = self.snapshot().phases
        rows = ((escape(bar.name), f"{bar.done:,}", f"{bar.expected:,}" if bar.expected else "") for bar in bars)
        phases = table(("phase", "done", "expected"), rows)
        return f"<p><b>{escape(self.title)}</b></p><p>{escape(self.text())}</p>{phases}"

    def _repr_mimebundle_(self, **options):
        return self.widget._repr_mimebundle_(**options)

    def shown(self) -> dict:
        """The snapshot as JSON for the view."""
        return {"title": self.title, **page_view(self.snapshot(), self.limits)}

    @cached_property
    def widget(self):
        """The live view, made at its first showing."""
        from .monitor_page import MonitorPage  # here, because a terminal needs none

        return MonitorPage(self)
