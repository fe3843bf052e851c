"""Optimiser and merger: inducing rules from noticed trajectories, and uniting the rules of several modules.

Every noticed trajectory says which sets of treatments would have made (or made) it right and which would have
spoilt it. A rule gains for each one it mends and loses for each it spoils; of rules that explain the same
trajectories the one that explains more comes first, and ties are broken by a seeded draw.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import unescape

from ..competence import Call, Draw, Known, Shown, find_section
from ..learning import checked, comes_to_mind, harmful, merged, understood, voted, weighs
from ..limits import assumed
from .language import TOOL_NOTES, Practice, parse_rule, practices_of, quoted_rules, render
from .reading import expected_of, read_trajectory
from .reviewing import Review, review

BLAME = (2, 2)
"""A rule is blamed for wrong answers when wrong > a * right + b: an answer can be wrong for many reasons."""
DOUBT = 0.7
"""Log-odds against a treatment from each trajectory whose answer it changes and which stays unexplained; half of it
where something was not read."""
KNOWN_MARKS = 3
"""So many different marks under one rule suggest the common sense behind them."""
MARKS = 8
"""Most marks that one rule names."""


@dataclass(frozen=True)
class Example:
    """A noticed trajectory. `named`: the rules that feedback named for it, as treatments."""

    task_id: str
    review: Review
    right: bool
    named: frozenset[str] = frozenset()


def example(call: Call, shown: Shown) -> Example | None:
    """Two hops to tie the expected answer to a treatment of what was read, one where feedback did."""
    case = read_trajectory(shown.body)
    if case is None:
        return None
    named = quoted_rules(unescape(find_section("feedback", shown.body) or ""))
    if shown.luck >= call.noticed(1 if named else 2, shown.position):
        return None
    treatments = frozenset(name for practice in named for name in practice.treatments)
    return Example(shown.task_id, review(case, expected_of(shown.body)), shown.right, treatments)


class _Evidence:
    """What is still unexplained: for every trajectory its sets of treatments, those that feedback named first."""

    def __init__(self, examples: Sequence[Example], draw: Draw):
        self.examples = examples
        self.checked = [checked(draw, number) for number in range(len(examples))]
        self.left: list[list[frozenset[str]]] = []
        for example in examples:
            sets = list(example.review.alternatives)
            self.left.append([on for on in sets if on & example.named] or sets)
        self.open = [not example.right and not sets for example, sets in zip(examples, self.left, strict=True)]
        self.contrast = {kind: self._contrast(kind) for kind in TOOL_NOTES}

    def _contrast(self, kind: str) -> float:
        """By how much more often those who read on in this way were right than those who did not; at least 0."""
        did = [example.right for example in self.examples if kind in example.review.used]
        did_not = [example.right for example in self.examples if kind in example.review.hints]
        return max(0.0, sum(did) / len(did) - sum(did_not) / len(did_not)) if did and did_not else 0.0

    def weights(self, name: str) -> dict[int, float]:
        """By trajectory: how far it speaks for a treatment."""
        shares = {}
        for at, (example, sets) in enumerate(zip(self.examples, self.left, strict=True)):
            if self.open[at] and name in example.review.hints:
                shares[at] = self.contrast[name]
            elif sets:
                shares[at] = sum(name in on for on in sets) / len(sets)
        return {at: share for at, share in shares.items() if share}

    def value(self, name: str, unless: bool) -> float:
        """Log-odds for a rule: what it mends (and, at a discount, what was right so), less harm and length."""
        prior, odds = assumed(), 0.0
        for at, share in self.weights(name).items():
            odds += prior.code_odds * share * (prior.agreement if self.examples[at].right else 1.0)
        odds += prior.trust * any(name in example.named for example in self.examples)
        odds -= prior.wrong_odds * len(self.spoilt(name, unless))
        reviews = [example.review for example in self.examples]
        odds -= sum(DOUBT / (1 + bool(seen.hints)) for seen in reviews if name in seen.doubts)
        return odds - prior.length_cost * (1 + ("=" in name)) - prior.word_cost / 2 * unless

    def spoilt(self, name: str, unless: bool) -> list[int]:
        """The trajectories that a treatment would spoil, in spite of its exception where it has one."""
        reviews = enumerate(example.review for example in self.examples)
        spoilt = (at for at, seen in reviews if name in seen.breaks and not (unless and name in seen.heeded))
        return [at for at in spoilt if self.checked[at]]

    def mends(self, name: str) -> bool:
        return any(not self.examples[at].right for at in self.weights(name))

    def settle(self, name: str) -> None:
        """Trajectories that a chosen treatment helps to explain need no rival explanation."""
        for at, sets in enumerate(self.left):
            if any(name in on for on in sets):
                self.left[at] = [on - {name} for on in sets if name in on and on != {name}]

    def ids(self, places: Iterable[int]) -> list[str]:
        return [self.examples[at].task_id for at in sorted(places)]


def improve(examples: Sequence[Example], known: Sequence[Known], draw: Draw) -> list[dict]:
    """Edits to a module from noticed trajectories: drops and revisions of shown rules, then new rules."""
    evidence, edits, present, naming = _Evidence(examples, draw), [], set(), None
    for shown, practice in understood(known, parse_rule):
        edit = _mended(shown, practice, evidence)
        edits += [edit] if edit else []
        if edit is None or edit["op"] == "revise":
            present |= replace(practice, unless=practice.unless or edit is not None).treatments
        if edit is None and practice.marks and naming is None:
            naming = shown, practice
    for name in sorted(present):
        evidence.settle(name)
    induced = list(_induced(evidence, present, draw))
    marks = [(practice, support) for practice, support in induced if practice.marks]
    new = [_added(practice, support) for practice, support in induced if not practice.marks]
    return edits + _marks(marks, naming) + new


def _mended(shown: Known, practice: Practice, evidence: _Evidence) -> dict | None:
    """The edit that a shown rule needs: none, one that adds the exception, or its end."""
    names = practice.treatments - {f"{practice.kind}?"}

    def spoilt(unless: bool) -> set[int]:
        return {at for name in names for at in evidence.spoilt(name, unless)}

    harm, in_spite_of_it = spoilt(practice.unless), spoilt(True)
    helps = len({at for name in names for at in evidence.weights(name)})
    bearable = len(harm) <= helps + assumed().patience and not harmful([shown], BLAME)
    if bearable and (not harm or practice.unless or in_spite_of_it == harm):
        return None
    edit = {"op": "drop", "id": shown.id}
    if harm and not in_spite_of_it and not practice.unless:
        edit = {"op": "revise", "id": shown.id, "text": render(replace(practice, unless=True))}
    return {**edit, "support": evidence.ids(harm)}


def review_rules(examples: Sequence[Example], known: Sequence[Known], draw: Draw) -> list[dict]:
    """Votes on shown rules: the trajectories that a practice mends, and those that it would spoil."""
    evidence, votes = _Evidence(examples, draw), []
    for shown, practice in understood(known, parse_rule):
        edit = _mended(shown, practice, evidence) or {}
        names = practice.treatments - {f"{practice.kind}?"}
        helped = {at for name in names for at in evidence.weights(name) if not evidence.examples[at].right}
        blamed = {at for name in names for at in evidence.spoilt(name, practice.unless)}
        votes += voted(shown, evidence.ids(helped), evidence.ids(blamed), edit.get("text", ""))
    return votes


def _induced(evidence: _Evidence, present: set[str], draw: Draw) -> Iterator[tuple[Practice, list[str]]]:
    """Greedy covering; a rule comes to mind the likelier the more trajectories speak for it."""
    names = {name for sets in evidence.left for on in sets for name in on}
    names |= {name for example in evidence.examples for name in example.review.hints}
    pool = [name for name in sorted(names - present) if comes_to_mind(draw, name, sum(evidence.weights(name).values()))]
    while mending := [name for name in pool if evidence.mends(name)]:
        ranked = ((evidence.value(name, unless) + 0.5 * draw("tie", name), name, unless)
                  for name in mending for unless in (False, True))  # fmt: skip
        value, name, unless = max(ranked)
        if value <= 0:
            return
        yield replace(*practices_of(frozenset({name})), unless=unless), evidence.ids(evidence.weights(name))
        evidence.settle(name)
        pool.remove(name)


def _added(practice: Practice, support: list[str]) -> dict:
    return {"op": "add", "component": practice.component, "text": render(practice), "support": support}


def _marks(new: list[tuple[Practice, list[str]]], naming: tuple[Known, Practice] | None) -> list[dict]:
    """New marks of rows that do not count: in one rule, or added to a shown one."""
    if not new:
        return []
    shown, known = naming or (None, Practice("skip"))
    marks = sorted({*known.marks, *(mark for practice, _ in new for mark in practice.marks)})
    unless = known.unless or any(practice.unless for practice, _ in new)
    support = list(dict.fromkeys(task for _, tasks in new for task in tasks))
    if shown is None:
        return [_added(Practice("skip", tuple(marks), unless), support)]
    united = Practice("skip", tuple(marks[:MARKS]), unless)
    return [{"op": "revise", "id": shown.id, "text": render(united), "support": support}] if united != known else []


Group = list[tuple[Known, Practice | None]]


def unite(known: Sequence[Known], draw: Draw) -> list[dict]:
    """The rules of several modules as one list: duplicates united, marks pooled, exceptions kept.

    Rules whose shown uses were wrong far more often than right are left out. A rule in no language we read is
    carried over word for word.
    """
    groups: dict[object, Group] = defaultdict(list)
    for shown in known:
        practice = parse_rule(shown.text)
        groups[(practice.kind, bool(practice.marks)) if practice else shown.text].append((shown, practice))
    groups = {key: group for key, group in groups.items() if not harmful([shown for shown, _ in group], BLAME)}
    if not weighs(draw):
        _generalise(groups, draw)
    ranked = sorted(groups.values(), key=lambda group: -sum(shown.support for shown, _ in group))
    return [merged(_united(group), [shown for shown, _ in group]) for group in ranked]


def _generalise(groups: dict[object, Group], draw: Draw) -> None:
    """Marks found under several words give way to what they have in common."""
    general, marked = ("skip", False), ("skip", True)
    marks = sorted({mark for _, practice in groups.get(marked, ()) for mark in practice.marks})
    if general in groups and marks:
        groups[general] += groups.pop(marked)
    elif len(marks) >= KNOWN_MARKS and draw("generalise", *marks) < assumed().generalise:
        groups[general] = [(shown, replace(practice, marks=())) for shown, practice in groups.pop(marked)]


def _united(group: Group) -> str:
    first, practice = group[0]
    if practice is None or len({shown.text for shown, _ in group}) == 1:
        return first.text if practice in (None, parse_rule(first.text)) else render(practice)
    with_exception = sum(shown.support for shown, practice in group if practice.unless)
    without = sum(shown.support for shown, practice in group if not practice.unless)
    general = not all(practice.marks for _, practice in group)
    marks = () if general else sorted({mark for _, practice in group for mark in practice.marks})[:MARKS]
    return render(Practice(practice.kind, tuple(marks), with_exception > 0 and 2 * with_exception >= without))
