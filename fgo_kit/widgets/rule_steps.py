"""Merging by hand: the decisions on rules, and what a lock does in a merge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..algorithm.edits import RULE_LIMIT
from ..algorithm.lineage import pooled
from ..records import MergeNode, Rule
from ..records.showing import showable
from .merging_by_hand import YOU, Decision, Desk, Merging


def edit(desk: Desk, state: Merging, decision: Decision) -> Merging:
    """The rule in other words: a rule of yours with the support of the old one, which is its first parent."""
    rule = _rule(state, decision)
    new = _written(state, decision, rule.support, (rule.id, *rule.parents))
    locked = tuple(new.id if rule_id == rule.id else rule_id for rule_id in state.locked)
    state = replace(state, written=state.written + 1, locked=locked)
    return _changed(state, decision.node, lambda rules: [new if r.id == rule.id else r for r in rules])


def drop(desk: Desk, state: Merging, decision: Decision) -> Merging:
    """The module without the rule."""
    rule = _rule(state, decision)
    if rule.id in state.locked:
        raise ValueError(f"rule {rule.id!r} is locked; unlock it before you drop it")
    return _changed(state, decision.node, lambda rules: [r for r in rules if r.id != rule.id])


def move(desk: Desk, state: Merging, decision: Decision) -> Merging:
    """The rule at another place in its component."""
    rule = _rule(state, decision)

    def moved(rules: list[Rule]) -> list[Rule]:
        others = [r for r in rules if r.id != rule.id]
        if len(others) == len(rules):
            return rules
        if not 1 <= decision.at <= len(rules):
            raise ValueError(f"at={decision.at} is not a place in the list; use 1 to {len(rules)}")
        return [*others[: decision.at - 1], rule, *others[decision.at - 1 :]]

    return _changed(state, decision.node, moved)


def write(desk: Desk, state: Merging, decision: Decision) -> Merging:
    """A rule of yours at the end of a component, the first one by default."""
    names = [part.name for part in _editable(state, decision.node).module.components]
    name = decision.component or names[0]
    if name not in names:
        raise ValueError(f"component={name!r} is unknown; use one of {names}")
    new = _written(state, decision)
    state = replace(state, written=state.written + 1)
    return _changed(state, decision.node, lambda rules: [*rules, new], only=name)


def lock(desk: Desk, state: Merging, decision: Decision) -> Merging:
    """From now on no merge loses the rule."""
    held = {rule.id for node in (*state.open, *filter(None, [state.pending])) for rule in node.module.rules}
    if decision.rule not in held:
        raise ValueError(f"no open module has a rule {decision.rule!r}; they have {sorted(held)}")
    if decision.rule in state.locked:
        raise ValueError(f"rule {decision.rule!r} is locked already")
    return replace(state, locked=(*state.locked, decision.rule))


def unlock(desk: Desk, state: Merging, decision: Decision) -> Merging:
    """The rule may be lost again."""
    if decision.rule not in state.locked:
        raise ValueError(f"rule {decision.rule!r} is not locked; locked are {list(state.locked)}")
    return replace(state, locked=tuple(rule_id for rule_id in state.locked if rule_id != decision.rule))


def restored(node: MergeNode, locked: Sequence[str]) -> tuple[MergeNode, tuple[tuple[str, str], ...]]:
    """The node with every locked rule of its children that its module lacks put back, and which those were.

    A rule with the very text of a locked one that it comes from takes the locked one's id.
    """
    have, put_back = {rule.id for rule in node.module.rules}, []
    rules = {part.name: list(part.rules) for part in node.module.components}
    for part in pooled([child.module for child in node.children]).components:
        listed = rules[part.name]
        for rule in part.rules:
            if rule.id not in locked or rule.id in have:
                continue
            same = [i for i, r in enumerate(listed) if rule.id in r.parents and r.text == rule.text]
            if same:
                listed[same[0]] = replace(listed[same[0]], id=rule.id)
            else:
                listed.append(rule)
                put_back.append((node.id, rule.id))
    module = node.module.with_rules({name: tuple(listed) for name, listed in rules.items()})
    return replace(node, module=module), tuple(put_back)


def _written(state: Merging, decision: Decision, support: tuple[str, ...] = (), parents: tuple[str, ...] = ()) -> Rule:
    """The rule as typed, on one line, without what cannot be shown. ValueError when too short or long."""
    text = " ".join(showable(decision.text).split())
    if not 3 <= len(text) <= RULE_LIMIT:
        raise ValueError(f"a rule of {len(text)} characters is not allowed; use 3 to {RULE_LIMIT}")
    return Rule(f"{YOU}.{state.written + 1}", text, support, parents, YOU)


def _rule(state: Merging, decision: Decision) -> Rule:
    try:
        return _editable(state, decision.node).module.rule(decision.rule)
    except KeyError as error:
        raise ValueError(error.args[0]) from None


def _editable(state: Merging, node_id: str) -> MergeNode:
    node = state.node(node_id)
    if node_id in {other.id for other in state.editable}:
        return node
    raise ValueError(f"{node_id} is merged already; change the module it went into, or undo that merge")


def _changed(state: Merging, node_id: str, change: Callable[[list[Rule]], list[Rule]], only: str = "") -> Merging:
    node = _editable(state, node_id)
    parts = [part for part in node.module.components if part.name == (only or part.name)]
    module = node.module.with_rules({part.name: tuple(change(list(part.rules))) for part in parts})
    changed = replace(node, module=module)
    if node is state.pending:
        return replace(state, pending=changed, current=node_id)
    return replace(state, open=tuple(changed if other is node else other for other in state.open), current=node_id)
