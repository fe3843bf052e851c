"""A merge by hand from beginning to end: undo and redo, autosave, replay, and its result as a `Run`."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..algorithm.benchmark import Benchmark
from ..algorithm.rollout import rollouts
from ..calls.limits import Limits
from ..calls.log import Asked, Place
from ..calls.meter import Meter
from ..calls.protocol import LLM, BudgetExceeded
from ..calls.providers import as_llm
from ..records import Module, digest, from_json, to_json
from ..runs.places import RUNS, placed
from ..runs.provenance import manifest
from ..runs.result import Run
from .steps import Decision, Desk, State, apply, start, suggestion

FORMAT = "fgo merges by hand 1"
METHOD = "by hand"
FOLDER = RUNS / "by_hand"
_OMITTED = asdict(Decision(""))


def as_dict(decision: Decision) -> dict:
    """A decision as JSON-able data, without what it leaves open."""
    return {name: value for name, value in asdict(decision).items() if value != _OMITTED[name]}


def as_decision(given: Decision | Mapping[str, Any]) -> Decision:
    """The decision that `as_dict` wrote, or the like; ValueError for what is none."""
    if isinstance(given, Decision):
        return given
    unknown = sorted(set(given) - set(_OMITTED))
    if unknown:
        raise ValueError(f"a decision has no {unknown}; it has {sorted(_OMITTED)}")
    return from_json(Decision, json.dumps(dict(given)))


def desk_for(run: Run, bench: Benchmark, llm: LLM | str, run_id: str | None = None, **options) -> Desk:
    """A desk for a run. Without a run_id calls are logged under one that all sessions on this run share."""
    llm = as_llm(llm)
    config = run.config | {"method": METHOD, "from_run": run.id, "llm": llm.name}
    if bench.fingerprint != config["fingerprint"]:
        raise ValueError(
            f"run {run.id} was made on other data (fingerprint {config['fingerprint']}) than {bench.name} "
            f"given ({bench.fingerprint}); load the benchmark as for the run"
        )
    if run_id is None:
        run_id = digest(config)
        run.log.begin(run_id, config, manifest())
    explored = [judged for judged in run.state.record if judged.place.phase == "rollout"]
    return Desk(run, bench, llm, run_id, record=explored, **options)


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
        self._states = [start(desk.run)]
        if self.path and self.path.exists():
            self._reopen()

    @property
    def state(self) -> State:
        """The state at the cursor."""
        while len(self._states) <= self.cursor:
            decision = self.decisions[len(self._states) - 1]
            self._states.append(apply(self.desk, self._states[-1], decision))
        return self._states[self.cursor]

    @property
    def done(self) -> tuple[Decision, ...]:
        """The decisions that count: those before the cursor."""
        return self.decisions[: self.cursor]

    @property
    def module(self) -> Module:
        return self.state.module

    def do(self, decision: Decision | Mapping[str, Any]) -> State:
        """Carry out a decision; what was undone before is forgotten. Nothing changes when it raises."""
        decision = as_decision(decision)
        if decision.do == "merge" and not decision.nodes:  # noted by name, whatever is suggested one day
            nodes = self.state.chosen or suggestion(self.desk.run, self.state)
            decision = replace(decision, nodes=nodes)
        state = apply(self.desk, self.state, decision)
        self.decisions = (*self.done, decision)
        self._states = [*self._states[: self.cursor + 1], state]
        self.cursor += 1
        self.selected = state.current
        self.save()
        return state

    def undo(self) -> bool:
        """One decision back; False at the beginning."""
        return self._move(-1)

    def redo(self) -> bool:
        """One decision forward again; False at the end."""
        return self._move(+1)

    def select(self, node_id: str) -> None:
        """Look at a node: kept with the rest, but no decision."""
        self.state.node(node_id)
        self.selected = node_id
        self.save()

    def _move(self, by: int) -> bool:
        if not 0 <= self.cursor + by <= len(self.decisions):
            return False
        self.cursor += by
        self.selected = self.state.current
        self.save()
        return True

    def export_json(self) -> str:
        """Decisions, module and lineage as JSON text: what `replay_merges` needs and what came of it."""
        data = {"module": json.loads(to_json(self.module)), "text": str(self.module)}
        return json.dumps(self._file() | data, indent=1, allow_nan=True)

    def save(self) -> None:
        """Write the file anew, whole or not at all."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name, suffix=".new")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(self._file(), file, indent=1)
            os.replace(name, self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        self.saved_at = time.strftime("%H:%M:%S")

    def _file(self) -> dict:
        return {
            "format": FORMAT, "modules": modules_digest(self.desk.run), "run": self.desk.run.id,
            "cursor": self.cursor, "selected": self.selected,
            "decisions": [as_dict(decision) for decision in self.decisions],
        }  # fmt: skip

    def _reopen(self) -> None:
        advice = "move it away, or name another file with save="
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            if found["format"] != FORMAT:
                raise ValueError(f"its format is {found['format']!r}")
            decisions = tuple(as_decision(one) for one in found["decisions"])
            cursor, selected = int(found["cursor"]), str(found["selected"])
            if not 0 <= cursor <= len(decisions):
                raise ValueError(f"its cursor is {cursor} of {len(decisions)}")
        except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise ValueError(f"{self.path} is no file of merges by hand ({error}); {advice}") from None
        if found["modules"] != modules_digest(self.desk.run):
            raise ValueError(
                f"{self.path} holds decisions on other modules than those of run {self.desk.run.id}; {advice}"
            )
        self.decisions = decisions
        self._replay_free(cursor)
        self.cursor = cursor
        ids = [node.id for node in self.state.walk()]
        self.selected = selected if selected in ids else self.state.current

    def _replay_free(self, cursor: int) -> None:
        """The states up to the cursor. Opening a file never pays: a real LLM's answers must be in the log."""
        desk = self.desk
        if not desk.llm.simulated:
            desk = replace(desk, limits=Limits(budget_calls=desk.run.log.paid(desk.run_id)[0]))
        for decision in self.decisions[:cursor]:
            try:
                self._states.append(apply(desk, self._states[-1], decision))
            except BudgetExceeded as error:
                raise ValueError(
                    f"{self.path} needs answers of {desk.llm.name} that are not in {desk.run.log!r}: use the "
                    "log it was made with, or pay for them again by fgo.replay_merges"
                ) from error


def modules_digest(run: Run) -> str:
    """A hash of the modules a run would merge: what a list of decisions belongs to."""
    return digest([run.config["fingerprint"], *(to_json(node) for node in start(run).open)])


def default_path(run: Run) -> Path:
    """Where a run's merges by hand are saved when no file is named."""
    return FOLDER / f"{modules_digest(run)}.json"


def replay_merges(
    decisions: Iterable[Decision | Mapping[str, Any]], run: Run, bench: Benchmark, llm: LLM | str
) -> Module:
    """The module that a list of decisions makes of a run's modules, without a widget.

    decisions: `MergeStepper.decisions`, or the same as dictionaries, as the exported JSON has them.
    Answers that are in the run's log are not paid again. Raises ValueError for a decision that is not
    possible where it stands in the list, saying which.
    """
    return _replay(desk_for(run, bench, llm), decisions).module


def _replay(desk: Desk, decisions: Iterable[Decision | Mapping[str, Any]]) -> State:
    state = start(desk.run)
    for number, given in enumerate(decisions, 1):
        try:
            state = apply(desk, state, as_decision(given))
        except ValueError as error:
            raise ValueError(f"decision {number}: {error}") from error
    return state


def run_by_hand(
    decisions: Iterable[Decision | Mapping[str, Any]],
    run: Run,
    bench: Benchmark,
    llm: LLM | str,
    workers: int = 8,
    on_call: Callable[[Place, bool], None] | None = None,
    on_meter: Callable[[Meter], None] | None = None,
) -> Run:
    """The decisions as a `Run` (method "by hand"), scored on the test split like any other.

    Its ledger holds what the run spent on its modules (as cached calls), the merges and evaluations on the
    list, and the test. ValueError while more than one module is left.
    """
    decisions = [as_decision(one) for one in decisions]
    desk = desk_for(run, bench, llm)
    config = run.config | {
        "method": METHOD, "from_run": run.id, "llm": desk.llm.name,
        "decisions": [as_dict(decision) for decision in decisions],
    }  # fmt: skip
    desk = replace(desk, run_id=digest(config), limits=Limits(workers=workers), on_call=on_call, on_meter=on_meter)
    began = time.perf_counter()
    past = run.log.begin(desk.run_id, config, manifest())
    if past["status"] == "ok" and past["result"]:
        finished = from_json(type(run.state), past["result"]["state"])
        return Run(desk.run_id, config, finished, run.log, past["result"]["seconds"])
    _adopt_calls(run, desk.run_id)
    state = _replay(desk, decisions)
    if not state.done:
        left = [node.id for node in state.open]
        raise ValueError(f"{len(left)} modules are left ({left}); add Decision('finish') to the list")
    ctx = desk.context()
    rollouts(ctx, state.module, bench.test, Place("test"))
    own = {node.id for node in run.merge_tree.walk()}  # those merges are made by hand
    learnt = [j for j in run.state.record if j.place.node.split("<")[0] not in own]
    learnt = [j for j in learnt if j.place.phase not in ("test", "rollout")]  # the desk has the rollouts
    record = sorted([*learnt, *ctx.record], key=lambda judged: str(judged.place))
    kept = replace(run.state, module=state.module, record=record, merge_tree=state.open[0])
    seconds = time.perf_counter() - began
    stored = {} if run.log.path is None else {"state": to_json(kept), "seconds": seconds}
    run.log.finish(desk.run_id, "ok", stored)
    return Run(desk.run_id, config, kept, run.log, seconds)


def _adopt_calls(run: Run, run_id: str) -> None:
    """Log the calls that made the run's modules under another run too, as not paid by it."""
    calls = run.calls()
    ours = calls["node"].str.split("<").str[0].isin({node.id for node in run.merge_tree.walk()})
    made = calls[~ours & (calls["phase"] != "test") & (calls["status"] == "ok")]
    for call in made.itertuples():
        place = Place(call.phase, call.subset, call.epoch, call.node, call.task, call.turn)
        run.log.record(run_id, place, Asked(call.key, call.llm, 0, "", ()), span=(call.start, call.end))
