"""The SQL of the call log: its tables, what writes them, and the queries of the ledger."""

from __future__ import annotations

APPLICATION_ID = 0x46474F31  # "FGO1" in the SQLite header marks the file as ours
VERSION = 5

RESPONSE_COLUMNS = (
    "text", "tool_calls", "finish", "prompt", "cached", "completion", "reasoning", "counter", "usd", "start", "end",
    "attempts", "thought", "model", "written",
)  # fmt: skip
USAGE = ("llm", "prompt", "cached", "written", "completion", "reasoning", "counter", "usd")
"""Columns of a response that its calls have too, so that the ledger reads them alone."""
_USAGE = ", ".join(USAGE)

TABLES = (  # of version 1; a new log is made and then upgraded like an old one
    f"PRAGMA application_id = {APPLICATION_ID}",
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
)
# checksum: of all that a row says. A key with "#1" behind it is an answer that was set aside and asked for again.
_TO_2 = (
    *(f"ALTER TABLE responses ADD COLUMN {column} NOT NULL DEFAULT {value}" for column, value in (
        ("thought TEXT", "''"), ("model TEXT", "''"), ("written INTEGER", "0"), ("checksum TEXT", "''"))),
    "ALTER TABLE runs ADD COLUMN checksum TEXT NOT NULL DEFAULT ''",
    f"UPDATE responses SET checksum = checksum(key, {', '.join(RESPONSE_COLUMNS)})",
    "UPDATE runs SET checksum = text_checksum(result)",
    # name: the key of a call, or "run " and a run's id. Whose lease it is does the work, others wait
    "CREATE TABLE leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID",
    # tries whose answer never arrived or could not be read, at the most that they can have cost
    """CREATE TABLE lost (run_id TEXT NOT NULL, place TEXT NOT NULL, calls INTEGER NOT NULL, tokens INTEGER NOT NULL,
        usd REAL NOT NULL, reason TEXT NOT NULL, at REAL NOT NULL)""",
    # how a rollout, evaluation, proposal or merge ended, where it did not end in a usable answer
    """CREATE TABLE outcomes (run_id TEXT NOT NULL, place TEXT NOT NULL, phase TEXT NOT NULL, subset TEXT NOT NULL,
        epoch INTEGER NOT NULL, node TEXT NOT NULL, task TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL,
        lasting INTEGER NOT NULL, PRIMARY KEY (run_id, place)) WITHOUT ROWID""",
    "DROP TRIGGER IF EXISTS keep_paid",
    """CREATE TRIGGER keep_paid BEFORE UPDATE ON calls
        WHEN old.paid AND old.key != new.key AND new.key NOT LIKE old.key || '#%' BEGIN
        INSERT OR IGNORE INTO replaced SELECT * FROM calls WHERE run_id = old.run_id AND place = old.place;
    END""",
)
_TO_3 = (
    *(f"ALTER TABLE {table} ADD COLUMN {column}" for table in ("calls", "replaced") for column in USAGE),
    *(f"UPDATE {table} SET ({_USAGE}) = (SELECT {_USAGE} FROM responses r WHERE r.key = {table}.key)"
      for table in ("calls", "replaced")),
)
# calls that were sent in a batch, until they are answered. tag: of the batch, with its ids at the provider, "" until
# they are known. calls, tokens, usd: the most that one can cost
_TO_4 = (
    """CREATE TABLE batched (key TEXT PRIMARY KEY, tag TEXT NOT NULL, ids TEXT NOT NULL, at REAL NOT NULL,
        run_id TEXT NOT NULL, calls INTEGER NOT NULL, tokens INTEGER NOT NULL, usd REAL NOT NULL) WITHOUT ROWID""",
    """CREATE TRIGGER answered AFTER INSERT ON responses BEGIN
        DELETE FROM batched WHERE key = new.key;
    END""",
)
_AMOUNTS = {  # what a call adds to a column of the ledger
    "calls": "1", **{name: f"coalesce({{row}}.{name}, 0)" for name in USAGE[1:6]}, "usd": "coalesce({row}.usd, 0.0)",
    "unpriced": "({row}.llm IS NOT NULL AND {row}.usd IS NULL)",
}  # fmt: skip
_PAID_AMOUNTS = {f"paid_{name}": _AMOUNTS[name] for name in ("calls", "prompt", "completion", "usd", "unpriced")}
_SUMS = (*_AMOUNTS, *_PAID_AMOUNTS)


