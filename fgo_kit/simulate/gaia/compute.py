"""From a question and what was read to an answer, under the treatments that are switched on."""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from . import units
from .frames import Frame, Row, World, frame, is_id, mentioned, plain, world
from .question import Query, stem, understand, words
from .tables import date, number, unit_beside

DEAD = frozenset(
    "cancelled canceled void voided test withdrawn rejected annulled draft deleted invalid refunded expired inactive "
    "disqualified abandoned dsq dnf reversed".split()
)
"""Words that mark a record as one that does not count: common knowledge."""
_TOTAL = re.compile(r"^\W*(?:sub-?|grand )?(?:total|sum|all)s?\b", re.I)
_GONE = ("", "n/a", "na", "-", "–", "none", "null", "nan", "?", "missing", "-999", "-999.0", "-9999", "999", "9999")
_EVEN = re.compile(r"\b(?:including|even|whatever|regardless|irrespective|no matter)\b[^.?]*", re.I)
_ZERO = re.compile(r"\b(?:blank|empty|missing|no entry|nothing)\b[^.]*\b(?:zero|0|nil)\b|\bcounts? as (?:zero|0)\b", re.I)
_MONEY = re.compile(r"\b(?:amount|revenue|price|cost|budget|fee|pay|sales|turnover|eur|tariff|net|gross)\b")
_RATE = re.compile(r"\b(?:rate|rates|price|prices|per|tariff|fee|premium|grant|kcal per|factor|charge)\b")
_SYNONYMS = {
    "long": ("distance", "length"), "hour": ("minute", "time", "duration", "second", "hour"), "worth": ("unit", "quantity"),
    "cost": ("cost", "price", "amount", "weight", "unit", "day", "fee"), "bill": ("second", "minute", "amount", "unit"),
    "revenue": ("revenue", "sale", "amount"), "expense": ("amount",), "order": ("amount",), "budget": ("budget", "amount"),
    "temperature": ("temp", "temperature"), "score": ("score", "point", "mark"), "vote": ("vote",), "price": ("price",),
    "concentration": ("concentration", "value", "result"), "reading": ("reading", "value"), "inhabitant": ("population", "inhabitant"),
    "work": ("day", "hour", "minute"), "freight": ("weight",), "fastest": ("second", "time", "minute"), "shortest": ("second", "time", "minute", "distance"), "sell": ("unit", "sold"),
    "sold": ("unit", "quantity"), "stock": ("unit", "stock", "quantity"), "big": ("size",), "eur": ("amount", "eur", "price"),
}  # fmt: skip


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
def working(text: str, sources: tuple[tuple[str, str], ...], on: frozenset[str]) -> tuple[float, ...]:
    """The figures that `answer` puts together."""
    query, seen = understand(text), world(sources)
    if query.op not in ("sum", "mean", "value", "many"):
        return ()
    try:
        main = frame(seen, query, on)
        rows = _counting(main, query, seen, on) if main else []
        target = _target(main, rows, query) if rows else None
        if target is None:
            return ()
        filters = _filters(main, query, target)
        found = _in_time([row for row in rows if _passes(row, filters, query, on)], main, query)
        return tuple(_values(found, main, target, query, seen, on))
    except (ArithmeticError, IndexError, StopIteration):
        return ()


@lru_cache(maxsize=65_536)
def answer(text: str, sources: tuple[tuple[str, str], ...], on: frozenset[str]) -> str | None:
    """The answer to a question from tool outputs given as (file, text); None where nothing can be computed."""
    query, seen = understand(text), world(sources)
    try:
        return _answered(query, seen, on)
    except (ArithmeticError, IndexError, StopIteration):
        return None


