"""A loopback server that puts any LLM behind the OpenAI and Anthropic protocols, with faults on demand.

It exists so that the official SDKs, retries, rate limits and errors are exercised for real, without a
provider. It listens on 127.0.0.1 only, takes any API key, and does not stream.

    python -m fgo_kit.simulate.server --profile small --latency-ms 50 --p429 0.1

prints its URL. POST /v1/chat/completions (OpenAI; `seed` is the sample), POST /v1/responses (OpenAI) and POST
/v1/messages (Anthropic; for both the header `x-sample` is the sample, else 0), GET /v1/models, GET /ledger.

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
from dataclasses import dataclass, field, fields, replace

import numpy as np
import tornado.httpserver
import tornado.web

from ..calls.protocol import LLM, BadRequest, ContextOverflow, Reply, Usage
from . import protocols
from .prompt_cache import PromptCache
from .thinking import BadBody, thought_over

MAX_BODY = 8 * 2**20  # bytes
SHARES = {"p429": "rate_limited", "p5xx": "server_error", "p_truncated": "truncated", "p_malformed": "malformed",
          "p_refused": "refused"}
"""The faults that are drawn, as the ledger counts them."""
KINDS = ("prompt", "completion", "cached", "written", "reasoning")
"""Of tokens, as in `Usage`."""
CATEGORY = "general_harms"
"""Of a refusal, where a protocol has categories."""


@dataclass(frozen=True)
class Faults:
    """What the server does wrong, drawn once a request from a Generator seeded with `seed`.

    p429: rate limited; p5xx: 500, or overloaded (503, Anthropic 529); p_truncated: an answer cut in half,
    finish reason "length"; p_malformed: status 200 and broken JSON; p_refused: a refusal. retry_after in seconds;
    latency_ms is waited before every answer but a 429; context_window in tokens, by default the LLM's own.
    Raises ValueError for shares that are not probabilities or sum to more than 1.
    """

    p429: float = 0.0
    p5xx: float = 0.0
    p_truncated: float = 0.0
    p_malformed: float = 0.0
    p_refused: float = 0.0
    retry_after: float = 0.01
    latency_ms: float = 0.0
    context_window: int | None = None
    seed: int = 0

    def __post_init__(self):
        shares = {name: getattr(self, name) for name in SHARES}
        if min(shares.values()) < 0 or sum(shares.values()) > 1 + 1e-9:
            raise ValueError(f"fault shares {shares} are not probabilities; use shares >= 0 that sum to <= 1")
        if min(self.retry_after, self.latency_ms) < 0:
            raise ValueError(f"retry_after={self.retry_after}, latency_ms={self.latency_ms}: use values >= 0")


@dataclass
class _State:
    """One server's LLMs, faults and ledger. Touched by the server's own event loop only."""

    choose: Callable[[str], LLM]
    models: tuple[str, ...]
    faults: Faults
    rng: np.random.Generator
    ledger: dict = field(default_factory=lambda: {"requests": 0, "successes": 0, "faults": {}} | dict.fromkeys(
        (f"{kind}_tokens" for kind in KINDS), 0))
    cache: PromptCache = field(default_factory=PromptCache)

    def draw(self) -> tuple[str, bool]:
        """The fault of one request ("" for none), and whether a 5xx is an overload."""
        shares = [getattr(self.faults, name) for name in SHARES]
        kind = int(np.searchsorted(np.cumsum(shares), self.rng.random(), side="right"))
        return (*SHARES.values(), "")[kind], self.rng.random() < 0.5

    def count_fault(self, kind: str) -> None:
        self.ledger["faults"][kind] = self.ledger["faults"].get(kind, 0) + 1


class _Json(tornado.web.RequestHandler):
    def initialize(self, state: _State):
        self.state = state

    def write_error(self, status_code, **_):
        self.finish({"error": {"message": f"{self.request.method} {self.request.path}: {self._reason}"}})


class _NotFound(_Json):
    def prepare(self):
        self.set_status(404)
        known = "/v1/chat/completions, /v1/responses, /v1/messages, /v1/models or /ledger"
        message = f"no route {self.request.path}; use {known}"
        self.finish({"error": {"message": message, "type": "not_found_error"}})


class _Ledger(_Json):
    def get(self):
        self.finish(self.state.ledger)


class _Models(_Json):
    def get(self):
        both = {"type": "model", "object": "model", "owned_by": "simulated", "created": 0,
                "created_at": "1970-01-01T00:00:00Z"}
        data = [{"id": name, "display_name": name, **both} for name in self.state.models]
        self.finish({"object": "list", "data": data, "has_more": False,
                     "first_id": data[0]["id"], "last_id": data[-1]["id"]})


class _Chat(_Json):
    """One request: read it, draw its fault, wait, let the LLM answer, enter it in the ledger."""

    gone = False

    def initialize(self, state: _State, protocol):
        super().initialize(state)
        self.protocol = protocol

    def on_connection_close(self):
        self.gone = True

    async def post(self):
        state, faults = self.state, self.state.faults
        state.ledger["requests"] += 1
        try:
            if len(self.request.body) > MAX_BODY:
                raise BadBody(f"body of {len(self.request.body)} bytes exceeds the limit of {MAX_BODY}")
            request = self.protocol.read(self.request.body, self.request.headers)
        except BadBody as error:
            return self.fail("bad_request", 400, str(error))
        fault, overloaded = state.draw()
        if fault == "rate_limited":
            return self.fail(fault, 429, "Rate limit reached")
        await asyncio.sleep(faults.latency_ms / 1000)
        if fault == "server_error":
            status = self.protocol.OVERLOADED if overloaded else 500
            return self.fail(fault, status, "The server had an error while processing your request")
        await self.answer(request, fault)

    async def answer(self, request: protocols.Request, fault: str):
        try:
            llm = self.state.choose(request.model)
            window = self.state.faults.context_window or llm.context_window
            tokens = llm.count(request.messages)
            if tokens > window:
                return self.fail("context_overflow", 400, self.protocol.overflow(tokens, window))
            reply = await asyncio.get_running_loop().run_in_executor(None, lambda: llm.complete(
                request.messages, tools=request.tools, response_schema=request.schema, sample=request.sample))
        except ContextOverflow:  # prompt and answer together do not fit
            message = self.protocol.overflow(tokens + llm.max_completion, window)
            return self.fail("context_overflow", 400, message)
        except BadRequest as error:
            return self.fail("bad_request", 400, str(error))
        except Exception as error:  # whatever the LLM raises must reach the client as an error of the server
            return self.fail("internal_error", 500, f"{type(error).__name__}: {error}")
        if fault == "refused":
            reply = Reply("", Usage(reply.usage.prompt, 1), "refusal", category=CATEGORY)
        usage = self.state.cache.billed(request, llm, reply.usage)
        reply = thought_over(replace(reply, usage=usage), request.thinking)
        if fault == "truncated":
            reply = _cut(reply, reply.usage.completion // 2)
        elif request.max_tokens is not None and reply.usage.completion > request.max_tokens:
            reply = _cut(reply, request.max_tokens)
        body = self.protocol.write(request, reply, self.state.ledger["requests"])
        self.deliver(json.dumps(body), reply, fault)

    def deliver(self, body: str, reply: Reply, fault: str):
        """Send an answer. A truncated one is counted as a fault and, like any paid answer, as a success."""
        if self.gone:
            return self.state.count_fault("abandoned")
        if fault:
            self.state.count_fault(fault)
        if fault == "malformed":
            body = body[: len(body) // 2]
        else:
            self.state.ledger["successes"] += 1
            for kind in KINDS:
                self.state.ledger[f"{kind}_tokens"] += getattr(reply.usage, kind)
        self.set_header("Content-Type", "application/json")
        self.finish(body)

    def fail(self, kind: str, status: int, message: str):
        if self.gone:
            return self.state.count_fault("abandoned")
        self.state.count_fault(kind)
        self.set_status(status, reason="Overloaded" if status == 529 else None)
        if status in (429, 503, 529):
            self.set_header("Retry-After", f"{self.state.faults.retry_after:g}")
        self.finish(self.protocol.error(kind, status, message))


def _cut(reply: Reply, tokens: int) -> Reply:
    """The first `tokens` tokens of an answer, thinking first, its text by share of characters; calls are lost."""
    tokens, spoken = max(tokens, 1), max(reply.usage.completion - reply.usage.reasoning, 1)
    text = reply.text[: len(reply.text) * max(tokens - reply.usage.reasoning, 0) // spoken]
    usage = replace(reply.usage, completion=tokens, reasoning=min(reply.usage.reasoning, tokens))
    return replace(reply, text=text, usage=usage, finish="length", tool_calls=())


async def _serve(state: _State, port: int, ready: Future) -> None:
    """Serve until the event given to `ready`, with the loop and the bound port, is set."""
    routes = [(r"/v1/chat/completions", _Chat, {"state": state, "protocol": protocols.OpenAI()}),
              (r"/v1/responses", _Chat, {"state": state, "protocol": protocols.Responses()}),
              (r"/v1/messages", _Chat, {"state": state, "protocol": protocols.Anthropic()}),
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
    state = _State(choose or (lambda model: llm), models or (llm.name,), settings,
                   np.random.default_rng(settings.seed))
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
        kind = int if option.name in ("seed", "context_window") else float
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
