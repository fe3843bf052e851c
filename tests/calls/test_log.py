import json
import math
import shutil
import sqlite3
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import ScriptedLLM, wait_until

from fgo_kit.calls.leases import Leases
from fgo_kit.calls.limits import Limits
from fgo_kit.calls.log import CallLog, LogNotWritten, NotACallLog, Place, Response, asked, redact
from fgo_kit.calls.log_file import check_header
from fgo_kit.calls.log_sql import VERSION
from fgo_kit.calls.meter import Meter
from fgo_kit.calls.providers import load_llm


def request(text, llm="openai:x", sample=0):
    return asked(
        llm, "{}", [{"role": "system", "content": "s"}, {"role": "user", "content": text}], sample=sample
    )


def response(prompt=10, completion=5, usd=0.5, text="an answer", start=1.0, **more):
    values = dict(
        text=text, tool_calls="[]", finish="stop", prompt=prompt, cached=2, completion=completion,
        reasoning=1, counter="provider", usd=usd, start=start, end=start + 2,
    )  # fmt: skip
    return Response(**values | more)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def log(tmp_path):
    with CallLog(tmp_path / "sub" / "log.sqlite") as log:
        log.begin("r", {"seed": 0}, {"version": 1})
        yield log


def test_ledger_by_hand(log):
    a, b = request("a"), request("b")
    log.record("r", Place("rollout", task="1"), a, response=response(10, 5, 0.5))
    log.record("r", Place("rollout", task="2"), a, span=(4.0, 4.0))  # the same question: from the cache
    log.record("r", Place("propose", subset="s1"), b, response=response(100, 20, 2.0, start=5.0))
    log.record("r", Place("merge", node="m1"), request("c"), error=ValueError("no"), span=(6.0, 7.0))
    table = log.tokens("r").set_index("phase")
    assert list(table.index) == ["rollout", "propose", "merge"]
    assert list(table.calls) == [2, 1, 1]
    assert list(table.paid_calls) == [1, 1, 0]
    assert list(table.prompt) == [20, 100, 0]
    assert list(table.cached) == [4, 2, 0]
    assert list(table.completion) == [10, 20, 0]
    assert list(table.reasoning) == [2, 1, 0]
    assert list(table.paid_prompt) == [10, 100, 0]
    assert list(table.paid_completion) == [5, 20, 0]
    assert list(table.usd) == [1.0, 2.0, 0.0]
    assert list(table.paid_usd) == [0.5, 2.0, 0.0]
    assert log.paid("r") == (2, 135, 2.5)


def test_ledger_and_calls_sum_to_the_raw_tables(log):
    rng = np.random.default_rng(0)
    for n in range(60):
        found = log.find(request(str(n % 25)).key)
        paid = None if found else response(int(rng.integers(1, 99)), int(rng.integers(1, 99)), start=float(n))
        log.record(
            "r",
            Place(["rollout", "evaluate"][n % 2], task=str(n)),
            request(str(n % 25)),
            response=paid,
            span=(n, n + 1),
        )
    table, calls = log.tokens("r"), log.calls("r")
    raw = (
        sqlite3.connect(log.path)
        .execute("SELECT count(*), sum(prompt), sum(completion) FROM responses")
        .fetchone()
    )
    assert (table.paid_calls.sum(), table.paid_prompt.sum(), table.paid_completion.sum()) == raw
    assert calls.prompt.sum() == table.prompt.sum()
    assert calls.paid_usd.sum() == table.paid_usd.sum() == 0.5 * 25
    assert calls[calls.paid].prompt.sum() == table.paid_prompt.sum()
    assert (calls.seconds == 1).all() and calls.place.is_unique


def added_up(log, run_id):
    """The ledger by phase, from the rows of all calls."""
    calls, replaced = (
        pd.DataFrame(log.read(f"SELECT phase, llm, paid, prompt, cached, completion, usd FROM {table} WHERE run_id = ?", (run_id,)),
                     columns=["phase", "llm", "paid", "prompt", "cached", "completion", "usd"]) for table in ("calls", "replaced"))
    sums = {}
    for phase in dict.fromkeys([*calls.phase, *replaced.phase]):
        mine, former = (table[table.phase == phase] for table in (calls, replaced))
        paid = pd.concat([mine[mine.paid == 1], former[former.paid == 1]])
        usd, paid_usd = (math.nan if (part.llm.notna() & part.usd.isna()).any() else part.usd.sum() for part in (mine, paid))
        sums[phase] = [len(mine), len(paid), mine.prompt.sum(), mine.cached.sum(), mine.completion.sum(), paid.prompt.sum(), usd, paid_usd]
    return sums


