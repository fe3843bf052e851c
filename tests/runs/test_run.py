"""Runs: the same result whatever the workers, the interruptions and the budgets; ledgers that add up."""

import html
import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from helpers import ScriptedLLM, TinyBench, Wrapped, job_of, module, small_bench, tasks

from fgo_kit.algorithm.context import Judged
from fgo_kit.algorithm.registry import division
from fgo_kit.calls.log import CallLog, Place, Response, asked
from fgo_kit.calls.protocol import AuthError, BadRequest, BudgetExceeded, Overloaded, TooManyFailures, Unreachable
from fgo_kit.records import Component, MergeNode, Module, Rule, Task, Trajectory, to_json
from fgo_kit.runs.result import Run
from fgo_kit.runs.run import run
from fgo_kit.runs.state import State
from fgo_kit.runs.tables import rule_table
from fgo_kit.simulate.model import load
from fgo_kit.simulate.server import serving

VARIANTS = {
    "all_at_once": {"method": "all_at_once"},
    "bootstrapping": {"method": "bootstrapping"},
    "fgo": {"method": "fgo"},
    "everything on": {
        "method": "fgo",
        "gate": "soft",
        "counts": True,
        "audit": 4,
        "fan_in": 3,
        "n_subsets": 6,
    },
    "rewrite": {"method": "fgo", "edits": False, "merge": "oneshot", "divide": "random", "n_subsets": 4},
    "gated baseline": {"method": "all_at_once", "gate": "hard"},
}


@pytest.fixture(scope="module")
def bench():
    return small_bench(n_train=24)


def ledger(found: Run):
    return found.tokens().sort_values("phase").reset_index(drop=True)


def same(a: Run, b: Run) -> bool:
    """Everything that a result is: id, module, every trajectory and feedback, tree, scores, tokens."""
    assert a.id == b.id
    assert str(a.module) == str(b.module)
    assert to_json(a.state) == to_json(b.state)
    assert a.scores == b.scores and a.ci == b.ci
    assert a.token_figures() == b.token_figures()
    # but not "cached": what a provider has cached depends on what it was asked before
    logical = ["phase", "calls", "prompt", "completion", "reasoning", "usd"]
    assert ledger(a)[logical].equals(ledger(b)[logical])
    return True


@pytest.mark.parametrize("choices", VARIANTS.values(), ids=VARIANTS)
def test_workers_and_repetition_change_nothing(bench, choices):
    one, sixteen, again = [run(bench, "simulated", workers=w, **choices) for w in (1, 16, 16)]
    assert same(one, sixteen) and same(sixteen, again)
    assert ledger(one).equals(ledger(sixteen))  # what was paid, too


def test_another_seed_is_another_run(bench):
    a, b = (run(bench, "simulated", seed=seed, divide="random", workers=1) for seed in (0, 1))
    assert a.id != b.id
    assert a.division != b.division and str(a.module) != str(b.module)


def test_the_id_ignores_what_changes_no_result_and_nothing_else(bench):
    def run_id(bench=bench, llm="simulated", **choices):
        return run(bench, llm, **{"method": "base", **choices}).id

    first = run_id()
    assert first == run_id(workers=3) == run_id(budget_calls=1_000) == run_id(log=CallLog(None))
    assert first == run_id(budget_tokens=10**9, on_call=lambda place, paid: None)
    others = [
        run_id(method="fgo"), run_id(divide="random"), run_id(merge="oneshot"), run_id(n_subsets=3), run_id(epochs=1), run_id(passes=2),
        run_id(fan_in=3), run_id(gate="hard"), run_id(edits=False), run_id(counts=True), run_id(audit=2),
        run_id(seed=1), run_id(llm="simulated:large"), run_id(bench=small_bench(n_train=24, split_seed=1)),
        run_id(bench=small_bench(n_train=23)), run_id(bench=replace(bench, test=bench.test[:-1])),
        run_id(bench=replace(bench, test=(replace(bench.test[0], answer="other"), *bench.test[1:]))),
        run_id(bench=replace(bench, train=bench.train[::-1])),
    ]  # fmt: skip
    assert len({first, *others}) == 1 + len(others)


def test_the_id_covers_the_seed_module(bench):
    other = replace(bench, seed_module=module(preamble="Find <document>."))
    assert run(bench, "simulated", method="base").id != run(other, "simulated", method="base").id


