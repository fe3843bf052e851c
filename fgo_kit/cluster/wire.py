"""How processes talk: one asks, the other answers, a pickle each, over a connection that begins with a token.

Only who has the token of a `Door` is listened to; it travels with the work that an executor sends out. Where a Dask
cluster talks in TLS, so do its workers here, with the same certificates.
"""

from __future__ import annotations

import pickle
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from hmac import compare_digest
from pathlib import Path
from secrets import token_bytes
from socketserver import BaseRequestHandler, ThreadingTCPServer
from ssl import SSLContext
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
    is_encrypted: bool = False


class Door(ThreadingTCPServer):
    """At an address of this machine, until it is closed: lets in who has its token, and a certificate with tls."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, tls: SSLContext | None = None, path: Path | None = None):
        super().__init__((host, 0), _Knock)
        self.tls = tls
        self.address = Address((host, self.server_address[1]), token_bytes(SECRET), path, tls is not None)
        threading.Thread(target=self.serve_forever, args=(TICK,), daemon=True, name="fgo door").start()

    def shutdown_request(self, request: Any) -> None:
        request.close()  # its wire keeps the connection

    def enter(self, wire: Any) -> None:
        """What is done with a wire, in a thread of its own."""
        raise NotImplementedError


class _Knock(BaseRequestHandler):
    def handle(self) -> None:
        door: Any = self.server
        with suppress(OSError):  # a stranger, or somebody who has hung up
            wire = _wire(self.request if door.tls is None else door.tls.wrap_socket(self.request, server_side=True))
            if compare_digest(wire.read(SECRET), door.address.token):
                door.enter(wire)


def connected(address: Address, tls: SSLContext | None, hello: bytes = b"") -> Any:
    """A wire through a door, with what is said first. Raises OSError."""
    with socket.create_connection(address.place, CONNECT_SECONDS) as connection:
        connection = connection if tls is None else tls.wrap_socket(connection)
        connection.settimeout(None)
        wire = _wire(connection)
        connection.close()  # when the wire is
    wire.write(address.token + hello)
    wire.flush()
    return wire


def own_tls(address: Address, worker: Any = None) -> SSLContext | None:
    """What a Dask worker, by default the one whose task this is, needs to go through a door; None for a plain one."""
    if not address.is_encrypted:
        return None
    from dask.distributed import get_worker

    return (worker or get_worker()).security.get_connection_args("worker")["ssl_context"]


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
            reply = pickle.dumps((True, getattr(who, request)(*arguments)))
        except Exception as error:  # also for an answer that a pickle cannot hold
            reply = pickle.dumps((False, _portable(error)))
        wire.write(reply)
        wire.flush()
    except (EOFError, OSError) as error:
        raise Gone(str(error)) from error


def _portable(error: Exception) -> Exception:
    """The error, or one that says the same where a pickle cannot hold it."""
    try:
        return pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
