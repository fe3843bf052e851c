"""What a run elsewhere has in place of log, leases and limiter: each of them asks the hub."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from secrets import token_bytes
from ssl import SSLContext
from typing import Any

from ..calls.budget import Cost
from ..calls.clock import now
from ..calls.leases import Leases
from ..calls.limiter import Limiter, Try
from ..calls.log import CallLog, LogNotWritten
from ..calls.protocol import CallFailed
from .hub import NAME
from .wire import Address, Gone, connected, exchange


class Line:
    """How a run asks its hub, from any of its threads. Raises LogNotWritten where the hub is out of reach."""

    def __init__(self, address: Address, tls: SSLContext | None = None):
        self.address, self._tls, self._name = address, tls, token_bytes(NAME)
        self._all, self._idle = deque[Any](), deque[Any]()

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_) -> None:
        for wire in self._all:
            with suppress(OSError):  # what was not sent yet cannot be
                wire.close()

    def ask(self, request: str, *arguments: Any) -> Any:
        """What the hub answers; raises what was raised there."""
        try:
            wire = self._wire()
            is_fine, answer = exchange(wire, request, *arguments)
        except (Gone, OSError) as error:
            here, (host, port) = socket.gethostname(), self.address.place
            raise LogNotWritten(f"{here} does not reach the log's process at {host}:{port} ({error})") from error
        self._idle.append(wire)
        if is_fine:
            return answer
        raise answer

    def _wire(self) -> Any:
        with suppress(IndexError):
            return self._idle.pop()
        wire = connected(self.address, self._tls, self._name)
        self._all.append(wire)
        return wire


class RemoteLog(CallLog):
    """The log of a run elsewhere. It has no file."""

    def __init__(self, line: Line):
        self.path, self.read_only, self._ask = line.address.path, False, line.ask
        self._stored: set[str] = set()

    def read(self, statement: str, values: Any = ()) -> list[tuple]:
        return self._ask("read", statement, values)

    def write(self, statements: Iterable[tuple[str, tuple]], keep: bool = False) -> int:
        return self._ask("write", list(statements), keep)

    def check_room(self, size: int) -> None:
        self._ask("check_room", size)

    def leases(self) -> Leases:
        return _RemoteLeases(self, self._ask)


class _RemoteLeases(Leases):
    def __init__(self, log: CallLog, ask: Any):
        self._log, self._ask = log, ask

    def take(self, name: str) -> bool:
        return self._ask("take", name)

    def release(self, name: str) -> None:
        self._ask("release", name)

    def release_all(self) -> None:
        self._ask("release_all")


class RemoteLimiter(Limiter):
    """The limiter of a run elsewhere."""

    def __init__(self, line: Line):
        self._ask = line.ask

    def begin(self, this: Try) -> bool:
        return self._ask("begin", this)

    def end(self, this: Try, cost: Cost, answered: bool) -> None:
        self._ask("end", this, cost, answered)

    def failed(self, error: CallFailed, tries: int, since: float) -> float | None:
        return self._ask("failed", error, tries, now() - since)  # clocks of two machines differ
