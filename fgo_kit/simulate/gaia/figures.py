"""The figures that a question is about: their column, their unit, what notes multiply and price them by."""

from __future__ import annotations

import re
from math import prod

from . import units
from .cells import date, number, unit_beside
from .question import Question, words
from .world import Frame, Record, Treatments, World, bare, is_id, mentioned

_GONE = ("", "n/a", "na", "-", "–", "none", "null", "nan", "?", "missing")
_ZERO = re.compile(
    r"\b(?:blank|empty|missing|no entry|nothing)\b[^.]*\b(?:zero|0|nil)\b|\bcounts? as (?:zero|0)\b", re.I
)
_MONEY = re.compile(r"\b(?:amount|revenue|price|cost|budget|fee|pay|sales|turnover|eur|tariff|net|gross)\b")
_RATE = re.compile(r"\b(?:rate|rates|price|prices|per|tariff|fee|premium|grant|kcal per|factor|charge)\b")
_PRICED = {"cost", "worth", "bill", "grant", "freight", "price"}
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
_THOUSAND = re.compile(r"\b(?:in|are|as) (?:thousands?|keur|1,?000)\b|\bthousands? (?:of )?(?:eur|euros?)\b|\bkEUR\b|"
                       r"\bEUR (?:in )?thousands?\b", re.I)
_BOXES = re.compile(r"\b(?:(?:boxes|packs|crates|cartons|bundles|pallets|sets) of (\d+)|dozens?(?: of \d+)?)\b", re.I)
_VAT = re.compile(r"(?=.*\bvat\b).*?(\d+(?:\.\d+)?) ?(?:%|per cent)", re.I)
_GROSS = re.compile(r"including|with VAT|gross")
_PORTIONS = re.compile(r"\bfor (\d+) (?:persons?|people|servings?|portions?)\b", re.I)
_HOURS = re.compile(r"\bday (?:has|is|=|counts as|of|consists of) (\d+(?:\.\d+)?) (?:working )?hours?\b", re.I)
_ASKED = re.compile(
    r"how many ((?:[\w-]+ ){0,2}?[\w-]+)(?: (?:of|are|is|did|does|do|has|have|had|were|was|in|from|take|failed|"
    r"published)\b)", re.I,
)  # fmt: skip


def answered_by(asked: set[str] | frozenset[str]) -> set[str]:
    """Words of a question, and those by which columns answer them."""
    return set(asked).union(*(SYNONYMS[word].split() for word in asked if word in SYNONYMS))


def target_of(main: Frame, records: list[Record], question: Question) -> str | None:
    """The column of figures that the question is about."""
    asked, kind = answered_by(question.words), units.kind(question.unit)
    best, most = None, 0.0
    for at, name in enumerate(main.headers):
        cells = [record.cell(name) for record in records]
        good = [cell for cell in cells if not is_gone(cell)]
        numeric = sum(number(cell) is not None for cell in good)
        dates = any(date(cell) and not number(cell) for cell in cells[:3])
        numbering = is_id(name) and not set(words(name)) & question.words
        if not numeric or numeric < 0.6 * len(good) or numbering or dates:
            continue
        score = 0.1 + len(set(words(name)) & asked) + at / 100 - 0.6 * ("year" in words(name))
        score += 0.8 * bool(kind and any(kind == units.kind(unit) for unit in _units_of(name, records)))
        score += 0.5 * (kind == "money" and _MONEY.search(name) is not None)
        if name in main.joined and (_RATE.search(name) or "year" in name):
            score -= 2.0 if "per" in words(name) else 0.7
        if score > most:
            best, most = name, score
    return best


def _units_of(name: str, records: list[Record]) -> set[str]:
    return {record.units.get(name, "") for record in records[:3]} | {record.cell("unit") for record in records[:6]}


def measures(target: str, main: Frame, question: Question) -> bool:
    """Whether "how many X" asks for figures in a column rather than for rows."""
    asked = _ASKED.search(question.text)
    noun = set(words(asked[1])) if asked else set()
    if question.unit or answered_by(noun) & set(words(target)):
        return True
    things = {word for name in main.headers for word in words(name)} - set(words(target)) - {"unit"}
    return target in ("units", "copies", "quantity", "count", "number") and not noun & things


def wanted(target: str, question: Question) -> bool:
    """Whether a question speaks of a column of figures, rather than of how many rows there are."""
    speaks = set(words(target)) & answered_by(question.words)
    return bool(speaks) or target in ("units", "score", "points", "votes", "amount")


def is_gone(cell: str) -> bool:
    """Whether a cell is empty or holds a code for a missing value."""
    return cell.strip().casefold() in _GONE or number(cell) in (-999, 999, -9999, 9999)


def zeros(seen: World, on: Treatments) -> bool:
    """Whether cells without a value are left out ("missing"), or are zero after all, as a note says."""
    return "missing" not in on or ("missing?" in on and any(_ZERO.search(line) for _, line in seen.lines))


