"""Leases: who does what among all that share a call log, so that nothing is done, and paid for, twice."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from socket import gethostname
from uuid import uuid4

import psutil

from . import log_sql as sql
from .clock import TICK, now
from .log_file import LogFile

SECONDS = 900.0
"""How long a lease from another machine is believed. On this one a holder that has died loses its leases at once."""


class Leases:
    """The leases that one holder has in a log; two holders in one process are two."""

    def __init__(self, log: LogFile):
        self._log = log
        process = psutil.Process()
        self.holder = f"{_host()} {process.pid} {process.create_time():.0f} {uuid4().hex[:8]}"

    def take(self, name: str) -> bool:
        """Whether the work of this name is now this holder's; False when it is done, or another holder has it."""
        if self._take(name, ""):
            return True
        former = self._log.read(sql.LEASE, (name,))
        return any(self._take(name, holder) for holder, until in former if not _holds(holder, until))

    def _take(self, name: str, former: str) -> bool:
        lease = (name, self.holder, now() + SECONDS, former)
        return self._log.write([(sql.TAKE_LEASE, lease)]) == 1

    def release(self, name: str) -> None:
        """Give the work of this name up."""
        self._log.write([(sql.RELEASE, (name, self.holder))])

    def release_all(self) -> None:
        """Give up all that this holder has."""
        self._log.write([(sql.RELEASE_ALL, (self.holder,))])

    @contextmanager
    def alone(self, name: str, check: Callable[[], None] = lambda: None):
        """Do the work of this name; while another holder does it, wait. `check` is called meanwhile and may raise."""
        if self._log.read_only:
            yield
            return
        told = False
        while not self.take(name):
            check()
            if not told:
                told = True
                warnings.warn(f"{name} is being made elsewhere with the same log; waiting for it to end", stacklevel=4)
            time.sleep(TICK)
        try:
            yield
        finally:
            self.release(name)


def _holds(holder: str, until: float) -> bool:
    """Whether a holder still is at work."""
    host, pid, started, _ = holder.split(" ")
    if host != _host():
        return until > now()
    try:
        process = psutil.Process(int(pid))
        # its start, because the numbers of processes are given again
        return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - float(started)) < 5
    except psutil.Error:
        return False


def _host() -> str:
    return gethostname().replace(" ", "-")
