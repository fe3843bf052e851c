"""Merging by hand: what each decision does to the modules. No widget in here.

    state = apply(desk, start(run), Decision("merge"))          # the suggested modules
    state = apply(desk, state, Decision("accept"))

A `State` is changed by `apply` alone, which is a function of its arguments: answers of the LLM come from
the log of the run when they were paid for before, so the same decisions always give the same module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ..algorithm.edits import RULE_LIMIT
from ..algorithm.merge import merge_node
from ..algorithm.rollout import rollouts
from ..algorithm.union import pooled
from ..calls.log import Place
from ..records import MergeNode, Rule, Task, digest, showable
from ..runs.result import Run
from .hand import YOU, Decision, Desk, Evaluation, State, start, suggestion

__all__ = ["STRATEGIES", "Decision", "Desk", "State", "apply", "better_child", "flips", "start", "suggestion"]

STRATEGIES = ("edits", "rewrite", "pool")
"""How one merge is made: by edits, by rewriting the whole text, or by taking all rules, without an LLM."""
K_GATE = 20


def apply(desk: Desk, state: State, decision: Decision) -> State:
    """The state after a decision. ValueError says why one is not possible; errors of the LLM pass through."""
    if decision.do not in DOES:
        raise ValueError(f"do={decision.do!r} is no decision; use one of {list(DOES)}")
    return DOES[decision.do](desk, state, decision)


# -- merges and their verdicts


def _merge(desk: Desk, state: State, decision: Decision) -> State:
    if state.pending:
        raise ValueError(f"{state.pending.id} awaits a verdict; accept, reject, redo or keep a child first")
    ids = decision.nodes or state.chosen or suggestion(desk.run, state)
    if not ids:
        left = "only one module is left" if len(state.open) == 1 else "every pair was rejected"
        raise ValueError(f"{left}, so there is nothing to suggest; choose modules, finish, or undo")
    return _candidate(desk, state, _children(state, ids), decision)


def _children(state: State, ids: Sequence[str]) -> tuple[MergeNode, ...]:
    """Open nodes by id, in their own order, so that the same choice always asks the same question."""
    _check_open(state, ids)
    if len(set(ids)) < 2:
        raise ValueError(f"nodes={list(ids)} is too few to merge; name two or more modules")
    return tuple(node for node in state.open if node.id in ids)


def _candidate(desk: Desk, state: State, children: tuple[MergeNode, ...], decision: Decision) -> State:
    node_id, children = _identity(desk.run, state, children)
    node = _merged(desk, node_id, children, decision)
    node, put_back = restored(node, state.locked)
    return replace(
        state, pending=node, current=node_id, chosen=(), used=(*state.used, node_id),
        restored=state.restored + put_back,
    )  # fmt: skip


def _identity(run: Run, state: State, children) -> tuple[str, tuple[MergeNode, ...]]:
    """The node's id and its children in order: those of the run where it made the same merge (its answer is
    in the log then), else a new id. No id is used twice, so no call takes the place of another."""
    by_id = {child.id: child for child in children}
    for node in run.merge_tree.walk():
        names = [child.id for child in node.children]
        if sorted(names) == sorted(by_id) and node.id not in state.used:
            return node.id, tuple(by_id[name] for name in names)
    return f"h{len(state.used) + 1}", children


def _merged(desk: Desk, node_id: str, children: tuple[MergeNode, ...], decision: Decision) -> MergeNode:
    if decision.strategy and decision.strategy not in STRATEGIES:
        raise ValueError(f"strategy={decision.strategy!r} is unknown; use one of {list(STRATEGIES)}")
    if decision.seed is not None and decision.seed < 0:
        raise ValueError(f"seed={decision.seed} is not allowed; use a whole number >= 0")
    if decision.strategy == "pool":
        module = pooled([child.module for child in children])
        tasks = tuple(task for child in children for task in child.tasks)
        return MergeNode(node_id, module, children, "merged", module, tasks)
    changes = {"edits": decision.strategy == "edits"} if decision.strategy else {}
    return merge_node(desk.context(decision.seed, gate="none", **changes), node_id, children)


def restored(node: MergeNode, locked: Sequence[str]) -> tuple[MergeNode, tuple[tuple[str, str], ...]]:
    """The node with every locked rule of its children that its module lacks put back, and which those were.

    A rule with the very text of a locked one that it comes from takes the locked one's id.
    """
    pool = pooled([child.module for child in node.children])
    have, put_back = {rule.id for rule in node.module.rules}, []
    rules = {part.name: list(part.rules) for part in node.module.components}
    for part in pool.components:
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


def _accept(desk: Desk, state: State, decision: Decision) -> State:
    node = _pending(state)
    gate = state.evaluation(node.module)
    if gate:
        node = replace(node, gate_score=gate.mean, candidate_gate_score=gate.mean)
    below = {child.id for child in node.children}
    at = next(i for i, other in enumerate(state.open) if other.id in below)
    others = [other for other in state.open if other.id not in below]
    placed = (*others[:at], node, *others[at:])
    return replace(state, open=placed, pending=None, current=node.id, chosen=())


def _reject(desk: Desk, state: State, decision: Decision) -> State:
    node = _pending(state)
    names = tuple(child.id for child in node.children)
    return replace(state, pending=None, current=names[0], rejected=(*state.rejected, tuple(sorted(names))))


def _redo(desk: Desk, state: State, decision: Decision) -> State:
    node = _pending(state)
    seed = desk.run.config["seed"] + len(state.used) if decision.seed is None else decision.seed
    return _candidate(desk, replace(state, pending=None), node.children, replace(decision, seed=seed))


def _keep(desk: Desk, state: State, decision: Decision) -> State:
    node = _pending(state)
    child = better_child(state, node)
    if decision.node:
        child = next((c for c in node.children if c.id == decision.node), None)
        if child is None:
            names = [c.id for c in node.children]
            raise ValueError(f"{decision.node!r} is no child of {node.id}; use one of {names}")
    kept, put_back = restored(replace(node, module=child.module, decision=f"kept {child.id}"), state.locked)
    return _accept(desk, replace(state, pending=kept, restored=state.restored + put_back), decision)


def better_child(state: State, node: MergeNode) -> MergeNode:
    """By gate score where every child was evaluated, else by total support."""
    found = [state.evaluation(child.module) for child in node.children]
    if all(found):
        return node.children[int(np.argmax(np.nan_to_num([e.mean for e in found], nan=-1.0)))]
    return max(node.children, key=lambda child: sum(len(rule.support) for rule in child.module.rules))


def _pending(state: State) -> MergeNode:
    if state.pending is None:
        raise ValueError("no merge awaits a verdict; merge first")
    return state.pending


def _choose(desk: Desk, state: State, decision: Decision) -> State:
    _check_open(state, decision.nodes)
    return replace(state, chosen=tuple(dict.fromkeys(decision.nodes)))


def _check_open(state: State, ids: Sequence[str]) -> None:
    known = [node.id for node in state.open]
    unknown = [name for name in ids if name not in known]
    if unknown:
        raise ValueError(f"{unknown} are not open; the open modules are {known}")


def _finish(desk: Desk, state: State, decision: Decision) -> State:
    """All merges left, in the order suggested, with the gate of the run; the candidate counts as accepted."""
    if state.pending:
        state = _accept(desk, state, decision)
    if state.done:
        raise ValueError("one module is left, there is nothing to finish")
    while not state.done:
        ids = suggestion(desk.run, state) or suggestion(desk.run, state, again=True)
        node_id, children = _identity(desk.run, state, _children(state, ids))
        node, put_back = restored(merge_node(desk.context(), node_id, children), state.locked)
        state = replace(state, pending=node, used=(*state.used, node_id), restored=state.restored + put_back)
        state = _accept(desk, state, decision)
    return state


# -- rules


def _edit(desk: Desk, state: State, decision: Decision) -> State:
    """The rule in other words: a rule of yours with the support of the old one, which is its first parent."""
    rule, text = _rule(state, decision), clean(decision.text)
    number = state.written + 1
    new = Rule(f"{YOU}.{number}", text, rule.support, (rule.id, *rule.parents), YOU)
    locked = tuple(new.id if name == rule.id else name for name in state.locked)
    state = replace(state, written=number, locked=locked)
    return _changed(state, decision.node, lambda rules: [new if r.id == rule.id else r for r in rules])


def _drop(desk: Desk, state: State, decision: Decision) -> State:
    rule = _rule(state, decision)
    if rule.id in state.locked:
        raise ValueError(f"rule {rule.id!r} is locked; unlock it before you drop it")
    return _changed(state, decision.node, lambda rules: [r for r in rules if r.id != rule.id])


def _move(desk: Desk, state: State, decision: Decision) -> State:
    rule = _rule(state, decision)

    def moved(rules: list[Rule]) -> list[Rule]:
        others = [r for r in rules if r.id != rule.id]
        if len(others) == len(rules):
            return rules
        if not 1 <= decision.at <= len(rules):
            raise ValueError(f"at={decision.at} is not a place in the list; use 1 to {len(rules)}")
        return [*others[: decision.at - 1], rule, *others[decision.at - 1 :]]

    return _changed(state, decision.node, moved)


def _write(desk: Desk, state: State, decision: Decision) -> State:
    module, number = _editable(state, decision.node).module, state.written + 1
    names = [part.name for part in module.components]
    name = decision.component or names[0]
    if name not in names:
        raise ValueError(f"component={name!r} is unknown; use one of {names}")
    new = Rule(f"{YOU}.{number}", clean(decision.text), (), (), YOU)
    return _changed(replace(state, written=number), decision.node, lambda rules: [*rules, new], only=name)


def _lock(desk: Desk, state: State, decision: Decision) -> State:
    held = [rule.id for node in (*state.open, *filter(None, [state.pending])) for rule in node.module.rules]
    if decision.rule not in held:
        raise ValueError(f"no open module has a rule {decision.rule!r}; they have {sorted(set(held))}")
    if decision.rule in state.locked:
        raise ValueError(f"rule {decision.rule!r} is locked already")
    return replace(state, locked=(*state.locked, decision.rule))


def _unlock(desk: Desk, state: State, decision: Decision) -> State:
    if decision.rule not in state.locked:
        raise ValueError(f"rule {decision.rule!r} is not locked; locked are {list(state.locked)}")
    return replace(state, locked=tuple(name for name in state.locked if name != decision.rule))


def clean(text: str) -> str:
    """A rule as typed, on one line, without what cannot be shown. ValueError when too short or long."""
    text = " ".join(showable(text).split())
    if not 3 <= len(text) <= RULE_LIMIT:
        raise ValueError(f"a rule of {len(text)} characters is not allowed; use 3 to {RULE_LIMIT}")
    return text


def _rule(state: State, decision: Decision) -> Rule:
    try:
        return _editable(state, decision.node).module.rule(decision.rule)
    except KeyError as error:
        raise ValueError(error.args[0]) from None


def can_edit(state: State, node_id: str) -> bool:
    """Whether a node's rules can change: the candidate's, or an open node's that no candidate is made of."""
    below = {child.id for child in state.pending.children} if state.pending else set()
    free = [node.id for node in state.open if node.id not in below]
    return node_id in free or bool(state.pending and node_id == state.pending.id)


