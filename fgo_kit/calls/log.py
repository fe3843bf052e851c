"""The call log: one SQLite file that is response cache, token ledger, resume and replay in one place.

A row of `calls` is a *logical* use of the LLM (who asked, where in the run, what came of it); a row of
`responses` is the *paid* fact. Every call is committed when it ends, so a killed process loses nothing
that was finished.
"""

from __future__ import annotations

import json
import os
import time
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from ..records.later import pandas as pd
from . import log_sql as sql
from .leases import Leases
from .log_errors import LogNotWritten, NotACallLog, damaged
from .log_file import LogFile, text_checksum
from .requests import LISTED, Asked, Place, Response, asked, listed_messages, llm_hash, message_hash, redact

__all__ = ["Asked", "CallLog", "LogNotWritten", "NotACallLog", "Place", "Response", "asked", "redact"]

MOST_REMEMBERED = 100_000
"""Messages that a log remembers to have stored: not to store again what many calls share."""


class CallLog(LogFile):
    """A call log in one file, or in memory with path None. Safe to share between threads.

    Several processes may have the same file open; a writer waits up to 30 s for another. One that must not be
    written can be read and replayed. Raises `NotACallLog` for a file that is something else, is damaged, or was
    written by a newer version, `LogNotWritten` where it cannot be written.
    """

    def __init__(self, path: str | os.PathLike | None = None):
        super().__init__(path)
        self._stored: set[str] = set()  # hashes of messages known to be in the file; membership only

    def __enter__(self) -> CallLog:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"CallLog({str(self.path) if self.path else 'in memory'})"

    def leases(self) -> Leases:
        """Those of a new holder."""
        return Leases(self)

    # -- runs

    def begin(self, run_id: str, config: dict, manifest: dict) -> dict:
        """Start a run, or resume it; returns its row as `run` does. A finished run stays finished.

        The answers that stopped a run with TooManyFailures (empty, cut, refused or unusable ones) are set aside,
        so that they are asked for again. Raises ValueError when the log holds this id with another config.
        """
        text = json.dumps(config, sort_keys=True, default=str)
        past = self.read(f"{sql.RUNS} WHERE run_id = ?", (run_id,))
        before = self._run_row(past[0]) if past else {"status": "", "config": json.loads(text)}
        if before["config"] != json.loads(text):
            raise ValueError(
                f"run {run_id!r} is in {self!r} with another config; a run id is the hash of its config: "
                f"give this config its own id. In the log: {before['config']}"
            )
        if before["status"] == "ok":
            return before
        row = (run_id, text, json.dumps(manifest, sort_keys=True, default=str), "running", time.time())
        self.write([(sql.BEGIN_RUN, row), *(self._set_aside(run_id) if before["status"] == sql.STOPPED else ())])
        return self.run(run_id)

    def finish(self, run_id: str, status: str, result: dict | None = None) -> None:
        """Record how a run ended: "ok", "interrupted", or the name of the error that ended it."""
        text = json.dumps(result, default=str)
        self.write([(sql.FINISH_RUN, (status, time.time(), text, text_checksum(text), run_id))])

    def run(self, run_id: str) -> dict[str, Any]:
        """run_id, config, manifest, status, created, finished, result; KeyError when not in the log."""
        rows = self.read(f"{sql.RUNS} WHERE run_id = ?", (run_id,))
        if not rows:
            raise KeyError(f"run {run_id!r} is not in {self!r}")
        return self._run_row(rows[0])

    def runs(self) -> pd.DataFrame:
        """One row a run, oldest first, with the columns of `run`."""
        rows = [self._run_row(row).values() for row in self.read(f"{sql.RUNS} ORDER BY created, run_id")]
        return self._table(rows, sql.RUN_COLUMNS)

    # -- calls

    def find(self, key: str) -> Response | None:
        """The answer paid for under this key, if any."""
        rows = self.read(sql.FIND, (key,))
        if not rows:
            return None
        *values, checksum = rows[0]
        response = Response(*values)
        if response.checksum(key) != checksum:
            raise damaged(self.path, f"the answer with key {key} is not what was stored")
        return response

    def find_under(self, llm: str, key: str) -> Response | None:
        """What the LLM with this hash answered to what `key` asks, if it ended by itself; `key` has it too then."""
        other = f"{key[:24]}{llm}"
        response = self.find(other)
        if response is None or response.finish not in ("stop", "tool_calls"):
            return None
        self.write([(sql.TAKE_OVER_RESPONSE, (key, response.checksum(key), other))])
        return self.find(key)

    def record(
        self, run_id: str, place: Place, request: Asked, *, response: Any = None, error: Exception | None = None,
        span: tuple[float, float] | None = None,
    ) -> None:  # fmt: skip
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
        statements, parts = [], ()
        if response is not None:
            listed, lists = listed_messages(request.messages)
            parts = tuple(part for part in (*request.messages, *lists) if part[0] not in self._stored)
            key = request.key
            paid = (key, request.llm, request.sample, listed, *vars(response).values(), response.checksum(key))
            statements = [*((sql.PUT_MESSAGE, part) for part in parts), (sql.PUT_RESPONSE, paid)]
        self.write([*statements, (sql.PUT_CALL, call)], keep=response is not None)
        if len(self._stored) > MOST_REMEMBERED:
            self._stored.clear()
        self._stored.update(part[0] for part in parts)

    def need_room(self, request: Asked, max_completion: int, calls: int) -> None:
        """Raise LogNotWritten unless so many calls like this one can be logged, whatever they answer."""
        asked_for = sum(len(content) for _, _, content in request.messages)
        self.check_room(calls * (8 * asked_for + 16 * max_completion + 2**16))

    def calls(self, run_id: str | None = None) -> pd.DataFrame:
        """One row a call, in order of start.

        run_id, place, phase, subset, epoch, node, task, turn: where it was made. llm; model, the name that the model
        which answered goes by; key, finish, attempts; status "ok" or the error's name, error its text. paid: True
        when this call was paid for, False when it came from the cache. prompt (including cached and written), cached,
        written (to the provider's cache), completion (including reasoning), reasoning: *logical* tokens, as if
        nothing had come from the cache; counter says who counted. usd: logical price (NaN when unpriced), paid_usd:
        what was paid.
        start, end (seconds since 1970) and seconds between them.
        """
        rows = self.read(sql.CALLS, {"run_id": run_id})
        table = self._table(rows, sql.CALL_COLUMNS, paid=bool, usd=float, paid_usd=float, start=float, end=float)
        return table.assign(seconds=table["end"] - table["start"])

    def tokens(self, run_id: str | None = None, by: str = "phase") -> pd.DataFrame:
        """The ledger: one row a phase, or with by="llm" one for every LLM (over all runs when run_id is None).

        calls, prompt, cached, written, completion, reasoning, usd: logical, whoever paid.
        paid_calls, paid_prompt, paid_completion, paid_usd: what this run paid, including for calls
        that were later replaced at the same place. A USD sum is NaN when any part is unpriced.
        """
        if by not in sql.LEDGERS:
            raise ValueError(f"by={by!r} is unknown; use one of {list(sql.LEDGERS)}")
        rows = self.read(sql.TOKENS.format(by=by), {"run_id": run_id})
        return self._table(rows, (by, *sql.TOKEN_COLUMNS[1:]), usd=float, paid_usd=float)

    def paid(self, run_id: str | None) -> tuple[int, int, float | None]:
        """What a run, or for None all, paid so far: (calls, prompt + completion tokens, USD or None if unpriced)."""
        return self.read(sql.PAID, {"run_id": run_id})[0]

    # -- failures

    def lose(self, run_id: str, place: Place, most: tuple[float, float, float], error: Exception) -> None:
        """Note a try whose answer was lost, though it may be billed: at most so many calls, tokens, USD."""
        self.write([(sql.LOSE, (run_id, str(place), *most, redact(str(error))[:2000], time.time()))])

    def lost(self, run_id: str | None) -> tuple[int, int, float]:
        """What the lost tries of a run, or for None of all, can have cost at most: (calls, tokens, USD); no part of
        `paid`."""
        return self.read(sql.LOST, {"run_id": run_id})[0]

    def settle(self, run_id: str, place: Place, status: str, reason: str = "", lasting: bool = True) -> None:
        """Note how what was done at a place ended; "answered" takes an earlier failure there back."""
        row = (run_id, str(place), place.phase, str(place.subset), place.epoch, place.node, place.task)
        failed = (sql.FAILED, (*row, status, redact(reason)[:2000], int(lasting)))
        self.write([(sql.ANSWERED, row[:2]) if status == "answered" else failed])

    def failed_places(self, run_id: str, lasting: bool | None = None) -> set[str]:
        """The places of a run's failures, with `lasting` of those alone that are so."""
        return {place for (place,) in self.read(sql.FAILED_PLACES, (run_id, lasting))}

    def failures(self, run_id: str | None = None) -> pd.DataFrame:
        """One row for all that did not end in a usable answer, in the order of places.

        run_id, place, phase, subset, epoch, node, task: where it was. status: empty, cut, refused, failed or unusable.
        reason: in the provider's words. lasting: True where asking again would change nothing.
        """
        return self._table(self.read(sql.FAILURES, {"run_id": run_id}), sql.FAILURE_COLUMNS, lasting=bool)

    def _set_aside(self, run_id: str) -> list[tuple[str, tuple]]:
        """Statements after which a run's answers that were no use have keys that no request has."""
        statements = []
        for (key,) in self.read(sql.USELESS, (run_id,)):
            number = self.read("SELECT count(*) FROM responses WHERE key GLOB ?", (f"{key}#*",))[0][0]
            moved = (f"{key}#{number + 1}", key)
            statements += [(f"UPDATE {table} SET key = ? WHERE key = ?", moved)
                           for table in ("responses", "calls", "replaced")]  # fmt: skip
        return statements

    # -- replay

    def messages_of(self, key: str) -> list[dict[str, str]]:
        """The messages that were sent for a response; KeyError when the log has none."""
        rows = self.read("SELECT messages FROM responses WHERE key = ?", (key,))
        if not rows:
            raise KeyError(f"no response with key {key!r} in {self!r}")
        hashes = self._hashes(rows[0][0], key)
        return [dict(zip(("role", "content"), self._part(part), strict=True)) for part in hashes]

    def know(self, llm: Any, params: str) -> None:
        """Note what a replay must know of an LLM (see `llm.LLM`); `params` as given to `asked`."""
        row = (llm.name, params, llm.simulated, llm.context_window, llm.max_completion, llm.counter)
        self.write([(sql.PUT_LLM, (llm_hash(llm.name, params), *row))])

    def llms(self) -> list[dict[str, Any]]:
        """The LLMs that were asked: hash, llm, params (JSON), simulated, context_window, ..."""
        return [dict(zip(sql.LLM_COLUMNS, row, strict=True)) for row in self.read(sql.LLMS)]

    def with_less_room(self, llm: str, params: str) -> list[str]:
        """The hashes of the LLMs in the log that are this one but for a smaller `max_completion`."""
        mine, most = self._room_apart(params)
        known = [(row["hash"], *self._room_apart(row["params"])) for row in self.llms() if row["llm"] == llm]
        return [name for name, rest, room in known if rest == mine and room < most]

    def _room_apart(self, params: str) -> tuple[dict, int]:
        rest = self._parsed(params, "the parameters of an LLM")
        return rest, rest.pop("max_completion", 0)

    def replay(self, key: str, llm: str) -> Response | None:
        """The answer that the LLM with this hash gave to what `key` asks (of whichever LLM)."""
        return self.find(key[:24] + llm)

    def nearest(self, messages: list[dict[str, str]]) -> tuple[str, str] | None:
        """(place, what differs) of the logged call most like `messages`; None in an empty log."""
        hashes = [message_hash(m["role"], m["content"]) for m in messages]
        rows = self.read("SELECT key, messages FROM responses")
        if not rows:
            return None
        logged = [(key, self._hashes(text, key)) for key, text in rows]
        shared = [sum(a == b for a, b in zip(hashes, other, strict=False)) for _, other in logged]
        best = [key for (key, _), n in zip(logged, shared, strict=True) if n == max(shared)][:50]
        text = _chat_text(messages)
        key = max(best, key=lambda k: _likeness(text, _chat_text(self.messages_of(k))))
        place = self.read("SELECT run_id || ' ' || place FROM calls WHERE key = ? LIMIT 1", (key,))
        return (place[0][0] if place else key), _short_diff(_chat_text(self.messages_of(key)), text)

    def unite(self, other: str | os.PathLike) -> None:
        """Take over all runs, messages, responses and calls of another log; what is here stays.

        A finished run wins over one that is not, of two the later; so does a call that succeeded over one that failed.
        """
        if not Path(other).is_file():
            raise FileNotFoundError(f"no call log at {other}")
        self.take_over(other, sql.UNITE)

    # -- rows

    def _run_row(self, row: tuple) -> dict[str, Any]:
        *values, checksum = row
        named = dict(zip(sql.RUN_COLUMNS, values, strict=True))
        if text_checksum(named["result"]) != checksum:
            raise damaged(self.path, f"the result of run {named['run_id']!r} is not what was stored")
        texts = ("config", "manifest", "result")
        return named | {n: self._parsed(named[n] or "null", f"the {n} of run {named['run_id']!r}") for n in texts}

    def _table(self, rows: list, columns: tuple[str, ...], **types: type) -> pd.DataFrame:
        try:
            return pd.DataFrame(rows, columns=list(columns)).astype(types)
        except (TypeError, ValueError) as error:
            raise damaged(self.path, str(error)) from error

    def _hashes(self, listed: str, key: str) -> list[str]:
        """The hashes of the messages in a list, whose first may stand for a list itself."""
        hashes = self._parsed(listed, f"the messages of {key}")
        while hashes and str(hashes[0]).startswith(LISTED):
            hashes = [*self._parsed(self._part(hashes[0])[1], f"the messages of {key}"), *hashes[1:]]
        return hashes

    def _part(self, part: str) -> tuple[str, str]:
        """Role and content of a message, or of a list of messages."""
        rows = self.read("SELECT role, content FROM messages WHERE hash = ?", (part,))
        if not rows or message_hash(*rows[0]) != part.removeprefix(LISTED):
            raise damaged(self.path, f"the message with hash {part} is not what was stored")
        return rows[0]

    def _parsed(self, text: str, what: str) -> Any:
        try:
            return json.loads(text)
        except (TypeError, ValueError) as error:
            raise damaged(self.path, f"{what}: {error}") from None


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
