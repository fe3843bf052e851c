"""What an optimiser answers, and what becomes of it: edits (`add`, `revise`, `drop`), each applied by itself.

Python checks every id against what was shown. An edit that cannot be read, or names what was not shown, costs itself
alone; an answer without one that can be used is a ValueError that says what is wrong, and is never adopted.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ..calls.json_text import Id, Ids, Line, Listed, read_list
from ..records import Module, Rule

RULE_LIMIT = 1_000
"""Longest rule, in characters."""
RuleText = Annotated[Line, StringConstraints(strip_whitespace=True, min_length=3, max_length=RULE_LIMIT)]


class Edit(BaseModel):
    """One change to a module, as the optimiser writes it."""

    model_config = ConfigDict(extra="ignore")
    op: Literal["add", "revise", "drop"]
    component: str = ""
    id: Id = ""
    text: RuleText | None = None
    support: Ids = Field(default_factory=list)


class Proposal(BaseModel):
    """The optimiser's whole answer."""

    edits: list[Edit]


PROPOSAL_SCHEMA = Proposal.model_json_schema()


def read_edits(text: str, module: Module, task_ids: Collection[str]) -> Listed[Edit]:
    """The edits in an optimiser's answer that can be applied to the module it was shown with these tasks.

    >>> read_edits('Sure: ```json {"edits": []}```', Module(()), []).items
    []
    """
    rules = {rule.id for rule in module.rules}
    components = [component.name for component in module.components]

    def check(edit: Edit) -> Edit:
        support, faults = resolved(edit.support, task_ids), []
        unknown = [task_id for task_id in support if task_id not in task_ids]
        if unknown:
            faults.append(f"support names tasks that were not shown: {unknown[:5]}")
        if edit.op != "add" and edit.id not in rules:
            faults.append(f"no rule {edit.id!r} was shown; the rules are {sorted(rules)[:20]}")
        if edit.op != "drop" and not edit.text:
            faults.append(f"{edit.op} needs a text")
        if edit.op == "add" and edit.component and edit.component not in components:
            faults.append(f"no component {edit.component!r}; the components are {components}")
        if faults:
            raise ValueError("; ".join(faults))
        return edit.model_copy(update={"support": support})

    return read_list(text, "edits", Edit, check)


def resolved(names: Sequence[str], known: Collection[str]) -> list[str]:
    """Ids as they were shown, each once; several in one text are taken apart.

    >>> resolved(["t1, t2", "invoice 7, page 2"], {"t1", "t2", "invoice 7, page 2"})
    ['t1', 't2', 'invoice 7, page 2']
    """
    parts = ([name] if name in known else re.split(r"[,;]", name) for name in names)
    return list(dict.fromkeys(part.strip() for group in parts for part in group if part.strip()))


def apply_edits(module: Module, edits: Sequence[Edit], prefix: str, origin: str) -> Module:
    """The module with the edits applied; new rules are named `prefix`.1, .2, and so on, and come from `origin`."""
    rules = {component.name: list(component.rules) for component in module.components}
    home = {rule.id: component.name for component in module.components for rule in component.rules}
    number = 0
    for edit in edits:
        support = tuple(edit.support)
        if edit.op == "add":
            number += 1
            name = edit.component or module.components[0].name
            rules[name].append(Rule(f"{prefix}.{number}", edit.text or "", support, (), origin))
            continue
        listed = rules[home[edit.id]]
        at = next((i for i, rule in enumerate(listed) if rule.id == edit.id), None)
        if at is None:  # dropped or revised by an earlier edit of the same answer
            continue
        if edit.op == "drop":
            del listed[at]
        else:
            number += 1
            united = tuple(dict.fromkeys((*listed[at].support, *support)))
            listed[at] = Rule(f"{prefix}.{number}", edit.text or "", united, (edit.id,), origin)
    return module.with_rules({name: tuple(listed) for name, listed in rules.items()})


def unlocked(edits: Sequence[Edit], locked: Sequence[str]) -> list[Edit]:
    """The edits but those of locked rules."""
    return [edit for edit in edits if edit.op == "add" or edit.id not in locked]
