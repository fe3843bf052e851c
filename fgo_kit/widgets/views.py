"""What the merge stepper shows, as JSON-able data: the tree, one node with its rules, the history.

Every text is made showable and cut here (`shown`), so a page or a JSON reader trips over nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from ..records import MergeNode, Rule, showable
from ..runs.result import Run
from ..stats import wilson
from .hand import YOU, Decision, State, suggestion
from .session import Session
from .steps import better_child, can_edit, flips

LIMIT = 2_000
"""Longest text that is shown, in characters; rules are shorter, but a name or a task id may be anything."""
MOST_TASKS = 200
ALIKE = 0.6
"""A dropped rule conflicts with a rule that stayed when they share at least this part of their words."""
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
KINDS = {"leaf": "a subset's module", "merged": "merged", "failed": "failed: no usable answer"}


def brief(text: str, limit: int = LIMIT) -> str:
    """Any text, showable and cut; what was cut is counted."""
    text = showable(text)
    return text if len(text) <= limit else f"{text[:limit]} … ({len(text):,} characters)"


def shown(value):
    """JSON-able data with every text in it made `brief`."""
    if isinstance(value, str):
        return brief(value)
    if isinstance(value, dict):
        return {name: shown(part) for name, part in value.items()}
    return [shown(part) for part in value] if isinstance(value, list | tuple) else value


def word_diff(old: str, new: str) -> list[list[str]]:
    """[op, text] parts, op "=" in both, "-" only in the old text, "+" only in the new one.

    >>> word_diff("take the code", "take any code")
    [['=', 'take '], ['-', 'the'], ['+', 'any'], ['=', ' code']]
    """
    a, b = _WORDS.findall(old), _WORDS.findall(new)
    parts: list[list[str]] = []
    for op, i, j, k, m in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if op == "equal":
            parts.append(["=", "".join(a[i:j])])
            continue
        parts += [[sign, text] for sign, text in (("-", "".join(a[i:j])), ("+", "".join(b[k:m]))) if text]
    return parts


def fate(rule: Rule, node: MergeNode) -> tuple[str, tuple[Rule, ...]]:
    """What became of a child's rule, and the rules of the node it went into or lost against.

    kept: its text stands. generalised: it went into another text. dropped: nothing comes from it.
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
    rivals = [r for r in node.module.rules if _likeness(rule.text, r.text) >= ALIKE]
    return ("conflicting", tuple(rivals)) if rivals else ("dropped", ())


def _likeness(a: str, b: str) -> float:
    one, two = set(a.lower().split()), set(b.lower().split())
    return len(one & two) / max(1, len(one | two))


# -- the tree


def tree_view(run: Run, state: State, selected: str) -> dict:
    """Nodes with places (columns and levels), edges, and what is planned as dashed nodes."""
    places: dict[str, tuple[float, int]] = {}
    columns = iter(range(1_000_000))
    ready = set(suggestion(run, state)) if not state.pending else set()
    nodes = []

    def put(item) -> tuple[float, int]:
        node_id, children = item.id, item.children
        spots = [put(child) for child in children]
        x = sum(s[0] for s in spots) / len(spots) if spots else float(next(columns))
        places[node_id] = (x, 1 + max((s[1] for s in spots), default=-1))
        nodes.append(_tree_node(item, places[node_id], state, ready) | {"selected": node_id == selected})
        return places[node_id]

    roots = planned(run, state)
    for root in roots:
        put(root)
    edges = [[node.id, child.id] for root in roots for node in _walk(root) for child in node.children]
    return {
        "nodes": nodes, "edges": edges, "columns": 1 + max(x for x, _ in places.values()),
        "levels": 1 + max(y for _, y in places.values()),
    }  # fmt: skip


