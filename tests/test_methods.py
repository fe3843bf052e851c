"""FGO and its baselines: what each explores, in which order, and what none of them may see."""

import json
from dataclasses import replace

import pytest
from helpers import ScriptedLLM, TinyBench, context, job_of, module, small_bench, tasks

from fgo_kit import methods
from fgo_kit.calllog import CallLog
from fgo_kit.methods import METHODS
from fgo_kit.records import Rule
from fgo_kit.run import run

ALL = ["base", "all_at_once", "bootstrapping", "fgo"]


@pytest.fixture(scope="module")
def bench():
    return small_bench(n_train=24)


@pytest.fixture(scope="module")
def runs(bench):
    return {name: run(bench, "simulated", method=name, n_subsets=4, workers=1) for name in ALL}


def test_base_learns_nothing_and_costs_nothing(bench, runs):
    base = runs["base"]
    assert base.module == bench.seed_module and base.division is base.merge_tree is None
    assert base.tokens()["phase"].tolist() == ["test"]
    assert base.token_figures()["tokens_all_in"] == 0


@pytest.mark.parametrize("name", ALL[1:])
def test_every_method_learns_rules_from_the_training_tasks(bench, runs, name):
    found = runs[name]
    train = {task.id for task in bench.train}
    assert found.module.rules
    assert all(set(rule.support) <= train for rule in found.module.rules)
    assert sorted(t for subset in found.division.subsets for t in subset) == sorted(train)
    assert len(found.scores) == len(bench.test)


def test_methods_are_compared_at_the_same_rollouts(bench, runs):
    for name in ALL[1:]:
        calls = runs[name].calls()
        explored = calls[calls["phase"] == "rollout"]
        assert len(explored) == 2 * len(bench.train)
        assert explored.groupby("task").size().eq(2).all()
        assert (calls["phase"] == "evaluate").sum() == 2 * len(bench.train)


def test_one_subset_four_batches_four_subsets(runs):
    assert [len(runs[name].division) for name in ALL[1:]] == [1, 4, 4]
    asked = {name: runs[name].calls()["phase"].tolist().count("propose") for name in ALL[1:]}
    assert asked == {"all_at_once": 2, "bootstrapping": 8, "fgo": 8}
    assert len(runs["fgo"].merges()) == 3


def test_the_order_of_all_at_once_is_drawn_from_the_seed(bench):
    orders = [
        run(bench, "simulated", method="all_at_once", seed=s, workers=1).division.subsets[0]
        for s in (0, 0, 1)
    ]
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != tuple(task.id for task in bench.train)


def one_rule_a_proposal():
    """Every proposal adds a rule that says which tasks it saw."""

    def reply(messages):
        job, text = job_of(messages), messages[-1]["content"]
        if job == "propose":
            seen = [f"t{i}" for i in range(9) if f'task="t{i}"' in text]
            return json.dumps({"edits": [{"op": "add", "text": f"seen {' '.join(seen)}", "support": seen}]})
        return "ANSWER: x"

    return ScriptedLLM(reply)


def test_batches_start_from_the_module_before_and_subsets_from_the_seed_module():
    bench = TinyBench(train=tasks(4), seed_module=module(Rule("seed", "be careful")))
    llm = one_rule_a_proposal()
    found = METHODS["bootstrapping"](context(llm, bench, n_subsets=2, divide="random"))
    shown = [messages[1]["content"].count("\n[") for messages in llm.asked if job_of(messages) == "propose"]
    assert shown == [1, 2, 3, 4]
    assert [rule.origin for rule in found.module.rules] == ["seed", "b1/e1", "b2/e1", "b1/e2", "b2/e2"]

    llm = one_rule_a_proposal()
    ctx = context(llm, bench, n_subsets=2, divide="random", epochs=1)
    with (
        pytest.MonkeyPatch.context() as patch
    ):  # leaves only: what they are merged into is not the point here
        patch.setattr(methods, "merge", lambda ctx, leaves, strategy: leaves[1])
        found = METHODS["fgo"](ctx)
    assert [rule.origin for rule in found.module.rules] == ["seed", "s2/e1"]


def test_an_empty_training_split_is_an_error(bench):
    for name in ALL[1:]:
        with pytest.raises(ValueError, match="training split .*empty"):
            run(replace(bench, train=()), "simulated", method=name)


@pytest.mark.parametrize("name", ["all_at_once", "bootstrapping"])
def test_a_gate_holds_for_baselines_too(name):
    def reply(messages):
        if job_of(messages) == "propose":
            return json.dumps({"edits": [{"op": "add", "text": "harmful rule"}]})
        return (
            "ANSWER: x"
            if "harmful" in messages[0]["content"]
            else f"ANSWER: answer {messages[1]['content'].split()[3]}"
        )

    bench = TinyBench(train=tasks(4), gate=tasks(3, "g"))
    ctx = context(ScriptedLLM(reply), bench, gate="hard", n_subsets=2, divide="random")
    assert METHODS[name](ctx).module == module()
    assert (
        METHODS[name](context(ScriptedLLM(reply), bench, gate="none", n_subsets=2, divide="random")).module
        != module()
    )


@pytest.mark.parametrize("name", ALL[1:])
def test_the_search_never_sees_the_test_split_and_the_gate_only_at_gates(bench, name):
    log = CallLog(None)
    found = run(bench, "simulated", method=name, gate="hard", counts=True, audit=4, log=log, workers=1)
    seen = {}
    for phase, key in found.calls()[["phase", "key"]].itertuples(index=False):
        seen.setdefault(phase, []).append("\n".join(m["content"] for m in log.messages_of(key)))
    assert {"rollout", "evaluate", "propose", "gate", "test"} <= set(seen)

    def holds(phase, split):
        texts = [bench.start(task).observe() for task in split]
        return sum(text in prompt for prompt in seen.get(phase, []) for text in texts)

    for phase in set(seen) - {"test"}:
        assert holds(phase, bench.test) == 0, phase
    for phase in set(seen) - {"gate"}:
        assert holds(phase, bench.gate) == 0, phase
    assert holds("test", bench.test) == len(bench.test)  # it would have been found
    assert holds("gate", bench.gate) > 0 and holds("propose", bench.train) > 0
    assert not any(
        "<expected>" in prompt
        for phase in ("rollout", "gate", "test", "audit")
        for prompt in seen.get(phase, [])
    )


def test_a_method_of_the_user_is_found_by_its_name(bench, monkeypatch):
    monkeypatch.setitem(METHODS, "lucky", None)  # taken out again after the test

    @methods.method
    def lucky(ctx):
        return methods.Outcome(module(Rule("r1", "If no other rule applies, answer None.")))

    found = run(bench, "simulated", method="lucky")
    assert set(j.trajectory.answer for j in found.state.record) == {"None"}
