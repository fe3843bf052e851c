"""The figures that a question is about: their column, their unit, what notes multiply and price them by."""

from __future__ import annotations

import re

from . import units
from .cells import date, number, unit_beside
from .question import Query, words
from .world import Frame, Row, World, is_id, mentioned

_GONE = ("", "n/a", "na", "-", "–", "none", "null", "nan", "?", "missing", "-999", "-999.0", "-9999", "999", "9999")
_ZERO = re.compile(
    r"\b(?:blank|empty|missing|no entry|nothing)\b[^.]*\b(?:zero|0|nil)\b|\bcounts? as (?:zero|0)\b", re.I
)
_MONEY = re.compile(r"\b(?:amount|revenue|price|cost|budget|fee|pay|sales|turnover|eur|tariff|net|gross)\b")
_RATE = re.compile(r"\b(?:rate|rates|price|prices|per|tariff|fee|premium|grant|kcal per|factor|charge)\b")
SYNONYMS = {
    "long": "distance length", "hour": "minute time duration second hour", "worth": "unit quantity",
    "cost": "cost price amount weight unit day fee", "bill": "second minute amount unit", "price": "price",
    "revenue": "revenue sale amount", "expense": "amount", "order": "amount", "budget": "budget amount",
    "temperature": "temp temperature", "score": "score point mark", "vote": "vote", "freight": "weight",
    "concentration": "concentration value result", "reading": "reading value", "work": "day hour minute",
    "inhabitant": "population inhabitant", "fastest": "second time minute", "sold": "unit quantity",
    "shortest": "second time minute distance", "sell": "unit sold", "stock": "unit stock quantity",
    "big": "size", "eur": "amount eur price",
}  # fmt: skip
"""Words of questions, and the words by which columns of figures answer them: common knowledge."""
_LIKE = {word: tuple(more.split()) for word, more in SYNONYMS.items()}
_THOUSAND = re.compile(
    r"\b(?:in|are|as) (?:thousands?|keur|1,?000)\b|\bthousands? (?:of )?(?:eur|euros?)\b|\bkEUR\b|"
    r"\bEUR (?:in )?thousands?\b",
    re.I,
)
_BOXES = re.compile(r"\b(?:boxes|packs|crates|cartons|bundles|pallets|dozens?|sets)\b(?: of (\d+))?", re.I)
_VAT = re.compile(r"(\d+(?:\.\d+)?) ?(?:%|per cent)", re.I)
_PORTIONS = re.compile(r"\bfor (\d+) (?:persons?|people|servings?|portions?)\b", re.I)
_HOURS = re.compile(r"\bday (?:has|is|=|counts as|of|consists of) (\d+(?:\.\d+)?) (?:working )?hours?\b", re.I)


def target_of(main: Frame, rows: list[Row], query: Query) -> str | None:
    """The column of figures that the question is about."""
    asked = _asked_words(query)
    kind = units.UNITS.get(units.known(query.unit), ("",))[0] if query.unit else ""
    best, most = None, 0.0
    for at, name in enumerate(main.headers):
        cells = [row.cells.get(name, "") for row in rows]
        good = [number(cell) for cell in cells if cell.strip().casefold() not in _GONE]
        figures = [value for value in good if value is not None]
        if not figures or len(figures) < 0.6 * len(good) or (is_id(name) and not set(words(name)) & query.words):
            continue
        if any(date(cell) and not number(cell) for cell in cells[:3]):
            continue
        score = 0.1 + 1.0 * len(set(words(name)) & asked) + at / 100
        score += 0.8 if kind and any(units.UNITS.get(unit, ("",))[0] == kind for unit in _units_of(name, rows)) else 0
        score += 0.5 if kind == "money" and _MONEY.search(name) else 0
        score -= (
            (2.0 if "per" in words(name) else 0.7)
            if name in main.joined and (_RATE.search(name) or "year" in name)
            else 0
        )
        score -= 0.6 if "year" in words(name) else 0
        if score > most:
            best, most = name, score
    return best


def _units_of(name: str, rows: list[Row]) -> set[str]:
    found = {row.units[name] for row in rows[:3] if name in row.units}
    return found | {units.known(row.cells.get("unit", "")) for row in rows[:6] if row.cells.get("unit")}


def measures(target: str, main: Frame, query: Query) -> bool:
    """Whether "how many X" asks for figures in a column rather than for rows."""
    asked = re.search(
        r"how many ((?:[\w-]+ ){0,2}?[\w-]+)(?: (?:of|are|is|did|does|do|has|have|were|was|in|from|take|"
        r"failed|published)\b)",
        query.text,
        re.I,
    )
    noun = set(words(asked[1])) if asked else set()
    if query.unit or noun & set(words(target)):
        return True
    if {more for word in noun for more in _LIKE.get(word, ())} & set(words(target)):
        return True
    things = {word for name in main.headers for word in words(name)}
    return target in ("units", "copies", "quantity", "count", "number") and not noun & (
        things - set(words(target)) - {"unit"}
    )


