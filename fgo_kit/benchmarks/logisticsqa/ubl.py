"""Lenient and safe reading of UBL documents to the short text an agent reads.

UBL 2.x (ISO/IEC 19845) documents found in practice are seldom schema-valid, so nothing is validated:
every well-formed XML file is read. Files are untrusted: entities are refused, nothing is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from .opening import DocumentError, document

MAX_CHARS = 4_000
MAX_WORD = 40
MAX_VALUE = 2_000
MAX_PATH = 200

_BOILERPLATE = {"UBLVersionID", "CustomizationID", "ProfileID", "ProfileExecutionID"}
_SKIPPED_SUBTREES = {
    "UBLExtensions", "Signature", "EmbeddedDocumentBinaryObject", "Price", "TaxTotal", "WithholdingTaxTotal",
    "ClassifiedTaxCategory", "TaxCategory", "Contact",
}  # fmt: skip
_SKIPPED_ENDINGS = ("Quantity", "Indicator", "Time", "TypeCode")
_ADDRESS_KEPT = {"CityName", "IdentificationCode"}
_FREE_TEXT = {"Note", "Description", "Name", "Information", "SpecialInstructions", "DocumentDescription"}
_PREFERRED = re.compile(r"(Document|Note|ID|Reference|Description|Name|Instructions|Remarks|UUID)( \(.*\))?$")
_EMPTY = {"", "none", "null"}
_REFERENCE = re.compile(r"(?:[A-Z]{2,6}-?\d{4}|\d{5})[A-Z\d/-]*")


def read_ubl(data: bytes, source: str) -> str:
    """The text an agent reads of one UBL document: a line `Path: value` per filled element, in order.

    The first line is the type, e.g. `Document: Waybill`. Paths leave out the root, lines have numbers:
    `Note: ...`, `Line 1 Item/Description: ...`, `PayableAmount: 12.50 EUR`; the scheme or type code of an
    identifier is in brackets: `AdditionalDocumentReference/ID (AAJ): ...`. A party is one line: names,
    city, country.

    Left out: empty values and "None"; version and profile ids; embedded attachments; prices, taxes and all
    totals but the payable amount; quantities, times, flags and type codes; contacts and address details.
    A free text that repeats an earlier one (PaymentTerms/Note after Note, Item/Name after
    Item/Description) is dropped; of two copies that differ only in white space the better spaced one is
    kept. White space is one blank, a line break inside a value " / ", a word over 40 characters is cut
    and ends in "…", though never before or within what looks like a reference, a value over 2,000 too.
    A text over 4,000 characters first loses other lines from its end, then notes and references from
    their end, and says how many at the bottom.

    A document that only carries another (AttachedDocument, an envelope with an SBDH, XHE or SOAP) is read as the one
    it carries. What stands before the XML declaration (blanks, byte order marks, comments) is no content.

    `source` names the file in errors. Raises DocumentError for a document over 5 MB, DTDs that declare
    entities, XML that is not well-formed, a wrong encoding, and a document without any text.
    """
    root = document(data, source)
    lines = _without_copies(_lines(root))
    if not lines:
        raise DocumentError(f"{source}: no filled text element found; check that it is a UBL document")
    return _capped([("Document", etree.QName(root).localname), *lines])


def _lines(root: etree._Element) -> list[tuple[str, str]]:
    """(path, value) of every kept element, in document order."""
    numbers, kind = {}, _child_text(root, "DocumentTypeCode")
    return [line for child in root for line in _walk(child, "", numbers, kind)]


def _walk(node: etree._Element, path: str, numbers: dict[str, int], kind: str) -> Iterator[tuple[str, str]]:
    """Recursion is safe: the parser refuses trees deeper than 256."""
    name = etree.QName(node).localname
    if name in _SKIPPED_SUBTREES or name in _BOILERPLATE or name.endswith(_SKIPPED_ENDINGS):
        return
    if name.endswith("Party") and len(node):
        value = ", ".join(_party(node))
        if value:
            yield _join(path, name), value
        return
    if not len(node):
        yield from _leaf(node, name, path, kind)
        return
    if name.endswith("Line"):
        path, name = "", _line_name(node, name, path, numbers)
    inside, kind = _join(path, name)[-MAX_PATH:], _child_text(node, "DocumentTypeCode")
    for child in node:
        child_name = etree.QName(child).localname
        if name.endswith("Address") and child_name not in _ADDRESS_KEPT | {"Country"}:
            continue
        if name.endswith("MonetaryTotal") and child_name != "PayableAmount":
            continue
        if name.startswith("Line ") and child_name == "ID":
            continue
        yield from _walk(child, inside, numbers, kind)


def _line_name(node: etree._Element, name: str, path: str, numbers: dict[str, int]) -> str:
    """`Line 3`, by the line's own ID or else its count; an order line inside a line keeps its name."""
    numbers[name] = numbers.get(name, 0) + 1
    given = _child_text(node, "ID") or str(numbers[name])
    return f"Line {_clean(given)[:12]}" if not path else f"{path}/{name}"


