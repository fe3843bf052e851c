"""Generate the household games of ALFWorld-gen.

    python data/alfworld/make.py [--world 0] [--out FILE]   the compact file
    python data/alfworld/make.py --export DIR               the same games as official files below DIR

Rooms are the floor plans that the alfworld package carries: their real receptacles and kinds of objects.
What lies where is drawn from habits (homes.py) with exceptions; a world is one draw of it all, and each but world 0
has habits of its own. Every game's walkthrough is computed here
and wins in the engine, which a test plays. Needs alfworld, see README.md; nothing is downloaded.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from homes import HABIT, HOMES, NOT_FOR, habits  # noqa: E402

TYPES = (
    "pick_and_place_simple", "look_at_obj_in_light", "pick_clean_then_place_in_recep",
    "pick_heat_then_place_in_recep", "pick_cool_then_place_in_recep", "pick_two_obj_and_place",
)  # fmt: skip
TOOLS = {"clean": "SinkBasin", "heat": "Microwave", "cool": "Fridge"}
ABLE = {"clean": "Cleanable", "heat": "Heatable", "cool": "Coolable"}
OPENABLE = ("Cabinet", "Drawer", "Fridge", "Microwave", "Safe")
SPLITS = (("train", 256), ("gate", 64), ("test_seen", 64), ("test_unseen", 64))
EXTRA = {"StoveBurner": 4, "Shelf": 2}  # how many to add where a plan names a kind without places; else 1
MOST_OF_A_KIND = 12
ALWAYS_OPEN = 0.12  # share of cabinets and drawers without a door, as in the official games


def sources():
    """alfworld's constants, goals, logic and floor plans. It makes a cache folder when imported."""
    os.environ.setdefault("ALFWORLD_DATA", tempfile.mkdtemp())
    import alfworld.info
    from alfworld.gen import constants, goal_library

    # To ALFWorld a lamp is nothing to be put anywhere, so it has no place for one.
    for kind in ("Desk", "Dresser", "SideTable"):
        constants.VAL_RECEPTACLE_OBJECTS[kind].add("DeskLamp")
    layouts = Path(constants.__file__).parent / "layouts"
    return constants, goal_library.gdict, alfworld.info, layouts


def logic_row(constants, goals, info) -> dict:
    able = constants.VAL_ACTION_OBJECTS
    names = ("Cleanable", "Heatable", "Coolable", "Sliceable")
    affords = {name.lower(): sorted(able[name]) for name in names}
    affords |= {"toggleable": ["DeskLamp"], "isReceptacleObject": sorted(constants.MOVABLE_RECEPTACLES)}
    return {
        "pddl_domain": Path(info.ALFRED_PDDL_PATH).read_text(),
        "grammar": Path(info.ALFRED_TWL2_PATH).read_text(),
        "goals": {name: goals[name]["pddl"] for name in TYPES},
        "contains": {kind: sorted(held) for kind, held in sorted(constants.VAL_RECEPTACLE_OBJECTS.items())},
        "affords": affords,
    }


def plan_row(number: int, layouts: Path, contains: dict, rng: np.random.Generator) -> dict:
    """A floor plan: its receptacles, where one stands before them, and the kinds of objects it has."""
    kinds = json.loads((layouts / f"FloorPlan{number}-objects.json").read_text())
    placed = json.loads((layouts / f"FloorPlan{number}-openable.json").read_text())
    named: dict[str, list] = {}
    for name, (x, z, turn, horizon) in sorted(placed.items()):
        kind = name.split("|")[0]
        if kind in ("Sink", "Bathtub"):
            kind += "Basin"
            name += f"|{kind}"
        place = f"{round(4 * x)}|{round(4 * z)}|{round(turn / 90) % 4}|{round(horizon)}"
        if kind in contains:
            named.setdefault(kind, []).append([name, place, False])
    for kind in sorted(set(kinds) & set(contains) - set(named)):
        for _ in range(EXTRA.get(kind, 1)):
            named.setdefault(kind, []).append([new_name(kind, rng), new_place(rng), False])
    for name in [name for name in named if name in MOVABLE]:
        del named[name]
    receptacles = []
    for kind in sorted(named):
        chosen = named[kind]
        if len(chosen) > MOST_OF_A_KIND:
            chosen = [chosen[at] for at in sorted(rng.choice(len(chosen), MOST_OF_A_KIND, replace=False))]
        for one in chosen:
            plain = kind in ("Cabinet", "Drawer") and rng.random() < ALWAYS_OPEN
            receptacles.append([one[0], one[1], kind in OPENABLE and not plain])
    return {"plan": f"FloorPlan{number}", "receptacles": receptacles, "kinds": sorted(kinds)}


