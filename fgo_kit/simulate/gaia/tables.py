"""What a tool's output holds: tables, whatever format they were written in, and the lines around them.

Nothing here knows where a text comes from: a sheet, a CSV file, JSON records, a table of a page or an XML
list all become a `Table`; what is no table stays as lines.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from functools import lru_cache
from xml.etree import ElementTree

from .cells import Table, cell_text, records
from .layouts import lined

_SHEET = re.compile(r"^#{1,3} (?:sheet:? (.*)|(page \d+))$", re.MULTILINE | re.IGNORECASE)
_DTD = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.I)
_MAX_XML = 200_000
Read = tuple[list[Table], list[str]]
"""Tables, and the lines outside them."""


@lru_cache(maxsize=4_096)
def read(text: str) -> Read:
    """(tables, lines outside them) of one tool output."""
    text = text.replace("&lt;", "<")
    first, *parts = _SHEET.split(text)
    if not parts:
        return _json(text) or _xml(text) or lined(text, "")
    tables, lines = lined(first, "")
    for name, page, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        more, others = lined(body, (name or page).strip())
        tables, lines = tables + more, lines + others
    return tables, lines


def _json(text: str) -> Read | None:
    """A JSON value, or one record a line."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = list(filter(None, map(_record, text.splitlines())))
        if len(value) < 2:
            return None
    read_from: Read = ([], [])
    _walk(value, "", read_from, 0)
    return read_from


def _record(line: str) -> dict | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _walk(value, name: str, into: Read, depth: int) -> None:
    """Add what a value holds to tables and lines; records in records become a table that repeats the outer ones."""
    tables, lines = into
    if isinstance(value, dict):
        if len(value) > 1 and _are(dict, value.values()):
            tables.append(records(name, [{"name": key, **inner} for key, inner in value.items()]))
        elif len(value) > 2 and _are(int | float, value.values()):
            rows = tuple((key, cell_text(figure)) for key, figure in value.items())
            tables.append(Table(name, ("name", name or "value"), rows))
        for key, inner in value.items() if depth < 4 else ():
            _walk(inner, key, into, depth + 1)
    elif isinstance(value, list) and value and _are(dict, value):
        tables.append(records(name, value))
        for record in value if depth < 4 else ():
            outer = {key: cell for key, cell in record.items() if not isinstance(cell, dict | list)}
            for key, inner in record.items():
                if isinstance(inner, list) and inner and _are(dict, inner):
                    _walk([outer | row for row in inner], key, into, 4)
    else:
        text = ", ".join(map(cell_text, value)) if isinstance(value, list) else cell_text(value)
        lines.append(f"{name}: {text}")


def _are(kind, values) -> bool:
    return all(isinstance(value, kind) for value in values)


def _xml(text: str) -> Read | None:
    """Elements of one kind side by side are a table; no entity is ever followed."""
    if not text.lstrip().startswith("<") or _DTD.search(text) or len(text) > _MAX_XML:
        return None
    try:
        root = ElementTree.fromstring(text.strip().encode())
    except (ElementTree.ParseError, ValueError):
        return None
    tables, lines = [], []
    for parent in root.iter():
        kinds: dict[str, list] = defaultdict(list)
        for child in parent:
            kinds[_local(child.tag)].append(child)
        for kind, children in kinds.items():
            rows = [_element(child) for child in children]
            if len(children) > 1 and all(rows):
                tables.append(records(kind, rows))
            elif not len(children[0]) and not any(table.name == _local(parent.tag) for table in tables):
                lines += [f"{kind}: {(child.text or '').strip()}" for child in children]
    return tables, lines


def _element(element) -> dict[str, str]:
    """An element as a record: its attributes, its children's texts and attributes, and its own text beside those."""
    record = {_local(key): value for key, value in element.attrib.items()}
    for child in element:
        if len(child) == 0:
            record[_local(child.tag)] = (child.text or "").strip()
            record |= {f"{_local(child.tag)} {_local(key)}": value for key, value in child.attrib.items()}
    if record and (element.text or "").strip():
        record[_local(element.tag)] = element.text.strip()
    return record


def _local(tag: str) -> str:
    return tag.rsplit("}", 1)[-1]
