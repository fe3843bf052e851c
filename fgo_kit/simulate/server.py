"""A loopback server that puts any LLM behind the OpenAI and Anthropic protocols, with faults on demand.

It exists so that the official SDKs, retries, rate limits and errors are exercised for real, without a
provider. It listens on 127.0.0.1 only, takes any API key, and does not stream.

    python -m fgo_kit.simulate.server --profile small --latency-ms 50 --p429 0.1

prints its URL. POST /v1/chat/completions (OpenAI; `seed` is the sample), POST /v1/responses (OpenAI) and POST
/v1/messages (Anthropic; for both the header `x-sample` is the sample, else 0), GET /v1/models, GET /ledger.
The batches of both: /v1/files and /v1/batches, /v1/messages/batches (what follows the last "-" of a `custom_id` is the
sample).

Like the providers' own it thinks as much as it is asked to (`effort`, `thinking`) and wants its thinking back
unchanged in tool turns, and it caches prompts: at Anthropic's marks, at OpenAI unasked, from 1,024 tokens on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields

import numpy as np
import tornado.httpserver
import tornado.web

from ..calls.protocol import LLM
from . import protocols
from .answering import Answer, Faults, State, failed
from .batch_doors import DOORS, Batches, Json
from .thinking import BadBody

MAX_BODY = 8 * 2**20  # bytes

class _NotFound(Json):
    def prepare(self):
        self.set_status(404)
        known = "/v1/chat/completions, /v1/responses, /v1/messages, /v1/models or /ledger"
        message = f"no route {self.request.path}; use {known}"
        self.finish({"error": {"message": message, "type": "not_found_error"}})


class _Ledger(Json):
    def get(self):
        self.finish(self.state.ledger)


class _Models(Json):
    def get(self):
        both = {"type": "model", "object": "model", "owned_by": "simulated", "created": 0,
                "created_at": "1970-01-01T00:00:00Z"}
        data = [{"id": name, "display_name": name, **both} for name in self.state.models]
        self.finish({"object": "list", "data": data, "has_more": False,
                     "first_id": data[0]["id"], "last_id": data[-1]["id"]})


class _Chat(Json):
    """One request: read it, draw its fault, wait, let the LLM answer, enter it in the ledger."""

    gone = False

    def initialize(self, state: State, protocol):
        super().initialize(state)
        self.protocol = protocol

    def on_connection_close(self):
        self.gone = True

    async def post(self):
        self.state.ledger["requests"] += 1
        self.deliver(await self.answer())

    async def answer(self) -> Answer:
        try:
            if len(self.request.body) > MAX_BODY:
                raise BadBody(f"body of {len(self.request.body)} bytes exceeds the limit of {MAX_BODY}")
            request = self.protocol.read(self.request.body, self.request.headers)
        except BadBody as error:
            return failed(self.protocol, "bad_request", 400, str(error))
        fault, overloaded = self.state.draw()
        fault = "" if fault == "expired" else fault  # of batches alone
        refusal = self.state.refusal(self.protocol, fault, overloaded)
        if fault != "rate_limited":
            await asyncio.sleep(self.state.faults.latency_ms / 1000)
        return refusal or await self.state.answer(self.protocol, request, fault)

    def deliver(self, answer: Answer):
        if self.gone:
            return self.state.count_fault("abandoned")
        self.state.count(answer)
        self.give(answer, broken=answer.fault == "malformed")


async def _serve(state: State, port: int, ready: Future) -> None:
    """Serve until the event given to `ready`, with the loop and the bound port, is set."""
    batches = Batches(state)
    routes = [(r"/v1/chat/completions", _Chat, {"state": state, "protocol": protocols.OpenAI()}),
              (r"/v1/responses", _Chat, {"state": state, "protocol": protocols.Responses()}),
              (r"/v1/messages", _Chat, {"state": state, "protocol": protocols.Anthropic()}),
              *((route, door, {"state": state, "batches": batches}) for route, door in DOORS),
              (r"/v1/models", _Models, {"state": state}), (r"/ledger", _Ledger, {"state": state})]
    app = tornado.web.Application(routes, default_handler_class=_NotFound, log_function=lambda handler: None,
                                  default_handler_args={"state": state})
    # Bodies somewhat over the limit are read, so that they can be refused with a clear answer.
    server = tornado.httpserver.HTTPServer(app, max_body_size=2 * MAX_BODY)
    try:
        sockets = tornado.netutil.bind_sockets(port, "127.0.0.1")
        server.add_sockets(sockets)
    except OSError as error:
        return ready.set_exception(OSError(f"port {port} of 127.0.0.1: {error}; use port=0 for any free one"))
    stop = asyncio.Event()
    ready.set_result((asyncio.get_running_loop(), stop, sockets[0].getsockname()[1]))
    await stop.wait()
    server.stop()
    await server.close_all_connections()


@dataclass(frozen=True)
class Endpoint:
    """A running server. `url`, its root, is the base URL for Anthropic's SDK, `openai_url` for OpenAI's."""

    url: str

    @property
    def openai_url(self) -> str:
        return self.url + "/v1"

    def ledger(self) -> dict:
        """Counts so far: requests, successes, their tokens by kind (see `KINDS`), faults by kind."""
        with urllib.request.urlopen(self.url + "/ledger", timeout=30) as answer:
            return json.load(answer)


@contextmanager
def serving(
    llm: LLM, *, port: int = 0, choose: Callable[[str], LLM] | None = None, models: tuple[str, ...] = (), **faults,
) -> Iterator[Endpoint]:
    """Serve `llm` from a daemon thread: `with serving(llm, p429=0.1) as server: ... server.openai_url`.

    `faults` are the fields of `Faults`; `choose` picks the LLM for the `model` of a request (by default
    `llm` for all), `models` the names to list. Raises ValueError for bad faults, OSError for a taken port.
    """
    settings = Faults(**faults)
    state = State(choose or (lambda model: llm), models or (llm.name,), settings, np.random.default_rng(settings.seed))
    ready: Future = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(state, port, ready)), daemon=True)
    thread.start()
    loop, stop, bound = ready.result(timeout=30)
    try:
        yield Endpoint(f"http://127.0.0.1:{bound}")
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=10)


def main(arguments: list[str] | None = None) -> None:
    """The command line: serve the simulated LLM until interrupted."""
    from . import limits, model

    parser = argparse.ArgumentParser(prog="python -m fgo_kit.simulate.server", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--profile", default="small", choices=limits.profile_names())
    for option in fields(Faults):
        kind = int if option.name in ("seed", "context_window", "batch_room") else float
        flag = "fault-seed" if option.name == "seed" else option.name.replace("_", "-")
        parser.add_argument(f"--{flag}", dest=option.name, type=kind, default=option.default)
    options = vars(parser.parse_args(arguments))
    port, default = options.pop("port"), options.pop("profile")

    def choose(name: str) -> LLM:
        return model.load(name if name in limits.profile_names() else default)

    names = limits.profile_names()
    with serving(choose(default), port=port, choose=choose, models=names, **options) as server:
        print(server.url, flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
