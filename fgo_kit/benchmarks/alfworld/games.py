"""Where ALFWorld games come from: the official files, and the shipped generated scenes."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ...records import Task, digest
from ..reading import each_readable, json_object, refuse_pointer, refuse_twice
from .scenes import Scenes, game_content, read_scenes

TASK_TYPES = (
    "pick_and_place_simple", "look_at_obj_in_light", "pick_clean_then_place_in_recep",
    "pick_heat_then_place_in_recep", "pick_cool_then_place_in_recep", "pick_two_obj_and_place",
)  # fmt: skip
OFFICIAL = {"train": 3553, "valid_seen": 140, "valid_unseen": 134}
"""Games of json_2.1.1 that ALFWorld plays: solvable, nothing sliced, no movable receptacle."""
PUT = {"old": "put O in/on R", "new": "move O to R"}
"""How things are put down in either grammar."""
AGAIN = "run `alfworld-download` again"
SUCCESS = "the task is done (won)"
_GOAL = re.compile(r"Your task is to: ((?:[^\"\\]|\\.)*)\"")


@dataclass(frozen=True)
class Source:
    """Tasks by split, what to tell about them, and how a task's game is had: a path or its content."""

    splits: dict[str, list[Task]]
    told: str
    game: Callable[[Task], str | dict]


def goal_sentence(grammar: str) -> str:
    """What follows "Your task is to:" in a game's grammar, "" where there is nothing."""
    found = _GOAL.search(grammar)
    return json.loads(f'"{found[1]}"') if found else ""


def grammar_name(grammar: str) -> str:
    """ "old" for games whose command is `put O in/on R`, "new" for `move O to R`."""
    return "old" if "put {o} in/on {r}" in grammar else "new"


def official(folder: Path, splits: tuple[str, ...], skip_unreadable: bool = False) -> Source:
    """The official games of some splits below a folder that holds json_2.1.1 (or is it, or its splits).

    Raises FileNotFoundError or ValueError that name every damaged game, what is wrong and the fix; skip_unreadable:
    these are left out with a warning.
    """
    root = _root(folder)
    tasks, told = {}, []
    for split in splits:
        tasks[split], note = _split(root, split, skip_unreadable)
        told.append(note)
    grammars = Counter(task.meta["grammar"] for games in tasks.values() for task in games)
    told += [f"{n} games with `{PUT[name]}`" for name, n in sorted(grammars.items())]
    return Source(tasks, "; ".join(told), partial(_file, root))


def _file(root: Path, task: Task) -> str:
    return str(root / task.meta["game"])


def _root(folder: Path) -> Path:
    for root in (folder / "json_2.1.1", folder):
        if any((root / split).is_dir() for split in OFFICIAL):
            return root
    raise FileNotFoundError(f"{str(folder)!r} holds no json_2.1.1 with {', '.join(OFFICIAL)}; give the folder that "
                            "holds json_2.1.1, as `alfworld-download` leaves it")


def _split(root: Path, split: str, skip_unreadable: bool) -> tuple[list[Task], str]:
    if not (root / split).is_dir():
        there = [name for name in OFFICIAL if (root / name).is_dir()]
        raise FileNotFoundError(f"{root} has no folder {split!r}, only {there}; add it, or use one of these")
    files = sorted((root / split).rglob("traj_data.json"))
    read = each_readable(files, lambda file: _task(file, root, split), skip_unreadable, "games")
    tasks = [task for task in read if isinstance(task, Task)]
    left_out = Counter(reason for reason in read if isinstance(reason, str))
    if not tasks:
        reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(left_out.items())) or "no game in it"
        raise ValueError(f"{root / split} has no playable game ({reasons}); {AGAIN}")
    refuse_twice(tasks, root / split)
    missing = f" of {OFFICIAL[split]:,}" if len(tasks) != OFFICIAL[split] else ", all there are"
    note = f"{split}: {len(tasks):,}{missing}"
    return tasks, note + "".join(f", {n} {reason} left out" for reason, n in sorted(left_out.items()))


def _task(file: Path, root: Path, split: str) -> Task | str:
    """The task of one game, or why it is left out."""
    name, played = file.parent.relative_to(root).as_posix(), file.with_name("game.tw-pddl")
    if "movable" in name or "Sliced" in name:  # as ALFWorld does
        return "with slices or movable receptacles"
    if not played.is_file():
        return "without game.tw-pddl"
    (data, _), (game, content) = _json(file), _json(played)
    needed = ("pddl_domain", "grammar", "pddl_problem")
    lacking = [key for key in needed if not isinstance(game.get(key), str)]
    lacking += [key for key in ("task_type", "pddl_params") if key not in data]
    if lacking:
        raise ValueError(f"{file.parent}: {lacking} missing, so it is damaged; {AGAIN}")
    if game.get("solvable") is not True:
        return "unsolvable" if "solvable" in game else "not known to be solvable"
    if data["task_type"] not in TASK_TYPES:
        return "of other task types"
    goal = goal_sentence(game["grammar"])
    if not goal:
        raise ValueError(f"{file.parent}/game.tw-pddl: no 'Your task is to: ...' in the grammar; {AGAIN}")
    meta = {
        "task_type": data["task_type"], "split": split, "game": f"{name}/game.tw-pddl",
        "goal": file.parent.parent.name, "floor_plan": str(data.get("scene", {}).get("floor_plan", "")),
        "target": str(data["pddl_params"].get("object_target", "")).lower(),
        "grammar": grammar_name(game["grammar"]), "hash": hashlib.sha256(content).hexdigest()[:16],
    }  # fmt: skip
    return Task(file.parent.name.removeprefix("trial_"), goal, SUCCESS, meta)


def _json(file: Path) -> tuple[dict, bytes]:
    """What a file holds, read and as it is."""
    refuse_pointer(file)
    content = file.read_bytes()
    return json_object(content, file, AGAIN), content


def _content(scenes: Scenes, task: Task) -> dict:
    return game_content(scenes, task.id)


def generated(file: Path) -> Source:
    """The generated games of a file. Raises FileNotFoundError or ValueError naming the file and the fix."""
    scenes = read_scenes(file)
    tasks: dict[str, list[Task]] = {}
    common = digest(scenes.logic)
    for game in scenes.games.values():
        meta = {
            "task_type": game["type"], "split": game["split"], "game": game["id"], "floor_plan": game["plan"],
            "goal": f"{game['type']}-{game['object']}-{game['receptacle']}-{game['plan']}",
            "target": game["object"].lower(), "grammar": grammar_name(scenes.logic["grammar"]),
            "hash": digest([common, scenes.plans[game["plan"]], game]),
        }  # fmt: skip
        split = game["split"].split("_")[0]
        tasks.setdefault(split, []).append(Task(game["id"], game["goal"], SUCCESS, meta))
    told = ", ".join(f"{len(found)} {split}" for split, found in tasks.items())
    return Source(tasks, f"{told} games, generated", partial(_content, scenes))
