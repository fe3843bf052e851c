"""Small ledgers with questions about them, and answers worked out here: a benchmark of the GAIA kind for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fgo_kit.algorithm import prompts
from fgo_kit.algorithm.prompts import section
from fgo_kit.benchmarks.gaia.benchmark import GAIA
from fgo_kit.calls import toolcalls
from fgo_kit.records import Component, Module, Rule, Step, Task, Trajectory

TOWNS = ("Lund", "Narvik", "Oulu")
ORDERS = """\
order_id,town,status,amount
A1,Lund,paid,40
A2,Narvik,paid,15
A3,Lund,cancelled,7
A4,Lund,paid,20
A4,Lund,paid,20
A5,Oulu,paid,3
"""
QUESTION = "What was the total amount of the orders from Lund, in EUR?"


def module(instructions=(), tool_notes=()) -> Module:
    """The two components of a GAIA module, with rules r1, r2 ... and n1, n2 ..."""
    return Module((
        Component("instructions", "Answer the question.",
                  tuple(Rule(f"r{n}", text) for n, text in enumerate(instructions, 1))),
        Component("tool_notes", "Notes:", tuple(Rule(f"n{n}", text) for n, text in enumerate(tool_notes, 1))),
    ))  # fmt: skip


def chat(question: str, files: dict[str, str], rules=(), notes=(), cite: bool = False) -> list[dict[str, str]]:
    """The messages of an agent that has read all the files, one a turn."""
    asked = f"{question}\n\nAttached files: {', '.join(files)}" if files else question
    messages = [prompts.act(module(rules, notes), cite, ({"name": "read_file", "description": "", "parameters": {}},))]
    messages.append({"role": "user", "content": section("question", prompts.quote(asked))})
    for name, text in files.items():
        messages.append({"role": "assistant", "content": toolcalls.call_text("read_file", {"name": name})})
        told = section("tool_result", prompts.quote(text), tool="read_file", untrusted="true")
        messages.append({"role": "user", "content": told})
    return messages


def played(question: str, files: dict[str, str], given: str, expected: str, task="t", unread=()) -> tuple:
    """(task, trajectory) of an agent that read the files, but for those `unread`, and answered `given`."""
    read = {name: text for name, text in files.items() if name not in unread}
    messages = chat(question, files)[1:]
    first = messages[0]["content"]
    steps, observation = [], first
    for name, text in read.items():
        steps.append(Step(observation, f"THOUGHT: I read.\n{toolcalls.call_text('read_file', {'name': name})}"))
        observation = section("tool_result", prompts.quote(text), tool="read_file", untrusted="true")
    steps.append(Step(observation, f"THOUGHT: I add up.\nFINAL ANSWER: {given}"))
    score = float(given == expected)
    return Task(task, first, expected), Trajectory(task, tuple(steps), given, score, form="tools")


def bench(folder: Path, n: int = 60, seed: int = 0) -> GAIA:
    """n tasks on ledgers with cancelled orders, repeated orders, or neither; a third each is train, gate, test."""
    rng, tasks, files = np.random.default_rng(seed), [], {}
    for number in range(n):
        rows = [[f"A{i}", TOWNS[int(rng.integers(3))], "paid", int(rng.integers(5, 90))] for i in range(14)]
        town = rows[0][1]
        kind = number % 3
        if kind == 1:
            for row in rows[1:6:2]:
                row[1], row[2] = town, "cancelled"
        total = sum(row[3] for row in rows if row[1] == town and row[2] == "paid")
        if kind == 2:
            rows += [row for row in rows if row[1] == town][:2]
        path = folder / f"orders_{number}.csv"
        path.write_text("order_id,town,status,amount\n" + "\n".join(",".join(map(str, row)) for row in rows) + "\n")
        text = f"What was the total amount of the orders from {town}, in EUR?\n\nAttached files: {path.name}"
        tasks.append(Task(f"k{number:03d}", text, str(total), {"level": "1"}))
        files[tasks[-1].id] = {path.name: path}
    third = n // 3
    return GAIA("ledgers", tuple(tasks[:third]), tuple(tasks[third : 2 * third]), tuple(tasks[2 * third :]), files)
