"""Two runs of one benchmark compared: the rules that one module has and the other lacks, and the tasks that flip."""

from __future__ import annotations

import pandas as pd

from ..records import Rule
from ..runs.result import Run

ALIKE = 0.6
"""Two rules are one in other words, or rivals, when they share at least this part of their words."""
RULE_COLUMNS = ("run", "rule", "text", "nearest", "nearest_text", "likeness", "subsets", "support", "right", "wrong")
TASK_COLUMNS = ("task", "right", "expected", "answer_a", "answer_b", "applied_a", "applied_b")


def rule_differences(a: Run, b: Run) -> pd.DataFrame:
    """Rules of either run's final module whose words the other module does not have: a row a rule, those of `a` first.

    Case and spaces make no other words. run: "a" or "b", whose module has it; rule: its id; nearest, nearest_text,
    likeness: of the other module's rules in this table the one that shares the largest part of the words, where that
    is at least `ALIKE`: the same in other words, perhaps; subsets: where what it goes back to was written; support:
    training tasks that speak for it; right, wrong: uses on training tasks.

    >>> rule_differences(run, other).query("nearest == ''")[["run", "text"]]                 # doctest: +SKIP
    """
    lines = []
    for name, run, other in (("a", a, b), ("b", b, a)):
        subsets = dict(zip(*(run.rules()[column] for column in ("rule", "subsets")), strict=True))
        own, theirs = _only(run, other), _only(other, run)
        for rule in own:
            others = ((likeness(rule.text, r.text), r.id, r.text) for r in theirs)
            share, nearest, text = max((each for each in others if each[0] >= ALIKE), default=(0.0, "", ""))
            where, support = subsets.get(rule.id, [rule.origin]), list(rule.support)
            lines.append((name, rule.id, rule.text, nearest, text, share, where, support, rule.right, rule.wrong))
    return pd.DataFrame(lines, columns=list(RULE_COLUMNS))


def _only(run: Run, other: Run) -> list[Rule]:
    there = {normal(rule.text) for rule in other.module.rules}
    return [rule for rule in run.module.rules if normal(rule.text) not in there]


def flipped_tasks(a: Run, b: Run) -> pd.DataFrame:
    """Test tasks that one run has right and the other wrong: a row a task, those that `a` has right first.

    right: "a" or "b"; answer_a, answer_b, expected: not shown of private tasks; applied_a, applied_b: ids of the rules
    that the trajectory cites and the other module lacks (see `rule_differences`), empty where it cites none. A task
    without an answer in either run is left out. ValueError for runs without a test task in common.

    >>> flipped_tasks(run, other)["right"].value_counts()                                    # doctest: +SKIP
    """
    sets = [[str(run.config.get(name)) for name in ("benchmark", "world")] for run in (a, b)]
    both = _tests(a).merge(_tests(b), on="task", suffixes=("_a", "_b"))
    if both.empty or sets[0] != sets[1]:
        raise ValueError(f"runs {a.id} and {b.id} have no test task in common; compare runs of one benchmark and world")
    both = both.dropna(subset=["score_a", "score_b"])
    flips = both[(both["score_a"] >= 0.5) != (both["score_b"] >= 0.5)].rename(columns={"expected_a": "expected"})
    flips["right"] = ["a" if score >= 0.5 else "b" for score in flips["score_a"]]
    lacking = rule_differences(a, b)
    for name in ("a", "b"):
        own = set(lacking[lacking["run"] == name]["rule"])
        flips[f"applied_{name}"] = [[rule for rule in cited if rule in own] for cited in flips[f"cited_{name}"]]
    return flips.sort_values("right", kind="stable")[list(TASK_COLUMNS)].reset_index(drop=True)


def _tests(run: Run) -> pd.DataFrame:
    table = run.trajectories().reindex(columns=["phase", "task", "score", "answer", "expected", "cited"])
    return table[table["phase"] == "test"].drop_duplicates("task", keep="last")


def ancestry(rules: pd.DataFrame, rule: str) -> pd.DataFrame:
    """The rows of `Run.rules` that a rule goes back to, its own too: where each was, and what merges made of it."""
    parents, known, unseen = dict(zip(rules["rule"], rules["parents"], strict=True)), set(), [rule]
    while unseen:
        known.add(name := unseen.pop())
        unseen += [parent for parent in parents.get(name, []) if parent not in known]
    return rules[rules["rule"].isin(known)]


def normal(text: str) -> str:
    """A rule's words without regard to case and spaces.

    >>> normal("Say  None.") == normal("say none.")
    True
    """
    return " ".join(text.casefold().split())


def likeness(a: str, b: str) -> float:
    """The part of all their words that two texts share.

    >>> likeness("say None", "say none then")
    0.6666666666666666
    """
    words, others = set(a.casefold().split()), set(b.casefold().split())
    return len(words & others) / max(1, len(words | others))