def _answered(query: Query, seen: World, on: frozenset[str]) -> str | None:
    main = frame(seen, query, on)
    if main is None or not main.rows:
        return _from_lines(query, seen, on)
    rows = _counting(main, query, seen, on)
    target = _target(main, rows, query)
    filters = _filters(main, query, target)
    if query.op == "weighted":
        return _weighted(main, rows, query, seen, on)
    found = [row for row in rows if _passes(row, filters, query, on)]
    found = _in_time(found, main, query)
    if query.op == "diff":
        sides = _sides(found, filters, query)
        values = [sum(_values(side, main, target, query, seen, on)) for side in sides]
        return _written(values[0] - values[1], query, on) if len(values) == 2 else None
    if query.op == "share":
        return _share(found, main, query, on)
    if query.op in ("top", "list"):
        return _named(found, main, target, query, seen, on)
    if query.op == "many" and (target is None or not _measures(target, main, query)):
        return _written(len(found), query, on)
    if target is None:
        return _looked_up(found, main, query) if query.op == "value" else None
    values = _values(found, main, target, query, seen, on)
    if not values:
        return None
    total = {"mean": lambda: sum(values) / len(values), "max": lambda: max(values), "min": lambda: min(values)}
    return _written(total.get(query.op, lambda: math.fsum(values))(), query, on)


# -- which rows count


def _counting(main: Frame, query: Query, seen: World, on: frozenset[str]) -> list[Row]:
    rows = main.rows
    if "totals" in on:
        rows = [row for row in rows if not any(_TOTAL.match(cell) for cell in list(row.cells.values())[:2])]
    if "once" in on:
        rows = _once(rows, main)
    even = _EVEN.search(query.text)
    marks = {name[5:] for name in on if name.startswith("skip=")}
    if marks or "skip" in on:
        free = even is not None and "skip?" in on
        gone = {file for file in {row.file for row in rows} if _dead_file(file, seen, marks, "skip" in on)} if len(seen.order) > 1 else ()
        rows = [row for row in rows if row.file not in gone]
        columns = [name for name in main.headers if _marks_rows(name, main)]
        if not free:
            rows = [row for row in rows if not any(_dead(row.cells.get(name, ""), marks, "skip" in on) for name in columns)]
    return rows


def _marks_rows(name: str, main: Frame) -> bool:
    """Whether a column holds few words, again and again, as a status does."""
    cells = [row.cells.get(name, "") for row in main.rows]
    kinds = set(cells)
    return len(kinds) <= 8 and (len(kinds) < len(cells) or "stat" in name) and not all(number(cell) is not None for cell in kinds)


def _dead(cell: str, marks: set[str], known: bool) -> bool:
    word = cell.strip().casefold()
    return word in marks or (known and word in DEAD)


_ABOUT_ROWS = re.compile(r"\b(?:count|stay|left|kept|part|marked|status|sent|appear|listed)\b", re.I)


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
                    if kind.isalpha() and len(kind) > 2 and share <= 0.5:
                        times[kind] = max(times.get(kind, 0.0), share)
    return tuple(sorted(times, key=lambda kind: (times[kind], kind)))


# -- which rows are asked about


def _filters(main: Frame, query: Query, target: str | None) -> dict[str, tuple[str, ...]]:
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
            if cell and not _TOTAL.match(cell) and not units.known(cell) and len(cell) < 60 and number(cell) is None and date(cell) is None and mentioned(cell, text):
                found.append((len(cell), name, cell))
    found.sort(key=lambda one: -one[0])
    taken, chosen = text.casefold(), {}
    for _, name, cell in found:
        if mentioned(cell, taken) or any(cell.casefold() == other.casefold() for others in chosen.values() for other in others):
            if not any(cell.casefold() in (other.casefold() for other in others) for key, others in chosen.items() if key != name):
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


def _passes(row: Row, filters: dict[str, tuple[str, ...]], query: Query, on: frozenset[str]) -> bool:
    loosely = "keys" in on
    for name, cells in filters.items():
        mine = row.cells.get(name, "")
        if not any(mine.casefold() == cell.casefold() or (loosely and plain(mine, True) == plain(cell, True)) for cell in cells):
            return False
    return True