@pytest.mark.parametrize("seed", range(6))
def test_the_ledger_is_the_sum_of_all_calls_whatever_happened_to_them(tmp_path, log, seed):
    rng, columns = np.random.default_rng(seed), ["calls", "paid_calls", "prompt", "cached", "completion", "paid_prompt", "usd", "paid_usd"]
    with CallLog(tmp_path / "other.sqlite") as other:
        other.begin("r", {"seed": 0}, {})
        for n in range(120):
            place, what = Place(["rollout", "merge"][rng.integers(2)], task=str(rng.integers(12))), request(str(rng.integers(9)))
            target, usd = (log, other)[rng.integers(2)], None if rng.random() < 0.02 else float(rng.integers(8))
            if rng.random() < 0.2:
                target.record("r", place, what, error=TimeoutError("slow"), span=(n, n + 1))
            else:
                paid = None if target.find(what.key) else response(int(rng.integers(99)), int(rng.integers(99)), usd)
                target.record("r", place, what, response=paid, span=(n, n + 1))
            if n % 40 == 39:
                log.settle("r", place, "empty", "no text")
                log.finish("r", "TooManyFailures")
                log.begin("r", {"seed": 0}, {})
    for _ in range(2):
        ledger = log.tokens("r").set_index("phase")
        for phase, sums in added_up(log, "r").items():
            assert ledger.loc[phase, columns].tolist() == pytest.approx(sums, nan_ok=True)
        calls, tokens, usd = log.paid("r")
        assert (calls, tokens) == (ledger.paid_calls.sum(), ledger[["paid_prompt", "paid_completion"]].sum().sum())
        assert (usd is None) == ledger.paid_usd.isna().any()
        assert log.tokens("r", by="llm").calls.sum() == ledger.calls.sum()
        log.unite(tmp_path / "other.sqlite")


def test_the_ledger_of_an_older_log_is_the_sum_of_its_calls(version1):
    with CallLog(version1) as log:
        for run_id in log.runs().run_id:
            ledger = log.tokens(run_id).set_index("phase")
            sums = added_up(log, run_id)
            assert sorted(ledger.index) == sorted(sums)
            assert [ledger.loc[phase, "paid_prompt"] for phase in sums] == [line[5] for line in sums.values()]


def test_logging_again_changes_nothing(log):
    place = Place("rollout", task="1")
    log.record("r", place, request("a"), response=response())
    before = log.calls("r")
    log.record("r", place, request("a"), span=(9.0, 9.0))
    assert log.calls("r").equals(before)
    assert log.paid("r") == (1, 15, 0.5)


def test_a_replaced_call_stays_paid_but_is_not_logical(log):
    place = Place("rollout", task="1")
    log.record("r", place, request("a"), response=response(10, 5, 0.5))
    log.record("r", place, request("b"), response=response(20, 7, 1.0))
    log.record("r", place, request("a"), span=(9.0, 9.0))
    row = log.tokens("r").iloc[0]
    assert (row.calls, row.prompt, row.usd) == (1, 10, 0.5)
    assert (row.paid_calls, row.paid_prompt, row.paid_completion, row.paid_usd) == (2, 30, 12, 1.5)
    assert log.paid("r") == (2, 42, 1.5)


def test_a_failure_gives_way_to_an_answer(log):
    place = Place("rollout", task="1")
    log.record("r", place, request("a"), error=TimeoutError("slow"), span=(1.0, 2.0))
    assert list(log.calls("r").status) == ["TimeoutError"]
    log.record("r", place, request("a"), response=response())
    assert list(log.calls("r").status) == ["ok"] and list(log.calls("r").error) == [""]


def test_an_unpriced_part_makes_the_sum_nan_not_too_small(log):
    log.record("r", Place("rollout", task="1"), request("a"), response=response(usd=None))
    log.record("r", Place("rollout", task="2"), request("b"), response=response(usd=1.0))
    assert np.isnan(log.tokens("r").usd[0]) and np.isnan(log.tokens("r").paid_usd[0])
    assert log.paid("r")[2] is None
    assert np.isnan(log.calls("r").usd).tolist() == [True, False]


def test_messages_are_stored_once_and_come_back(log):
    log.record("r", Place("rollout", task="1"), request("a"), response=response())
    log.record("r", Place("rollout", task="2"), request("b"), response=response())
    count = sqlite3.connect(log.path).execute("SELECT count(*) FROM messages").fetchone()[0]
    assert count == 3  # the system message is shared
    assert log.messages_of(request("b").key)[1] == {"role": "user", "content": "b"}
    with pytest.raises(KeyError, match="nokey"):
        log.messages_of("nokey")


