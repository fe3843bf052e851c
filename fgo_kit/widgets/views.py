"""What the merge stepper shows, as JSON-able data: the tree, one node with its rules, the history.

Every text is made showable and cut here (`shown`), so a page or a JSON reader trips over nothing.
"""

from __future__ import annotations

from ..algorithm.edits import RULE_LIMIT
from .gate_steps import K_GATE
from .hand import Decision, suggestion
from .node_view import clipped, node_view
from .session import Session
from .steps import STRATEGIES
from .tree_view import tree_view

MOST_DECISIONS = 500


def stepper_view(session: Session, tokens: dict[str, int]) -> dict:
    """All that the stepper shows at one moment. tokens: see `node_view`."""
    state, run, decisions = session.state, session.desk.run, session.decisions
    chosen = state.chosen if len(state.chosen) > 1 else () if state.chosen else suggestion(run, state)
    selected, gate_n = state.node(session.selected or state.current), len(session.desk.bench.gate)
    return shown({
        "title": f"{run.config['benchmark']} with {run.config['llm']}, seed {run.config['seed']}",
        "simulated": bool(run.config["simulated"]), "tree": tree_view(run, state, session.selected),
        "node": node_view(state, selected, tokens), "order": [node.id for node in state.walk()],
        "pending": state.pending.id if state.pending else "", "done": state.done, "next": chosen,
        "choosing": bool(state.chosen), "open": len(state.open),
        "history": [describe(decision) for decision in decisions[-MOST_DECISIONS:]],
        "skipped": max(0, len(decisions) - MOST_DECISIONS), "cursor": session.cursor, "total": len(decisions),
        "saved": session.saved_at, "path": str(session.path or ""), "locked": len(state.locked),
        "gate_tasks": gate_n, "k": min(K_GATE, gate_n), "tokens": sum(tokens.values()),
        "strategies": {"": "same strategy", **STRATEGIES}, "longest": RULE_LIMIT,
    })  # fmt: skip


def shown(value):
    """JSON-able data with every text in it showable and cut."""
    if isinstance(value, str):
        return clipped(value)
    if isinstance(value, dict):
        return {name: shown(part) for name, part in value.items()}
    return [shown(part) for part in value] if isinstance(value, list | tuple) else value


def describe(decision: Decision) -> str:
    """A decision in a few words."""
    nodes, quoted = " + ".join(decision.nodes), f"“{decision.text[:60]}”"
    texts = {
        "merge": f"merge {nodes or 'the suggested modules'}", "choose": f"choose {nodes or 'none'}",
        "redo": f"redo with {decision.strategy or 'the same strategy'}",
        "keep": f"keep {decision.node or 'the better child'}", "edit": f"edit {decision.rule}: {quoted}",
        "drop": f"drop {decision.rule}", "move": f"move {decision.rule} to {decision.at}",
        "write": f"write {quoted}", "lock": f"lock {decision.rule}", "unlock": f"unlock {decision.rule}",
        "evaluate": f"evaluate {decision.node} on {decision.k or 'some'} gate tasks", "finish": "finish automatically",
    }  # fmt: skip
    return texts.get(decision.do, decision.do) + ("" if decision.seed is None else f", seed {decision.seed}")
