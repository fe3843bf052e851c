"""`run`: one method, one seed, from benchmark to test score.

A run's id is the hash of everything that decides its result. The same id in the same log resumes: what is
logged is free, what is finished is not done again. Budgets and workers are not part of the id, because
they do not change the result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..algorithm import prompts
from ..algorithm.benchmark import Benchmark
from ..algorithm.context import Context, Judged
from ..algorithm.methods import Outcome
from ..algorithm.registry import DIVISIONS, GATES, MERGES, METHODS
from ..algorithm.rollout import rollouts
from ..algorithm.settings import Settings
from ..algorithm.trimming import finally_trimmed
from ..calls.budget import Tariff
from ..calls.limits import Limits
from ..calls.log import CallLog, Place
from ..calls.meter import Meter
from ..calls.protocol import LLM
from ..calls.providers import as_llm
from ..calls.requests import source_of
from ..calls.roles import Roles
from ..cluster.executor import played_elsewhere
from ..records import Division, Task, Trajectory, digest, from_json, to_json
from .choices import split, takes
from .first_epoch import as_first_epoch, logged_part
from .places import RUNS, placed
from .provenance import code_version, manifest
from .result import Run
from .state import State, restored, stored
from .tracking import Tracker, watched
from .variants import expanded

DEFAULT_LOG = RUNS / "fgo.sqlite"


@takes(Settings, Limits, Roles)
def run(
    bench: Benchmark,
    llm: LLM | str = "simulated",
    *,
    log: str | Path | CallLog | None = None,
    on_call: Callable[[Place, bool], None] | None = None,
    on_start: Callable[[Meter], None] | None = None,
    on_division: Callable[[Division], None] | None = None,
    traces: Sequence[Trajectory] | None = None,
    tracker: Tracker | str | None = None,
    executor: Executor | None = None,
    **choices: Any,
) -> Run:
    """Optimise on the training split by one method, then score the result on the test split.

    choices: the fields of `Settings` and of `Roles` (optimizer, evaluator, merger: LLMs other than the agent's), which
    decide the result, and those of `Limits`, which do not: workers, patience and budgets.
    method may be a name of `VARIANTS` too, changed by the other choices, as is the default: "fgo+", which merges on
    evidence; "fgo" is the paper's setting.
    log: a file, made if new; by default one under data/runs for real models and none for the simulated one.
    on_call(place, paid) follows every call; on_start(meter) comes before the first one and may keep the meter to
    cancel the run from another thread; on_division(division) follows the division of the training tasks. traces: logged
    trajectories (`read_traces`) of training tasks, by their ids; they are the first epoch's rollouts of these tasks.
    tracker: "mlflow", "wandb" (with ":<project>") or a `Tracker` of one's own, which is told of the run as it goes on.
    executor: has the environments of the tasks, ALFWorld's games say, played elsewhere, while calls are made from here:
    that of a Dask cluster, as in `compare`. As many are played at once as here (ALFWorld: processes), and none takes a
    thread of a worker while it waits for the agent. One that is lost with its worker is played again on another, by the
    same actions; where it then goes otherwise, the rollout has failed. Files of the tasks must be at the same path.

    Raises ValueError for a choice that does not exist, and the errors of `fgo_kit.calls.protocol`; what was paid is
    in the log then, and running the same again goes on from there.

    >>> run(load_benchmark("logisticsqa", n_train=8), method="base").config["seed"]          # doctest: +SKIP
    0
    """
    llm = as_llm(llm)
    settings, limits, roles = chosen_for(bench, llm, run, choices)
    logged = as_first_epoch(traces, bench, settings.gold)
    config = config_of(bench, llm, settings, roles) | logged_part(logged)
    run_id = digest(config)
    opened = log if isinstance(log, CallLog) else CallLog(log_path(log, llm))
    alone = opened.leases().alone(f"run {run_id}")  # made elsewhere with the same log, it is waited for
    with alone, watched(tracker, opened, run_id, config, on_call) as watch:
        past = opened.begin(run_id, config, manifest())
        if past["status"] == "ok" and past["result"] and "state" in past["result"]:
            state = restored(from_json(State, past["result"]["state"]))
            return watch.done(Run(run_id, config, state, opened, past["result"]["seconds"]))
        meter = Meter(llm, opened, run_id, limits, sample=settings.seed, on_call=watch.on_call, batch=True)
        meter.pool.most = bench.at_once or meter.pool.most
        start = time.perf_counter()
        try:
            if on_start:
                on_start(meter)
            with played_elsewhere(bench, executor, partial(code_version, llm=llm.name)) as played:
                ctx = Context(played, meter, settings, traces=logged, on_division=on_division, roles=roles.filled(llm))
                state = _execute(ctx)
            meter.judge()
        except BaseException as error:
            opened.finish(run_id, type(error).__name__)
            raise
        seconds = time.perf_counter() - start
        kept = {} if opened.path is None else {"state": to_json(stored(state)), "seconds": seconds}
        done = not opened.failed_places(run_id, lasting=False)  # else the same command asks again for what failed
        opened.finish(run_id, "ok" if done else "incomplete", kept)
        return watch.done(Run(run_id, config, state, opened, seconds))


def chosen_for(
    bench: Benchmark, llm: LLM, function: Callable, choices: Mapping[str, Any]
) -> tuple[Settings, Limits, Roles]:
    """The choices of `function` by name, checked before anything is asked.

    TypeError for names that it does not take, ValueError where benchmark, LLM and choices do not go together.
    """
    settings, limits, roles = split(function, expanded(choices, bench), Settings, Limits, Roles)
    settings.check(bench)
    for each in (llm, *vars(roles).values()):
        if hasattr(each, "check"):  # an LLM that knows what it cannot do
            each.check(bench)  # pyright: ignore[reportAttributeAccessIssue]
        if each is not None:
            Tariff(each, limits)  # raises for a price that a budget needs and nobody knows
    return settings, limits, roles


def _execute(ctx: Context) -> State:
    shortcut = ctx.bench.shortcuts.get(ctx.settings.method)
    if shortcut is not None:
        outcome = Outcome(ctx.bench.seed_module)
        ctx.record.extend(_shortcut_trajectories(ctx.bench, shortcut))
    else:
        outcome = METHODS[ctx.settings.method](ctx)
        outcome = replace(outcome, module=finally_trimmed(ctx, outcome.module))
        rollouts(ctx, outcome.module, ctx.bench.test, Place("test"))
    record = sorted(ctx.record, key=lambda judged: str(judged.place))  # they came in whatever order calls ended
    dropped, cuts = sorted(ctx.dropped, key=str), sorted(ctx.cuts, key=lambda cut: (str(cut.place), cut.rule.id))
    tasks = _tasks_of(ctx)
    unused = sorted(ctx.unused, key=str)
    tree = outcome.merge_tree
    return State(outcome.module, record, dropped, outcome.division, tree, tasks, outcome.earlier, cuts, unused)


def _tasks_of(ctx: Context) -> tuple[Task, ...]:
    seen = {judged.trajectory.task_id for judged in ctx.record}
    tasks = (*ctx.bench.train, *ctx.bench.gate, *ctx.bench.test)
    return tuple(replace(task, text="") for task in tasks if task.id in seen)


def _shortcut_trajectories(bench: Benchmark, shortcut: Callable[[Task], str]) -> Iterator[Judged]:
    for task in bench.test:
        trajectory = Trajectory(task.id, (), shortcut(task), form=bench.form, private=task.private)
        yield Judged(Place("test", task=task.id), bench.scored(task, trajectory))


def config_of(bench: Benchmark, llm: LLM, settings: Settings, roles: Roles = Roles()) -> dict:  # noqa: B008  frozen
    """All that decides a run's result, as JSON can hold it: its hash is the run's id."""
    used = (METHODS.get(settings.method), DIVISIONS[settings.divide], MERGES[settings.merge], GATES[settings.gate])
    strategies = [strategy for strategy in used if strategy is not None]
    others = {role: each for role, each in roles.filled(llm).items() if each is not llm}
    return {
        "benchmark": bench.name, "world": bench.world, "fingerprint": bench.fingerprint, "n_train": len(bench.train),
        "train_order": digest([task.id for task in bench.train]), "seed_module": digest(to_json(bench.seed_module)),
        "llm": llm.name, "llm_params": {key: str(value) for key, value in sorted(llm.params.items())},
        "simulated": all(each.simulated for each in (llm, *others.values())), **asdict(settings),
        "roles": {role: [each.name, *sorted(map(str, each.params.items()))] for role, each in others.items()},
        "prompts": prompts.version(), "code": [code_version(bench, each.name) for each in (llm, *others.values())],
        "own_code": [digest(source_of(s.function)) for s in strategies if not is_ours(s.function)],
        "versions": [strategy.version() for strategy in strategies],
        **({} if bench.agent is None else {"agent": bench.agent.name}),
    }  # fmt: skip


def is_ours(thing: Any) -> bool:
    """Whether a function or class is this package's, which another process can import."""
    return thing.__module__.split(".")[0] == "fgo_kit"


def log_path(log: str | Path | None, llm: LLM) -> Path | None:
    """Where a run's log is: None for a simulated LLM without a path, whose calls can be had again for nothing."""
    if log is None and llm.simulated:
        return None
    return placed(log) if log is not None else DEFAULT_LOG
