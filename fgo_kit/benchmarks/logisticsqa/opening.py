"""Opening XML documents that nobody vouches for: what is no content is cut off, what others only carry is taken out.

Files are untrusted: entities are refused, nothing is fetched, sizes are bounded.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import suppress

from lxml import etree

MAX_BYTES = 5_000_000
MAX_WRAPPERS = 4
_BEFORE = re.compile(rb"(?:\xef\xbb\xbf|\xc3\xaf\xc2\xbb\xc2\xbf|\xe2\x80\x8b|\xc2\xa0|[\s\0]|<!--.*?-->)*", re.DOTALL)
"""What may stand before the XML declaration and is no content; the second is a byte order mark encoded twice."""
_WIDE = (
    ("utf-16-le", re.compile(rb"(?:\xff\xfe|[\s\0]\0)*<\0[?!\w]\0")),
    ("utf-16-be", re.compile(rb"(?:\xfe\xff|\0[\s\0])*\0<\0[?!\w]")),
)
_WRAPPERS = {
    "AttachedDocument": "", "StandardBusinessDocument": "StandardBusinessDocument", "XHE": "PayloadContent",
    "Envelope": "Body",
}  # fmt: skip
"""Documents that only carry another, and the element below which it stands; else it is in a text of theirs."""
_ENCODING_FAULT = re.compile(r"encod|conver|not proper UTF|invalid multibyte", re.I)


class DocumentError(ValueError):
    """A document that cannot be read; the message gives the file, the reason and the fix."""


def check_size(size: int, source: str) -> None:
    """Raises DocumentError when `size` bytes are over the limit."""
    if size > MAX_BYTES:
        raise DocumentError(f"{source}: {size:,} bytes exceed the limit of {MAX_BYTES:,} bytes a document; remove "
                            "embedded attachments or leave the file out")


def document(data: bytes, source: str) -> etree._Element:
    """The root of a document, of the one inside where it only carries another. Raises DocumentError."""
    return _unwrapped(_parse(data, source), source)


def _parse(data: bytes, source: str) -> etree._Element:
    check_size(len(data), source)
    data = _bare(data)
    if not data:
        raise DocumentError(f"{source}: the file is empty; leave it out or export it again")
    _refuse_entities(data, source)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False, remove_comments=True,
        remove_pis=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, LookupError) as error:
        raise DocumentError(_syntax_message(error, data, source)) from error
    dtd = root.getroottree().docinfo.internalDTD
    if (dtd is not None and any(True for _ in dtd.iterentities())) or next(root.iter(etree.Entity), None) is not None:
        raise DocumentError(f"{source}: its DTD declares or uses entities, which are refused; remove the DTD")
    return root


def _bare(data: bytes) -> bytes:
    """A document from its declaration or first element on, without blanks and NULs at its end; UTF-16 as UTF-8."""
    wide = next((codec for codec, start in _WIDE if start.match(data)), "")
    if wide:
        try:
            data = data.decode(wide).lstrip("\ufeff").encode("utf-8")
        except UnicodeError:  # the parser says where
            return data
    data = data[_BEFORE.match(data).end() :].rstrip(b"\0\x1a \t\r\n")
    return re.sub(rb"\A<\?xml\s[^>]*>\s*", b"", data) if wide else data


def _unwrapped(root: etree._Element, source: str) -> etree._Element:
    """The document that others only carry, itself perhaps such a carrier; the root where nothing is carried."""
    for _ in range(MAX_WRAPPERS):
        if etree.QName(root).localname not in _WRAPPERS:
            break
        carried = next(_carried(root, source), None)
        if carried is None:
            break
        root = carried
    return root


def _carried(wrapper: etree._Element, source: str) -> Iterator[etree._Element]:
    above = _WRAPPERS[etree.QName(wrapper).localname]
    for node in wrapper.iterdescendants("{*}*"):
        name, text = etree.QName(node).localname, node.text or ""
        if len(node):
            if etree.QName(node.getparent()).localname == above and not name.endswith("Header"):
                yield node
            continue
        data = text.encode("utf-16")  # as a text, whose declaration of an encoding means nothing
        if name in ("EmbeddedDocumentBinaryObject", "BinaryContent"):
            with suppress(ValueError):  # no base64
                data = base64.b64decode(text)
        if (data := _bare(data)).startswith(b"<"):
            yield _parse(data, f"{source}, the document in its {name}")


def _refuse_entities(data: bytes, source: str) -> None:
    """Before parsing, because the parser itself would expand entities inside attribute values."""
    flat = data.replace(b"\0", b"")
    if b"<!DOCTYPE" not in flat:
        return
    found = re.search(rb"<!ENTITY\s+(?:%\s+)?([^\s>]{1,60})\s+(SYSTEM|PUBLIC)?", flat)
    if found is None:
        return
    name = found.group(1).decode("ascii", "replace")
    what = (
        f"the external entity {name!r}, which would read another file"
        if found.group(2)
        else f"the entity {name!r}, which can expand without bound (entity bomb)"
    )
    raise DocumentError(f"{source}: its DTD declares {what}; entities are refused: remove the DTD")


def _syntax_message(error: Exception, data: bytes, source: str) -> str:
    reason = str(getattr(error, "msg", None) or error)
    line, column = getattr(error, "position", (0, 0))
    declared = re.search(rb"<\?xml[^>]*encoding=[\"']([^\"']{1,40})", data[:200].replace(b"\0", b""))
    encoding = declared.group(1).decode("ascii", "replace") if declared else "UTF-8 (the default)"
    if _ENCODING_FAULT.search(reason):
        return (f"{source}: its bytes are not valid in its declared encoding {encoding} (line {line}: {reason}); save "
                "it again as UTF-8 or correct the encoding in its first line")
    return (f"{source}: not well-formed XML at line {line}, column {column}: {reason}; the file may be truncated: "
            "export or copy it again")
