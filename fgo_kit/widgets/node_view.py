"""One node of a merge by hand, as JSON-able data: its children's rules with their fates, its own with their sources."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from ..records import MergeNode, Rule
from ..records.showing import brief, showable
from ..report.rule_differences import ALIKE, likeness
from ..runs.tables import why
from ..stats import wilson
from .gate_steps import better_child, flips
from .merging_by_hand import YOU, Merging

LIMIT = 2_000
"""Longest text that is shown, in characters; rules are shorter, but a name or a task id may be anything."""
MOST_TASKS = 200
KINDS = {"leaf": "a subset's module", "merged": "merged", "failed": "failed: no usable answer"}
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")


def clipped(text: str) -> str:
    """Any text, showable and cut; what was cut is counted."""
    text = showable(text)
    return text if len(text) <= LIMIT else f"{text[:LIMIT]} … ({len(text):,} characters)"


def word_diff(old: str, new: str) -> list[list[str]]:
    """[op, text] parts, op "=" in both, "-" only in the old text, "+" only in the new one.

    >>> word_diff("take the code", "take any code")
    [['=', 'take '], ['-', 'the'], ['+', 'any'], ['=', ' code']]
    """
    a, b = _WORDS.findall(old), _WORDS.findall(new)
    parts: list[list[str]] = []
    for op, i, j, k, m in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        sides = [("=", a[i:j])] if op == "equal" else [("-", a[i:j]), ("+", b[k:m])]
        parts += [[sign, "".join(words)] for sign, words in sides if words]
    return parts


def fate(rule: Rule, node: MergeNode) -> tuple[str, tuple[Rule, ...]]:
    """What became of a child's rule, and the rules of the node it went into or lost against.

    kept: its text is unchanged. generalised: it went into another text. dropped: nothing comes from it.
    conflicting: dropped while a rule of like words, which did not come from it, stayed. audited: the audit
    dropped it.
    """
    same = [r for r in node.module.rules if r.id == rule.id]
    into = [r for r in node.module.rules if rule.id in r.parents]
    if same or any(r.text == rule.text for r in into):
        return "kept", tuple(same or into)
    if into:
        return "generalised", tuple(into)
    if rule.id in node.audited:
        return "audited", ()
    rivals = [r for r in node.module.rules if likeness(rule.text, r.text) >= ALIKE]
    return ("conflicting", tuple(rivals)) if rivals else ("dropped", ())


def node_view(state: Merging, node: MergeNode, tokens: dict[str, int]) -> dict:
    """A node: its children side by side with the fate of each rule, and its own rules with their sources.

    tokens: by the names of nodes in the call log.
    """
    pool = {rule.id: (child.id, rule) for child in node.children for rule in child.module.rules}
    against, gained, lost = flips(state, node)
    put_back = [rule for where, rule in state.restored if where == node.id]
    return {
        "id": node.id, "label": brief(node.id, 40),
        "decision": "awaits a verdict" if node is state.pending else KINDS.get(node.decision, node.decision),
        "pending": node is state.pending, "editable": node.id in {other.id for other in state.editable},
        "tasks": tasks_view(node.tasks), "tokens": spent_at(node, tokens), "gate": gate_view(state, node),
        "flips": {"against": against, "gained": tasks_view(gained), "lost": tasks_view(lost)},
        "children": [_child_view(state, node, child) for child in node.children],
        "components": [
            {"name": part.name, "preamble": part.preamble,
             "rules": [_rule_view(state, rule) | _sources(rule, pool, put_back) | {"said": _votes(node, rule)}
                       for rule in part.rules]}
            for part in node.module.components
        ],
        "better": better_child(state, node).id if node.children else "",
    }  # fmt: skip


def _child_view(state: Merging, node: MergeNode, child: MergeNode) -> dict:
    rules = []
    for rule in child.module.rules:
        what, into = fate(rule, node)
        view = _rule_view(state, rule) | {"fate": what, "into": [brief(r.id, 40) for r in into[:5] if r.id != rule.id]}
        votes = "" if what == "kept" else _votes(node, rule)  # of a rule that stays they are shown with the node's own
        view["said"] = clipped("; ".join(filter(None, [why(node, rule.id), votes])))
        if what == "generalised":
            view["diff"] = word_diff(view["text"], clipped(into[0].text))
        elif what != "kept":
            view["diff"] = [["-", view["text"]]]
        rules.append(view)
    return {"id": child.id, "label": brief(child.id, 40), "gate": gate_view(state, child), "rules": rules}


def _votes(node: MergeNode, rule: Rule) -> str:
    """What the subsets said in the review of a rule, or of what it was revised from."""
    named = {rule.id, *(ruling.rule for ruling in node.rulings if ruling.into == rule.id)}
    votes = [f"{vote.subset} {vote.choice} ({', '.join(vote.tasks[:8])})" for vote in node.votes if vote.rule in named]
    return clipped(f"reviewers: {'; '.join(votes)}") if votes else ""


def _rule_view(state: Merging, rule: Rule) -> dict:
    text = clipped(rule.text)
    return {
        "id": rule.id, "label": brief(rule.id, 40), "text": text, "support": tasks_view(rule.support),
        "right": rule.right, "wrong": rule.wrong, "origin": brief(rule.origin, 40), "yours": rule.origin == YOU,
        "locked": rule.id in state.locked, "diff": [["=", text]],
    }  # fmt: skip


def _sources(rule: Rule, pool: dict[str, tuple[str, Rule]], put_back: list[str]) -> dict:
    """Which child rules a rule comes from, and the words it has beyond the first of them."""
    if not pool:
        return {"from": [brief(parent, 40) for parent in rule.parents[:8]], "restored": False}
    sources = [rule.id] if rule.id in pool else [parent for parent in rule.parents if parent in pool]
    names = [f"{brief(pool[source][0], 40)}: {brief(source, 40)}" for source in sources[:8]]
    view = {"from": names, "restored": rule.id in put_back}
    before = pool[sources[0]][1].text if sources else ""
    if rule.text != before:
        view["diff"] = [part for part in word_diff(clipped(before), clipped(rule.text)) if part[0] != "-"]
    return view


def tasks_view(ids) -> dict:
    return {"n": len(ids), "ids": [brief(task, 60) for task in ids[:MOST_TASKS]]}


def gate_view(state: Merging, node: MergeNode) -> dict | None:
    """Mean score with its 95 % Wilson interval, in per cent; None before an evaluation."""
    evaluation = state.evaluation(node.module)
    if evaluation is None:
        return None
    scores = [score for _, score in evaluation.scores if score == score]
    interval = wilson(sum(scores), len(scores))
    bounds = {name: round(100 * getattr(interval, name), 1) for name in ("value", "lo", "hi")} if scores else {}
    return {"n": len(scores), **bounds}


def spent_at(node: MergeNode, tokens: dict[str, int]) -> int:
    """Logical tokens of the calls made for this node: its merge, repair, audit and evaluations."""
    return sum(count for name, count in tokens.items() if name.split("<")[0] == node.id)
