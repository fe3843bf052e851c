"""Optimiser and merger: inducing rules from noticed trajectories, and uniting rules of several modules.

Induction is decision-list learning over the rule language. Every hypothesis is scored on the noticed
trajectories by bit masks: log-odds for each one it gets right or wrong, less a cost for its length (a
minimum-description-length prior, so that no phrase is favoured for where it comes from). Coincidences are
not coded: they come from ties between hypotheses that fit few examples, broken by a seeded draw.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from html import unescape
from typing import Any

from ...calls.tokens import estimate
from ..competence import Call, Draw, Known, Shown, find_section
from ..learning import checked, comes_to_mind, harmful, merged, understood, voted, weighs
from ..limits import assumed
from .language import Convention, parse_rule, render
from .reading import normal, read, words_of
from .skills import explained
from .stop_words import STOP_WORDS

CONTRASTED = 24
"""How many picks that are right here and wrong there are examined for a condition that separates the two."""
BLAME = (1, 0)
"""A rule is blamed when its shown uses were wrong more often than right."""


@dataclass(frozen=True)
class Example:
    """A noticed trajectory. `marked` is the label that feedback named as what marks the right code, if any."""

    task_id: str
    document: str
    expected: str
    right: bool
    marked: str = ""


def example(call: Call, shown: Shown) -> Example | None:
    """Two hops to tie the expected answer to what marks it, one where feedback did."""
    document, expected = find_section("document", shown.body), find_section("expected", shown.body)
    if document is None or expected is None:
        return None
    told, label = explained(find_section("feedback", shown.body) or "")
    if shown.luck >= call.noticed(1 if told else 2, shown.position):
        return None
    return Example(shown.task_id, document, unescape(expected).strip(), shown.right, label)


@dataclass(frozen=True)
class _Hypothesis:
    rule: Convention
    right: int
    wrong: int


class _Evidence:
    """Bit masks over the noticed examples: bit i is example i."""

    def __init__(self, examples: Sequence[Example], draw: Draw):
        self.examples = examples
        self.checked = sum(1 << number for number in range(len(examples)) if checked(draw, number))
        self.right, self.wrong, self.mentions, self.several = (defaultdict[Any, int](int) for _ in range(4))
        self.none = self.failed = 0
        self.marked = {words_of(example.marked) for example in examples if example.marked}
        for number, example in enumerate(examples):
            self._add(1 << number, example)
        self.all = (1 << len(examples)) - 1

    def _add(self, bit: int, example: Example) -> None:
        reading, expected = read(example.document), normal(example.expected)
        self.failed |= 0 if example.right else bit
        self.none |= 0 if expected else bit
        for pick, text in reading.answers.items():
            side, seen = (self.right, bit) if normal(text) == expected else (self.wrong, bit & self.checked)
            side[pick] |= seen
        for word in (word for word in reading.words if word not in STOP_WORDS):
            self.mentions[word] |= bit
        for shape in reading.several:
            self.several[shape] |= bit

    def judge(self, rule: Convention) -> tuple[int, int]:
        """(right, wrong) masks of any rule."""
        right = wrong = 0
        for number, example in enumerate(self.examples):
            answer = rule.answer(read(example.document))
            if answer is not None:
                same = normal(answer) == normal(example.expected)
                right, wrong = right | (same << number), wrong | ((not same) << number)
        return right, wrong & self.checked

    def ids(self, mask: int) -> list[str]:
        return [example.task_id for number, example in enumerate(self.examples) if mask >> number & 1]


def improve(examples: Sequence[Example], known: Sequence[Known], draw: Draw) -> list[dict]:
    """Edits to a module from noticed trajectories: drops and revisions of shown rules, then new rules."""
    evidence = _Evidence(examples, draw)
    edits, present = _revisions(evidence, known, draw)
    return edits + [
        {"op": "add", "text": render(new.rule), "support": evidence.ids(new.right)}
        for new in _induced(evidence, present, draw)
    ]


def _revisions(evidence: _Evidence, known: Sequence[Known], draw: Draw) -> tuple[list[dict], list[Convention]]:
    edits, present = [], []
    for shown, rule in understood(known, parse_rule):
        right, wrong = evidence.judge(rule)
        bearable = wrong.bit_count() <= right.bit_count() + assumed().patience and not harmful([shown], BLAME)
        if bearable or rule.specificity < 0:
            present.append(rule)
            continue
        better = _contrast(evidence, _Hypothesis(rule, right, wrong), draw) if right else None
        if better is not None and _value(better, evidence.all) > 0:
            present.append(better.rule)
            support = evidence.ids(better.right)
            edits.append({"op": "revise", "id": shown.id, "text": render(better.rule), "support": support})
        else:
            edits.append({"op": "drop", "id": shown.id, "support": evidence.ids(wrong)})
    return edits, present


def review(examples: Sequence[Example], known: Sequence[Known], draw: Draw) -> list[dict]:
    """Votes on shown rules, which are followed as the agent does: of those that apply the most specific first.

    Every rule that would take a wrong answer before a right one is blamed where the task was done, or a right rule
    comes after it; the right one helps where the task failed.
    """
    rules = sorted(understood(known, parse_rule), key=lambda pair: -pair[1].specificity)
    blamed: dict[str, list[str]] = defaultdict(list)
    helped: dict[str, list[str]] = defaultdict(list)
    for number, example in enumerate(examples):
        reading, expected = read(example.document), normal(example.expected)
        wrong, right = [], ""
        for shown, rule in rules:
            answer = rule.answer(reading)
            if answer is not None and normal(answer) == expected:
                right = shown.id
                break
            wrong += [shown.id] if answer is not None else []
        for rule_id in wrong if (example.right or right) and checked(draw, number) else ():
            blamed[rule_id].append(example.task_id)
        if right and not example.right:
            helped[right].append(example.task_id)
    return [vote for shown, _ in rules for vote in voted(shown, helped[shown.id], blamed[shown.id])]


def _induced(evidence: _Evidence, present: list[Convention], draw: Draw) -> list[_Hypothesis]:
    """Greedy covering of the failed examples; a rule comes to mind the likelier the more of them support it.

    Answering None where nothing applies mends what is left of the None class and costs uncovered answers.
    """
    pool = [
        hypothesis for hypothesis in _hypotheses(evidence, draw)
        if _value(hypothesis, evidence.failed) > 0 and hypothesis.rule not in present
        and comes_to_mind(draw, render(hypothesis.rule), hypothesis.right.bit_count())
    ]  # fmt: skip
    rules = [hypothesis.rule for hypothesis in pool]
    ties = {rule: 0.5 * draw("tie", render(rule)) + _trusted(evidence, rule) for rule in rules}
    chosen, left, covered = [], evidence.failed, 0
    while left and pool:
        best = max(pool, key=lambda h: _value(h, left) + ties[h.rule])
        if _value(best, left) <= 0 or not best.right & left:
            break
        chosen.append(best)
        left, covered = left & ~best.right, covered | best.right
        pool = [hypothesis for hypothesis in pool if hypothesis.right & left]
    otherwise, mends, spoils = Convention(), evidence.none & left, evidence.all & ~evidence.none & ~covered
    if otherwise not in present and mends.bit_count() > spoils.bit_count():
        chosen.append(_Hypothesis(otherwise, mends, 0))
    return chosen


def _trusted(evidence: _Evidence, rule: Convention) -> float:
    """What feedback adds to a rule on the very label it named, or on the last word of it."""
    label = dict(rule.pick or ()).get("label", "")
    named = label and any(marked == label or marked.endswith(f" {label}") for marked in evidence.marked)
    return assumed().trust if named else 0.0


def _value(hypothesis: _Hypothesis, left: int) -> float:
    """Log-odds from the failures it mends (and, at a discount, what was right), less harm and length."""
    mends = (hypothesis.right & left).bit_count()
    agrees = hypothesis.right.bit_count() - mends
    prior = assumed()
    odds = prior.none_odds if hypothesis.rule.pick is None else prior.code_odds
    return (
        odds * (mends + prior.agreement * agrees)
        - prior.wrong_odds * hypothesis.wrong.bit_count()
        - _length(hypothesis.rule, prior.word_cost, prior.length_cost)
    )


@lru_cache(maxsize=262_144)
def _length(rule: Convention, word_cost: float, length_cost: float) -> float:
    """Description length: a condition is one of many words, a property one of few."""
    properties = sum(estimate(value) if kind == "label" else 1 for kind, value in rule.pick or ())
    return word_cost * len(rule.when) + length_cost * (properties + bool(rule.several))


def _hypotheses(evidence: _Evidence, draw: Draw) -> list[_Hypothesis]:
    """Everything the rule language can say that is right of at least one failed example."""
    failed, none = evidence.failed, evidence.none
    useful = [
        _Hypothesis(Convention((), tuple(sorted(pick))), right, evidence.wrong.get(pick, 0))
        for pick, right in evidence.right.items() if right & failed and right & ~none
    ]  # fmt: skip
    mixed = sorted((h for h in useful if h.wrong), key=lambda h: -(h.right & failed).bit_count())
    separated = [_contrast(evidence, hypothesis, draw) for hypothesis in mixed[:CONTRASTED]]
    answering_none = [
        *((Convention((word,)), mask) for word, mask in evidence.mentions.items()),
        *((Convention((), None, shape), mask) for shape, mask in evidence.several.items()),
    ]
    nones = [_Hypothesis(rule, none & mask, mask & ~none) for rule, mask in answering_none if none & failed & mask]
    return useful + [hypothesis for hypothesis in separated if hypothesis] + nones


def _contrast(evidence: _Evidence, hypothesis: _Hypothesis, draw: Draw) -> _Hypothesis | None:
    """The rule with the one condition that best keeps its right and loses its wrong examples."""
    when, right, wrong = hypothesis.rule.when, hypothesis.right, hypothesis.wrong
    words = {word: mask for word, mask in evidence.mentions.items() if mask & right and word not in when}
    if not words or len(when) >= 2:
        return None
    gains = {word: (mask & right).bit_count() + (wrong & ~mask).bit_count() for word, mask in words.items()}
    most = max(gains.values())
    best = max((word for word, gain in gains.items() if gain == most), key=lambda word: draw("word", word))
    rule = replace(hypothesis.rule, when=tuple(sorted((*when, best))))
    return _Hypothesis(rule, right & words[best], wrong & words[best])


def unite(known: Sequence[Known], draw: Draw) -> list[dict]:
    """The rules of several modules as one list: duplicates united; by a blind merger cases absorbed, conflicts settled.

    Rules whose shown uses were wrong more often than right are left out. A rule in no language we read
    is carried over word for word.
    """
    groups: Groups = defaultdict(list)
    for shown in known:
        groups[parse_rule(shown.text) or shown.text].append(shown)
    groups = {rule: group for rule, group in groups.items() if not harmful(group, BLAME)}
    if not weighs(draw):
        groups = _without_conflicts(_absorbed(_generalised(groups, draw)))
    ranked = sorted(groups.items(), key=lambda item: (-getattr(item[0], "specificity", 0), -_support(item[1])))
    return [merged(_words_of(rule, group), group) for rule, group in ranked]


Groups = dict[Convention | str, list[Known]]
"""The shown rules that say the same: by the convention they state, or else by their text."""


def _words_of(rule: Convention | str, group: Sequence[Known]) -> str:
    return render(rule) if isinstance(rule, Convention) and len(group) > 1 else group[0].text


def _support(group: Sequence[Known]) -> int:
    return sum(shown.support + shown.right - shown.wrong for shown in group)


def _generalised(groups: Groups, draw: Draw) -> Groups:
    """Conditions are given up where modules found the same action under different ones."""
    by_action: dict[Convention, list[Convention]] = defaultdict(list)
    for rule in groups:
        if isinstance(rule, Convention) and rule.pick is not None and rule.when:
            by_action[Convention((), rule.pick)].append(rule)
    groups = dict(groups)
    for general, cases in by_action.items():
        if len(cases) > 1 and draw("generalise", render(general)) < assumed().generalise:
            groups[general] = groups.get(general, []) + [shown for case in cases for shown in groups.pop(case)]
    return groups


def _absorbed(groups: Groups) -> Groups:
    """A rule that is a case of another joins it."""
    rules, groups = [rule for rule in groups if isinstance(rule, Convention)], dict(groups)
    for case in rules:
        wider = [rule for rule in rules if rule != case and rule in groups and rule.covers(case)]
        if wider and case in groups:
            home = max(wider, key=lambda rule: _support(groups[rule]))
            groups[home] = groups[home] + groups.pop(case)
    return groups


def _without_conflicts(groups: Groups) -> Groups:
    """Of rules under one condition that name different actions the best supported stays."""
    best: dict[tuple[str, ...], Convention] = {}
    conditional = [rule for rule in groups if isinstance(rule, Convention) and rule.when]
    for rule in conditional:
        rival = best.setdefault(rule.when, rule)
        if _support(groups[rule]) > _support(groups[rival]):
            best[rule.when] = rule
    return {rule: group for rule, group in groups.items() if rule not in conditional or best[rule.when] == rule}
