"""What the merge tree of a run says in numbers: shared rules, rules kept by support, whether gates were right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..algorithm.benchmark import Benchmark
from ..algorithm.gates import mean_score
from ..calls.protocol import LLM
from ..records import MergeNode, Module, Rule
from ..report.rule_differences import normal
from ..runs.result import Run
from ..runs.transfer import played

SUPPORT = ("1", "2-3", "4+", "unknown")
"""Classes of rules by the number of training tasks said to speak for them; unknown after a rewrite."""


def details(run: Run, bench: Benchmark, llm: LLM) -> dict:
    """For `compare(after=details)`: what the merge tree of a run says, in a few numbers.

    overlap: see `rule_overlap`. leaf_rules: rules of all subsets. kept_by_support: for every class of
    `SUPPORT` [rules the subsets wrote, those that went into the final module]. gated: see `gate_decisions`.
    Empty or NaN for a method without merges.
    """
    tree = run.merge_tree
    leaves = [node.module for node in tree.walk() if not node.children] if tree else []
    return {
        "overlap": rule_overlap(leaves), "leaf_rules": sum(len(module.rules) for module in leaves),
        "kept_by_support": kept_by_support(tree), "gated": gate_decisions(run, bench, llm),
    }  # fmt: skip


def rule_overlap(leaves: Sequence[Module]) -> float:
    """Share of the subsets' rules that another subset wrote too, in the same words but for case and spaces.

    Every subset's own repetitions count once. NaN for fewer than two subsets, or without any rule.
    """
    texts = [{normal(rule.text) for rule in module.rules} for module in leaves]
    shared = sum(any(text in other for j, other in enumerate(texts) if j != i)
                 for i, own in enumerate(texts) for text in sorted(own))  # fmt: skip
    written = sum(map(len, texts))
    return shared / written if written and len(leaves) > 1 else float("nan")


def kept_by_support(tree: MergeNode | None) -> dict[str, list[int]]:
    """For every class of `SUPPORT`: [rules in the leaves, those that live on in the tree's own module].

    A rule lives on as itself or in rules that name it as a parent, through every merge. A rewrite says
    nothing of lineage: there a rule lives on only word for word.
    """
    counts = {name: [0, 0] for name in SUPPORT}
    final = {rule.id for rule in tree.module.rules} if tree else set()
    for rule, lives in _leaf_rules(tree, final) if tree else ():
        counts[support_class(len(rule.support))][0] += 1
        counts[support_class(len(rule.support))][1] += lives
    return counts


def support_class(support: int) -> str:
    """The class of a rule with so many supporting tasks.

    >>> [support_class(n) for n in (0, 1, 3, 9)]
    ['unknown', '1', '2-3', '4+']
    """
    return "unknown" if support < 1 else "1" if support == 1 else "2-3" if support <= 3 else "4+"


def _leaf_rules(node: MergeNode, alive: set[str]) -> Iterator[tuple[Rule, bool]]:
    """Every leaf's rules, with whether they live on; `alive`: the ids at `node` that do."""
    if not node.children:
        yield from ((rule, rule.id in alive) for rule in node.module.rules)
        return
    below = alive | {parent for rule in node.module.rules if rule.id in alive for parent in rule.parents}
    for child in node.children:
        yield from _leaf_rules(child, below)


def gate_decisions(run: Run, bench: Benchmark, llm: LLM) -> list[dict]:
    """Every gated merge: how its candidate compares with the best child, on the gate split and on the test split.

    accepted; gate, test: mean score of the candidate minus that of the child which the gate has in its
    place. The test split is rolled out for this alone, outside the run and its tokens, and only with a
    simulated LLM: with another, `test` is NaN.
    """
    if run.config["gate"] == "none" or run.merge_tree is None:
        return []
    at_gate: dict[str, list[float]] = {}
    for judged in run.state.record:
        if judged.place.phase == "gate":
            at_gate.setdefault(judged.place.node, []).append(judged.trajectory.score)
    on_test = _test_means(run, bench, llm)
    decisions = []
    for node in run.merge_tree.walk():
        of_child = [mean_score(at_gate.get(f"{node.id}<{child.id}", [])) for child in node.children]
        if node.candidate is None or not np.isfinite(of_child).any() or node.id not in at_gate:
            continue
        best = node.children[int(np.nanargmax(of_child))].module
        decisions.append({
            "node": node.id, "accepted": not node.decision.startswith("kept"),
            "gate": mean_score(at_gate[node.id]) - float(np.nanmax(of_child)),
            "test": on_test(node.candidate) - on_test(best),
        })  # fmt: skip
    return decisions


def _test_means(run: Run, bench: Benchmark, llm: LLM) -> Callable[[Module], float]:
    """Mean test score of a module under a run's settings, each text rolled out once."""
    if not llm.simulated:
        return lambda module: float("nan")
    known = {str(run.module): run.score}

    def of(module: Module) -> float:
        if str(module) not in known:
            known[str(module)] = played(module, bench, llm, run, workers=1).score
        return known[str(module)]

    return of