MOVABLE = ("Bowl", "Box", "Cup", "Mug", "Plate", "Pan", "Pot")


def new_name(kind: str, rng: np.random.Generator) -> str:
    x, y, z = rng.uniform(-3, 3), rng.uniform(0.1, 2), rng.uniform(-3, 3)
    first, last = (kind.removesuffix("Basin"), f"|{kind}") if kind.endswith("Basin") else (kind, "")
    return f"{first}|{x:+06.2f}|{y:+06.2f}|{z:+06.2f}{last}"


def new_place(rng: np.random.Generator) -> str:
    x, z, turn = rng.integers(-12, 13), rng.integers(-12, 13), rng.integers(0, 4)
    return f"{x}|{z}|{turn}|{rng.choice([15, 30, 45, 60])}"


def kind_of(name: str) -> str:
    first, *rest = name.split("|")
    return rest[-1] if rest and rest[-1].endswith("Basin") else first


class Room:
    """What one game is drawn from: a plan's receptacles by kind, and which kinds of objects fit in which."""

    def __init__(self, plan: dict, contains: dict, habits: dict, rng: np.random.Generator):
        self.plan, self.contains, self.habits, self.rng = plan, contains, habits, rng
        self.kinds = [kind_of(name) for name, _, _ in plan["receptacles"]]
        self.room = room_of(plan["plan"])
        self.objects: list[list] = []

    def holders(self, thing: str) -> list[str]:
        """Kinds of receptacles here that can hold a thing and are used for it."""
        able = {kind for kind in self.kinds if thing in self.contains[kind]}
        return sorted(able - set(NOT_FOR.get(thing, ())))

    def place(self, thing: str, avoid: str = "") -> None:
        """One more of a thing: mostly where it is at home here, now and then anywhere."""
        allowed = [kind for kind in self.holders(thing) if kind != avoid]
        own = self.habits.get((self.room, thing), self.habits.get(thing, ()))
        homes = [kind for kind in own if kind in allowed]
        weights = {kind: (1 - sum(HABIT[: len(homes)])) / len(allowed) for kind in allowed}
        for kind, share in zip(homes, HABIT, strict=False):
            weights[kind] += share
        shares = np.array([weights[kind] for kind in allowed])
        kind = allowed[self.rng.choice(len(allowed), p=shares / shares.sum())]
        at = self.rng.choice([i for i, k in enumerate(self.kinds) if k == kind])
        self.objects.append([new_name(thing, self.rng), int(at)])

    def furnish(self, target: str, n_target: int, avoid: str) -> None:
        for thing in self.plan["kinds"]:
            if thing == target or thing in self.contains and thing not in MOVABLE or not self.holders(thing):
                continue
            if self.rng.random() < 0.75:
                for _ in range(1 if thing == "DeskLamp" else 1 + self.rng.binomial(2, 0.3)):
                    self.place(thing)
        for _ in range(n_target):
            self.place(target, avoid)


