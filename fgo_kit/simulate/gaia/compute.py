"""From a question and what was read to an answer, under the treatments that are switched on."""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from .cells import number
from .figures import is_gone, measures, target_of, values, wanted, weighted_mean
from .frames import frame
from .pages import from_lines, trail_of
from .question import Query, understand, words
from .rows import DEAD, counting, filters, in_time, marks_in, passes
from .world import Frame, Row, World, world


@lru_cache(maxsize=4_096)
def lines_of(sources: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """The lines outside tables, and the headers of tables: where notes may stand."""
    seen = world(sources)
    units_told = [unit for sheet in seen.sheets for unit in sheet.units if unit]
    return (*(line for _, line in seen.lines), *dict.fromkeys(units_told))


def next_page(text: str, sources: tuple[tuple[str, str], ...]) -> tuple[int, str]:
    """How many pages lead on from one that the question names, and the next of them to read, or ""."""
    trail = trail_of(understand(text), world(sources))
    read = {file for file, _ in sources}
    return len(trail), next((name for name in trail if name not in read), "")


@lru_cache(maxsize=65_536)
def answer(text: str, sources: tuple[tuple[str, str], ...], on: frozenset[str]) -> str | None:
    """The answer to a question from tool outputs given as (file, text); None where nothing can be computed."""
    try:
        return _answered(understand(text), world(sources), on)
    except (ArithmeticError, IndexError, StopIteration):
        return None


@lru_cache(maxsize=65_536)
def working(text: str, sources: tuple[tuple[str, str], ...], on: frozenset[str]) -> tuple[float, ...]:
    """The figures that `answer` puts together, where it adds them up."""
    query, seen = understand(text), world(sources)
    if query.op not in ("sum", "mean", "value", "many"):
        return ()
    try:
        main = frame(seen, query, on)
        if main is None:
            return ()
        found, target = _asked(main, query, seen, on)
        return tuple(values(found, main, target, query, seen, on)) if target else ()
    except (ArithmeticError, IndexError, StopIteration):
        return ()


def _asked(main: Frame, query: Query, seen: World, on: frozenset[str]) -> tuple[list[Row], str | None]:
    """The rows that the question is about, and their column of figures."""
    rows = counting(main, query, seen, on)
    target = target_of(main, rows, query)
    kept = filters(main, query, target)
    return in_time([row for row in rows if passes(row, kept, on)], main, query), target


def _answered(query: Query, seen: World, on: frozenset[str]) -> str | None:
    main = frame(seen, query, on)
    if main is None or not main.rows:
        return from_lines(query, seen, on)
    if query.op == "weighted":
        value = weighted_mean(main, counting(main, query, seen, on), query, seen, on)
        return None if value is None else _written(value, query, on)
    found, target = _asked(main, query, seen, on)
    if query.op == "diff":
        sides = [values(side, main, target, query, seen, on) for side in _sides(found, main, query, target)]
        return _written(sum(sides[0]) - sum(sides[1]), query, on) if len(sides) == 2 else None
    if query.op == "share":
        return _share(found, main, query, on)
    if query.op in ("top", "list"):
        return _named(found, main, target, query, seen, on)
    if query.op == "many" and (target is None or not measures(target, main, query)):
        return _written(len(found), query, on)
    if target is None:
        return _looked_up(found, main, query) if query.op == "value" else None
    figures = values(found, main, target, query, seen, on)
    return _written(_together(query.op, figures), query, on) if figures else None


def _together(op: str, figures: list[float]) -> float:
    if op == "mean":
        return math.fsum(figures) / len(figures)
    return max(figures) if op == "max" else min(figures) if op == "min" else math.fsum(figures)


def _share(found: list[Row], main: Frame, query: Query, on: frozenset[str]) -> str | None:
    said = re.search(r"answer(?:ed)? (?:with )?[\"'“]?(\w+)|said (\w+)|were (\w+)", query.text, re.I)
    given = (said[1] or said[2] or said[3]).casefold() if said else ""
    column = next(
        (name for name in main.headers if any(row.cells.get(name, "").casefold() == given for row in main.rows)), ""
    )
    rows = [row for row in found if not ("missing" in on and is_gone(row.cells.get(column, "")))]
    if not column or not rows:
        return None
    return _written(100 * sum(row.cells[column].casefold() == given for row in rows) / len(rows), query, on)


def _sides(found: list[Row], main: Frame, query: Query, target: str | None) -> list[list[Row]]:
    """The rows of the two things that a question compares, in its order."""
    kept = filters(main, query, target)
    name = next((name for name, cells in kept.items() if len(cells) == 2), "")
    if not name:
        return []
    cells = sorted(kept[name], key=lambda cell: query.text.casefold().find(cell.casefold()))
    return [[row for row in found if row.cells.get(name, "").casefold() == cell.casefold()] for cell in cells]


def _named(
    found: list[Row], main: Frame, target: str | None, query: Query, seen: World, on: frozenset[str]
) -> str | None:
    name = _group(main, query, on)
    if not name or not found:
        return None
    groups: dict[str, list[Row]] = {}
    for row in found:
        if row.cells.get(name, ""):
            groups.setdefault(row.cells[name], []).append(row)
    if query.op == "list":
        names = list(groups)
    else:
        counted = target is None or (target in ("age", "year") or not wanted(target, query))
        totals = {
            one: len(rows) if counted else sum(values(rows, main, target, query, seen, on))
            for one, rows in groups.items()
        }
        low = query.low and not re.search(r"\bmost\b|\bhighest\b", query.text)
        names = sorted(totals, key=lambda one: totals[one] if low else -totals[one])[: query.top]
    if "order" in on and query.order == "alphabetical":
        names.sort(key=str.casefold)
    elif "order" not in on and query.op == "top" and len(names) > 1:
        names.sort(key=lambda one: list(groups).index(one))
    mark = ", " if "form" in on else " and " if len(names) < 3 else "; "
    return mark.join(names)


def _group(main: Frame, query: Query, on: frozenset[str]) -> str:
    """The column that "which ..." asks for: of a code and its name, the name where a legend is used."""
    texts = [name for name in main.headers if not _figures(name, main)]
    own = next((name for name in texts if name not in main.joined and query.group in words(name)), "")
    if own and main.names.get(own):
        return main.names[own][0] if "legend" in on else own
    fitting = [name for name in texts if query.group in words(name)]
    names = [name for name in texts if "name" in words(name)]
    joined = [name for name in texts if name in main.joined]
    if "legend" in on:
        return next(
            iter([*(one for one in joined if one in names or one in fitting), *fitting, *names, *joined, *texts]), ""
        )
    return next(iter([*(one for one in fitting if one not in main.joined), *fitting, *names, *texts]), "")


def _figures(name: str, main: Frame) -> bool:
    return all(number(row.cells.get(name, "")) is not None or not row.cells.get(name) for row in main.rows[:12])


def _looked_up(found: list[Row], main: Frame, query: Query) -> str | None:
    columns = [name for name in main.headers if set(words(name)) & query.words]
    return found[0].cells.get(columns[0]) if found and columns else None


def _written(value: float, query: Query, on: frozenset[str]) -> str:
    """A figure as it is answered: rounded as asked, or not; bare, or with its unit."""
    if "round" in on and query.places is not None:
        text = str(Decimal(repr(round(value, 9))).quantize(Decimal(1).scaleb(-query.places), ROUND_HALF_UP))
    else:
        text = f"{value:.6f}".rstrip("0").rstrip(".")
    if "form" in on:
        return text
    unit = query.unit or next(iter(re.findall(r"how many (\w+)", query.text)), "")
    return f"{text} {unit}".strip()


@lru_cache(maxsize=65_536)
def same(one: str, other: str) -> bool:
    """Whether two answers are the same: as numbers, as lists in order, or as words.

    >>> same("12.0", "12"), same("A, B", "a,b"), same("12 km", "12")
    (True, True, False)
    """
    a, b = one.strip(), other.strip()
    try:
        return math.isclose(float(re.sub(r"[$%,]", "", a)), float(b), rel_tol=1e-9)
    except ValueError:
        pass
    parts = [re.split(r"[,;]", text) for text in (a, b)]
    if len(parts[0]) != len(parts[1]):
        return False
    return all(
        re.sub(r"[\W_]+", "", x).casefold() == re.sub(r"[\W_]+", "", y).casefold() for x, y in zip(*parts, strict=True)
    )


__all__ = ["DEAD", "answer", "lines_of", "marks_in", "next_page", "same", "working"]
