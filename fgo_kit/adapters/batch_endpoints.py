"""The batches of OpenAI and Anthropic, through their SDKs."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ..calls.protocol import CallFailed, Cancelled, FGOError, Overloaded
from .failures import answered_failure, failure

SKEW = 300.0
"""Seconds by which the clocks of a provider and of this machine may differ."""
STOPPED = ("batch_cancelled", "canceled")
EXPIRED = ("batch_expired", "expired")
"""How providers say that a request was not answered."""
QUEUE_FULL = "token_limit_exceeded"
"""OpenAI's error for a batch that does not fit beside those under way."""

Answer = dict[str, Any] | FGOError
Line = tuple[str, Answer]


class Endpoint(ABC):
    """A provider's batches. What fails raises CallFailed, with `maybe_billed` where it may be done all the same.

    A name says which request of a batch is meant. name: the LLM's. safely: calls a function and raises the typed errors
    of the protocol, without the key.
    """

    def __init__(self, client: Any, name: str, safely: Callable[[Callable[[], Any]], Any]):
        self._client, self._name, self._safely = client, name, safely

    def submit(self, tag: str, requests: Mapping[str, dict[str, Any]]) -> str:
        """Send requests by their names, in this order, as one batch; its id."""
        bodies = {name: body_of(request) for name, request in requests.items()}
        return self._safely(lambda: self._submit(tag, bodies))

    def find(self, tag: str, since: float, size: int) -> list[str]:
        """The ids of the batches of so many requests since this time that were, or can have been, sent under a tag."""
        return self._safely(lambda: [batch.id for batch in self._sent(since) if self._is(batch, tag, size)])

    def has_ended(self, batch: str) -> bool:
        """Whether there will be no more results."""
        return self._safely(lambda: self._has_ended(batch))

    def results(self, batches: Sequence[str], names: Sequence[str]) -> dict[str, Answer]:
        """The body of the answer to each of the names in batches that ended, or why it has none."""
        wanted, found = set(names), {}
        for batch in batches:
            read = self._safely(lambda: list(self._read(batch, names)))  # noqa: B023  called at once
            found |= {name: answer for name, answer in read if name in wanted}
        return {name: self._unanswered("no result") for name in names} | found

    def _unanswered(self, reason: str) -> FGOError:
        if reason in STOPPED:
            return Cancelled(f"{self._name}: the batch was cancelled at the provider; running the same again resumes")
        return Overloaded(f"{self._name}: a batch ended without an answer to this request ({reason})")

    @abstractmethod
    def _submit(self, tag: str, bodies: dict[str, dict[str, Any]]) -> str: ...

    @abstractmethod
    def _sent(self, since: float) -> Iterator[Any]:
        """The batches since this time, or a little before."""

    @abstractmethod
    def _is(self, batch: Any, tag: str, size: int) -> bool:
        """Whether a batch was, or can have been, sent under a tag."""

    @abstractmethod
    def _has_ended(self, batch: str) -> bool: ...

    @abstractmethod
    def _read(self, batch: str, names: Sequence[str]) -> Iterator[Line]: ...


