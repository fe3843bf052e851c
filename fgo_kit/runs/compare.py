"""`compare`: many runs side by side, and what such a grid would cost before it is paid for.

The runs of a grid are independent. Simulated ones go to processes and leave a row each in the grid's log;
runs of a real model go some side by side through threads and leave every call, or wherever an executor has them made.
Either way a grid that was stopped goes on where it was.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from inspect import isfunction
from pathlib import Path
from threading import Lock
from typing import Any

from tqdm.auto import tqdm

from ..algorithm.benchmark import Benchmark
from ..algorithm.registry import DIVISIONS, GATES, MERGES, METHODS
from ..algorithm.settings import Settings
from ..calls.budget import Account
from ..calls.limiter import Limiter
from ..calls.limits import DEFAULT, Limits
from ..calls.log import CallLog
from ..calls.meter import Meter
from ..calls.protocol import LLM, FGOError
from ..calls.providers import as_llm
from ..calls.requests import source_of
from ..calls.roles import Roles
from ..cluster.executor import NotReady, client_of, elsewhere, is_played
from ..records import digest
from ..records.later import pandas as pd
from .choices import takes
from .processes import ended, in_processes
from .provenance import manifest
from .result import Run, described
from .run import chosen_for, config_of, is_ours, log_path, run
from .variants import VARIANTS

SIDE_BY_SIDE = 4
"""Runs of a real model at a time: while one is merged or tested, others have calls to make."""
After = Callable[[Run, Benchmark, LLM], dict]


@dataclass(frozen=True)
class _Job:
    """One run of a grid, to be carried out anywhere."""

    run_id: str
    label: str
    bench: Benchmark
    llm: LLM
    settings: Settings
    limits: Limits
    roles: Roles
    after: After | None = None

    @property
    def config(self) -> dict:
        return config_of(self.bench, self.llm, self.settings, self.roles)

    @property
    def llms(self) -> list[LLM]:
        """Every LLM that the run asks."""
        return [self.llm, *self.roles.filled(self.llm).values()]

    @property
    def simulated(self) -> bool:
        return all(llm.simulated for llm in self.llms)

    @property
    def row_id(self) -> str:
        """What its row is kept under: the run, and what else was asked of it."""
        if self.after is None:
            return self.run_id
        asked = f"{self.after.__module__}.{self.after.__qualname__}"
        return digest([self.run_id, asked, *_own_after(self.after)])


_Rows = Generator[tuple[_Job, dict], None, None]  # as runs end


def _own_after(after: After) -> list[str]:
    """Source and enclosed values of a function from elsewhere, say a notebook cell: an edited one is another."""
    return [] if is_ours(after) else [source_of(after), *(repr(cell.cell_contents) for cell in after.__closure__ or ())]


@takes(Settings, Limits, Roles)
def compare(
    bench: Benchmark | Sequence[Benchmark],
    llm: LLM | str | Sequence[LLM | str] = "simulated",
    methods: Sequence[str] | Mapping[str, dict] = ("base", "all_at_once", "bootstrapping", "fgo"),
    seeds: Iterable[int] = range(3),
    *,
    log: str | Path | None = None,
    executor: Executor | None = None,
    progress: bool | None = None,
    after: After | None = None,
    total_usd: float | None = None,
    **choices: Any,
) -> pd.DataFrame:
    """Every benchmark x LLM x method x seed, one row a run (see `Run.row`); a failed run has its error as status.

    methods: names, or labels with the choices of `run` that differ, e.g. {"gated": {"gate": "hard"}}.
    choices: further choices of `run` for all rows, budgets included (they hold for every run on its own); where
    a label has a choice of its own, that one holds. A name of `VARIANTS` is a fixed setting: ValueError for a
    choice that contradicts it.
    executor: where runs go; by default processes for simulated LLMs, this process and threads for others. Of one run of
    a real model whose tasks are played turn by turn, only what it plays goes there: `run(executor=)`. It may be any
    of `concurrent.futures`, or that of a Dask cluster: `dask.distributed.Client(address).get_executor()`, with this
    package in the same version on all its machines. Runs of a simulated LLM send a row. Those of others ask this
    process for all they share: the log, which it alone writes, so that nothing is paid twice; one rate limit; budgets;
    and `workers`, calls at a time of all runs together. LLMs travel without their keys: every worker reads those of its
    own environment. Before a grid begins, all workers of a Dask cluster are looked at; `NotReady` says which lack a
    key, are of another version or do not reach this process. A worker that is killed, or joins late, costs or saves
    time alone; only a run that lost more workers than the scheduler's `allowed-failures` (3) ends the grid, which the
    same command resumes. What a call that was under way then can have cost counts as spent. Workers reach
    this process at a port of its own, with a token, and in TLS where the cluster talks so.
    after: `f(run, bench, llm)` gives further columns of a run's row, as a dict of what JSON can hold; it is called
    where the run was made, so that what the columns come from need not be kept. A function with a name, made by
    def or lambda: TypeError for others. One of your own is known by its source, so an edited one is asked again.
    total_usd: what all runs in the log may pay together, those of other grids included; the rest then have the status
    BudgetExceeded. Here one run follows another then; those of an executor go side by side until it is spent.
    Rows are in the order of the arguments, whatever ran first.

    >>> compare(bench, methods=["base", "fgo"], seeds=[0, 1])[["method", "seed", "score"]]   # doctest: +SKIP
    """
    _check_after(after)
    if "seed" in choices:
        raise ValueError(f"seed={choices['seed']!r}: compare takes several, give seeds=[{choices['seed']!r}]")
    if total_usd is not None:
        choices = {"budget_usd": total_usd, **choices}  # so a price that is not known is told at once
    labelled, seeds = _labelled(methods, choices), _checked_seeds(seeds)
    llms = [as_llm(each) for each in _many(llm)]
    choices |= {name: as_llm(choices[name]) for name in vars(Roles()) if choices.get(name) is not None}
    jobs = [replace(job, after=after) for job in _jobs(_many(bench), llms, labelled, seeds, choices)]
    asked = sorted((llm for job in jobs for llm in job.llms), key=lambda llm: llm.simulated)
    rows_log = CallLog(log_path(log, asked[0]) if asked else None)
    rows = {job.run_id: row for job in jobs if (row := _past_row(rows_log, job.row_id)) is not None}
    todo = list({job.run_id: job for job in jobs if job.run_id not in rows}.values())
    total = None if total_usd is None else Account.logged(rows_log, None, Limits(budget_usd=total_usd))
    limits = max((job.limits for job in todo), key=lambda limits: limits.workers, default=DEFAULT)
    for job, row in _made(todo, rows_log, Limiter(limits, total=total), executor, _bar(len(todo), progress, executor)):
        if job.simulated and row["status"] == "ok":
            rows_log.begin(job.row_id, job.config, manifest())
            rows_log.finish(job.row_id, "ok", {"row": row})
        rows[job.run_id] = row
    return pd.DataFrame([rows[job.run_id] | {"method": job.label} for job in jobs])


def _many(one_or_more) -> list:
    return list(one_or_more) if isinstance(one_or_more, list | tuple) else [one_or_more]


def _check_after(after: After | None) -> None:
    if after is not None and not isfunction(after):
        raise TypeError(
            f"after={after!r} is a {type(after).__name__}, whose rows a log could not tell from another's; "
            "use a function, e.g. def columns(run, bench, llm): return {...}"
        )


def _checked_seeds(seeds: Iterable[int]) -> list[int]:
    if not isinstance(seeds, Iterable) or isinstance(seeds, str):
        meant = f"range({seeds})" if isinstance(seeds, int) else "range(3)"
        raise ValueError(f"seeds={seeds!r} is not allowed; use a list of whole numbers >= 0, e.g. seeds={meant}")
    if not (seeds := list(seeds)):
        raise ValueError("seeds=[] asks for no run; use a list of whole numbers >= 0, e.g. seeds=range(3)")
    return seeds


def _labelled(methods: Sequence[str] | Mapping[str, dict], choices: Mapping) -> dict[str, dict]:
    methods = [methods] if isinstance(methods, str) else methods
    if isinstance(methods, Mapping):
        return {label: dict(chosen) for label, chosen in methods.items()}
    for name in methods:
        for key, fixed in VARIANTS.get(name, {}).items():
            if key in choices and choices[key] != fixed:
                raise ValueError(
                    f"{key}={choices[key]!r} contradicts {name!r}, which is the setting with {key}={fixed!r}; give "
                    f"labels instead of names, e.g. {{'mine': {{**fgo.VARIANTS[{name!r}], {key!r}: {choices[key]!r}}}}}"
                )
    return {name: VARIANTS.get(name, {"method": name}) for name in methods}


def _jobs(
    benches: list[Benchmark], llms: list[LLM], methods: Mapping[str, dict], seeds: list[int], choices: Mapping
) -> Iterator[_Job]:
    for bench in benches:
        for llm in llms:
            for label, chosen in methods.items():
                for seed in seeds:
                    merged = {**choices, **chosen, "seed": seed}
                    settings, limits, roles = chosen_for(bench, llm, compare, merged)
                    job = _Job("", label, bench, llm, settings, limits, roles)
                    limits = replace(limits, workers=1) if job.simulated else limits
                    yield replace(job, run_id=digest(job.config), limits=limits)


def _past_row(log: CallLog, run_id: str) -> dict | None:
    try:
        result = log.run(run_id)["result"]
    except KeyError:
        return None
    return result.get("row") if result else None


def _made(jobs: list[_Job], log: CallLog, limiter: Limiter, executor: Executor | None, bar: tqdm) -> _Rows:
    if executor is not None and len(jobs) == 1 and not jobs[0].simulated and is_played(jobs[0].bench):
        done = ((job, _row(job, log, lambda meter: meter.beside(limiter), executor)) for job in jobs)
    elif executor is not None:
        done = _by_executor(jobs, log, limiter, executor)
    elif len(jobs) > 1 and all(map(_movable, jobs)):
        done = in_processes(_row, jobs)
    elif len(jobs) == 1 or limiter.total is not None or any(job.simulated for job in jobs):
        done = ((job, _row(job, log, lambda meter: meter.beside(limiter))) for job in jobs)
    else:
        done = _in_threads(jobs, log, limiter)
    with bar, closing(done):
        for each in done:
            yield each
            bar.update()


def _by_executor(jobs: list[_Job], log: CallLog, limiter: Limiter, executor: Executor) -> _Rows:
    with elsewhere(executor, _row, jobs, log, limiter) as submit:
        yield from ended({submit(job): job for job in jobs})


def _in_threads(jobs: list[_Job], log: CallLog, limiter: Limiter) -> _Rows:
    """Some runs side by side, with no more calls at a time than one run has."""
    meters, lock, threads = [], Lock(), ThreadPoolExecutor(SIDE_BY_SIDE)

    def join(meter: Meter) -> None:
        with lock:
            meter.beside(limiter, meters)
            meters.append(meter)

    try:
        yield from ended({threads.submit(_row, job, log, join): job for job in jobs})
    except BaseException:
        for meter in meters:
            meter.cancel()
        raise
    finally:
        threads.shutdown(cancel_futures=True)


def _movable(job: _Job) -> bool:
    """Simulated, and made of parts that another process can import."""
    chosen = job.settings
    used = (METHODS.get(chosen.method), DIVISIONS[chosen.divide], MERGES[chosen.merge], GATES[chosen.gate])
    functions = [strategy.function for strategy in used if strategy is not None]
    parts = [type(job.bench), *map(type, job.llms), *functions, *((job.after,) if job.after else ())]
    return job.simulated and all(map(is_ours, parts))


def _row(
    job: _Job, log: CallLog | None = None, on_start: Callable[[Meter], None] | None = None,
    executor: Executor | None = None,
) -> dict:
    """Runs of a real model leave every call in the grid's log."""
    choices = vars(job.settings) | vars(job.limits) | vars(job.roles)
    try:
        log = None if job.simulated else log
        done = run(job.bench, job.llm, log=log, on_start=on_start, executor=executor, **choices)
        return done.row() | (job.after(done, job.bench, job.llm) if job.after else {})
    except NotReady:
        raise
    except FGOError as error:  # a recorded status, never a wrong answer
        nan = float("nan")
        empty = {"score": nan, "lo": nan, "hi": nan, "scores": {}, "seconds": 0.0, "error": str(error)}
        return {"run_id": job.run_id, **described(job.config), **empty, "status": type(error).__name__}


def _bar(total: int, progress: bool | None, executor: Executor | None) -> tqdm:
    if progress is None:
        notebook = "ipykernel" in sys.modules and not os.environ.get("FGO_HEADLESS")
        progress = total > 1 and (notebook or sys.stderr.isatty())
    bar = tqdm(total=total, desc="runs", unit="run", leave=False, disable=not progress)
    if client := client_of(executor):
        bar.set_postfix_str(client.dashboard_link)
    return bar