def test_the_id_covers_strategies_written_elsewhere(bench):
    def first():
        @division
        def mine(tasks, n_subsets, rng):
            return [list(tasks[i::n_subsets]) for i in range(n_subsets)]

    def second():
        @division
        def mine(tasks, n_subsets, rng):
            return [list(reversed(tasks[i::n_subsets])) for i in range(n_subsets)]

    found = []
    for register in (first, second, first):
        register()
        found.append(run(bench, "simulated", divide="mine", n_subsets=2, workers=1))
    assert found[0].id == found[2].id != found[1].id
    assert found[0].division != found[1].division


def test_the_id_covers_the_prompts(bench, monkeypatch):
    from fgo_kit.algorithm import prompts

    before = run(bench, "simulated", method="base").id
    monkeypatch.setitem(prompts.TEMPLATES, "evaluate", "Review it.")
    assert run(bench, "simulated", method="base").id != before


def test_whole_numbers_of_numpy_are_whole_numbers(bench):
    plain = run(bench, "simulated", n_subsets=3, epochs=1, seed=2, workers=1)
    numpy = run(bench, "simulated", n_subsets=np.int64(3), epochs=np.int64(1), seed=np.int64(2), workers=1)
    assert same(plain, numpy)


# -- resuming


def refuse(messages):
    raise AssertionError("a finished run asked again")


def test_a_finished_run_is_returned_without_a_call(bench, tmp_path):
    path = tmp_path / "runs" / "log.sqlite"
    first = run(bench, "simulated", log=path)
    asleep = Wrapped(load("small"), before=refuse)
    again = run(bench, asleep, log=path)
    assert same(first, again)
    assert not asleep.asked
    assert repr(first) == repr(again) and first.row().keys() == again.row().keys()
    assert first.rules().equals(again.rules()) and first.trajectories().equals(again.trajectories())


def test_a_second_run_in_one_log_pays_only_for_what_is_new(bench, tmp_path):
    path = tmp_path / "log.sqlite"
    alone = run(bench, "simulated", method="fgo")
    run(bench, "simulated", method="all_at_once", log=path)
    shared = run(bench, "simulated", method="fgo", log=path)
    assert same(alone, shared)  # logical figures do not depend on what was there before
    assert shared.tokens()["paid_calls"].sum() < alone.tokens()["paid_calls"].sum()
    paid = shared.tokens().set_index("phase")["paid_calls"]
    assert paid["rollout"] <= 24 and paid["propose"] > 0  # the first epoch's rollouts were there


KILLED = """
    import os, signal, sys, threading
    from helpers import small_bench
    from fgo_kit.calls.providers import load_llm
    from fgo_kit.runs.run import run

    lock, done = threading.Lock(), [0]

    def count(place, paid):
        with lock:
            done[0] += paid
            if done[0] == 100:
                os.kill(os.getpid(), signal.SIGKILL)

    llm = load_llm("openai:small", base_url=sys.argv[1])
    run(small_bench(n_train=64), llm, log=sys.argv[2], workers=8, on_call=count)
"""


def test_killed_and_run_again_it_finishes_as_if_nothing_had_been(tmp_path):
    bench, path = small_bench(n_train=64), tmp_path / "killed.sqlite"
    with serving(load("small"), latency_ms=2) as server:
        command = [sys.executable, "-c", textwrap.dedent(KILLED), server.openai_url, str(path)]
        here = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(__file__))}
        killed = subprocess.run(command, env=here, capture_output=True, text=True, timeout=120)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        with sqlite3.connect(path) as db:
            logged = db.execute("SELECT count(*) FROM responses").fetchone()[0]
            assert db.execute("SELECT status FROM runs").fetchall() == [("running",)]
        served = server.ledger()["successes"]
        assert 100 <= logged <= served <= logged + 8  # at most those in flight are lost

        from fgo_kit.calls.providers import load_llm

        llm = load_llm("openai:small", base_url=server.openai_url)
        resumed = run(bench, llm, log=path, workers=8)
        with sqlite3.connect(path) as db:
            total = db.execute("SELECT count(*) FROM responses").fetchone()[0]
        assert server.ledger()["successes"] - served == total - logged  # no finished call is asked again
        whole = run(bench, llm, log=tmp_path / "whole.sqlite", workers=8)
    assert same(resumed, whole)
    assert int(resumed.tokens()["paid_calls"].sum()) == total == len(set(whole.calls()["key"]))
    print(
        f"killed after {logged} logged calls ({served} served), resumed with {total - logged}, {total} in all"
    )


