"""Evaluator: which treatment of what was read gives the right answer. The optimiser derives the same.

Nothing is looked up: the question is computed again from the tool outputs that the trajectory shows, under one
treatment more, then two, then three, until the expected answer comes out. Few rows leave room for coincidence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, islice

from ...calls.protocol import BadRequest
from ..competence import Call, scored_right
from .compute import answer, same
from .frames import TREATMENTS
from .language import PLAIN, practices_of, render
from .question import understand
from .reading import Case, expected_of, read_trajectory
from .rows import marks_in
from .world import Treatments, base

FORMS = frozenset({"form", "round", "order"})
MOST_TRIES = 400
"""How often a question is computed again at most."""
MOST_MARKS = 8
"""How many words of status-like columns are tried as marks."""
_NOTES = re.compile(r"(?:note|readme|legend|rule|protocol|correct|change|errat|info|instruction)", re.I)


@dataclass(frozen=True)
class Review:
    """What a trajectory shows. alternatives: smallest sets of treatments that give the right answer; breaks:
    treatments that would spoil it; heeded: those of them that would not if they yielded to the question and notes;
    doubts: treatments that change the answer, where none makes it right; hints, used: ways of reading on that there
    were and that were not used, and those that were."""

    alternatives: tuple[Treatments, ...] = ()
    breaks: frozenset[str] = frozenset()
    heeded: frozenset[str] = frozenset()
    doubts: frozenset[str] = frozenset()
    hints: tuple[str, ...] = ()
    used: tuple[str, ...] = ()


class _Trials:
    """The question of a case computed again, each way once."""

    def __init__(self, case: Case, expected: str):
        self.question, self.sources, self.expected = case.question, case.sources(), expected
        self.tried: dict[Treatments, bool] = {}

    def answer(self, on: Treatments) -> str | None:
        return answer(self.question, self.sources, FORMS | on)

    def right(self, on: Treatments) -> bool:
        if on not in self.tried:
            given = self.answer(on)
            self.tried[on] = given is not None and same(given, self.expected)
        return self.tried[on]

    def alike(self, sets: Iterable[Treatments]) -> list[Treatments]:
        """Those of the sets that give the right answer, as long as there are tries left."""
        right: dict[Treatments, None] = {}
        for on in sets:
            if len(self.tried) >= MOST_TRIES:
                break
            if self.right(on):
                right[on] = None
        return list(islice(right, 8))

    def smallest(self, alive: list[str], others: list[str]) -> list[Treatments]:
        """The smallest sets of treatments that give the right answer; pairs may hold one that does nothing alone."""
        sizes = (
            (frozenset([name]) for name in alive),
            (frozenset([name, other]) for name in alive for other in others if name != other),
            map(frozenset, combinations(alive, 3)),
            map(frozenset, combinations(alive, 4)),
        )
        return next(filter(None, map(self.alike, sizes)), [])


@lru_cache(maxsize=8_192)
def review(case: Case, expected: str) -> Review:
    """Compute the case again, in the ways that lead to the expected answer."""
    hints, used, given = _unused(case), _used(case), case.answer or ""
    if understand(case.question).op == "run":
        outputs = [event.output.strip().splitlines()[-1:] for event in case.used("run_python")]
        explained = any(same(*line, expected) for line in outputs if line)
        ways = {"used": ("run",)} if outputs else {"hints": ("run",)}
        return Review((frozenset({"run"}),) if explained else (), **ways)
    if form := _form(given, expected):
        return Review((frozenset({form}),), hints=hints, used=used)
    trials = _Trials(case, expected)
    marks = [f"skip={mark}" for mark in marks_in(trials.sources)[:MOST_MARKS]]
    others = [name for name in TREATMENTS if name not in FORMS] + marks
    nothing = frozenset()
    alive = [name for name in others if trials.answer(frozenset({name})) != trials.answer(nothing)]
    sets = [nothing] if trials.right(nothing) else trials.smallest(alive, others)
    if not sets:
        whole = all(event.whole for event in case.events)
        return Review(doubts=frozenset(alive) if whole else nothing, hints=hints, used=used)
    breaks = {name for name in alive if not trials.right(sets[0] | {name}) and not any(name in on for on in sets)}
    heeded = {name for name in breaks if trials.right(sets[0] | {name, f"{name.partition('=')[0]}?"})}
    if sets == [nothing] and _nearly(given, expected) and not case.used("calculator", "run_python"):
        meant = any(same(given, trials.answer(frozenset({name})) or "") for name in alive)
        sets = sets if meant else [frozenset({"precise"})]
    return Review(tuple(filter(None, sets)), frozenset(breaks), frozenset(heeded), nothing, hints, used)


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def _form(given: str, expected: str) -> str:
    """The treatment of the answer that is all that was missing, or ""."""
    if not given or same(given, expected):
        return ""
    numbers = re.findall(r"-?\d[\d,]*(?:\.\d+)?", given)
    if len(numbers) == 1 and same(numbers[0].replace(",", ""), expected):
        return "form"
    right = _number(expected)
    if numbers and right is not None and len(given) > len(expected):
        half = 0.5001 * 10 ** -len(expected.partition(".")[2])
        if abs(_number(numbers[0]) - right) <= half:
            return "round"
    parts = [re.split(r",|;| and ", text.casefold()) for text in (given, expected)]
    names, wanted = (sorted(map(str.strip, names)) for names in parts)
    return "" if names != wanted else "order" if "," in given and ";" not in given else "form"


def _nearly(given: str, expected: str) -> bool:
    """Whether a wrong figure is so near that it may have been added up wrong."""
    figure, right = _number(given), _number(expected)
    near = figure is not None and right is not None and abs(figure - right) <= 0.15 * max(abs(right), 1.0)
    return near and not same(given, expected)


def _unused(case: Case) -> tuple[str, ...]:
    """Kinds of rules that would have had more read."""
    unread = [name for name in case.listed() if name not in case.read() and not name.endswith((".py", ".png", ".jpg"))]
    pages = [name for name in unread if "/pages/" in name]
    notes = any(_NOTES.search(base(name)) for name in unread)
    ends = {event.name: event.page for event in case.events if "[cut: " in event.output[-80:]}
    last = {event.name: max(event.page, 1) for event in case.events}
    others = len(unread) > len(pages) + (notes or bool(pages))
    ways = {"notes": notes, "pages": pages, "all": others or any(last[name] <= page for name, page in ends.items())}
    return tuple(kind for kind, there in ways.items() if there)


def _used(case: Case) -> tuple[str, ...]:
    """Kinds of rules that say to read as was read here."""
    hints, names = _unused(case), [name for name in case.listed() if not name.endswith((".zip", ".py"))]
    ways = {
        "notes": "notes" not in hints and any(_NOTES.search(base(name)) for name in case.read()),
        "pages": len(case.used("open_page")) > 2,
        "all": "all" not in hints and (len(names) > 2 or any(event.page > 1 for event in case.events)),
    }
    return tuple(kind for kind, there in ways.items() if there)


def judge(call: Call) -> str:
    """What an evaluator writes who knows the right answer; only the attribution can be missed or err."""
    case, expected = read_trajectory(call.user), expected_of(call.user)
    if case is None:
        raise BadRequest("the simulated LLM finds no <trajectory> with <question> and <turns> in this prompt")
    if scored_right(call.user):
        return "Right: the answer is as expected."
    verdict = f"Wrong: the right answer is {expected}."
    if call.draw("attribute") >= call.noticed(2):
        return f"{verdict} It could not be told what went wrong."
    seen = review(case, expected)
    if seen.alternatives:
        chosen = seen.alternatives[int(call.draw("which") * len(seen.alternatives))]
        return " ".join([verdict, "Under these rules it would have been right.", *map(render, practices_of(chosen))])
    if seen.hints:
        return " ".join([verdict, "More should have been read.", *map(PLAIN.get, seen.hints)])
    return f"{verdict} What was read does not tell why."