def _enter(row: str, sign: int, logical: int = 1, source: str = "") -> str:
    """Add rows of `calls`, or of `replaced`, which are not logical, to the ledger, or take them off."""
    amounts = (*(f"{sign * logical} * {amount}" for amount in _AMOUNTS.values()),
               *(f"{sign} * {{row}}.paid * {amount}" for amount in _PAID_AMOUNTS.values()))  # fmt: skip
    known = ("coalesce({row}.llm, '')", "coalesce({row}.counter, '')")
    values = ("{row}.run_id", "{row}.phase", *known, *amounts, "{row}.start")
    return f"""INSERT INTO ledger SELECT {", ".join(values).format(row=row)} {source} WHERE true
        ON CONFLICT (run_id, phase, llm, counter) DO UPDATE SET start = min(start, excluded.start),
        {", ".join(f"{name} = {name} + excluded.{name}" for name in _SUMS)};"""


# ledger: the sums of `calls` and `replaced`, which take seconds to add up from a million on; start: of the first call.
# Rows of `responses` lie as they came in: by their keys, which are random, each new one would change a page of its own
_TO_5 = (
    f"""CREATE TABLE ledger (run_id TEXT NOT NULL, phase TEXT NOT NULL, llm TEXT NOT NULL, counter TEXT NOT NULL,
        {", ".join(f"{name} NOT NULL" for name in _SUMS)}, start REAL NOT NULL,
        PRIMARY KEY (run_id, phase, llm, counter)) WITHOUT ROWID""",
    _enter("calls", 1, source="FROM calls"),
    _enter("replaced", 1, 0, source="FROM replaced"),
    f"CREATE TRIGGER entered AFTER INSERT ON calls BEGIN {_enter('new', 1)} END",
    f"""CREATE TRIGGER changed AFTER UPDATE OF paid, {_USAGE} ON calls BEGIN
        {_enter("old", -1)} {_enter("new", 1)}
    END""",
    f"CREATE TRIGGER kept AFTER INSERT ON replaced BEGIN {_enter('new', 1, 0)} END",
    "ALTER TABLE responses RENAME TO former",
    """CREATE TABLE responses (key TEXT PRIMARY KEY, llm TEXT NOT NULL, sample INTEGER NOT NULL,
        messages TEXT NOT NULL, text TEXT NOT NULL, tool_calls TEXT NOT NULL, finish TEXT NOT NULL,
        prompt INTEGER NOT NULL, cached INTEGER NOT NULL, completion INTEGER NOT NULL, reasoning INTEGER NOT NULL,
        counter TEXT NOT NULL, usd REAL, start REAL NOT NULL, end REAL NOT NULL, attempts INTEGER NOT NULL,
        thought TEXT NOT NULL, model TEXT NOT NULL, written INTEGER NOT NULL, checksum TEXT NOT NULL)""",
    "INSERT INTO responses SELECT * FROM former",
    "DROP TABLE former",
    """CREATE TRIGGER answered BEFORE INSERT ON responses BEGIN
        DELETE FROM batched WHERE key = new.key;
        DELETE FROM leases WHERE name = new.key;
    END""",
)
UPGRADES = {1: _TO_2, 2: _TO_3, 3: _TO_4, 4: _TO_5}
"""What makes of a log of one version one of the next."""
NAMES = {
    "runs", "llms", "messages", "responses", "calls", "replaced", "ledger", "leases", "lost", "outcomes", "batched",
}  # fmt: skip
STOPPED = "TooManyFailures"
"""The status of a run whose useless answers are asked for again."""

RUN_COLUMNS = ("run_id", "config", "manifest", "status", "created", "finished", "result")
RUNS = f"SELECT {', '.join(RUN_COLUMNS)}, checksum FROM runs"
BEGIN_RUN = """INSERT INTO runs (run_id, config, manifest, status, created) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (run_id) DO UPDATE SET status = 'running'
    WHERE runs.status != 'ok' AND runs.config = excluded.config"""