def _asked_words(query: Query) -> set[str]:
    return set(query.words) | {more for word in query.words for more in _LIKE.get(word, ())}


def wanted(target: str, query: Query) -> bool:
    """Whether a question speaks of a column of figures, rather than of how many rows there are."""
    return bool(set(words(target)) & _asked_words(query)) or target in ("units", "score", "points", "votes", "amount")


def values(rows: list[Row], main: Frame, target: str, query: Query, seen: World, on: frozenset[str]) -> list[float]:
    rate = _rate(main, target, query)
    offset = (
        next((name for name in main.headers if name in main.joined and "offset" in name), "")
        if any(word.startswith("correct") for word in query.words)
        else ""
    )
    zero = "missing?" in on and any(_ZERO.search(line) for _, line in seen.lines)
    found, scales = [], {}
    for row in rows:
        place = row.file, row.title
        if place not in scales:
            scales[place] = (
                _noted_scale(row, target, query, seen, on),
                _noted_scale(row, target, query, seen, on - {"scale"}),
            )
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
    gone = is_gone(cell)
    if gone and "missing" in on and not noted[0]:
        return None
    value = number(cell)
    if value is None:
        return 0.0
    unit = (
        units.known(row.cells.get("unit", ""))
        or units.known(row.cells.get("note", "").split(" ")[0])
        or row.units.get(target, "")
        or units.known(unit_beside(cell))
    )
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


def is_gone(cell: str) -> bool:
    """Whether a cell is empty or holds a code for a missing value."""
    return cell.strip().casefold() in _GONE or number(cell) in (-999, 999, -9999, 9999)


def _portions(line: str, query: Query) -> float:
    given, asked = _PORTIONS.search(line), _PORTIONS.search(query.text)
    return int(asked[1]) / int(given[1]) if given and asked else 0.0


def _noted_scale(row: Row, target: str, query: Query, seen: World, on: frozenset[str]) -> float:
    """By what notes say figures are to be multiplied."""
    factor = 1.0
    titles = {name for name in (row.title, row.file.rsplit("/", 1)[-1].rsplit(".", 1)[0]) if name}
    others = {sheet.title for sheet in seen.sheets if sheet.title} | {
        one.rsplit("/", 1)[-1].rsplit(".", 1)[0] for one in seen.order
    }
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
        if about and not any(
            name in titles or any(_about(part, line) for part in re.split(r"[_ -]", row.title or "")) for name in about
        ):
            continue
        if not about and where != row.file and len(seen.sheets) > 3 and not _THOUSAND.search(line):
            continue
        if _THOUSAND.search(line) and "scale" in on and not ("scale?" in on and "thousand" in query.unit):
            factor *= 1000
        elif "notes" not in on:
            continue
        elif (found := _BOXES.search(line)) and (found[1] or "dozen" in found[0].casefold()):
            factor *= int(found[1] or 12)
        elif (
            "vat" in line.casefold()
            and re.search(r"including|with VAT|gross", query.text)
            and (found := _VAT.search(line))
        ):
            factor *= 1 + float(found[1]) / 100
    return factor


def _about(name: str, line: str) -> bool:
    """Whether a line names a sheet or file, by a telling part of its name."""
    return any(
        len(part) > 2 and not part.isdigit() and mentioned(part, line) for part in (name, *re.split(r"[_ -]", name))
    )


def _rate(main: Frame, target: str, query: Query) -> str:
    """The joined column by which quantities are priced, or ""."""
    if (_MONEY.search(target) or "money" in target) and not any("currency" in name for name in main.headers):
        return ""
    asked = query.unit in ("eur", "euro", "euros", "kcal") or query.words & {
        "cost",
        "worth",
        "bill",
        "grant",
        "freight",
        "price",
    }
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


def weighted_mean(main: Frame, rows: list[Row], query: Query, seen: World, on: frozenset[str]) -> float | None:
    """A mean of a record's figures by weights that another list gives to their columns."""
    found = [row for row in rows if any(mentioned(cell, query.text) for cell in row.cells.values())]
    weights = _weights(main, seen)
    if not found or not weights:
        return None
    zero = any(_ZERO.search(line) for _, line in seen.lines)
    total = parts = 0.0
    for name, weight in weights.items():
        cell = found[0].cells.get(name, "")
        if is_gone(cell) and "missing" in on and not (zero and "missing?" in on):
            continue
        total, parts = total + weight * (number(cell) or 0.0), parts + weight
    return total / parts if parts else None


def _weights(main: Frame, seen: World) -> dict[str, float]:
    found = {}
    for sheet in seen.sheets:
        for row in sheet.rows:
            figure = next((number(cell) for cell in row if number(cell) is not None), None)
            names = [name for name in main.headers for cell in row if cell.strip().casefold() == name]
            if names and figure is not None:
                found[names[0]] = figure
    return found


__all__ = ["SYNONYMS", "is_gone", "measures", "target_of", "values", "wanted", "weighted_mean"]