@pytest.mark.parametrize("limit", [{"budget_calls": 60}, {"budget_tokens": 40_000}])
def test_a_budget_is_never_exceeded_and_a_larger_one_resumes(bench, tmp_path, limit):
    path = tmp_path / "log.sqlite"
    with pytest.raises(BudgetExceeded, match="larger budget to resume"):
        run(bench, "simulated", log=path, workers=16, **limit)
    with sqlite3.connect(path) as db:
        calls, tokens = db.execute("SELECT count(*), sum(prompt + completion) FROM responses").fetchone()
        assert db.execute("SELECT status FROM runs").fetchall() == [("BudgetExceeded",)]
    [(name, most)] = limit.items()
    assert 0 < (calls if name == "budget_calls" else tokens) <= most
    assert name != "budget_calls" or calls == most  # used up exactly

    resumed = run(bench, "simulated", log=path, workers=16, budget_calls=10_000)
    assert same(resumed, run(bench, "simulated", workers=1))
    with sqlite3.connect(path) as db:
        assert (
            resumed.tokens()["paid_calls"].sum() == db.execute("SELECT count(*) FROM responses").fetchone()[0]
        )


def test_a_budget_counts_what_was_paid_before_the_interruption(bench, tmp_path):
    path = tmp_path / "log.sqlite"
    for limit in (30, 60):
        with pytest.raises(BudgetExceeded):
            run(bench, "simulated", log=path, workers=4, budget_calls=limit)
        assert CallLog(path).calls()["paid"].sum() == limit


def test_an_unfinished_run_keeps_the_name_of_its_error(bench, tmp_path):
    path = tmp_path / "log.sqlite"

    def broken(messages):
        if job_of(messages) == "propose":
            raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        run(bench, Wrapped(load("small"), before=broken), log=path)
    assert CallLog(path).runs()["status"].tolist() == ["ZeroDivisionError"]
    assert same(run(bench, "simulated", log=path), run(bench, "simulated"))


# -- refusing what makes no sense


@pytest.mark.parametrize("choices, says", [
    ({"method": "magic"}, r"method='magic' is unknown; use one of .*'always_none'.*'fgo'"),
    ({"divide": "magic"}, "divide='magic' is unknown"),
    ({"merge": "magic"}, r"merge='magic' is unknown; use one of .*'oneshot', 'pairwise', 'progressive'"),
    ({"gate": "magic"}, r"gate='magic' is unknown; use one of \['hard', 'none', 'soft'\]"),
    ({"n_subsets": 0}, "n_subsets=0"),
    ({"n_subsets": 25}, "n_subsets=25 exceeds the 24 tasks given; use n_subsets <= 24"),
    ({"n_subsets": True}, "n_subsets=True"),
    ({"epochs": 0}, "epochs=0 is not allowed; use a whole number >= 1"),
    ({"epochs": 1.5}, "epochs=1.5"),
    ({"fan_in": 1}, "fan_in=1 is not allowed; use a whole number >= 2"),
    ({"audit": -1}, "audit=-1"),
    ({"seed": -1}, "seed=-1"),
    ({"seed": True}, "seed=True"),
    ({"workers": 0}, "workers=0"),
    ({"budget_calls": -1}, "budget_calls=-1 is not allowed"),
    ({"llm": "simulated:huge"}, "unknown profile 'huge'; use one of small"),
    ({"llm": "telepathy"}, "spec='telepathy' names no LLM"),
])  # fmt: skip
def test_choices_that_make_no_sense_are_refused(bench, choices, says):
    with pytest.raises(ValueError, match=says):
        run(bench, choices.pop("llm", "simulated"), **choices)


def test_splits_that_are_needed_may_not_be_empty(bench):
    with pytest.raises(ValueError, match="gate='hard' needs gate tasks and .* has none; use gate='none'"):
        run(replace(bench, gate=()), "simulated", gate="hard")
    with pytest.raises(ValueError, match="test split .* is empty"):
        run(replace(bench, test=()), "simulated")
    assert run(replace(bench, gate=()), "simulated", n_subsets=2).score >= 0


# -- scores


def refusing(*wanted: Task):
    """The simulated LLM, but for these documents, which its provider will not read."""

    def before(messages):
        if any(task.text[:200] in messages[-1]["content"] for task in wanted) and job_of(messages) == "act":
            raise BadRequest("content policy")

    return Wrapped(load("small"), before)


