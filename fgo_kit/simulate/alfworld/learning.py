"""Optimiser and merger: inducing rules of play from noticed trajectories, and uniting rules of modules.

Rules of habit come from faults that were noticed or that feedback named; appliances from what worked,
against what did nothing; places from where things were found. A rule comes to mind the likelier the more
trajectories support it. Coincidences are not coded: they come from few trajectories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..competence import Call, Draw, Known, Shown, find_section
from ..limits import assumed
from .language import PLAIN, Rule, parse_rule, render
from .reading import VERBS, Game, kind, read_trajectory
from .reviewing import review, told

PLACES = 5
"""Longest list of places in a rule that is written here."""
BLAME = (2, 2)
"""A rule is blamed for lost games when wrong > a * right + b: a game can be lost for many reasons."""


@dataclass(frozen=True)
class Example:
    """A noticed trajectory: the game, whether it was won, and the faults that were noticed, by rule."""

    task_id: str
    game: Game
    won: bool
    faults: tuple[str, ...] = ()


def example(call: Call, shown: Shown) -> Example | None:
    """One hop for what the text says and for the fault that feedback names, two for other faults."""
    game = read_trajectory(shown.body)
    if game is None or shown.luck >= call.noticed(1, shown.position):
        return None
    named = told(find_section("feedback", shown.body) or "")
    faults = [named] if named else []
    if shown.luck < call.noticed(2, shown.position):
        faults += [fault.rule for fault in review(game).faults if fault.rule]
    return Example(shown.task_id, game, shown.right, tuple(dict.fromkeys(faults)))


class _Evidence:
    """Tasks for and against every rule that the noticed trajectories speak of."""

    def __init__(self, examples: Sequence[Example]):
        self.habits: dict[tuple[str, str], list[str]] = {}
        self.works: dict[tuple[str, str], list[str]] = {}
        self.fails: dict[tuple[str, str], list[str]] = {}
        self.found: dict[str, dict[str, list[str]]] = {}
        for example in examples:
            self._add(example)

    def _add(self, example: Example) -> None:
        seen, task = review(example.game), example.task_id
        goal = example.game.goal
        for name in dict.fromkeys(example.faults):
            if name in PLAIN or name == "lamp":
                lamp = kind(goal.target) if name == "lamp" and goal else ""
                self.habits.setdefault((name, lamp), []).append(task)
        for pair in dict.fromkeys(seen.worked):
            self.works.setdefault(pair, []).append(task)
        for pair in dict.fromkeys(seen.useless):
            self.fails.setdefault(pair, []).append(task)
        for thing, place in seen.found:
            self.found.setdefault(thing, {}).setdefault(place, []).append(task)

    def against(self, rule: Rule) -> list[str]:
        """Tasks that speak against an appliance, where fewer speak for it."""
        pair = (rule.kind, rule.places[0] if rule.places else "")
        fails = self.fails.get(pair, [])
        return fails if rule.kind in VERBS and len(fails) > len(self.works.get(pair, [])) else []


def improve(examples: Sequence[Example], known: Sequence[Known], draw: Draw) -> list[dict]:
    """Edits to a module from noticed trajectories: drops and revisions of shown rules, then new rules."""
    evidence = _Evidence(examples)
    edits: list[dict] = []
    present: dict[tuple[str, str], tuple] = {}
    for shown in known:
        rule = parse_rule(shown.text)
        if rule is None:
            continue
        against = evidence.against(rule)
        if against or _harmful([shown]):
            edits.append({"op": "drop", "id": shown.id, "support": against})
        else:
            present.setdefault(rule.about, (shown, rule))
    return (
        edits
        + _appliances(evidence, present, draw)
        + _places(evidence, present, draw)
        + _habits(evidence, present, draw)
    )


def _comes_to_mind(rule: Rule, support: Sequence[str], draw: Draw) -> bool:
    return draw("think", render(rule)) < 1 - (1 - assumed().induce) ** len(support)


def _habits(evidence: _Evidence, present: dict, draw: Draw) -> list[dict]:
    edits = []
    for (name, lamp), support in evidence.habits.items():
        rule = Rule(name, "", (lamp,) if lamp else ())
        if rule.about not in present and _comes_to_mind(rule, support, draw):
            present[rule.about] = (None, rule)
            edits.append({"op": "add", "text": render(rule), "support": support})
    return edits


def _appliances(evidence: _Evidence, present: dict, draw: Draw) -> list[dict]:
    edits = []
    for verb in VERBS:
        seen = {place: tasks for (did, place), tasks in evidence.works.items() if did == verb}
        if not seen or (verb, "") in present:
            continue
        place = max(seen, key=lambda place: (len(seen[place]), draw("tie", verb, place)))
        rule = Rule(verb, "", (place,))
        if _comes_to_mind(rule, seen[place], draw):
            edits.append({"op": "add", "text": render(rule), "support": seen[place]})
    return edits


def _places(evidence: _Evidence, present: dict, draw: Draw) -> list[dict]:
    edits = []
    for thing, places in evidence.found.items():
        shown, old = present.get(("find", thing), (None, None))
        weights = _weights(old, shown.support) if old else {}
        for place, tasks in places.items():
            weights[place] = weights.get(place, 0.0) + len(tasks)
        ranked = sorted(weights, key=lambda place: (-weights[place], draw("tie", thing, place)))
        rule = Rule("find", thing, tuple(ranked[:PLACES]))
        support = list(dict.fromkeys(task for tasks in places.values() for task in tasks))
        if (old and rule.places == old.places) or not _comes_to_mind(rule, support, draw):
            continue
        edit = {"op": "revise", "id": shown.id} if old else {"op": "add"}
        edits.append({**edit, "text": render(rule), "support": support})
    return edits


def _weights(rule: Rule, support: int) -> dict[str, float]:
    """What a rule that lists places says of each: its support, shared out by rank."""
    share = max(support, 1) / sum(1 / rank for rank in range(1, len(rule.places) + 1))
    return {place: share / rank for rank, place in enumerate(rule.places, 1)}


def unite(known: Sequence[Known], draw: Draw) -> list[dict]:
    """The rules of several modules as one list: duplicates united, places pooled, conflicts settled.

    Of rules that name different appliances the better supported stays. Rules whose shown uses were wrong far
    more often than right are left out. A rule in no language we read is carried over word for word.
    """
    groups: dict = {}
    for shown in known:
        rule = parse_rule(shown.text)
        groups.setdefault(rule.about if rule else shown.text, []).append((shown, rule))
    merged = []
    for found in groups.values():
        kept = found if found[0][1] is None else _settled(found, draw)
        if kept and not _harmful([shown for shown, _ in kept]):
            merged.append(kept)
    merged.sort(key=lambda kept: -sum(shown.support for shown, _ in kept))
    return [
        {"text": _pooled(kept, draw), "from": list(dict.fromkeys(shown.id for shown, _ in kept))}
        for kept in merged
    ]


def _settled(found: list, draw: Draw) -> list:
    """Those of the rules about one matter that agree with the best supported."""
    if found[0][1].kind == "find":
        return found
    votes: dict[Rule, float] = {}
    for shown, rule in found:
        votes[rule] = votes.get(rule, 0.0) + shown.support + shown.right - shown.wrong
    best = max(votes, key=lambda rule: (votes[rule], draw("tie", render(rule))))
    return [(shown, rule) for shown, rule in found if rule == best]


def _pooled(kept: list, draw: Draw) -> str:
    first, rule = kept[0]
    if rule is None or rule.kind != "find":
        return first.text if rule is None or len(kept) == 1 else render(rule)
    if len(kept) == 1:
        return first.text
    weights: dict[str, float] = {}
    for shown, one in kept:
        for place, weight in _weights(one, shown.support).items():
            weights[place] = weights.get(place, 0.0) + weight
    ranked = sorted(weights, key=lambda place: (-weights[place], draw("tie", rule.thing, place)))
    return render(Rule("find", rule.thing, tuple(ranked[:PLACES])))


def _harmful(found: Sequence) -> bool:
    wrong, right = sum(shown.wrong for shown in found), sum(shown.right for shown in found)
    return wrong > BLAME[0] * right + BLAME[1]
