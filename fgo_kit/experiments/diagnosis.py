"""03: what a wrong answer wanted. For each set: which rules would have helped, and which misled the agent.

Rules are read in the simulated LLM's own languages, trajectories as its evaluator reads them, all of them without
error: it is a diagnosis from outside, which no method sees.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from ..algorithm.prompts import trajectory_text
from ..records import Task, Trajectory
from ..simulate.alfworld import language as habits
from ..simulate.alfworld import reading as games
from ..simulate.alfworld import reviewing as faults
from ..simulate.gaia import language as practices
from ..simulate.gaia import reading as dialogues
from ..simulate.gaia import reviewing as reckonings
from ..simulate.logisticsqa.language import parse_rule
from ..simulate.logisticsqa.reading import normal, read

Texts = Collection[str]
_APPLIED = re.compile(r"^THOUGHT: Rule \S+ applies\.", re.MULTILINE)


@dataclass(frozen=True)
class Diagnosis:
    """expressible: some rule of the language helps. helps, misleads: whether rules with these texts would have made
    the answer right, or did make it wrong. applied: whether a rule gave the answer."""

    expressible: bool
    helps: Callable[[Texts], bool]
    misleads: Callable[[Texts], bool]
    applied: bool = False


def of_document(task: Task, wrong: Trajectory) -> Diagnosis:
    """LogisticsQA-gen: a rule helps if it answers as expected; where there is no reference, whichever was applied
    misled."""
    applied = bool(_APPLIED.search(wrong.steps[-1].action))
    misled = applied and not normal(task.answer)
    expressible = task.meta["expressible"] == "yes"
    return Diagnosis(expressible, lambda texts: any(is_right(text, task) for text in texts), lambda _: misled, applied)


def is_right(text: str, task: Task) -> bool:
    """Whether a rule answers the task as expected; one that does not apply, or cannot be read, does not.

    >>> is_right("If no other rule applies, answer None.", Task("t", "Note: nothing here", "None"))
    True
    """
    rule = parse_rule(text)
    answer = rule.answer(read(task.text)) if rule else None
    return answer is not None and normal(answer) == normal(task.answer)


def of_dialogue(task: Task, wrong: Trajectory) -> Diagnosis:
    """GAIA-like: practices help that give the right answer when the question is computed again from what was read, or
    else that would have had more read; those mislead that spoil it."""
    case = dialogues.read_trajectory(trajectory_text(task, wrong, None))
    seen = reckonings.review(case, task.answer) if case else reckonings.Review()
    wanted = seen.alternatives or tuple(frozenset({hint}) for hint in seen.hints)

    def switched_on(texts: Texts) -> set[str]:
        return {name for rule in filter(None, map(practices.parse_rule, texts)) for name in rule.treatments}

    def misleads(texts: Texts) -> bool:
        names = switched_on(texts)
        return any(f"{name.partition('=')[0]}?" not in names or name not in seen.heeded for name in seen.breaks & names)

    return Diagnosis(bool(wanted), lambda texts: any(on <= switched_on(texts) for on in wanted), misleads)


def of_game(task: Task, wrong: Trajectory) -> Diagnosis:
    """ALFWorld-gen: the habit helps that was wanting in the fault that cost most, or that says where to look for what
    was never found; a rule misleads that names a place in vain."""
    game = games.read_trajectory(trajectory_text(task, wrong, None))
    seen = faults.review(game) if game else faults.Review((), (), (), ())
    thing = game.goal.thing if game and game.goal else ""
    lost = bool(thing) and thing not in dict(seen.found)
    fault = seen.main.habit if seen.main else ""
    wanted = ("find", thing) if lost else (fault, "")

    def about(texts: Texts) -> list[habits.Habit]:
        return [habit for habit in map(habits.parse_rule, texts) if habit and habit.about == wanted]

    def misleads(texts: Texts) -> bool:
        useless = {place for verb, place in seen.useless if verb == fault}
        return any(lost or useless & set(habit.places) for habit in about(texts))

    return Diagnosis(bool(wanted[0]), lambda texts: bool(about(texts)), misleads)


DIAGNOSES = {"LogisticsQA-gen": of_document, "ALFWorld-gen": of_game, "GAIA-like": of_dialogue}
"""By set."""