def _tree_node(item, place: tuple[float, int], state: State, ready: set[str]) -> dict:
    real = item.module is not None
    kind = "planned" if not real else "pending" if item is state.pending else item.decision.split(" ")[0]
    opened = {node.id for node in state.open} if not state.pending else set()
    rules = len(item.module.rules) if real else 0
    score = state.evaluation(item.module) if real else None
    return {
        "id": item.id, "label": brief(item.id, 24), "kind": kind, "rules": rules,
        "x": place[0], "y": place[1], "open": item.id in opened, "chosen": item.id in state.chosen,
        "next": item.id in ready,
        "score": f"{100 * score.mean:.0f} %" if score else "",
        "yours": real and any(rule.origin == YOU for rule in item.module.rules),
    }  # fmt: skip


@dataclass(frozen=True)
class Planned:
    """A merge that is not made yet."""

    id: str
    children: tuple
    module: None = None


def planned(run: Run, state: State) -> list[MergeNode | Planned]:
    """The roots of the picture: what is there, joined by the merges to come as far as the run shows them."""
    below = {child.id for child in state.pending.children} if state.pending else set()
    there = {node.id: node for node in state.open if node.id not in below}
    if state.pending:
        there[state.pending.id] = state.pending
    for node in run.merge_tree.walk():
        names = [child.id for child in node.children]
        if names and tuple(sorted(names)) not in state.rejected and all(name in there for name in names):
            _join(there, names, node.id)
    first = () if state.pending else suggestion(run, state)
    if first and all(name in there for name in first):
        _join(there, list(first), "next")
    if len(there) > 1:
        _join(there, list(there), "the rest")
    return list(there.values())


def _join(there: dict, names: list[str], name: str) -> None:
    parts = tuple(there.pop(one) for one in list(there) if one in names)
    there[name] = Planned(f"{name}?", parts)


def _walk(root) -> Iterator:
    for child in root.children:
        yield from _walk(child)
    yield root


# -- one node


def node_view(session: Session, node_id: str, tokens: dict[str, int]) -> dict:
    """A node: its children side by side with the fate of each rule, and its own rules with their sources."""
    state = session.state
    node = state.node(node_id)
    pool = {rule.id: (child.id, rule) for child in node.children for rule in child.module.rules}
    against, gained, lost = flips(state, node)
    put_back = [rule for where, rule in state.restored if where == node.id]
    return {
        "id": node.id, "label": brief(node.id, 40),
        "decision": "awaits a verdict" if node is state.pending else KINDS.get(node.decision, node.decision),
        "pending": node is state.pending, "editable": can_edit(state, node.id), "tasks": _tasks(node.tasks),
        "tokens": spent_at(node, tokens), "gate": gate_view(state, node), "leaf": not node.children,
        "flips": {"against": against, "gained": _tasks(gained), "lost": _tasks(lost)},
        "children": [_child_view(state, node, child) for child in node.children],
        "components": [
            {"name": part.name, "preamble": part.preamble,
             "rules": [_rule_view(state, rule) | _sources(rule, pool, put_back) for rule in part.rules]}
            for part in node.module.components
        ],
        "better": better_child(state, node).id if node.children else "",
    }  # fmt: skip


def _child_view(state: State, node: MergeNode, child: MergeNode) -> dict:
    rules = []
    for rule in child.module.rules:
        what, into = fate(rule, node)
        shown = _rule_view(state, rule) | {"fate": what, "into": [brief(r.id, 40) for r in into[:5] if r.id != rule.id]}
        if what == "generalised":
            shown["diff"] = word_diff(shown["text"], brief(into[0].text))
        elif what != "kept":
            shown["diff"] = [["-", shown["text"]]]
        rules.append(shown)
    return {"id": child.id, "label": brief(child.id, 40), "gate": gate_view(state, child), "rules": rules}


def _rule_view(state: State, rule: Rule) -> dict:
    return {
        "id": rule.id, "label": brief(rule.id, 40), "text": brief(rule.text), "support": _tasks(rule.support),
        "right": rule.right, "wrong": rule.wrong, "origin": brief(rule.origin, 40),
        "yours": rule.origin == YOU, "locked": rule.id in state.locked, "diff": [["=", brief(rule.text)]],
    }  # fmt: skip


