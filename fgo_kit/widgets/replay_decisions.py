"""Decisions on merges without a widget: replayed to a module, or carried out as a `Run` of its own."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..algorithm.benchmark import Benchmark
from ..algorithm.context import Judged
from ..algorithm.rollout import rollouts
from ..calls.limits import Limits
from ..calls.log import Asked, Place
from ..calls.protocol import LLM
from ..calls.providers import as_llm
from ..records import Module, digest, from_json, to_json
from ..records.later import pandas as pd
from ..runs.provenance import manifest
from ..runs.result import Run
from ..runs.state import restored, stored
from ..runs.transfer import check_data
from .merging_by_hand import Decision, Desk, Merging, unmerged
from .steps import apply

METHOD = "by hand"


def desk_for(run: Run, bench: Benchmark, llm: LLM | str, **options) -> Desk:
    """A desk for a run; calls are logged under an id that all merges by hand of this run share. options: the limits
    and hooks of a `Desk`. ValueError for other data than the run's."""
    llm = as_llm(llm)
    check_data(run, bench)
    config = run.config | {"method": METHOD, "from_run": run.id, "llm": llm.name}
    run_id = digest(config)
    run.log.begin(run_id, config, manifest())
    return Desk(run, bench, llm, run_id, record=_explored(run), **options)


def _explored(run: Run) -> list[Judged]:
    return [judged for judged in run.state.record if judged.place.phase == "rollout"]


def replay_merges(
    decisions: Iterable[Decision | Mapping[str, Any]], run: Run, bench: Benchmark, llm: LLM | str
) -> Module:
    """The module that a list of decisions makes of a run's modules, without a widget.

    decisions: `MergeStepper.decisions`, or the same as dictionaries, as the exported JSON has them.
    Answers that are in the run's log are not paid again. Raises ValueError for a decision that is not
    possible at its place in the list, saying which.
    """
    return _replay(desk_for(run, bench, llm), decisions).module


def _replay(desk: Desk, decisions: Iterable[Decision | Mapping[str, Any]]) -> Merging:
    state = unmerged(desk.run)
    for number, given in enumerate(decisions, 1):
        try:
            state = apply(desk, state, Decision.of(given))
        except ValueError as error:
            raise ValueError(f"decision {number}: {error}") from error
    return state


def run_by_hand(decisions: Iterable[Decision | Mapping[str, Any]], desk: Desk) -> Run:
    """The decisions as a `Run` (method "by hand"), scored on the test split like any other.

    Its ledger holds what the run spent on its modules (as cached calls), the merges and evaluations on the
    list, and the test. ValueError while more than one module is left.
    """
    run, decisions = desk.run, [Decision.of(given) for given in decisions]
    config = run.config | {
        "method": METHOD, "from_run": run.id, "llm": desk.llm.name, "decisions": [step.as_dict() for step in decisions],
    }  # fmt: skip
    limits = Limits(workers=desk.limits.workers)
    desk = replace(desk, run_id=digest(config), limits=limits, record=_explored(run), cuts=[], unused=[])
    began = time.perf_counter()
    past = run.log.begin(desk.run_id, config, manifest())
    if past["status"] == "ok" and past["result"]:
        finished = restored(from_json(type(run.state), past["result"]["state"]))
        return Run(desk.run_id, config, finished, run.log, past["result"]["seconds"])
    _adopt_calls(run, desk.run_id)
    state = _replay(desk, decisions)
    if not state.done:
        left = [node.id for node in state.open]
        raise ValueError(f"{len(left)} modules are left ({left}); add Decision('finish') to the list")
    ctx = desk.context()
    rollouts(ctx, state.module, desk.bench.test, Place("test"))
    own = {node.id for node in run.merge_tree.walk()}  # those merges are made by hand
    learnt = lambda place: place.node.split("<")[0] not in own and place.phase not in ("test", "final")  # noqa: E731
    past_record = [j for j in run.state.record if learnt(j.place) and j.place.phase != "rollout"]  # the desk has those
    record = sorted([*past_record, *ctx.record], key=lambda judged: str(judged.place))
    cuts = [*(cut for cut in run.state.cuts if learnt(cut.place)), *desk.cuts]
    cuts.sort(key=lambda cut: (str(cut.place), cut.rule.id))
    unused = sorted([*(part for part in run.state.unused if learnt(part[0])), *desk.unused], key=str)
    made = {"module": state.module, "merge_tree": state.open[0], "record": record, "cuts": cuts, "unused": unused}
    kept = replace(run.state, **made)
    seconds = time.perf_counter() - began
    result = {} if run.log.path is None else {"state": to_json(stored(kept)), "seconds": seconds}
    run.log.finish(desk.run_id, "ok", result)
    return Run(desk.run_id, config, kept, run.log, seconds)


def calls_before_merging(run: Run) -> pd.DataFrame:
    """The calls that made a run's modules: without those of its last merges, and of the test."""
    calls = run.calls()
    ours = calls["node"].str.split("<").str[0].isin({node.id for node in run.merge_tree.walk()})
    return calls[~ours & (calls["phase"] != "test")]


def _adopt_calls(run: Run, run_id: str) -> None:
    """Log the calls that made the run's modules under another run too, as not paid by it."""
    made = calls_before_merging(run)
    for call in made[made["status"] == "ok"].itertuples():
        place = Place(call.phase, call.subset, call.epoch, call.node, call.task, call.turn)
        run.log.record(run_id, place, Asked(call.key, call.llm, 0, "", ()), span=(call.start, call.end))
