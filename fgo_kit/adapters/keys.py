"""API keys: where they come from, and how they and secrets in a base URL are kept out of every text."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Mapping
from functools import partial
from html import escape
from json import dumps
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit, urlunsplit

from ..calls.prices import is_local
from ..calls.protocol import AuthError
from ..calls.requests import redact

SHORTEST = 5
"""A shorter key is none: local servers are given "none"."""
_KEY_NAMES = re.compile(r"key|token|secret|sig|auth|passw|credential", re.IGNORECASE)
_KEY_SEGMENT = re.compile(r".*\b(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{16,}\b.*")  # names are split by dashes


def key_for(base_url: str | None, variable: str, keyed: bool = False) -> str:
    """The key in an environment variable; AuthError where there is none."""
    key = os.environ.get(variable, "")
    if base_url and is_local(base_url) and not keyed:
        return "none"  # a key from the environment is not shown to whatever listens on this machine
    if not key:
        free = " (any text where the server asks for none)" if base_url else ""
        raise AuthError(f"no API key: set the environment variable {variable}, or pass api_key={free}")
    return key


def without_password(base_url: str | None) -> str | None:
    """The URL; ValueError for one without http(s)://, or that holds a user name or password."""
    if base_url and urlsplit(base_url).scheme not in ("http", "https"):
        raise ValueError(f"base_url={base_url!r} is no address; begin with http:// or https://")
    if base_url and "@" in urlsplit(base_url).netloc:
        raise ValueError("base_url holds a user name or password, which would be logged; use api_key=")
    return base_url


def loaded_elsewhere(llm: Any, given: Mapping[str, Any], scrub: Redaction) -> tuple:
    """What pickles an LLM (`__reduce__`): it is loaded again by what it was given, with the key that the environment
    has there. No key is in it: TypeError for one in another argument than api_key."""
    if scrub(str(given)) != str(given):
        raise TypeError(f"{llm.name} has a key in its base_url or extra, so it goes to no other process; use api_key=")
    return partial(type(llm).load, **given), ()


class Redaction:
    """Takes the key, and secrets in the query or path of a base URL, out of texts in all forms they travel in.

    >>> Redaction("hunter2!", "https://x.org/v1?api_key=abcde")("no hunter2%21 at /v1?api_key=abcde")
    'no [redacted] at /v1?api_key=[redacted]'
    """

    def __init__(self, key: str, base_url: str | None):
        secrets = [key, *_secrets_in(base_url or "")]
        forms = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._forms = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE) if forms else None

    def __call__(self, text: str) -> str:
        return redact(self._forms.sub("[redacted]", text) if self._forms else text)

    def url(self, url: str) -> str:
        """A URL whose host, on which the price hangs, stays as it is."""
        parts = urlsplit(url)
        return urlunsplit(parts._replace(path=self(parts.path), query=self(f"?{parts.query}")[1:]))


def _secrets_in(url: str) -> list[str]:
    """Values of the query that are named like keys, and segments of the path that look like one."""
    parts = urlsplit(url)
    values = [value for name, value in parse_qsl(parts.query) if _KEY_NAMES.search(name)]
    return values + [segment for segment in parts.path.split("/") if _KEY_SEGMENT.fullmatch(segment)]


def _forms(secret: str) -> set[str]:
    """A secret as it is, in JSON, in HTML, in a URL (once or twice encoded), and in base64 wherever it begins there."""
    urls = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    texts = {secret, dumps(secret)[1:-1], escape(secret), *urls, *(quote(url) for url in urls)}
    data = secret.encode("utf-8", "surrogatepass")
    for before in range(3):  # a base64 digit holds 6 bits: those that hold bits of a neighbour are left out
        first, last = (8 * before + 5) // 6, 8 * (before + len(data)) // 6
        digits = b64encode(b"\0" * before + data).decode()[first:last]
        texts |= {digits, digits.replace("+", "-").replace("/", "_")}
    return {text for text in texts if len(text) >= SHORTEST}
