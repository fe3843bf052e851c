"""Agent: playing a household game by reading it, with the mistakes of weak players and under typed rules.

A player that obeys no rule searches in an arbitrary order, may leave closed receptacles closed, believes in
the wrong appliance, forgets the second object, acts on what it does not hold, and repeats what did nothing.
The rates of these mistakes are free assumptions: no published number was found. They were set once, on
72 generated training games, so that a player without rules wins between a fifth and three fifths of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ..competence import Call
from .language import Habit, parse_rule
from .reading import NOTHING, VERBS, kind, read_action, read_chat, remember


@dataclass(frozen=True)
class Mistakes:
    """Rates of a player's mistakes: for a whole game (the first five), else for each turn they can happen."""

    skips_closed: float = 0.6  # leaves closed receptacles closed
    one_is_enough: float = 0.65  # of two objects, takes the first one put down for the whole task
    wrong_appliance: float = 0.65  # believes in another place than the first of APPLIANCES
    unprocessed: float = 0.3  # puts the object down without cleaning, heating or cooling it
    only_looks: float = 0.65  # examines the object beside the lamp instead of using the lamp
    not_held: float = 0.25  # acts on an object it has only seen
    not_there: float = 0.2  # acts at a place it has not gone to
    repeats: float = 0.75  # repeats an action that did nothing
    reconsiders: float = 0.1  # otherwise, gives up the belief behind it
    revisits: float = 0.4  # searches a receptacle that it has searched before
    wanders: float = 0.06  # does something idle
    notices: float = 0.02  # notices that the task is not done although it believed so


MISTAKES = Mistakes()
APPLIANCES = {
    "clean": ("sinkbasin", "bathtubbasin", "toilet", "garbagecan", "countertop"),
    "heat": ("microwave", "stoveburner", "toaster", "coffeemachine"),
    "cool": ("fridge", "sinkbasin", "countertop", "cabinet"),
}
"""Where people clean, heat and cool things, the likeliest first: common knowledge, not the games' own."""


def act(call: Call, rules: Sequence[tuple[str, str]]) -> tuple[str, str, tuple[str, ...]]:
    """(thought, action, ids of the rules used) for the next turn of a game, under rules given as (id, text).

    Every rule may be obeyed or not on every turn; `lasting` draws stay the same for a game.
    """
    player = _Player(call, rules)
    thought, action = player.move()
    return thought, action, tuple(player.used)


