"""What the merge stepper shows, as JSON-able data: the tree, one node with its rules, the history.

Every text is made showable and cut here (`shown`), so a page or a JSON reader trips over nothing.
"""

from __future__ import annotations

from ..algorithm.edits import RULE_LIMIT
from .gate_steps import K_GATE
from .merging_by_hand import Decision, suggestion
from .node_view import clipped, node_view
from .session import Session
from .steps import STRATEGIES
from .tree_view import tree_view

MOST_DECISIONS = 500


def stepper_view(session: Session, tokens: dict[str, int], waits: str = "") -> dict:
    """All that the stepper shows at one moment. tokens: see `node_view`; waits: the critical path, in words."""
    state, run, decisions = session.state, session.desk.run, session.decisions
    chosen = state.chosen if len(state.chosen) > 1 else () if state.chosen else suggestion(run, state)
    selected, gate_n = state.node(session.selected or state.current), len(session.desk.bench.gate)
    score = f"{100 * gate.mean:.1f} %" if (gate := state.evaluation(selected.module)) else "not known"
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
        "waits": waits, "score": f"gate score of {selected.id} {score}",
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
    """A decision in a few words.

    >>> describe(Decision("edit", node="m1", rule="s1e1.1", text="say None")), describe(Decision("redo", seed=3))
    ('edit s1e1.1: “say None”', 'redo, seed 3')
    """
    unsaid = {"choose": "none", "keep": "the better child"}.get(decision.do, "")
    what = " + ".join(decision.nodes) or decision.rule or decision.node or unsaid
    more = [
        decision.text and f": “{decision.text[:60]}”", decision.at and f" to place {decision.at}",
        decision.k and f" on {decision.k} gate tasks", decision.strategy and f" by {decision.strategy}",
        "" if decision.seed is None else f", seed {decision.seed}",
    ]  # fmt: skip
    return f"{decision.do} {what}".strip() + "".join(filter(None, more))
