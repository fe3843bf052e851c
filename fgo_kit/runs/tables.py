"""The tidy tables of a run: one row a trajectory, a rule at a node, a merge. Methods of `Run` give them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from ..algorithm.context import Cut, Judged
from ..records import NOT_SHOWN, MergeNode, Module, Rule, Task, concealed
from ..records.later import pandas as pd

RULE_COLUMNS = (
    "node", "rule", "text", "n_support", "support", "parents", "origin", "subsets", "right", "wrong", "final",
    "fate", "at", "into", "why",
)  # fmt: skip
MERGE_COLUMNS = (
    "node", "children", "decision", "rules_in", "rules_out", "dropped", "audited", "rulings", "votes",
    "candidate_gate_score", "gate_score", "tokens",
)  # fmt: skip

DONE = {"unite": "united", "revise": "revised", "drop": "dropped"}


def trajectory_table(record: Iterable[Judged], tasks: Iterable[Task] = ()) -> pd.DataFrame:
    """One row a trajectory, in the order of the record (columns: see `Run.trajectories`)."""
    known = {task.id: task for task in tasks}
    rows = []
    for j in record:
        task = known.get(j.trajectory.task_id, Task(j.trajectory.task_id, ""))
        hidden, feedback = task.private, j.feedback.text if j.feedback else ""
        rows.append({
            "phase": j.place.phase, "subset": j.place.subset, "epoch": j.place.epoch, "node": j.place.node,
            "task": task.id, "answer": concealed(j.trajectory).answer, "expected": NOT_SHOWN if hidden else task.answer,
            "score": j.trajectory.score, "status": j.trajectory.status, "cited": list(j.trajectory.cited),
            "feedback": NOT_SHOWN if hidden and feedback else feedback, "steps": len(j.trajectory.steps),
            **{f"meta_{key}": value for key, value in task.meta.items()},
        })  # fmt: skip
    return pd.DataFrame(rows)


def rule_table(trees: Sequence[MergeNode], module: Module, cuts: Sequence[Cut] = ()) -> pd.DataFrame:
    """One row a rule of any module in the merge trees, or of the final module (columns: see `Run.rules`).

    trees: one a pass, the last one last; none for a method that merges nothing.
    """
    places: list[tuple[str, Module, MergeNode | None, bool]] = [
        (name, held, parent, tree is trees[-1]) for tree in trees for name, held, parent in _with_parents(tree)
    ] or [("final", module, None, True)]
    final = {rule.id for rule in module.rules}
    known = {rule.id: rule for _, held, _, _ in places for rule in held.rules}
    rows = []
    for name, held, parent, last in places:
        for rule in held.rules:
            fate, into = _fate(rule, parent) if parent or last else ("next pass", [])
            at, reason = (parent.id, why(parent, rule.id)) if parent else ("", "")
            reason = reason if fate in ("merged", "dropped") else ""
            rows.append((name, *_facts(rule, known), rule.id in final, fate, at, into, reason))
    for cut in cuts:
        node = cut.place.node or cut.place.subset or "final"
        rows.append((node, *_facts(cut.rule, known), False, "cut", str(cut.place), [cut.control], ""))
    return pd.DataFrame(rows, columns=list(RULE_COLUMNS))


def merge_table(trees: Sequence[MergeNode], calls: pd.DataFrame) -> pd.DataFrame:
    """One row a merge node (columns: see `Run.merges`). calls: those of the run."""
    nodes = [node for tree in trees for node in tree.walk() if node.children]
    at_node = (calls["prompt"] + calls["completion"]).groupby(calls["node"].str.split("<").str[0]).sum()
    rows = [
        (node.id, [child.id for child in node.children], node.decision,
         sum(len(child.module.rules) for child in node.children), len(node.module.rules),
         [r.id for child in node.children for r in child.module.rules if _fate(r, node)[0] == "dropped"],
         list(node.audited), [asdict(ruling) for ruling in node.rulings],
         [asdict(vote) | {"tasks": list(vote.tasks)} for vote in node.votes],
         node.candidate_gate_score, node.gate_score, int(at_node.get(node.id, 0)))
        for node in nodes
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(MERGE_COLUMNS))


def _facts(rule: Rule, known: dict[str, Rule]) -> tuple:
    support, origins = list(rule.support), (rule.origin, _subsets(rule, known))
    return rule.id, rule.text, len(support), support, list(rule.parents), *origins, rule.right, rule.wrong


def _with_parents(node: MergeNode, parent: MergeNode | None = None):
    for child in node.children:
        yield from _with_parents(child, node)
    yield node.id, node.module, parent


def _fate(rule: Rule, parent: MergeNode | None) -> tuple[str, list[str]]:
    """What a merge made of a child's rule, and the ids of the rules it went into."""
    if parent is None:
        return "final", []
    if rule.id in {kept.id for kept in parent.module.rules}:
        return "kept", []
    if into := [made.id for made in parent.module.rules if rule.id in made.parents]:
        return "merged", into
    if rule.id in parent.audited:
        return "audited", []
    if parent.decision == "merged" or (parent.decision == "failed" and parent.rulings_on(rule.id)):
        return "dropped", []
    return "refused", []


def why(node: MergeNode, rule_id: str) -> str:
    """What a merge did with a child's rule, who decided it, and the reasons given; "" where nobody named it, or where
    the gate refused it all."""
    rulings = () if node.decision.startswith("kept ") else node.rulings_on(rule_id)
    return "; ".join(f"{DONE[r.action]} by {r.by}" + (f": {r.reason}" if r.reason else "") for r in rulings)


def _subsets(rule: Rule, known: dict[str, Rule]) -> list[str]:
    """Where the rules without known parents that this one goes back to were written; each is looked at once."""
    origins, seen, waiting = {}, set(), [rule]
    while waiting:
        rule = waiting.pop()
        parents = [known[parent] for parent in rule.parents if parent in known and parent != rule.id]
        if not parents:
            origins[rule.origin.split("/")[0]] = None
        if rule.id not in seen:
            waiting += reversed(parents)
        seen.add(rule.id)
    return list(origins)
