"""The nouns of the method as frozen dataclasses, and JSON in and out for all of them.

A `Task` is rolled out into a `Trajectory`, judged by a `Feedback`; a `Module` is the text being
optimised, made of `Rule`s; a `Division` splits the tasks, and `MergeNode`s join the modules again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from .showing import WRAPPED, bdi, brief, escape, folded, pre, showable, some

NOT_SHOWN = "(private, not shown)"
"""Stands in everything shown for what must not be passed on: what belongs to a private task."""


@dataclass(frozen=True)
class Task:
    """One example: the text the agent reads and, for training and scoring, its gold answer.

    meta: its type, level, language and the like. private: nothing of it but its id and meta data is ever shown.
    """

    id: str
    text: str
    answer: str = ""
    meta: dict[str, str] = field(default_factory=dict)
    private: bool = False

    def __repr__(self) -> str:
        text, answer = (NOT_SHOWN, NOT_SHOWN) if self.private else (self.text, self.answer)
        return f"Task(id={self.id!r}, text={text!r}, answer={answer!r}, meta={self.meta!r})"


@dataclass(frozen=True)
class Step:
    """One turn of a rollout: what the agent saw, and what it then wrote."""

    observation: str
    action: str


@dataclass(frozen=True)
class Trajectory:
    """The record of one rollout.

    cited: ids of the rules the agent says it used (only ids that were shown to it). status: "ok", or how it ended
    without an answer: "empty", "cut", "refused" or "failed", with the reason. score: NaN unless the status is "ok"; a
    failure is never a wrong answer. info: what the environment tells of the play, e.g. task type, steps,
    invalid actions. final: what came of the last action. form: how it is shown to evaluator and optimiser: as one
    "answer", as "turns", or as turns with "tools". private: of a private task, never shown. comment: what the scorer
    says about it, for the optimiser.
    """

    task_id: str
    steps: tuple[Step, ...]
    answer: str
    score: float = float("nan")
    cited: tuple[str, ...] = ()
    status: str = "ok"
    reason: str = ""
    info: dict[str, str] = field(default_factory=dict)
    final: str = ""
    form: str = "answer"
    private: bool = False
    comment: str = ""

    @property
    def ok(self) -> bool:
        return self.status == "ok"

    def __repr__(self) -> str:
        answer = brief(concealed(self).answer)
        return f"Trajectory of {brief(self.task_id)}: answer {answer!r}, {self._ending()}, {len(self.steps)} steps"

    def _ending(self) -> str:
        return f"score {self.score:g}" if self.ok else brief(f"{self.status}: {self.reason}")

    def _repr_html_(self) -> str:
        shown = concealed(self)
        steps = "".join(
            folded(f"step {number}: {bdi(brief(step.action))}", pre(step.observation) + pre(step.action))
            for number, step in enumerate(shown.steps, 1)
        )
        info = "".join(f"; {bdi(name)}: {bdi(value)}" for name, value in self.info.items())
        cited = f"; cites {bdi(', '.join(self.cited))}" if self.cited else ""
        answer = f"answer <code>{bdi(shown.answer)}</code>"
        return f"<p><b>{bdi(self.task_id)}</b>: {answer}, {bdi(self._ending())}{cited}{info}</p>{steps}"


def concealed(trajectory: Trajectory) -> Trajectory:
    """A trajectory as it may be shown: of a private task without what was read and written."""
    if not trajectory.private:
        return trajectory
    steps = (Step(NOT_SHOWN, NOT_SHOWN),) * len(trajectory.steps)
    final, comment = (text and NOT_SHOWN for text in (trajectory.final, trajectory.comment))
    return replace(trajectory, steps=steps, answer=NOT_SHOWN, final=final, comment=comment)


@dataclass(frozen=True)
class Feedback:
    """What the evaluator wrote about one trajectory: the paper's textual gradient.

    blind: it was shown neither the score nor the right answer, and `score` is its own verdict, 1.0 or 0.0.
    """

    task_id: str
    score: float
    text: str = field(repr=False)  # of a private task it tells of the answer
    blind: bool = False


@dataclass(frozen=True)
class Rule:
    """One rule of a module, with where it came from.

    support: ids of the training tasks said to speak for it, united exactly through merges.
    parents: ids of the rules it was revised from or merged from.
    origin: where it was written, e.g. "seed", "s2/e1" (subset 2, epoch 1) or a merge node's id.
    right, wrong: how often training rollouts that cited it were scored right and wrong.
    without: how many of these uses would have been right without the rule: what the same tasks scored, in sum, when
    last played without it and those it comes from. A task that never was counts as it went.
    """

    id: str
    text: str
    support: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    origin: str = "seed"
    right: int = 0
    wrong: int = 0
    without: float = 0.0


@dataclass(frozen=True)
class Component:
    """A named part of a module: a fixed preamble and an ordered list of rules."""

    name: str
    preamble: str
    rules: tuple[Rule, ...] = ()

    def __str__(self) -> str:
        return "\n".join([self.preamble, *(f"[{rule.id}] {rule.text}" for rule in self.rules)]).strip()


@dataclass(frozen=True)
class Module:
    """The text being optimised. `str(module)` is what the agent reads."""

    components: tuple[Component, ...]

    @property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(rule for component in self.components for rule in component.rules)

    def rule(self, rule_id: str) -> Rule:
        for rule in self.rules:
            if rule.id == rule_id:
                return rule
        raise KeyError(f"rule {rule_id!r} is not in this module; it has {[r.id for r in self.rules]}")

    def with_rules(self, rules: dict[str, tuple[Rule, ...]]) -> Module:
        """The same components with other rules, by component name; a name left out keeps its own."""
        return Module(tuple(replace(part, rules=tuple(rules.get(part.name, part.rules))) for part in self.components))

    def without_tasks(self, task_ids: Iterable[str]) -> Module:
        """The module without what rests on these training tasks alone, and without their ids in any support."""
        gone = set(task_ids)
        kept = {part.name: tuple(rule for rule in part.rules if not rule.support or not gone.issuperset(rule.support))
                for part in self.components}  # fmt: skip
        return self.with_rules(kept).map_rules(
            lambda rule: replace(rule, support=tuple(task_id for task_id in rule.support if task_id not in gone))
        )

    def map_rules(self, change) -> Module:
        """The same module with `change(rule)` in place of every rule."""
        return self.with_rules({c.name: tuple(change(rule) for rule in c.rules) for c in self.components})

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.components))

    def __repr__(self) -> str:
        rules = (f"  [{rule.id}] {brief(rule.text)} (support {len(rule.support)})" for rule in self.rules)
        return showable("\n".join((f"Module of {len(self.rules)} rules", *rules)))

    def _repr_html_(self) -> str:
        parts = (f"<p><b>{bdi(part.name)}</b>: {bdi(part.preamble)}</p>" for part in self.components)
        return "".join(parts) + rules_html(self.rules)


@dataclass(frozen=True)
class Division:
    """A partition of the training tasks: every task id in exactly one subset."""

    strategy: str
    subsets: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.subsets)

    def __repr__(self) -> str:
        sizes = [len(ids) for ids in self.subsets] or [0]
        many = f"{sum(sizes)} tasks in {len(self)} subsets of {min(sizes)} to {max(sizes)}"
        return f"Division {brief(self.strategy)}: {many}"

    def _repr_html_(self) -> str:
        lines = "".join(
            f"<tr><td>s{number}</td><td>{len(ids)}</td>"
            f"<td style='{WRAPPED}'>{some([bdi(task_id) for task_id in ids])}</td></tr>"
            for number, ids in enumerate(self.subsets, 1)
        )
        head = "<tr><th>subset</th><th>tasks</th><th>ids</th></tr>"
        return f"<p>{escape(repr(self))}</p><table>{head}{lines}</table>"


@dataclass(frozen=True)
class Vote:
    """What one subset says of a rule of the union, from its own trajectories: "keep", "revise" or "drop".

    text: the rule as it should read, for "revise". tasks: ids of the subset's tasks that say so.
    """

    subset: str
    rule: str
    choice: str
    tasks: tuple[str, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class Ruling:
    """What became of a rule in a merge that edits, and why: "unite", "revise" or "drop".

    by: "words" (the same words), "copies" (copies of an inherited rule were changed), "merger" or "review". into: id
    of the rule that took its place, "" for none.
    """

    rule: str
    action: str
    by: str
    reason: str = ""
    into: str = ""


@dataclass(frozen=True)
class MergeNode:
    """One node of the merge tree. A leaf (no children) is a subset's optimised module.

    `tasks` are the training tasks below the node; `audited` the rules its audit dropped; `rulings` what became of
    the others where the merge edits, and `votes` what its subsets said in the review.
    `decision` is "leaf", "merged", "kept <child id>" (the gate refused the candidate) or "failed" (no valid answer:
    the union of the children was kept as it is, or, of a merge that does not edit, the best supported child).
    `candidate` is the module the merger wrote (after review and audit), whether or not the gate let it through. Gate
    scores are NaN where no gate ran.
    """

    id: str
    module: Module
    children: tuple[MergeNode, ...] = ()
    decision: str = "leaf"
    candidate: Module | None = None
    tasks: tuple[str, ...] = ()
    audited: tuple[str, ...] = ()
    gate_score: float = float("nan")
    candidate_gate_score: float = float("nan")
    rulings: tuple[Ruling, ...] = ()
    votes: tuple[Vote, ...] = ()

    @property
    def leaves(self) -> tuple[MergeNode, ...]:
        """The subsets below this node, itself if it is one."""
        return tuple(leaf for child in self.children for leaf in child.leaves) if self.children else (self,)

    def rulings_on(self, rule_id: str) -> tuple[Ruling, ...]:
        """What the merge ruled of a child's rule, and then of what that became."""
        rulings, said = {ruling.rule: ruling for ruling in self.rulings}, []
        while rule_id in rulings:
            said.append(rulings.pop(rule_id))
            rule_id = said[-1].into
        return tuple(said)

    def walk(self):
        """This node and all below it, children first."""
        for child in self.children:
            yield from child.walk()
        yield self

    def __repr__(self) -> str:
        return showable("\n".join(self._lines()))

    def _lines(self, depth: int = 0):
        yield f"{'  ' * depth}{self.id}: {len(self.module.rules)} rules, {self.decision}"
        for child in self.children:
            yield from child._lines(depth + 1)

    def _repr_html_(self, top: bool = True) -> str:
        gate = "" if self.gate_score != self.gate_score else f", gate {100 * self.gate_score:.0f} %"
        head = f"<b>{bdi(self.id)}</b>: {len(self.module.rules)} rules, {bdi(self.decision)}{gate}"
        below = "".join(f"<li>{child._repr_html_(False)}</li>" for child in self.children)
        return folded(head, rules_html(self.module.rules), top) + (f"<ul>{below}</ul>" if below else "")


