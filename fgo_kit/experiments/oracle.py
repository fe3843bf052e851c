"""03: what a merger could keep at best. An oracle that knows the answers of all training tasks merges the same modules.

It takes the union of the rules that the subsets wrote and keeps what is more often right than wrong on all training
tasks, rule by rule. It is a bound for diagnosis, outside the simulated LLM, which never sees these answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from ..algorithm.benchmark import Benchmark
from ..calls.protocol import LLM
from ..records import Task
from ..report.summary import cells, differences, numbers
from ..runs.result import Run
from ..runs.run import run as run_once
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


def bound(run: Run, bench: Benchmark, llm: LLM) -> dict:
    """For `compare(after=bound)`: test scores by task of the module that the oracle makes, and its number of rules."""
    union = {rule.text: rule for leaf in run.merge_tree.leaves for rule in leaf.module.rules}
    kept = tuple(rule for text, rule in union.items() if helps(text, bench.train))
    module = bench.seed_module.with_rules({bench.seed_module.components[0].name: kept})
    again = {"method": "base", "seed": run.config["seed"], "counts": run.config["counts"]}
    played = run_once(replace(bench, seed_module=module), llm, **again)
    return {"oracle_scores": dict(played.scores), "oracle_rules": len(kept)}


def helps(text: str, tasks: Sequence[Task]) -> bool:
    """Whether a rule is more often right than wrong where it answers at all."""
    rule = parse_rule(text)
    given = [(rule.answer(read(task.text)), task.answer) for task in tasks] if rule else []
    right = [normal(answer) == normal(expected) for answer, expected in given if answer is not None]
    return 2 * sum(right) > len(right)


def bounded_by_oracle(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with `bound`, one line an LLM and method: score and rules as merged, what the oracle's module has more.

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