@pytest.mark.parametrize("first, second", [(Place("a", task="b/c"), Place("a", node="b", task="c")),
                                           (Place("a", task="x%2F"), Place("a", task="x/")),
                                           (Place("a", subset="1"), Place("a", epoch=1))])  # fmt: skip
def test_places_do_not_collide(first, second):
    assert str(first) != str(second)


def test_everything_that_changes_the_answer_changes_the_key():
    chat = [{"role": "user", "content": "hi"}]
    keys = [
        asked("a", "{}", chat).key, asked("b", "{}", chat).key, asked("a", '{"t":1}', chat).key,
        asked("a", "{}", chat, sample=1).key, asked("a", "{}", chat, tools=[{"name": "t"}]).key,
        asked("a", "{}", chat, schema={"title": "x"}).key, asked("a", "{}", chat * 2).key,
        asked("a", "{}", [{"role": "system", "content": "hi"}]).key,
    ]  # fmt: skip
    assert len(dict.fromkeys(keys)) == len(keys)
    assert asked("a", "{}", chat).key[:24] == asked("b", '{"t":1}', chat).key[:24]


# -- runs


def test_begin_resumes_the_same_config_and_refuses_another(log):
    log.finish("r", "BudgetExceeded")
    assert log.begin("r", {"seed": 0}, {"version": 2})["status"] == "running"
    log.finish("r", "ok", {"score": 0.5})
    assert log.begin("r", {"seed": 0}, {"version": 2})["status"] == "ok"
    with pytest.raises(ValueError, match="another config"):
        log.begin("r", {"seed": 1}, {})
    table = log.runs()
    assert (
        list(table.run_id) == ["r"]
        and table.result[0] == {"score": 0.5}
        and table.manifest[0] == {"version": 1}
    )
    with pytest.raises(KeyError, match="nothing"):
        log.run("nothing")


# -- files


