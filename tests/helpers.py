"""Small fakes and benchmarks that several test files share."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from fgo_kit.algorithm.benchmark import Benchmark, Environment
from fgo_kit.algorithm.context import Context
from fgo_kit.algorithm.settings import Settings
from fgo_kit.benchmarks.logisticsqa import benchmark as logisticsqa
from fgo_kit.calls.limits import Limits
from fgo_kit.calls.log import CallLog
from fgo_kit.calls.meter import Meter
from fgo_kit.calls.protocol import Reply, Usage
from fgo_kit.calls.tokens import count_messages, estimate
from fgo_kit.records import Component, Module, Rule, Task, Trajectory
from fgo_kit.simulate.server import Endpoint


def small_bench(n_train=16, n_test=12, n_gate=8, **options):
    """The generated benchmark, cut to a size that runs in a fraction of a second."""
    bench = logisticsqa.load(n_train=n_train, **options)
    return replace(bench, test=bench.test[:n_test], gate=bench.gate[:n_gate])


@contextmanager
def serving_process(profile="small", **faults):
    """The simulated LLM, served by the command line from a process of its own. faults: the fields of `Faults`."""
    options = [f"--{'fault-seed' if name == 'seed' else name.replace('_', '-')}={value}" for name, value in faults.items()]
    command = [sys.executable, "-m", "fgo_kit.simulate.server", f"--profile={profile}", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Endpoint(process.stdout.readline().strip())
        finally:
            process.terminate()


class ScriptedLLM:
    """Answers with `reply(messages)` of its own, and a review with `votes(messages)`; keeps what it was asked."""

    params: dict = {}
    simulated, counter, native_tools = True, "estimate", False

    def __init__(self, reply, context_window=128_000, max_completion=100, name="simulated:scripted", votes=None):
        self.reply, self.context_window, self.max_completion, self.name = reply, context_window, max_completion, name
        self.votes = votes or (lambda messages: '{"votes": []}')
        self.asked: list[list[dict]] = []
        self._lock = threading.Lock()

    def count(self, messages):
        return count_messages(messages)

    def complete(self, messages, *, tools=(), response_schema=None, sample=0):
        with self._lock:
            self.asked.append([dict(message) for message in messages])
        text = self.votes(messages) if job_of(messages) == "review" else self.reply(messages)
        if isinstance(text, Exception):
            raise text
        return Reply(text, Usage(self.count(messages), estimate(text)))


class Wrapped:
    """Another LLM behind hooks: `before(messages)` may raise or sleep, `after(messages, reply)` answers."""

    def __init__(self, llm, before=None, after=None):
        self.llm, self.before, self.after = llm, before, after
        self.asked: list[list[dict]] = []

    def __getattr__(self, name):
        return getattr(self.llm, name)

    def count(self, messages):
        return self.llm.count(messages)

    def complete(self, messages, **options):
        self.asked.append([dict(message) for message in messages])
        if self.before:
            self.before(messages)
        reply = self.llm.complete(messages, **options)
        return self.after(messages, reply) if self.after else reply


@dataclass
class _Desk(Environment):
    task: Task

    def observe(self) -> str:
        return f"<document>\n{self.task.text}\n</document>"

    def step(self, action: str) -> tuple[str, bool]:
        return "", True


@dataclass(frozen=True)
class TinyBench(Benchmark):
    """A benchmark of any tasks; right is what equals the answer."""

    train: tuple[Task, ...] = ()
    gate: tuple[Task, ...] = ()
    test: tuple[Task, ...] = ()
    seed_module: Module = field(default_factory=lambda: module())
    name: str = "tiny"
    fingerprint: str = "tiny"

    def start(self, task: Task) -> _Desk:
        return _Desk(task)

    def score(self, task: Task, trajectory: Trajectory) -> float:
        return float(trajectory.answer == task.answer)


def tasks(n, prefix="t"):
    return tuple(Task(f"{prefix}{i}", f"document number {i} of {prefix}", f"answer {i}") for i in range(n))


def module(*rules: Rule, preamble="Do the task.") -> Module:
    return Module((Component("instructions", preamble, tuple(rules)),))


def context(llm, bench=None, workers=1, log=None, **settings) -> Context:
    """A context as `run` makes it, without a run."""
    meter = Meter(llm, log or CallLog(None), "test", Limits(workers=workers))
    return Context(bench or TinyBench(), meter, Settings(**settings))


def job_of(messages) -> str:
    """Which of the six prompts this is, told by its tags as the simulated LLM does."""
    user = messages[1]["content"] if len(messages) > 1 else messages[0]["content"]
    if "<union>" in user:
        return "review" if "<trajectories>" in user else "merge"
    for tag, job in (("modules", "merge"), ("trajectories", "propose"), ("expected", "evaluate")):
        if f"<{tag}>" in user:
            return job
    return "act"


def shown_rules(text: str) -> list[tuple[str, str]]:
    """(id, text) of the rules that a merge or propose prompt shows."""
    return re.findall(r"^\[([\w.-]+)\] (.*?)(?: \(support.*\))?$", text, re.MULTILINE)


def take_over_all(messages) -> str:
    """A merger that keeps every rule it is shown, once, word for word."""
    if "<union>" in messages[1]["content"]:
        return '{"edits": []}'
    rules = dict(shown_rules(messages[1]["content"]))
    return json.dumps({"rules": [{"text": text, "from": [name]} for name, text in rules.items()]})


def random_merger(seed: int):
    """A merger that unites, drops and keeps rules at random, validly."""

    def reply(messages) -> str:
        rules = list(dict(shown_rules(messages[1]["content"])).items())
        rng = np.random.default_rng([seed, len(messages[1]["content"])])
        if "<union>" in messages[1]["content"]:
            return json.dumps({"edits": [_random_edit(rules, rng, number) for number in range(int(rng.integers(0, 4)))]})
        written = []
        for number in range(int(rng.integers(1, len(rules) + 1)) if rules else 0):
            chosen = [rules[i] for i in rng.permutation(len(rules))[: int(rng.integers(1, 4))]]
            text = chosen[0][1] if rng.random() < 0.5 else f"written {number} of {chosen[0][1]}"[:200]
            written.append({"text": text, "from": [name for name, _ in chosen]})
        return json.dumps({"rules": written})

    return reply


def _random_edit(rules, rng, number: int) -> dict:
    if not rules:
        return {"op": "drop", "id": "no rule at all"}
    ids = [rules[i][0] for i in rng.permutation(len(rules))[: int(rng.integers(2, 4))]]
    op = ("unite", "revise", "drop")[int(rng.integers(3))] if len(ids) > 1 else "revise"
    return {"op": op, "ids": ids if op == "unite" else ids[:1], "text": f"written {number}", "reason": "by lot"}


def wait_until(true, seconds=10.0):
    """Return when `true()` is; fail after `seconds`."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)
