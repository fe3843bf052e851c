"""What the call log holds: where a call was made, what was asked, and what was paid for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from hashlib import sha256
from inspect import getsource
from urllib.parse import quote

_SECRET = re.compile(
    r"(?i)\b(?:sk|key|pk)-[\w-]{6,}|\bbearer\s+\S+|\bbasic\s+(?=\S*[\d=])[\w+/=-]{12,}|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
    r"|(?:(?<=[?&_-]key=)|(?<=[?&]apikey=)|(?<=[?&_]token=))[^&#\s\"'<>]+"
)

LISTED = "*"
"""What the hash of a list of messages starts with."""
UNCOUNTED = "unknown"
"""The counter of an answer whose tokens nobody counted: an agent's own run."""


@dataclass(frozen=True)
class Place:
    """Where in a run a call was made; no two calls of a run share one. `str(place)` is its key."""

    phase: str  # divide, rollout, evaluate, propose, merge, gate, audit, test or repair
    subset: str = ""
    epoch: int = 0
    node: str = ""
    task: str = ""
    turn: int = 0

    def __str__(self) -> str:
        parts = (self.phase, str(self.subset), str(self.epoch), self.node, self.task, str(self.turn))
        text = "/".join(parts)
        if text.count("/") == 5 and "%" not in text:
            return text
        return "/".join(quote(part, safe=" ,;:#()") for part in parts)


@dataclass(frozen=True)
class Response:
    """A paid answer. Tokens as in `protocol.Usage`; `usd` is None when the model has no known price."""

    text: str
    tool_calls: str  # JSON list of [id, name, arguments]
    finish: str
    prompt: int
    cached: int
    completion: int
    reasoning: int
    counter: str  # what counted: "provider", "estimate", "tiktoken o200k_base"
    usd: float | None
    start: float  # seconds since 1970
    end: float
    attempts: int = 1
    thought: str = ""  # kept to be looked at: never read as an answer
    model: str = ""  # the model that answered, in the provider's words
    written: int = 0  # prompt tokens that the provider wrote to its cache

    def checksum(self, key: str) -> str:
        """A hash of a key and of all fields as a file gives them back."""
        values = vars(self)
        plain = [None if values[name] is None else _as(kind, values[name]) for name, kind in _KINDS.items()]
        return sha256(repr([key, *plain]).encode("utf-8", "replace")).hexdigest()[:16]


def _as(kind: type, value: object) -> object:
    try:
        return kind(value)
    except ValueError:  # of a damaged file, whose checksum is another then
        return value


_KINDS = {field.name: {"str": str, "int": int}.get(str(field.type), float) for field in fields(Response)}


@dataclass(frozen=True)
class Asked:
    """A request as the log knows it: who is asked, which draw, what, and the hash of it all."""

    key: str
    llm: str
    sample: int
    extra: str  # tools and response schema as JSON, "" without
    messages: tuple[tuple[str, str, str], ...]  # (hash, role, content)


@lru_cache(maxsize=16384)
def message_hash(role: str, content: str) -> str:
    """What a message is stored under."""
    return sha256(f"{role}\0{content}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


@lru_cache(maxsize=64)
def llm_hash(llm: str, params: str) -> str:
    """What an LLM is stored under; `params` is canonical JSON text."""
    return sha256(f"{llm}\0{params}".encode()).hexdigest()[:8]


def asked(
    llm: str, params: str, messages: Iterable[dict], *, tools=(), schema: dict | None = None, sample: int = 0
) -> Asked:
    """Hash a request; `params` is canonical JSON text.

    The key's first 24 digits are the hash of what is asked, its last 8 that of who is asked: a replay
    finds an answer by the former alone.
    """
    extra = json.dumps([list(tools), schema], sort_keys=True) if tools or schema else ""
    hashed = []
    for message in messages:
        role, content = message["role"], message["content"]
        hashed.append((message_hash(role, content), role, content))
    what = "\0".join([extra, str(sample), *[part[0] for part in hashed]])
    key = sha256(what.encode()).hexdigest()[:24] + llm_hash(llm, params)
    return Asked(key, llm, sample, extra, tuple(hashed))


def listed_messages(messages: Sequence[tuple[str, str, str]]) -> tuple[str, list[tuple[str, str, str]]]:
    """The hashes of a prompt's messages as JSON, and lists to be stored as messages are: (hash, "", hashes).

    Each turn adds two messages to those of the turn before, for which one hash stands then: a conversation takes
    space in proportion to its turns, not to their square.
    """
    listed, lists = json.dumps([part[0] for part in messages[:2]]), []
    for at in range(2, len(messages), 2):
        name = LISTED + message_hash("", listed)
        lists.append((name, "", listed))
        listed = json.dumps([name, *(part[0] for part in messages[at : at + 2])])
    return listed, lists


def redact(text: str) -> str:
    """`text` with anything that looks like an API key, bearer token or URL password replaced."""
    return _SECRET.sub("[redacted]", text)


def source_of(function: Callable) -> str:
    """What a function from elsewhere, say a notebook cell, is known by: an edited one makes a new run."""
    try:
        return getsource(function)
    except (OSError, TypeError):  # typed at a prompt: its name is all there is
        return repr(getattr(function, "__qualname__", type(function)))