@pytest.mark.parametrize("content", [b"some notes\n", b"SQLite format 3\0" + bytes(84) + b"x" * 900, b"x"])
def test_a_foreign_file_is_refused_and_untouched(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(NotACallLog, match="notes.txt"):
        CallLog(path)
    assert path.read_bytes() == content and [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_another_programs_database_and_a_newer_log_are_refused(tmp_path):
    other, newer = tmp_path / "other.db", tmp_path / "newer.sqlite"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE runs (x)")
    CallLog(newer).close()
    with sqlite3.connect(newer) as db:
        db.execute("PRAGMA user_version = 99")
    for path, found in ((other, "another program"), (newer, "log format 99")):
        before = path.read_bytes()
        with pytest.raises(NotACallLog, match=found):
            CallLog(path)
        assert path.read_bytes() == before
    with pytest.raises(NotACallLog, match="folder"):
        CallLog(tmp_path)


def test_a_damaged_log_is_refused(tmp_path):
    path = tmp_path / "log.sqlite"
    CallLog(path).close()
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 9000)
    with pytest.raises(NotACallLog, match="log.sqlite"):
        CallLog(path)


@pytest.mark.parametrize("column", ["prompt", "completion", "usd", "start", "attempts"])
@pytest.mark.parametrize("value", [b"", b"\xff\x00", "many"])
def test_an_answer_with_a_number_that_is_none_is_named(log, column, value):
    log.record("r", Place("rollout", task="t"), request("q"), response=response())
    log.write([(f"UPDATE responses SET {column} = ?", (value,))])
    with pytest.raises(NotACallLog, match=f"{request('q').key} is not what was stored"):
        log.find(request("q").key)


def test_two_connections_share_a_file(log):
    with CallLog(log.path) as second:
        for n in range(20):
            (log, second)[n % 2].record(
                "r", Place("rollout", task=str(n)), request(str(n)), response=response()
            )
        assert len(second.calls()) == 20 and second.find(request("4").key).text == "an answer"


def test_a_log_in_memory():
    with CallLog() as log:
        log.begin("r", {}, {})
        log.record("r", Place("test"), request("a"), response=response())
        assert len(log.calls()) == 1 and "memory" in repr(log)
        assert log.tokens("absent").empty and log.calls("absent").empty and log.paid("absent") == (0, 0, 0.0)


def test_unite(tmp_path, log):
    log.record("r", Place("rollout", task="1"), request("a"), response=response())
    log.record("r", Place("rollout", task="2"), request("x"), error=TimeoutError("slow"), span=(1.0, 2.0))
    with CallLog(tmp_path / "other.sqlite") as other:
        other.begin("r", {"seed": 0}, {})
        other.begin("r2", {"seed": 1}, {})
        other.record("r", Place("rollout", task="1"), request("a"), response=response(text="paid twice"))
        other.record("r", Place("rollout", task="2"), request("x"), response=response())
        other.record("r2", Place("rollout", task="1"), request("b"), response=response())
        other.finish("r", "ok", {"score": 1})
    for _ in range(2):  # the second time adds nothing
        log.unite(tmp_path / "other.sqlite")
        assert list(log.runs().run_id) == ["r", "r2"] and log.run("r")["status"] == "ok"
        assert len(log.calls("r")) == 2 and (log.calls("r").status == "ok").all()
        assert log.find(request("a").key).text == "an answer"
        assert log.paid("r") == (2, 30, 1.0) and log.paid("r2") == (1, 15, 0.5)
        assert log.messages_of(request("b").key)[1]["content"] == "b"
    (tmp_path / "notes").write_text("no log")
    with pytest.raises(NotACallLog):
        log.unite(tmp_path / "notes")
    with pytest.raises(FileNotFoundError):
        log.unite(tmp_path / "absent")


def test_nearest_names_the_place_and_what_differs(log):
    assert log.nearest([{"role": "user", "content": "a"}]) is None
    for task, text in (("1", "Where is the mug?"), ("2", "Read the invoice 4711.")):
        log.record("r", Place("rollout", task=task), request(text), response=response())
    near = [{"role": "system", "content": "s"}, {"role": "user", "content": "Read the invoice 4712."}]
    place, difference = log.nearest(near)
    assert place == "r rollout//0//2/0"
    assert "4711" in difference and "4712" in difference


def test_keys_are_redacted(log):
    secret = "sk-proj-abcdefGHIJ1234567890"
    error = ValueError(f"bad key {secret} and Bearer {secret} at https://me:{secret}@host/")
    log.record("r", Place("rollout"), request("a"), error=error, span=(1.0, 2.0))
    assert secret not in log.calls("r").error[0] and "[redacted]" in log.calls("r").error[0]
    assert redact("asks risk-averse keys") == "asks risk-averse keys"


def test_lone_surrogates_in_tasks_and_answers_are_no_reason_to_lose_a_run(tmp_path):
    """JSON may carry half a character; files cannot."""
    with CallLog(tmp_path / "log.sqlite") as hostile:
        hostile.begin("r", {}, {})
        meter = Meter(ScriptedLLM(lambda messages: "half \ud800 a character"), hostile, "r", Limits(workers=1))
        place = Place("test", task="t\udfff")
        reply = meter.ask([{"role": "user", "content": "what \udc00?"}], place)
        assert reply.text == "half ? a character"
        assert hostile.calls("r")["task"].tolist() == ["t?"]
        assert meter.ask([{"role": "user", "content": "what \udc00?"}], place).text == reply.text
        assert hostile.paid("r")[0] == 1


def test_a_second_look_from_one_process_leaves_the_locks_of_the_first(tmp_path):
    """Another process that opens and closes the file must not take the journal from under open logs."""
    path = tmp_path / "log.sqlite"
    first = CallLog(path)
    first.begin("r1", {"n": 1}, {})
    second = CallLog(path)
    script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); print(db.execute('SELECT run_id FROM runs').fetchall())"

    def elsewhere():
        return subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True).stdout.strip()

    assert elsewhere() == "[('r1',)]"
    first.begin("r2", {"n": 2}, {})
    third = CallLog(path)
    second.begin("r3", {"n": 3}, {})
    third.begin("r4", {"n": 4}, {})
    assert elsewhere() == "[('r1',), ('r2',), ('r3',), ('r4',)]"


def test_a_look_in_the_midst_of_a_checkpoint_is_no_verdict(tmp_path):
    """Another process writes so much that pages move into the file all the time; a look must neither fail nor unlock."""
    path = tmp_path / "log.sqlite"
    mine = CallLog(path)
    mine.begin("r1", {"n": 1}, {})
    script = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)\n"
        "db.execute('PRAGMA wal_autocheckpoint = 20')\n"
        "for n in range(1500): db.execute('INSERT INTO messages VALUES (?, ?, ?)', (str(n), 'user', 'x' * 20_000))"
    )
    writing = subprocess.Popen([sys.executable, "-c", script, path])
    while writing.poll() is None:
        check_header(path)
    assert writing.returncode == 0
    mine.begin("r2", {"n": 2}, {})
    with CallLog(path) as log:
        assert [log.run(name)["status"] for name in ("r1", "r2")] == ["running"] * 2


@pytest.mark.parametrize("name", ["a?b#c%d&e.sqlite", "für 1;2.sqlite"])
def test_any_file_name_will_do(tmp_path, name):
    for _ in range(2):
        with CallLog(tmp_path / name) as log:
            log.begin("r", {}, {})
    assert [file.name for file in tmp_path.iterdir()] == [name]


