"""A small household game with ALFWorld's texts and both of its grammars: a stand-in that needs no engine."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import numpy as np

from fgo_kit.algorithm import prompts
from fgo_kit.algorithm.benchmark import Benchmark, Environment
from fgo_kit.algorithm.prompts import parse_action, section
from fgo_kit.records import Component, Module, Rule, Step, Task, Trajectory

OPENABLE = ("cabinet", "drawer", "fridge", "microwave")
TOOLS = {"clean": "sinkbasin", "heat": "microwave", "cool": "fridge"}
KITCHEN = (
    *(f"cabinet {n}" for n in range(1, 7)), "coffeemachine 1", "countertop 1", "countertop 2",
    *(f"drawer {n}" for n in range(1, 5)), "fridge 1", "garbagecan 1", "microwave 1", "shelf 1", "shelf 2",
    "sidetable 1", "sinkbasin 1", "stoveburner 1", "stoveburner 2", "toaster 1",
)  # fmt: skip
HOMES = {"mug": ("coffeemachine 1", "cabinet 3"), "knife": ("drawer 2", "drawer 4"), "plate": ("cabinet 5", "shelf 1"),
         "apple": ("countertop 2", "fridge 1"), "pencil": ("sidetable 1", "drawer 1")}  # fmt: skip
GOALS = (
    "put a {} in shelf.", "put some {} on countertop.", "put a clean {} in countertop.", "heat some {} and put it in shelf.",
    "put a cool {} in countertop.", "put two {} in garbagecan.", "look at {} under the desklamp.",
)  # fmt: skip


def listed(names) -> str:
    names = [f"a {name}" for name in names]
    return (
        "nothing"
        if not names
        else names[0]
        if len(names) == 1
        else f"{', '.join(names[:-1])}, and {names[-1]}"
    )


@dataclass
class House(Environment):
    """One game: `contents` by receptacle; goal as (verb, kind, target, count)."""

    sentence: str
    goal: tuple[str, str, str, int]
    contents: dict[str, list[str]]
    old_grammar: bool = False
    held: str = ""
    here: str = ""
    opened: set = field(default_factory=set)
    made: set = field(default_factory=set)
    won: bool = False
    steps: int = 0
    invalid: int = 0
    final: str = ""

    def observe(self) -> str:
        room = (
            f"You are in the middle of a room. Looking quickly around you, you see {listed(self.contents)}."
        )
        return section("scene", f"{room}\n\nYour task is to: {self.sentence}")

    def step(self, action: str) -> tuple[str, bool]:
        self.steps += 1
        self.final = self._do(" ".join(action.split())) or "Nothing happens."
        self.invalid += self.final == "Nothing happens."
        return section("result", self.final), self.won or self.steps >= 50

    @property
    def info(self) -> dict[str, str]:
        return {"steps": str(self.steps), "invalid actions": str(self.invalid)}

    def _shut(self, place: str) -> bool:
        return place.split()[0] in OPENABLE and place not in self.opened

    def _shown(self, place: str) -> str:
        if self._shut(place):
            return f"The {place} is closed."
        things = listed(self.contents[place])
        if place.split()[0] in OPENABLE:
            return f"The {place} is open. In it, you see {things}."
        return f"On the {place}, you see {things}."

    def _do(self, action: str) -> str:
        if found := re.fullmatch(r"go to (.+)", action):
            if found[1] not in self.contents or found[1] == self.here:
                return ""
            self.here = found[1]
            return f"You arrive at {self.here}. {self._shown(self.here)}"
        if found := re.fullmatch(r"open (.+)", action):
            if found[1] != self.here or not self._shut(self.here):
                return ""
            self.opened.add(self.here)
            return f"You open the {self.here}. {self._shown(self.here)}"
        if found := re.fullmatch(r"take (.+) from (.+)", action):
            if (
                found[2] != self.here
                or self.held
                or self._shut(self.here)
                or found[1] not in self.contents[self.here]
            ):
                return ""
            self.contents[self.here].remove(found[1])
            self.held = found[1]
            return f"You pick up the {self.held} from the {self.here}."
        put = r"put (.+) in/on (.+)" if self.old_grammar else r"move (.+) to (.+)"
        if found := re.fullmatch(put, action):
            if found[2] != self.here or found[1] != self.held or self._shut(self.here):
                return ""
            self.contents[self.here].append(self.held)
            self.held = ""
            self._check()
            how = "put the {} in/on the {}" if self.old_grammar else "move the {} to the {}"
            return f"You {how.format(found[1], self.here)}."
        if found := re.fullmatch(r"(clean|heat|cool) (.+) with (.+)", action):
            if found[3] != self.here or found[2] != self.held or found[3].split()[0] != TOOLS[found[1]]:
                return ""
            self.made.add((found[1], self.held))
            return f"You {found[1]} the {self.held} using the {self.here}."
        if found := re.fullmatch(r"use (desklamp \d)", action):
            if not self.here or found[1] not in self.contents[self.here]:
                return ""
            self.won = self.goal[0] == "look" and self.held.startswith(self.goal[1])
            return f"You turn on the {found[1]}."
        if action == "inventory":
            return f"You are carrying: a {self.held}." if self.held else "You are not carrying anything."
        if found := re.fullmatch(r"examine (.+)", action):
            return self._shown(self.here) if found[1] == self.here else ""
        return "You look around." if action == "look" else ""

    def _check(self) -> None:
        verb, thing, target, count = self.goal
        for place, names in self.contents.items():
            fit = [n for n in names if n.split()[0] == thing and (not verb or (verb, n) in self.made)]
            self.won |= place.split()[0] == target and len(fit) >= count


def house(number: int, old_grammar: bool = False) -> House:
    """The game with this number: a goal, a kind of thing, and a kitchen in which it is mostly at home."""
    rng = np.random.default_rng([7, number])
    sentence = GOALS[number % len(GOALS)]
    thing = list(HOMES)[int(rng.integers(len(HOMES)))]
    contents = {place: [] for place in KITCHEN}
    for kind, homes in HOMES.items():
        for n in (1, 2):
            at_home = rng.random() < 0.8
            contents[
                homes[int(rng.integers(2))] if at_home else KITCHEN[int(rng.integers(len(KITCHEN)))]
            ].append(f"{kind} {n}")
    contents["sidetable 1"].append("desklamp 1")
    verb = next((v for v in ("clean", "heat", "cool", "look") if v in sentence), "")
    target = sentence.rstrip(".").split()[-1]
    return House(
        sentence.format(thing), (verb, thing, target, 2 if "two" in sentence else 1), contents, old_grammar
    )


@dataclass(frozen=True)
class Houses(Benchmark):
    """A benchmark of doll's houses; the score is whether the game was won."""

    train: tuple[Task, ...]
    test: tuple[Task, ...]
    gate: tuple[Task, ...] = ()
    old_grammar: bool = False
    name: str = "houses"
    fingerprint: str = "houses"
    form = "turns"
    history_limit: int = 6_000
    seed_module: Module = Module(
        (Component("instructions", "You play a household game, one action a turn."),)
    )

    def start(self, task: Task) -> House:
        return house(int(task.id), self.old_grammar)

    def score(self, task: Task, trajectory: Trajectory) -> float:
        played = self.start(task)
        for step in trajectory.steps:
            played.step(parse_action(step.action)[0])
        return float(played.won)


def houses(n_train=16, n_test=32, **options) -> Houses:
    tasks = [Task(str(n), house(n).sentence, "the task is done") for n in range(n_train + n_test)]
    return replace(Houses(tuple(tasks[:n_train]), tuple(tasks[n_train:])), **options)


def module(*texts: str) -> Module:
    """The seed module with these rules, called r1, r2 ..."""
    rules = tuple(Rule(f"r{number}", text) for number, text in enumerate(texts, 1))
    return houses().seed_module.with_rules({"instructions": rules})


def of(
    sentence,
    *turns,
    room="cabinet 1, a countertop 1, a microwave 1, and a stoveburner 1",
    score=0.0,
    task="t",
):
    """(task, trajectory) of a game told as (action, result) pairs."""
    scene = f"You are in the middle of a room. Looking quickly around you, you see a {room}.\n\nYour task is to: {sentence}"
    seen = [prompts.section("scene", scene), *(prompts.section("result", result) for _, result in turns)]
    steps = tuple(
        Step(shown, f"THOUGHT: so\nANSWER: {action}") for shown, (action, _) in zip(seen, turns, strict=False)
    )
    return Task(task, sentence, "done"), Trajectory(task, steps, "", score, final=turns[-1][1], form="turns")
