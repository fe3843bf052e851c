"""Learning from logged traces: no rollout is made, and what is learnt is what a run learns from the same trajectories."""

import json
import math

import pytest
from helpers import ScriptedLLM, context, job_of, small_bench, tasks

import fgo_kit as fgo
from fgo_kit.algorithm.registry import METHODS
from fgo_kit.algorithm.rollout import rollouts
from fgo_kit.calls.log import Place
from fgo_kit.records import Step, Trajectory


@pytest.fixture
def logged(tmp_path):
    """A run of one epoch, and its trajectories read back from its log."""
    bench = small_bench(n_train=8, n_test=4, n_gate=0)
    run = fgo.run(bench, "simulated", method="fgo", n_subsets=2, epochs=1, log=tmp_path / "one.sqlite")
    return bench, run, fgo.read_traces(tmp_path / "one.sqlite")


@pytest.mark.parametrize("method", ["fgo", "all_at_once", "bootstrapping", "combee"])
def test_a_run_with_its_own_rollouts_as_traces_learns_the_same_without_making_them(tmp_path, method):
    bench = small_bench(n_train=8, n_test=4, n_gate=0)
    rolled = fgo.run(bench, "simulated", method="base", log=tmp_path / "none.sqlite")
    fresh = fgo.run(bench, "simulated", method=method, n_subsets=1, epochs=1, log=tmp_path / f"{method}.sqlite")
    traces = fgo.read_traces(tmp_path / f"{method}.sqlite")
    again = fgo.run(bench, "simulated", method=method, n_subsets=1, epochs=1, traces=traces)
    assert again.module == fresh.module and again.score == fresh.score and again.id != fresh.id
    assert set(again.tokens()["phase"]) == set(fresh.tokens()["phase"]) - {"rollout"} and rolled.score == rolled.score


def test_only_the_first_epoch_comes_from_the_log(logged):
    bench, _, traces = logged
    run = fgo.run(bench, "simulated", method="fgo", n_subsets=2, epochs=2, traces=traces)
    calls = run.calls()
    assert set(calls.loc[calls["phase"] == "rollout", "epoch"]) == {2}


def test_divisions_that_survey_the_base_agent_use_the_log(logged):
    bench, _, traces = logged
    run = fgo.run(bench, "simulated", divide="failure", n_subsets=2, epochs=1, traces=traces)
    assert "divide" not in set(run.tokens()["phase"]) and len(run.division) == 2


def test_learn_makes_no_rollout_and_says_that_there_is_no_score(logged):
    bench, run, traces = logged
    learnt = fgo.learn(traces, "simulated", n_subsets=1)
    assert set(learnt.tokens()["phase"]) <= {"evaluate", "propose", "merge", "review", "repair"} and learnt.module.rules and run.module.rules
    assert math.isnan(learnt.score) and learnt.scores == {} and "no test split, so no score" in repr(learnt)
    assert learnt.config["epochs"] == 1 and {t.task_id for t in traces} == {i for ids in learnt.division.subsets for i in ids}
    assert learnt.row()["score"] != learnt.row()["score"]
    for rule in learnt.module.rules:
        assert rule.support and set(rule.support) <= set(traces.tasks)


def test_learn_takes_a_path_and_own_instructions(tmp_path, logged):
    learnt = fgo.learn(tmp_path / "one.sqlite", "simulated", method="all_at_once", instructions="Find the reference.")
    assert learnt.module.components[0].preamble == "Find the reference."


def chats(folder, *rows):
    path = folder / "chats.jsonl"
    lines = [{"id": f"q{n}", "messages": [{"role": "system", "content": "Add up."}, {"role": "user", "content": q},
              {"role": "assistant", "content": a}], **more} for n, (q, a, more) in enumerate(rows)]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


def teacher(messages):
    job = job_of(messages)
    if job == "propose":
        return json.dumps({"edits": [{"op": "add", "component": "instructions", "text": "Carry the one.", "support": ["q0"]}]})
    assert job == "evaluate", f"nothing is rolled out, but a model was asked to {job}"
    return "It forgot to carry."


def test_own_chats_become_a_prompt_with_any_model(tmp_path):
    path = chats(tmp_path, ("19+3?", "12", {"expected": "22", "score": 0}), ("2+2?", "4", {"expected": "4", "score": 1}))
    run = fgo.learn(path, ScriptedLLM(teacher, name="own:model"), method="all_at_once")
    assert [rule.text for rule in run.module.rules] == ["Carry the one."] and run.module.rules[0].support == ("q0",)
    assert run.module.components[0].preamble == "Add up."
    table = run.trajectories()
    assert list(table["expected"]) == ["22", "4"] and list(table["score"]) == [0.0, 1.0]


