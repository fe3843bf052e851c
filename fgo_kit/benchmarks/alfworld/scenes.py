"""From a compact scene to the official file of a game, `game.tw-pddl`.

data/alfworld/games.jsonl.xz holds three kinds of lines: one `logic` (domain, grammar, goals, what every
kind of object affords), one per floor plan (its receptacles), one per game (what lies where, and the task).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..reading import shipped_rows

PROPERTIES = ("cleanable", "heatable", "coolable", "sliceable", "toggleable", "isReceptacleObject")


@dataclass(frozen=True)
class Scenes:
    """The shipped file, read: `games` by id."""

    logic: dict
    plans: dict[str, dict]
    games: dict[str, dict]


def read_scenes(file: Path) -> Scenes:
    """Raises FileNotFoundError or ValueError naming the file and the fix."""
    remedy = "python data/alfworld/make.py"
    try:
        logic, *rest = shipped_rows(file, remedy)
        plans = {row["plan"]: row for row in rest if "id" not in row}
        return Scenes(logic, plans, {row["id"]: row for row in rest if "id" in row})
    except (KeyError, TypeError) as error:
        raise ValueError(f"{file} is damaged ({error}); make it again: {remedy}") from error


def pddl_name(name: str) -> str:
    """ALFWorld's way to write an object id in PDDL.

    >>> pddl_name("Mug|+00.24|-01.01")
    'Mug_bar__plus_00_dot_24_bar__minus_01_dot_01'
    """
    for sign, word in (("|", "_bar_"), ("-", "_minus_"), ("+", "_plus_"), (".", "_dot_"), (",", "_comma_")):
        name = name.replace(sign, word)
    return name


def kind_of(name: str) -> str:
    """The class of an id: `SinkBasin` for `Sink|+01.00|+00.90|+02.00|SinkBasin`."""
    first, *rest = name.split("|")
    return rest[-1] if rest and rest[-1].endswith("Basin") else first


def game_content(scenes: Scenes, game_id: str) -> dict:
    """What `game.tw-pddl` holds."""
    game, logic = scenes.games[game_id], scenes.logic
    return {
        "pddl_domain": logic["pddl_domain"],
        "grammar": logic["grammar"].replace("UNKNOWN GOAL", game["goal"].removesuffix(".")),
        "pddl_problem": _problem(scenes, game), "solvable": True, "walkthrough": game["walkthrough"],
    }  # fmt: skip


def _problem(scenes: Scenes, game: dict) -> str:
    receptacles = scenes.plans[game["plan"]]["receptacles"]
    kinds = sorted({kind_of(name) for name, _, _ in receptacles})
    things = sorted({kind_of(name) for name, _ in game["objects"]})
    places = sorted({game["agent"], *(place for _, place, _ in receptacles)})
    declared = [
        "agent1 - agent",
        *(f"{kind}Type - otype" for kind in things),
        *(f"{kind}Type - rtype" for kind in kinds),
        *(f"{pddl_name(name)} - object" for name, _ in game["objects"]),
        *(f"{pddl_name(name)} - receptacle" for name, _, _ in receptacles),
        *(f"{_location(place)} - location" for place in places),
    ]
    facts = [f"atLocation agent1 {_location(game['agent'])}", *_receptacle_facts(receptacles)]
    facts += [
        f"canContain {kind}Type {thing}Type" for kind in kinds for thing in things
        if thing in scenes.logic["contains"][kind]
    ]
    facts += _object_facts(scenes.logic["affords"], game["objects"], receptacles)
    goal = scenes.logic["goals"][game["type"]].replace("#", "-")
    for slot, value in (("obj", game["object"]), ("recep", game["receptacle"]), ("toggle", "DeskLamp")):
        goal = goal.replace(f"{{{slot}}}", value)
    lines = ["", f"(define (problem plan_trial_{game['id']})", "(:domain alfred)", "(:objects"]
    lines += [*(f"    {line}" for line in declared), ")", "(:init"]
    return "\n".join([*lines, *(f"    ({fact})" for fact in facts), ")", goal])


def _receptacle_facts(receptacles: list) -> list[str]:
    facts = []
    for name, place, openable in receptacles:
        own = pddl_name(name)
        facts += [f"receptacleType {own} {kind_of(name)}Type", f"receptacleAtLocation {own} {_location(place)}"]
        facts += [f"openable {own}"] if openable else []
    return facts


def _object_facts(affords: dict[str, list[str]], objects: list, receptacles: list) -> list[str]:
    facts = []
    for name, at in objects:
        own, kind = pddl_name(name), kind_of(name)
        holder, place, _ = receptacles[at]
        facts += [f"objectType {own} {kind}Type", f"inReceptacle {own} {pddl_name(holder)}"]
        facts += [f"objectAtLocation {own} {_location(place)}"]
        facts += [] if kind in affords["toggleable"] else [f"pickupable {own}"]
        facts += [f"{name} {own}" for name in PROPERTIES if kind in affords[name]]
    return facts


def _location(place: str) -> str:
    return f"loc_bar_{place.replace('|', '_bar_').replace('-', '_minus_')}"