FINISH_RUN = "UPDATE runs SET status = ?, finished = ?, result = ?, checksum = ? WHERE run_id = ?"

FIND = f"SELECT {', '.join(RESPONSE_COLUMNS)}, checksum FROM responses WHERE key = ?"

LLM_COLUMNS = ("hash", "llm", "params", "simulated", "context_window", "max_completion", "counter")
LLMS = f"SELECT {', '.join(LLM_COLUMNS)} FROM llms ORDER BY llm, params"
PUT_LLM = "INSERT OR IGNORE INTO llms VALUES (?, ?, ?, ?, ?, ?, ?)"
PUT_MESSAGE = "INSERT OR IGNORE INTO messages VALUES (?, ?, ?)"
_RESPONSES = f"key, llm, sample, messages, {', '.join(RESPONSE_COLUMNS)}, checksum"
PUT_RESPONSE = f"INSERT OR IGNORE INTO responses ({_RESPONSES}) VALUES ({', '.join('?' * 20)})"
# The same request at the same place is the same call: only a failure is overwritten, and never a payment.
_TAKE_OVER = f"""ON CONFLICT (run_id, place) DO UPDATE SET key = excluded.key, status = excluded.status,
    error = excluded.error, start = excluded.start, end = excluded.end,
    ({_USAGE}) = ({", ".join(f"excluded.{column}" for column in USAGE)}),
    paid = CASE WHEN calls.key = excluded.key THEN max(calls.paid, excluded.paid) ELSE excluded.paid END"""
PUT_CALL = f"""INSERT INTO calls SELECT {", ".join(f"?{n}" for n in range(1, 15))}, {_USAGE}
    FROM (SELECT 1) LEFT JOIN responses ON responses.key = ?9 WHERE true {_TAKE_OVER}
    WHERE calls.key != excluded.key OR calls.status != 'ok'"""
# the answer of one key as that of another, unless that other's own was set aside
TAKE_OVER_RESPONSE = f"""INSERT OR IGNORE INTO responses ({_RESPONSES})
    SELECT ?1, llm, sample, messages, {', '.join(RESPONSE_COLUMNS)}, ?2 FROM responses
    WHERE key = ?3 AND NOT EXISTS (SELECT 1 FROM responses WHERE key = ?1 || '#1')"""

LEASE = "SELECT holder, until FROM leases WHERE name = ?"
TAKE_LEASE = """INSERT INTO leases SELECT ?1, ?2, ?3 WHERE NOT EXISTS (SELECT 1 FROM responses WHERE key = ?1)
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until WHERE leases.holder IN (?2, ?4)"""
RELEASE = "DELETE FROM leases WHERE name = ? AND holder = ?"
RELEASE_ALL = "DELETE FROM leases WHERE holder = ?"

SEND = "INSERT OR REPLACE INTO batched VALUES (?, ?, '', ?, ?, ?, ?, ?)"
SENT_AS = "UPDATE batched SET ids = ? WHERE tag = ?"
SENT = "SELECT tag, ids, at FROM batched WHERE key = ?"
SENT_WITH = "SELECT key, ids FROM batched WHERE tag = ? ORDER BY key"
SENT_BY = "SELECT key, calls, tokens, usd FROM batched WHERE :run_id IS NULL OR run_id = :run_id"
UNSEND = "DELETE FROM batched WHERE key = ? AND tag = ?"

LOSE = "INSERT INTO lost VALUES (?, ?, ?, ?, ?, ?, ?)"
LOST = """SELECT coalesce(sum(calls), 0), coalesce(sum(tokens), 0), coalesce(sum(usd), 0.0) FROM lost
    WHERE :run_id IS NULL OR run_id = :run_id"""

FAILURE_COLUMNS = (
    "run_id", "place", "phase", "subset", "epoch", "node", "task", "status", "reason", "lasting"
)  # fmt: skip
FAILED = f"INSERT OR REPLACE INTO outcomes VALUES ({', '.join('?' * 10)})"
ANSWERED = "DELETE FROM outcomes WHERE run_id = ? AND place = ?"
FAILURES = f"""SELECT {', '.join(FAILURE_COLUMNS)} FROM outcomes WHERE :run_id IS NULL OR run_id = :run_id
    ORDER BY run_id, place"""
