"""Which rows count, and which of them a question asks about."""

from __future__ import annotations

import re
from functools import lru_cache

from . import units
from .cells import date, number
from .question import Query, words
from .world import Frame, Row, World, is_id, mentioned, plain, world

DEAD = frozenset(
    [
        "cancelled",
        "canceled",
        "void",
        "voided",
        "test",
        "withdrawn",
        "rejected",
        "annulled",
        "draft",
        "deleted",
        "invalid",
        "refunded",
        "expired",
        "inactive",
        "disqualified",
        "abandoned",
        "dsq",
        "dnf",
        "reversed",
    ]
)
"""Words that mark a record as one that does not count: common knowledge."""
_TOTAL = re.compile(r"^\W*(?:sub-?|grand )?(?:total|sum|all)s?\b", re.I)
_EVEN = re.compile(r"\b(?:including|even|whatever|regardless|irrespective|no matter)\b[^.?]*", re.I)
_ABOUT_ROWS = re.compile(r"\b(?:count|stay|left|kept|part|marked|status|sent|appear|listed)\b", re.I)


def counting(main: Frame, query: Query, seen: World, on: frozenset[str]) -> list[Row]:
    """The rows that count, under the treatments that leave rows out."""
    rows = main.rows
    if "totals" in on:
        rows = [row for row in rows if not any(_TOTAL.match(cell) for cell in list(row.cells.values())[:2])]
    if "once" in on:
        rows = _once(rows, main)
    even = _EVEN.search(query.text)
    marks = {name[5:] for name in on if name.startswith("skip=")}
    if marks or "skip" in on:
        free = even is not None and "skip?" in on
        gone = (
            {file for file in {row.file for row in rows} if _dead_file(file, seen, marks, "skip" in on)}
            if len(seen.order) > 1
            else ()
        )
        rows = [row for row in rows if row.file not in gone]
        columns = [name for name in main.headers if _marks_rows(name, main)]
        if not free:
            rows = [
                row for row in rows if not any(_dead(row.cells.get(name, ""), marks, "skip" in on) for name in columns)
            ]
    return rows


def _marks_rows(name: str, main: Frame) -> bool:
    """Whether a column holds few words, again and again, as a status does."""
    cells = [row.cells.get(name, "") for row in main.rows]
    kinds = set(cells)
    return (
        len(kinds) <= 8
        and (len(kinds) < len(cells) or "stat" in name)
        and not all(number(cell) is not None for cell in kinds)
    )


def _dead(cell: str, marks: set[str], known: bool) -> bool:
    word = cell.strip().casefold()
    return word in marks or (known and word in DEAD)


def _dead_file(file: str, seen: World, marks: set[str], known: bool) -> bool:
    """Whether its own heading, or a list elsewhere, says that a file does not count."""
    stem_of = re.sub(r"[_-]+", " ", file.rsplit("/", 1)[-1].rsplit(".", 1)[0]).casefold()
    for where, line in seen.lines:
        said = set(re.findall(r"[a-z]+", line.casefold()))
        if len(line) < 80 and not _ABOUT_ROWS.search(line) and (said & marks or (known and said & DEAD)):
            own = where == file and line.startswith("#") and len(line.split()) < 7
            if own or re.match(rf"\W*{re.escape(stem_of)}\W", line.casefold()):
                return True
    return False


def _once(rows: list[Row], main: Frame) -> list[Row]:
    key = next((name for name in main.headers[:6] if is_id(name) and name not in main.joined), "")
    if not key:
        return rows
    seen: dict[tuple, Row] = {}
    for row in rows:
        seen.setdefault(row.cells.get(key, ""), row)
    return list(seen.values())


