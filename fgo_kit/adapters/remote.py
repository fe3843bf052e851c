"""What the LLMs behind the official SDKs have in common: their options, their key, their errors, their usage.

The SDKs retry nothing here: backoff happens once, in the meter. What they raise becomes the typed errors of the
protocol, with the API key taken out. They carry a body as it is; what it says is read here.
"""

from __future__ import annotations

import json
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from ..calls.log_file import LogFile
from ..calls.prices import is_local, known_window
from ..calls.protocol import BadRequest, CallFailed, ContextOverflow, Message, Overloaded, Reply, Usage
from ..calls.reply_text import thought_apart
from ..calls.tokens import count_messages, encoding_for
from ..records.later import importing
from .batch_endpoints import Endpoint
from .batches import Batches
from .failures import Refused, read_body, translated
from .keys import Redaction, key_for, loaded_elsewhere, without_password
from .optional import Part, Wishes
from .options import check, check_room, check_tokens
from .usage import Estimate, Reported, read_less, settled

Result = TypeVar("Result")
CONTEXT_WINDOW = 128_000  # tokens, for models whose window nobody here knows
MAX_COMPLETION = 16_384
"""A model that thinks can spend 4,096 tokens before it writes a word. Small windows keep three quarters for prompts."""
TIMEOUT = 600.0  # seconds of silence; 10 to connect
CHARACTERS = 4  # of a turn's raw form are about a token
NEAR = 0.9
"""A request that fills so much of the window and is refused for no known reason is an overflow."""
FINISH = {
    "length": "length", "max_tokens": "length", "tool_calls": "tool_calls", "function_call": "tool_calls",
    "tool_use": "tool_calls", "content_filter": "refusal", "refusal": "refusal", "safety": "refusal",
    "model_context_window_exceeded": "overflow",
}  # fmt: skip
"""How an answer ended, by the provider's word for it; after any other it is whole, "stop"."""