FAILED_PLACES = "SELECT place FROM outcomes WHERE run_id = ?1 AND (?2 IS NULL OR lasting = ?2)"
USELESS = """SELECT DISTINCT key FROM outcomes JOIN calls USING (run_id, place) JOIN responses USING (key)
    WHERE run_id = ? AND outcomes.status != 'failed'"""

CALL_COLUMNS = (
    "run_id", "place", "phase", "subset", "epoch", "node", "task", "turn", "llm", "model", "key", "status",
    "error", "finish", "attempts", "paid", "prompt", "cached", "written", "completion", "reasoning", "counter", "usd",
    "paid_usd", "start", "end",
)  # fmt: skip
CALLS = """SELECT c.run_id, c.place, c.phase, c.subset, c.epoch, c.node, c.task, c.turn, c.llm, r.model,
    c.key, c.status, c.error, r.finish, coalesce(r.attempts, 0), c.paid, coalesce(c.prompt, 0),
    coalesce(c.cached, 0), coalesce(c.written, 0), coalesce(c.completion, 0), coalesce(c.reasoning, 0), c.counter,
    CASE WHEN c.llm IS NULL THEN 0.0 ELSE c.usd END,
    CASE WHEN c.llm IS NULL OR NOT c.paid THEN 0.0 ELSE c.usd END, c.start, c.end
    FROM calls c LEFT JOIN responses r USING (key) WHERE :run_id IS NULL OR c.run_id = :run_id
    ORDER BY c.start, c.run_id, c.place"""

TOKEN_COLUMNS = (
    "phase", "calls", "paid_calls", "prompt", "cached", "written", "completion", "reasoning", "paid_prompt",
    "paid_completion", "usd", "paid_usd", "counter",
)  # fmt: skip
LEDGERS = ("phase", "llm")
_OF_RUN = "FROM ledger WHERE (:run_id IS NULL OR run_id = :run_id) AND (calls OR paid_calls)"


def _usd(kind: str = "") -> str:
    """A sum that is NULL, not too small, when a part of it has no price."""
    return f"CASE WHEN sum({kind}unpriced) THEN NULL ELSE coalesce(sum({kind}usd), 0.0) END"


TOKENS = f"""SELECT {{by}}, {", ".join(f"sum({name})" for name in TOKEN_COLUMNS[1:10])}, {_usd()}, {_usd("paid_")},
    coalesce(group_concat(DISTINCT nullif(counter, '')), '') {_OF_RUN} GROUP BY {{by}} ORDER BY min(start), {{by}}"""
PAID = f"""SELECT coalesce(sum(paid_calls), 0), coalesce(sum(paid_prompt + paid_completion), 0), {_usd("paid_")}
    {_OF_RUN}"""

UNITE = (
    """INSERT INTO runs SELECT * FROM other.runs WHERE true ON CONFLICT (run_id) DO UPDATE SET
        status = excluded.status, finished = excluded.finished, result = excluded.result,
        manifest = excluded.manifest, checksum = excluded.checksum
        WHERE (excluded.status = 'ok', coalesce(excluded.finished, 0))
            > (runs.status = 'ok', coalesce(runs.finished, 0))""",
    "INSERT OR IGNORE INTO llms SELECT * FROM other.llms",
    "INSERT OR IGNORE INTO messages SELECT * FROM other.messages",
    "INSERT OR IGNORE INTO responses SELECT * FROM other.responses",
    f"""INSERT INTO calls SELECT * FROM other.calls WHERE true {_TAKE_OVER}
        WHERE calls.status != 'ok' AND excluded.status = 'ok'""",
    "INSERT OR IGNORE INTO replaced SELECT * FROM other.replaced",
    "INSERT OR IGNORE INTO outcomes SELECT * FROM other.outcomes",
    "INSERT INTO lost SELECT * FROM other.lost EXCEPT SELECT * FROM lost",
    "INSERT OR IGNORE INTO batched SELECT * FROM other.batched WHERE key NOT IN (SELECT key FROM responses)",
)
