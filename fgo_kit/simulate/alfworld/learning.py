"""Optimiser and merger: inducing habits of play from noticed trajectories, and uniting those of modules.

Habits without arguments come from faults that were noticed or that feedback named; appliances from what worked,
against what did nothing; places from where things were found. A habit comes to mind the likelier the more
trajectories support it. Coincidences are not coded: they come from few trajectories.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..competence import Call, Draw, Known, Shown, find_section
from ..learning import checked, comes_to_mind, harmful, merged, understood, voted
from .language import PLAIN, Habit, parse_rule, render
from .reading import VERBS, Game, kind, read_trajectory
from .reviewing import named_fault, review

PLACES = 5
"""Longest list of places in a rule that is written here."""
BLAME = (2, 2)
"""A rule is blamed for lost games when wrong > a * right + b: a game can be lost for many reasons."""


@dataclass(frozen=True)
class Example:
    """A noticed trajectory: the game, and the faults that were noticed, by the habit that was wanting."""

    task_id: str
    game: Game
    faults: tuple[str, ...] = ()


def example(call: Call, shown: Shown) -> Example | None:
    """One hop for what the text says and for the fault that feedback names, two for other faults."""
    game = read_trajectory(shown.body)
    if game is None or shown.luck >= call.noticed(1, shown.position):
        return None
    faults = [named_fault(find_section("feedback", shown.body) or "")]
    if shown.luck < call.noticed(2, shown.position):
        faults += [fault.habit for fault in review(game).faults]
    return Example(shown.task_id, game, tuple(name for name in dict.fromkeys(faults) if name))


class _Evidence:
    """The tasks that speak for every habit, and those that speak against an appliance."""

    def __init__(self, examples: Sequence[Example], draw: Draw):
        self.lacking: dict[Habit, list[str]] = defaultdict(list)
        self.works: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.fails: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for number, example in enumerate(examples):
            self._add(example, checked(draw, number))

    def _add(self, example: Example, is_checked: bool) -> None:
        seen, task, goal = review(example.game), example.task_id, example.game.goal
        for name in example.faults:
            if name == "lamp" and goal:
                self.lacking[Habit(name, "", (kind(goal.target),))].append(task)
            elif name in PLAIN:
                self.lacking[Habit(name)].append(task)
        for pair in dict.fromkeys(seen.worked):
            self.works[pair].append(task)
        for pair in dict.fromkeys(seen.useless) if is_checked else ():
            self.fails[pair].append(task)
        for thing, place in seen.found:
            self.found[thing][place].append(task)

    def against(self, habit: Habit) -> list[str]:
        """Tasks that speak against an appliance, where fewer speak for it."""
        pair = (habit.kind, habit.places[0] if habit.places else "")
        fails = self.fails.get(pair, [])
        return fails if habit.kind in VERBS and len(fails) > len(self.works.get(pair, [])) else []


Present = dict[tuple[str, str], tuple[Known, Habit]]
"""The shown rules that stay, by what they are about."""


def improve(examples: Sequence[Example], known: Sequence[Known], draw: Draw) -> list[dict]:
    """Edits to a module from noticed trajectories: drops and revisions of shown rules, then new rules."""
    evidence, edits, present = _Evidence(examples, draw), [], {}
    for shown, habit in understood(known, parse_rule):
        against = evidence.against(habit)
        if against or harmful([shown], BLAME):
            edits.append({"op": "drop", "id": shown.id, "support": against})
        else:
            present.setdefault(habit.about, (shown, habit))
    appliances, lacking = (_new(found, present, draw) for found in (_appliances(evidence, draw), evidence.lacking))
    return edits + appliances + _places(evidence, present, draw) + lacking


def review_rules(examples: Sequence[Example], known: Sequence[Known], draw: Draw) -> list[dict]:
    """Votes on shown rules: tasks in which a habit was wanting or a place held what it says, and those against it."""
    evidence, votes = _Evidence(examples, draw), []
    for shown, habit in understood(known, parse_rule):
        tasks = [*evidence.lacking.get(habit, ()), *evidence.works.get((habit.kind, (*habit.places, "")[0]), ())]
        tasks += [task for place in habit.places for task in evidence.found.get(habit.thing, {}).get(place, ())]
        votes += voted(shown, list(dict.fromkeys(tasks)), evidence.against(habit))
    return votes


def _edit(habit: Habit, support: list[str], revised: Known | None = None) -> dict:
    edit = {"op": "revise", "id": revised.id} if revised else {"op": "add"}
    return {**edit, "text": render(habit), "support": support}


def _new(found: dict[Habit, list[str]], present: Present, draw: Draw) -> list[dict]:
    """Habits with the tasks that speak for them, of which no rule says anything yet."""
    edits, about = [], set(present)
    for habit, support in found.items():
        if habit.about not in about and comes_to_mind(draw, render(habit), len(support)):
            about.add(habit.about)
            edits.append(_edit(habit, support))
    return edits


def _appliances(evidence: _Evidence, draw: Draw) -> dict[Habit, list[str]]:
    """For each verb the appliance that worked in most tasks."""
    works = evidence.works
    best = dict(sorted(works, key=lambda pair: (len(works[pair]), draw("tie", *pair))))  # a verb's last place stays
    return {Habit(verb, "", (best[verb],)): works[verb, best[verb]] for verb in VERBS if verb in best}


def _places(evidence: _Evidence, present: Present, draw: Draw) -> list[dict]:
    edits = []
    for thing, places in evidence.found.items():
        shown, old = present.get(("find", thing), (None, None))
        weights = _weights([(shown, old)] if shown else [])
        for place, tasks in places.items():
            weights[place] += len(tasks)
        habit, support = _find(thing, weights, draw), list(dict.fromkeys(sum(places.values(), [])))
        if not (old and habit.places == old.places) and comes_to_mind(draw, render(habit), len(support)):
            edits.append(_edit(habit, support, shown))
    return edits


def _weights(rules: Iterable[tuple[Known, Habit]]) -> dict[str, float]:
    """What rules that list places say of each: their support, shared out by rank."""
    weights: dict[str, float] = defaultdict(float)
    for shown, habit in rules:
        share = max(shown.support, 1) / sum(1 / rank for rank in range(1, len(habit.places) + 1))
        for rank, place in enumerate(habit.places, 1):
            weights[place] += share / rank
    return weights


def _find(thing: str, weights: dict[str, float], draw: Draw) -> Habit:
    ranked = sorted(weights, key=lambda place: (-weights[place], draw("tie", thing, place)))
    return Habit("find", thing, tuple(ranked[:PLACES]))


def unite(known: Sequence[Known], draw: Draw) -> list[dict]:
    """The rules of several modules as one list: duplicates united, places pooled, conflicts settled.

    Of rules that name different appliances the better supported stays. Rules whose shown uses were wrong far
    more often than right are left out. A rule in no language we read is carried over word for word.
    """
    groups: dict[object, list[tuple[Known, Habit | None]]] = defaultdict(list)
    for shown in known:
        habit = parse_rule(shown.text)
        groups[habit.about if habit else shown.text].append((shown, habit))
    kept = [group if group[0][1] is None else _settled(group, draw) for group in groups.values()]
    kept = [group for group in kept if not harmful([shown for shown, _ in group], BLAME)]
    kept.sort(key=lambda group: -sum(shown.support for shown, _ in group))
    return [merged(_text(group, draw), [shown for shown, _ in group]) for group in kept]


def _settled(group: list[tuple[Known, Habit]], draw: Draw) -> list[tuple[Known, Habit]]:
    """Those of the rules about one matter that agree with the best supported; places are pooled instead."""
    if group[0][1].kind == "find":
        return group
    votes: dict[Habit, float] = defaultdict(float)
    for shown, habit in group:
        votes[habit] += shown.support + shown.right - shown.wrong
    best = max(votes, key=lambda habit: (votes[habit], draw("tie", render(habit))))
    return [(shown, habit) for shown, habit in group if habit == best]


def _text(group: list[tuple[Known, Habit | None]], draw: Draw) -> str:
    first, habit = group[0]
    if habit is None or len(group) == 1:
        return first.text
    return render(_find(habit.thing, _weights(group), draw) if habit.kind == "find" else habit)
