"""The rule language for questions about files: typed rules, rendered to plain sentences and parsed back.

Most rules switch on one treatment of the data, of the answer or of the tools (see `PLAIN`); "skip" may name
the marks of the rows it leaves out. Each may say that it yields to what the question or a note says.

`parse_rule(render(rule)) == rule` for every rule; `parse_rule` also reads what people type, such as
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
class Rule:
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
        names = [f"skip={mark}" for mark in self.marks] if self.marks else [self.kind]
        return frozenset(names + ([f"{self.kind}?"] if self.unless else []))


@lru_cache(maxsize=4_096)
def render(rule: Rule) -> str:
    """The rule as a sentence."""
    text = PLAIN[rule.kind]
    if rule.marks:
        text = f"Leave out rows marked {' or '.join(chr(34) + mark + chr(34) for mark in rule.marks)}."
    return text[:-1] + _UNLESS if rule.unless else text


_MARKED = re.compile(r'Leave out rows marked ("[^"]+"(?: or "[^"]+")*)\.')
_QUOTED = re.compile(r"[\"“”«»]([^\"“”«»]{2,40})[\"“”«»]|(?<!\w)['‘]([^'‘’]{2,40})['’](?!\w)")
_EXCEPT = re.compile(
    r"[,;]?\s*\b(?:unless|except (?:if|when|where)|but not (?:if|when)|save (?:if|when))\b.*$", re.I | re.S
)
_OUT = re.compile(
    r"\b(?:leave\w* out|left out|skip\w*|ignor\w+|exclud\w+|drop\w*|omit\w*|remov\w+|filter\w* out|"
        r"disregard\w*|discard\w*|"
    r"without|do(?:es)? not count|do(?:es)? not include|never (?:count|include)|not (?:be )?(?:counted|"
        r"included))\b|n['’]t (?:count|include)\b", re.I
)  # fmt: skip
_TYPED = (
    ("run", r"\b(?:run|execut\w+)\b.*\b(?:code|scripts?|program\w*|\.py)\b|\b(?:code|scripts?|"
        r"program\w*)\b.*\b(?:must|should|has to|have to|to) be (?:run|executed)"),
    ("precise", r"\bcalculator\b|\b(?:mental|head)\b.*\barithmetic\b|\barithmetic\b|\b(?:add|"
        r"sum)\w* (?:up )?\b.*\b(?:run_python|tool)\b"),
    ("pages", r"\b(?:open|follow)\w*\b.*\bpages?\b.*|\bpages?\b.*\bsearch\w*"),
    ("totals", r"\b(?:total|subtotal|sum)s?\b.*\b(?:rows?|lines?|records?)\b|\b(?:rows?|"
        r"lines?)\b.*\b(?:sub)?totals?\b"),
    ("once", r"\bduplicat\w*|\brepeated (?:rows?|records?|lines?|ids?|entries)|\b(?:same|equal) (?:id|"
        r"identifier|key)\b|\bde-?dup\w*|\bonly once\b|\b(?:count\w*|records?) .*\btwice\b"),
    ("missing", r"\b(?:blanks?|empty|missing|n/?a|-999|null)\b.*\b(?:cells?|values?|fields?|zero|entries|figures?)\b"),
    ("scale", r"\bthousands?\b|\bkEUR\b|\b(?:by|times) 1[,.]?000\b"),
    ("convert", r"\bconvert\w*|\bconversion\b|\bunits? (?:that )?(?:the question|asked)|\bsame unit\b"),
    ("keys", r"\b(?:keys?|ids?|identifiers?|codes?)\b.*\b(?:case|hyphens?|blanks?|spaces?|dashes|"
        r"normali[sz]\w*|spelling|spelt|spelled)\b|\bjoin\w*\b.*\b(?:case|hyphens?|blanks?|spaces?|dashes)\b"),
    ("correct", r"\bcorrections?\b|\berrat(?:um|a)\b|\bamend\w*"),
    ("newest", r"\b(?:newest|latest|most recent|last|up-to-date|current) (?:one|version|revision|rev|"
        r"file|valid|entry|figures?|page|data|edition)\b|\bnewe(?:st|r)\b"),
    ("legend", r"\blegend\b|\bcodes?\b.*\b(?:names?|stand\w*|mean\w*|look)\b|\babbreviat\w*"),
    ("decoys", r"\bdecoys?\b|\b(?:other|another|wrong|different) (?:years?|branch\w*|place|files?)\b|"
        r"\bonly the (?:files?|data)\b.*\b(?:year|place|branch|question)\b|\birrelevant files?\b"),
    ("all", r"\b(?:all|every|each|further|next|remaining|other)\b.*\b(?:sheets?|pages?|files?|parts?|"
        r"tabs?)\b|\bread (?:on|everything|to the end)\b|\bwhole (?:file|workbook|document|output)\b|\bcut\b"),
    ("notes", r"\bnotes?\b|\bread ?me\b|\bfootnotes?\b|\bcomment lines?\b"),
    ("order", r"\b(?:order|sort\w*|alphabetic\w*)\b"),
    ("round", r"\bround\w*|\bdecimals?(?: places?)?\b"),
    ("form", r"\b(?:number|figure|name|answer|value)s?\b.*\b(?:alone|only|bare|plain|just)\b|\b(?:bare|"
        r"plain|only|just) (?:the )?(?:number|name|figure|answer)|\b(?:without|no|omit|leave out|"
            r"drop)\b (?:the |a |any )?units?\b"),
)  # fmt: skip
_TYPED = tuple((kind, re.compile(form, re.I | re.S)) for kind, form in _TYPED)
_WORD = re.compile(r"[a-z]+")
_ROWS = re.compile(
    r"\b(?:rows?|records?|lines?|orders?|entries|entry|items?|status\w*|state|marked|those|data|"
    r"bookings?|members?|requests?|ones)\b",
    re.I,
)


@lru_cache(maxsize=65_536)
def parse_rule(text: str) -> Rule | None:
    """The rule that a sentence states, or None where it states none in this language.

    >>> parse_rule("Ignore cancelled orders, except when asked for them")
    Rule(kind='skip', marks=('cancelled',), unless=True)
    """
    text = " ".join(text.split())
    bare = text.removesuffix(_UNLESS) + "." if text.endswith(_UNLESS) else text
    if bare in _BY_TEXT:
        return Rule(_BY_TEXT[bare], (), bare != text)
    if found := _MARKED.fullmatch(bare):
        return Rule("skip", tuple(sorted(re.findall(r'"([^"]+)"', found[1]))), bare != text)
    return _typed(text)


def _typed(text: str) -> Rule | None:
    """Rules as people type them."""
    said = _EXCEPT.sub("", text)
    unless = said != text
    if _OUT.search(said):
        quoted = [(a or b).casefold().strip() for a, b in _QUOTED.findall(said)]
        marks = tuple(
            sorted({mark for mark in quoted if len(mark.split()) < 3} or DEAD & set(_WORD.findall(said.casefold())))
        )
        if marks and _ROWS.search(said):
            return Rule("skip", marks, unless)
        if re.search(r"\bstat(?:us|e)\b", said, re.I):
            return Rule("skip", (), unless)
    found = next((kind for kind, form in _TYPED if form.search(said)), None)
    return Rule(found, (), unless) if found else None


def told(text: str) -> tuple[Rule, ...]:
    """The rules that stand word for word in a reviewer's feedback."""
    found = []
    for sentence in re.findall(r"[A-Z][^.]*\.(?= |$)", text):
        rule = parse_rule(sentence)
        if rule is not None and render(rule) == sentence:
            found.append(rule)
    return tuple(dict.fromkeys(found))


__all__ = ["PLAIN", "TOOL_NOTES", "Rule", "parse_rule", "render", "told"]
