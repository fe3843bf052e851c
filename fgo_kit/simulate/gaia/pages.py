"""Pages of prose: the trail of links that a question asks to be followed, and the line that answers it."""

from __future__ import annotations

import re

from .question import Question, words
from .world import Treatments, World, base, mentioned

_LINE_VALUE = re.compile(r"(?<![\w.])[$€]?\s?(\d[\d,]*(?:\.\d+)?)(?![\w.]*\d)")
_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
_AMENDS = re.compile(r"\bcorrect|\berrat", re.I)
_ALIKE = (("born", "birth"),)


def _title(file: str, seen: World) -> str:
    return next((line.strip("# ") for line in seen.lines_of(file) if line.startswith("#")), "")


def trail_of(question: Question, seen: World) -> list[str]:
    """The pages that lead from one the question names, along links in sentences that speak of what it asks; the
    name of a page that was not read ends it."""
    by_name = {base(file): file for file in seen.files}
    trail = [file for file in seen.files if mentioned(_title(file, seen), question.text)][:1]
    asked = question.words - set(words(_title(trail[0], seen))) if trail else question.words
    while trail and trail[-1] in seen.files and len(trail) < 8:
        sentences = re.split(r"(?<=[.!?])\s|\n", "\n".join(seen.lines_of(trail[-1])))
        links = [name for sentence in sentences if _speaks(sentence, asked) for _, name in _LINK.findall(sentence)]
        targets = [by_name.get(base(name), name) for name in links]
        after = next((target for target in targets if target not in trail), None)
        if after is None:
            break
        trail.append(after)
    return trail


def _speaks(sentence: str, asked: frozenset[str]) -> bool:
    """Whether a sentence shares a word, or the beginning of one, with what is asked."""
    stems = [word[:5] for word in re.findall(r"[a-z]{4,}", sentence.casefold())]
    starts = {word[:5] for word in asked if len(word) > 3}
    starts |= {written for written, meant in _ALIKE if any(word.startswith(meant) for word in asked)}
    return any(word in starts for word in stems)


def from_lines(question: Question, seen: World, on: Treatments) -> str | None:
    """The figure on the line that shares most words with the question, on the page where its trail ends."""
    trail = trail_of(question, seen)
    scored = [(len(set(words(line)) & question.words), at, line, where) for at, (where, line) in enumerate(seen.lines)
              if _LINE_VALUE.search(line) and not line.startswith("#")]  # fmt: skip
    best = max((line for line in scored if line[3] in trail[-1:] and not _AMENDS.search(line[2])), default=(0,))
    if best[0] == 0:
        return None
    subject = _title(best[3], seen) or best[3]
    amends = (line for *_, line, _ in scored if _AMENDS.search(line) and mentioned(subject, line))
    line = next(amends, best[2]) if "correct" in on else best[2]
    return _LINE_VALUE.findall(line)[-1].replace(",", "")
