"""Token counts before a call: an exact encoding where this machine has one, else a fitted estimate.

With a real provider the answer's own `usage` is the truth; what is counted here serves packing,
truncation and the simulated LLM, and every table names the counter that was used.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path

MESSAGE_OVERHEAD = 4  # tokens a chat format adds around one message
PROMPT_OVERHEAD = 2  # tokens it adds around the whole prompt
FETCH_SECONDS = 3.0  # tiktoken downloads an encoding without a timeout; we give it this long

# Coefficients: non-negative least squares on relative error against o200k_base, on 350 passages of
# about 3,000 characters (UBL invoices, English, Markdown, Python, JSON). On as many held-out passages
# the median error was 3.9 % (95th percentile 10.4 %), totals .96 to 1.04 of the exact ones by kind of
# text; an earlier study found 4-9 % on other text. It is worse where text is unlike that: prose in
# other scripts, base64. cl100k_base gives the same totals within 1 %; other vendors' differ more.
_WORDS = re.compile(r"[A-Z]?[a-z]+").findall
_CAPITALS = re.compile(r"[A-Z]+(?![a-z])").findall
_DIGITS = re.compile(r"[0-9]{1,3}").findall
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]+").findall
_NEWLINES = re.compile(r"\n\s*\n|\n").findall
_INDENTS = re.compile(r"[ \t]{2,}").findall
_OTHER = re.compile(r"[^\x00-\x7f]+").findall
_CACHED_CHARS = 20_000  # longer texts are rare and seldom repeated: they would only fill memory

Encode = Callable[[str], object]


def estimate(text: str) -> int:
    """Estimated number of tokens of `text`; 0 for an empty one. See the note on the coefficients.

    >>> estimate("The transport reference is on the second line."), estimate("")
    (9, 0)
    """
    return _estimate(text) if len(text) <= _CACHED_CHARS else _compute(text)


def _compute(text: str) -> int:
    words = _WORDS(text)
    try:
        letters = sum(map(_BY_LENGTH.__getitem__, map(len, words)))
    except IndexError:  # a word of 64 letters or more: base64 and the like
        letters = sum(map(_word_cost, map(len, words)))
    runs = (1.061 * len(_CAPITALS(text)) + 1.323 * len(_DIGITS(text)) + 0.988 * len(_PUNCTUATION(text))
            + 0.872 * len(_NEWLINES(text)) + 0.258 * len(_INDENTS(text)))  # fmt: skip
    other = 0.0 if text.isascii() else sum(min(3.95, len(run)) + 0.646 * len(run) for run in _OTHER(text))
    return max(1, round(letters + runs + other)) if text else 0


def _word_cost(length: int) -> float:
    return 0.842 + 0.059 * max(0, length - 4) + 0.223 * max(0, length - 8)


_BY_LENGTH = [_word_cost(length) for length in range(64)]
_estimate = lru_cache(maxsize=8192)(_compute)


def count_messages(messages: Iterable[dict[str, str]], counter: Callable[[str], int] = estimate) -> int:
    """Tokens of a chat prompt: the contents, 4 for every message and 2 for the prompt."""
    return PROMPT_OVERHEAD + sum(MESSAGE_OVERHEAD + counter(message["content"]) for message in messages)


def encoding_for(model: str) -> tuple[str, Callable[[str], int]]:
    """(name of the counter, function from text to tokens) for a model.

    The encoding tiktoken names for the model, from its cache folder (TIKTOKEN_CACHE_DIR) or fetched
    within 3 seconds; else ("estimate", estimate). A failure is remembered for the process.
    """
    name = _encoding_name(model)
    encoding = _load_encoding(name) if name else None
    if encoding is None:
        return "estimate", estimate

    @lru_cache(maxsize=8192)
    def exact(text: str) -> int:
        return len(encoding.encode(text, disallowed_special=()))

    return f"tiktoken {name}", exact


def _encoding_name(model: str) -> str | None:
    try:
        import tiktoken

        return tiktoken.encoding_name_for_model(model)
    except (ImportError, KeyError):
        return None


@cache
def _load_encoding(name: str):
    """The tiktoken encoding, or None when it can be neither read nor fetched in time."""
    import tiktoken

    found: list = []

    def load():
        # no network, a proxy's page instead of the file, a full disk: all mean "estimate"
        with suppress(Exception):
            found.append(tiktoken.get_encoding(name))

    thread = threading.Thread(target=load, daemon=True, name=f"load {name}")
    thread.start()
    thread.join(None if _on_disk(name) else FETCH_SECONDS)
    return found[0] if found else None


def _on_disk(name: str) -> bool:
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR"))
    folder = Path(tempfile.gettempdir()) / "data-gym-cache" if folder is None else Path(folder)
    url = f"https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
    return (folder / hashlib.sha1(url.encode()).hexdigest()).is_file()
