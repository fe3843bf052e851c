"""From tool outputs to one table: which sheets and files belong together, joined by keys, with corrections.

What is done beyond the plainest reading is a *treatment* that is switched on by name (see `TREATMENTS`): a
naive solver switches few of them on, rules switch more on.
"""

from __future__ import annotations

import re
from collections import defaultdict

from .cells import Date, date, number
from .corrections import ADDED, CORRECTION, correct
from .question import Question, words
from .world import Frame, Record, Sheet, Treatments, World, bare, base, mentioned, plain

TREATMENTS = (
    "skip", "once", "missing", "totals", "scale", "convert", "newest", "correct", "all", "keys", "legend", "decoys",
    "form", "round", "order", "notes",
)  # fmt: skip
"""What may be done to the data or the answer. "skip=x" leaves out what is marked x, "skip" what common words
mark as not counting; "x?" heeds what question and notes say against x."""
_VERSION = re.compile(
    r"(?:^|[_ -])(?:v|ver|version|rev|revision)[_ -]?(\d{1,2})$|[_ -]?(old|new|revised|rev|final|draft|original)$", re.I
)
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_DRAFT = re.compile(r"\b(?:draft|not (?:yet )?approved|unapproved|provisional|proposal)\b", re.I)
_NUMBERED = re.compile(r"\b(?:revision|version|edition)\W{0,3}(\d{1,2})\b", re.I)
_FIRST = re.compile(
    r"\b(?:first|original|initial|oldest|earlier) (?:version|edition|revision|draft|one)\b|\boriginally\b", re.I
)
_UPDATED = re.compile(r"\b(?:updated|issued|dated?|as of|version of|revised|stand|valid from|valid since|in force from|"
                      r"revision \d+,?|version \d+,?)\b\D{0,12}(\d{4}-\d\d-\d\d|\d{1,2} \w+ \d{4})", re.I)
_DATED = re.compile(r"\b(?:valid|date|from|since|effective|updated|issued|time)\b")
_NEVER: Date = (0, 0, 0)


def frame(seen: World, question: Question, on: Treatments) -> Frame | None:
    """The records that the question is about; None where no table was read."""
    groups: dict[tuple[str, ...], list[Sheet]] = defaultdict(list)  # sheets of the same columns belong together
    amends: list[Sheet] = []
    for sheet in seen.sheets:
        (amends if _amends(sheet) else groups[sheet.headers]).append(sheet)
    if not groups:
        return None
    chosen = [_chosen(sheets, seen, question, on) for sheets in groups.values()]
    best = max(chosen, key=lambda sheets: _appeal(sheets, question))
    titles = (line.strip("# ") for _, line in seen.lines if line.startswith("# "))
    main = Frame(_records(best), list(best[0].headers))
    main.titles = tuple(title for title in titles if " " in title and mentioned(title, question.text))
    others = [sheets for sheets in chosen if sheets is not best]
    for _ in range(2):
        others = [sheets for sheets in others if not _join(main, sheets, question, on)]
    if "correct" in on:
        lines = [line for _, line in seen.lines if CORRECTION.search(line)]
        lines += [" ".join(row) for sheet in amends for row in sheet.rows]
        lines += [line for _, line in seen.lines if ADDED.search(line) and line not in lines]
        correct(main, lines, question)
    return main


def _records(sheets: list[Sheet]) -> list[Record]:
    return [record for sheet in sheets for record in sheet.records()]


def _amends(sheet: Sheet) -> bool:
    """Whether a list changes records that stand elsewhere."""
    return bool(CORRECTION.search(sheet.title)) or any(ADDED.search(cell) for row in sheet.rows for cell in row[2:])


def _chosen(sheets: list[Sheet], seen: World, question: Question, on: Treatments) -> list[Sheet]:
    """Those of the sheets of one kind that a solver uses."""
    files = _fitting(list(dict.fromkeys(sheet.file for sheet in sheets)), seen, question, on)
    sheets = [sheet for sheet in sheets if sheet.file in files]
    if "all" not in on:
        named = [sheet for sheet in sheets if sheet.title and sheet.title.casefold() in question.text.casefold()]
        return (named or sheets)[:1]
    return sheets


