"""What a merge tree says: shared rules, rules kept by support, gates that were right or wrong."""

import re

import numpy as np
import pandas as pd
import pytest
from helpers import ScriptedLLM, TinyBench, module, small_bench, tasks
from made_rows import SEEDS, noisy, rows_of

from fgo_kit.calls.providers import load_llm
from fgo_kit.experiments import details, merging
from fgo_kit.records import MergeNode, Rule
from fgo_kit.runs.run import run


def leaf(name, *rules):
    return MergeNode(name, module(*rules), tasks=(f"task of {name}",))


def test_overlap_counts_a_subset_s_rules_that_another_has_too():
    a, b = Rule("a", "Look  in the fridge."), Rule("b", "look in the fridge.")
    c, d = Rule("c", "Open it."), Rule("d", "Close it.")
    assert details.rule_overlap([module(a, c), module(b, d)]) == 0.5
    assert details.rule_overlap([module(a, b), module(c)]) == 0.0  # twice in one subset is no overlap
    assert np.isnan(details.rule_overlap([module(a, c)])) and np.isnan(details.rule_overlap([module(), module()]))


def test_rules_live_on_as_themselves_or_in_rules_that_name_them():
    one, two = Rule("s1.1", "one", ("t1",)), Rule("s1.2", "two", ("t1", "t2"))
    three, four = Rule("s2.1", "three", ("t3",)), Rule("s3.1", "four", tuple("abcd"))
    five = Rule("s3.2", "five")
    united = Rule("m1.1", "one or three", ("t1", "t3"), parents=("s1.1", "s2.1"))
    reworded = Rule("m1.2", "two, reworded", ("t1", "t2"), parents=("s1.2",))  # and dropped by the next merge
    m1 = MergeNode("m1", module(united, reworded), (leaf("s1", one, two), leaf("s2", three)), "merged")
    again = Rule("m2.1", "all", ("t1", "t3", *"abcd"), parents=("m1.1", "s3.1"))
    root = MergeNode("m2", module(again), (m1, leaf("s3", four, five)), "merged")
    counts = details.kept_by_support(root)
    assert counts == {"1": [2, 2], "2-3": [1, 0], "4+": [1, 1], "unknown": [1, 0]}
    refused = MergeNode("m2", m1.module, (m1, leaf("s3", four, five)), "kept m1")
    assert details.kept_by_support(refused)["4+"] == [1, 0]
    assert details.kept_by_support(None)["1"] == [0, 0]


def test_a_method_without_merges_has_empty_columns():
    bench = small_bench(n_train=8, n_test=4)
    found = details.details(run(bench, "simulated", method="all_at_once"), bench, load_llm("simulated"))
    assert np.isnan(found["overlap"]) and found["leaf_rules"] == 0 and found["gated"] == []


GATED = TinyBench(train=tasks(4), gate=tasks(6, "g"), test=tasks(5, "x"))


def answers_by_rules(gate_right, test_right):
    """An agent that is right on gate tasks as `gate_right(rules)` says, on test tasks as `test_right(rules)` does."""

    def reply(messages):
        user = messages[1]["content"]
        if "<union>" in user:
            [shown] = re.findall(r"\[(\S+)\] rule of a subset", user)
            return f'{{"edits": [{{"op": "revise", "id": "{shown}", "text": "MERGED rule"}}]}}'
        if "<trajectories>" in user:
            return '{"edits": [{"op": "add", "text": "rule of a subset", "support": []}]}'
        if "<expected>" in user:
            return "feedback"
        number, kind = user.split("number ")[1].split()[0], user.split(" of ")[1].split()[0]
        right = {"g": gate_right, "x": test_right}.get(kind, lambda rules, number: False)
        return f"ANSWER: {'answer ' + number if right(messages[0]['content'], int(number)) else 'wrong'}"

    return ScriptedLLM(reply)


@pytest.mark.parametrize("merged_right_on_test, expected", [(True, 1.0), (False, -1.0)])
def test_a_refusal_is_judged_on_the_test_split(merged_right_on_test, expected):
    llm = answers_by_rules(
        lambda rules, number: "MERGED" not in rules,  # the gate sees the merge do harm
        lambda rules, number: ("MERGED" in rules) == merged_right_on_test,
    )
    done = run(GATED, llm, method="fgo", n_subsets=2, divide="random", epochs=1, gate="hard", workers=1)
    calls = len(done.calls())
    (decision,) = details.gate_decisions(done, GATED, llm)
    assert decision == {"node": "m1", "accepted": False, "gate": -1.0, "test": expected}
    assert len(done.calls()) == calls  # outside the run's own log
    decisions = merging.gate_rows(pd.DataFrame([done.row() | {"gated": [decision]}]))
    table = merging.gate_table(decisions)
    assert table["right"].tolist() == [float(expected < 0)] and table["candidates"].tolist() == ["refused"]


def test_an_accepted_candidate_is_judged_too_and_nothing_without_a_gate():
    llm = answers_by_rules(lambda rules, number: "MERGED" in rules, lambda rules, number: number < 2)
    done = run(GATED, llm, method="fgo", n_subsets=2, divide="random", epochs=1, gate="hard", workers=1)
    assert details.gate_decisions(done, GATED, llm) == [{"node": "m1", "accepted": True, "gate": 1.0, "test": 0.0}]
    llm.simulated = False  # a real model's test rollouts would be paid for
    assert np.isnan(details.gate_decisions(done, GATED, llm)[0]["test"])
    free = run(GATED, llm, method="fgo", n_subsets=2, divide="random", epochs=1, workers=1, log=None)
    assert details.gate_decisions(free, GATED, llm) == []


def test_kept_rules_and_gates_by_hand():
    kept = {"1": [4, 1], "2-3": [0, 0], "4+": [2, 2], "unknown": [0, 0]}
    rows = rows_of({"fgo": noisy(0.5)}, kept_by_support=lambda method, seed: kept)
    table = merging.kept_table(rows)
    assert table["support"].tolist() == ["1", "4+"] and table["rules"].tolist() == [32, 16]
    assert table["share"].tolist() == [0.25, 1.0]
    decisions = pd.DataFrame([
        {"llm": "l", "method": "fgo", "seed": seed, "constants": "c", "kind": "hard", "node": "m1",
         "accepted": False, "gate": -0.1, "test": 0.1 if seed == 0 else -0.1} for seed in SEEDS
    ])  # fmt: skip
    judged = merging.gate_table(decisions)
    assert judged["right"][0] == 7 / 8 and merging.show_gates(judged)["right, %"][0].startswith("87.5 [")
    assert merging.gate_table(decisions.assign(test=0.0))["right"][0] == 0.5
    unknown = merging.gate_table(decisions.assign(test=np.nan))
    assert merging.show_gates(unknown)["right, %"].tolist() == [""]
    assert merging.gate_table(decisions.assign(accepted=True))["candidates"].tolist() == ["accepted"]
    figure = merging.plot_gates(decisions, "a title")
    assert [ax.get_title() for ax in figure.axes] == ["hard gate"]