def _editable(state: State, node_id: str) -> MergeNode:
    node = state.node(node_id)
    if can_edit(state, node_id):
        return node
    raise ValueError(f"{node_id} is merged already; change the module it went into, or undo that merge")


def _changed(state: State, node_id: str, change: Callable[[list[Rule]], list[Rule]], only: str = "") -> State:
    node = _editable(state, node_id)
    parts = [part for part in node.module.components if part.name == (only or part.name)]
    module = node.module.with_rules({part.name: tuple(change(list(part.rules))) for part in parts})
    changed = replace(node, module=module)
    if node is state.pending:
        return replace(state, pending=changed, current=node_id)
    return replace(state, open=tuple(changed if n is node else n for n in state.open), current=node_id)


# -- evaluation


def _evaluate(desk: Desk, state: State, decision: Decision) -> State:
    """Score the node's module, and those of its children, on the first k gate tasks."""
    tasks, owners = to_score(desk, state, decision)
    ctx, found = desk.context(), list(state.evaluations)
    for owner in owners:
        version = digest(str(owner.module))
        place = Place("gate", node=f"{decision.node}<{owner.id}@{version[:6]}")
        trajectories = rollouts(ctx, owner.module, tasks, place)
        found.append(Evaluation(owner.id, version, tuple((t.task_id, t.score) for t in trajectories)))
    return replace(state, evaluations=tuple(found), current=decision.node)


