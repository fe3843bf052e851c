"""`run`: one method, one seed, from benchmark to test score. `Run`: what came of it, as objects and tables.

A run's id is the hash of everything that decides its result. The same id in the same log resumes: what is
logged is free, what is finished is not done again. Budgets and workers are not part of the id, because
they do not change the result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from inspect import getsource
from pathlib import Path

import numpy as np
import pandas as pd

from ..algorithm import gepa_peer, prompts
from ..algorithm.divide import DIVISIONS
from ..algorithm.gates import GATES
from ..algorithm.merge import MERGES
from ..algorithm.methods import METHODS, Outcome
from ..algorithm.rollout import Benchmark, Context, Judged, Settings, rollouts
from ..calls.limits import Limits
from ..calls.log import CallLog, Place
from ..calls.meter import Meter
from ..calls.protocol import LLM
from ..calls.providers import load_llm
from ..records import (
    Division,
    MergeNode,
    Module,
    Task,
    Trajectory,
    digest,
    escape,
    folded,
    from_json,
    showable,
    to_json,
)
from ..stats import Interval, mean_interval, wilson
from .provenance import ROOT, code_version, manifest
from .tables import merge_table, rule_table, trajectory_table

DEFAULT_LOG = ROOT / "data" / "runs" / "fgo.sqlite"
OPTIMISER_PHASES = ("propose", "merge", "repair")


@dataclass(frozen=True)
class State:
    """What a finished run leaves in its log beside the calls."""

    module: Module
    record: list[Judged]
    dropped: list[Place]
    division: Division | None = None
    merge_tree: MergeNode | None = None
    tasks: tuple[Task, ...] = ()  # those of the record, without their texts: a trajectory holds what was read
    earlier: tuple[MergeNode, ...] = ()  # merge trees of the passes before the last


@dataclass(frozen=True)
class Run:
    """One execution of one method with one seed. Scores are on the test split, which no method saw."""

    id: str
    config: dict
    state: State
    log: CallLog = field(repr=False)
    seconds: float = 0.0

    module = property(lambda self: self.state.module)
    division = property(lambda self: self.state.division)
    merge_tree = property(lambda self: self.state.merge_tree)
    trees = property(lambda self: (*self.state.earlier, *filter(None, [self.state.merge_tree])))

    @cached_property
    def scores(self) -> dict[str, float]:
        """Test score of every test task; NaN where its call failed."""
        return {j.trajectory.task_id: j.trajectory.score for j in self.state.record if j.place.phase == "test"}

    @property
    def score(self) -> float:
        """Mean test score over the tasks that were scored."""
        return self._interval.value

    @property
    def ci(self) -> tuple[float, float]:
        """95 % interval of the score over tasks: Wilson for right-or-wrong scores, bootstrap otherwise."""
        return self._interval.lo, self._interval.hi

    @cached_property
    def _interval(self) -> Interval:
        scores = np.array([score for score in self.scores.values() if not np.isnan(score)])
        if set(scores.tolist()) <= {0.0, 1.0}:
            return wilson(float(scores.sum()), len(scores))
        return mean_interval([scores[None, :]], np.random.default_rng(0))

    def tokens(self) -> pd.DataFrame:
        """The ledger by phase (see `CallLog.tokens`); sums exactly to the log."""
        return self.log.tokens(self.id)

    def calls(self) -> pd.DataFrame:
        """One row a call (see `CallLog.calls`)."""
        return self.log.calls(self.id)

    def token_figures(self) -> dict[str, float]:
        """The three figures of the paper comparison, in logical tokens, without the final test.

        tokens_call_mean, tokens_call_max: prompt tokens of an optimiser or merger call; tokens_optimiser:
        prompt tokens of all of them; tokens_all_in: prompt and completion of every call, rollouts,
        evaluations, audits and gates included. tokens_test: what the final test took.
        """
        calls = self.calls()
        asked = calls.loc[calls["phase"].isin(OPTIMISER_PHASES), "prompt"]
        used, tested = calls["prompt"] + calls["completion"], calls["phase"] == "test"
        return {
            "tokens_call_mean": float(asked.mean()) if len(asked) else float("nan"),
            "tokens_call_max": float(asked.max()) if len(asked) else float("nan"),
            "tokens_optimiser": int(asked.sum()),
            "tokens_all_in": int(used[~tested].sum()),
            "tokens_test": int(used[tested].sum()),
        }

    def trajectories(self) -> pd.DataFrame:
        """One row a trajectory: where, what, score, feedback, meta data (see `tables.trajectory_table`)."""
        return trajectory_table(self.state.record, self.state.tasks)

    def trajectory(self, task_id: str, phase: str = "test") -> Trajectory:
        """The last trajectory of a task in a phase; KeyError if there is none."""
        for judged in reversed(self.state.record):
            if judged.place.phase == phase and judged.trajectory.task_id == task_id:
                return judged.trajectory
        raise KeyError(f"no trajectory of task {task_id!r} in phase {phase!r} of run {self.id}")

    def rules(self) -> pd.DataFrame:
        """One row a rule of any module of the run: text, lineage, fate (see `tables.rule_table`)."""
        return rule_table(self.trees, self.module)

    def merges(self) -> pd.DataFrame:
        """One row a merge node: decision, rules in and out, tokens (see `tables.merge_table`)."""
        return merge_table(self.trees, self.calls())

    def concurrency(self) -> float:
        """Mean number of calls under way over the run, from the paid calls in the log; NaN without any."""
        calls = self.calls()
        calls = calls[calls["paid"]]
        span = calls["end"].max() - calls["start"].min() if len(calls) else 0.0
        return float(calls["seconds"].sum() / span) if span > 0 else float("nan")

    def critical_path(self, unit: str = "seconds") -> float:
        """Seconds the run would take with unlimited workers: its longest chain of calls that wait for each other.

        With unit="calls" the length of that chain in calls, were all calls equally long.
        """
        if unit not in ("seconds", "calls"):
            raise ValueError(f"unit={unit!r} is unknown; use 'seconds' or 'calls'")
        calls = self.calls() if unit == "seconds" else self.calls().assign(seconds=1.0)
        turns = calls.groupby(["phase", "subset", "epoch", "node", "task"])["seconds"].sum()
        stage = turns.groupby(["phase", "subset", "epoch", "node"]).max()
        chain = stage[stage.index.get_level_values("node") == ""].groupby("subset").sum()
        at_node = stage.drop("", level="node", errors="ignore").groupby("node").sum()
        at_node = at_node.groupby(at_node.index.str.split("<").str[0]).sum()

        def merging(node: MergeNode) -> float:
            waited = max((merging(child) for child in node.children), default=0.0)
            return waited + (at_node.get(node.id, 0.0) if node.children else 0.0)

        seconds = 0.0
        for tree in self.trees:  # pass after pass: its subsets side by side, then its merges
            nodes = [node.id for node in tree.walk()]
            seconds += chain[chain.index.isin(nodes)].max() if chain.index.isin(nodes).any() else 0.0
            seconds += merging(tree)
            chain, at_node = chain[~chain.index.isin(nodes)], at_node[~at_node.index.isin(nodes)]
        return float(seconds + chain.sum() + at_node.sum())  # the rest is one thing after another

    def row(self) -> dict:
        """The run as one row of `compare`."""
        tokens, (lo, hi) = self.tokens(), self.ci
        return {
            "run_id": self.id, **described(self.config), "n_subsets": len(self.division) if self.division else 0,
            "score": self.score, "lo": lo, "hi": hi, **self.token_figures(),
            "tokens_paid": int(tokens["paid_prompt"].sum() + tokens["paid_completion"].sum()),
            "calls": int(tokens["calls"].sum()), "dropped": len(self.state.dropped),
            "rules": len(self.module.rules), "usd": float(tokens["paid_usd"].sum(min_count=1)),
            "seconds": self.seconds, "status": "ok", "scores": self.scores,
        }  # fmt: skip

    def __repr__(self) -> str:
        lo, hi = self.ci
        kind = "simulated" if self.config["simulated"] else "real model"
        return showable(
            f"Run {self.id}: {self.config['method']} on {self.config['benchmark']} with {self.config['llm']} ({kind}), "
            f"seed {self.config['seed']}: test score {100 * self.score:.1f} % [{100 * lo:.1f}, {100 * hi:.1f}], "
            f"{len(self.module.rules)} rules"
        )

    def _repr_html_(self) -> str:
        shown = self.tokens()[["phase", "calls", "paid_calls", "prompt", "completion", "usd"]]
        ledger = shown.to_html(index=False, border=0, na_rep="", formatters={"usd": "{:,.4f}".format})
        rules = folded(f"{len(self.module.rules)} rules", self.module._repr_html_())
        return f"<p>{escape(repr(self))}</p>{folded('calls and tokens by phase', ledger, True)}{rules}"


def run(
    bench: Benchmark,
    llm: LLM | str = "simulated",
    *,
    method: str = "fgo",
    divide: str = "similar",
    merge: str = "progressive",
    n_subsets: int | str | None = None,
    epochs: int = 2,
    passes: int = 1,
    fan_in: int = 2,
    gate: str = "none",
    edits: bool = True,
    counts: bool = False,
    audit: int = 0,
    seed: int = 0,
    log: str | Path | CallLog | None = None,
    workers: int = 8,
    budget_usd: float | None = None,
    budget_tokens: int | None = None,
    budget_calls: int | None = None,
    on_call: Callable[[Place, bool], None] | None = None,
    on_start: Callable[[Meter], None] | None = None,
) -> Run:
    """Optimise on the training split by one method, then score the result on the test split.

    method, divide, merge, gate: see `fgo.strategies()`. n_subsets: a number, "sqrt", "each" (one task a
    subset), or None, which packs subsets by a token target. passes: how often fgo optimises all subsets and
    merges; each pass starts from the module merged before and has its own epochs. counts: the agent cites
    rules, and optimiser and merger see how often each was right and wrong. audit: training tasks on which
    every merged module is rolled out to drop rules that do harm. log: a file, made if new; by default one
    under data/runs for real models and none for the simulated one. Budgets bound what is paid. The paper's
    setting has gate, counts, audit off.
    on_call(place, paid) follows every call; on_start(meter) comes before the first one and may keep the meter
    to cancel the run from another thread.

    Raises ValueError for a choice that does not exist, and the errors of `fgo_kit.calls.protocol`; what was paid is in
    the log then, and running the same again goes on from there.
    """
    llm = load_llm(llm) if isinstance(llm, str) else llm
    limits = Limits(workers, budget_usd=budget_usd, budget_tokens=budget_tokens, budget_calls=budget_calls)
    settings = Settings(divide, merge, n_subsets, epochs, passes, fan_in, gate, edits, counts, audit)
    _check(bench, method, settings, seed, workers)
    config = _config(bench, llm, method, settings, seed)
    run_id = digest(config)
    opened = log if isinstance(log, CallLog) else CallLog(_log_path(log, llm))
    past = opened.begin(run_id, config, manifest())
    if past["status"] == "ok" and past["result"] and "state" in past["result"]:
        return Run(run_id, config, from_json(State, past["result"]["state"]), opened, past["result"]["seconds"])
    meter = Meter(llm, opened, run_id, limits, sample=seed, on_call=on_call)
    ctx = Context(bench, meter, settings, seed)
    start = time.perf_counter()
    try:
        if on_start:
            on_start(meter)
        state = _execute(ctx, method)
    except BaseException as error:
        opened.finish(run_id, type(error).__name__)
        raise
    seconds = time.perf_counter() - start
    kept = {} if opened.path is None else {"state": to_json(state), "seconds": seconds}
    opened.finish(run_id, "ok", kept)
    return Run(run_id, config, state, opened, seconds)


def _execute(ctx: Context, method: str) -> State:
    shortcut = getattr(ctx.bench, "shortcuts", {}).get(method)
    if shortcut is not None:
        outcome = Outcome(ctx.bench.seed_module)
        ctx.record.extend(_shortcut_trajectories(ctx.bench, shortcut))
    else:
        outcome = METHODS[method](ctx)
        rollouts(ctx, outcome.module, ctx.bench.test, Place("test"))
    record = sorted(ctx.record, key=lambda judged: str(judged.place))  # they came in whatever order calls ended
    dropped = sorted(ctx.dropped, key=str)
    return State(outcome.module, record, dropped, outcome.division, outcome.merge_tree, _tasks_of(ctx), outcome.earlier)


def _tasks_of(ctx: Context) -> tuple[Task, ...]:
    seen = {judged.trajectory.task_id for judged in ctx.record}
    tasks = (*ctx.bench.train, *ctx.bench.gate, *ctx.bench.test)
    return tuple(replace(task, text="") for task in tasks if task.id in seen)


def _shortcut_trajectories(bench: Benchmark, shortcut: Callable[[Task], str]) -> Iterator[Judged]:
    for task in bench.test:
        trajectory = Trajectory(task.id, (), shortcut(task))
        scored = Trajectory(task.id, (), trajectory.answer, bench.score(task, trajectory))
        yield Judged(Place("test", task=task.id), scored)


def _check(bench: Benchmark, method: str, settings: Settings, seed: int, workers: int) -> None:
    shortcuts = getattr(bench, "shortcuts", {})
    if method not in METHODS and method not in shortcuts:
        raise ValueError(f"method={method!r} is unknown; use one of {sorted([*METHODS, *shortcuts])}")
    if settings.merge not in MERGES:
        raise ValueError(f"merge={settings.merge!r} is unknown; use one of {sorted(MERGES)}")
    if settings.gate not in GATES:
        raise ValueError(f"gate={settings.gate!r} is unknown; use one of {list(GATES)}")
    if settings.merge == "select" and method == "fgo" and not bench.gate:
        raise ValueError(f"merge='select' needs gate tasks and {bench.name} has none; use another merge")
    if settings.gate != "none" and not bench.gate:
        raise ValueError(f"gate={settings.gate!r} needs gate tasks and {bench.name} has none; use gate='none'")
    if not bench.test:
        raise ValueError(f"the test split of {bench.name} is empty; there is nothing to score on")
    for name, value, least in [
        ("epochs", settings.epochs, 1), ("passes", settings.passes, 1), ("fan_in", settings.fan_in, 2),
        ("audit", settings.audit, 0), ("seed", seed, 0), ("workers", workers, 1),
    ]:  # fmt: skip
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name}={value!r} is not allowed; use a whole number >= {least}")


def _config(bench: Benchmark, llm: LLM, method: str, settings: Settings, seed: int) -> dict:
    choices = {k: int(v) if isinstance(v, np.integer) else v for k, v in asdict(settings).items()}
    return {
        "benchmark": bench.name, "fingerprint": bench.fingerprint, "n_train": len(bench.train),
        "train_order": digest([task.id for task in bench.train]), "seed_module": digest(to_json(bench.seed_module)),
        "llm": llm.name, "llm_params": {key: str(value) for key, value in sorted(llm.params.items())},
        "simulated": llm.simulated, "method": method, **choices, "seed": int(seed), "prompts": prompts.version(),
        "code": code_version(), "own_code": _own_code(method, settings),
        **({"gepa": gepa_peer.version()} if method == "gepa" else {}),
    }  # fmt: skip


def _own_code(method: str, settings: Settings) -> list[str]:
    """Hashes of strategies registered from elsewhere, say a notebook cell: edited ones make a new run."""
    used = (METHODS.get(method), DIVISIONS.get(settings.divide), MERGES.get(settings.merge))
    return [digest(_source(f)) for f in used if f is not None and f.__module__.split(".")[0] != "fgo_kit"]


def _source(function: Callable) -> str:
    try:
        return getsource(function)
    except (OSError, TypeError):  # typed at a prompt: its name is all there is
        return repr(getattr(function, "__qualname__", type(function)))


def described(config: dict) -> dict:
    """The columns of a row of `compare` that a run's config decides."""
    shown = ("benchmark", "llm", "simulated", "method", "divide", "merge", "gate", "n_train", "seed")
    constants = config["llm_params"].get("constants", "")
    return {**{name: config[name] for name in shown}, "data": config["fingerprint"][:8], "constants": constants}


def _log_path(log: str | Path | None, llm: LLM) -> Path | None:
    if log is None and llm.simulated:
        return None  # simulated calls can be had again for nothing
    path = Path(log) if log is not None else DEFAULT_LOG
    if not path.is_absolute() and path.parts[:1] == ("data",):
        path = ROOT / path  # the same file from a notebook's folder as from the root
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