def _sources(rule: Rule, pool: dict[str, tuple[str, Rule]], put_back: list[str]) -> dict:
    """Which child rules a rule comes from, and the words it has beyond the first of them."""
    if not pool:
        return {"from": [brief(parent, 40) for parent in rule.parents[:8]], "restored": False}
    names = [rule.id] if rule.id in pool else [name for name in rule.parents if name in pool]
    known = [f"{brief(pool[name][0], 40)}: {brief(name, 40)}" for name in names[:8]]
    found = {"from": known, "restored": rule.id in put_back}
    if names and pool[names[0]][1].text != rule.text:
        diff = word_diff(brief(pool[names[0]][1].text), brief(rule.text))
        found["diff"] = [part for part in diff if part[0] != "-"]
    elif not names:
        found["diff"] = [["+", brief(rule.text)]]
    return found


def _tasks(ids) -> dict:
    return {"n": len(ids), "ids": [brief(task, 60) for task in ids[:MOST_TASKS]]}


def gate_view(state: State, node: MergeNode) -> dict | None:
    """Mean score with its 95 % Wilson interval, in per cent; None before an evaluation."""
    found = state.evaluation(node.module)
    if found is None:
        return None
    scores = [score for _, score in found.scores if score == score]
    interval = wilson(sum(scores), len(scores))
    return {
        "n": len(scores),
        **{name: round(100 * part, 1) for name, part in vars(interval).items() if scores},
    }


def spent_at(node: MergeNode, tokens: dict[str, int]) -> int:
    """Logical tokens of the calls made for this node: its merge, repair, audit and evaluations."""
    return sum(count for name, count in tokens.items() if name.split("<")[0] == node.id)


# -- everything


def describe(decision: Decision) -> str:
    """A decision in a few words."""
    nodes, quoted = " + ".join(decision.nodes), f"“{decision.text[:60]}”"
    texts = {
        "merge": f"merge {nodes or 'the suggested modules'}", "choose": f"choose {nodes or 'none'}",
        "redo": f"redo with {decision.strategy or 'the same strategy'}",
        "keep": f"keep {decision.node or 'the better child'}", "edit": f"edit {decision.rule}: {quoted}",
        "drop": f"drop {decision.rule}", "move": f"move {decision.rule} to {decision.at}",
        "write": f"write {quoted}", "lock": f"lock {decision.rule}", "unlock": f"unlock {decision.rule}",
        "evaluate": f"evaluate {decision.node} on {decision.k or 'some'} gate tasks",
        "finish": "finish automatically",
    }  # fmt: skip
    seed = "" if decision.seed is None else f", seed {decision.seed}"
    return texts.get(decision.do, decision.do) + seed


def stepper_view(session: Session, tokens: dict[str, int]) -> dict:
    """All that the stepper shows at one moment."""
    state, run = session.state, session.desk.run
    order = [node.id for node in state.walk()]
    chosen = state.chosen if len(state.chosen) > 1 else () if state.chosen else suggestion(run, state)
    gate_n = len(session.desk.bench.gate)
    return shown({
        "title": f"{run.config['benchmark']} with {run.config['llm']}, seed {run.config['seed']}",
        "simulated": bool(run.config["simulated"]), "tree": tree_view(run, state, session.selected),
        "node": node_view(session, session.selected or state.current, tokens),
        "order": order, "pending": state.pending.id if state.pending else "", "done": state.done,
        "next": list(chosen), "choosing": bool(state.chosen), "open": len(state.open),
        "history": [describe(decision) for decision in session.decisions[-500:]],
        "skipped": max(0, len(session.decisions) - 500),
        "cursor": session.cursor, "total": len(session.decisions),
        "saved": session.saved_at, "path": str(session.path or ""), "locked": len(state.locked),
        "gate_tasks": gate_n, "k": min(20, gate_n), "tokens": sum(tokens.values()),
    })  # fmt: skip
