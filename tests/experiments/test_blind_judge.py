"""A simulated judge without the right answers: how often it errs, and what is learnt from its verdicts."""

import numpy as np
import pandas as pd
import pytest
from helpers import small_bench

from fgo_kit import compare
from fgo_kit.algorithm import prompts
from fgo_kit.calls.providers import load_llm
from fgo_kit.experiments.without_gold import METHODS, SUFFIX, judging, lost, variants
from fgo_kit.records import Feedback, Step, Trajectory
from fgo_kit.simulate.model import SimulatedLLM


def played(task, answer):
    return Trajectory(task.id, (Step(task.text, f"THOUGHT: so\nANSWER: {answer}"),), answer, float(answer == task.answer))


@pytest.mark.parametrize("profile", ["small", "null"])
def test_verdicts_err_at_the_published_rates(profile):
    bench, llm = small_bench(n_train=64), load_llm(f"simulated:{profile}")
    judge, rates = judging(llm, bench), {"tpr": [], "fpr": []}
    for sample in range(20):
        for task in bench.train:
            for answer, kept in ((task.answer, rates["tpr"]), ("another", rates["fpr"])):
                reply = judge.complete(prompts.evaluate(task, played(task, answer), gold=False), sample=sample)
                kept.append(prompts.parse_verdict(reply.text))
    for name, found in rates.items():
        expected = getattr(llm.limits, name)
        assert abs(np.mean(found) - expected) < 4 * np.sqrt(expected * (1 - expected) / len(found)) + 1e-9, name


def test_what_is_called_right_is_taken_for_right_and_nothing_is_learnt_of_the_rest(monkeypatch):
    bench, sent = small_bench(n_train=8), []
    judged = [(task, played(task, "AB<12"), Feedback(task.id, verdict, "said", blind=True))
              for task, verdict in zip(bench.train, [1.0, 0.0] * 4, strict=True)]  # fmt: skip
    messages = prompts.propose(bench.seed_module, judged)
    assert "<expected>" not in messages[-1]["content"]
    monkeypatch.setattr(SimulatedLLM, "complete", lambda self, messages: sent.append(messages[-1]["content"]))
    judging(load_llm("simulated:null"), bench).complete(messages)
    assert sent[0].count("<expected>\nAB<12\n</expected>") == 4
    assert sent[0].count('score="0"') == 8
    as_it_was = sent[0].replace("\n<expected>\nAB<12\n</expected>", "")
    assert as_it_was == messages[-1]["content"].replace('score="1"', 'score="0"')


def test_methods_learn_from_verdicts_alone():
    bench, llm = small_bench(n_train=16, n_test=16), load_llm("simulated:null")
    told = compare(bench, llm, variants(gold=True), seeds=[0, 1])
    blind = compare(bench, judging(llm, bench), variants(gold=False), seeds=[0, 1])
    rows = pd.concat([told, blind], ignore_index=True)
    assert (rows["status"] == "ok").all()
    assert (blind["rules"] > 0).any()
    table = lost(rows.assign(llm=llm.name))
    assert table["method"].tolist() == [name + SUFFIX for name in METHODS]
