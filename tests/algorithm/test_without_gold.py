"""gold=False: the evaluator's verdict takes the place of the score in all that is learnt."""

import json
import re
from dataclasses import replace

import pytest
from helpers import ScriptedLLM, TinyBench, context, job_of, small_bench, take_over_all, tasks

import fgo_kit as fgo
from fgo_kit.algorithm import gepa_peer, prompts
from fgo_kit.algorithm.optimize import explore
from fgo_kit.algorithm.settings import Settings
from fgo_kit.calls.log import Place
from fgo_kit.calls.protocol import TooManyFailures
from fgo_kit.runs.run import run

TASKS = tasks(4)
RULE = "Say the number of the document."


def judge_of(verdicts):
    """An agent that is right on even tasks, a judge with these verdicts by task id, an optimiser of one rule."""

    def reply(messages):
        if len(messages) == 1:  # GEPA's own prompt
            return "```\nDo the task well.\n```"
        text = messages[1]["content"]
        if "VERDICT" in messages[0]["content"]:
            return verdicts[re.search(r'task="(\w+)"', text)[1]]
        if job_of(messages) == "propose":
            return json.dumps({"edits": [] if RULE in text else [{"op": "add", "text": RULE, "support": ["t0"]}]})
        if job_of(messages) == "merge":
            return take_over_all(messages)
        number = re.search(r"number (\d)", text)[1]
        right = int(number) % 2 == 0
        cited = "RULES: " + (re.search(r"\[(\S+)\]", messages[0]["content"]) or ["", "none"])[1] + "\n"
        return f"THOUGHT: counted\n{cited}ANSWER: {'answer ' + number if right else 'unknown'}"

    return ScriptedLLM(reply)


def learnt(llm, **choices):
    bench = TinyBench(train=TASKS, test=tasks(2, "x"))
    return run(bench, llm, **{"method": "all_at_once", "gold": False, "epochs": 1, "workers": 1, **choices})


WRONG = {f"t{n}": "VERDICT: wrong\nThe agent guessed." for n in range(4)}


def test_neither_evaluator_nor_optimiser_sees_score_or_answer():
    llm = judge_of(WRONG)
    learnt(llm)
    of_training = [m for m in llm.asked if "<trajectory" in m[1]["content"]]
    assert [job_of(m) for m in of_training] == ["act"] * 4 + ["propose"]  # a judge's prompt has no tag of its own
    for messages in of_training:
        assert "<expected>" not in messages[1]["content"] and "expected" not in messages[0]["content"]
    assert all("score=" not in m[1]["content"] for m in of_training[:4])
    assert re.findall(r'score="(.)"', of_training[-1][1]["content"]) == list("0000")


def test_the_verdict_is_what_counts_in_learning_and_the_scorer_in_the_test():
    found = learnt(judge_of(WRONG | {"t1": "Verdict: right, as far as one can see"}), counts=True, passes=2)
    (rule,) = found.module.rules
    assert (rule.right, rule.wrong) == (1, 3)  # the scorer would have said 2 and 2
    assert found.scores == {"x0": 1.0, "x1": 0.0}


def test_an_answer_without_verdict_is_unusable_and_its_trajectory_is_not_shown():
    llm = judge_of(WRONG | {"t2": "I cannot say."})
    found = learnt(llm, max_failures=0.5)
    failures = found.failures()
    assert failures["status"].tolist() == ["unusable"] and "VERDICT" in failures["reason"].iloc[0]
    (proposing,) = [m for m in llm.asked if job_of(m) == "propose"]
    assert sorted(re.findall(r'task="(\w+)"', proposing[1]["content"])) == ["t0", "t1", "t3"]


def test_what_is_judged_is_clipped_to_the_window():
    llm = judge_of(WRONG)
    ctx = context(llm, TinyBench(train=TASKS), gold=False)
    lines = explore(ctx, ctx.bench.seed_module, TASKS, Place("rollout", subset="s1", epoch=1))
    assert [feedback.score for _, _, feedback in lines] == [0.0] * 4 and all(f.blind for _, _, f in lines)
    clipped = prompts.evaluate(TASKS[0], lines[0][1], 4, gold=False)[1]["content"]
    assert "characters are left out here" in clipped


def test_choices_that_contradict_it_are_refused():
    with pytest.raises(ValueError, match="audit=8 scores training tasks, which gold=False rules out; use review=True"):
        Settings(audit=8, gold=False)
    with pytest.raises(ValueError, match="gold='no' is not allowed; use True or False"):
        Settings(gold="no")


def test_the_simulated_evaluator_says_that_it_cannot_judge():
    with pytest.raises(TooManyFailures, match="cannot judge without the expected answer; gold=False needs a model"):
        fgo.run(small_bench(), "simulated", gold=False, n_subsets=2)


def test_the_bill_of_such_a_run_can_be_estimated():
    blind, told = (fgo.estimate(small_bench(), "openai:gpt-5-mini", gold=gold, n_subsets=2) for gold in (False, True))
    assert blind["calls"] == told["calls"] > 0


def test_no_method_shows_the_right_answer_of_a_training_task(tmp_path):
    """Those that compare with GEPA's package too, where it is installed; few_shot demonstrates them by its nature."""
    secret = tuple(replace(task, answer=f"secret {n}") for n, task in enumerate(TASKS))
    bench = TinyBench(train=secret, gate=tasks(2, "g"), test=tasks(2, "x"))
    methods = {"all_at_once", "bootstrapping", "fgo", "combee"} | ({"gepa"} if gepa_peer.version() else set())
    for method in methods:
        llm, log = judge_of(WRONG), tmp_path / f"{method}.sqlite"
        llm.simulated, llm.name = False, "own:model"  # a real model is shown GEPA's own prompt
        run(bench, llm, method=method, gold=False, epochs=1, n_subsets=2, workers=1, max_failures=1.0, log=log)
        assert llm.asked and "secret" not in str(llm.asked), method


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("VERDICT: right", 1.0), ("**Verdict**: **wrong**\nIt is right that...", 0.0), ("verdict：right", 1.0),
        ("The verdict: is unclear", None), ("right", None), ("", None), ("VERDICT: rightly so", None),
    ],
)  # fmt: skip
def test_verdicts_are_read_in_the_forms_models_write(text, verdict):
    assert prompts.parse_verdict(text) == verdict
