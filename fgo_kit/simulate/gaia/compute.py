"""From a question and what was read to an answer, under the treatments that are switched on."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from .cells import number
from .figures import is_gone, measures, target_of, values, wanted, weighted_mean
from .frames import frame
from .pages import from_lines, trail_of
from .question import Question, understand, words
from .rows import counting, filters, in_time, passes
from .world import Frame, Record, Sources, Treatments, world


@lru_cache(maxsize=4_096)
def lines_of(sources: Sources) -> tuple[str, ...]:
    """The lines outside tables, and the units in headers of tables: where notes may stand."""
    seen = world(sources)
    return (*(line for _, line in seen.lines), *{unit: "" for sheet in seen.sheets for unit in sheet.units.values()})


def next_page(text: str, sources: Sources) -> tuple[int, str]:
    """How many pages lead on from one that the question names, and the next of them to read, or ""."""
    trail = trail_of(understand(text), world(sources))
    return len(trail), next((name for name in trail if name not in dict(sources)), "")


def answer(text: str, sources: Sources, on: Treatments) -> str | None:
    """The answer to a question from tool outputs given as (file, text); None where nothing can be computed."""
    return computed(text, sources, on)[0]


@lru_cache(maxsize=65_536)
def computed(text: str, sources: Sources, on: Treatments) -> tuple[str | None, tuple[float, ...]]:
    """The answer, and the figures that are added up for it."""
    question, seen = understand(text), world(sources)
    try:
        main = frame(seen, question, on)
        if main is None or not main.records:
            return from_lines(question, seen, on), ()
        records = counting(main, question, seen, on)
        if question.op == "weighted":
            return _written(weighted_mean(main, records, question, seen, on), question, on), ()
        target = target_of(main, records, question)
        kept = filters(main, question, target)
        chosen = in_time([record for record in records if passes(record, kept, on)], main, question)

        def figures(part: list[Record]) -> list[float]:
            return values(part, main, target, question, seen, on) if target else []

        if question.op == "share":
            return _written(_share(chosen, main, question, on), question, on), ()
        if question.op in ("top", "list"):
            counted = target in (None, "age", "year") or not wanted(target, question)
            return _names(chosen, main, question, on, len if counted else lambda part: sum(figures(part))), ()
        if question.op == "diff":
            sides = [sum(figures(side)) for side in _sides(chosen, kept, question)]
            return _written(sides[0] - sides[1] if len(sides) == 2 else None, question, on), ()
        return _figure(chosen, figures(chosen), target, main, question, on)
    except ArithmeticError:
        return None, ()


def _figure(
    chosen: list[Record], figures: list[float], target: str | None, main: Frame, question: Question, on: Treatments
) -> tuple[str | None, tuple[float, ...]]:
    """What becomes of the figures of the chosen records, or how many there are, or what a cell says."""
    added = tuple(figures) if question.op in ("sum", "mean", "value", "many") else ()
    if question.op == "many" and (target is None or not measures(target, main, question)):
        return _written(len(chosen), question, on), added
    if question.op == "value" and target is None:
        column = next((name for name in main.headers if set(words(name)) & question.words), None)
        return (chosen[0].cell(column) if chosen and column else None), added
    if not figures:
        return None, added
    together = {"max": max, "min": min}.get(question.op, math.fsum)(figures)
    return _written(together / len(figures) if question.op == "mean" else together, question, on), added


def _share(chosen: list[Record], main: Frame, question: Question, on: Treatments) -> float | None:
    """The percentage of records with the value that the question quotes."""
    said = re.search(r"(?:answer(?:ed)? (?:with )?[\"'“]?|said |were )(\w+)", question.text, re.I)
    given = said[1].casefold() if said else ""
    column = next((name for name in main.headers if given in map(str.casefold, main.column(name))), "")
    cells = [record.cell(column) for record in chosen]
    cells = [cell.casefold() for cell in cells if not ("missing" in on and is_gone(cell))]
    return 100 * cells.count(given) / len(cells) if column and cells else None


def _sides(chosen: list[Record], kept: dict[str, list[str]], question: Question) -> list[list[Record]]:
    """The records of the two things that a question compares, in its order."""
    name, cells = next(((name, cells) for name, cells in kept.items() if len(cells) == 2), ("", []))
    order = sorted(map(str.casefold, cells), key=question.text.casefold().find)
    return [[record for record in chosen if record.cell(name).casefold() == cell] for cell in order]


def _names(chosen: list[Record], main: Frame, question: Question, on: Treatments, size) -> str | None:
    """The names that the records have in the column that is asked for, or those of most, or of least, of them."""
    column = _group(main, question, on)
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in chosen:
        if column and record.cell(column):
            groups[record.cell(column)].append(record)
    if not chosen or not column:
        return None
    names = list(groups)
    if question.op == "top":
        low = question.low and not re.search(r"\bmost\b|\bhighest\b", question.text)
        sizes = {name: size(records) for name, records in groups.items()}
        names = sorted(names, key=lambda name: sizes[name] if low else -sizes[name])[: question.top]
        if "order" not in on:
            names.sort(key=list(groups).index)
    if "order" in on and question.alphabetical:
        names.sort(key=str.casefold)
    return (", " if "form" in on else " and " if len(names) < 3 else "; ").join(names)


def _group(main: Frame, question: Question, on: Treatments) -> str:
    """The column that "which ..." asks for: of a code and its name, the name where a legend is used."""
    texts = [name for name in main.headers if any(cell and number(cell) is None for cell in main.column(name)[:12])]
    asked = [name for name in texts if question.group in words(name)]
    own = next((name for name in asked if name not in main.joined and main.names.get(name)), "")
    if own:
        return main.names[own][0] if "legend" in on else own
    names = [name for name in texts if "name" in words(name)]
    joined = [name for name in texts if name in main.joined]
    if "legend" in on:
        first = [name for name in joined if name in names or name in asked] + asked + names + joined
    else:
        first = [name for name in asked if name not in main.joined] + asked + names
    return next(iter(first + texts), "")


def _written(value: float | None, question: Question, on: Treatments) -> str | None:
    """A figure as it is answered: rounded as asked, or not; bare, or with its unit."""
    if value is None:
        return None
    if "round" in on and question.places is not None:
        text = str(Decimal(repr(round(value, 9))).quantize(Decimal(1).scaleb(-question.places), ROUND_HALF_UP))
    else:
        text = f"{value:.6f}".rstrip("0").rstrip(".")
    unit = question.unit or next(iter(re.findall(r"how many (\w+)", question.text)), "")
    return text if "form" in on else f"{text} {unit}".strip()


@lru_cache(maxsize=65_536)
def same(one: str, other: str) -> bool:
    """Whether two answers are the same: as numbers, as lists in order, or as words.

    >>> same("12.0", "12"), same("A, B", "a,b"), same("12 km", "12")
    (True, True, False)
    """
    try:
        return math.isclose(float(re.sub(r"[$%,]", "", one)), float(other), rel_tol=1e-9)
    except ValueError:
        parts = [[re.sub(r"[\W_]+", "", part).casefold() for part in re.split(r"[,;]", text)] for text in (one, other)]
        return parts[0] == parts[1]