def test_a_refused_task_is_a_status_and_not_a_wrong_answer(bench):
    whole = run(bench, "simulated", method="base")
    found = run(bench, refusing(bench.test[0]), method="base")
    assert math.isnan(found.scores[bench.test[0].id])
    rest = [score for task, score in whole.scores.items() if task != bench.test[0].id]
    assert found.score == sum(rest) / len(rest)
    assert found.trajectory(bench.test[0].id).reason == "BadRequest: content policy"
    assert found.calls().query("status != 'ok'")["status"].tolist() == ["BadRequest"]
    again = json.loads(to_json(found.state))  # NaN survives the log
    assert sum(math.isnan(j["trajectory"]["score"]) for j in again["record"]) == 1


def test_a_run_without_any_score_is_stopped_and_says_why(bench):
    with pytest.raises(TooManyFailures, match="10 of 10 answers in phase 'test' .*content policy.*What to do"):
        run(bench, refusing(*bench.test), method="base")
    few = replace(bench, test=bench.test[:3])
    with pytest.raises(TooManyFailures, match="3 of 3 answers in phase 'test'"):
        run(few, refusing(*few.test), method="base")


@pytest.mark.parametrize("text, finish, status", [
    ("", "stop", "empty"), (" \n", "stop", "empty"), ("THOUGHT: so\nANSWER:", "stop", "empty"), ("ANSWER: 4", "length", "cut"),
    ("\u200b", "stop", "empty"), ("ANSWER: \u200b", "stop", "empty"), ("THOUGHT: it is 4", "stop", "empty"),
    ("**Thought:** it is 4\nRULES: r1\n", "stop", "empty"),
    ("", "length", "cut"), ("I cannot help with that.", "refusal", "refused"),
])  # fmt: skip
def test_an_answer_that_is_none_is_neither_right_nor_wrong(bench, text, finish, status):
    silent = {task.id for task in bench.test[:2]}

    def after(messages, reply):
        asked = any(bench.start(task).observe() in messages[1]["content"] for task in bench.test[:2])
        return replace(reply, text=text, finish=finish) if job_of(messages) == "act" and asked else reply

    found = run(bench, Wrapped(load("small"), after=after), method="base", max_failures=1)
    assert {task for task, score in found.scores.items() if math.isnan(score)} == silent
    assert found.failures()[["task", "status"]].values.tolist() == [[task, status] for task in sorted(silent)]
    row, (least, most) = found.row(), found.bounds
    assert (row["failed"], row["unusable"], row["score_min"], row["score_max"]) == (2, 0, least, most)
    assert least < found.score < most and f"2 {status}" in repr(found)
    assert found.trajectory(sorted(silent)[0]).status == status and found.trajectory(sorted(silent)[0]).reason


def test_a_whole_answer_before_the_cut_counts(bench):
    def after(messages, reply):
        return replace(reply, text=f"{reply.text}\nAnd that is bec", finish="length") if job_of(messages) == "act" else reply

    found = run(bench, Wrapped(load("small"), after=after), method="base")
    assert found.scores == run(bench, "simulated", method="base").scores and found.failures().empty


class Desks(TinyBench):
    """Two tasks can be open at a time; whoever opens a third waits."""

    at_once = 2

    def start(self, task):
        desks = self.desks
        assert desks.acquire(timeout=5), "it waits for ever for a place"
        environment = super().start(task)
        environment.close = desks.release
        return environment


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_tasks_that_wait_after_a_failure_and_tasks_that_wait_for_a_place_do_not_wait_for_each_other(monkeypatch, workers):
    monkeypatch.setattr(Desks, "desks", threading.BoundedSemaphore(2), raising=False)
    began = time.monotonic()

    def reply(messages):
        return Overloaded("503") if time.monotonic() - began < 0.8 else "four"

    done = run(Desks(test=tasks(8)), ScriptedLLM(reply), method="base", workers=workers)
    assert done.failures().empty and len(done.scores) == 8


