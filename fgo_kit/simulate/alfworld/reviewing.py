"""Evaluator: what a game's turns show went wrong, where things were found. The optimiser reads the same."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache

from ...calls.protocol import BadRequest
from ..competence import Call, scored_right
from .reading import NOTHING, VERBS, Game, Memory, kind, read_action, read_trajectory, update

_DECISIVE = ("second", "finish", "lamp")
"""Faults that lose a game by themselves; the others cost turns."""


@dataclass(frozen=True)
class Fault:
    """A turn that went wrong: the habit that would have helped, the step (from 1), and what to say of it."""

    habit: str
    step: int
    text: str


@dataclass(frozen=True)
class Review:
    """What a game shows: faults; (kind of thing, kind of receptacle) where things that the goal names were first seen;
    which appliance did and did not work."""

    faults: tuple[Fault, ...]
    found: tuple[tuple[str, str], ...]
    worked: tuple[tuple[str, str], ...]
    useless: tuple[tuple[str, str], ...]

    @property
    def main(self) -> Fault | None:
        """The fault that cost most: a decisive one, else the first of the kind met most often."""
        cost: dict[str, int] = defaultdict(int)
        for fault in self.faults:  # what fits no habit is the last to be named
            cost[fault.habit] += 50 if fault.habit in _DECISIVE else 1 if fault.habit else 0
        return max(self.faults, key=lambda fault: cost[fault.habit], default=None)


@lru_cache(maxsize=4_096)
def review(game: Game) -> Review:
    """Read a whole game once more, turn by turn."""
    memory, faults, useless, found, goal = Memory(), [], [], {}, game.goal
    wanted = () if goal is None else (goal.thing, goal.target) if goal.verb == "look" else (goal.thing,)
    for step, (action, result) in enumerate(game.turns, 1):
        verb, first, second = read_action(action)
        if NOTHING in result:
            faults.append(_nothing(memory, game, step, action))
            if faults[-1].habit == verb:
                useless.append((verb, kind(second)))
        elif verb == "go":
            faults += _searched_again(memory, game, step, first)
            left = [place for place in memory.here if memory.closed.get(place) and place not in memory.seen]
            if left:
                faults.append(Fault("open", step, f"the {left[0]} was closed and was not opened"))
        elif verb == "put" and _unfinished(game, memory, first):
            faults.append(Fault("finish", step, f"the {first} was put down too early"))
        update(memory, action, result)
        for thing in wanted:
            places = memory.where(thing)
            if places and thing not in found and places[0][0] not in memory.placed:
                found[thing] = kind(places[0][1])
    if goal and goal.count == 2 and len(memory.delivered(goal)) == 1 and not memory.held:
        faults.append(Fault("second", len(game.turns), f"the second {goal.thing} was not brought"))
    worked = sorted((verb, kind(place)) for (verb, _), place in memory.done.items())
    return Review(tuple(faults), tuple(found.items()), tuple(worked), tuple(useless))


def _nothing(memory: Memory, game: Game, step: int, action: str) -> Fault:
    """Why an action did nothing, as far as the text tells."""
    verb, first, second = read_action(action)
    if memory.last[0] == action and NOTHING in memory.last[1]:
        return Fault("repeat", step, "it repeated an action that had done nothing")
    if verb in (*VERBS, "put"):
        if first not in memory.held:
            return Fault("hold", step, f"it did not hold the {first}")
        if second not in memory.here:
            return Fault("go", step, f"it was not at the {second}")
        if verb != "put":
            return Fault(verb, step, f"the {kind(second)} does not {verb} things")
        if memory.closed.get(second):
            return Fault("open", step, f"the {second} was closed and was not opened")
    if game.goal and game.goal.verb == "look" and "lamp" in action:
        return Fault("lamp", step, "the lamp has to be used, with the object in hand")
    if verb == "examine" and first not in memory.held:
        return Fault("hold", step, f"it did not hold the {first}")
    return Fault("", step, "this action did nothing")


def _searched_again(memory: Memory, game: Game, step: int, place: str) -> list[Fault]:
    """Going back to a place that was seen to hold nothing of use, with empty hands."""
    if game.goal is None or memory.held or place not in memory.seen:
        return []
    wanted = (game.goal.thing, game.goal.target)
    of_use = kind(place) == game.goal.target or any(kind(name) in wanted for name in memory.seen[place])
    return [] if of_use else [Fault("once", step, f"the {place} had been searched before")]


def _unfinished(game: Game, memory: Memory, name: str) -> bool:
    goal = game.goal
    wanted = goal is not None and goal.verb in VERBS and kind(name) == goal.thing
    return wanted and name in memory.held and (goal.verb, name) not in memory.done


def judge(call: Call) -> str:
    """What an evaluator writes who knows whether the game was won; only the attribution can be missed.

    What the text says takes one hop, its cause two.
    """
    game, won = read_trajectory(call.user), scored_right(call.user)
    if game is None:
        raise BadRequest("the simulated LLM finds no <trajectory> with a <scene> in this prompt")
    seen, luck = review(game), call.draw("attribute")
    said = ["Right: the task was done." if won else "Wrong: the task was not done."]
    if not won:
        fault = seen.main
        if luck >= call.noticed(2) or fault is None:
            said.append("It could not be told which step went wrong.")
        else:
            said.append(f"Step {fault.step} went wrong: {fault.text}.")
    if luck < call.noticed(1):
        said += [f"The {thing} was found in the {place}." for thing, place in seen.found]
        if game.goal and not won and not any(thing == game.goal.thing for thing, _ in seen.found):
            said.append(f"No {game.goal.thing} was found.")
    return " ".join(said)


_NAMED = (
    ("open", "was closed and was not opened"), ("repeat", "repeated an action that had done nothing"),
    ("hold", "did not hold"), ("go", "it was not at the"), ("second", "the second"), ("finish", "too early"),
    ("once", "had been searched before"), ("lamp", "the lamp has to be used"), ("clean", "does not clean"),
    ("heat", "does not heat"), ("cool", "does not cool"),
)  # fmt: skip
_WRONG = re.compile(r"went wrong: ([^.]*)")


def named_fault(feedback: str) -> str:
    """The habit that was wanting, as a reviewer's feedback names it, or ""."""
    wrong = _WRONG.search(feedback)
    return next((habit for habit, words in _NAMED if wrong and words in wrong[1]), "")
