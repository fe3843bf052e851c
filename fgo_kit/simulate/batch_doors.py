"""Batches on the loopback server: OpenAI's files and batches, Anthropic's message batches."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import tornado.web

from . import protocols
from .answering import Answer, State, failed
from .protocols import Request
from .thinking import BadBody

PROTOCOLS = {"/v1/chat/completions": protocols.OpenAI(), "/v1/responses": protocols.Responses()}
"""What OpenAI's batches can be asked."""


class Json(tornado.web.RequestHandler):
    """A door of the server: its answers are JSON."""

    def initialize(self, state: State, batches: Batches | None = None):
        self.state, self.batches = state, batches

    def write_error(self, status_code, **_):
        self.finish({"error": {"message": f"{self.request.method} {self.request.path}: {self._reason}"}})

    def give(self, answer: Answer, broken: bool = False):
        """Send an answer, broken off in the middle if so asked."""
        self.set_status(answer.status, reason="Overloaded" if answer.status == 529 else None)
        if answer.status in (429, 503, 529):
            self.set_header("Retry-After", f"{self.state.faults.retry_after:g}")
        self.set_header("Content-Type", "application/json")
        body = json.dumps(answer.body)
        self.finish(body[: len(body) // 2] if broken else body)


@dataclass
class Batch:
    """Requests by their `custom_id`, and the answers so far: None for one that expired."""

    id: str
    protocol: Any
    requests: dict[str, Request | BadBody]
    metadata: dict = field(default_factory=dict)
    endpoint: str = ""
    errors: list[dict] = field(default_factory=list)  # why it failed as a whole
    created: float = field(default_factory=time.time)
    answers: dict[str, Answer | None] = field(default_factory=dict)
    has_ended: bool = False
    cancelled: bool = False


class Batches:
    """The files and batches of one server. Touched by its own event loop only."""

    def __init__(self, state: State):
        self.state = state
        self.files: dict[str, bytes] = {}
        self.all: dict[str, Batch] = {}
        self._tasks: set[asyncio.Task] = set()
        self._answered: set[str] = set()  # membership only

    def begin(self, batch: Batch) -> bool:
        """Take a batch on, unless there is no room for it."""
        room, batches = self.state.faults.batch_room, self.all.values()
        if room is not None and sum(len(b.requests) for b in batches if not b.has_ended) + len(batch.requests) > room:
            self.state.count_fault("queue_full")
            return False
        self.all[batch.id] = batch
        self.state.ledger["batches"] = self.state.ledger.get("batches", 0) + 1
        task = asyncio.get_running_loop().create_task(self._work(batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _work(self, batch: Batch) -> None:
        await asyncio.sleep(self.state.faults.batch_ms / 1000)
        for name, request in batch.requests.items():
            if batch.cancelled:
                break
            answer = await self._answer(batch, request)
            batch.answers[name] = answer
            if answer is not None:
                self.state.count(answer)
                self._count_repeated(request, answer)
        batch.has_ended = True

    async def _answer(self, batch: Batch, request: Request | BadBody) -> Answer | None:
        self.state.ledger["requests"] += 1
        if isinstance(request, BadBody):
            return failed(batch.protocol, "bad_request", 400, str(request))
        fault, overloaded = self.state.draw()
        if fault == "expired":
            return self.state.count_fault(fault)
        refusal = self.state.refusal(batch.protocol, fault, overloaded)
        answer = refusal or await self.state.answer(batch.protocol, request, fault)
        return Answer(200, {"id": "broken"}, fault, answer.reply) if fault == "malformed" else answer

    def _count_repeated(self, request: Request | BadBody, answer: Answer) -> None:
        """Count in the ledger what was answered, and billed, before."""
        if answer.reply is not None:
            repeated = repr(request) in self._answered
            self.state.ledger["repeated"] = self.state.ledger.get("repeated", 0) + repeated
            self._answered.add(repr(request))


class _Files(Json):
    def post(self):
        uploaded = self.request.files["file"][0]
        name = f"file-{len(self.batches.files) + 1}"
        self.batches.files[name] = uploaded["body"]
        self.finish({"id": name, "object": "file", "bytes": len(uploaded["body"]), "created_at": int(time.time()),
                     "filename": uploaded["filename"], "purpose": self.get_argument("purpose"), "status": "processed"})


class _Content(Json):
    def get(self, name: str):
        """A file as it was given, or the answers (output-ID) or errors (error-ID) of a batch."""
        kind, _, batch = name.partition("-")
        if kind in ("output", "error"):
            lines = _openai_lines(self.batches.all[batch])
            wanted = [line for line in lines if (_is_answer(line)) == (kind == "output")]
            return self.finish("\n".join(map(json.dumps, wanted)))
        self.finish(self.batches.files[name])


class _Door(Json):
    """The batches of one protocol: all, one, cancelled or new ones."""

    protocol: Any = None

    async def post(self, name: str = "", action: str = ""):
        if action == "cancel":
            self.batches.all[name].cancelled = True
            return self.finish(self.shown(self.batches.all[name]))
        fault, overloaded = self.state.draw()
        if refusal := self.state.refusal(self.protocol, fault, overloaded):
            self.state.count(refusal)
            return self.give(refusal)
        try:
            begun = self.begun(json.loads(self.request.body), f"batch_{len(self.batches.all) + 1}")
            await asyncio.sleep(self.state.faults.latency_ms / 1000)  # taken, and not yet said so
            self.give(begun)
        except (BadBody, KeyError, TypeError, ValueError) as error:
            self.give(failed(self.protocol, "bad_request", 400, f"no batch: {type(error).__name__}: {error}"))

    def get(self, name: str = ""):
        if name and name not in self.own():
            return self.give(Answer(404, self.protocol.error("", 400, f"no batch {name}")))
        if name:
            return self.finish(self.shown(self.batches.all[name]))
        after = self.get_argument("after", self.get_argument("after_id", ""))
        names = list(reversed(self.own()))  # newest first
        names = names[names.index(after) + 1 :] if after in names else names
        page = names[: int(self.get_argument("limit", "20"))]
        self.finish({"object": "list", "data": [self.shown(self.batches.all[n]) for n in page],
                     "has_more": len(page) < len(names), "first_id": page[0] if page else None,
                     "last_id": page[-1] if page else None})

    def own(self) -> list[str]:
        """The ids of the batches of this protocol, oldest first."""
        return [batch.id for batch in self.batches.all.values() if bool(batch.endpoint) == (type(self) is _OpenAI)]


class _OpenAI(_Door):
    protocol = protocols.OpenAI()

    def begun(self, asked: dict, name: str) -> Answer:
        endpoint, lines = asked["endpoint"], self.batches.files[asked["input_file_id"]].splitlines()
        batch = Batch(name, PROTOCOLS[endpoint], {}, asked.get("metadata") or {}, endpoint)
        for number, line in enumerate(lines, 1):
            try:
                given = json.loads(line)
                if given["custom_id"] in batch.requests or given["url"] != endpoint:
                    raise BadBody("its custom_id is not its own, or its url not that of the batch")
                batch.requests[given["custom_id"]] = _request(batch.protocol, given["custom_id"], given["body"])
            except (BadBody, KeyError, TypeError, ValueError) as error:
                batch.errors.append({"code": "invalid_json_line", "message": str(error), "line": number, "param": None})
        if batch.errors or not self.batches.begin(batch):
            full = {"code": "token_limit_exceeded", "message": "Enqueued limit reached", "line": None, "param": None}
            batch.errors, batch.has_ended = batch.errors or [full], True
            self.batches.all[name] = batch
        return Answer(200, self.shown(batch))

    def shown(self, batch: Batch) -> dict:
        status = "in_progress"
        if batch.has_ended:
            unanswered = any(answer is None for answer in batch.answers.values())
            status = "failed" if batch.errors else "cancelled" if batch.cancelled else "completed"
            status = "expired" if status == "completed" and unanswered else status
        kinds = {_is_answer(line) for line in _openai_lines(batch)} if batch.has_ended else ()
        return {"id": batch.id, "object": "batch", "endpoint": batch.endpoint, "input_file_id": "file-0",
                "completion_window": "24h", "created_at": int(batch.created), "metadata": batch.metadata,
                "status": status, "errors": {"object": "list", "data": batch.errors} if batch.errors else None,
                "output_file_id": f"output-{batch.id}" if True in kinds else None,
                "error_file_id": f"error-{batch.id}" if False in kinds else None}


def _openai_lines(batch: Batch) -> Iterator[dict]:
    for name, answer in batch.answers.items():
        line = {"id": f"batch_req_{name}", "custom_id": name, "response": None, "error": None}
        if answer is None:
            yield line | {"error": {"code": "batch_expired", "message": "This request could not be executed in time."}}
        else:
            yield line | {"response": {"status_code": answer.status, "request_id": name, "body": answer.body}}


def _is_answer(line: dict) -> bool:
    return bool(line["response"]) and line["response"]["status_code"] == 200


class _Anthropic(_Door):
    protocol = protocols.Anthropic()

    def begun(self, asked: dict, name: str) -> Answer:
        requests = {}
        for given in asked["requests"]:
            if given["custom_id"] in requests:
                raise BadBody(f"custom_id {given['custom_id']} is not its own")
            requests[given["custom_id"]] = _request(self.protocol, given["custom_id"], given["params"])
        batch = Batch(name, self.protocol, requests)
        if not self.batches.begin(batch):
            return failed(self.protocol, "rate_limited", 429, "too many requests in batches")
        return Answer(200, self.shown(batch))

    def shown(self, batch: Batch) -> dict:
        kinds = [_anthropic_result(batch, name)["type"] for name in batch.requests] if batch.has_ended else []
        counts = {kind: kinds.count(kind) for kind in ("succeeded", "errored", "canceled", "expired")}
        counts["processing"] = 0 if batch.has_ended else len(batch.requests)
        where = f"{self.request.protocol}://{self.request.host}/v1/messages/batches/{batch.id}/results"
        return {"id": batch.id, "type": "message_batch", "created_at": _date(batch.created),
                "expires_at": _date(batch.created + 86_400), "request_counts": counts,
                "processing_status": "ended" if batch.has_ended else "in_progress",
                "ended_at": _date(time.time()) if batch.has_ended else None,
                "results_url": where if batch.has_ended else None}


class _Results(Json):
    def get(self, name: str):
        batch = self.batches.all[name]
        lines = ({"custom_id": name, "result": _anthropic_result(batch, name)} for name in batch.requests)
        self.finish("\n".join(map(json.dumps, lines)))


def _anthropic_result(batch: Batch, name: str) -> dict:
    if name not in batch.answers:
        return {"type": "canceled"}
    answer = batch.answers[name]
    if answer is None:
        return {"type": "expired"}
    return {"type": "succeeded", "message": answer.body} if answer.status == 200 else {
        "type": "errored", "error": answer.body}


def _date(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


def _request(protocol, name: str, body: dict) -> Request | BadBody:
    try:
        return protocol.read(json.dumps(body).encode(), {"x-sample": name.rpartition("-")[2]})
    except BadBody as error:
        return error


DOORS = [
    (r"/v1/files", _Files), (r"/v1/files/([\w-]+)/content", _Content),
    (r"/v1/batches", _OpenAI), (r"/v1/batches/(\w+)", _OpenAI), (r"/v1/batches/(\w+)/(cancel)", _OpenAI),
    (r"/v1/messages/batches", _Anthropic), (r"/v1/messages/batches/(\w+)", _Anthropic),
    (r"/v1/messages/batches/(\w+)/(cancel)", _Anthropic), (r"/v1/messages/batches/(\w+)/results", _Results),
]  # fmt: skip
"""The routes, each with its handler."""