# -- other versions, damage, and places that cannot be written

DATA = Path(__file__).parent / "data"


@pytest.fixture
def version1(tmp_path):
    """A copy of a log that an earlier version wrote: one finished run, one that was stopped."""
    return shutil.copy(DATA / "version1.db", tmp_path / "version1.sqlite")


def test_a_log_of_version_1_keeps_its_paid_answers_and_replays(version1):
    with CallLog(version1) as log:
        runs = log.runs().set_index("status")["run_id"]
        assert sorted(runs.index) == ["Unreachable", "ok"]
        assert log.paid(runs["ok"]) == (19, 2761, 0.0) and log.paid("stopped") == (2, 31, None)
        calls = log.calls(runs["ok"])
        assert len(calls) == 19 and calls["paid"].all() and not calls["written"].any() and not calls["model"].any()
        key = calls.loc[calls["phase"] == "test", "key"].iloc[0]
        response = log.find(key)
        assert response.text == "None" and (response.thought, response.written) == ("", 0)
        messages = log.messages_of(key)
        log.record("stopped", Place("rollout", task="3"), request("new"), response=Response(**vars(response) | {"thought": "hm"}))
        assert log.find(request("new").key).thought == "hm"
    assert load_llm(f"replay:{version1}").complete(messages).text == response.text


class Roomy(ScriptedLLM):
    """The LLM of the log of version 1, with another limit of tokens."""

    def __init__(self, max_completion, reply=lambda messages: "asked"):
        super().__init__(reply, max_completion=max_completion, name="openai:small")
        self.params = {"base_url": "http://127.0.0.1:1/v1", "max_completion": max_completion}


def test_a_log_of_version_1_is_not_paid_again_under_a_larger_limit_of_tokens(version1):
    with CallLog(version1) as log:
        old, llm = log.calls().query("phase in ('rollout', 'test') and run_id != 'stopped'").set_index("place"), Roomy(16_384)
        log.begin("larger", {}, {})
        meter = Meter(llm, log, "larger", Limits(budget_calls=0))
        texts = {place: meter.ask(log.messages_of(key), Place("rollout", task=place)).text for place, key in old["key"].items()}
        assert len(texts) > 5 and llm.asked == [] and meter.spent == (0, 0, 0.0)
        assert texts == {place: log.find(key).text for place, key in old["key"].items()}
        again = log.calls("larger").set_index("task")
        assert (again["prompt"] == old["prompt"]).all() and again["usd"].sum() == 0 and not again["paid"].any()
        smaller = Meter(Roomy(1_000), log, "larger", Limits())
        assert smaller.ask(log.messages_of(old["key"].iloc[0]), Place("test")).text == "asked"


@pytest.mark.parametrize("finish", ["length", "overflow", "refusal: safety"])
def test_what_did_not_end_by_itself_is_asked_again_under_a_larger_limit(log, finish):
    small, large = Roomy(100), Roomy(1_000)
    old = asked(small.name, json.dumps(small.params, sort_keys=True), [{"role": "user", "content": "q"}])
    log.record("r", Place("test"), old, response=response(text="and so", finish=finish))
    Meter(small, log, "r")
    assert Meter(large, log, "r").ask([{"role": "user", "content": "q"}], Place("test")).text == "asked"


def test_what_was_set_aside_is_asked_again_and_not_taken_from_a_smaller_limit(log):
    small, large, messages = Roomy(100, lambda _: "no use"), Roomy(1_000), [{"role": "user", "content": "q"}]
    Meter(small, log, "r").ask(messages, Place("rollout"))
    log.begin("s", {}, {})
    meter = Meter(large, log, "s")
    assert meter.ask(messages, Place("rollout")).text == "no use" and not large.asked
    meter.outcome(Place("rollout"), "unusable")
    log.finish("s", "TooManyFailures")
    log.begin("s", {}, {})
    assert Meter(large, log, "s").ask(messages, Place("rollout")).text == "asked"


def test_a_thought_in_an_answer_that_was_logged_with_it_is_split_off(log):
    llm, messages = Roomy(100), [{"role": "user", "content": "q"}]
    old = asked(llm.name, json.dumps(llm.params, sort_keys=True), messages)
    log.record("r", Place("test"), old, response=response(text="<think>ANSWER: 3?</think>ANSWER: 4"))
    reply = Meter(llm, log, "r").ask(messages, Place("test"))
    assert (reply.text, reply.thought) == ("ANSWER: 4", "ANSWER: 3?")