def values(
    records: list[Record], main: Frame, target: str, question: Question, seen: World, on: Treatments
) -> list[float]:
    """The figures of records in the unit asked for, priced where another table has a price for them."""
    rate, zero = _rate(main, target, question), zeros(seen, on)
    offsets = [name for name in main.headers if name in main.joined and "offset" in name]
    offset = offsets[0] if offsets and any(word.startswith("correct") for word in question.words) else ""
    per_eur = any(re.search(r"\bEUR (?:for|per) (?:one|1|unit|each)|\bin EUR\b", line, re.I) for _, line in seen.lines)
    figures = []
    for record in records:
        if is_gone(record.cell(target)) and not zero:
            continue
        value = _value(record, target, question, seen, on, rate)
        if rate and (price := number(record.cell(rate))) is not None:
            if "currency" in record.cells:
                value = value * price if per_eur else value / price
            else:
                value *= price / (1000 if "1000" in rate else 100 if "100" in rate else 1)
        figures.append(value + (number(record.cell(offset)) or 0.0))
    return figures


def _value(record: Record, target: str, question: Question, seen: World, on: Treatments, rate: str) -> float:
    """A record's figure in the unit asked for, times what notes say."""
    cell = record.cell(target)
    value = number(cell)
    if value is None:
        return 0.0
    told = (record.cell("unit"), record.cell("note").split(" ")[0], record.units.get(target, ""), unit_beside(cell))
    unit = next(filter(None, map(units.known, told)), "")
    asked = record.units.get(rate, "") if rate else units.known(question.unit)
    if units.kind(unit) == "money":
        value *= units.UNITS[unit][1] if _scales(question, on) else 1
        on -= {"scale"}  # the unit has said it
    elif "convert" in on:
        value = units.convert(value, unit, asked, question.factors)
    return value * _noted(record, target, question, seen, on)


def _scales(question: Question, on: Treatments) -> bool:
    return "scale" in on and not ("scale?" in on and "thousand" in question.unit)


def _noted(record: Record, target: str, question: Question, seen: World, on: Treatments) -> float:
    """By what notes say figures of a record's sheet and file are to be multiplied."""
    notes = [line for file, line in seen.lines if _concerns(file, line, record, seen)]
    factor = 1000 ** (_scales(question, on) * sum(_THOUSAND.search(line) is not None for line in notes))
    people = _PORTIONS.search(question.text)
    if "scale" in on and people:
        factor *= prod(int(people[1]) / int(match[1]) for _, line in seen.lines if (match := _PORTIONS.search(line)))
    if "notes" not in on:
        return factor
    if "day" in words(target):
        factor *= prod(float(match[1]) for _, line in seen.lines if (match := _HOURS.search(line)))
    factor *= prod(int(match[1] or 12) for line in notes if (match := _BOXES.search(line)))
    if _GROSS.search(question.text):
        factor *= prod(1 + float(match[1]) / 100 for line in notes if (match := _VAT.search(line)))
    return factor


def _concerns(file: str, line: str, record: Record, seen: World) -> bool:
    """Whether a note is about a record: it names its sheet or file, or none, and then stands in it or among few."""
    if not (_THOUSAND.search(line) or _BOXES.search(line) or _VAT.search(line)):
        return False
    names = {sheet.title for sheet in seen.sheets} | {bare(name) for name in seen.files}
    about = {name for name in names if _about(name, line)}
    if about:
        return bool(about & {record.title, bare(record.file)})
    return file == record.file or len(seen.sheets) <= 3 or _THOUSAND.search(line) is not None


def _about(name: str, line: str) -> bool:
    """Whether a line names a sheet or file, by a telling part of its name."""
    parts = (name, *re.split(r"[_ -]", name))
    return any(len(part) > 2 and not part.isdigit() and mentioned(part, line) for part in parts)


def _rate(main: Frame, target: str, question: Question) -> str:
    """The joined column by which quantities are priced, or ""."""
    money = _MONEY.search(target) and not any("currency" in name for name in main.headers)
    if money or not (question.unit in ("eur", "euro", "euros", "kcal") or question.words & _PRICED):
        return ""
    rates = [name for name in main.headers if name in main.joined and name != target and _RATE.search(name)]
    return next((name for name in rates if any(number(cell) is not None for cell in main.column(name))), "")


def weighted_mean(main: Frame, records: list[Record], question: Question, seen: World, on: Treatments) -> float | None:
    """A mean of a record's figures by weights that another list gives to their columns."""
    named = (record for record in records if any(mentioned(cell, question.text) for cell in record.cells.values()))
    record, weights = next(named, None), {}
    for row in (row for sheet in seen.sheets for row in sheet.rows):
        figure = next(filter(None, map(number, row)), None)
        name = next((name for name in main.headers if name in {cell.strip().casefold() for cell in row}), "")
        if name and figure is not None:
            weights[name] = figure
    if record is None:
        return None
    counted = [name for name in weights if zeros(seen, on) or not is_gone(record.cell(name))]
    total = sum(weights[name] for name in counted)
    return sum(weights[name] * (number(record.cell(name)) or 0.0) for name in counted) / total if total else None