def _join(path: str, name: str) -> str:
    if not path:
        return name
    return f"{path} {name}" if re.fullmatch(r"Line \S+", path) else f"{path}/{name}"


def _leaf(node: etree._Element, name: str, path: str, kind: str) -> Iterator[tuple[str, str]]:
    """kind: the type of the document reference that the element is part of, "" in others. An identifier is told what
    it is by its own scheme, else by that."""
    value = _clean(node.text or "")
    if value.lower() in _EMPTY:
        return
    unit = node.get("currencyID") or node.get("unitCode")
    scheme = _clean(node.get("schemeID") or kind)[:20] if name == "ID" else ""
    label = f"{name} ({scheme})" if scheme else name
    yield _join("" if name == "PayableAmount" else path, label), f"{value} {unit}" if unit else value


def _child_text(node: etree._Element, name: str) -> str:
    for child in node:
        if etree.QName(child).localname == name:
            return (child.text or "").strip()
    return ""


def _party(node: etree._Element) -> list[str]:
    """Names, city and country of a party, each once."""
    kept: dict[str, None] = {}
    for wanted in ("Name", "RegistrationName", "CityName", "IdentificationCode"):
        for part in node.iter("{*}" + wanted):
            above = etree.QName(part.getparent()).localname
            value = _clean(part.text or "")
            if value.lower() not in _EMPTY and above not in ("Contact", "TaxScheme"):
                kept.setdefault(value)
    return list(kept)


def _clean(text: str) -> str:
    """One blank for white space, " / " for line breaks, long words and values cut."""
    parts = (" ".join(_cut(word) for word in line.split()) for line in text.strip().splitlines())
    value = " / ".join(part for part in parts if part)
    return value if len(value) <= MAX_VALUE else value[: MAX_VALUE - 1] + "…"


def _cut(word: str) -> str:
    """Seals and lines to fill in are cut. References that were joined without blanks are kept whole."""
    if len(word) <= MAX_WORD:
        return word
    end = max((reference.end() for reference in _REFERENCE.finditer(word)), default=0)
    kept = word[: max(end, MAX_WORD)]
    return kept if kept == word else f"{kept}…"


def _without_copies(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Free texts that repeat an earlier one dropped. Identifiers are kept: where they stand tells."""
    kept: list[tuple[str, str]] = []
    seen: dict[str, int] = {}
    for path, value in lines:
        if path.rsplit("/", 1)[-1].split(" ")[-1] in _FREE_TEXT:
            key = re.sub(r"[\s/]+", "", value)
            if key in seen:
                first, other = kept[seen[key]]
                kept[seen[key]] = (first, max(other, value, key=lambda text: text.count(" ")))
                continue
            seen[key] = len(kept)
        kept.append((path, value))
    return kept


def _capped(lines: list[tuple[str, str]]) -> str:
    texts = [f"{path}: {value}" for path, value in lines]
    size = sum(len(text) + 1 for text in texts)
    if size <= MAX_CHARS:
        return "\n".join(texts)
    room = MAX_CHARS - 40  # for the last line, which says what is missing
    preferred = [_PREFERRED.search(path) is not None for path, _ in lines]
    drop_order = sorted(range(len(texts)), key=lambda at: (preferred[at], -at))
    dropped = set()
    for at in drop_order:
        if size <= room:
            break
        size -= len(texts[at]) + 1
        dropped.add(at)
    kept = [text for at, text in enumerate(texts) if at not in dropped]
    return "\n".join([*kept, f"… ({len(dropped)} lines left out)"])
