"""What the LLMs behind the official SDKs have in common: their options, their key, their errors.

The SDKs retry nothing here: backoff happens once, in the meter. What they raise becomes the typed errors
of the protocol, with the API key taken out.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from .entries import redact
from .failures import translated
from .prices import is_local, known_window
from .protocol import AuthError, BadRequest, FGOError, Message, Reply
from .tokens import count_messages, encoding_for

CONTEXT_WINDOW = 128_000  # tokens, for models whose window nobody here knows
MAX_COMPLETION = 4096
TIMEOUT = 120.0  # seconds without an answer; 10 to connect


class Remote(ABC):
    """An LLM behind an SDK. Beside what a `Provider` says of itself its class names two environment variables.

    key_variable: where the API key is. url_variable: where the base URL of a compatible server may be.
    """

    spec = ""
    default = ""
    parameters = ("base_url", "api_key", "max_completion", "context_window", "timeout", "native_tools")
    prices = ""
    native_tools = True
    simulated = False
    key_variable = ""
    url_variable = ""

    @classmethod
    def load(cls, model: str, *, base_url: str | None = None, api_key: str | None = None, **params: Any) -> Remote:
        """Raises AuthError without a key, ValueError for a password in the base URL."""
        base_url = base_url or os.environ.get(cls.url_variable) or None
        key = api_key or _key_for(base_url, cls.key_variable)
        return cls(model, api_key=key, base_url=_without_password(base_url), **params)

    def __init__(
        self, model: str, *, api_key: str, base_url: str | None = None, temperature: float | None = None,
        max_completion: int = MAX_COMPLETION, context_window: int | None = None, timeout: float = TIMEOUT,
        native_tools: bool = True,
    ):  # fmt: skip
        self.model = model
        self.name = self.spec.replace("<model>", model)
        self.max_completion = max_completion
        self.params: dict[str, Any] = {"max_completion": max_completion}
        if temperature is not None:
            self.params["temperature"] = temperature
        if base_url:
            self.params["base_url"] = base_url
        self.native_tools = native_tools
        if not native_tools:
            self.params["native_tools"] = False
        self.context_window = context_window or known_window(self.prices, model) or CONTEXT_WINDOW
        self.counter, self._count = encoding_for(model)
        self._key = api_key
        self._schemas = True  # until the server refuses structured output
        self._client = self._connect(api_key, base_url, timeout)

    def __repr__(self) -> str:
        return f"load_llm({self.name!r}, {', '.join(f'{k}={v!r}' for k, v in self.params.items())})"

    def __getstate__(self):
        raise TypeError(f"{self.name} holds an API key and is not pickled; call load_llm where it is needed")

    def count(self, messages: Sequence[Message]) -> int:
        return count_messages(messages, self._count)

    def complete(
        self, messages: Sequence[Message], *, tools: Sequence[dict] = (), response_schema: dict | None = None,
        sample: int = 0,
    ) -> Reply:  # fmt: skip
        """One answer. A server that refuses structured output is asked without, from then on."""
        schema = response_schema if self._schemas else None
        try:
            return self._guarded(partial(self._send, messages, tools, schema, sample))
        except BadRequest as error:
            if schema is None or not re.search(r"response_format|output_config|json_schema", str(error)):
                raise
        self._schemas = False
        return self._guarded(partial(self._send, messages, tools, None, sample))

    def _guarded(self, send) -> Reply:
        try:
            return send()
        except FGOError:
            raise
        except Exception as error:
            failure = translated(error, self.name)
            failure.args = (self._scrub(str(failure)),)
        raise failure  # out here the SDK's own error, which holds the request, is not chained to it

    def _scrub(self, text: str) -> str:
        return redact(text.replace(self._key, "[redacted]") if len(self._key) > 4 else text)

    @abstractmethod
    def _connect(self, api_key: str, base_url: str | None, timeout: float):
        """The SDK's client."""

    @abstractmethod
    def _send(self, messages, tools, schema, sample) -> Reply:
        """One request, without retries; raises the SDK's errors."""


def _key_for(base_url: str | None, variable: str) -> str:
    key = os.environ.get(variable, "")
    if base_url and is_local(base_url):
        return "none"  # a key from the environment is not shown to whatever listens on this machine
    if not key:
        raise AuthError(f"no API key: set the environment variable {variable}, or pass api_key=")
    return key


def _without_password(base_url: str | None) -> str | None:
    if base_url and "@" in urlsplit(base_url).netloc:
        raise ValueError("base_url holds a user name or password, which would be logged; use api_key=")
    return base_url


def clean(text: str) -> str:
    """Lone surrogates, which JSON may hold and no file can, become question marks."""
    return text.encode("utf-8", "replace").decode()


def as_object(arguments: Any) -> dict:
    """A call's arguments as the object that providers want."""
    return arguments if isinstance(arguments, dict) else {"arguments": arguments}