def test_a_log_of_version_1_is_upgraded_once_however_many_open_it(version1):
    with ThreadPoolExecutor(8) as pool:
        logs = list(pool.map(lambda _: CallLog(version1), range(8)))
    assert {len(log.calls()) for log in logs} == {21}
    assert sqlite3.connect(version1).execute("PRAGMA user_version").fetchone() == (VERSION,)


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_log_is_named_or_right(version1, seed):
    """Bits that flip anywhere in the file: all that is read is what was written, or the error says what is damaged."""
    with CallLog(version1) as log:
        before = log.runs().to_json(), {key: log.find(key) for key in log.calls()["key"]}
        log.read("PRAGMA wal_checkpoint(TRUNCATE)")
    rng, content = np.random.default_rng(seed), bytearray(Path(version1).read_bytes())
    for at in rng.integers(0, len(content), 12):
        content[at] ^= 1 << int(rng.integers(8))
    Path(version1).write_bytes(content)
    try:
        with CallLog(version1) as log:
            for key in log.calls()["key"]:
                if (answer := log.find(key)) is not None:
                    assert answer == before[1].get(key, answer)
                    log.messages_of(key)
            log.tokens(), log.failures(), log.llms(), log.runs()
    except NotACallLog as error:
        assert "version1.sqlite" in str(error)


def test_an_answer_that_was_changed_is_named(log):
    log.record("r", Place("test"), request("a"), response=response(text="yes"))
    log.finish("r", "ok", {"score": 0.5})
    with sqlite3.connect(log.path) as db:
        db.execute("UPDATE responses SET text = 'no!'")
        db.execute("UPDATE runs SET result = '{\"score\": 0.9}'")
    with pytest.raises(NotACallLog, match=request("a").key):
        log.find(request("a").key)
    with pytest.raises(NotACallLog, match="result of run 'r'"):
        log.run("r")


def test_a_log_cut_by_a_power_cut_keeps_all_but_its_last_calls(tmp_path, rng):
    path = tmp_path / "log.sqlite"
    log = CallLog(path)
    log.begin("r", {}, {})
    for n in range(50):
        log.record("r", Place("test", task=str(n)), request(str(n)), response=response(text=f"answer {n}"))
    wal = Path(f"{path}-wal").read_bytes()
    for cut in rng.integers(0, len(wal), 20):
        copy = tmp_path / f"{cut}.sqlite"
        shutil.copy(path, copy)
        Path(f"{copy}-wal").write_bytes(wal[:cut])
        with CallLog(copy) as again:
            tasks = list(again.calls().task)
            assert sorted(tasks, key=int) == [str(n) for n in range(len(tasks))]
            assert [again.find(request(task).key).text for task in tasks] == [f"answer {task}" for task in tasks]
    log.close()


def test_a_log_that_must_not_be_written_is_read_and_replayed(version1, monkeypatch):
    content = Path(version1).read_bytes()
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write everywhere
    with CallLog(version1) as log:
        done = log.runs().set_index("status").loc["ok"]
        assert log.begin(done.run_id, done.config, {})["result"] == done.result
        messages = log.messages_of(log.calls(done.run_id)["key"].iloc[0])
        with pytest.raises(LogNotWritten, match=r"version1.*read-only"):
            log.begin("new", {}, {})
    assert load_llm(f"replay:{version1}").complete(messages).text
    assert Path(version1).read_bytes() == content


def test_an_empty_file_becomes_a_log_and_that_is_said(tmp_path):
    (tmp_path / "log.sqlite").touch()
    with pytest.warns(UserWarning, match="log.sqlite is empty.*all it held is lost"):
        log = CallLog(tmp_path / "log.sqlite")
    assert log.runs().empty
    log.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CallLog(tmp_path / "log.sqlite").close()


@pytest.mark.parametrize("share", [0.0005, 0.01, 0.3, 0.9, 0.999])
def test_a_log_cut_off_is_damaged_or_right_and_never_less(tmp_path, log, share):
    for n in range(60):
        log.record("r", Place("test", task=str(n)), request(str(n)), response=response(text=f"answer {n}" * 50))
    log.close()
    content = log.path.read_bytes()
    log.path.write_bytes(content[: int(share * len(content))])
    try:
        with CallLog(log.path) as again:
            assert [again.find(request(str(n)).key).text for n in range(60)] == [f"answer {n}" * 50 for n in range(60)]
    except NotACallLog as error:
        assert "log.sqlite" in str(error)


@pytest.mark.parametrize("name", ["runs", "calls", "responses"])
def test_views_in_place_of_tables_are_refused(tmp_path, log, name):
    path = tmp_path / "other.sqlite"
    CallLog(path).close()
    with sqlite3.connect(path) as db:
        db.execute(f"ALTER TABLE {name} RENAME TO hidden")
        db.execute(f"CREATE VIEW {name} AS SELECT * FROM hidden")
    with pytest.raises(NotACallLog, match=f"other.*no table '{name}'"):
        log.unite(path)


