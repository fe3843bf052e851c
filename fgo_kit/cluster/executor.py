"""Runs of a grid through an executor of the user's: what goes along with them, and what is looked at beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from socket import AF_INET, SOCK_DGRAM, gethostname, socket
from typing import Any

from ..calls.limiter import Limiter
from ..calls.log import CallLog
from ..calls.protocol import FGOError
from ..records import digest
from .hub import Address, Hub
from .remote import Line, RemoteLimiter, RemoteLog

RETRIES = 2
"""Times that a run is begun again on a cluster, from what its log has, when it ended in an error that gives no row."""


class NotReady(FGOError):
    """Workers of a cluster cannot make the runs of a grid; none was begun."""


def client_of(executor: Any) -> Any:
    """The client behind an executor of Dask's, None for any other."""
    return getattr(executor, "_client", None) if type(executor).__module__.startswith("distributed.") else None


@contextmanager
def elsewhere(
    executor: Executor, make_row: Callable, jobs: Sequence[Any], log: CallLog, limiter: Limiter
) -> Iterator[Callable[[Any], Future]]:
    """What submits a job to an executor, whose workers share log and limiter with this process. Raises NotReady."""
    client = client_of(executor)
    hub = None if all(job.simulated for job in jobs) else Hub(log, limiter, _own_host(client))
    address, futures = hub and hub.address, []
    try:
        if client is not None:
            _check(client, jobs, address)
        options = {} if client is None else {"retries": RETRIES, "pure": False}

        def submit(job: Any) -> Future:
            futures.append(executor.submit(_row_made_here, make_row, job, address, **options))
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
    with Line(address) as line:
        return make_row(job, RemoteLog(line), lambda meter: meter.beside(RemoteLimiter(line)))


def _own_host(client: Any) -> str:
    """The address at which the workers of a cluster reach this machine: that towards its scheduler."""
    protocol, _, place = client.scheduler.address.partition("://") if client is not None else ("inproc", "", "")
    if protocol == "inproc":
        return "127.0.0.1"
    host, _, port = place.rpartition(":")
    with socket(AF_INET, SOCK_DGRAM) as probe:  # which sends nothing
        probe.connect((host, int(port)))
        return probe.getsockname()[0]


def _check(client: Any, jobs: Sequence[Any], address: Address | None) -> None:
    """Raise NotReady unless every worker has what the runs need: keys, the same code, a way to this process."""
    different = list({(id(job.bench), id(job.llm), job.label): job for job in jobs}.values())
    found = client.run(_fault, different, address, on_error="return")
    faults = {worker: fault for worker, fault in found.items() if fault}
    if faults:
        told = "\n".join(f"{worker}: {fault}" for worker, fault in sorted(faults.items()))
        raise NotReady(f"{len(faults)} of {len(found)} workers cannot make these runs, so none was begun:\n{told}")


def _fault(jobs: Sequence[Any], address: Address | None) -> str:
    """What a worker lacks for these jobs, "" for nothing."""
    if address is not None:
        with Line(address) as line:
            line.ask("check_room", 0)
    if any(digest(job.config) != job.run_id for job in jobs):
        return f"fgo_kit on {gethostname()} is of another version than here, or is set up otherwise"
    return ""
