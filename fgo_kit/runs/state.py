"""`State`: what a finished run leaves in its log beside the calls, and the form in which it is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..algorithm.context import Cut, Judged
from ..calls.log import Place
from ..records import Division, MergeNode, Module, Rule, Task


@dataclass(frozen=True)
class State:
    """What `Run` gives as objects and tables."""

    module: Module
    record: list[Judged]
    dropped: list[Place]
    division: Division | None = None
    merge_tree: MergeNode | None = None
    tasks: tuple[Task, ...] = ()  # those of the record, without their texts: a trajectory holds what was read
    earlier: tuple[MergeNode, ...] = ()  # merge trees of the passes before the last
    cuts: list[Cut] = field(default_factory=list)  # rules that controls took out
    unused: list[tuple[Place, str]] = field(default_factory=list)  # parts of adopted answers that were of no use, why
    shared: tuple[Rule, ...] = ()  # on disk alone (see `stored`)


def stored(state: State) -> State:
    """The state as it is written: its trees hold the numbers of rules, which copies of a module share, in `shared`.

    Every subset of a later pass starts from all rules with all their support: written out, both would be multiplied.
    """
    known: dict[Rule, int] = {}
    numbered = _with_rules(state, lambda rule: Rule(str(known.setdefault(rule, len(known))), ""))
    return replace(numbered, shared=tuple(known))


def restored(state: State) -> State:
    """The state that `stored` was given."""
    return replace(_with_rules(state, lambda rule: state.shared[int(rule.id)]), shared=()) if state.shared else state


def _with_rules(state: State, change: Callable[[Rule], Rule]) -> State:
    def of(node: MergeNode) -> MergeNode:
        candidate = node.candidate and node.candidate.map_rules(change)
        children = tuple(map(of, node.children))
        return replace(node, module=node.module.map_rules(change), candidate=candidate, children=children)

    return replace(state, merge_tree=state.merge_tree and of(state.merge_tree), earlier=tuple(map(of, state.earlier)))
