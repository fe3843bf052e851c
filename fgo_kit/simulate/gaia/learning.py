"""Optimiser and merger: inducing rules from noticed trajectories, and uniting the rules of several modules.

Every noticed trajectory says which sets of treatments would have made (or made) it right and which would have
spoilt it. A rule gains for each one it mends and loses for each it spoils; of rules that explain the same
trajectories the one that explains more comes first, and ties are broken by a seeded draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import unescape

from ..competence import Call, Draw, Known, Shown, find_section
from ..limits import assumed
from .language import TOOL_NOTES, Rule, parse_rule, render, told
from .reading import expected_of, read_trajectory
from .reviewing import Review, review, rules_of

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
    named = told(unescape(find_section("feedback", shown.body) or ""))
    if shown.luck >= call.noticed(1 if named else 2, shown.position):
        return None
    treatments = frozenset(name for rule in named for name in rule.treatments)
    return Example(shown.task_id, review(case, expected_of(shown.body)), shown.right, treatments)


class _Evidence:
    """What is still unexplained: for every trajectory its sets of treatments, those that feedback named first."""

    def __init__(self, examples: Sequence[Example]):
        self.examples = examples
        self.left: list[list[frozenset[str]]] = []
        for one in examples:
            sets = list(one.review.alternatives)
            told = [found for found in sets if found & one.named]
            self.left.append(told or sets)
        self.open = [not one.right and not sets for one, sets in zip(examples, self.left, strict=True)]
        self.contrast = {kind: self._contrast(kind) for kind in TOOL_NOTES}

    def _contrast(self, kind: str) -> float:
        """By how much more often those who read on in this way were right than those who did not; at least 0."""
        did = [one.right for one in self.examples if kind in one.review.used]
        did_not = [one.right for one in self.examples if kind in one.review.hints]
        if not did or not did_not:
            return 0.0
        return max(0.0, sum(did) / len(did) - sum(did_not) / len(did_not))

    def weights(self, name: str) -> dict[int, float]:
        """By trajectory: how far it speaks for a treatment."""
        found = {}
        for at, (one, sets) in enumerate(zip(self.examples, self.left, strict=True)):
            share = sum(name in treatments for treatments in sets) / len(sets) if sets else 0.0
            if self.open[at] and name in one.review.hints:
                share = self.contrast[name]
            if share:
                found[at] = share
        return found

    def value(self, name: str, unless: bool) -> float:
        """Log-odds for a rule: what it mends (and, at a discount, what was right so), less harm and length."""
        odds = 0.0
        for at, share in self.weights(name).items():
            odds += assumed().code_odds * share * (assumed().agreement if self.examples[at].right else 1.0)
        odds += assumed().trust if any(name in one.named for one in self.examples) else 0.0
        odds -= assumed().wrong_odds * len(self.spoilt(name, unless))
        odds -= sum(DOUBT / (1 + bool(one.review.hints)) for one in self.examples if name in one.review.doubts)
        return odds - assumed().length_cost * (1 + ("=" in name)) - assumed().word_cost / 2 * unless

    def spoilt(self, name: str, unless: bool) -> list[int]:
        return [at for at, one in enumerate(self.examples)
                if name in one.review.breaks and not (unless and name in one.review.heeded)]  # fmt: skip

    def mended(self, name: str) -> list[int]:
        return [at for at in self.weights(name) if not self.examples[at].right]

    def settle(self, name: str) -> None:
        """Trajectories that a chosen treatment helps to explain need no rival explanation."""
        for at, sets in enumerate(self.left):
            with_it = [treatments - {name} for treatments in sets if name in treatments]
            if with_it:
                self.left[at] = [treatments for treatments in with_it if treatments]

    def ids(self, places: Sequence[int]) -> list[str]:
        return [self.examples[at].task_id for at in places]


def improve(examples: Sequence[Example], known: Sequence[Known], draw: Draw) -> list[dict]:
    """Edits to a module from noticed trajectories: drops and revisions of shown rules, then new rules."""
    evidence = _Evidence(examples)
    edits, present, marked = [], set(), None
    for shown in known:
        rule = parse_rule(shown.text)
        if rule is None:
            continue
        edit = _mended(shown, rule, evidence)
        edits += [edit] if edit else []
        if edit is None or edit["op"] == "revise":
            rule = rule if edit is None else replace(rule, unless=True)
            present |= rule.treatments
            marked = marked or ((shown, rule) if rule.marks and edit is None else None)
    for name in sorted(present):
        evidence.settle(name)
    new, marks = [], []
    for name, unless, support in _induced(evidence, present, draw):
        rule = replace(rules_of(frozenset([name]))[0], unless=unless)
        if rule.marks:
            marks.append((rule.marks[0], unless, support))
        else:
            new.append(_added(rule, support))
    return edits + _marks(marks, marked) + new


def _mended(shown, rule: Rule, evidence: _Evidence) -> dict | None:
    """The edit that a shown rule needs: none, one that adds the exception, or its end."""
    names = [name for name in sorted(rule.treatments) if not name.endswith("?")]
    spoilt = sorted({at for name in names for at in evidence.spoilt(name, rule.unless)})
    helped = {at for name in names for at in evidence.weights(name)}
    if len(spoilt) <= len(helped) + assumed().patience and not _harmful([shown]):
        healed = {at for name in names for at in evidence.spoilt(name, True)}
        if not spoilt or rule.unless or len(healed) == len(spoilt):
            return None
    if not rule.unless and all(name in evidence.examples[at].review.heeded for name in names for at in spoilt
                               if name in evidence.examples[at].review.breaks) and spoilt:  # fmt: skip
        text = render(replace(rule, unless=True))
        return {"op": "revise", "id": shown.id, "text": text, "support": evidence.ids(spoilt)}
    return {"op": "drop", "id": shown.id, "support": evidence.ids(spoilt)}


def _induced(evidence: _Evidence, present: set[str], draw: Draw):
    """Greedy covering; a rule comes to mind the likelier the more trajectories speak for it."""
    names = {name for sets in evidence.left for one in sets for name in one}
    names |= {name for one in evidence.examples for name in one.review.hints}
    pool = []
    for name in sorted(names - present):
        speaks = sum(evidence.weights(name).values())
        if draw("think", name) < 1 - (1 - assumed().induce) ** speaks:
            pool.append(name)
    while pool:
        scored = [(evidence.value(name, unless) + 0.5 * draw("tie", name), name, unless)
                  for name in pool for unless in (False, True) if evidence.mended(name)]  # fmt: skip
        if not scored or max(scored)[0] <= 0:
            return
        _, name, unless = max(scored)
        yield name, unless, evidence.ids(sorted(evidence.weights(name)))
        evidence.settle(name)
        pool.remove(name)


def _added(rule: Rule, support: list[str]) -> dict:
    return {"op": "add", "component": rule.component, "text": render(rule), "support": support}


def _marks(marks: list[tuple], known) -> list[dict]:
    """New marks of rows that do not count: in one rule, or added to a shown one."""
    if not marks:
        return []
    words = {mark for mark, _, _ in marks}
    support = list(dict.fromkeys(task for _, _, tasks in marks for task in tasks))
    if known is None:
        return [_added(Rule("skip", tuple(sorted(words)), any(unless for _, unless, _ in marks)), support)]
    shown, rule = known
    united = replace(
        rule, marks=tuple(sorted(words | set(rule.marks)))[:MARKS], unless=rule.unless or any(u for _, u, _ in marks)
    )
    return [{"op": "revise", "id": shown.id, "text": render(united), "support": support}] if united != rule else []


def unite(known: Sequence[Known], draw: Draw) -> list[dict]:
    """The rules of several modules as one list: duplicates united, marks pooled, exceptions kept.

    Rules whose shown uses were wrong far more often than right are left out. A rule in no language we read is
    carried over word for word.
    """
    groups: dict[str, list] = {}
    for shown in known:
        rule = parse_rule(shown.text)
        key = shown.text if rule is None else f"\0{rule.kind}{'=' if rule.marks else ''}"
        groups.setdefault(key, []).append((shown, rule))
    groups = {key: found for key, found in groups.items() if not _harmful([shown for shown, _ in found])}
    _generalise(groups, draw)
    ranked = sorted(groups.values(), key=lambda found: -sum(shown.support for shown, _ in found))
    return [{"text": _united(found), "from": list(dict.fromkeys(shown.id for shown, _ in found))} for found in ranked]


def _generalise(groups: dict, draw: Draw) -> None:
    """Marks found under several words give way to what they have in common."""
    named = groups.get("\0skip=", [])
    marks = {mark for _, rule in named for mark in rule.marks}
    if "\0skip" in groups and named:
        groups["\0skip"] += groups.pop("\0skip=")
    elif len(marks) >= KNOWN_MARKS and draw("generalise", *sorted(marks)) < assumed().generalise:
        groups["\0skip"] = [(shown, replace(rule, marks=())) for shown, rule in groups.pop("\0skip=")]


def _united(found: list) -> str:
    first, rule = found[0]
    if rule is None or len({shown.text for shown, _ in found}) == 1:
        return first.text if rule is None or parse_rule(first.text) == rule else render(rule)
    with_exception = sum(shown.support for shown, one in found if one.unless)
    without = sum(shown.support for shown, one in found if not one.unless)
    general = any(one.kind == "skip" and not one.marks for _, one in found)
    marks = () if general else tuple(sorted({mark for _, one in found for mark in one.marks}))[:MARKS]
    return render(Rule(rule.kind, marks, with_exception > 0 and 2 * with_exception >= without))


def _harmful(found: Sequence) -> bool:
    wrong, right = sum(shown.wrong for shown in found), sum(shown.right for shown in found)
    return wrong > BLAME[0] * right + BLAME[1]


__all__ = ["BLAME", "DOUBT", "Example", "improve", "unite"]