def _in_time(rows: list[Row], main: Frame, query: Query) -> list[Row]:
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


# -- what is computed


def _target(main: Frame, rows: list[Row], query: Query) -> str | None:
    """The column of figures that the question is about."""
    wanted = set(query.words)
    for word in query.words:
        wanted |= set(_SYNONYMS.get(word, ()))
    if query.unit:
        kind = units.UNITS.get(units.known(query.unit), ("",))[0]
    else:
        kind = ""
    best, most = None, 0.0
    for at, name in enumerate(main.headers):
        cells = [row.cells.get(name, "") for row in rows]
        good = [number(cell) for cell in cells if cell.strip().casefold() not in _GONE]
        figures = [value for value in good if value is not None]
        if not figures or len(figures) < 0.6 * len(good) or (is_id(name) and not set(words(name)) & query.words):
            continue
        if any(date(cell) and not number(cell) for cell in cells[:3]):
            continue
        score = 0.1 + 1.0 * len(set(words(name)) & wanted) + at / 100
        score += 0.8 if kind and any(units.UNITS.get(unit, ("",))[0] == kind for unit in _units_of(name, rows)) else 0
        score += 0.5 if kind == "money" and _MONEY.search(name) else 0
        score -= (2.0 if "per" in words(name) else 0.7) if name in main.joined and (_RATE.search(name) or "year" in name) else 0
        score -= 0.6 if "year" in words(name) else 0
        if score > most:
            best, most = name, score
    return best


def _units_of(name: str, rows: list[Row]) -> set[str]:
    found = {row.units[name] for row in rows[:3] if name in row.units}
    return found | {units.known(row.cells.get("unit", "")) for row in rows[:6] if row.cells.get("unit")}


def _measures(target: str, main: Frame, query: Query) -> bool:
    """Whether "how many X" asks for figures in a column rather than for rows."""
    asked = re.search(r"how many ((?:[\w-]+ ){0,2}?[\w-]+)(?: (?:of|are|is|did|does|do|has|have|were|was|in|from|take|failed|published)\b)", query.text, re.I)
    noun = set(words(asked[1])) if asked else set()
    if query.unit or noun & set(words(target)):
        return True
    wanted = {more for word in noun for more in _SYNONYMS.get(word, ())}
    if wanted & set(words(target)):
        return True
    things = {word for name in main.headers for word in words(name)}
    return target in ("units", "copies", "quantity", "count", "number") and not noun & (things - set(words(target)) - {"unit"})


def _values(rows: list[Row], main: Frame, target: str, query: Query, seen: World, on: frozenset[str]) -> list[float]:
    rate = _rate(main, target, query)
    offset = next((name for name in main.headers if name in main.joined and "offset" in name), "") if any(word.startswith("correct") for word in query.words) else ""
    zero = "missing?" in on and any(_ZERO.search(line) for _, line in seen.lines)
    found, scales = [], {}
    for row in rows:
        place = row.file, row.title
        if place not in scales:
            scales[place] = (_noted_scale(row, target, query, seen, on), _noted_scale(row, target, query, seen, on - {"scale"}))
        value = _value(row, target, query, on, rate, (zero, *scales[place]))
        if value is None:
            continue
        if rate:
            value = _priced(value, row, rate, seen)
        if offset:
            value += number(row.cells.get(offset, "")) or 0.0
        found.append(value)
    return found


