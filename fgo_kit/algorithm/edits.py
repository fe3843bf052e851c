"""What an optimiser answers, and what becomes of it: edits (`add`, `revise`, `drop`), checked and applied to a module.

Python checks every id against what was shown. An answer that cannot be read, or names what was not shown, is a
ValueError that says what is wrong with it: it is never adopted as a prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ..records import Module, Rule

RULE_LIMIT = 1_000
"""Longest rule, in characters."""
RuleText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=RULE_LIMIT)]
Kind = TypeVar("Kind", bound=BaseModel)


class Edit(BaseModel):
    """One change to a module, as the optimiser writes it."""

    model_config = ConfigDict(extra="ignore")
    op: Literal["add", "revise", "drop"]
    component: str = ""
    id: str = ""
    text: RuleText | None = None
    support: list[str] = Field(default_factory=list)


class Proposal(BaseModel):
    """The optimiser's whole answer."""

    edits: list[Edit]


PROPOSAL_SCHEMA = Proposal.model_json_schema()


def parse(kind: type[Kind], text: str) -> Kind:
    """The JSON object in a model's answer, fenced or with words around it; ValueError says what is wrong.

    >>> parse(Proposal, 'Sure: ```json {"edits": []}```').edits
    []
    """
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        raise ValueError("the answer holds no JSON object")
    try:
        return kind.model_validate_json(text[start : end + 1])
    except ValidationError as error:
        raise ValueError(f"the JSON does not fit: {error}") from None


def apply_edits(module: Module, proposal: Proposal, task_ids: Sequence[str], prefix: str, origin: str) -> Module:
    """The module with the edits applied; new rules are named `prefix`.1, .2, and so on, and come from `origin`.

    Raises ValueError naming every id that was not shown.
    """
    _check_ids(module, proposal, task_ids)
    rules = {component.name: list(component.rules) for component in module.components}
    home = {rule.id: component.name for component in module.components for rule in component.rules}
    number = 0
    for edit in proposal.edits:
        support = tuple(dict.fromkeys(edit.support))
        if edit.op == "add":
            number += 1
            name = edit.component or module.components[0].name
            rules[name].append(Rule(f"{prefix}.{number}", edit.text, support, (), origin))
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
            listed[at] = Rule(f"{prefix}.{number}", edit.text, united, (edit.id,), origin)
    return module.with_rules({name: tuple(listed) for name, listed in rules.items()})


def unlocked(proposal: Proposal, locked: Sequence[str]) -> Proposal:
    """The proposal without edits of locked rules."""
    return Proposal(edits=[edit for edit in proposal.edits if edit.op == "add" or edit.id not in locked])


def _check_ids(module: Module, proposal: Proposal, task_ids: Sequence[str]) -> None:
    tasks, rules = set(task_ids), {rule.id for rule in module.rules}
    names = [component.name for component in module.components]
    wrong = []
    for number, edit in enumerate(proposal.edits, 1):
        unknown = [task_id for task_id in edit.support if task_id not in tasks]
        if unknown:
            wrong.append(f"edit {number}: support names tasks that were not shown: {unknown[:5]}")
        if edit.op != "add" and edit.id not in rules:
            wrong.append(f"edit {number}: no rule {edit.id!r} was shown; the rules are {sorted(rules)[:20]}")
        if edit.op != "drop" and not edit.text:
            wrong.append(f"edit {number}: {edit.op} needs a text")
        if edit.op == "add" and edit.component and edit.component not in names:
            wrong.append(f"edit {number}: no component {edit.component!r}; the components are {names}")
    if wrong:
        raise ValueError("\n".join(wrong))
