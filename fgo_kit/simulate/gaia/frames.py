"""From tool outputs to one table: which sheets and files belong together, joined by keys, with corrections.

What is done beyond the plainest reading is a *treatment* that is switched on by name (see `TREATMENTS`): a
naive solver switches few of them on, rules switch more on.
"""

from __future__ import annotations

import re

from .cells import date, number
from .corrections import ADDED, CORRECTION, correct
from .question import Query, words
from .world import Frame, Row, Sheet, World, mentioned, plain

TREATMENTS = (
    "skip", "once", "missing", "totals", "scale", "convert", "newest", "correct", "all", "keys", "legend", "decoys",
    "form", "round", "order", "notes",
)  # fmt: skip
"""What may be done to the data or the answer. "skip=x" leaves out what is marked x, "skip" what common words
mark as not counting; "x?" heeds what question and notes say against x."""
_VERSION = re.compile(
    r"(?:^|[_ -])(?:v|ver|version|rev|revision)[_ -]?(\d{1,2})(?=\.\w+$|$)|[_ -]?(old|new|revised|rev|"
    r"final|draft|original)(?=\.\w+$|$)",
    re.I,
)
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_DRAFT = re.compile(r"\b(?:draft|not (?:yet )?approved|unapproved|provisional|proposal)\b", re.I)
_NUMBERED = re.compile(r"\b(?:revision|version|edition)\W{0,3}(\d{1,2})\b", re.I)
_FIRST = re.compile(
    r"\b(?:first|original|initial|oldest|earlier) (?:version|edition|revision|draft|one)\b|\boriginally\b", re.I
)
_UPDATED = re.compile(
    r"\b(?:updated|issued|dated?|as of|version of|revised|stand|valid from|valid since|in force from|"
    r"revision \d+,?|version \d+,?)\b\D{0,12}(\d{4}-\d\d-\d\d|\d{1,2} \w+ \d{4})",
    re.I,
)
_DATED = re.compile(r"\b(?:valid|date|from|since|effective|updated|issued|time)\b")


def frame(seen: World, query: Query, on: frozenset[str]) -> Frame | None:
    """The rows that the question is about; None where no table was read."""
    groups = _groups(seen)
    if not groups:
        return None
    amends = [sheet for sheet in seen.sheets if _amends(sheet)]
    chosen = [_chosen(sheets, seen, query, on) for sheets in groups]
    best = max(range(len(chosen)), key=lambda at: (_appeal(chosen[at], query, seen), -at))
    main = Frame(_rows(chosen[best]), list(chosen[best][0].headers))
    titles = (line.strip("# ") for _, line in seen.lines if line.startswith("# "))
    main.titles = tuple(title for title in titles if " " in title and mentioned(title, query.text))
    others = [sheets for at, sheets in enumerate(chosen) if at != best and sheets]
    for _ in range(2):
        others = [sheets for sheets in others if not _join(main, sheets, query, on)]
    if "correct" in on:
        lines = [line for _, line in seen.lines if CORRECTION.search(line)]
        lines += [" ".join(row) for sheet in amends for row in sheet.rows]
        lines += [line for _, line in seen.lines if ADDED.search(line) and line not in lines]
        correct(main, lines, query, seen)
    return main


def _groups(seen: World) -> list[list[Sheet]]:
    """Sheets of the same columns belong together."""
    groups: dict[tuple, list[Sheet]] = {}
    for sheet in seen.sheets:
        if _amends(sheet):
            continue
        groups.setdefault(sheet.headers, []).append(sheet)
    return list(groups.values())


def _amends(sheet: Sheet) -> bool:
    """Whether a list changes records that stand elsewhere."""
    return bool(CORRECTION.search(sheet.title)) or any(ADDED.search(cell) for row in sheet.rows for cell in row[2:])


def _chosen(sheets: list[Sheet], seen: World, query: Query, on: frozenset[str]) -> list[Sheet]:
    """Those of the sheets of one kind that a solver uses."""
    files = list(dict.fromkeys(sheet.file for sheet in sheets))
    if len(files) > 1:
        files = _fitting(files, seen, query, on)
        sheets = [sheet for sheet in sheets if sheet.file in files]
    if len(sheets) > 1 and "all" not in on:
        named = [sheet for sheet in sheets if sheet.title and sheet.title.casefold() in query.text.casefold()]
        sheets = (named or sheets)[:1]
    return sheets


def _fitting(files: list[str], seen: World, query: Query, on: frozenset[str]) -> list[str]:
    years = {file: _YEAR.findall(file.rsplit("/", 1)[-1]) for file in files}
    if query.years and any(years.values()) and "decoys" in on:
        files = [file for file in files if not years[file] or set(years[file]) & set(query.years)] or files
    elif any(years.values()) and "decoys" in on:
        files = [file for file in files if not years[file]] or files
    families: dict[str, list[str]] = {}
    told = [file for file in files if _told_version(file, seen)]
    for file in files:
        stem_of = _VERSION.sub("", file.rsplit("/", 1)[-1].rsplit(".", 1)[0])
        stem_of = stem_of if query.years else _YEAR.sub("", stem_of)
        families.setdefault("" if len(told) == len(files) else stem_of, []).append(file)
    kept = []
    for versions in families.values():
        bare = [
            file
            for file in versions
            if _VERSION.search(file.rsplit(".", 1)[0]) or file in told or (years[file] and not query.years)
        ]
        if len(versions) > 1 and len(bare) >= len(versions) - 1 and len(families) < len(files):
            if "newest" not in on or ("newest?" in on and _FIRST.search(query.text)):
                kept.append(versions[0])
                continue
            good = [file for file in versions if not ("newest?" in on and _is_draft(file, seen))] or versions
            kept.append(max(good, key=lambda file: (_age(file, seen), versions.index(file))))
        else:
            kept += versions
    return [file for file in files if file in kept]