def test_unite_prefers_a_finished_run_to_a_later_failure(tmp_path, log):
    log.finish("r", "ok", {"score": 1})
    with CallLog(tmp_path / "other.sqlite") as other:
        other.begin("r", {"seed": 0}, {})
        other.settle("r", Place("rollout", task="1"), "cut", "too long")
        other.finish("r", "Unreachable")
    log.unite(tmp_path / "other.sqlite")
    assert log.run("r")["result"] == {"score": 1} and log.failures("r").status.tolist() == ["cut"]


# -- failures


def test_failures_are_listed_until_they_are_answered(log):
    log.settle("r", Place("rollout", "s1", 2, task="a"), "cut", "stopped at 10 tokens of sk-abcdefghijk")
    log.settle("r", Place("merge", node="m"), "failed", "503", lasting=False)
    table = log.failures("r")
    assert table[["phase", "subset", "epoch", "node", "task", "status", "lasting"]].values.tolist() == [
        ["merge", "", 0, "m", "", "failed", False], ["rollout", "s1", 2, "", "a", "cut", True]]
    assert table.reason.tolist() == ["503", "stopped at 10 tokens of [redacted]"]
    log.settle("r", Place("merge", node="m"), "answered")
    assert len(log.failures()) == 1 and log.failures("other").empty


def test_answers_that_stopped_a_run_are_asked_for_again_and_stay_paid(log):
    for task, text in (("1", ""), ("2", "fine")):
        log.record("r", Place("rollout", task=task), request(task), response=response(10, 5, 0.5, text=text))
    log.settle("r", Place("rollout", task="1"), "empty", "no text")
    log.finish("r", "BudgetExceeded")
    log.begin("r", {"seed": 0}, {})
    assert log.find(request("1").key).text == ""  # nothing was wrong with the run
    for n in (1, 2):
        log.finish("r", "TooManyFailures")
        log.begin("r", {"seed": 0}, {})
        assert log.find(request("1").key) is None and log.find(request("2").key).text == "fine"
        assert log.paid("r") == (1 + n, 15 * (1 + n), 0.5 * (1 + n))
        log.record("r", Place("rollout", task="1"), request("1"), response=response(10, 5, 0.5, text=""))
    assert log.paid("r") == (4, 60, 2.0) and log.tokens("r").calls.tolist() == [2]


def test_what_was_lost_is_no_part_of_what_was_paid(log):
    log.lose("r", Place("rollout", task="1"), (1, 500, 0.25), TimeoutError("no answer"))
    log.lose("r", Place("rollout", task="1"), (1, 500, 0.25), TimeoutError("no answer"))
    assert log.lost("r") == (2, 1000, 0.5) and log.paid("r") == (0, 0, 0.0) and log.lost("x") == (0, 0, 0.0)


# -- leases


def test_a_name_is_worked_on_by_one_holder_at_a_time(log):
    with CallLog(log.path) as second:
        mine, other = Leases(log), Leases(second)
        assert mine.take("k") and mine.take("k") and not other.take("k") and other.take("l")
        mine.release("l")
        assert not mine.take("l")
        other.release_all()
        assert mine.take("l")
        log.record("r", Place("test"), request("k"), response=response())
        mine.release("k")
        assert other.take("k")


