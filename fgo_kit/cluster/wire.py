"""How processes talk: one asks, the other answers, a pickle each, over a connection that begins with a token.

Only who has the token of a `Door` is listened to; it travels with the work that an executor sends out.
"""

from __future__ import annotations

import pickle
import socket
import threading
from dataclasses import dataclass, field
from hmac import compare_digest
from pathlib import Path
from secrets import token_bytes
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

from ..calls.clock import TICK

SECRET = 32
"""Bytes of a token."""
CONNECT_SECONDS = 10.0
ALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 30_000}
"""A machine that is switched off is noticed after half a minute, as Dask does."""


class Gone(Exception):
    """Whoever was at the other end of a wire is gone."""


@dataclass(frozen=True)
class Address:
    """Where a door is (host, port), with what opens it. path: of the log behind it."""

    place: tuple[str, int]
    token: bytes = field(repr=False)
    path: Path | None = None


class Door(ThreadingTCPServer):
    """At an address of this machine, until it is closed: lets in who has its token."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, path: Path | None = None):
        super().__init__((host, 0), _Knock)
        self.address = Address((host, self.server_address[1]), token_bytes(SECRET), path)
        threading.Thread(target=self.serve_forever, args=(TICK,), daemon=True, name="fgo door").start()

    def shutdown_request(self, request: Any) -> None:
        request.close()  # its wire keeps the connection

    def enter(self, wire: Any) -> None:
        """What is done with a wire, in a thread of its own."""
        raise NotImplementedError


class _Knock(BaseRequestHandler):
    def handle(self) -> None:
        wire, door = _wire(self.request), self.server
        if isinstance(door, Door) and compare_digest(wire.read(SECRET), door.address.token):
            door.enter(wire)


def connected(address: Address, hello: bytes = b"") -> Any:
    """A wire through a door, with what is said first. Raises OSError."""
    with socket.create_connection(address.place, CONNECT_SECONDS) as connection:
        connection.settimeout(None)
        wire = _wire(connection)
    wire.write(address.token + hello)
    wire.flush()
    return wire


def _wire(connection: socket.socket) -> Any:
    """A file to read from and to write to. It breaks when the other machine is gone without a word."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in ALIVE.items():
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return connection.makefile("rwb")


def exchange(wire: Any, request: str, *arguments: Any) -> tuple[bool, Any]:
    """Whether the other side could do it, and what it answers or raised. Raises Gone where nobody is there."""
    try:
        wire.write(pickle.dumps((request, arguments)))
        wire.flush()
        return pickle.load(wire)
    except (EOFError, OSError) as error:
        raise Gone(str(error) or type(error).__name__) from error


def answer(wire: Any, who: Any) -> None:
    """Answer one request by the method of that name. Raises Gone."""
    try:
        request, arguments = pickle.load(wire)
        try:
            reply = True, getattr(who, request)(*arguments)
        except Exception as error:
            reply = False, _portable(error)
        wire.write(pickle.dumps(reply))
        wire.flush()
    except (EOFError, OSError) as error:
        raise Gone(str(error)) from error


def _portable(error: Exception) -> Exception:
    """The error, or one that says the same where a pickle cannot hold it."""
    try:
        return pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
