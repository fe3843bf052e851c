"""The union of several modules: every rule once, with what is known of it, and the edits that a merger makes to it.

Nothing is lost by omission: what no edit names stays. Rules of the same words are united, and inherited rules are
merged three ways (the module before, and its copies), without asking a model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from operator import itemgetter
from typing import Literal

from pydantic import BaseModel, Field

from ..calls.json_text import Id, Ids, Line, Listed, read_list
from ..records import MergeNode, Module, Rule, Ruling
from .context import Context
from .edits import RuleText, resolved
from .lineage import joined, pooled

REASON_LIMIT = 300
"""Longest reason that is kept of a drop or a revision, in characters."""


@dataclass(frozen=True)
class Draft:
    """A module on its way to be a node's: what became of rules so far, and whether the merger's answer was of no use.

    found: of a union, by rule id in how many of the subsets it was found, in words, and how many copies changed it.
    """

    module: Module
    rulings: tuple[Ruling, ...] = ()
    failed: bool = False
    found: Mapping[str, str] = field(default_factory=dict)

    def ruled(self, module: Module, rulings: Sequence[Ruling]) -> Draft:
        return replace(self, module=module, rulings=(*self.rulings, *rulings))


class MergeEdit(BaseModel):
    """One change to the union, as the merger writes it."""

    op: Literal["unite", "revise", "drop"]
    ids: Ids = Field(default_factory=list)
    id: Id = ""
    text: RuleText | None = None
    reason: Line = ""


class MergeEdits(BaseModel):
    """The merger's whole answer."""

    edits: list[MergeEdit]


MERGE_SCHEMA = MergeEdits.model_json_schema()


def union_of(ctx: Context, children: Sequence[MergeNode], node_id: str) -> Draft:
    """All rules of the children, each once; inherited ones that enough copies changed are left out."""
    pool, copies = pooled([child.module for child in children]), _copies(children)
    opinions = {rule.id: _opinions(ctx, rule.id, copies) for rule in ctx.before.rules}
    gone = {rule_id for rule_id, (against, for_it) in opinions.items() if against and against >= for_it}
    module, united = _same_words(without_rules(pool, gone), node_id)
    ctx.know(module)
    lineages = {rule.id: ctx.lineage(rule.id) for rule in module.rules}
    into = {source: rule_id for rule_id, lineage in reversed(lineages.items()) for source in lineage}
    rulings = [_of_copies(ctx, rule.id, opinions[rule.id], into) for rule in pool.rules if rule.id in gone]
    held, found = holders(leaf for child in children for leaf in child.leaves), {}
    for rule_id, lineage in lineages.items():
        changed = opinions.get(rule_id, (0,))[0]
        words = f"found in {len(found_in(lineage, held))} of {len(copies)} copies"
        found[rule_id] = words + (f"; changed by {changed}" if changed else "")
    return Draft(module, (*rulings, *united), found=found)


def holders(subsets: Iterable[MergeNode]) -> dict[str, set[str]]:
    """By rule id, the subsets whose modules have the rule."""
    held: dict[str, set[str]] = defaultdict(set)
    for leaf in subsets:
        for rule in leaf.module.rules:
            held[rule.id].add(leaf.id)
    return held


def found_in(lineage: Iterable[str], held: Mapping[str, set[str]]) -> set[str]:
    """The subsets that have any of these rules."""
    return set().union(*(held.get(rule_id, ()) for rule_id in lineage))


Copy = tuple[dict[str, Rule], set[str]]
"""The rules of a subset by id, and the ids of those that a merger or a vote changed in a merge above it.

What copies changed is asked anew at every merge, of all copies below it: a tie of two says nothing of the others.
"""


def _copies(children: Sequence[MergeNode]) -> list[Copy]:
    ruled = [({r.rule for node in child.walk() for r in node.rulings if r.by != "copies"}, child) for child in children]
    return [({rule.id: rule for rule in leaf.module.rules}, ids) for ids, child in ruled for leaf in child.leaves]


