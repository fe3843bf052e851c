"""Any text as pages, terminals and files take it: untrusted text is escaped here before it is shown."""

from __future__ import annotations

import re
from html import escape as html_escape

_UNSHOWABLE = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
WRAPPED = "text-align:left;overflow-wrap:anywhere"
"""Style of a table cell with text of any length."""


def storable(text: str) -> str:
    """`text` with lone surrogates, which no file can hold, replaced by question marks.

    >>> storable("a\\ud800b")
    'a?b'
    """
    return text.encode("utf-8", "replace").decode()


def showable(text: str) -> str:
    """Any text as every page, terminal and JSON reader takes it: control characters and lone surrogates
    become U+FFFD, line ends become newlines.

    >>> showable("a\\x00b\\r\\nc")
    'a\ufffdb\\nc'
    """
    return _UNSHOWABLE.sub("\ufffd", text.replace("\r\n", "\n"))


def escape(text: str) -> str:
    """Any text as HTML: `showable`, and escaped."""
    return html_escape(showable(text))


def brief(text: str, most: int = 80) -> str:
    """The start of a text on one line, safe to show."""
    line = " ".join(showable(text[: 4 * most]).split())
    return line if len(line) <= most and len(text) <= 4 * most else f"{line[: most - 1]}…"


def folded(summary: str, content: str, is_open: bool = False) -> str:
    """HTML that opens on a click; both parts are HTML already."""
    return f"<details{' open' if is_open else ''}><summary>{summary}</summary>{content}</details>"


def some(parts: list[str], most: int = 12) -> str:
    shown, rest = ", ".join(parts[:most]), parts[most:]
    return shown + (folded(f"and {len(rest)} more", ", ".join(rest)) if rest else "")


def bdi(text: str) -> str:
    return f"<bdi>{escape(text)}</bdi>"  # right-to-left text turns nothing else around


def pre(text: str) -> str:
    """HTML of a text with its line ends, in whatever direction it reads."""
    return f"<pre dir='auto' style='white-space:pre-wrap;overflow-wrap:anywhere'>{escape(text)}</pre>"