def room_of(plan: str) -> str:
    rooms = {0: "Kitchen", 2: "LivingRoom", 3: "Bedroom", 4: "Bathroom"}
    return rooms[int(plan.removeprefix("FloorPlan")) // 100]


def goals_of(kind: str, plan: dict, constants) -> list[tuple[str, str]]:
    """(object, receptacle) pairs that make sense for a task type on a plan."""
    here = {kind_of(name) for name, _, _ in plan["receptacles"]}
    contains, things = constants.VAL_RECEPTACLE_OBJECTS, [k for k in plan["kinds"] if k not in here]
    if room_of(plan["plan"]) not in constants.GOALS_VALID[kind]:
        return []
    if kind == "look_at_obj_in_light":
        lamp = "DeskLamp" in things and any("DeskLamp" in contains[h] for h in here)
        pickable = [k for k in things if k in constants.OBJECTS and (k in HOMES or ("Bedroom", k) in HOMES)]
        return [(k, "") for k in pickable if lamp and k != "DeskLamp"]
    change = next((name for name in TOOLS if f"pick_{name}" in kind), "")
    if change:
        if TOOLS[change] not in here:
            return []
        things = [k for k in things if k in constants.VAL_ACTION_OBJECTS[ABLE[change]]]
    pairs = []
    for thing in things:
        if thing not in HOMES and (room_of(plan["plan"]), thing) not in HOMES:
            continue
        for holder in sorted(here - set(NOT_FOR.get(thing, ())) - {TOOLS.get(change, "")}):
            others = [h for h in here - {holder} - set(NOT_FOR.get(thing, ())) if thing in contains[h]]
            if thing in contains[holder] and others:
                pairs.append((thing, holder))
    return pairs


def make_game(name: tuple[str, str], kind: str, able: list[tuple], given, rng: np.random.Generator) -> dict:
    """name: id and split. able: the plans where the task type makes sense, each with its (object, receptacle) pairs.
    given: alfworld's constants and goals, and the habits."""
    constants, goals, homes = given
    plan, pairs = able[rng.integers(len(able))]
    things = sorted({thing for thing, _ in pairs})
    thing = things[rng.integers(len(things))]
    while thing == "DeskLamp":  # can be used, but not carried
        thing = things[rng.integers(len(things))]
    holders = [holder for t, holder in pairs if t == thing]
    holder = holders[rng.integers(len(holders))]
    room = Room(plan, constants.VAL_RECEPTACLE_OBJECTS, homes, rng)
    two = kind == "pick_two_obj_and_place"
    room.furnish(thing, int(rng.integers(2, 4) if two else rng.integers(1, 4)), holder)
    lamp = kind == "look_at_obj_in_light"
    if lamp and not any(kind_of(name) == "DeskLamp" for name, _ in room.objects):
        room.place("DeskLamp")
    templates = goals[kind]["templates"]
    goal = templates[rng.integers(len(templates))].format(
        obj=thing.lower(), recep=holder.lower(), toggle="desklamp", mrecep=""
    )
    objects = [room.objects[at] for at in rng.permutation(len(room.objects))]
    game = {
        "id": name[0], "split": name[1], "type": kind, "plan": plan["plan"],
        "goal": f"{goal}.", "object": thing, "receptacle": holder, "agent": new_place(rng),
        "objects": objects,
    }  # fmt: skip
    return {**game, "walkthrough": walkthrough(game, plan["receptacles"], rng)}


def numbered(names: list[str]) -> dict[str, str]:
    """The names the engine shows: per kind the last id in sorted order is number 1."""
    from fgo_kit.benchmarks.alfworld.scenes import pddl_name

    groups: dict[str, list[str]] = {}
    for name in sorted(names, key=lambda name: pddl_name(name).lower()):
        groups.setdefault(kind_of(name).lower(), []).append(name)
    return {n: f"{k} {len(own) - at}" for k, own in groups.items() for at, n in enumerate(own)}


def walkthrough(game: dict, receptacles: list, rng: np.random.Generator) -> list[str]:
    """Commands that win the game, without looking for anything."""
    shown = numbered([name for name, _, _ in receptacles] + [name for name, _ in game["objects"]])
    things = [(n, at) for n, at in game["objects"] if kind_of(n) == game["object"]]
    of_kind = lambda kind: [i for i, (n, _, _) in enumerate(receptacles) if kind_of(n) == kind]  # noqa: E731
    commands: list[str] = []

    def here() -> str:
        return next((c.removeprefix("go to ") for c in reversed(commands) if c.startswith("go to ")), "")

    def visit(at: int) -> str:
        name = shown[receptacles[at][0]]
        if name != here():
            commands.append(f"go to {name}")
        if receptacles[at][2] and f"open {name}" not in commands:
            commands.append(f"open {name}")
        return name

    def take(thing: str, at: int) -> None:
        commands.append(f"take {shown[thing]} from {visit(at)}")

    if game["type"] == "look_at_obj_in_light":
        take(*things[0])
        lamp, at = next((n, at) for n, at in game["objects"] if kind_of(n) == "DeskLamp")
        visit(at)
        return [*commands, f"use {shown[lamp]}"]
    goals = of_kind(game["receptacle"])
    goal = goals[rng.integers(len(goals))]
    change = next((name for name in TOOLS if f"pick_{name}" in game["type"]), "")
    for thing, at in things[: 2 if game["type"] == "pick_two_obj_and_place" else 1]:
        take(thing, at)
        if change:
            tool = shown[receptacles[of_kind(TOOLS[change])[0]][0]]
            commands += [f"go to {tool}"] if tool != here() else []
            commands.append(f"{change} {shown[thing]} with {tool}")
        commands.append(f"move {shown[thing]} to {visit(goal)}")
    return commands


def make(world: int) -> list[dict]:
    """All lines of the file: the logic, the floor plans that are used, the games."""
    constants, goals, info, layouts = sources()
    logic = logic_row(constants, goals, info)
    numbers = constants.SCENE_NUMBERS
    plans = {n: plan_row(n, layouts, logic["contains"], np.random.default_rng([world, n])) for n in numbers}
    homes = habits(world, plans.values(), logic["contains"])
    games = []
    for number, (split, size) in enumerate(SPLITS):
        known = constants.TEST_SCENE_NUMBERS if split == "test_unseen" else constants.TRAIN_SCENE_NUMBERS
        able = {kind: [(plans[n], goals_of(kind, plans[n], constants)) for n in known] for kind in TYPES}
        able = {kind: [(plan, pairs) for plan, pairs in found if pairs] for kind, found in able.items()}
        for at in range(size):
            rng = np.random.default_rng([world, 1000 + number, at])
            kind = TYPES[at % len(TYPES)]
            name = f"w{world}-" * (world > 0) + f"{split}-{at:03d}"
            games.append(make_game((name, split), kind, able[kind], (constants, goals, homes), rng))
    used = {game["plan"] for game in games}
    return [logic, *(plan for plan in plans.values() if plan["plan"] in used), *games]


def traj_data(scenes, game_id: str) -> dict:
    """What `traj_data.json` holds, as far as playing needs it."""
    game = scenes.games[game_id]
    lamp = "DeskLamp" if game["type"] == "look_at_obj_in_light" else ""
    return {
        "task_id": f"trial_{game_id}", "task_type": game["type"],
        "pddl_params": {
            "object_target": game["object"], "parent_target": game["receptacle"], "toggle_target": lamp,
            "mrecep_target": "", "object_sliced": False,
        },
        "scene": {"floor_plan": game["plan"], "scene_num": int("".join(filter(str.isdigit, game["plan"])))},
        "turk_annotations": {"anns": []},
    }  # fmt: skip


def export(file: Path, folder: Path) -> int:
    """Write the games as the official files are laid out; test games become valid_seen and valid_unseen."""
    from fgo_kit.benchmarks.alfworld.scenes import game_content, read_scenes

    names = {"train": "train", "test_seen": "valid_seen", "test_unseen": "valid_unseen"}
    scenes = read_scenes(file)
    games = [game for game in scenes.games.values() if game["split"] in names]
    for game in games:
        goal = f"{game['type']}-{game['object']}-None-{game['receptacle'] or 'DeskLamp'}-{game['plan'][9:]}"
        own = folder / "json_2.1.1" / names[game["split"]] / goal / f"trial_{game['id']}"
        own.mkdir(parents=True, exist_ok=True)
        (own / "game.tw-pddl").write_text(json.dumps(game_content(scenes, game["id"])))
        (own / "traj_data.json").write_text(json.dumps(traj_data(scenes, game["id"])))
    return len(games)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--world", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE / "games.jsonl.xz", help="- for stdout, as text")
    parser.add_argument("--export", type=Path, metavar="DIR", help="write official files there instead")
    given = parser.parse_args()
    if given.export:
        print(f"{export(given.out, given.export)} games below {given.export}")
        return
    rows = make(given.world)
    text = "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    if str(given.out) == "-":
        sys.stdout.buffer.write(text.encode("utf-8"))
        return
    given.out.write_bytes(lzma.compress(text.encode("utf-8"), preset=9 | lzma.PRESET_EXTREME))
    print(f"{given.out}: {len(rows)} lines, {given.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
