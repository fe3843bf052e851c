"""Merging by hand: what each decision does to the modules. No widget in here.

    state = apply(desk, unmerged(run), Decision("merge"))          # the suggested modules
    state = apply(desk, state, Decision("accept"))

A `Merging` is changed by `apply` alone, which is a function of its arguments: answers of the LLM come from
the log of the run when they were paid for before, so the same decisions always give the same module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..algorithm.lineage import pooled
from ..algorithm.merge import merge_node, tasks_of
from ..records import MergeNode
from ..runs.result import Run
from . import rule_steps
from .gate_steps import better_child, evaluate
from .merging_by_hand import Decision, Desk, Merging, suggestion

STRATEGIES = {"edits": "edits", "list": "list", "rewrite": "rewrite", "pool": "pool (no LLM)"}
"""How one merge is made, with labels: by edits of the union, by the list of rules that stay, by rewriting the whole
text, or by taking all rules, without an LLM."""
_EDITS = {"edits": True, "list": "list", "rewrite": False}


def apply(desk: Desk, state: Merging, decision: Decision) -> Merging:
    """The state after a decision. ValueError says why one is not possible; errors of the LLM pass through."""
    if decision.do not in DOES:
        raise ValueError(f"do={decision.do!r} is no decision; use one of {list(DOES)}")
    return DOES[decision.do](desk, state, decision)


# -- merges


def merge(desk: Desk, state: Merging, decision: Decision) -> Merging:
    """A candidate made of open modules; it awaits a verdict."""
    if state.pending:
        raise ValueError(f"{state.pending.id} awaits a verdict; accept, reject, redo or keep a child first")
    ids = decision.nodes or state.chosen or suggestion(desk.run, state)
    if not ids:
        left = "only one module is left" if len(state.open) == 1 else "every pair was rejected"
        raise ValueError(f"{left}, so there is nothing to suggest; choose modules, finish, or undo")
    return _with_candidate(desk, state, _children(state, ids), decision)


def redo(desk: Desk, state: Merging, decision: Decision) -> Merging:
    """The candidate made again, by another seed or strategy."""
    node = _pending(state)
    seed = desk.run.config["seed"] + len(state.used) if decision.seed is None else decision.seed
    return _with_candidate(desk, replace(state, pending=None), node.children, replace(decision, seed=seed))


def choose(desk: Desk, state: Merging, decision: Decision) -> Merging:
    """Which modules merge next."""
    _check_open(state, decision.nodes)
    return replace(state, chosen=tuple(dict.fromkeys(decision.nodes)))


def _children(state: Merging, ids: Sequence[str]) -> tuple[MergeNode, ...]:
    """Open nodes by id, in their own order, so that the same choice always asks the same question."""
    _check_open(state, ids)
    if len(set(ids)) < 2:
        raise ValueError(f"nodes={list(ids)} is too few to merge; name two or more modules")
    return tuple(node for node in state.open if node.id in ids)


def _check_open(state: Merging, ids: Sequence[str]) -> None:
    known = [node.id for node in state.open]
    unknown = [node_id for node_id in ids if node_id not in known]
    if unknown:
        raise ValueError(f"{unknown} are not open; the open modules are {known}")


def _with_candidate(desk: Desk, state: Merging, children: tuple[MergeNode, ...], decision: Decision) -> Merging:
    node_id, children = _identity(desk.run, state, children)
    return _proposed(state, _merged(desk, state, node_id, children, decision))


def _proposed(state: Merging, node: MergeNode) -> Merging:
    """The state with a node as its candidate, locked rules put back."""
    node, put_back = rule_steps.restored(node, state.locked)
    return replace(
        state, pending=node, current=node.id, chosen=(), used=(*state.used, node.id), restored=state.restored + put_back
    )


def _identity(run: Run, state: Merging, children) -> tuple[str, tuple[MergeNode, ...]]:
    """The node's id and its children in order: those of the run where it made the same merge (its answer is
    in the log then), else a new id. No id is used twice, so no call takes the place of another."""
    by_id = {child.id: child for child in children}
    for node in run.merge_tree.walk():
        names = [child.id for child in node.children]
        if sorted(names) == sorted(by_id) and node.id not in state.used:
            return node.id, tuple(by_id[name] for name in names)
    return f"h{len(state.used) + 1}", children


def _merged(desk: Desk, state: Merging, node_id: str, children: tuple[MergeNode, ...], decision: Decision) -> MergeNode:
    if decision.strategy and decision.strategy not in STRATEGIES:
        raise ValueError(f"strategy={decision.strategy!r} is unknown; use one of {list(STRATEGIES)}")
    if decision.seed is not None and decision.seed < 0:
        raise ValueError(f"seed={decision.seed} is not allowed; use a whole number >= 0")
    if decision.strategy == "pool":
        module = pooled([child.module for child in children])
        return MergeNode(node_id, module, children, "merged", module, tasks_of(children))
    changes = {"edits": _EDITS[decision.strategy]} if decision.strategy else {}
    return merge_node(desk.context(decision.seed, gate="none", **changes), node_id, children, _voters(state, children))


def _voters(state: Merging, children: Sequence[MergeNode]) -> tuple[MergeNode, ...]:
    """The subsets that vote on a merge, where the run has a review: all, at the last one."""
    return tuple(leaf for child in children for leaf in child.leaves) if len(children) == len(state.open) else ()


# -- verdicts


def accept(desk: Desk, state: Merging, decision: Decision) -> Merging:
    """The candidate takes the place of the modules it was made of."""
    node = _pending(state)
    gate = state.evaluation(node.module)
    if gate:
        node = replace(node, gate_score=gate.mean, candidate_gate_score=gate.mean)
    below = {child.id for child in node.children}
    at = next(place for place, other in enumerate(state.open) if other.id in below)
    others = [other for other in state.open if other.id not in below]
    return replace(state, open=(*others[:at], node, *others[at:]), pending=None, current=node.id, chosen=())


def reject(desk: Desk, state: Merging, decision: Decision) -> Merging:
    """The modules stay unmerged, and are not suggested together again."""
    names = tuple(child.id for child in _pending(state).children)
    return replace(state, pending=None, current=names[0], rejected=(*state.rejected, tuple(sorted(names))))


def keep(desk: Desk, state: Merging, decision: Decision) -> Merging:
    """The module of a child takes the place of all."""
    node = _pending(state)
    children = {child.id: child for child in node.children}
    if decision.node not in ("", *children):
        raise ValueError(f"{decision.node!r} is no child of {node.id}; use one of {list(children)}")
    child = children.get(decision.node) or better_child(state, node)
    kept, put_back = rule_steps.restored(replace(node, module=child.module, decision=f"kept {child.id}"), state.locked)
    return accept(desk, replace(state, pending=kept, restored=state.restored + put_back), decision)


def finish(desk: Desk, state: Merging, decision: Decision) -> Merging:
    """All merges left, in the order suggested, with the gate of the run; the candidate counts as accepted."""
    if state.pending:
        state = accept(desk, state, decision)
    if state.done:
        raise ValueError("one module is left, there is nothing to finish")
    while not state.done:
        ids = suggestion(desk.run, state) or suggestion(desk.run, state, again=True)
        node_id, children = _identity(desk.run, state, _children(state, ids))
        node = merge_node(desk.context(), node_id, children, _voters(state, children))
        state = accept(desk, _proposed(state, node), decision)
    return state


def _pending(state: Merging) -> MergeNode:
    if state.pending is None:
        raise ValueError("no merge awaits a verdict; merge first")
    return state.pending


DOES = {
    "merge": merge, "accept": accept, "reject": reject, "redo": redo, "keep": keep, "choose": choose,
    "edit": rule_steps.edit, "drop": rule_steps.drop, "move": rule_steps.move, "write": rule_steps.write,
    "lock": rule_steps.lock, "unlock": rule_steps.unlock, "evaluate": evaluate, "finish": finish,
}  # fmt: skip
ASKS = ("merge", "redo", "evaluate", "finish")
"""Decisions that may ask the LLM."""
