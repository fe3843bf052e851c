"""A provider on loopback that fails as told: it speaks OpenAI's chat completions and counts what it bills."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fgo_kit.simulate.protocols import OpenAI

STATUSES = {name: int(name) for name in ("400", "401", "402", "403", "404", "422", "429", "500", "503")}
ENDS = {"empty": "stop", "length": "length", "filter": "refusal"}
KINDS = (*STATUSES, *ENDS, "reset", "hang", "drip", "cut", "page")
"""What can become of a request: a status; no text, for one of three reasons; the connection reset, or silent, or three
bytes a second; half a body; HTML."""


class Provider:
    """`fault(text, number)` names what becomes of the n-th request with this last message; "" for an answer, whose
    body `shape` may change."""

    def __init__(
        self, llm, fault: Callable[[str, int], str] = lambda text, number: "", latency: float = 0.0,
        shape: Callable[[dict], dict] = lambda body: body,
    ):  # fmt: skip
        self.llm, self.fault, self.latency, self.shape = llm, fault, latency, shape
        self.headers: dict[str, str] = {}
        self.requests = 0
        self.billed: Counter[str] = Counter()  # answers sent, whole or not, by what was asked
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self._server = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def twice(self) -> int:
        """How many answers were billed that had been billed before."""
        return self.billed.total() - len(self.billed)

    def up(self) -> None:
        """Listen, at the same port as before."""
        class Server(ThreadingHTTPServer):
            daemon_threads, allow_reuse_address, request_queue_size = True, True, 256

            def handle_error(self, request, client_address):
                pass  # a client that went away

        handler = type("Handler", (_Handler,), {"provider": self})
        self._server = Server(("127.0.0.1", self.port), handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        """Refuse connections from now on."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def providing(llm, **options) -> Iterator[Provider]:
    """A running provider."""
    provider = Provider(llm, **options)
    provider.up()
    try:
        yield provider
    finally:
        provider.stopping.set()
        provider.down()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    provider: Provider

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = OpenAI().read(body, self.headers)
        provider = self.provider
        with provider.lock:
            provider.requests += 1
            kind = provider.fault(request.messages[-1]["content"], provider.requests)
        if kind in STATUSES:
            return self.send(STATUSES[kind], {"error": {"message": f"{kind} on purpose"}}, provider.headers)
        if kind == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            return self.connection.close()
        if kind == "hang":
            self.close_connection = True
            return provider.stopping.wait(60)
        time.sleep(provider.latency)
        reply = provider.llm.complete(request.messages, tools=request.tools, response_schema=request.schema,
                                      sample=request.sample)
        if kind in ENDS:
            reply = replace(reply, text="", finish=ENDS[kind])
        with provider.lock:
            provider.billed[sha256(body).hexdigest()] += 1
        answer = json.dumps(provider.shape(OpenAI().write(request, reply, provider.requests))).encode()
        headers = {}
        if kind == "page":
            answer, headers = b"<!DOCTYPE html><html>Welcome</html>", {"Content-Type": "text/html"}
        if kind == "cut":
            answer = answer[: len(answer) // 2]
        self.send(200, answer, headers, drip=kind == "drip")

    def send(self, status: int, body, headers: dict[str, str], drip: bool = False):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        for byte in body if drip else ():
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            if self.provider.stopping.wait(0.3):
                return
        if not drip:
            self.wfile.write(body)