def _fitting(files: list[str], seen: World, question: Question, on: Treatments) -> list[str]:
    """Of files of one kind those of the year asked for, and of several versions of a file one."""
    years = {file: set(_YEAR.findall(base(file))) for file in files}
    if "decoys" in on:
        asked = set(question.years)
        files = [file for file in files if not years[file] or years[file] & asked] or files
    stated = {file for file, line in seen.lines if file in files and (_NUMBERED.search(line) or _UPDATED.search(line))}
    families: dict[str, list[str]] = defaultdict(list)
    for file in files:
        family = _VERSION.sub("", bare(file))
        families[family if question.years else _YEAR.sub("", family)].append(file)
    kept = []
    for versions in [files] if len(stated) == len(files) else families.values():
        marked = [file for file in versions if _VERSION.search(bare(file)) or file in stated
                  or (years[file] and not question.years)]  # fmt: skip
        if len(versions) == 1 or len(marked) < len(versions) - 1:
            kept += versions
        elif "newest" not in on or ("newest?" in on and _FIRST.search(question.text)):
            kept.append(versions[0])
        else:
            drafts = {file for file in versions if "newest?" in on and any(map(_DRAFT.search, seen.lines_of(file)))}
            approved = [file for file in versions if file not in drafts] or versions
            kept.append(max(reversed(approved), key=lambda file: _age(file, seen)))
    return kept


def _age(file: str, seen: World) -> Date:
    """How new a version is: by the date it names, else by its year and number."""
    updated = next(filter(None, map(_UPDATED.search, seen.lines_of(file))), None)
    if updated:
        return date(updated[1]) or _NEVER
    version, years = _VERSION.search(bare(file)), _YEAR.findall(base(file))
    worded = version is not None and (version[2] or "").casefold() in ("new", "revised", "rev", "final")
    return int(years[-1]) if years else 0, 0, int(version[1]) if version and version[1] else int(worded)


def _appeal(sheets: list[Sheet], question: Question) -> float:
    """How likely a table holds the records that the question is about."""
    headers = {word for header in sheets[0].headers for word in words(header)}
    names = {word for sheet in sheets for word in words(f"{sheet.title} {base(sheet.file)}")}
    titled = any(" " in sheet.title and mentioned(sheet.title, question.text) for sheet in sheets)
    rows = sum(len(sheet.rows) for sheet in sheets)
    hits = len(headers & question.words) + 0.5 * len(names & question.words) + (question.group in headers)
    return 2.0 * titled + hits + min(rows, 40) / 10 + 0.5 * ("status" in headers) + 0.3 * len(sheets[0].headers)


def _join(main: Frame, sheets: list[Sheet], question: Question, on: Treatments) -> bool:
    """Add the columns of another table by the key that both share; False where they share none."""
    records, headers, loosely = _records(sheets), sheets[0].headers, "keys" in on
    mine, theirs = _key_pair(main, records, headers)
    if not mine:
        return False
    by_key: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_key[plain(record.cell(theirs), loosely)].append(record)
    dated = next((name for name in headers if _DATED.search(name) and date(records[0].cell(name))), "")
    shown = {name: f"{name} name" if name == mine != theirs else name for name in headers}
    new = [name for name in headers if name != theirs and shown[name] not in main.headers]
    for record in main.records:
        if matches := by_key.get(plain(record.cell(mine), loosely)):
            newest = dated and len(matches) > 1 and "newest" in on
            other = _valid(matches, dated, record, question) if newest else matches[0]
            record.cells |= {shown[name]: other.cells[name] for name in new}
            record.units = record.units | {shown[name]: other.units[name] for name in new if name in other.units}
    main.joined.update(shown[name] for name in new)
    naming = [shown[name] for name in new if any(number(record.cell(name)) is None for record in records)]
    main.names.setdefault(mine, []).extend(naming)
    main.headers += [shown[name] for name in new]
    return True


def _valid(versions: list[Record], dated: str, record: Record, question: Question) -> Record:
    """The version in force at the date of the record or of the question, else the first."""
    days = (date(cell) for name, cell in record.cells.items() if "date" in name)
    when = next(filter(None, days), question.span[1] if question.span else None)
    past = [version for version in versions if when is None or (date(version.cell(dated)) or _NEVER) <= when]
    return max(past or versions[:1], key=lambda version: date(version.cell(dated)) or _NEVER)


def _key_pair(main: Frame, records: list[Record], headers: tuple[str, ...]) -> tuple[str, str]:
    """The columns of both by which most records find a partner, or ("", "")."""
    best, most = ("", ""), 0.5
    for theirs in headers:
        keys = {plain(record.cell(theirs), True) for record in records} - {""}
        if not keys or (theirs not in main.headers and all(number(key) is not None for key in keys)):
            continue
        for mine in main.headers:
            share = sum(plain(cell, True) in keys for cell in main.column(mine)) / max(1, len(main.records))
            score = share + 0.5 * bool(set(words(mine)) & set(words(theirs)))
            score -= 0.8 * (theirs in ("status", "date", "unit", "note"))
            if share >= 0.3 and score > most:
                best, most = (mine, theirs), score
    return best