def _told_version(file: str, seen: World) -> bool:
    """Whether a file says which version it is."""
    return any(where == file and (_NUMBERED.search(line) or _UPDATED.search(line)) for where, line in seen.lines)


def _is_draft(file: str, seen: World) -> bool:
    return any(_DRAFT.search(line) for where, line in seen.lines if where == file)


def _age(file: str, seen: World):
    """How new a version is: by the date it names, else by its number."""
    for where, line in seen.lines:
        if where == file and (found := _UPDATED.search(line)):
            return date(found[1]) or (0, 0, 0)
    found, years = _VERSION.search(file.rsplit(".", 1)[0]), _YEAR.findall(file)
    return (
        int(years[-1]) if years else 0,
        0,
        int(found[1])
        if found and found[1]
        else 1
        if found and found[2].casefold() in ("new", "revised", "rev", "final")
        else 0,
    )


def _appeal(sheets: list[Sheet], query: Query, seen: World) -> float:
    """How likely a table holds the records that the question is about."""
    if not sheets:
        return -1.0
    headers = {word for header in sheets[0].headers for word in words(header)}
    told = {word for sheet in sheets for word in words(f"{sheet.title} {sheet.file.rsplit('/', 1)[-1]}")}
    rows = sum(len(sheet.rows) for sheet in sheets)
    hits = (
        len(headers & query.words)
        + 0.5 * len(told & query.words)
        + (1.0 if query.group in headers and query.group else 0)
    )
    titled = any(" " in sheet.title and mentioned(sheet.title, query.text) for sheet in sheets)
    return 2.0 * titled + hits + min(rows, 40) / 10 + (0.5 if "status" in headers else 0) + 0.3 * len(sheets[0].headers)


def _rows(sheets: list[Sheet]) -> list[Row]:
    found = []
    for sheet in sheets:
        by_name = {name: unit for name, unit in zip(sheet.headers, sheet.units, strict=True) if unit}
        found += [
            Row(dict(zip(sheet.headers, row, strict=True)), by_name, sheet.file, sheet.title) for row in sheet.rows
        ]
    return found


def _join(main: Frame, sheets: list[Sheet], query: Query, on: frozenset[str]) -> bool:
    """Add the columns of another table by the key that both share; False where they share none."""
    loosely = "keys" in on
    rows = _rows(sheets)
    pair = _key_pair(main, rows, sheets[0].headers)
    if pair is None:
        return False
    mine, theirs = pair
    by_key: dict[str, list[Row]] = {}
    for row in rows:
        by_key.setdefault(plain(row.cells.get(theirs, ""), loosely), []).append(row)
    dated = next((name for name in sheets[0].headers if _DATED.search(name) and date(rows[0].cells.get(name, ""))), "")
    shown = {name: f"{name} name" if name == mine and mine != theirs else name for name in sheets[0].headers}
    for row in main.rows:
        found = by_key.get(plain(row.cells.get(mine, ""), loosely))
        if not found:
            continue
        other = _valid(found, dated, row, query) if dated and len(found) > 1 and "newest" in on else found[0]
        for name, value in other.cells.items():
            if name != theirs and shown[name] not in main.headers:
                row.cells[shown[name]] = value
                if name in other.units:
                    row.units = {**row.units, shown[name]: other.units[name]}
    new = [shown[name] for name in sheets[0].headers if name != theirs and shown[name] not in main.headers]
    main.joined.update(new)
    main.names.setdefault(mine, []).extend(
        name for name in new if any(number(row.cells.get(name, "")) is None for row in rows)
    )
    main.headers += new
    return True


def _valid(found: list[Row], dated: str, row: Row, query: Query) -> Row:
    """The version in force at the date of the row or of the question, else the newest."""
    when = next((day for name, cell in row.cells.items() if "date" in name and (day := date(cell))), None)
    when = when or (query.span[-1] if query.span else (*query.month, 28) if query.month else None)
    past = [one for one in found if when is None or (date(one.cells.get(dated, "")) or (0, 0, 0)) <= when]
    return max(past or found[:1], key=lambda one: date(one.cells.get(dated, "")) or (0, 0, 0))


def _key_pair(main: Frame, rows: list[Row], headers: tuple[str, ...]) -> tuple[str, str] | None:
    best, most = None, 0.0
    for theirs in headers:
        values = {plain(row.cells.get(theirs, ""), True) for row in rows} - {""}
        if not values or all(number(value) is not None for value in values) and theirs not in main.headers:
            continue
        for mine in main.headers:
            own = [plain(row.cells.get(mine, ""), True) for row in main.rows]
            share = sum(value in values for value in own) / max(1, len(own))
            same = set(words(mine)) & set(words(theirs))
            score = share + (0.5 if same else 0) - (0.8 if theirs in ("status", "date", "unit", "note") else 0)
            if share >= 0.3 and score > max(most, 0.5):
                best, most = (mine, theirs), score
    return best


__all__ = ["TREATMENTS", "frame"]