def _value(row: Row, target: str, query: Query, on: frozenset[str], rate: str, noted: tuple) -> float | None:
    """A row's figure in the unit asked for; noted: whether blanks are zero, and what notes multiply it by, with
    and without thousands."""
    cell = row.cells.get(target, "")
    gone = _is_gone(cell)
    if gone and "missing" in on and not noted[0]:
        return None
    value = number(cell)
    if value is None:
        return 0.0
    unit = units.known(row.cells.get("unit", "")) or units.known(row.cells.get("note", "").split(" ")[0]) or row.units.get(target, "") or units.known(unit_beside(cell))
    asked = units.known(query.unit)
    kind = units.UNITS.get(unit, ("",))[0]
    if rate:
        asked = row.units.get(rate, "")
    if kind == "money":
        scaled = "scale" in on and not ("scale?" in on and "thousand" in query.unit) and units.UNITS[unit][1] > 1
        value = value * units.UNITS[unit][1] if scaled else value
    elif asked and unit and "convert" in on:
        value = units.convert(value, unit, asked, query.factors)
    return value * (noted[2] if kind == "money" else noted[1])


def _is_gone(cell: str) -> bool:
    """Whether a cell is empty or holds a code for a missing value."""
    return cell.strip().casefold() in _GONE or number(cell) in (-999, 999, -9999, 9999)


def _weighted(main: Frame, rows: list[Row], query: Query, seen: World, on: frozenset[str]) -> str | None:
    """A mean of a record's figures by weights that another list gives to their columns."""
    found = [row for row in rows if any(mentioned(cell, query.text) for cell in row.cells.values())]
    weights = _weights(main, seen)
    if not found or not weights:
        return None
    zero = any(_ZERO.search(line) for _, line in seen.lines)
    total = parts = 0.0
    for name, weight in weights.items():
        cell = found[0].cells.get(name, "")
        if _is_gone(cell) and "missing" in on and not (zero and "missing?" in on):
            continue
        total, parts = total + weight * (number(cell) or 0.0), parts + weight
    return _written(total / parts, query, on) if parts else None


def _weights(main: Frame, seen: World) -> dict[str, float]:
    found = {}
    for sheet in seen.sheets:
        for row in sheet.rows:
            figure = next((number(cell) for cell in row if number(cell) is not None), None)
            names = [name for name in main.headers for cell in row if cell.strip().casefold() == name]
            if names and figure is not None:
                found[names[0]] = figure
    return found


_THOUSAND = re.compile(r"\b(?:in|are|as) (?:thousands?|keur|1,?000)\b|\bthousands? (?:of )?(?:eur|euros?)\b|\bkEUR\b|\bEUR (?:in )?thousands?\b", re.I)
_BOXES = re.compile(r"\b(?:boxes|packs|crates|cartons|bundles|pallets|dozens?|sets)\b(?: of (\d+))?", re.I)
_VAT = re.compile(r"(\d+(?:\.\d+)?) ?(?:%|per cent)", re.I)


_PORTIONS = re.compile(r"\bfor (\d+) (?:persons?|people|servings?|portions?)\b", re.I)
_HOURS = re.compile(r"\bday (?:has|is|=|counts as|of|consists of) (\d+(?:\.\d+)?) (?:working )?hours?\b", re.I)


def _portions(line: str, query: Query) -> float:
    given, asked = _PORTIONS.search(line), _PORTIONS.search(query.text)
    return int(asked[1]) / int(given[1]) if given and asked else 0.0


def _noted_scale(row: Row, target: str, query: Query, seen: World, on: frozenset[str]) -> float:
    """By what notes say figures are to be multiplied."""
    factor = 1.0
    titles = {name for name in (row.title, row.file.rsplit("/", 1)[-1].rsplit(".", 1)[0]) if name}
    others = {sheet.title for sheet in seen.sheets if sheet.title} | {one.rsplit("/", 1)[-1].rsplit(".", 1)[0] for one in seen.order}
    for where, line in seen.lines:
        if "scale" in on and (portions := _portions(line, query)):
            factor *= portions
            continue
        if "notes" in on and "day" in words(target) and (found := _HOURS.search(line)):
            factor *= float(found[1])
            continue
        if not (_THOUSAND.search(line) or _BOXES.search(line) or "vat" in line.casefold()):
            continue
        about = [name for name in others if _about(name, line)]
        if about and not any(name in titles or any(_about(part, line) for part in re.split(r"[_ -]", row.title or "")) for name in about):
            continue
        if not about and where != row.file and len(seen.sheets) > 3 and not _THOUSAND.search(line):
            continue
        if _THOUSAND.search(line) and "scale" in on and not ("scale?" in on and "thousand" in query.unit):
            factor *= 1000
        elif "notes" not in on:
            continue
        elif (found := _BOXES.search(line)) and (found[1] or "dozen" in found[0].casefold()):
            factor *= int(found[1] or 12)
        elif "vat" in line.casefold() and re.search(r"including|with VAT|gross", query.text) and (found := _VAT.search(line)):
            factor *= 1 + float(found[1]) / 100
    return factor


