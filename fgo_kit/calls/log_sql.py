"""The SQL of the call log: its file, its tables and the queries of the ledger."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

APPLICATION_ID = 0x46474F31  # "FGO1" in the SQLite header marks the file as ours
VERSION = 1
HEADER = 100
"""Bytes that every SQLite file begins with."""

_CALL_FIELDS = "run_id, place, phase, subset, epoch, node, task, turn, key, paid, status, error, start, end"

SCHEMA = (
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
    """CREATE TABLE runs (run_id TEXT PRIMARY KEY, config TEXT NOT NULL, manifest TEXT NOT NULL,
        status TEXT NOT NULL, created REAL NOT NULL, finished REAL, result TEXT)""",
    # hash: the last 8 digits of the keys of its responses
    """CREATE TABLE llms (hash TEXT PRIMARY KEY, llm TEXT NOT NULL, params TEXT NOT NULL,
        simulated INTEGER NOT NULL, context_window NOT NULL, max_completion INTEGER NOT NULL,
        counter TEXT NOT NULL)""",
    "CREATE TABLE messages (hash TEXT PRIMARY KEY, role TEXT NOT NULL, content TEXT NOT NULL)",
    """CREATE TABLE responses (key TEXT PRIMARY KEY, llm TEXT NOT NULL,
        sample INTEGER NOT NULL, messages TEXT NOT NULL, text TEXT NOT NULL, tool_calls TEXT NOT NULL,
        finish TEXT NOT NULL, prompt INTEGER NOT NULL, cached INTEGER NOT NULL, completion INTEGER NOT NULL,
        reasoning INTEGER NOT NULL, counter TEXT NOT NULL, usd REAL, start REAL NOT NULL, end REAL NOT NULL,
        attempts INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE calls (run_id TEXT NOT NULL, place TEXT NOT NULL, phase TEXT NOT NULL,
        subset TEXT NOT NULL, epoch INTEGER NOT NULL, node TEXT NOT NULL, task TEXT NOT NULL,
        turn INTEGER NOT NULL, key TEXT NOT NULL, paid INTEGER NOT NULL, status TEXT NOT NULL,
        error TEXT NOT NULL, start REAL NOT NULL, end REAL NOT NULL,
        PRIMARY KEY (run_id, place)) WITHOUT ROWID""",
    # calls that were paid for and whose place was then taken by another request: paid, but not logical
    """CREATE TABLE replaced (run_id TEXT NOT NULL, place TEXT NOT NULL, phase TEXT NOT NULL,
        subset TEXT NOT NULL, epoch INTEGER NOT NULL, node TEXT NOT NULL, task TEXT NOT NULL,
        turn INTEGER NOT NULL, key TEXT NOT NULL, paid INTEGER NOT NULL, status TEXT NOT NULL,
        error TEXT NOT NULL, start REAL NOT NULL, end REAL NOT NULL, PRIMARY KEY (run_id, place, key))""",
    """CREATE TRIGGER keep_paid BEFORE UPDATE ON calls WHEN old.paid AND old.key != new.key BEGIN
        INSERT OR IGNORE INTO replaced SELECT * FROM calls WHERE run_id = old.run_id AND place = old.place;
    END""",
)

RUN_COLUMNS = ("run_id", "config", "manifest", "status", "created", "finished", "result")
RUNS = f"SELECT {', '.join(RUN_COLUMNS)} FROM runs"
BEGIN_RUN = """INSERT INTO runs (run_id, config, manifest, status, created) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (run_id) DO UPDATE SET status = 'running'
    WHERE runs.status != 'ok' AND runs.config = excluded.config"""
FINISH_RUN = "UPDATE runs SET status = ?, finished = ?, result = ? WHERE run_id = ?"

_RESPONSE = """text, tool_calls, finish, prompt, cached, completion, reasoning, counter, usd, start, end,
    attempts FROM responses"""
FIND = f"SELECT {_RESPONSE} WHERE key = ?"

LLM_COLUMNS = ("hash", "llm", "params", "simulated", "context_window", "max_completion", "counter")
LLMS = f"SELECT {', '.join(LLM_COLUMNS)} FROM llms ORDER BY llm, params"
PUT_LLM = "INSERT OR IGNORE INTO llms VALUES (?, ?, ?, ?, ?, ?, ?)"
PUT_MESSAGE = "INSERT OR IGNORE INTO messages VALUES (?, ?, ?)"
PUT_RESPONSE = f"INSERT OR IGNORE INTO responses VALUES ({', '.join('?' * 16)})"
# The same request at the same place is the same call: only a failure is overwritten, and never a payment.
_TAKE_OVER = """ON CONFLICT (run_id, place) DO UPDATE SET key = excluded.key, status = excluded.status,
    error = excluded.error, start = excluded.start, end = excluded.end,
    paid = CASE WHEN calls.key = excluded.key THEN max(calls.paid, excluded.paid) ELSE excluded.paid END"""
PUT_CALL = f"""INSERT INTO calls VALUES ({", ".join("?" * 14)}) {_TAKE_OVER}
    WHERE calls.key != excluded.key OR calls.status != 'ok'"""

CALL_COLUMNS = (
    "run_id", "place", "phase", "subset", "epoch", "node", "task", "turn", "llm", "key", "status", "error",
    "finish", "attempts", "paid", "prompt", "cached", "completion", "reasoning", "counter", "usd",
    "paid_usd", "start", "end",
)  # fmt: skip
CALLS = """SELECT c.run_id, c.place, c.phase, c.subset, c.epoch, c.node, c.task, c.turn, r.llm, c.key,
    c.status, c.error, r.finish, coalesce(r.attempts, 0), c.paid, coalesce(r.prompt, 0),
    coalesce(r.cached, 0), coalesce(r.completion, 0), coalesce(r.reasoning, 0), r.counter,
    CASE WHEN r.key IS NULL THEN 0.0 ELSE r.usd END,
    CASE WHEN r.key IS NULL OR NOT c.paid THEN 0.0 ELSE r.usd END, c.start, c.end
    FROM calls c LEFT JOIN responses r USING (key) WHERE :run_id IS NULL OR c.run_id = :run_id
    ORDER BY c.start, c.run_id, c.place"""

TOKEN_COLUMNS = (
    "phase", "calls", "paid_calls", "prompt", "cached", "completion", "reasoning", "paid_prompt",
    "paid_completion", "usd", "paid_usd", "counter",
)  # fmt: skip
_EVERY_CALL = f"""(SELECT {_CALL_FIELDS}, 1 AS logical FROM calls WHERE :run_id IS NULL OR run_id = :run_id
    UNION ALL SELECT {_CALL_FIELDS}, 0 FROM replaced WHERE :run_id IS NULL OR run_id = :run_id)"""


def _usd(where: str) -> str:
    """A sum that is NULL, not too small, when a part of it has no price."""
    return f"""CASE WHEN sum(r.key IS NOT NULL AND r.usd IS NULL AND {where}) THEN NULL
        ELSE coalesce(sum(CASE WHEN {where} THEN r.usd END), 0.0) END"""


TOKENS = f"""SELECT c.phase, sum(c.logical), sum(c.paid),
    sum(c.logical * coalesce(r.prompt, 0)), sum(c.logical * coalesce(r.cached, 0)),
    sum(c.logical * coalesce(r.completion, 0)), sum(c.logical * coalesce(r.reasoning, 0)),
    sum(c.paid * coalesce(r.prompt, 0)), sum(c.paid * coalesce(r.completion, 0)),
    {_usd("c.logical")}, {_usd("c.paid")}, coalesce(group_concat(DISTINCT r.counter), '')
    FROM {_EVERY_CALL} c LEFT JOIN responses r USING (key) GROUP BY c.phase ORDER BY min(c.start), c.phase"""
PAID = f"""SELECT coalesce(sum(c.paid), 0), coalesce(sum(c.paid * (r.prompt + r.completion)), 0),
    {_usd("c.paid")} FROM {_EVERY_CALL} c LEFT JOIN responses r USING (key)"""

UNITE = (
    """INSERT INTO runs SELECT * FROM other.runs WHERE true ON CONFLICT (run_id) DO UPDATE SET
        status = excluded.status, finished = excluded.finished, result = excluded.result,
        manifest = excluded.manifest WHERE excluded.finished > coalesce(runs.finished, 0)""",
    "INSERT OR IGNORE INTO llms SELECT * FROM other.llms",
    "INSERT OR IGNORE INTO messages SELECT * FROM other.messages",
    "INSERT OR IGNORE INTO responses SELECT * FROM other.responses",
    f"""INSERT INTO calls SELECT * FROM other.calls WHERE true {_TAKE_OVER}
        WHERE calls.status != 'ok' AND excluded.status = 'ok'""",
    "INSERT OR IGNORE INTO replaced SELECT * FROM other.replaced",
)


class NotACallLog(Exception):
    """The file exists and is no call log that this version can use; it was left untouched."""


def open_log(path: Path | None) -> sqlite3.Connection:
    """A connection to the call log at `path`, created when there is none; raises NotACallLog."""
    if path is not None:
        if path.is_dir():
            raise NotACallLog(f"{path} is a folder; give the path of a file")
        _check_header(path)
        path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path or ":memory:", timeout=30, isolation_level=None, check_same_thread=False)
    try:
        if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            _create(db)
        application = db.execute("PRAGMA application_id").fetchone()[0]  # may not be in the header yet
        version = db.execute("PRAGMA user_version").fetchone()[0]
        _check_application(path, application)
        _check_version(path, version)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA wal_autocheckpoint = 4000")
        db.execute("PRAGMA cache_size = -32000")
        db.execute("SELECT run_id FROM calls LIMIT 1")
    except sqlite3.DatabaseError as error:
        db.close()
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            raise
        raise NotACallLog(f"{path} cannot be used as a call log ({error}); give another path") from error
    except NotACallLog:
        db.close()
        raise
    return db


def _check_header(path: Path) -> None:
    """Look at the file's header before it is opened for good, which may change it.

    Through SQLite, because a file that this process opens and closes by itself loses the locks of every connection
    the process has to it (POSIX), and another process could take away the journal below them.
    """
    size = path.stat().st_size if path.exists() else 0
    if not size:
        return
    if size < HEADER:
        raise _no_database(path)
    where = quote(os.fsencode(path.resolve()))
    try:
        with closing(sqlite3.connect(f"file:{where}?mode=ro&immutable=1", uri=True)) as look:
            tables = look.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            application, version = (
                look.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
            )
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:  # so nothing of ours is open there
            raise _no_database(path) from None
        if error.sqlite_errorcode == sqlite3.SQLITE_CANTOPEN:
            raise NotACallLog(f"{path} cannot be opened ({error}); give another path") from None
        return  # seen in the midst of another process's checkpoint: `open_log` looks again, with locks
    if tables or application:
        _check_application(path, application)
        _check_version(path, version)


def _no_database(path: Path) -> NotACallLog:
    with path.open("rb") as file:
        return NotACallLog(f"{path} is no call log: it starts with {file.read(16)!r}; give another path")


def _check_application(path: Path | None, application: int) -> None:
    if application % 2**32 != APPLICATION_ID:
        raise NotACallLog(
            f"{path} is an SQLite file of another program (application id {application}); give another path"
        )


def _check_version(path: Path | None, version: int) -> None:
    if version > VERSION:
        raise NotACallLog(
            f"{path} has log format {version}, this fgo_kit reads up to {VERSION}; update fgo_kit"
        )


def _create(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:  # else another process was first
        for statement in SCHEMA:
            db.execute(statement)
    db.execute("COMMIT")