def to_score(desk: Desk, state: State, decision: Decision) -> tuple[tuple[Task, ...], list[MergeNode]]:
    """The first k gate tasks (20, or all there are, for k=0), and the nodes to score on them: the one named,
    and its children unless they were scored on these before. ValueError when there are not so many tasks."""
    gate, k, node = desk.bench.gate, decision.k, state.node(decision.node)
    if not gate:
        raise ValueError(f"{desk.bench.name} has no gate tasks to evaluate on; load it with a gate split")
    if not 0 <= k <= len(gate):
        raise ValueError(f"k={k} is not allowed; {desk.bench.name} has {len(gate)} gate tasks")
    tasks = gate[: k or K_GATE]
    known = {(e.module, len(e.scores)) for e in state.evaluations}
    unknown = [c for c in node.children if (digest(str(c.module)), len(tasks)) not in known]
    return tasks, [*unknown, node]


def flips(state: State, node: MergeNode) -> tuple[str, list[str], list[str]]:
    """(what the last evaluation is compared with, tasks it gets right now, tasks it no longer gets right).

    Compared with the node's own last version that was evaluated on these tasks, else with its better child.
    """
    now = state.evaluation(node.module)
    if now is None:
        return "", [], []
    older = [e for e in state.evaluations if e.node == node.id and e.module != now.module]
    children = [e for e in map(lambda child: state.evaluation(child.module), node.children) if e]
    before = older[-1] if older else max(children, key=lambda e: e.mean, default=None)
    if before is None:
        return "", [], []
    was = dict(before.scores)
    shared = [(task, score, was[task]) for task, score in now.scores if task in was]
    name = "its version before" if older else before.node
    return name, [t for t, new, old in shared if new > old], [t for t, new, old in shared if new < old]


DOES = {
    "merge": _merge, "accept": _accept, "reject": _reject, "redo": _redo, "keep": _keep, "choose": _choose,
    "edit": _edit, "drop": _drop, "move": _move, "write": _write, "lock": _lock, "unlock": _unlock,
    "evaluate": _evaluate, "finish": _finish,
}  # fmt: skip