def _about(name: str, line: str) -> bool:
    """Whether a line names a sheet or file, by a telling part of its name."""
    return any(len(part) > 2 and not part.isdigit() and mentioned(part, line) for part in (name, *re.split(r"[_ -]", name)))


def _rate(main: Frame, target: str, query: Query) -> str:
    """The joined column by which quantities are priced, or ""."""
    if (_MONEY.search(target) or "money" in target) and not any("currency" in name for name in main.headers):
        return ""
    asked = query.unit in ("eur", "euro", "euros", "kcal") or query.words & {"cost", "worth", "bill", "grant", "freight", "price"}
    if not asked:
        return ""
    return next((name for name in main.headers if name in main.joined and name != target and _RATE.search(name)
                 and any(number(row.cells.get(name, "")) is not None for row in main.rows)), "")  # fmt: skip


def _priced(value: float, row: Row, rate: str, seen: World) -> float:
    price = number(row.cells.get(rate, ""))
    if price is None:
        return value
    if "currency" in row.cells:
        per = any(re.search(r"\bEUR (?:for|per) (?:one|1|unit|each)|\bin EUR\b", line, re.I) for _, line in seen.lines)
        return value * price if per else value / price
    return value * price / (100 if "100" in rate else 1000 if "1000" in rate else 1)


# -- what is answered


def _share(found: list[Row], main: Frame, query: Query, on: frozenset[str]) -> str | None:
    said = re.search(r"answer(?:ed)? (?:with )?[\"'“]?(\w+)|said (\w+)|were (\w+)", query.text, re.I)
    wanted = (said[1] or said[2] or said[3]).casefold() if said else ""
    column = next((name for name in main.headers if any(row.cells.get(name, "").casefold() == wanted for row in main.rows)), "")
    rows = [row for row in found if not ("missing" in on and row.cells.get(column, "").strip().casefold() in _GONE)]
    return _written(100 * sum(row.cells[column].casefold() == wanted for row in rows) / len(rows), query, on) if column and rows else None


def _sides(found: list[Row], filters: dict, query: Query) -> list[list[Row]]:
    name = next((name for name, cells in filters.items() if len(cells) == 2), "")
    if not name:
        return []
    cells = sorted(filters[name], key=lambda cell: query.text.casefold().find(cell.casefold()))
    return [[row for row in found if row.cells.get(name, "").casefold() == cell.casefold()] for cell in cells]


def _named(found: list[Row], main: Frame, target: str | None, query: Query, seen: World, on: frozenset[str]) -> str | None:
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
        counted = target is None or (target in ("age", "year") or not _wanted(target, query))
        totals = {one: len(rows) if counted else sum(_values(rows, main, target, query, seen, on)) for one, rows in groups.items()}
        low = query.low and not re.search(r"\bmost\b|\bhighest\b", query.text)
        names = sorted(totals, key=lambda one: totals[one] if low else -totals[one])[: query.top]
    if "order" in on and query.order == "alphabetical":
        names.sort(key=str.casefold)
    elif "order" not in on and query.op == "top" and len(names) > 1:
        names.sort(key=lambda one: list(groups).index(one))
    mark = ", " if "form" in on else " and " if len(names) < 3 else "; "
    return mark.join(names)