@cache
def _adapter(kind: type) -> TypeAdapter:
    return TypeAdapter(kind)


def to_json(record: Any) -> str:
    """JSON text of a record; NaN is written as NaN.

    >>> from_json(Task, to_json(Task("t1", "text"))) == Task("t1", "text")
    True
    """
    return json.dumps(_adapter(type(record)).dump_python(record, mode="python"), ensure_ascii=False)


def from_json(kind: type, text: str) -> Any:
    """The record that `to_json` wrote; raises pydantic's ValidationError on anything else."""
    return _adapter(kind).validate_python(json.loads(text))


def rules_html(rules: tuple[Rule, ...]) -> str:
    """A table of rules, the ids of their support on hover."""
    lines = "".join(
        f"<tr><td><code>{bdi(rule.id)}</code></td><td style='{WRAPPED}'>{bdi(rule.text)}</td>"
        f"<td title='{escape(', '.join(rule.support[:200]))}'>{support}</td>"
        f"<td>{rule.right}</td><td>{rule.wrong}</td><td>{bdi(rule.origin)}</td></tr>"
        for rule in rules for support in ["1 task only" if len(rule.support) == 1 else len(rule.support)]
    )  # fmt: skip
    head = "<tr><th>id</th><th>rule</th><th>support</th><th>right</th><th>wrong</th><th>origin</th></tr>"
    return f"<table>{head}{lines}</table>" if rules else "<p>no rules</p>"


def digest(value: Any, length: int = 16) -> str:
    """A short stable hash of any JSON-able value."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]
