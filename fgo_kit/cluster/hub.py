"""Hub: serves a log and a limiter to runs elsewhere. The process that it is in alone has the log's file.

A run's connections stay open as long as the run. When one breaks, the run is taken to be gone: its leases are free,
and what its calls under way can have cost is noted as lost.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from ssl import SSLContext
from typing import Any
from weakref import WeakValueDictionary

from ..calls.budget import Cost
from ..calls.clock import TICK, now
from ..calls.limiter import Limiter, Try
from ..calls.log import CallLog
from ..calls.protocol import CallFailed, Cancelled, Unreachable
from .wire import Door, Gone, answer

NAME = 16
"""Bytes that a connection begins with after the token: the name of the run that asks."""


class _Guest:
    """What one run elsewhere may ask for, and what it has: leases, and tries under way."""

    def __init__(self, hub: Hub):
        self._hub, self._leases, self._tries, self.is_gone = hub, hub.log.leases(), deque[Try](), False
        self.read, self.write, self.check_room = hub.log.read, hub.log.write, hub.log.check_room
        self.take, self.release, self.release_all = self._leases.take, self._leases.release, self._leases.release_all

    def begin(self, this: Try) -> bool:
        if self._hub.is_closing:
            raise Cancelled("the grid was stopped; running it again resumes it")
        begun = self._hub.limiter.begin(this)
        if begun:
            self._tries.append(this)
        return begun

    def end(self, this: Try, cost: Cost, answered: bool) -> None:
        self._tries.remove(this)
        self._hub.limiter.end(this, cost, answered)

    def failed(self, error: CallFailed, tries: int, failing: float) -> float | None:
        return self._hub.limiter.failed(error, tries, now() - failing)

    def leave(self) -> None:
        """It is gone: what it had is free, and what it can have paid without a word is lost."""
        self.is_gone = True
        self._leases.release_all()
        while self._tries:
            this = self._tries.pop()
            self._hub.limiter.end(this, this.most, False)
            if not this.batched and self._hub.log.find(this.key) is None:
                self._hub.log.lose(this.run_id, this.place, this.most, Unreachable("its worker ended"))


class Hub(Door):
    """Answers runs elsewhere, until `close`."""

    def __init__(self, log: CallLog, limiter: Limiter, host: str, tls: SSLContext | None = None):
        self.log, self.limiter, self.is_closing = log, limiter, False
        self._guests: WeakValueDictionary[bytes, _Guest] = WeakValueDictionary()
        self._lock = threading.Lock()
        super().__init__(host, tls, log.path)

    def enter(self, wire: Any) -> None:
        """One connection of a run elsewhere, which is the same guest whichever of its connections asks."""
        name = wire.read(NAME)
        with self._lock:
            guest = self._guests.get(name)
            if guest is None and self.is_closing:
                return
            guest = self._guests[name] = guest or _Guest(self)
        try:
            while not guest.is_gone:
                answer(wire, guest)
        except Gone:
            pass
        finally:
            guest.leave()

    def close(self) -> None:
        """No call is begun any more. The answers of those under way are taken until their runs have left."""
        self.is_closing = True
        threading.Thread(target=self._end, daemon=True, name="fgo hub").start()

    def _end(self) -> None:
        while self._guests:
            time.sleep(TICK)
        self.shutdown()
        self.server_close()