def test_without_credit_a_run_stops_at_the_first_call_and_resumes(bench, tmp_path):
    paid = [False]

    def before(messages):
        if not paid[0]:
            error = AuthError("status 402: insufficient credits")
            error.no_credit = True
            raise error

    for workers, most in ((1, 1), (4, 4)):
        llm = Wrapped(load("small"), before=before)
        with pytest.raises(AuthError, match="insufficient credits"):
            run(bench, llm, n_subsets=2, log=tmp_path / "log.sqlite", workers=workers)
        assert len(llm.asked) <= most
    paid[0] = True
    again = run(bench, llm, n_subsets=2, log=tmp_path / "log.sqlite")
    assert again.scores == run(bench, "simulated", n_subsets=2).scores and again.failures().empty


def test_answers_of_the_optimiser_that_cannot_be_used_are_counted(bench):
    def after(messages, reply):
        return replace(reply, text="I would rather not say.") if job_of(messages) == "propose" else reply

    choices = {"method": "all_at_once", "epochs": 1}
    found = run(bench, Wrapped(load("small"), after=after), max_failures=1, **choices)
    assert found.failures()[["phase", "status"]].values.tolist() == [["propose", "unusable"]]
    assert found.row()["unusable"] == 1 and "1 unusable" in repr(found) and not found.module.rules
    with pytest.raises(TooManyFailures, match="1 of 1 answers in phase 'propose'.*keeps to the form"):
        run(bench, Wrapped(load("small"), after=after), **choices)


def test_what_failed_is_asked_again_by_the_same_command(bench, tmp_path):
    lost, path = bench.start(bench.test[3]).observe(), tmp_path / "log.sqlite"
    down = [True]

    def before(messages):
        if down[0] and job_of(messages) == "act" and lost in messages[1]["content"]:
            raise Unreachable("connection reset")

    first = run(bench, Wrapped(load("small"), before=before), method="base", log=path, patience=0.2)
    assert math.isnan(first.scores[bench.test[3].id]) and not first.failures()["lasting"].any()
    down[0] = False
    llm = Wrapped(load("small"), before=before)
    again = run(bench, llm, method="base", log=path)
    assert again.id == first.id and len(llm.asked) == 1 and again.failures().empty
    assert again.scores == run(bench, "simulated", method="base").scores


def made(scores, **state):
    record = [
        Judged(Place("test", task=f"t{i}"), Trajectory(f"t{i}", (), "", s)) for i, s in enumerate(scores)
    ]
    config = {"method": "fgo", "simulated": True}
    return Run("r", config, State(module(), record, [], **state), CallLog(None))


def test_intervals_fit_the_kind_of_score():
    right_or_wrong, graded = made([1.0, 0.0, 1.0, float("nan")]), made([0.5, 0.25, 1.0])
    assert right_or_wrong.score == pytest.approx(2 / 3)
    assert right_or_wrong.ci == pytest.approx((0.2077, 0.9385), abs=1e-4)  # Wilson, 2 of 3
    assert graded.score == pytest.approx(0.5833, abs=1e-4)
    assert 0 <= graded.ci[0] < graded.score < graded.ci[1] <= 1.0


# -- ledgers


def test_the_figures_add_up_to_the_log_by_plain_sql(bench, tmp_path):
    path = tmp_path / "log.sqlite"
    run(bench, "simulated", method="all_at_once", log=path)  # another run in the same file
    found = run(bench, "simulated", gate="soft", counts=True, audit=3, log=path)
    with sqlite3.connect(path) as db:
        rows = db.execute(
            "SELECT c.phase, count(*), sum(r.prompt), sum(r.completion), max(r.prompt), sum(c.paid) FROM calls c "
            "JOIN responses r ON r.key = c.key WHERE c.run_id = ? GROUP BY c.phase", (found.id,),
        ).fetchall()  # fmt: skip
    by_phase = {phase: rest for phase, *rest in rows}
    assert {"rollout", "evaluate", "propose", "merge", "review", "gate", "audit", "test"} <= set(by_phase)
    table = found.tokens().set_index("phase")
    for phase, (calls, prompt, completion, _, paid) in by_phase.items():
        shown = table.loc[phase, ["calls", "prompt", "completion", "paid_calls"]].tolist()
        assert shown == [calls, prompt, completion, paid], phase
    assert set(table.index) == set(by_phase)

    asked = [by_phase[phase] for phase in ("propose", "merge", "review", "repair") if phase in by_phase]
    figures = found.token_figures()
    assert figures["tokens_optimiser"] == sum(prompt for _, prompt, *_ in asked)
    assert figures["tokens_call_max"] == max(most for *_, most, _ in asked)
    assert figures["tokens_call_mean"] == pytest.approx(
        figures["tokens_optimiser"] / sum(n for n, *_ in asked)
    )
    assert figures["tokens_test"] == sum(by_phase["test"][1:3])
    assert figures["tokens_all_in"] == sum(
        p + c for name, (_, p, c, *_) in by_phase.items() if name != "test"
    )
    assert len(found.calls()) == sum(calls for calls, *_ in by_phase.values())


