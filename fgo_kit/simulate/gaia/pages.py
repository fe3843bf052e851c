"""Pages of prose: the trail of links that a question asks to be followed, and the line that answers it."""

from __future__ import annotations

import re

from .question import Query, words
from .world import World, mentioned

_LINE_VALUE = re.compile(r"(?<![\w.])[$€]?\s?(\d[\d,]*(?:\.\d+)?)(?![\w.]*\d)")
_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
_ALIKE = (("born", "birth"),)


def trail_of(query: Query, seen: World) -> list[str]:
    """The pages that lead from one the question names, along links in sentences that speak of what it asks; the
    name of a page that was not read ends it."""
    titles = {
        file: next((line.strip("# ") for where, line in seen.lines if where == file and line.startswith("#")), "")
        for file in seen.order
    }
    by_name = {file.rsplit("/", 1)[-1]: file for file in seen.order}
    starts = [file for file in seen.order if mentioned(titles[file], query.text)]
    trail = starts[:1]
    asked = query.words - set(words(titles[starts[0]])) if starts else query.words
    while trail and trail[-1] in titles and len(trail) < 8:
        sentences = [
            part for where, line in seen.lines if where == trail[-1] for part in re.split(r"(?<=[.!?])\s", line)
        ]
        targets = [
            by_name.get(name.rsplit("/", 1)[-1], name)
            for part in sentences
            if _speaks(part, asked)
            for _, name in _LINK.findall(part)
        ]
        after = next((name for name in targets if name not in trail), None)
        if after is None:
            break
        trail.append(after)
    return trail


def _speaks(sentence: str, asked_words: frozenset[str]) -> bool:
    for word in re.findall(r"[a-z]{4,}", sentence.casefold()):
        for asked in asked_words:
            if (
                word == asked
                or (word[:5] == asked[:5] and len(asked) > 4)
                or any(word.startswith(a) and asked.startswith(b) for a, b in _ALIKE)
            ):
                return True
    return False


def from_lines(query: Query, seen: World, on: frozenset[str]) -> str | None:
    """The figure on the line that shares most words with the question."""
    scored = [(len(set(words(line)) & query.words), at, where, line) for at, (where, line) in enumerate(seen.lines)
              if _LINE_VALUE.search(line) and not line.startswith("#")]  # fmt: skip
    amends = [one for one in scored if re.search(r"\bcorrect|\berrat", one[3], re.I)]
    plain_ones = [one for one in scored if not re.search(r"\bcorrect|\berrat", one[3], re.I)]
    trail = trail_of(query, seen)
    if len(trail) > 1:
        amends = [one for one in scored if re.search(r"\bcorrect|\berrat", one[3], re.I)]
    plain_ones = [one for one in plain_ones if one[2] == trail[-1]]
    best = max(plain_ones, default=None)
    if best is None or best[0] == 0:
        return None
    subject = next(
        (line.strip("# ") for where, line in seen.lines if where == best[2] and line.startswith("#")), best[2]
    )
    if "correct" in on:
        best = next((one for one in amends if mentioned(subject, one[3])), best)
    return _LINE_VALUE.findall(best[3])[-1].replace(",", "")


__all__ = ["from_lines", "trail_of"]