class Remote(ABC):
    """An LLM behind an SDK. Beside what a `Provider` says of itself its class names two environment variables.

    key_variable: where the API key is. url_variable: where the base URL of a compatible server may be. home: the
    provider's own base URL. optional: what its requests can do without. allowed: the values of options that have a
    list of them, see `options.check`.
    """

    spec = ""
    default = ""
    parameters = (
        "base_url", "api_key", "max_completion", "context_window", "timeout", "native_tools", "effort", "service_tier",
        "extra", "batch",
    )  # fmt: skip
    prices = ""
    native_tools = True
    simulated = False
    key_variable = ""
    url_variable = ""
    home = ""
    optional: tuple[Part, ...] = ()
    allowed: Mapping[str, tuple[str, ...]] = {}
    _given: Mapping[str, Any] = {}

    @classmethod
    def load(
        cls, model: str, *, base_url: str | None = None, api_key: str | None = None, keyed: bool = False, **params: Any
    ) -> Remote:  # fmt: skip
        """keyed: a server on this machine is shown the key of the environment too. Raises AuthError without a key,
        ValueError for a password in the base URL or a value that is not allowed."""
        url = without_password(cls._elsewhere(base_url))
        loaded = cls(model, api_key=api_key or key_for(url, cls.key_variable, keyed), base_url=url, **params)
        loaded._given = {"model": model, "base_url": base_url, "keyed": keyed or bool(api_key), **params}
        return loaded

    @classmethod
    def _elsewhere(cls, base_url: str | None) -> str | None:
        """The base URL of a compatible server, given or from the environment; None at home."""
        base_url = base_url or os.environ.get(cls.url_variable) or None
        return None if base_url and base_url.rstrip("/") == cls.home else base_url

    def __init__(
        self, model: str, *, api_key: str, base_url: str | None = None, max_completion: int | None = None,
        context_window: int | None = None, timeout: float = TIMEOUT, native_tools: bool = True, **options: Any,
    ):  # fmt: skip
        if context_window is not None:
            check_tokens("context_window", context_window)
        window = context_window or known_window(self.prices, model) or CONTEXT_WINDOW
        most = min(MAX_COMPLETION, window // 4) if max_completion is None else max_completion
        check_room(most, window)
        check(options | {"timeout": timeout}, self.allowed, most)
        self.batch = options.pop("batch", False)  # how calls are sent changes no answer: it is no part of `params`
        self.model, self.name = model, self.spec.replace("<model>", model)
        self.max_completion, self.context_window, self.native_tools = most, window, native_tools
        self._scrub = Redaction(api_key, base_url)
        self.params: dict[str, Any] = {"max_completion": most, **options}
        if base_url:
            self.params["base_url"] = self._scrub.url(base_url)
        if not native_tools:
            self.params["native_tools"] = False
        self.counter, self._count = encoding_for(model)
        self._wishes = Wishes(self.optional)
        self._told = False  # that the server reads less than it is sent
        with importing():
            self._create, self._endpoint = self._connect(api_key, base_url, timeout)

    def __repr__(self) -> str:
        shown = self.params | ({"batch": True} if self.batch else {})
        return f"load_llm({self.name!r}, {', '.join(f'{k}={v!r}' for k, v in shown.items())})"

    def __reduce__(self) -> tuple:
        return loaded_elsewhere(self, self._given, self._scrub)

    @property
    def refused(self) -> frozenset[str]:
        """What the server was found to refuse, e.g. "tools", "system role" (see `optional`)."""
        return self._wishes.refused

    def count(self, messages: Sequence[Message]) -> int:
        raw = sum(len(message.get("raw", "")) for message in messages)
        return count_messages(messages, self._count) + raw // CHARACTERS

    def complete(
        self, messages: Sequence[Message], *, tools: Sequence[dict] = (), response_schema: dict | None = None,
        sample: int = 0, send: Callable[[dict], dict] | None = None,
    ) -> Reply:  # fmt: skip
        """One answer. What was optional and is refused is left out, or named otherwise, from then on.

        send: gives the body of the answer to a request, in place of the SDK, which asks at once.
        """
        request, send = partial(self._request, list(messages), tools, response_schema, sample), send or self._send
        try:
            present = self._present(messages, tools, response_schema)
            body = self._wishes.settle(self.name, present, lambda without: self._kept_secret(send, request(without)))
        except (BadRequest, Overloaded) as error:
            if error.status in (400, 413, 422, 500) and self._is_near(messages):
                raise ContextOverflow(f"{error} (the prompt fills its {self.context_window} token window)") from None
            raise
        except Refused as error:
            return Reply(str(error), Usage(0, 0), "refusal", category=error.category)
        reply, reported = self._read(body)
        reply = thought_apart(reply)
        known = self._known(messages, json.dumps([*tools, response_schema]) if tools or response_schema else "", reply)
        usage = settled(reported, known)
        self._tell(usage, known)
        if reply.finish == "overflow":
            sizes = f"{usage.prompt} + {usage.completion} tokens"
            error = ContextOverflow(f"{self.name}: prompt and answer exceed the context window ({sizes})")
            error.usage = usage
            raise error
        return replace(reply, usage=usage)

    def in_batches(self, log: LogFile, run_id: str, patience: float) -> Batches:
        """What sends the calls of a run in batches, see `Batches`."""
        return Batches(log, self._endpoint, run_id, patience)

    def _send(self, request: dict[str, Any]) -> dict[str, Any]:
        """The body of the answer to one request, asked at once."""
        response = self._safely(lambda: self._create(**request).http_response)
        return read_body(self.name, response.headers.get("content-type", ""), response.content)

    def _kept_secret(self, send: Callable[[dict], dict], request: dict[str, Any]) -> dict[str, Any]:
        """What `send` gives; the key is in none of the errors that it raises."""
        try:
            return send(request)
        except CallFailed as error:
            error.args = (self._scrub(str(error)),)
            raise

    def _safely(self, ask: Callable[[], Result]) -> Result:
        """What a function of the SDK gives; raises the typed errors, without the key."""
        try:
            return ask()
        except CallFailed as error:
            failure = error
        except Exception as error:
            failure = translated(error, self.name)
        failure.args = (self._scrub(str(failure)),)
        raise failure  # out here the SDK's own error, which holds the request, is not chained to it

    def _is_near(self, messages: Sequence[Message]) -> bool:
        return self.count(messages) + self.max_completion > NEAR * self.context_window

    def _known(self, messages: Sequence[Message], extra: str, reply: Reply) -> Estimate:
        answer = reply.text + "".join(call.name + call.arguments for call in reply.tool_calls)
        more, said, thought = (self._count(text) for text in (extra, answer, reply.thought))
        return Estimate(self.context_window, count_messages(messages, self._count), more, said, thought, self.counter)

    def _tell(self, usage: Usage, known: Estimate) -> None:
        if read_less(usage, known) and not self._told:
            self._told = True
            warnings.warn(
                f"{self.name}: the server counted {usage.prompt} tokens of a prompt of about {known.prompt}: it reads "
                "less than it is sent. Give it a longer context, or tell the toolkit its true one by context_window=",
                stacklevel=4,
            )

    def _asked(self, sample: int, draws_by_header: bool) -> dict[str, Any]:
        """What goes with every request. draws_by_header: our own server's stand-in for a seed, where a protocol has
        none."""
        asked: dict[str, Any] = {"model": self.model}
        if "service_tier" in self.params:
            asked["service_tier"] = self.params["service_tier"]
        if "extra" in self.params:
            asked["extra_body"] = self.params["extra"]
        if draws_by_header and is_local(self.params.get("base_url", "")):
            asked["extra_headers"] = {"x-sample": str(sample)}
        return asked

    @abstractmethod
    def _connect(self, api_key: str, base_url: str | None, timeout: float) -> tuple[Callable[..., Any], Endpoint]:
        """The SDK's function that sends a request and gives its raw response, and the provider's batches."""

    @abstractmethod
    def _present(self, messages: Sequence[Message], tools: Sequence[dict], schema: dict | None) -> frozenset[Part]:
        """The optional parts of a request."""

    @abstractmethod
    def _request(
        self, messages: list[Message], tools: Sequence[dict], schema: dict | None, sample: int, without: frozenset[Part]
    ) -> dict[str, Any]:
        """The arguments of the SDK's function, without some optional parts."""

    @abstractmethod
    def _read(self, body: dict[str, Any]) -> tuple[Reply, Reported]:
        """The answer in a body, its usage apart; Unreachable for one without an answer."""


def clean(text: Any) -> str:
    """Text as a file can hold it: lone surrogates, which JSON may have, become question marks, other values blank."""
    return text.encode("utf-8", "replace").decode() if isinstance(text, str) else ""


def pieces(content: Any) -> tuple[str, str]:
    """(thought, text) of a content: one string, or a list of chunks that each say what they are.

    >>> pieces([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "4"}])
    ('hm', '4')
    """
    if not isinstance(content, list):
        return "", clean(content)
    thoughts, texts = [], []
    for chunk in content:
        kind = chunk.get("type", "text") if isinstance(chunk, dict) else "text"
        if kind in ("thinking", "reasoning", "thought"):
            thoughts.append(_text_in(chunk))
        elif kind in ("text", "output_text"):
            texts.append(_text_in(chunk))
    return "".join(thoughts), "".join(texts)


def _text_in(chunk: Any) -> str:
    """The text of a chunk, however deep it lies."""
    if isinstance(chunk, list):
        return "".join(map(_text_in, chunk))
    if not isinstance(chunk, dict):
        return clean(chunk)
    inner = (chunk[key] for key in ("text", "thinking", "reasoning", "summary", "content") if chunk.get(key))
    return _text_in(next(inner, ""))


def arguments_text(arguments: Any) -> str:
    """A call's arguments as JSON text; what is null or blank are none.

    >>> arguments_text({"name": "a"}), arguments_text(None), arguments_text("null")
    ('{"name": "a"}', '{}', '{}')
    """
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return clean(text) if text.strip() not in ("", "null") else "{}"


def raw_turn(blocks: Sequence[dict[str, Any]], thinking: tuple[str, ...], call: tuple[str, str]) -> str:
    """The blocks of an answer up to its first call, as JSON, where one of them is of a kind of thinking; else "".

    call: its kind, and the name of its id, without which no result can be given.

    >>> raw_turn([{"type": "thought"}, {"type": "use", "id": "c", "name": "f"}], ("thought",), ("use", "id"))
    '[{"type": "thought"}, {"type": "use", "id": "c", "name": "f"}]'
    """
    kind, id_name = call
    end = next((n for n, block in enumerate(blocks, 1) if block.get("type") == kind), 0)
    is_whole = end and all(clean(blocks[end - 1].get(name)) for name in (id_name, "name"))
    return json.dumps(blocks[:end]) if is_whole and any(b.get("type") in thinking for b in blocks[:end]) else ""


def as_object(arguments: Any) -> dict:
    """A call's arguments as the object that providers want."""
    return arguments if isinstance(arguments, dict) else {"arguments": arguments}