def logged(spans: dict[Place, tuple[float, float]], **state) -> Run:
    """A run whose log holds calls with these times."""
    found = made([1.0], **state)
    for place, (start, end) in spans.items():
        request = asked("simulated:x", "{}", [{"role": "user", "content": str(place)}])
        answer = Response("x", "[]", "stop", 1, 0, 1, 0, "estimate", 0.0, start, end)
        found.log.record("r", place, request, response=answer)
    return found


def test_concurrency_is_work_over_time():
    spans = {Place("rollout", "s1", 1, task=f"t{i}"): (float(i), float(i + 2)) for i in range(4)}
    assert logged(spans).concurrency() == pytest.approx(8 / 5)
    assert math.isnan(logged({}).concurrency())


def test_calls_from_the_cache_are_no_concurrency():
    found = logged({Place("test", task="a"): (0.0, 2.0)})
    again = asked("simulated:x", "{}", [{"role": "user", "content": str(Place("test", task="a"))}])
    found.log.record("r", Place("test", task="b"), again, span=(0.0, 100.0))
    assert found.concurrency() == 1.0


def subset_spans(name, rollout, propose):
    return {
        Place("rollout", name, 1, task="a"): (0, rollout), Place("rollout", name, 1, task="b"): (0, 1),
        Place("evaluate", name, 1, task="a"): (0, 1), Place("propose", name, 1): (0, propose),
    }  # fmt: skip


def test_the_critical_path_is_the_longest_chain():
    leaves = tuple(MergeNode(name, module()) for name in ("s1", "s2", "s3"))
    m1 = MergeNode("m1", module(), leaves[:2], "merged")
    tree = MergeNode("m2", module(), (m1, leaves[2]), "merged")
    spans = {
        **subset_spans("s1", 3, 4),  # 3 + 1 + 4 = 8: the slowest
        **subset_spans("s2", 2, 2),
        **subset_spans("s3", 1, 1),
        Place("merge", node="m1"): (0, 5), Place("repair", node="m1", task="merge"): (0, 2),
        Place("gate", node="m1", task="a"): (0, 1), Place("gate", node="m1<s1", task="a"): (0, 1),
        Place("merge", node="m2"): (0, 1),
        Place("test", task="a"): (0, 2), Place("test", task="b"): (0, 6),
    }  # fmt: skip
    assert logged(spans, merge_tree=tree).critical_path() == pytest.approx(8 + (5 + 2 + 1 + 1) + 1 + 6)


def test_the_critical_path_of_a_chain_is_all_of_it_gates_included():
    spans = {
        **subset_spans("b1", 3, 4), **subset_spans("b2", 1, 1), Place("test", task="a"): (0, 2),
        Place("gate", node="b1e1", task="a"): (0, 7), Place("gate", node="b1e1<", task="a"): (0, 3),
    }  # fmt: skip
    assert logged(spans).critical_path() == pytest.approx(8 + 3 + 2 + 7 + 3)


def test_passes_and_what_a_division_asks_come_one_after_another():
    first = MergeNode("m1", module(), tuple(MergeNode(name, module()) for name in ("s1", "s2")), "merged")
    second = MergeNode("m1p2", module(), tuple(MergeNode(name, module()) for name in ("s1p2", "s2p2")), "merged")
    spans = {
        Place("divide", subset="all", task="a"): (0, 4), Place("divide", subset="all", task="b"): (0, 3),
        **subset_spans("s1", 3, 4), **subset_spans("s2", 1, 1), Place("merge", node="m1"): (0, 5),
        **subset_spans("s1p2", 1, 1), **subset_spans("s2p2", 2, 3), Place("merge", node="m1p2"): (0, 2),
        Place("gate", node="m1p2<s1p2", task="a"): (0, 1), Place("test", task="a"): (0, 7),
    }  # fmt: skip
    chain = {name: logged(subset_spans(name, *spans)).critical_path() for name, spans in (("s1", (3, 4)), ("s2p2", (2, 3)))}
    expected = 4 + chain["s1"] + 5 + chain["s2p2"] + (2 + 1) + 7
    found = logged(spans, merge_tree=second)
    found = replace(found, state=replace(found.state, earlier=(first,)))
    assert found.critical_path() == pytest.approx(expected)


