"""GEPA as a peer: the same splits, no more rollouts than it is given, every token in the ledger."""

import sys
from dataclasses import replace

import pytest
from helpers import ScriptedLLM, TinyBench, Wrapped, context, job_of, small_bench, tasks

from fgo_kit.algorithm.registry import METHODS
from fgo_kit.calls.log import CallLog
from fgo_kit.calls.protocol import BadRequest, BudgetExceeded, ContextOverflow, TooManyFailures
from fgo_kit.runs.run import run
from fgo_kit.simulate.model import load

pytest.importorskip("gepa", reason="needs the optional package gepa: pip install gepa")


@pytest.fixture(scope="module")
def bench():
    return small_bench(n_train=48, n_test=8, n_gate=12)


@pytest.fixture(scope="module")
def log():
    return CallLog(None)


@pytest.fixture(scope="module")
def found(bench, log):
    return run(bench, "simulated:large", method="gepa", log=log, workers=4)


def test_it_learns_rules_with_support_from_the_training_tasks(bench, found):
    train = {task.id for task in bench.train}
    assert found.module.rules and all(rule.support and set(rule.support) <= train for rule in found.module.rules)
    assert len(found.scores) == 8 and found.division is None and found.merge_tree is None
    assert found.rules()["rule"].tolist() == [rule.id for rule in found.module.rules]


@pytest.mark.parametrize("epochs, passes", [(1, 1), (2, 1), (1, 3)])
def test_it_never_has_more_rollouts_than_the_other_methods(bench, epochs, passes):
    calls = run(bench, "simulated", method="gepa", epochs=epochs, passes=passes, workers=1).calls()
    spent = calls["phase"].isin(["rollout", "gate"]).sum()
    assert epochs * passes * 48 * 0.6 <= spent <= epochs * passes * 48


def test_all_it_asks_stands_in_the_ledger(found, bench, log):
    calls = found.calls()
    assert calls["place"].is_unique and set(calls["phase"]) == {"rollout", "gate", "evaluate", "propose", "test"}
    assert int(found.tokens()["prompt"].sum()) == int(calls["prompt"].sum())
    recorded = found.trajectories()
    for phase in ("rollout", "gate", "test"):
        assert (recorded["phase"] == phase).sum() == (calls["phase"] == phase).sum()
    assert (recorded["feedback"] != "").sum() == (calls["phase"] == "evaluate").sum()


def test_the_splits_are_kept_apart(found, bench, log):
    for phase, split in (("rollout", bench.train), ("gate", bench.gate), ("test", bench.test)):
        rows = found.trajectories()
        assert set(rows.loc[rows["phase"] == phase, "task"]) <= {task.id for task in split}
    proposals = found.calls().query("phase == 'propose'")["key"]
    shown = "\n".join(m["content"] for key in proposals for m in log.messages_of(key))
    assert any(bench.start(task).observe() in shown for task in bench.train)
    assert not any(bench.start(task).observe() in shown for task in (*bench.gate, *bench.test))


def test_workers_and_repetition_change_nothing(bench, found):
    again = run(bench, "simulated:large", method="gepa", workers=1)
    assert again.id == found.id and again.module == found.module and again.scores == found.scores
    assert again.token_figures() == found.token_figures()
    other = run(bench, "simulated:large", method="gepa", workers=1, seed=1)
    assert other.id != found.id


def test_without_a_gate_split_it_validates_on_training_tasks(bench):
    found = run(replace(bench, gate=()), "simulated:large", method="gepa", workers=1)
    assert set(found.calls()["phase"]) == {"rollout", "evaluate", "propose", "test"} and found.calls()["place"].is_unique


def test_a_real_model_is_asked_with_its_own_prompt():
    def reply(messages):
        if len(messages) == 1:  # GEPA's reflection
            return "Here it is:\n```\nAnswer by the secret.\n```"
        if job_of(messages) == "evaluate":
            return "it did not use the secret"
        number = messages[1]["content"].split("document number ")[1].split()[0]
        return f"ANSWER: answer {number}" if "secret" in messages[0]["content"] else "ANSWER: no"

    llm = ScriptedLLM(reply, name="scripted")
    llm.simulated = False
    ctx = context(llm, TinyBench(train=tasks(24), gate=tasks(6, "g")))
    module = METHODS["gepa"](ctx).module
    assert str(module) == "Answer by the secret."
    reflected = [messages[0]["content"] for messages in llm.asked if len(messages) == 1]
    assert reflected and all("it did not use the secret" in text and "answer " in text for text in reflected)
    assert ctx.meter.log.calls()["phase"].tolist().count("propose") == len(reflected)


@pytest.mark.parametrize("where, error", [("propose", ContextOverflow), ("evaluate", BudgetExceeded), ("act", BudgetExceeded)])
def test_an_error_ends_the_run_and_is_not_taken_for_a_result(bench, where, error):
    """On its own GEPA goes on when a reflection fails, spends its whole budget and returns the seed prompt."""

    def before(messages):
        if job_of(messages) == where:
            raise error("no more")

    llm = Wrapped(load("large"), before=before)
    with pytest.raises(TooManyFailures if error is ContextOverflow else error):
        run(bench, llm, method="gepa", workers=1)
    assert len([m for m in llm.asked if job_of(m) == "act"]) < 48


def test_a_failed_rollout_counts_as_wrong_for_it_and_as_failed_in_the_record(bench):
    lost = bench.start(bench.train[0]).observe()

    def before(messages):
        if job_of(messages) == "act" and lost in messages[1]["content"]:
            raise BadRequest("no")

    found = run(bench, Wrapped(load("large"), before=before), method="gepa", workers=1)
    table = found.trajectories()
    failed = table[table["task"] == bench.train[0].id]
    assert failed["status"].eq("failed").all() and failed["score"].isna().all()
    assert len(failed) >= 1 or bench.train[0].id not in set(table["task"])


def test_it_says_what_is_missing(bench, monkeypatch):
    monkeypatch.setitem(sys.modules, "gepa.api", None)
    with pytest.raises(ImportError, match="method='gepa' needs the package gepa, .*pip install gepa"):
        run(bench, "simulated", method="gepa")


def test_an_empty_training_split_is_an_error(bench):
    with pytest.raises(ValueError, match="training split .*empty"):
        run(replace(bench, train=()), "simulated", method="gepa")
