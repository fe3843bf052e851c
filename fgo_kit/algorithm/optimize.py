"""Optimise: one subset -> an improved module. Each epoch explores, evaluates and proposes.

The optimiser answers with edits (`add`, `revise`, `drop`), each naming the tasks that speak for it.
Python checks every id against what was shown and applies the edits; a malformed answer is asked for
once more with the error, and then counts as no edit at all. It is never adopted as a prompt.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ..calls.meter import Place
from ..calls.protocol import BadRequest, ContextOverflow
from ..records import Feedback, Module, Rule, Task, Trajectory
from . import prompts
from .rollout import Context, Judged, count_uses, rollouts

RULE_LIMIT = 1_000
"""Longest rule, in characters."""
RuleText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=RULE_LIMIT)]
Answer = TypeVar("Answer")


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


def optimize(ctx: Context, module: Module, tasks: Sequence[Task], subset: str) -> Module:
    """The module after `epochs` over one subset (paper: targeted optimisation of a copy).

    Epochs count on from pass to pass: the second pass of two epochs has epochs 3 and 4.
    """
    before = (ctx.pass_number - 1) * ctx.settings.epochs
    for epoch in range(before + 1, before + ctx.settings.epochs + 1):
        module = epoch_pass(ctx, module, tasks, Place("rollout", subset=subset, epoch=epoch))
    return module


def epoch_pass(ctx: Context, module: Module, tasks: Sequence[Task], place: Place) -> Module:
    """One explore-evaluate-propose pass."""
    trajectories = rollouts(ctx, module, tasks, place)
    if ctx.settings.counts:
        module = count_uses(module, trajectories)
    feedback = evaluate(ctx, tasks, trajectories, place)
    judged = [one for one in zip(tasks, trajectories, feedback, strict=True) if one[2] is not None]
    return propose(ctx, module, judged, replace(place, phase="propose"))


def evaluate(
    ctx: Context, tasks: Sequence[Task], trajectories: Sequence[Trajectory], place: Place
) -> list[Feedback | None]:
    """The textual gradient: what was right, what was wrong and why; None for a rollout that failed."""

    def judge(pair: tuple[Task, Trajectory]) -> Feedback | None:
        task, trajectory = pair
        where = replace(place, phase="evaluate", task=task.id)
        feedback = None
        if trajectory.ok:
            try:
                reply = ctx.meter.ask(prompts.evaluate(task, trajectory), where)
                feedback = Feedback(task.id, trajectory.score, reply.text.strip())
            except (BadRequest, ContextOverflow) as error:  # the trajectory still teaches, without comment
                feedback = Feedback(task.id, trajectory.score, f"(no feedback: {type(error).__name__})")
        ctx.record.append(Judged(replace(place, task=task.id), trajectory, feedback))
        return feedback

    return ctx.meter.map(judge, list(zip(tasks, trajectories, strict=True)))


def propose(
    ctx: Context, module: Module, judged: list[tuple[Task, Trajectory, Feedback]], place: Place
) -> Module:
    """Ask the optimiser for edits and apply them. Whole trajectories are dropped while the prompt overflows."""
    settings = ctx.settings
    shown = list(judged)

    def render(n: int) -> list[dict[str, str]]:
        return prompts.propose(module, shown[:n], counts=settings.counts, edits=settings.edits)

    if shown and _overflows(ctx, render(len(shown))):
        sizes = range(2, len(shown))  # one trajectory is asked about in any case
        fitting = 1 + bisect_left(sizes, True, key=lambda n: _overflows(ctx, render(n)))
        while len(shown) > fitting:
            _drop_last(ctx, shown, place)
    while shown:
        try:
            return _proposed(ctx, module, render(len(shown)), shown, place)
        except ContextOverflow:  # the provider counts otherwise than we do: an eighth fewer, and again
            for _ in range(max(1, len(shown) // 8)):
                _drop_last(ctx, shown, place)
    if judged:
        raise ContextOverflow(
            f"the optimiser prompt for {place} does not fit the {ctx.meter.llm.context_window} token window even "
            "with one trajectory; use a model with a larger window or shorter task texts"
        )
    return module


def _overflows(ctx: Context, messages: list[dict[str, str]]) -> bool:
    llm = ctx.meter.llm
    return llm.count(messages) + llm.max_completion > llm.context_window


def _drop_last(ctx: Context, shown: list, place: Place) -> None:
    ctx.dropped.append(replace(place, task=shown.pop()[0].id))


def _proposed(
    ctx: Context, module: Module, messages: list[dict[str, str]], shown: list[tuple], place: Place
) -> Module:
    origin = f"{place.subset}/e{place.epoch}"
    prefix = f"{place.subset}e{place.epoch}"
    task_ids = tuple(task.id for task, _, _ in shown)

    def adopt(text: str) -> Module:
        if ctx.settings.edits:
            return apply_edits(module, parse(Proposal, text), task_ids, prefix, origin)
        return rewritten(module, text, prefix, origin)

    changed = ask_checked(ctx, messages, place, adopt, PROPOSAL_SCHEMA if ctx.settings.edits else None)
    return module if changed is None else changed


def ask_checked(
    ctx: Context,
    messages: list[dict[str, str]],
    place: Place,
    adopt: Callable[[str], Answer],
    schema: dict | None,
) -> Answer | None:
    """`adopt(answer)`, with one repair round if that raises ValueError; None when both answers were unusable."""
    reply = ctx.meter.ask(messages, place, response_schema=schema)
    try:
        return adopt(reply.text)
    except ValueError as error:
        again = prompts.repair(messages, reply.text, _first_lines(error))
    try:
        reply = ctx.meter.ask(again, replace(place, phase="repair", task=place.phase), response_schema=schema)
        return adopt(reply.text)
    except (ValueError, ContextOverflow, BadRequest):
        return None


def _first_lines(error: ValueError) -> str:
    return "\n".join(str(error).splitlines()[:8])[:800]


def parse(kind: type[BaseModel], text: str) -> BaseModel:
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


def apply_edits(
    module: Module, proposal: Proposal, task_ids: Sequence[str], prefix: str, origin: str
) -> Module:
    """The module with the edits applied. Raises ValueError naming every id that was not shown."""
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
        place = rules[home[edit.id]]
        at = next((i for i, rule in enumerate(place) if rule.id == edit.id), None)
        if at is None:  # dropped or revised by an earlier edit of the same answer
            continue
        if edit.op == "drop":
            del place[at]
        else:
            number += 1
            united = tuple(dict.fromkeys((*place[at].support, *support)))
            place[at] = Rule(f"{prefix}.{number}", edit.text, united, (edit.id,), origin)
    return module.with_rules({name: tuple(listed) for name, listed in rules.items()})


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


def rewritten(module: Module, text: str, prefix: str, origin: str) -> Module:
    """Rewrite mode: every line of the answer's module section becomes a rule of unknown lineage.

    A line that stands word for word in the old module is still its rule; nothing else is known. Lines below a
    heading that names a component are rules of that component, lines before any are the first one's.
    """
    found = re.search(r"<module>\s*(.*?)\s*</module>", text, re.DOTALL)
    if not found:
        raise ValueError("the answer holds no <module> ... </module> section")
    written = _lines_by_component(module, found[1])
    known = {rule.text: rule for rule in module.rules}
    numbers = {line: number for number, line in enumerate((one for part in written.values() for one in part), 1)}
    rules = {
        name: tuple(
            known.get(line) or Rule(f"{prefix}.{numbers[line]}", line, (), (), f"rewrite {origin}") for line in lines
        )
        for name, lines in written.items()
    }
    if module.rules and not any(rules.values()):
        raise ValueError("the rewritten module is empty")
    return module.with_rules(rules)


def _lines_by_component(module: Module, text: str) -> dict[str, list[str]]:
    """The rules of a rewritten module as plain lines, each line once, by the component they stand under."""
    names = [component.name for component in module.components]
    headings = {component.name: " ".join(component.preamble.split()) for component in module.components}
    found: dict[str, list[str]] = {name: [] for name in names}
    home, seen = names[0], set()
    for raw in text.splitlines():
        heading = _heading(raw, headings) if len(names) > 1 else ""
        if heading:
            home = heading
            continue
        line = re.sub(r"^\s*(?:[-•](?!\d)|\*(?!\*)|\d+[.)]|\[[\w.-]+\])\s*", "", raw).strip()
        line = re.sub(r"\s*\(support \d+[^)]*\)$", "", line)[:RULE_LIMIT]
        nothing = line in headings.values() or line.strip("_*.") == prompts.NO_RULES or line.startswith("```")
        if len(line) >= 3 and line not in seen and not nothing:
            seen.add(line)
            found[home].append(line)
    return found


def _heading(raw: str, headings: dict[str, str]) -> str:
    """The component that a line is the heading of, however a model sets it, else "".

    >>> _heading("## **Tool notes**", {"instructions": "", "tool_notes": ""})
    'tool_notes'
    """
    head, _, rest = raw.partition(":")
    said = re.sub(r"[\W_]+", "_", re.sub(r"^\W*\d+[.)]", "", head)).strip("_").casefold()
    rest = rest.strip("* \t\r")
    found = (name for name, preamble in headings.items() if name.casefold() == said and preamble.startswith(rest))
    return next(found, "")
