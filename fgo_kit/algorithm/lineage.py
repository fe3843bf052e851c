"""What a merger answers, and what becomes of it: rules that name the rules they come from, united with exact lineage.

Python checks the ids, and unites support and uses itself; nothing of a rule's record is left to a model. A rule that
cannot be read, or comes from none that was shown, costs itself alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from pydantic import BaseModel, Field

from ..calls.json_text import Ids, Listed, read_list
from ..records import Module, Rule
from .edits import RuleText, resolved


class MergedRule(BaseModel):
    """One rule of the merged module, as the merger writes it."""

    text: RuleText
    sources: Ids = Field(alias="from", min_length=1)
    component: str = ""


class Merged(BaseModel):
    """The merger's whole answer."""

    rules: list[MergedRule]


MERGED_SCHEMA = Merged.model_json_schema(by_alias=True)


def read_merged(text: str, pool: Module) -> Listed[MergedRule]:
    """The rules in a merger's answer that come from rules of the pool it was shown.

    Raises ValueError where there are none, unless the pool is empty too.
    """
    known = {rule.id for rule in pool.rules}
    names = [component.name for component in pool.components]

    def check(rule: MergedRule) -> MergedRule:
        sources = resolved(rule.sources, known)
        unknown = [source for source in sources if source not in known]
        if rule.component and rule.component not in names:
            raise ValueError(f"no component {rule.component!r}; the components are {names}")
        if unknown:
            raise ValueError(f"'from' names rules that were not shown: {unknown[:5]}")
        return rule.model_copy(update={"sources": sources})

    merged = read_list(text, "rules", MergedRule, check)
    if known and not merged.items:
        raise ValueError("no rules: a merge of modules with rules cannot be empty")
    return merged


def pooled(modules: Sequence[Module]) -> Module:
    """All rules of all modules in order; a rule that several children share is there once, its record united."""
    first = modules[0]
    rules: dict[str, dict[str, list[Rule]]] = {component.name: {} for component in first.components}
    for module in modules:
        for component in module.components:
            for rule in component.rules:
                rules[component.name].setdefault(rule.id, []).append(rule)
    return first.with_rules({name: tuple(map(_with_all_records, shared.values())) for name, shared in rules.items()})


def _with_all_records(sources: Sequence[Rule]) -> Rule:
    """The first of the rules, with the support and the uses of all."""
    if len(sources) == 1:
        return sources[0]
    different = dict.fromkeys(rule.support for rule in sources)  # of copies they are mostly the same
    uses = {name: sum(getattr(rule, name) for rule in sources) for name in ("right", "wrong", "without")}
    return replace(sources[0], support=tuple(dict.fromkeys(chain.from_iterable(different))), **uses)


def joined(sources: Sequence[Rule], rule_id: str, text: str, origin: str) -> Rule:
    """One rule made of several: support united, uses summed, its parents all of them.

    What was made on the way to this one, at the same node, is in no module: its own parents are named instead.
    """
    named = (rule.parents if rule.origin == origin and rule.parents else (rule.id,) for rule in sources)
    parents = tuple(dict.fromkeys(parent for parents in named for parent in parents))
    return replace(_with_all_records(sources), id=rule_id, text=text, parents=parents, origin=origin)


def unite(modules: Sequence[Module], merged: Sequence[MergedRule], node_id: str) -> Module:
    """The merger's rules with exact lineage: support is the union and uses are the sum over the sources.

    A rule taken over word for word from one source keeps its id.
    """
    pool = pooled(modules)
    known = {rule.id: rule for rule in pool.rules}
    home = {rule.id: component.name for component in pool.components for rule in component.rules}
    rules: dict[str, list[Rule]] = {component.name: [] for component in pool.components}
    kept: set[str] = set()
    for number, written in enumerate(merged, 1):
        sources = tuple(dict.fromkeys(written.sources))
        rule = known[sources[0]]
        if len(sources) == 1 and rule.text == written.text and rule.id not in kept:
            kept.add(rule.id)
        else:
            rule = joined([known[source] for source in sources], f"{node_id}.{number}", written.text, node_id)
        rules[written.component or home[sources[0]]].append(rule)
    return pool.with_rules({name: tuple(listed) for name, listed in rules.items()})