class OpenAIBatches(Endpoint):
    """A file of requests to one endpoint. The tag is in the batch's metadata. Files stay there for 30 days."""

    endpoint = "/v1/chat/completions"

    def _submit(self, tag: str, bodies: dict[str, dict[str, Any]]) -> str:
        lines = ({"custom_id": name, "method": "POST", "url": self.endpoint, "body": bodies[name]} for name in bodies)
        data = "\n".join(map(json.dumps, lines)).encode()
        try:
            file = self._safely(partial(self._client.files.create, file=(f"{tag}.jsonl", data), purpose="batch"))
        except CallFailed as error:
            error.maybe_billed = False  # a file alone costs nothing
            raise
        return self._client.batches.create(
            input_file_id=file.id, endpoint=self.endpoint, completion_window="24h", metadata={"fgo": tag}
        ).id

    def _sent(self, since: float) -> Iterator[Any]:
        for batch in self._client.batches.list(limit=100):  # newest first
            if batch.created_at < since - SKEW:
                return
            yield batch

    def _is(self, batch: Any, tag: str, size: int) -> bool:
        return (batch.metadata or {}).get("fgo") == tag

    def _has_ended(self, batch: str) -> bool:
        return self._client.batches.retrieve(batch).status in ("completed", "failed", "expired", "cancelled")

    def _read(self, batch: str, names: Sequence[str]) -> Iterator[Line]:
        found = self._client.batches.retrieve(batch)
        if found.status == "failed":
            yield from self._failed(found.errors.data if found.errors and found.errors.data else [], names)
        if found.status == "cancelled":
            yield from ((name, self._unanswered(STOPPED[0])) for name in names)
        for file in filter(None, (found.error_file_id, found.output_file_id)):
            for line in self._client.files.content(file).text.splitlines():
                yield self._line(json.loads(line))

    def _failed(self, errors: Iterable[Any], names: Sequence[str]) -> Iterator[Line]:
        """Why a whole batch was refused: for one of its lines, which the others do not share, or for itself."""
        by_line = {error.line: error for error in errors if error.line}
        whole = next((error for error in errors if not error.line), None)
        for number, name in enumerate(names, 1):
            error = by_line.get(number) or whole
            if error is None:
                yield name, self._unanswered("another of its requests was refused")
            else:
                body = {"error": {"message": error.message, "code": error.code, "param": error.param}}
                yield name, failure(self._name, 429 if error.code == QUEUE_FULL else 400, body)

    def _line(self, line: dict[str, Any]) -> Line:
        response, error = line.get("response") or {}, line.get("error") or {}
        body = response.get("body")
        if not isinstance(body, dict):
            code = str(error.get("code"))
            known = code in (*STOPPED, *EXPIRED)
            return line["custom_id"], self._unanswered(code) if known else failure(self._name, 500, error or line)
        refused = response.get("status_code") != 200
        why = failure(self._name, response["status_code"], body) if refused else answered_failure(self._name, body)
        return line["custom_id"], why or body


class ResponsesBatches(OpenAIBatches):
    """Of OpenAI's Responses."""

    endpoint = "/v1/responses"


class AnthropicBatches(Endpoint):
    """Anthropic keeps no tag: a batch of as many requests is taken for ours, until its results say otherwise."""

    def _submit(self, tag: str, bodies: dict[str, dict[str, Any]]) -> str:
        requests = [{"custom_id": name, "params": body} for name, body in bodies.items()]
        return self._client.messages.batches.create(requests=requests).id

    def _sent(self, since: float) -> Iterator[Any]:
        for batch in self._client.messages.batches.list(limit=100):  # newest first
            if batch.created_at.timestamp() < since - SKEW:
                return
            yield batch

    def _is(self, batch: Any, tag: str, size: int) -> bool:
        return sum(batch.request_counts.to_dict().values()) == size

    def _has_ended(self, batch: str) -> bool:
        return self._client.messages.batches.retrieve(batch).processing_status == "ended"

    def _read(self, batch: str, names: Sequence[str]) -> Iterator[Line]:
        for line in self._client.messages.batches.results(batch):
            result = line.result.to_dict()
            if result["type"] == "succeeded":
                yield line.custom_id, result["message"]
            elif result["type"] == "errored":
                refused = answered_failure(self._name, result["error"])
                yield line.custom_id, refused or failure(self._name, 500, result)
            else:
                yield line.custom_id, self._unanswered(result["type"])


def body_of(request: dict[str, Any]) -> dict[str, Any]:
    """A request as the SDK's function takes it -> its body."""
    own = {name: value for name, value in request.items() if not name.startswith("extra_")}
    return own | request.get("extra_body", {})