@lru_cache(maxsize=4_096)
def marks_in(sources: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """The words that stand again and again in short columns, and so may mark rows; the rarer first."""
    times: dict[str, float] = {}
    for sheet in world(sources).sheets:
        for at in range(len(sheet.headers)):
            cells = [row[at].strip().casefold() for row in sheet.rows]
            kinds = dict.fromkeys(cells)
            if len(cells) >= 4 and 2 <= len(kinds) <= 4:
                for kind in kinds:
                    share = cells.count(kind) / len(cells)
                    if kind.replace(" ", "").isalpha() and len(kind) > 2 and share <= 0.5:
                        times[kind] = max(times.get(kind, 0.0), share)
    return tuple(sorted(times, key=lambda kind: (times[kind], kind)))


def filters(main: Frame, query: Query, target: str | None) -> dict[str, tuple[str, ...]]:
    """Values of columns that the question names."""
    even = _EVEN.search(query.text)
    text = query.text.replace(even[0], " ") if even else query.text
    for title in main.titles:
        text = re.sub(re.escape(title), " ", text, flags=re.I)
    found: list[tuple[int, str, str]] = []
    money = units.UNITS.get(units.known(query.unit), ("",))[0] == "money"
    for name in main.headers:
        if name == target or name in ("unit", "note") or (money and "currency" in name):
            continue
        for cell in dict.fromkeys(row.cells.get(name, "") for row in main.rows):
            if (
                cell
                and not _TOTAL.match(cell)
                and not units.known(cell)
                and len(cell) < 60
                and number(cell) is None
                and date(cell) is None
                and mentioned(cell, text)
            ):
                found.append((len(cell), name, cell))
    found.sort(key=lambda one: -one[0])
    taken, chosen = text.casefold(), {}
    for _, name, cell in found:
        if mentioned(cell, taken) or any(
            cell.casefold() == other.casefold() for others in chosen.values() for other in others
        ):
            if not any(
                cell.casefold() in (other.casefold() for other in others)
                for key, others in chosen.items()
                if key != name
            ):
                chosen.setdefault(name, []).append(cell)
            taken = re.sub(rf"(?<!\w){re.escape(cell.casefold())}", " ", taken)
    if query.code or not chosen:
        chosen = chosen or _by_number(main, query, target)
    return {name: tuple(cells) for name, cells in chosen.items()}


def _by_number(main: Frame, query: Query, target: str | None) -> dict[str, list[str]]:
    """A train, a sensor or a meter may be named by a number."""
    asked = set(re.findall(r"(?<![\w.,-])\d{1,6}(?![\w.,-])", query.text)) - set(query.years)
    for name in main.headers:
        if name != target and (is_id(name) or set(words(name)) & query.words):
            cells = [cell for cell in dict.fromkeys(row.cells.get(name, "") for row in main.rows) if cell in asked]
            if cells:
                return {name: cells}
    return {}


def passes(row: Row, kept: dict[str, tuple[str, ...]], on: frozenset[str]) -> bool:
    """Whether a row has the values that the question names."""
    loosely = "keys" in on
    for name, cells in kept.items():
        mine = row.cells.get(name, "")
        if not any(
            mine.casefold() == cell.casefold() or (loosely and plain(mine, True) == plain(cell, True)) for cell in cells
        ):
            return False
    return True


def in_time(rows: list[Row], main: Frame, query: Query) -> list[Row]:
    """The rows of the time that the question asks about."""
    if query.span or query.month or query.years:
        name = next((name for name in main.headers if any(date(row.cells.get(name, "")) for row in rows[:8])
                     and not re.search(r"\bvalid\b", name)), "")  # fmt: skip
        if name:
            return [row for row in rows if _dated(date(row.cells.get(name, "")), query)]
        year = next((name for name in main.headers if "year" in words(name) or "published" in words(name)), "")
        if year and query.years:
            kept = [row for row in rows if _compare(int(number(row.cells.get(year, "")) or 0), query)]
            return kept
    return rows


def _dated(day, query: Query) -> bool:
    if day is None:
        return False
    if len(query.span) == 2:
        return query.span[0] <= day <= query.span[1]
    if query.span:
        return day == query.span[0] or not query.span[0][2]
    if query.month:
        return day[:2] == query.month
    return _compare(day[0], query)


def _compare(year: int, query: Query) -> bool:
    asked = int(query.years[0])
    if query.since in ("after",):
        return year > asked
    if query.since in ("since", "from") and len(query.years) == 1:
        return year >= asked
    if query.since in ("before", "until"):
        return year < asked if query.since == "before" else year <= asked
    return str(year) in query.years


__all__ = ["DEAD", "counting", "filters", "in_time", "marks_in", "passes"]
