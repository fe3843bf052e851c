"""Runs, or one run's environments, through an executor: what goes along with them, what is looked at beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import closing, contextmanager
from copy import copy
from functools import partial
from socket import AF_INET, SOCK_DGRAM, gethostname, socket
from ssl import SSLContext
from typing import Any

from ..algorithm.benchmark import Benchmark
from ..calls.limiter import Limiter
from ..calls.log import CallLog
from ..records import digest
from .hub import Hub
from .remote import Line, RemoteLimiter, RemoteLog
from .seats import NotReady, Seats
from .wire import Address, connected, own_tls

Version = Callable[[Benchmark], str]
RETRIES = 2
"""Times that a run is begun again on a cluster, from what its log has, when it ended in an error that gives no row."""


def client_of(executor: Any) -> Any:
    """The client behind an executor of Dask's, None for any other."""
    return getattr(executor, "_client", None) if type(executor).__module__.startswith("distributed.") else None


@contextmanager
def elsewhere(
    executor: Executor, make_row: Callable, jobs: Sequence[Any], log: CallLog, limiter: Limiter
) -> Iterator[Callable[[Any], Future]]:
    """What submits a job to an executor, whose workers share log and limiter with this process. Raises NotReady."""
    client = client_of(executor)
    hub = None if all(job.simulated for job in jobs) else Hub(log, limiter, *_own_place(client))
    address, futures = hub and hub.address, []
    try:
        if client is not None:
            different = list({(id(job.bench), id(job.llm), job.label): job for job in jobs}.values())
            _check(client, _fault, different, address)

        def submit(job: Any) -> Future:
            futures.append(_submit(executor, _row_made_here, make_row, job, address))
            return futures[-1]

        yield submit
    finally:
        for future in futures:
            future.cancel()
        if hub is not None:
            hub.close()


def _row_made_here(make_row: Callable, job: Any, address: Address | None) -> dict:
    """A job's row, on a worker."""
    if address is None or job.simulated:
        return make_row(job, None)
    with Line(address, own_tls(address)) as line:
        return make_row(job, RemoteLog(line), lambda meter: meter.beside(RemoteLimiter(line)))


def _own_place(client: Any) -> tuple[str, SSLContext | None]:
    """The address at which the workers of a cluster reach this machine, that towards its scheduler, and its TLS."""
    if client is None or (address := client.scheduler.address).startswith("inproc:"):
        return "127.0.0.1", None
    host, port = address.rpartition("/")[2].rsplit(":", 1)
    tls = client.security.get_listen_args("client")["ssl_context"] if address.startswith("tls:") else None
    with socket(AF_INET, SOCK_DGRAM) as probe:  # which sends nothing
        probe.connect((host, int(port)))
        return probe.getsockname()[0], tls


def is_played(bench: Benchmark) -> bool:
    """Whether its tasks are played turn by turn in environments."""
    return bench.form != "answer" and bench.agent is None


@contextmanager
def played_elsewhere(bench: Benchmark, executor: Executor | None, version: Version) -> Iterator[Benchmark]:
    """The benchmark, its environments played by workers of an executor if one is given.

    version: of the code that decides how a task is played. Raises NotReady, ValueError where nothing is played.
    """
    if executor is None:
        yield bench
        return
    if not is_played(bench):
        raise ValueError(f"executor={executor!r}: {bench.name} has nothing to play elsewhere, its tasks are answered "
                         "at once or by an agent of your own; leave it out, or use compare for many runs")
    client = client_of(executor)
    with closing(Seats(bench, partial(_submit, executor), *_own_place(client))) as seats:
        if client is not None:
            _check(client, _why_not_played, bench, seats.address, version, [version(bench), bench.fingerprint])
        played = copy(bench)
        object.__setattr__(played, "start", seats.start)
        yield played


def _submit(executor: Executor, function: Callable, *arguments: Any) -> Future:
    options = {} if client_of(executor) is None else {"retries": RETRIES, "pure": False}
    return executor.submit(function, *arguments, **options)


def _check(client: Any, fault: Callable[..., str], *arguments: Any) -> None:
    """Raise NotReady unless every worker finds no fault."""
    found = client.run(fault, *arguments, on_error="return")
    faults = {worker: fault for worker, fault in found.items() if fault}
    if faults:
        told = "\n".join(f"{worker}: {fault}" for worker, fault in sorted(faults.items()))
        raise NotReady(f"{len(faults)} of {len(found)} workers cannot do this, so nothing was begun:\n{told}")


def _fault(jobs: Sequence[Any], address: Address | None, dask_worker: Any = None) -> str:
    """What a worker lacks for the runs of these jobs, "" for nothing: keys, the same code, a way to the hub."""
    if address is not None:
        with Line(address, own_tls(address, dask_worker)) as line:
            line.ask("check_room", 0)
    return "" if all(digest(job.config) == job.run_id for job in jobs) else _other_version()


def _why_not_played(bench: Benchmark, address: Address, version: Version, wanted: list[str], dask_worker: Any) -> str:
    """What a worker lacks for the environments of a benchmark, "" for nothing."""
    connected(address, own_tls(address, dask_worker)).close()
    if [version(bench), bench.fingerprint] != wanted:
        return _other_version()
    bench.first_observation((*bench.test, *bench.train)[0])
    return ""


def _other_version() -> str:
    return f"fgo_kit on {gethostname()} is of another version than here, or is set up otherwise"
