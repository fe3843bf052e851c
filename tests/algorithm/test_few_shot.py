"""Few-shot prompting: training tasks as examples in the prompt, as many as fit, drawn by the seed."""

from dataclasses import dataclass, replace

import pytest
from helpers import ScriptedLLM, TinyBench, context, small_bench, tasks

from fgo_kit.algorithm.registry import METHODS
from fgo_kit.runs.run import run

few_shot = METHODS["few_shot"]


def shown(module) -> list[str]:
    return [rule.support[0] for rule in module.rules]


def test_examples_are_training_tasks_with_their_answers_and_cost_no_call():
    llm, bench = ScriptedLLM(lambda messages: "ANSWER: no"), TinyBench(tasks(8), test=tasks(4, "u"))
    module = few_shot(context(llm, bench)).module
    assert set(shown(module)) == {task.id for task in bench.train} and llm.asked == []
    for rule in module.rules:
        task = next(task for task in bench.train if task.id == rule.support[0])
        assert task.text in rule.text and f"ANSWER: {task.answer}" in rule.text


@pytest.mark.parametrize("tokens", [60, 150, 400])
def test_as_many_as_fit_and_one_at_least(tokens):
    llm, bench = ScriptedLLM(str), TinyBench(tasks(40))
    modules = [few_shot(context(llm, bench, seed=seed, controls={"max_tokens": tokens})).module for seed in (0, 0, 1)]
    taken = [llm.count([{"role": "system", "content": str(module)}]) for module in modules]
    assert all(used <= tokens for used in taken) or len(modules[0].rules) == 1
    assert tokens - taken[0] < 80 and modules[0] == modules[1] != modules[2]


@dataclass(frozen=True)
class Turns(TinyBench):
    form = "turns"


def test_of_tasks_played_in_turns_what_was_done_right_is_shown_and_paid():
    llm = ScriptedLLM(lambda messages: f"ANSWER: answer {messages[-1]['content'].split()[3]}" if "number 2 " in str(messages) else "ANSWER: x")
    ctx = context(llm, Turns(tasks(5)))
    assert shown(few_shot(ctx).module) == ["t2"] and len(llm.asked) == 5 == len(ctx.record)


def test_private_tasks_are_refused():
    hidden = tuple(replace(task, private=True) for task in tasks(3))
    with pytest.raises(ValueError, match="private tasks of tiny"):
        few_shot(context(ScriptedLLM(str), TinyBench(hidden)))


def test_a_simulated_reader_without_limits_learns_from_examples_and_one_who_overlooks_most_learns_less():
    bench = small_bench(n_train=48, n_test=64)
    score = {profile: run(bench, f"simulated:{profile}", method="few_shot", controls={"max_tokens": 8_000}).score
             for profile in ("null", "small")}  # fmt: skip
    base = run(bench, "simulated:null", method="base").score
    assert score["null"] > base + 0.1 and score["null"] > score["small"]
