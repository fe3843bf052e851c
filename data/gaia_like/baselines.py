"""What the set is worth: the oracle through the real tools, answers without looking, and what is in the tasks."""

from __future__ import annotations

import json
import re
from collections import Counter
from html import unescape

import make
import numpy as np
from oracle import read_all
from parts import FAMILIES, PROCEDURES

from fgo_kit.benchmarks.gaia import benchmark as gaia
from fgo_kit.benchmarks.gaia.files import names_in

GROUPS = ("train", "gate", "test, seen", "test, unseen")


def group(row: dict) -> str:
    return row["split"] if row["split"] != "test" else f"test, {'seen' if row['seen'] else 'unseen'}"


class ToolFailed(Exception):
    """A tool call of an oracle was answered with an error."""


def caller(environment):
    """`call(tool, **arguments)` for an oracle: each call is a turn of the environment, its output the result."""

    def call(tool: str, **arguments) -> str:
        told, _ = environment.step(f"TOOL: {json.dumps({'tool': tool, 'arguments': arguments})}")
        found = re.match(r"<tool_(result|error)[^>]*>\n(.*)\n</tool_\1>", told, re.DOTALL)
        if not found or found[1] == "error":
            raise ToolFailed(told)
        return unescape(found[2])

    return call


def solve(bench, task, oracle) -> tuple[str, float, int]:
    """(answer, score, turns) of an oracle in the environment an agent plays in."""
    from fgo_kit.records import Trajectory

    environment = bench.start(task)
    answer = oracle(caller(environment))
    environment.step(f"FINAL ANSWER: {answer}")
    return environment.answer, bench.score(task, Trajectory(task.id, (), environment.answer)), environment.turns


def check(world: int = 0) -> str:
    """Every task of a world solved by its oracle; its file must be what the generator gives."""
    bench = gaia.load(world=world)
    tasks = {task.id: task for task in (*bench.train, *bench.gate, *bench.test)}
    failed, turns = [], Counter()
    made = list(make.tasks(world))
    for row, one in made:
        task = tasks[row["task_id"]]
        answer, score, used = solve(bench, task, one.oracle)
        turns[row["Level"]] += used
        if score != 1 or task.answer != one.answer:
            failed.append(f"{task.id} ({row['family']}): {answer!r}, not {task.answer!r}")
    sizes = Counter(row["Level"] for row, _ in made)
    mean = ", ".join(f"level {level}: {turns[level] / sizes[level]:.1f}" for level in sorted(sizes))
    return "\n".join([*failed, f"{len(made) - len(failed)} of {len(made)} solved; turns on average: {mean}"])


def most_frequent(bench) -> str:
    """The one answer that is right most often in training: what an agent without tools can learn at best."""
    return Counter(task.answer for task in bench.train).most_common(1)[0][0]


def random_pick(bench, task) -> float:
    """The expected score of naming one of the distinct values in the task's files at random."""
    environment = bench.start(task)
    call, values = caller(environment), set()
    files = bench.files[task.id]
    for name in names_in(files):
        text = read_all(call, name)
        values.update(part.strip() for part in re.split(r"[\n\t,;:|\"<>=()\[\]{}]| {2,}", text))
    values = sorted(value for value in values if value)
    return float(np.mean([gaia.score(value, task.answer) for value in values]))


def describe(world: int = 0) -> str:
    """Markdown tables: what is in the set, how many tasks depend on which procedure, and the baselines."""
    made = [(row, one) for row, one in make.tasks(world)]
    return "\n\n".join([_contents(made), _procedures(made), _baselines(made, gaia.load(world=world))])


def _contents(made) -> str:
    lines = ["| | tasks | level 1 | level 2 | level 3 | families | numbers | names | lists |", "|---|" + "---|" * 8]
    for name in GROUPS:
        rows = [row for row, _ in made if group(row) == name]
        levels = Counter(row["Level"] for row in rows)
        kinds = Counter(_kind(row["Final answer"]) for row in rows)
        numbers = [len(rows), *(levels[n] for n in (1, 2, 3)), len({row["family"] for row in rows})]
        numbers += [kinds[kind] for kind in ("number", "name", "list")]
        lines.append(f"| {name} | " + " | ".join(map(str, numbers)) + " |")
    return "\n".join(lines)


def _kind(answer: str) -> str:
    return "list" if "," in answer else "number" if re.fullmatch(r"-?[\d.]+", answer) else "name"


def _procedures(made) -> str:
    lines = ["| procedure | " + " | ".join(GROUPS) + " | families |", "|---|" + "---|" * 5]
    for trap in PROCEDURES:
        rows = [row for row, one in made if trap in one.wrong]
        counts = Counter(group(row) for row in rows)
        numbers = [*(counts[name] for name in GROUPS), len({row["family"] for row in rows})]
        lines.append(f"| {trap} | " + " | ".join(map(str, numbers)) + " |")
    counts = Counter(group(row) for row, one in made if not one.wrong)
    lines.append("| none | " + " | ".join(str(counts[name]) for name in GROUPS) + " | |")
    return "\n".join(lines)


def _baselines(made, bench) -> str:
    tasks = {task.id: task for task in (*bench.train, *bench.gate, *bench.test)}
    constant = most_frequent(bench)
    rows = {name: [(row, one) for row, one in made if group(row) == name] for name in GROUPS}

    def share(score) -> str:
        return " | ".join(f"{100 * np.mean([score(row, one) for row, one in rows[name]]):.1f} %" for name in GROUPS)

    blind = share(lambda row, one: gaia.score(constant, row["Final answer"]))
    picked = share(lambda row, one: random_pick(bench, tasks[row["task_id"]]))
    naive = share(lambda row, one: not one.wrong)
    oracle = share(lambda row, one: solve(bench, tasks[row["task_id"]], one.oracle)[1])
    lines = ["| baseline | " + " | ".join(GROUPS) + " |", "|---|" + "---|" * 4]
    lines += [
        f"| no tools: always the most frequent training answer ({constant}) | {blind} |",
        f"| a random value of the task's files | {picked} |",
        f"| exact computing that ignores every procedure | {naive} |",
        f"| oracle | {oracle} |",
    ]
    return "\n".join([*lines, "", f"{len(FAMILIES)} families."])


if __name__ == "__main__":
    print(describe())
