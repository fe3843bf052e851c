"""One of each kind added from outside the package, as a notebook cell would, and run."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from helpers import ScriptedLLM, job_of, module

import fgo_kit as fgo
from fgo_kit.algorithm.benchmark import Benchmark, Environment
from fgo_kit.algorithm.registry import DIVISIONS, GATES, MERGES, METHODS
from fgo_kit.calls.providers import PROVIDERS, provider
from fgo_kit.records import MergeNode, Task


@dataclass
class Asking(Environment):
    """A question, and one answer."""

    task: Task

    def observe(self) -> str:
        return f"<document>\n{self.task.text}\n</document>"

    def step(self, action: str) -> tuple[str, bool]:
        return "", True


@dataclass(frozen=True)
class Capitals(Benchmark):
    """Right is what the task's answer is."""

    name: str = "capitals"
    fingerprint: str = "capitals 1"
    train: tuple = tuple(Task(f"t{n}", f"country {n}", f"city {n}") for n in range(8))
    gate: tuple = tuple(Task(f"g{n}", f"country {n}", f"city {n}") for n in range(4))
    test: tuple = tuple(Task(f"x{n}", f"country {n}", f"city {n}") for n in range(4))
    seed_module = module(preamble="Name the capital.")

    def start(self, task):
        return Asking(task)

    def score(self, task, trajectory):
        return float(trajectory.answer == task.answer)


@pytest.fixture
def added(monkeypatch):
    """A division, a merge, a gate, a method and a provider; the registries forget them after the test."""

    @fgo.division
    def evens_and_odds(tasks, n_subsets, rng):
        "Every second task."
        return [list(tasks[start::n_subsets]) for start in range(n_subsets)]

    @fgo.merging(asks_llm=False)
    def longest(ctx, leaves):
        "The module with the most rules."
        return max(leaves, key=lambda leaf: len(leaf.module.rules)).module

    @fgo.gate(needs_gate=True)
    def never(difference):
        "No candidate is taken."
        return False

    @fgo.method(trains="nothing")
    def nothing(ctx):
        "The seed module, by another name."
        return METHODS["base"](ctx)

    monkeypatch.setattr("fgo_kit.calls.providers.PROVIDERS", dict(PROVIDERS))

    @provider("atlas")
    class Atlas(ScriptedLLM):
        spec, default, parameters, prices, native_tools = "atlas", "small", (), "", False

        @classmethod
        def load(cls, model):
            return cls(answer, name=f"atlas:{model}")


def answer(messages) -> str:
    job = job_of(messages)
    if job == "propose":
        return '{"edits": [{"op": "add", "text": "Name the city.", "support": []}]}'
    text = messages[-1]["content"]
    return "Fine." if job == "evaluate" else f"ANSWER: city {text.split('country ')[1].split()[0]}"


def test_one_of_each_is_chosen_by_name(added):
    choices = {"divide": "evens_and_odds", "merge": "longest", "gate": "never", "n_subsets": 2, "epochs": 1}
    run = fgo.run(Capitals(), "atlas:large", **choices)
    assert run.score == 1.0 and run.config["llm"] == "atlas:large"
    assert run.division.subsets == (("t0", "t2", "t4", "t6"), ("t1", "t3", "t5", "t7"))
    assert isinstance(run.merge_tree, MergeNode) and run.merge_tree.decision.startswith("kept ")
    assert fgo.run(Capitals(), "atlas", method="nothing").score == 1.0


def test_each_is_listed_with_its_line(added):
    listed = fgo.strategies().set_index(["kind", "name"])["description"]
    assert listed["divide", "evens_and_odds"] == "Every second task."
    assert listed["gate", "never"] == "No candidate is taken."


def test_what_each_needs_is_read_from_its_decorator(added):
    bench = Capitals(gate=())
    with pytest.raises(ValueError, match="gate='never' needs gate tasks and capitals has none"):
        fgo.run(bench, "atlas", gate="never")
    assert not MERGES["longest"].asks_llm and GATES["never"].needs_gate and not DIVISIONS["evens_and_odds"].takes_context


def test_a_name_that_is_nearly_one_is_guessed(added):
    with pytest.raises(ValueError, match="divide='evens_and_ods' is unknown; did you mean 'evens_and_odds'"):
        fgo.run(Capitals(), "atlas", divide="evens_and_ods")
