"""The pages that come with a task: found by their words, opened by their name, HTML as plain text."""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import lru_cache

from lxml import etree, html

from .files import MAX_BYTES, FileProblem, Files, State, files_of, names_in, read_text, state_of

SHOWN_PAGES = 8
"""Most results of a search."""
MAX_WORDS = 100
"""Most words of a query that are looked for."""
MAX_PAGE = 1_000_000
"""Longest HTML page that is read, in characters."""
_BREAKS = ("title", "br", "p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6")
"""Elements of a page after which a new line begins."""


def search(files: Files, query: str) -> str:
    """Pages by how rare the query's words in them are; a word of the title counts three times."""
    pages = _collection(state_of(files))
    if not pages:
        raise FileProblem("search: this task has no collection of pages; read its files with read_file")
    words = list(dict.fromkeys(_words(query)))[:MAX_WORDS]
    counts = {name: _counted(text, set(words)) for name, text in pages.items()}
    rare = {word: math.log(1 + len(pages) / (1 + sum(word in own for own in counts.values()))) for word in words}
    points = {name: _points(pages[name], own, rare) for name, own in counts.items()}
    ranked = sorted((name for name in pages if points[name] > 0), key=lambda name: (-points[name], name))
    if not ranked:
        return f"no page has a word of {query!r}; {len(pages)} pages are there"
    lines = [f"{name} | {_title(pages[name])} | {_excerpt(pages[name], words)}" for name in ranked[:SHOWN_PAGES]]
    more = len(ranked) - SHOWN_PAGES
    return "\n".join(lines + ([f"({more} more pages; use rarer words)"] if more > 0 else []))


def _counted(text: str, words: set[str]) -> Counter:
    return Counter(match[0] for match in re.finditer(r"\w+", text.casefold()) if match[0] in words)


def _points(text: str, counts: Counter, rare: dict[str, float]) -> float:
    title = set(_words(_title(text)))
    return sum(rare[word] * (min(counts[word], 3) / 3 + 3 * (word in title)) for word in rare if counts[word])


def open_page(files: Files, name: str) -> str:
    """The text of a page by its name, or by its name without its ending. Raises FileProblem."""
    pages = _collection(state_of(files))
    wanted = re.split(r"(?:^|/)pages/", name.strip())[-1]
    stems = {page.rpartition(".")[0].casefold(): page for page in reversed(pages)}
    page = wanted if wanted in pages else stems.get(wanted.casefold())
    if page is None:
        near = ", ".join(list(pages)[:20]) or "none in this task"
        raise FileProblem(f"no page {name!r}; search names them, e.g. {near}")
    return pages[page]


def has_pages(files: Files) -> bool:
    return bool(_collection(state_of(files)))


@lru_cache(maxsize=64)
def _collection(state: State) -> dict[str, str]:
    """Page texts, of the files below a folder named pages, by the name they are opened with."""
    files, pages, room = files_of(state), {}, MAX_BYTES
    for name in names_in(files):
        if re.search(r"(^|/)pages/.*\.(md|txt|html?)$", name, re.IGNORECASE):
            text = read_text(files, name)
            room -= len(text)
            if room < 0:
                raise FileProblem(f"search: the pages of this task hold more than {MAX_BYTES:,} characters")
            pages[re.split(r"(?:^|/)pages/", name, maxsplit=1)[1]] = _plain(text)
    return pages


def _plain(text: str) -> str:
    if not re.match(r"\s*(<!doctype html|<html)", text, re.IGNORECASE):
        return text
    if len(text) > MAX_PAGE:
        return f"(a page of {len(text):,} characters, which is over the limit of {MAX_PAGE:,}; use read_file)"
    parser = html.HTMLParser(encoding="utf-8", no_network=True, huge_tree=True, remove_comments=True, remove_pis=True)
    page = html.document_fromstring(b"<html>" + text.encode("utf-8", "replace"), parser)  # it is never empty
    if parser.error_log.filter_from_fatals():
        return "(a page with elements nested too deep to be read; use read_file)"
    etree.strip_elements(page, "script", "style", with_tail=False)
    for node in page.iter(*_BREAKS):
        node.tail = f"\n{node.tail or ''}"
    return re.sub(r"\n{3,}", "\n\n", page.text_content()).strip()


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _title(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "").strip("# \t")[:80]


def _excerpt(text: str, words: list[str]) -> str:
    lines = [line.strip() for line in text.splitlines()[1:] if line.strip()] or [_title(text)]
    return max(lines, key=lambda line: len(set(words) & set(_words(line))))[:160]