def test_a_run_shows_its_three_axes_on_one_line():
    spans = {
        **subset_spans("b1", 3, 4), Place("test", task="a"): (0, 2), **{Place("test", task=f"t{n}"): (0, 1) for n in range(27)},
    }  # fmt: skip
    found = logged(spans)  # 32 calls: a rollout, its evaluation, the proposal and the test wait, the others need not
    named = {"benchmark": "b", "llm": "simulated:x", "seed": 0}
    found = replace(found, config=found.config | named)
    shown, figures = repr(found), found.token_figures()
    assert "test score" in shown and f"{figures['tokens_all_in']:,} tokens without the test" in shown and "\n" not in shown
    assert "critical path 4 of 32 calls (8 s at 2 s each; 12 s with 16 workers)" in shown  # 2 * (4 + 28 / 16) = 11.5
    assert shown in html.unescape(found._repr_html_())


def test_turns_of_one_rollout_wait_for_each_other():
    spans = {Place("test", task="a", turn=turn): (turn, turn + 1) for turn in range(3)} | {
        Place("test", task="b"): (0, 2)
    }
    assert logged(spans).critical_path() == pytest.approx(3)


def test_the_chain_of_a_real_run_is_shorter_than_all_its_calls(bench):
    found = run(bench, "simulated", n_subsets=4, workers=1)
    assert 0 < found.critical_path() < found.calls()["seconds"].sum()
    assert found.row()["chain"] == found.critical_path("calls")


# -- tables


def test_tables_of_a_run(bench):
    found = run(bench, "simulated", method="fgo", counts=True, review=True, audit=4, n_subsets=4)
    trajectories = found.trajectories()
    assert set(trajectories["phase"]) == {"rollout", "audit", "test"}
    assert len(trajectories.query("phase == 'rollout'")) == 48
    assert trajectories.query("phase == 'rollout'")["feedback"].str.len().gt(0).all()
    rules = found.rules()
    assert set(rules.query("final")["rule"]) >= {rule.id for rule in found.module.rules}
    assert (rules["n_support"] == rules["support"].map(len)).all()
    merges = found.merges()
    assert len(merges) == 3 and merges["decision"].isin(["merged", "failed"]).all()
    ruled = [ruling["rule"] for rulings in merges["rulings"] for ruling in rulings]
    assert ruled and rules[rules["why"] != ""]["fate"].isin(["merged", "dropped"]).all() and set(rules[rules["why"] != ""]["rule"]) <= set(ruled)
    assert [len(votes) > 0 for votes in merges["votes"]] == [False, False, True]  # the last merge is reviewed
    with pytest.raises(KeyError, match="no trajectory of task 'nobody' in phase 'test'"):
        found.trajectory("nobody")


def test_rules_that_name_each_other_as_parents_and_many_generations_have_a_table():
    def generation(at, *parents):
        return Rule(f"r{at}", "a rule", ("t",), origin=f"s{at}", parents=parents)

    circle = Module((Component("rules", "", (generation(1, "r2"), generation(2, "r1"), generation(3, "r3"))),))
    assert rule_table([], circle)["subsets"].tolist() == [[], [], ["s3"]]
    line = Module((Component("rules", "", tuple(generation(at, f"r{at - 1}", f"r{at - 2}") for at in range(400))),))
    assert rule_table([], line)["subsets"].tolist()[-1] == ["s0"]


def test_a_run_without_rules_has_empty_tables_with_their_columns(bench):
    found = run(bench, "simulated", method="base")
    assert found.rules().empty and "support" in found.rules()
    assert found.merges().empty and "decision" in found.merges()


def test_shortcut_baselines_ask_nobody(bench):
    asleep = Wrapped(load("small"), before=refuse)
    found = run(bench, asleep, method="always_none")
    assert not asleep.asked
    assert found.score == np.mean([task.answer == "None" for task in bench.test])


def test_every_call_is_told(bench):
    told = []
    found = run(
        bench,
        "simulated",
        method="base",
        on_call=lambda place, paid: told.append((place.task, paid)),
        workers=1,
    )
    assert told == [(task.id, True) for task in bench.test] and len(found.calls()) == len(told)
