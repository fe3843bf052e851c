"""Two runs' rules side by side as JSON-able data, and as a page of plain HTML."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ..records.showing import bdi, brief
from ..report.rule_differences import ancestry
from ..runs.result import Run
from .node_view import clipped, tasks_view, word_diff
from .plain import marked, table
from .trajectory_entries import labels_of
from .views import shown

SIDES = ("a", "b")
APPLIED = (("A", "applied_a"), ("B", "applied_b"))
STATIC_ROWS = 10
MOST = 200
"""Rules, and flipped tasks, that are listed of each side; what is left out is counted."""


def comparison_view(runs: tuple[Run, Run], rules: pd.DataFrame, flips: pd.DataFrame) -> dict:
    """What is shown before a task is opened. rules, flips: `report.rule_differences` and `report.flipped_tasks`.

    Sides are 0 and 1, and a flipped task is known by its row, so that no hostile name stands for it.
    """
    tables = [run.rules() for run in runs]
    tasks = flips.groupby("right", sort=False).head(MOST).reset_index(names="i").to_dict("records")
    listed = rules.groupby("run", sort=False).head(MOST).to_dict("records")
    counts = {name: [int((rules["run"] == name).sum()), int((flips["right"] == name).sum())] for name in SIDES}
    titles = zip("AB", labels_of(list(runs)), runs, strict=True)
    return shown({
        "titles": [f"{letter}: {brief(label)}, {100 * run.score:.1f} %" for letter, label, run in titles],
        "counts": list(counts.values()), "shared": len(runs[0].module.rules) - counts["a"][0],
        "rules": [_rule(row, tables[SIDES.index(row["run"])], tasks) for row in listed],
        "tasks": [
            {"i": row["i"], "side": SIDES.index(row["right"]), "task": brief(row["task"], 60),
             "answers": [row["answer_a"], row["answer_b"]], "expected": row["expected"],
             "applied": "; ".join(f"{letter} {', '.join(row[name])}" for letter, name in APPLIED if row[name])}
            for row in tasks
        ],
    })  # fmt: skip


def _rule(row: dict, table: pd.DataFrame, tasks: list[dict]) -> dict:
    """A rule: where it comes from, what it says otherwise than the nearest one, and the flipped tasks it touched."""
    text, before = clipped(row["text"]), clipped(row["nearest_text"])
    back = ancestry(table, row["rule"]).head(MOST).to_dict("records")
    uses = f", used {row['right']} times right and {row['wrong']} times wrong" if row["right"] + row["wrong"] else ""
    return {
        "side": SIDES.index(row["run"]), "id": row["rule"], "text": text, "nearest": row["nearest"],
        "diff": word_diff(before, text) if row["nearest"] else [["=", text]], "subsets": ", ".join(row["subsets"]),
        "support": tasks_view(row["support"]), "uses": uses, "origin": [_step(step) for step in back],
        "flipped": [task["i"] for task in tasks if row["rule"] in task[f"applied_{row['run']}"]],
    }  # fmt: skip


def _step(row: dict) -> str:
    """A module that had the rule, or one it goes back to, and what the next merge made of it."""
    after = f": {row['fate']} at {row['at']}" if row["at"] else ""
    into, why = ", ".join(name for name in row["into"] if name != row["rule"]), row["why"]
    return f"{row['node']} {row['rule']} “{row['text']}”{after}" + f" as {into}" * bool(into) + f" ({why})" * bool(why)


def summed_up(view: dict) -> str:
    """The counts in one line."""
    sides = zip("AB", view["counts"], strict=True)
    return f"{view['shared']} rules in both; " + "; ".join(
        f"only in {letter} {rules} rules, right only in {letter} {tasks} test tasks" for letter, (rules, tasks) in sides
    )


def static_page(view: dict) -> str:
    """Plain HTML that notebook viewers show as it is: the rules of each side, and the tasks that flip."""
    titles = "; ".join(f"<b>{bdi(title)}</b>" for title in view["titles"])
    rules, tasks = zip(*view["counts"], strict=True)
    flips = [[bdi(task["task"]), "AB"[task["side"]], *map(bdi, (*task["answers"], task["expected"], task["applied"]))]
             for task in view["tasks"]]  # fmt: skip
    heads = ("test task", "right in", "answer in A", "answer in B", "expected", "differing rules cited")
    tables = [*(_rules(view, side, total) for side, total in enumerate(rules)), _first(heads, flips, sum(tasks))]
    return f"<p>{titles}. {summed_up(view)}. Run the cell to open rules and tasks.</p>{''.join(tables)}"


def _rules(view: dict, side: int, total: int) -> str:
    rows = [[bdi(rule["id"]), marked(rule["diff"]), bdi(rule["subsets"]), rule["support"]["n"], len(rule["flipped"])]
            for rule in view["rules"] if rule["side"] == side]  # fmt: skip
    heads = ("words, compared with the nearest", "written in", "training tasks", "flipped tasks that cite it")
    return _first((f"rule only in {'AB'[side]}", *heads), rows, total)


def _first(heads: Sequence[str], rows: list[list], total: int) -> str:
    """The first rows as a table, and how many of the total are left out."""
    left = f"<p>and {total - STATIC_ROWS:,} more</p>" if total > STATIC_ROWS else ""
    return table(heads, rows[:STATIC_ROWS]) + left if total else ""