def without_rules(module: Module, gone: set[str]) -> Module:
    """The module without the rules of these ids."""
    return module.with_rules({c.name: tuple(r for r in c.rules if r.id not in gone) for c in module.components})


def _opinions(ctx: Context, rule_id: str, copies: Sequence[Copy]) -> tuple[int, int]:
    """How many copies changed an inherited rule and how many kept it; where uses are counted, those that used it."""
    held = [rules[rule_id] for rules, changed in copies if rule_id in rules and rule_id not in changed]
    kept = sum(rule.right + rule.wrong > 0 for rule in held) if ctx.settings.cites else len(held)
    return len(copies) - len(held), kept


def _of_copies(ctx: Context, rule_id: str, opinions: tuple[int, int], into: Mapping[str, str]) -> Ruling:
    changed, kept = opinions
    reason = f"{changed} of {changed + kept} copies that {'used' if ctx.settings.cites else 'had'} it changed it"
    return Ruling(rule_id, "revise" if rule_id in into else "drop", "copies", reason, into.get(rule_id, ""))


def _same_words(module: Module, node_id: str) -> tuple[Module, list[Ruling]]:
    """The module with rules of the same words united."""
    rulings, numbers, rules = [], count(1), {}
    for component in module.components:
        groups: dict[str, list[Rule]] = defaultdict(list)
        for rule in component.rules:
            groups[" ".join(rule.text.split()).casefold()].append(rule)
        listed = []
        for group in groups.values():
            rule = group[0]
            if len(group) > 1:
                rule = joined(group, f"{node_id}.w{next(numbers)}", rule.text, node_id)
                rulings += [Ruling(source.id, "unite", "words", into=rule.id) for source in group]
            listed.append(rule)
        rules[component.name] = tuple(listed)
    return module.with_rules(rules), rulings


def read_merge_edits(text: str, module: Module) -> Listed[MergeEdit]:
    """The edits in a merger's answer that can be applied to the union it was shown; none leaves it as it is.

    >>> read_merge_edits('{"edits": []}', Module(())).items
    []
    """
    known = {rule.id for rule in module.rules}

    def check(edit: MergeEdit) -> MergeEdit:
        ids = resolved([*edit.ids, *([edit.id] if edit.id else [])], known)
        unknown, wanted = [name for name in ids if name not in known], "two ids" if edit.op == "unite" else "an id"
        if unknown:
            raise ValueError(f"no rules {unknown[:5]} were shown")
        if len(ids) < (2 if edit.op == "unite" else 1):
            raise ValueError(f"{edit.op} needs {wanted}")
        if edit.op != "drop" and not edit.text:
            raise ValueError(f"{edit.op} needs a text")
        return edit.model_copy(update={"ids": ids, "reason": edit.reason[:REASON_LIMIT]})

    return read_list(text, "edits", MergeEdit, check)


def apply_merge_edits(module: Module, edits: Sequence[MergeEdit], node_id: str, by: str) -> tuple[Module, list[Ruling]]:
    """The union with the edits applied, with exact lineage; a rule that an earlier edit took is no part of a later one.

    Support is the union and uses are the sum over the rules that one comes from.
    """
    listed = ((component.name, rule) for component in module.components for rule in component.rules)
    placed = {rule.id: (at, name, rule) for at, (name, rule) in enumerate(listed)}
    rulings, numbers = [], count(1)
    for edit in edits:
        sources = sorted((placed.pop(name) for name in edit.ids if name in placed), key=itemgetter(0))
        if not sources:
            continue
        rules, into = [rule for _, _, rule in sources], ""
        if edit.op != "drop":
            into = f"{node_id}.{by[0]}{next(numbers)}"
            placed[into] = (*sources[0][:2], joined(rules, into, edit.text or "", node_id))
        rulings += [Ruling(rule.id, edit.op, by, edit.reason, into) for rule in rules]
    kept: dict[str, list[Rule]] = {component.name: [] for component in module.components}
    for _, name, rule in sorted(placed.values(), key=itemgetter(0)):
        kept[name].append(rule)
    return module.with_rules({name: tuple(rules) for name, rules in kept.items()}), rulings
