"""The call log: one SQLite file that is response cache, token ledger, resume and replay in one place.

A row of `calls` is a *logical* use of the LLM (who asked, where in the run, what came of it); a row of
`responses` is the *paid* fact. Every call is committed when it ends, so a killed process loses nothing
that was finished.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..records import storable
from . import log_sql as sql
from .log_sql import NotACallLog, open_log

if TYPE_CHECKING:  # pandas takes half a second to import and processes that only write never need it
    import pandas as pd

_SECRET = re.compile(r"(?i)\b(?:sk|key|pk)-[\w-]{6,}|\bbearer\s+\S+|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")


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
    """A paid answer. Tokens as in `llm.Usage`; `usd` is None when the model has no known price."""

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


@dataclass(frozen=True)
class Asked:
    """A request as the log knows it: who is asked, which draw, what, and the hash of it all."""

    key: str
    llm: str
    sample: int
    extra: str  # tools and response schema as JSON, "" without
    messages: tuple[tuple[str, str, str], ...]  # (hash, role, content)


@lru_cache(maxsize=16384)
def _message_hash(role: str, content: str) -> str:
    return sha256(f"{role}\0{content}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


@lru_cache(maxsize=64)
def _llm_hash(llm: str, params: str) -> str:
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
        hashed.append((_message_hash(role, content), role, content))
    what = "\0".join([extra, str(sample), *[part[0] for part in hashed]])
    key = sha256(what.encode()).hexdigest()[:24] + _llm_hash(llm, params)
    return Asked(key, llm, sample, extra, tuple(hashed))


def redact(text: str) -> str:
    """`text` with anything that looks like an API key, bearer token or URL password replaced."""
    return _SECRET.sub("[redacted]", text)


__all__ = ["Asked", "CallLog", "NotACallLog", "Place", "Response", "asked", "redact"]


class CallLog:
    """A call log in one file, or in memory with path None. Safe to share between threads.

    Several processes may have the same file open; a writer waits up to 30 s for another. Raises
    `NotACallLog` for a file that is something else, or was written by a newer version.
    """

    def __init__(self, path: str | os.PathLike | None = None):
        self.path = None if path is None else Path(path)
        self._lock = threading.Lock()
        self._stored: set[str] = set()  # hashes of messages known to be in the file; membership only
        self._db = open_log(self.path)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def __enter__(self) -> CallLog:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"CallLog({str(self.path) if self.path else 'in memory'})"

    # -- runs

    def begin(self, run_id: str, config: dict, manifest: dict) -> dict:
        """Start a run, or resume it; returns its row as `run` does. A finished run stays finished.

        Raises ValueError when the log holds this id with another config.
        """
        text = json.dumps(config, sort_keys=True, default=str)
        row = (run_id, text, json.dumps(manifest, sort_keys=True, default=str), "running", time.time())
        self._write([(sql.BEGIN_RUN, row)])
        found = self.run(run_id)
        if found["config"] != json.loads(text):
            raise ValueError(
                f"run {run_id!r} is in {self!r} with another config; a run id is the hash of its config: "
                f"give this config its own id. In the log: {found['config']}"
            )
        return found

    def finish(self, run_id: str, status: str, result: dict | None = None) -> None:
        """Record how a run ended: "ok", "interrupted", or the name of the error that ended it."""
        row = (status, time.time(), json.dumps(result, default=str), run_id)
        self._write([(sql.FINISH_RUN, row)])

    def run(self, run_id: str) -> dict[str, Any]:
        """run_id, config, manifest, status, created, finished, result; KeyError when not in the log."""
        rows = self._read(f"{sql.RUNS} WHERE run_id = ?", (run_id,))
        if not rows:
            raise KeyError(f"run {run_id!r} is not in {self!r}")
        return _run_row(rows[0])

    def runs(self) -> pd.DataFrame:
        """One row a run, oldest first, with the columns of `run`."""
        import pandas as pd

        rows = [_run_row(row) for row in self._read(f"{sql.RUNS} ORDER BY created, run_id")]
        return pd.DataFrame(rows, columns=list(sql.RUN_COLUMNS))

    # -- calls

    def find(self, key: str) -> Response | None:
        """The answer paid for under this key, if any."""
        rows = self._read(sql.FIND, (key,))
        return Response(*rows[0]) if rows else None

    def record(
        self, run_id: str, place: Place, request: Asked, *, response=None, error=None, span=None
    ) -> None:
        """Log one finished call, committed at once. Logging it again changes and counts nothing.

        response: a `Response` that was paid for by this very call; None when it came from the cache.
        error: the exception that ended the call, if any; its text is redacted.
        span: (start, end) in seconds since 1970, by default the response's.
        """
        start, end = span or (response.start, response.end)
        status, text = ("ok", "") if error is None else (type(error).__name__, redact(str(error))[:2000])
        call = (
            run_id, str(place), place.phase, str(place.subset), place.epoch, place.node, place.task,
            place.turn, request.key, int(response is not None), status, text, start, end,
        )  # fmt: skip
        statements = [(sql.PUT_CALL, call)]
        new = ()
        if response is not None:
            new = tuple(m for m in request.messages if m[0] not in self._stored)
            hashes = json.dumps([m[0] for m in request.messages])
            paid = (request.key, request.llm, request.sample, hashes, *vars(response).values())
            statements += [(sql.PUT_MESSAGE, message) for message in new]
            statements.append((sql.PUT_RESPONSE, paid))
        self._write(statements)
        self._stored.update(message[0] for message in new)

    def calls(self, run_id: str | None = None) -> pd.DataFrame:
        """One row a call, in order of start.

        run_id, place, phase, subset, epoch, node, task, turn: where it was made. llm, key, finish,
        attempts; status "ok" or the error's name, error its text. paid: True when this call was paid
        for, False when it came from the cache. prompt (including cached), cached, completion
        (including reasoning), reasoning: *logical* tokens, as if nothing had come from the cache;
        counter says who counted. usd: logical price (NaN when unpriced), paid_usd: what was paid.
        start, end (seconds since 1970) and seconds between them.
        """
        import pandas as pd

        rows = self._read(sql.CALLS, {"run_id": run_id})
        table = pd.DataFrame(rows, columns=list(sql.CALL_COLUMNS))
        types = {"paid": bool, "usd": float, "paid_usd": float}
        return table.astype(types).assign(seconds=table["end"] - table["start"])

    def tokens(self, run_id: str | None = None) -> pd.DataFrame:
        """The ledger: one row a phase (over all runs when run_id is None).

        calls, prompt, cached, completion, reasoning, usd: logical, whoever paid.
        paid_calls, paid_prompt, paid_completion, paid_usd: what this run paid, including for calls
        that were later replaced at the same place. A USD sum is NaN when any part is unpriced.
        """
        import pandas as pd

        rows = self._read(sql.TOKENS, {"run_id": run_id})
        return pd.DataFrame(rows, columns=list(sql.TOKEN_COLUMNS)).astype({"usd": float, "paid_usd": float})

    def paid(self, run_id: str) -> tuple[int, int, float | None]:
        """What a run has paid so far: (calls, prompt + completion tokens, USD or None if unpriced)."""
        return self._read(sql.PAID, {"run_id": run_id})[0]

    # -- replay

    def messages_of(self, key: str) -> list[dict[str, str]]:
        """The messages that were sent for a response; KeyError when the log has none."""
        rows = self._read("SELECT messages FROM responses WHERE key = ?", (key,))
        if not rows:
            raise KeyError(f"no response with key {key!r} in {self!r}")
        return [
            {"role": role, "content": content}
            for part in json.loads(rows[0][0])
            for role, content in self._read("SELECT role, content FROM messages WHERE hash = ?", (part,))
        ]

    def know(self, llm: Any, params: str) -> None:
        """Note what a replay must know of an LLM (see `llm.LLM`); `params` as given to `asked`."""
        row = (llm.name, params, llm.simulated, llm.context_window, llm.max_completion, llm.counter)
        self._write([(sql.PUT_LLM, (_llm_hash(llm.name, params), *row))])

    def llms(self) -> list[dict[str, Any]]:
        """The LLMs that were asked: hash, llm, params (JSON), simulated, context_window, ..."""
        return [dict(zip(sql.LLM_COLUMNS, row, strict=True)) for row in self._read(sql.LLMS)]

    def replay(self, key: str, llm_hash: str) -> Response | None:
        """The answer that the LLM with this hash gave to what `key` asks (of whichever LLM)."""
        return self.find(key[:24] + llm_hash)

    def nearest(self, messages: list[dict[str, str]]) -> tuple[str, str] | None:
        """(place, what differs) of the logged call most like `messages`; None in an empty log."""
        hashes = [_message_hash(m["role"], m["content"]) for m in messages]
        rows = self._read("SELECT key, messages FROM responses")
        if not rows:
            return None
        logged = [(key, json.loads(text)) for key, text in rows]
        shared = [sum(a == b for a, b in zip(hashes, other, strict=False)) for _, other in logged]
        best = [key for (key, _), n in zip(logged, shared, strict=True) if n == max(shared)][:50]
        text = _chat_text(messages)
        key = max(best, key=lambda k: _likeness(text, _chat_text(self.messages_of(k))))
        place = self._read("SELECT run_id || ' ' || place FROM calls WHERE key = ? LIMIT 1", (key,))
        return (place[0][0] if place else key), _short_diff(_chat_text(self.messages_of(key)), text)

    def unite(self, other: str | os.PathLike) -> None:
        """Take over all runs, messages, responses and calls of another log; what is here stays.

        A run that finished later there, or a call that failed here and succeeded there, wins.
        """
        if not Path(other).is_file():
            raise FileNotFoundError(f"no call log at {other}")
        open_log(Path(other)).close()
        with self._lock:
            self._db.execute("ATTACH DATABASE ? AS other", (str(other),))
            try:
                self._transaction([(statement, ()) for statement in sql.UNITE])
            finally:
                self._db.execute("DETACH DATABASE other")

    # -- SQLite

    def _read(self, statement: str, values=()) -> list[tuple]:
        with self._lock:
            return self._db.execute(statement, values).fetchall()

    def _write(self, statements: list[tuple[str, tuple]]) -> None:
        with self._lock:
            self._transaction(statements)

    def _transaction(self, statements) -> None:
        execute = self._db.execute
        execute("BEGIN IMMEDIATE")  # a plain BEGIN could fail at the first write when another process writes
        try:
            for statement, values in statements:
                try:
                    execute(statement, values)
                except UnicodeEncodeError:
                    execute(statement, tuple(storable(v) if isinstance(v, str) else v for v in values))
        except BaseException:
            execute("ROLLBACK")
            raise
        execute("COMMIT")


def _run_row(row: tuple) -> dict[str, Any]:
    found = dict(zip(sql.RUN_COLUMNS, row, strict=True))
    return found | {name: json.loads(found[name] or "null") for name in ("config", "manifest", "result")}


def _chat_text(messages: list[dict[str, str]]) -> str:
    return "\n".join(f"[{m['role']}] {m['content']}" for m in messages)


def _likeness(a: str, b: str) -> float:
    same = SequenceMatcher(None, a[:4000], b[:4000], autojunk=False).quick_ratio()
    return same - abs(len(a) - len(b)) / 1e9


def _short_diff(logged: str, now: str) -> str:
    """The first spot where two texts part, with a little of what stands around it; "" for equal ones."""
    if logged == now:
        return ""
    at = len(os.path.commonprefix([logged, now]))
    start = max(0, at - 30)
    return f"at character {at}: logged {logged[start : at + 50]!r}, asked {now[start : at + 50]!r}"
