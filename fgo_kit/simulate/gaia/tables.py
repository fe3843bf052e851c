"""What a tool's output holds: tables, whatever format they were written in, and the lines around them.

Nothing here knows where a text comes from: a sheet, a CSV file, JSON records, a table of a page or an XML
list all become a `Table`; what is no table stays as lines.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from xml.etree import ElementTree

from .cells import Document, Table, cell_text, records
from .layouts import lined

_SHEET = re.compile(r"^#{1,3} (?:sheet:? (.*)|(page \d+))$", re.MULTILINE | re.IGNORECASE)
_CUT = re.compile(r"\[cut: ([\d,]+) more characters.*\]\s*\Z")
_DTD = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.I)
_MAX_XML = 200_000


@lru_cache(maxsize=4_096)
def read(text: str) -> Document:
    """Read one tool output."""
    text = text.replace("&lt;", "<")
    found = _CUT.search(text)
    cut = int(found[1].replace(",", "")) if found else 0
    text = text[: found.start()] if found else text
    parts = _SHEET.split(text)
    if len(parts) > 1:
        tables, lines = lined(parts[0], "")
        for name, page, body in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            more, others = lined(body, (name or page).strip())
            tables += more
            lines += others
        return Document(tuple(tables), tuple(lines), cut)
    for form in (_json, _json_lines, _xml):
        read_as = form(text)
        if read_as is not None:
            return Document(tuple(read_as[0]), tuple(read_as[1]), cut)
    tables, lines = lined(text, "")
    return Document(tuple(tables), tuple(lines), cut)


def _json(text: str):
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    tables, lines = [], []
    _walk(value, "", tables, lines, 0)
    return tables, lines


def _walk(value, name: str, tables: list, lines: list, depth: int) -> None:
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        tables.append(records(name, value))
        if depth < 4:
            for one in value:
                for key, inner in one.items():
                    if isinstance(inner, list) and inner and isinstance(inner[0], dict):
                        _walk([{**_flat(one), **row} for row in inner if isinstance(row, dict)], key, tables, lines, 4)
    elif isinstance(value, list):
        lines.append(f"{name}: {', '.join(cell_text(one) for one in value)}")
    elif isinstance(value, dict):
        if len(value) > 1 and all(isinstance(one, dict) for one in value.values()):
            tables.append(records(name, [{"name": key, **one} for key, one in value.items()]))
        elif len(value) > 2 and all(isinstance(one, int | float) for one in value.values()):
            tables.append(
                Table(name, ("name", name or "value"), tuple((key, cell_text(one)) for key, one in value.items()))
            )
        if depth < 4:
            for key, inner in value.items():
                _walk(inner, key, tables, lines, depth + 1)
    else:
        lines.append(f"{name}: {cell_text(value)}")


def _flat(record: dict) -> dict:
    return {key: value for key, value in record.items() if not isinstance(value, dict | list)}


def _json_lines(text: str):
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2 or not lines[0].lstrip().startswith("{"):
        return None
    found = []
    for line in lines:
        try:
            one = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(one, dict):
            found.append(one)
    return ([records("", found)], []) if len(found) > 1 else None


def _xml(text: str):
    if not text.lstrip().startswith("<") or _DTD.search(text) or len(text) > _MAX_XML:
        return None
    try:
        root = ElementTree.fromstring(text.strip().encode())
    except (ElementTree.ParseError, ValueError):
        return None
    tables, lines = [], []
    for parent in root.iter():
        kinds: dict[str, list] = {}
        for child in parent:
            kinds.setdefault(_local(child.tag), []).append(child)
        for kind, children in kinds.items():
            found = [_element(child) for child in children]
            if len(children) > 1 and all(found):
                tables.append(records(kind, found))
            elif not len(children[0]) and not any(table.name == _local(parent.tag) for table in tables):
                lines += [f"{kind}: {(child.text or '').strip()}" for child in children]
    return tables, lines


def _element(element) -> dict:
    record = {_local(key): value for key, value in element.attrib.items()}
    for child in element:
        if len(child) == 0:
            record[_local(child.tag)] = (child.text or "").strip()
            record |= {f"{_local(child.tag)} {_local(key)}": value for key, value in child.attrib.items()}
    if not record and (element.text or "").strip():
        return {}
    if record and (element.text or "").strip():
        record[_local(element.tag)] = element.text.strip()
    return record


def _local(tag: str) -> str:
    return tag.rsplit("}", 1)[-1]


__all__ = ["read"]