def _wanted(target: str, query: Query) -> bool:
    wanted = set(query.words) | {more for word in query.words for more in _SYNONYMS.get(word, ())}
    return bool(set(words(target)) & wanted) or target in ("units", "score", "points", "votes", "amount")


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
        return next(iter([*(one for one in joined if one in names or one in fitting), *fitting, *names, *joined, *texts]), "")
    return next(iter([*(one for one in fitting if one not in main.joined), *fitting, *names, *texts]), "")


def _figures(name: str, main: Frame) -> bool:
    return all(number(row.cells.get(name, "")) is not None or not row.cells.get(name) for row in main.rows[:12])


def _looked_up(found: list[Row], main: Frame, query: Query) -> str | None:
    wanted = [name for name in main.headers if set(words(name)) & query.words]
    return found[0].cells.get(wanted[0]) if found and wanted else None


_LINE_VALUE = re.compile(r"(?<![\w.])[$€]?\s?(\d[\d,]*(?:\.\d+)?)(?![\w.]*\d)")


_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
_ALIKE = (("born", "birth"),)


def trail_of(query: Query, seen: World) -> list[str]:
    """The pages that lead from one the question names, along links in sentences that speak of what it asks; the
    name of a page that was not read ends it."""
    titles = {file: next((line.strip("# ") for where, line in seen.lines if where == file and line.startswith("#")), "") for file in seen.order}
    by_name = {file.rsplit("/", 1)[-1]: file for file in seen.order}
    starts = [file for file in seen.order if mentioned(titles[file], query.text)]
    trail = starts[:1]
    while trail and trail[-1] in titles and len(trail) < 8:
        sentences = [part for where, line in seen.lines if where == trail[-1] for part in re.split(r"(?<=[.!?])\s", line)]
        targets = [by_name.get(name.rsplit("/", 1)[-1], name) for part in sentences if _speaks(part, query) for _, name in _LINK.findall(part)]
        after = next((name for name in targets if name not in trail), None)
        if after is None:
            break
        trail.append(after)
    return trail


def _speaks(sentence: str, query: Query) -> bool:
    for word in re.findall(r"[a-z]{4,}", sentence.casefold()):
        for asked in query.words:
            if word == asked or (word[:5] == asked[:5] and len(asked) > 4) or any(word.startswith(a) and asked.startswith(b) for a, b in _ALIKE):
                return True
    return False


def _from_lines(query: Query, seen: World, on: frozenset[str]) -> str | None:
    """The figure on the line that shares most words with the question."""
    scored = [(len(set(words(line)) & query.words), at, where, line) for at, (where, line) in enumerate(seen.lines)
              if _LINE_VALUE.search(line) and not line.startswith("#")]  # fmt: skip
    amends = [one for one in scored if re.search(r"\bcorrect|\berrat", one[3], re.I)]
    plain_ones = [one for one in scored if not re.search(r"\bcorrect|\berrat", one[3], re.I)]
    trail = trail_of(query, seen)
    if len(trail) > 1:
        amends = [one for one in scored if re.search(r"\bcorrect|\berrat", one[3], re.I)]
    plain_ones = [one for one in plain_ones if one[2] == trail[-1]]
    best = max(plain_ones, default=None)
    if best is None or best[0] == 0:
        return None
    subject = next((line.strip("# ") for where, line in seen.lines if where == best[2] and line.startswith("#")), best[2])
    if "correct" in on:
        best = next((one for one in amends if mentioned(subject, one[3])), best)
    return _LINE_VALUE.findall(best[3])[-1].replace(",", "")


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
    return all(re.sub(r"[\W_]+", "", x).casefold() == re.sub(r"[\W_]+", "", y).casefold() for x, y in zip(*parts, strict=True))


__all__ = ["DEAD", "answer", "lines_of", "marks_in", "next_page", "same", "working"]
