"""03: what a merger could keep at best. An oracle that knows the answers of all training tasks merges the same modules.

It takes the union of the rules that the subsets wrote and drops, one after another, whichever rule does most harm on
the training tasks, until none does. It is a bound for diagnosis (of choosing, not of new words), outside the simulated
LLM, which never sees these answers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..algorithm.benchmark import Benchmark
from ..calls.protocol import LLM
from ..records import Task
from ..report.summary import cells, differences, numbers
from ..runs.result import Run
from ..runs.transfer import played
from ..runs.variants import VARIANTS
from ..simulate.logisticsqa.language import parse_rule
from ..simulate.logisticsqa.reading import normal, read
from .presets import preset
from .sets import Grid

MERGING = ("fgo", "fgo+")


def grid(name: str, log: str) -> Grid:
    """The methods that merge, at a preset, in the first development world."""
    chosen = preset(name)
    methods = {method: VARIANTS[method] for method in MERGING}
    return Grid("logisticsqa", ({"n_train": chosen.n_train},), methods, chosen.seeds, log)


def chosen_by_oracle(run: Run, bench: Benchmark, llm: LLM) -> dict:
    """For `compare(after=)`: test scores by task of the module that the oracle makes, and its number of rules."""
    union = {rule.text: rule for leaf in run.merge_tree.leaves for rule in leaf.module.rules}
    explored = [j.trajectory for j in run.state.record if j.place.phase == "rollout"]
    first = {trajectory.task_id: trajectory.score for trajectory in reversed(explored)}
    kept = [union[text] for text in choose(list(union), bench.train, [first[task.id] for task in bench.train])]
    module = bench.seed_module.with_rules({bench.seed_module.components[0].name: tuple(kept)})
    return {"oracle_scores": played(module, bench, llm, run).scores, "oracle_rules": len(kept)}


def choose(texts: Sequence[str], tasks: Sequence[Task], without: Sequence[float]) -> list[str]:
    """The rules that are left when none does harm any more: of those that apply to a task the most specific answers.

    without: the score of each task where no rule applies.
    """
    understood = [(rule, text) for text in texts if (rule := parse_rule(text))]
    rules = sorted(understood, key=lambda pair: -pair[0].specificity)
    readings = [read(task.text) for task in tasks]
    given = [[rule.answer(reading) for reading in readings] for rule, _ in rules]
    applies = np.array([[answer is not None for answer in row] for row in given] + [[True] * len(tasks)])
    gold = [normal(task.answer) for task in tasks]
    right = np.array([[float(normal(answer or "") == expected) for answer, expected in zip(row, gold, strict=True)]
                      for row in given] + [list(without)])  # fmt: skip

    def score(kept: list[int]) -> float:
        rows = [*kept, len(rules)]
        return right[rows, :][applies[rows, :].argmax(axis=0), np.arange(len(tasks))].sum()

    kept = list(range(len(rules)))
    while kept:
        best, worst = max((score([n for n in kept if n != rule]), rule) for rule in kept)
        if best <= score(kept):
            break
        kept.remove(worst)
    return [rules[n][1] for n in kept]


def bounded_by_oracle(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with `chosen_by_oracle`, one line an LLM and method: what was merged, and what the oracle's module has more.

    Columns: llm, method, score, difference (oracle - merged), lo, hi, p, verdict, rules, oracle_rules, constants. The
    intervals of one LLM hold together.
    """
    lines = []
    for llm, part in rows[rows["status"] == "ok"].groupby("llm", sort=False):
        told = part.assign(method=part["method"] + ", oracle", scores=part["oracle_scores"])
        methods = list(dict.fromkeys(part["method"]))
        table = differences(pd.concat([part, told]), [(f"{method}, oracle", method) for method in methods])
        means = part.groupby("method", sort=False)[["score", "rules", "oracle_rules"]].mean().reset_index()
        found = table[["difference", "lo", "hi", "p", "verdict"]]
        lines.append(pd.concat([means, found], axis=1).assign(llm=llm, constants=part["constants"].iloc[0]))
    return pd.concat(lines, ignore_index=True)


def show_oracle(table: pd.DataFrame) -> pd.DataFrame:
    """`bounded_by_oracle` for reading."""
    shown = table[["llm", "method"]].assign(**{
        "score, %": numbers(100 * table["score"]), "oracle more, points": cells(table, "difference", "+"),
        "verdict": table["verdict"], "rules": numbers(table["rules"]), "oracle's rules": numbers(table["oracle_rules"]),
    })  # fmt: skip
    return shown.set_index(["llm", "method"])