def test_a_scorer_scores_all_traces_and_its_words_go_along(tmp_path):
    path = chats(tmp_path, ("19+3?", "12", {}), ("2+2?", "4", {"score": 0}))
    run = fgo.learn(path, ScriptedLLM(teacher, name="own:model"), method="all_at_once", score=lambda task, t: (float(t.answer == "4"), "odd"))
    assert list(run.trajectories()["score"]) == [0.0, 1.0]


@pytest.mark.parametrize("choices, says", [
    ({"epochs": 2}, "epochs=2"), ({"gate": "hard", "audit": 4}, "gate='hard', audit=4"), ({"passes": 3}, "passes=3"), ({"counts": True}, "counts=True"), ({"method": "gepa"}, "method='gepa' would roll out"),
    ({"epoch": 1}, "epoch"), ({"method": "fog"}, "fgo"),
])  # fmt: skip
def test_choices_that_need_rollouts_are_refused_before_anything_is_asked(tmp_path, choices, says):
    llm = ScriptedLLM(lambda messages: pytest.fail("asked"), name="own:model")
    path = chats(tmp_path, ("2+2?", "4", {"score": 1}))
    with pytest.raises((ValueError, TypeError), match=says):
        fgo.learn(path, llm, **choices)


def test_a_method_of_ones_own_that_rolls_out_is_stopped_before_it_pays(tmp_path):
    llm = ScriptedLLM(lambda messages: pytest.fail("asked"), name="own:model")

    def eager(ctx):
        return rollouts(ctx, ctx.bench.seed_module, ctx.bench.train, Place("gate", node="m1"))

    fgo.method(eager)
    try:
        with pytest.raises(ValueError, match="known from a log alone"):
            fgo.learn(chats(tmp_path, ("2+2?", "4", {"score": 1})), llm, method="eager")
    finally:
        del METHODS["eager"]


def test_traces_without_a_score_are_named(tmp_path):
    llm = ScriptedLLM(lambda messages: pytest.fail("asked"), name="own:model")
    with pytest.raises(ValueError, match=r"1 of 2 traces have no score: 'q1'; give one, score=f.*gold=False"):
        fgo.learn(chats(tmp_path, ("2+2?", "4", {"score": 1}), ("3+3?", "6", {})), llm)


def test_without_gold_traces_need_no_score_and_the_evaluator_judges_them(tmp_path):
    def judge(messages):
        if "VERDICT" not in messages[0]["content"]:
            return teacher(messages)
        return f"VERDICT: {'wrong' if '19+3' in messages[1]['content'] else 'right'}\nIt forgot to carry."

    path = chats(tmp_path, ("19+3?", "12", {}), ("2+2?", "4", {}))
    run = fgo.learn(path, ScriptedLLM(judge, name="own:model"), method="all_at_once", gold=False)
    assert [rule.text for rule in run.module.rules] == ["Carry the one."]
    assert [judged.feedback.score for judged in run.state.record] == [0.0, 1.0]


def test_the_simulated_llm_refuses_traces_it_cannot_read(tmp_path):
    with pytest.raises(ValueError, match="no competence"):
        fgo.learn(chats(tmp_path, ("2+2?", "4", {"score": 1})).rename(tmp_path / "other.jsonl"), "simulated", instructions="x")


def test_traces_of_other_tasks_are_told_and_none_of_ours_is_an_error(logged):
    bench, _, traces = logged
    strange = Trajectory("unknown", (Step("a", "b"),), "b", 1.0)
    with pytest.warns(UserWarning, match=r"2 of 10 traces are not used(.|\n)*'unknown'"):
        fgo.run(bench, "simulated", method="fgo", n_subsets=1, epochs=1, traces=[*traces, strange, traces[0]])
    with pytest.raises(ValueError, match=r"none of the 1 traces is of a training task(.|\n)*'unknown'"):
        fgo.run(bench, "simulated", traces=[strange])


def test_the_benchmark_scores_traces_that_the_log_does_not(logged):
    from dataclasses import replace

    bench, _, traces = logged
    bare = [replace(trajectory, score=math.nan) for trajectory in traces]
    run = fgo.run(bench, "simulated", method="fgo", n_subsets=1, epochs=1, traces=bare)
    assert [t.score for t in traces] == [run.trajectory(t.task_id, "rollout").score for t in traces]


def test_traces_are_taken_by_task_and_only_for_the_first_rollouts():
    from dataclasses import replace

    some = tasks(3)
    trace = Trajectory("t1", (Step("a", "b"),), "b", 1.0)
    ctx = replace(context(ScriptedLLM(lambda messages: "ANSWER: answer 0")), traces={"t1": trace})
    first = rollouts(ctx, ctx.bench.seed_module, some, Place("rollout", subset="s1", epoch=1))
    assert first[1] is trace and [t.score for t in first] == [1.0, 1.0, 0.0]
    assert trace not in rollouts(ctx, ctx.bench.seed_module, some, Place("rollout", subset="s1", epoch=2))
    assert trace not in rollouts(ctx, ctx.bench.seed_module, some, Place("gate", node="m1"))