def test_the_leases_of_the_dead_are_free(log):
    code = f"""
import os, signal
from fgo_kit.calls.leases import Leases
from fgo_kit.calls.log import CallLog
print(Leases(CallLog({str(log.path)!r})).take("k"), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "True\n"
    wait_until(lambda: Leases(log).take("k"), 5)  # gone, though nobody has asked what became of it
    process.wait()


def test_a_lease_from_another_machine_is_believed_for_a_while(log):
    until = time.time() + 100
    log.write([("INSERT INTO leases VALUES ('k', 'elsewhere 1 0 abc', ?)", (until,)),
               ("INSERT INTO leases VALUES ('l', 'elsewhere 1 0 abc', ?)", (until - 200,))])
    assert not Leases(log).take("k") and Leases(log).take("l")


def test_the_same_run_elsewhere_is_waited_for(log):
    order = []

    def work(name):
        with warnings.catch_warnings(record=True), CallLog(log.path) as same, Leases(same).alone("run r"):
            order.append(name)
            time.sleep(0.2)
            order.append(name)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, "abc"))
    assert order[::2] == order[1::2] and sorted(order) == list("aabbcc")


# -- a full disk


def test_a_disk_without_room_is_seen_before_anything_is_asked(tmp_path, monkeypatch):
    llm = ScriptedLLM(lambda messages: "yes")
    with CallLog(tmp_path / "log.sqlite") as log:
        log.begin("r", {}, {})
        meter = Meter(llm, log, "r", Limits(workers=2))
        assert meter.ask([{"role": "user", "content": "a"}], Place("test", task="1")).text == "yes"
        usage = shutil.disk_usage(tmp_path)
        monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=100_000))
        with pytest.raises(LogNotWritten, match=r"log\.sqlite can grow by 100,000 bytes .* make room"):
            meter.ask([{"role": "user", "content": "b"}], Place("test", task="2"))
        assert meter.ask([{"role": "user", "content": "a"}], Place("test", task="3")).text == "yes"  # logged
        assert len(llm.asked) == 1


def test_an_answer_that_could_not_be_written_is_written_once_there_is_room(tmp_path):
    path = tmp_path / "log.sqlite"
    with CallLog(path) as log, CallLog(path) as again:
        log.begin("r", {"seed": 0}, {})
        pages = log.read("PRAGMA page_count")[0][0]
        log.read(f"PRAGMA max_page_count = {pages}")
        long = response(text="paid for " * 5_000)
        with pytest.raises(LogNotWritten, match=r"log\.sqlite cannot be written .*full.*make room"):
            log.record("r", Place("test"), request("a"), response=long)
        assert log.find(request("a").key) is None
        again.finish("r", "LogNotWritten")  # whoever has the file open in this process writes what is owed first
        assert again.find(request("a").key) == log.find(request("a").key) == long and log.paid("r")[0] == 1


def conversation(turns):
    said = [{"role": "system", "content": "rules"}, {"role": "user", "content": "a task"}]
    for turn in range(1, turns):
        said += [{"role": "assistant", "content": f"do {turn}"}, {"role": "user", "content": f"saw {turn}"}]
    return said


def test_a_conversation_takes_space_in_proportion_to_its_turns(log):
    def hashes(table, column):
        return log.read(f"SELECT sum(length({column})) FROM {table}")[0][0]

    sizes = []
    for turns in (20, 40, 80):
        for turn in range(1, turns + 1):
            asked_for = asked(f"openai:{turns}", "{}", conversation(turn))
            log.record("r", Place("rollout", task=str(turns), turn=turn), asked_for, response=response())
        assert log.messages_of(asked_for.key) == conversation(turns)
        sizes.append(hashes("responses", "messages") + hashes("messages", "content"))
    first, second, third = np.diff([0, *sizes])
    assert second < 2.5 * first and third < 2.5 * second
    changed = [*conversation(50)[:-1], {"role": "user", "content": "saw something else"}]
    assert "saw something else" in log.nearest(changed)[1]


def test_lists_of_messages_are_as_safe_as_messages(log):
    asked_for = asked("openai:x", "{}", conversation(3))
    log.record("r", Place("rollout"), asked_for, response=response())
    log.write([("UPDATE messages SET content = replace(content, '[', '[ ') WHERE role = ''", ())])
    with pytest.raises(NotACallLog, match="the message with hash"):
        log.messages_of(asked_for.key)


def test_what_one_thread_cannot_write_keeps_no_other_from_writing(log):
    def write(number):
        try:
            if number % 4 == 0:
                log.write([("INSERT INTO runs (run_id) VALUES (?)", (str(number),))])  # columns are missing
            log.record("r", Place("rollout", task=str(number)), request(str(number)), response=response())
        except NotACallLog:
            return number

    with ThreadPoolExecutor(16) as pool:
        refused = [number for number in pool.map(write, range(200)) if number is not None]
    assert refused == list(range(0, 200, 4)) and len(log.calls("r")) == 150 == log.paid("r")[0]


def test_what_threads_write_at_the_same_time_is_on_disk_when_each_goes_on(log):
    def write(number):
        made = request(str(number))
        log.record("r", Place("rollout", task=str(number)), made, response=response())
        with sqlite3.connect(log.path) as other:  # as another process sees it
            return other.execute("SELECT count(*) FROM responses WHERE key = ?", (made.key,)).fetchone()[0]

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(write, range(200))) == {1}
    assert log.tokens("r").paid_calls.sum() == len(log.calls("r")) == 200


def test_a_statement_that_fails_leaves_nothing_half_written(log):
    def write(number):
        value = object() if number % 10 == 0 else f"run {number}"
        try:
            return log.write([("INSERT INTO lost VALUES (?, '', 1, 1, 0.0, '', 0.0)", (value,))])
        except sqlite3.Error as error:
            return type(error).__name__

    with ThreadPoolExecutor(16) as pool:
        done = list(pool.map(write, range(200)))
    assert 0 < done.count(1) == len(log.read("SELECT * FROM lost"))
