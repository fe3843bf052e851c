"""Evaluator: which treatment of what was read gives the right answer. The optimiser derives the same.

Nothing is looked up: the question is computed again from the tool outputs that the trajectory shows, under one
treatment more, then two, then three, until the expected answer comes out. Few rows leave room for coincidence.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from ...calls.protocol import BadRequest
from ..competence import Call, scored_right
from .compute import answer, same
from .frames import TREATMENTS
from .language import Rule, render
from .question import understand
from .reading import Case, expected_of, read_trajectory
from .rows import marks_in

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

    alternatives: tuple[frozenset[str], ...] = ()
    breaks: frozenset[str] = frozenset()
    heeded: frozenset[str] = frozenset()
    doubts: frozenset[str] = frozenset()
    hints: tuple[str, ...] = ()
    used: tuple[str, ...] = ()


@lru_cache(maxsize=8_192)
def review(case: Case, expected: str) -> Review:
    """Compute the case again, in the ways that lead to the expected answer."""
    question, sources = understand(case.question), case.sources()
    hints, used = _unused(case), _used(case)
    given = case.answer or ""
    if question.op == "run":
        ran = any(event.tool == "run_python" and same(_last(event.output), expected) for event in case.events)
        tried = any(event.tool == "run_python" for event in case.events)
        explained = (frozenset({"run"}),) if ran else ()
        return Review(explained, used=("run",)) if tried else Review(explained, hints=("run",))
    form = _form(given, expected)
    if form:
        return Review((frozenset({form}),), hints=hints, used=used)
    tried: dict[frozenset, bool] = {}

    def right(on: frozenset) -> bool:
        if on not in tried:
            found = answer(case.question, sources, FORMS | on)
            tried[on] = found is not None and same(found, expected)
        return tried[on]

    plain = answer(case.question, sources, FORMS)
    others = [name for name in TREATMENTS if name not in FORMS] + [
        f"skip={mark}" for mark in marks_in(sources)[:MOST_MARKS]
    ]
    alive = [name for name in others if answer(case.question, sources, FORMS | {name}) != plain]
    found = [frozenset()] if right(frozenset()) else _smallest(alive, others, right, tried)
    if found == [frozenset()] and given and not same(given, expected):
        meant = any(same(given, answer(case.question, sources, FORMS | {name}) or "") for name in alive)
        tools = any(event.tool in ("calculator", "run_python") for event in case.events)
        found = [frozenset({"precise"})] if _nearly(given, expected) and not meant and not tools else found
    if not found:
        whole = all(event.whole for event in case.events)
        return Review(doubts=frozenset(alive) if whole else frozenset(), hints=hints, used=used)
    base = found[0] - {"precise"}
    breaks = frozenset(name for name in alive if name not in base and not right(base | {name})
                       and not any(name in one for one in found))  # fmt: skip
    heeded = frozenset(name for name in breaks if right(base | {name, f"{name.partition('=')[0]}?"}))
    return Review(tuple(one for one in found if one), breaks, heeded, frozenset(), hints, used)


def _smallest(alive: list[str], others: list[str], right: Callable, tried: dict) -> list[frozenset]:
    """The smallest sets of treatments that give the right answer; pairs may hold one that does nothing alone."""
    for sets in (
        (frozenset([name]) for name in alive),
        (frozenset([a, b]) for a in alive for b in others if a != b),
        (frozenset(three) for three in combinations(alive, 3)),
        (frozenset(four) for four in combinations(alive, 4)),
    ):
        found = []
        for one in sets:
            if len(tried) >= MOST_TRIES:
                break
            if right(one) and one not in found:
                found.append(one)
        if found:
            return found[:8]
    return []


def _form(given: str, expected: str) -> str:
    """The treatment of the answer that is all that was missing, or ""."""
    if not given or same(given, expected):
        return ""
    numbers = re.findall(r"-?\d[\d,]*(?:\.\d+)?", given)
    if len(numbers) == 1 and same(numbers[0].replace(",", ""), expected):
        return "form"
    try:
        value, wanted = float(numbers[0].replace(",", "")), float(expected)
        places = len(expected.partition(".")[2])
        if abs(value - wanted) <= 0.5001 * 10**-places and len(given) > len(expected):
            return "round"
    except (IndexError, ValueError):
        pass
    names = [sorted(part.strip().casefold() for part in re.split(r",|;| and ", text)) for text in (given, expected)]
    if names[0] == names[1]:
        return "order" if "," in given and ";" not in given else "form"
    return ""


def _nearly(given: str, expected: str) -> bool:
    try:
        a, b = float(given.replace(",", "")), float(expected)
    except ValueError:
        return False
    return abs(a - b) <= 0.15 * max(abs(b), 1.0)


def _last(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _unused(case: Case) -> tuple[str, ...]:
    """Kinds of rules that would have had more read."""
    read, found = case.read(), []
    unread = [name for name in case.listed() if name not in read and not name.endswith((".py", ".png", ".jpg"))]
    if any(_NOTES.search(name.rsplit("/", 1)[-1]) for name in unread):
        found.append("notes")
    pages = [name for name in unread if "/pages/" in name]
    if pages:
        found.append("pages")
    ends = {event.name: event.page for event in case.events if "[cut: " in event.output[-80:]}
    later = {event.name: max(event.page, 1) for event in case.events}
    if len(unread) > len(pages) + bool(found) or any(later.get(name, 1) <= page for name, page in ends.items()):
        found.append("all")
    return tuple(found)


def _used(case: Case) -> tuple[str, ...]:
    """Kinds of rules that say to read as was read here."""
    read, found, hints = case.read(), [], _unused(case)
    names = [name for name in case.listed() if not name.endswith((".zip", ".py"))]
    if "notes" not in hints and any(_NOTES.search(name.rsplit("/", 1)[-1]) for name in read):
        found.append("notes")
    if sum(event.tool == "open_page" for event in case.events) > 2:
        found.append("pages")
    if "all" not in hints and (len(names) > 2 or any(event.page > 1 for event in case.events)):
        found.append("all")
    return tuple(found)


def rules_of(treatments: frozenset[str]) -> list[Rule]:
    """The rules that switch treatments on."""
    return [Rule("skip", (name[5:],)) if name.startswith("skip=") else Rule(name) for name in sorted(treatments)]


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
        return " ".join([verdict, "Under these rules it would have been right.", *map(render, rules_of(chosen))])
    if seen.hints:
        return " ".join([verdict, "More should have been read.", *(render(Rule(kind)) for kind in seen.hints)])
    return f"{verdict} What was read does not tell why."


__all__ = ["FORMS", "Review", "judge", "review", "rules_of"]