class _Player:
    """One turn being thought about."""

    def __init__(self, call: Call, rules: Sequence[tuple[str, str]]):
        self.game = read_chat(call.chat, call.system)
        self.goal, self.memory = self.game.goal, remember(self.game.turns)
        self.draw, self.lasting, self.obey = call.draw, call.lasting, call.obeyed(len(rules))
        self.used: list[str] = []
        self.habits: dict[tuple[str, str], list[tuple[str, Habit]]] = defaultdict(list)
        for rule_id, text in rules:
            if habit := parse_rule(text):
                self.habits[habit.about].append((rule_id, habit))

    def habit(self, kind: str, thing: str = "") -> Habit | None:
        """The first rule about this that is obeyed on this turn."""
        for rule_id, habit in self.habits.get((kind, thing), ()):
            if self.obey >= 1 or self.draw("obey", rule_id) < self.obey:
                self.used += [rule_id] if rule_id not in self.used else []
                return habit
        return None

    def errs(self, mistake: str, cure: str) -> bool:
        """Whether a mistake of one turn is made, against which there may be a rule."""
        return self.draw(mistake) < getattr(MISTAKES, mistake) and not self.habit(cure)

    def prone(self, mistake: str, cure: str) -> bool:
        """Whether a mistake that lasts for the game is made."""
        return self.lasting(mistake) < getattr(MISTAKES, mistake) and not self.habit(cure)

    def move(self) -> tuple[str, str]:
        action, result = self.memory.last
        if self.goal is None:
            return "I do not understand the task.", "look"
        if action in self.memory.failed and NOTHING in result and self.errs("repeats", "repeat"):
            return "That should have worked.", action
        if self.draw("wanders") < MISTAKES.wanders:
            return "I look around.", "look" if self.draw("idle") < 0.5 else "inventory"
        held = self.memory.held
        mine = next((name for name in held if kind(name) == self.goal.thing), "")
        if held and not mine:
            return "I do not need this.", self._put(held[0], [*self.memory.here, *self.game.room, "room"][0])
        return self._look(mine) if self.goal.verb == "look" else self._bring(mine)

    def _bring(self, mine: str) -> tuple[str, str]:
        memory, goal = self.memory, self.goal
        placed = memory.delivered(goal)
        if not mine:
            half = goal.count == 2 and len(placed) == 1 and self.prone("one_is_enough", "second")
            raw = goal.verb and placed and (goal.verb, placed[0]) not in memory.done
            if (half or (raw and not self.habit("finish"))) and self.draw("notices") >= MISTAKES.notices:
                return "The task is done.", "look"
            return self._get(goal.thing)
        raw = goal.verb and (goal.verb, mine) not in memory.done
        if raw and (placed or not self.prone("unprocessed", "finish")):
            return self._process(goal.verb, mine)
        return self._place(mine)

    def _look(self, mine: str) -> tuple[str, str]:
        if not mine:
            return self._get(self.goal.thing)
        lamps = [(name, place) for lamp in self._lamps() for name, place in self.memory.where(lamp)]
        if not lamps:
            return self._search(self.goal.target)
        lamp, place = lamps[0]
        if place not in self.memory.here:
            return f"The {lamp} is at the {place}.", f"go to {place}"
        confused = f"examine {mine} with {lamp}"
        if self.prone("only_looks", "lamp") and not (confused in self.memory.failed and self._reconsiders()):
            return f"I look at the {mine} under the {lamp}.", confused
        return f"I hold the {mine} and turn on the {lamp}.", f"use {lamp}"

    def _lamps(self) -> list[str]:
        habit = self.habit("lamp")
        seen = [kind(name) for names in self.memory.seen.values() for name in names]
        named = [self.goal.target, *(habit.places if habit else ())]
        return list(dict.fromkeys([*named, *(lamp for lamp in seen if lamp.endswith("lamp"))]))

    def _reconsiders(self) -> bool:
        return self.habit("repeat") is not None or self.draw("reconsiders") < MISTAKES.reconsiders

    # -- getting hold of things

    def _get(self, thing: str) -> tuple[str, str]:
        memory, goal = self.memory, self.goal
        taken = self._target() if goal.count == 2 else ""
        seen = [(name, place) for name, place in memory.where(thing) if place != taken]
        if not seen:
            return self._search(thing)
        name, place = next(((name, place) for name, place in seen if place in memory.here), seen[0])
        if self.errs("not_held", "hold"):
            return f"I know where the {name} is.", self._premature(name)
        if place not in memory.here:
            return f"The {name} is at the {place}.", f"go to {place}"
        if memory.closed.get(place):
            return f"The {name} is in the {place}.", f"open {place}"
        return f"Here is the {name}.", f"take {name} from {place}"

    def _premature(self, name: str) -> str:
        if self.goal.verb in VERBS:
            return f"{self.goal.verb} {name} with {self._appliance(self.goal.verb)}"
        return f"examine {name}" if self.goal.verb == "look" else self._put(name, self._target())

    def _search(self, thing: str) -> tuple[str, str]:
        memory, room = self.memory, self.game.room
        shut = [place for place in memory.here if memory.closed.get(place) and place not in memory.seen]
        if shut and not self.prone("skips_closed", "open"):
            return f"There may be a {thing} inside.", f"open {shut[0]}"
        unread = [place for place in memory.here if place not in memory.seen and not memory.closed.get(place)]
        if unread and unread[0] in room:
            return f"I am at the {unread[0]}.", f"examine {unread[0]}"
        open_to_me = [place for place in room if place not in memory.seen and not memory.closed.get(place)]
        if not open_to_me:
            return self._again(thing, [place for place in room if memory.closed.get(place)] or list(room))
        known = [place for place in room if place in memory.seen and place not in memory.here]
        if known and self.errs("revisits", "once"):
            return f"I look for a {thing}.", f"go to {known[int(self.draw('known') * len(known))]}"
        first = self.habit("find", thing)
        ranks = {place: rank for rank, place in enumerate(first.places)} if first else {}
        place = min(open_to_me, key=lambda place: (ranks.get(kind(place), 99), self.lasting("order", kind(place))))
        why = f"A {thing} may be in the {kind(place)}." if kind(place) in ranks else f"I look for a {thing}."
        return why, f"go to {place}"

    def _again(self, thing: str, places: list[str]) -> tuple[str, str]:
        """Everything has been looked at: closed receptacles come to mind now and then, or it walks about."""
        here = [place for place in places if place in self.memory.here and self.memory.closed.get(place)]
        if here and self._reconsiders():
            return "I have not looked inside.", f"open {here[0]}"
        place = places[int(self.draw("again") * len(places))] if places else "room"
        return f"I still have no {thing}.", f"go to {place}"

    # -- doing things with them

    def _appliance(self, verb: str) -> str:
        """Where it would clean, heat or cool: the instance, of the kind that a rule or its belief names."""
        kinds = list(dict.fromkeys(kind(place) for place in self.game.room))
        habit = self.habit(verb)
        named = [place for place in (habit.places if habit else ()) if place in kinds]
        chosen = named[0] if named else self._belief(verb, kinds)
        return next((place for place in self.game.room if kind(place) == chosen), f"{chosen} 1")

    def _belief(self, verb: str, kinds: list[str]) -> str:
        known = [place for place in APPLIANCES[verb] if place in kinds] or kinds or list(APPLIANCES[verb])
        if len(known) > 1 and self.lasting("wrong_appliance", verb) < MISTAKES.wrong_appliance:
            known[1:] = sorted(known[1:], key=lambda place: self.lasting("belief", verb, place))
            known = [known[1], known[0], *known[2:]]
        fails = dict.fromkeys(known, 0)
        for action, times in self.memory.failed.items():
            did, _, place = read_action(action)
            if did == verb and kind(place) in fails:
                fails[kind(place)] += times
        standing = [place for place in known if fails[place] == 0 and place in map(kind, self.memory.here)]
        if fails[known[0]] and (standing or self._reconsiders()):
            return standing[0] if standing else min(known, key=lambda place: fails[place])
        return known[0]

    def _process(self, verb: str, mine: str) -> tuple[str, str]:
        place = self._appliance(verb)
        if place not in self.memory.here and not self.errs("not_there", "go"):
            return f"I {verb} the {mine} with the {place}.", f"go to {place}"
        return f"I {verb} the {mine}.", f"{verb} {mine} with {place}"

    def _target(self) -> str:
        """The receptacle that things go to: where one of them is already, else the first of its kind."""
        memory, goal = self.memory, self.goal
        fitting = [place for place in self.game.room if kind(place) == goal.target]
        used = [place for name, place in memory.placed.items() if kind(name) == goal.thing and place in fitting]
        holding = [place for name, place in memory.where(goal.thing) if place in fitting] if goal.count == 2 else []
        return (used + holding + fitting + list(self.game.room) + ["room"])[0]

    def _place(self, mine: str) -> tuple[str, str]:
        memory, place = self.memory, self._target()
        if place not in memory.here and not self.errs("not_there", "go"):
            return f"The {mine} goes to the {place}.", f"go to {place}"
        put = self._put(mine, place)
        failed = put in memory.failed
        closed = memory.closed.get(place, place not in memory.seen and failed)
        if closed and (not self.prone("skips_closed", "open") or (failed and self._reconsiders())):
            return f"The {place} is closed.", f"open {place}"
        return f"I put down the {mine}.", put

    def _put(self, name: str, place: str) -> str:
        """In the grammar that worked before; else in the one that has not failed yet at an open place."""
        move, put = f"move {name} to {place}", f"put {name} in/on {place}"
        form = self.memory.put or self.game.put
        if form:
            return put if form == "put" else move
        fails = self.memory.failed
        return put if fails.get(move, 0) > fails.get(put, 0) and place in self.memory.here else move

