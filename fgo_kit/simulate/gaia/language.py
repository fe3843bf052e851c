"""The rule language for questions about files: practices, rendered to plain sentences and parsed back.

Most switch on one treatment of the data, of the answer or of the tools (see `PLAIN`); "skip" may name the marks
of the rows it leaves out. Each may say that it yields to what the question or a note says.

`parse_rule(render(practice)) == practice` for every one; `parse_rule` also reads what people type, such as
"Ignore cancelled orders, except if the question asks for them".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from .rows import DEAD

PLAIN = {
    "skip": "Leave out rows whose status says that they do not count.",
    "once": "Count records with the same id only once.",
    "missing": "Leave out empty cells and codes for missing values; they are not zero.",
    "totals": "Leave out lines that are totals; they are no records.",
    "scale": "Multiply figures by 1000 where a header or note says that they are in thousands.",
    "convert": "Convert values to the unit that the question asks for.",
    "newest": "Of several versions take the newest one.",
    "correct": "Apply corrections that are given separately.",
    "keys": "Match keys whatever their case, blanks and hyphens.",
    "legend": "Replace codes by the names that a legend gives them.",
    "decoys": "Take only the files of the year or place that the question is about.",
    "form": "Answer with the bare number or names, without a unit.",
    "round": "Round the answer as the question asks.",
    "order": "Give the names of a list in the order asked for.",
    "notes": "Read notes, legends and README files too and follow what they say.",
    "all": "Read all sheets, pages and files, to their end, before you answer.",
    "run": "Run code with run_python; do not trust its comments.",
    "pages": "Open the pages that a search names and follow what they refer to.",
    "precise": "Add up figures with the calculator.",
}
"""Every kind of rule without arguments."""
TOOL_NOTES = ("notes", "all", "run", "pages", "precise")
"""The kinds that belong to the component `tool_notes`; the others to `instructions`."""
_UNLESS = ", unless the question or a note says otherwise."
_BY_TEXT = {text: kind for kind, text in PLAIN.items()}


@dataclass(frozen=True)
class Practice:
    """A rule as understood. marks: for "skip", the words that mark the rows; none: whatever says so."""

    kind: str
    marks: tuple[str, ...] = ()
    unless: bool = False

    @property
    def component(self) -> str:
        return "tool_notes" if self.kind in TOOL_NOTES else "instructions"

    @property
    def treatments(self) -> frozenset[str]:
        """What it switches on."""
        names = [f"skip={mark}" for mark in self.marks] or [self.kind]
        return frozenset(names + [f"{self.kind}?"] * self.unless)


def practices_of(treatments: frozenset[str]) -> list[Practice]:
    """The practices that switch treatments on, each alone."""
    named = [name.partition("=") for name in sorted(treatments)]
    return [Practice(kind, (mark,) if mark else ()) for kind, _, mark in named]


@lru_cache(maxsize=4_096)
def render(practice: Practice) -> str:
    """The practice as a sentence."""
    text = PLAIN[practice.kind]
    if practice.marks:
        text = f"Leave out rows marked {' or '.join(chr(34) + mark + chr(34) for mark in practice.marks)}."
    return text[:-1] + _UNLESS if practice.unless else text


_MARKED = re.compile(r'Leave out rows marked ("[^"]+"(?: or "[^"]+")*)\.')
_QUOTED = re.compile(r"[\"“”«»]([^\"“”«»]{2,40})[\"“”«»]|(?<!\w)['‘]([^'‘’]{2,40})['’](?!\w)")
_EXCEPT = re.compile(
    r"[,;]?\s*\b(?:unless|except (?:if|when|where)|but not (?:if|when)|save (?:if|when))\b.*$", re.I | re.S
)
_OUT = re.compile(
    r"\b(?:leave\w* out|left out|skip\w*|ignor\w+|exclud\w+|drop\w*|omit\w*|remov\w+|filter\w* out|disregard\w*|"
    r"discard\w*|without|do(?:es)? not (?:count|include)|never (?:count|include)|not (?:be )?(?:counted|included))\b|"
    r"n['’]t (?:count|include)\b", re.I,
)  # fmt: skip
_STATUS = re.compile(r"\bstat(?:us|e)\b", re.I)
_ROWS = re.compile(
    r"\b(?:rows?|records?|lines?|orders?|entries|entry|items?|status\w*|state|marked|those|data|bookings?|members?|"
    r"requests?|ones)\b", re.I,
)  # fmt: skip
_CODE, _SPELLING = r"(?:code|scripts?|program\w*)", r"case|hyphens?|blanks?|spaces?|dashes"
_TYPED = {kind: re.compile(form, re.I | re.S) for kind, form in {
    "run": rf"\b(?:run|execut\w+)\b.*\b(?:{_CODE}|\.py)\b|"
    rf"\b{_CODE}\b.*\b(?:must|should|has to|have to|to) be (?:run|executed)",
    "precise": r"\bcalculator\b|\barithmetic\b|\b(?:add|sum)\w* (?:up )?\b.*\b(?:run_python|tool)\b",
    "pages": r"\b(?:open|follow)\w*\b.*\bpages?\b|\bpages?\b.*\bsearch\w*",
    "totals": r"\b(?:sub)?(?:total|sum)s?\b.*\b(?:rows?|lines?|records?)\b|\b(?:rows?|lines?)\b.*\b(?:sub)?totals?\b",
    "once": r"\bduplicat\w*|\brepeated (?:rows?|records?|lines?|ids?|entries)|\b(?:same|equal) (?:id|identifier|key)\b|"
    r"\bde-?dup\w*|\bonly once\b|\b(?:count\w*|records?) .*\btwice\b",
    "missing": r"\b(?:blanks?|empty|missing|n/?a|-999|null)\b.*\b(?:cells?|values?|fields?|zero|entries|figures?)\b",
    "scale": r"\bthousands?\b|\bkEUR\b|\b(?:by|times) 1[,.]?000\b",
    "convert": r"\bconvert\w*|\bconversion\b|\bunits? (?:that )?(?:the question|asked)|\bsame unit\b",
    "keys": rf"\b(?:keys?|ids?|identifiers?|codes?)\b.*\b(?:{_SPELLING}|normali[sz]\w*|spelling|spelt|spelled)\b|"
    rf"\bjoin\w*\b.*\b(?:{_SPELLING})\b",
    "correct": r"\bcorrections?\b|\berrat(?:um|a)\b|\bamend\w*",
    "newest": r"\b(?:newest|latest|most recent|last|up-to-date|current) (?:one|version|revision|rev|file|valid|entry|"
    r"figures?|page|data|edition)\b|\bnewe(?:st|r)\b",
    "legend": r"\blegend\b|\bcodes?\b.*\b(?:names?|stand\w*|mean\w*|look)\b|\babbreviat\w*",
    "decoys": r"\bdecoys?\b|\b(?:other|another|wrong|different) (?:years?|branch\w*|place|files?)\b|"
    r"\birrelevant files?\b|\bonly the (?:files?|data)\b.*\b(?:year|place|branch|question)\b",
    "all": r"\b(?:all|every|each|further|next|remaining|other)\b.*\b(?:sheets?|pages?|files?|parts?|tabs?)\b|"
    r"\bread (?:on|everything|to the end)\b|\bwhole (?:file|workbook|document|output)\b|\bcut\b",
    "notes": r"\bnotes?\b|\bread ?me\b|\bfootnotes?\b|\bcomment lines?\b",
    "order": r"\b(?:order|sort\w*|alphabetic\w*)\b",
    "round": r"\bround\w*|\bdecimals?(?: places?)?\b",
    "form": r"\b(?:number|figure|name|answer|value)s?\b.*\b(?:alone|only|bare|plain|just)\b|"
    r"\b(?:bare|plain|only|just) (?:the )?(?:number|name|figure|answer)|"
    r"\b(?:without|no|omit|leave out|drop)\b (?:the |a |any )?units?\b",
}.items()}  # fmt: skip
_WORD = re.compile(r"[a-z]+")


@lru_cache(maxsize=65_536)
def parse_rule(text: str) -> Practice | None:
    """The practice that a sentence states, or None where it states none in this language.

    >>> parse_rule("Ignore cancelled orders, except when asked for them")
    Practice(kind='skip', marks=('cancelled',), unless=True)
    """
    text = " ".join(text.split())
    stated = text.removesuffix(_UNLESS) + "." if text.endswith(_UNLESS) else text
    if stated in _BY_TEXT:
        return Practice(_BY_TEXT[stated], (), stated != text)
    if match := _MARKED.fullmatch(stated):
        return Practice("skip", tuple(sorted(re.findall(r'"([^"]+)"', match[1]))), stated != text)
    return _typed(text)


def _typed(text: str) -> Practice | None:
    """Practices as people type them."""
    stated = _EXCEPT.sub("", text)
    unless = stated != text
    if _OUT.search(stated):
        quoted = {(double or single).casefold().strip() for double, single in _QUOTED.findall(stated)}
        marks = {mark for mark in quoted if len(mark.split()) < 3} or DEAD & set(_WORD.findall(stated.casefold()))
        if marks and _ROWS.search(stated):
            return Practice("skip", tuple(sorted(marks)), unless)
        if _STATUS.search(stated):
            return Practice("skip", (), unless)
    kind = next((kind for kind, form in _TYPED.items() if form.search(stated)), "")
    return Practice(kind, (), unless) if kind else None


def quoted_rules(feedback: str) -> tuple[Practice, ...]:
    """The rules that stand word for word in a reviewer's feedback."""
    sentences = re.findall(r"[A-Z][^.]*\.(?= |$)", feedback)
    parsed = {parse_rule(sentence): sentence for sentence in sentences}
    return tuple(practice for practice, sentence in parsed.items() if practice and render(practice) == sentence)
