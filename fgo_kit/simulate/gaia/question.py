"""Reading a question: the operation it asks for, its filters in words, and the form of its answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from .cells import MONTHS, Date, date

_FACTOR = re.compile(r"\b1 ([A-Za-z°µ/]+(?: [a-z]+)?) (?:=|is|equals) ([\d.]+) ([A-Za-z°µ/]+)")
_COUNTS = {
    "no": 0, "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "ten": 10,
    **{str(count): count for count in range(20)},
}  # fmt: skip
_ROUND = re.compile(r"\b(no|zero|one|two|three|four|\d) decimals?(?: places?)?", re.I)
_WHOLE = re.compile(r"\b(?:nearest )?(?:whole number|integer)\b", re.I)
_UNIT_ASKED = re.compile(
    r"\b(?:in|how (?:many|much)) (thousand EUR|EUR|kcal|euros?|kilomet(?:re|er)s|km|miles|met(?:re|er)s|"
    r"degrees (?:Celsius|Fahrenheit)|°[CF]|kg|kilograms?|grams?|hours|minutes|seconds|kWh|Wh|litres|liters|mg/l|µg/l|"
    r"hectares|ha|USD|dollars|tonnes)\b", re.I,
)  # fmt: skip
_CODE = re.compile(
    r"\b[\w./-]+\.py\b.*?\b(?:print|output|return|result|write)|\b(?:print|output)\w*\b.*?\b[\w./-]+\.py\b|"
    r"\b(?:script|program|code)\b.*\b(?:print\w*|output\w*|runs?|result|return\w*)\b|"
    r"\b(?:print\w*|output\w*|runs?|result|return\w*)\b.*\b(?:script|program|code)\b", re.I | re.S,
)  # fmt: skip
_LOW = re.compile(r"\b(?:lowest|least|fewest|minimum|smallest|fastest|earliest|cheapest|shortest)\b", re.I)
_HIGH = re.compile(r"\b(?:highest|most|maximum|largest|biggest|slowest|latest|longest|top|best|hottest|won)\b", re.I)
_LEAD = re.compile(r"(?:^|, )((?:(?:in|from|at|to|for|of|by) )?(?:which|who|what|how|when)\b.*)", re.I | re.S)
_LISTED = re.compile(
    r"(?:(?:in|from|at|to|for|of) )?which\b|who\b|name the\b|"
    rf"what (?:are the (?:names|{'|'.join(_COUNTS)})\b|\w+ (?:has|had|sold|won|got|gave|lent)\b)", re.I,
)  # fmt: skip
_COMPARED = {
    "diff": r"\bhow many more\b|\bdifference\b|\bby how (?:many|much)\b.*\b(?:than|more|less|larger|smaller)\b",
    "exceed": r"\bby how many per ?cent\b.*\bexceed",
    "share": r"\b(?:percentage|share|what per cent|which per cent|proportion)\b",
    "weighted": r"\bweight(?:ed|s)\b",
    "value": r"(?:^|, )(?:in )?(?:which|what) (?:year|month|day)\b",
}
_FIGURES = {
    "mean": r"\b(?:mean|average)\b",
    "max": r"\b(?:highest|maximum|hottest|warmest|largest|peak)\b",
    "min": r"\b(?:lowest|minimum|coldest|smallest)\b",
    "many": r"\bhow many\b",
    "sum": r"\b(?:total|sum|altogether|together|combined|come to|how long|how much|revenue|worth|in all|overall|cost|"
    r"bill|grant|budget|expenses|freight|fee|charge)\b",
}
_WORD = re.compile(r"[^\W_]+")
STOP = {
    "a", "an", "and", "are", "as", "at", "be", "by", "did", "do", "does", "for", "from", "had", "has", "have", "how",
    "in", "is", "it", "its", "many", "much", "no", "not", "of", "on", "one", "or", "out", "that", "the", "their",
    "there", "they", "this", "to", "two", "three", "was", "were", "what", "when", "where", "which", "who", "will",
    "with", "all", "per", "than", "answer", "give", "number", "name", "only", "round", "decimal", "place", "places",
    "nearest", "whole",
}  # fmt: skip
"""Words that say nothing of what a question is about."""


@dataclass(frozen=True)
class Question:
    """A question as understood.

    op: sum, mean, many, max, min, top, list, share, diff, weighted, run or value; words: its telling words, stemmed.
    group: what "which ..." asks for; top: how many of them; unit: the one asked for; places: decimals or None.
    factors: (one of this unit, how many, of that unit); span: the first and the last day it asks about.
    """

    text: str
    op: str
    words: frozenset[str]
    group: str = ""
    top: int = 1
    low: bool = False
    unit: str = ""
    places: int | None = None
    alphabetical: bool = False
    code: str = ""
    factors: tuple[tuple[str, float, str], ...] = ()
    years: tuple[str, ...] = ()
    span: tuple[Date, Date] | None = None


def stem(word: str) -> str:
    """A word without the endings of plurals and cases, folded.

    >>> stem("Categories"), stem("orders"), stem("boxes"), stem("status")
    ('category', 'order', 'box', 'status')
    """
    word = word.casefold()
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("xes", "ches", "shes", "sses")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3 else word


@lru_cache(maxsize=65_536)
def words(text: str) -> tuple[str, ...]:
    """The stems of a text's words."""
    return tuple(stem(word) for word in _WORD.findall(text))


@lru_cache(maxsize=8_192)
def understand(text: str) -> Question:
    """Read a question."""
    asked = _FACTOR.sub("", re.split(r"(?<=[?])\s", text, maxsplit=1)[0] if "?" in text else text)
    match = _LEAD.search(asked.strip())
    lead = match[1] if match else asked.strip()  # without what stands before it: "Over all sales, which ..."
    op, code = _operation(asked, lead), _CODE.search(asked)
    unit, places = _UNIT_ASKED.search(asked), _ROUND.search(text)
    counted = (_COUNTS[word.casefold()] for word in re.findall(r"\w+", lead[:60]) if word.casefold() in _COUNTS)
    telling = [word for word in words(lead)[:8] if word not in STOP and word not in _COUNTS]
    return Question(
        text=asked, op="run" if code else op,
        words=frozenset(word for word in words(asked) if word not in STOP),
        group=next((word for word in telling if not _LOW.fullmatch(word) and not _HIGH.fullmatch(word)), ""),
        top=next(counted, 1) if op == "top" else 1,
        low=bool(_LOW.search(asked)),
        unit=unit[1].casefold() if unit else "",
        places=_COUNTS[places[1].casefold()] if places else 0 if _WHOLE.search(text) else None,
        alphabetical="alphabetical" in text,
        code=next(iter(re.findall(r"[\w./-]+\.py\b", asked)), "*.py") if code else "",
        factors=tuple((a.casefold(), float(x.rstrip(".")), b.casefold()) for a, x, b in _FACTOR.findall(text)),
        years=tuple(re.findall(r"\b(?:19|20)\d\d\b", asked)), span=_span(asked),
    )  # fmt: skip


def _operation(text: str, lead: str) -> str:
    def first(forms: dict[str, str]) -> str:
        return next((op for op, form in forms.items() if re.search(form, text, re.I)), "")

    if op := first(_COMPARED):
        return op
    if _LISTED.match(lead):
        return "top" if _HIGH.search(text) or _LOW.search(text) else "list"
    return first(_FIGURES) or "value"


def _span(text: str) -> tuple[Date, Date] | None:
    """The days that a question asks about: by dates, by a month, or by years."""
    days = list(filter(None, map(date, re.findall(r"\b\d{4}-\d\d-\d\d\b|\b\d{1,2} [A-Z][a-z]+ \d{4}\b", text))))
    if days:
        return days[0], days[:2][-1]
    if month := re.search(rf"\b({'|'.join(MONTHS)})\s+(\d{{4}})\b", text, re.I):
        start = int(month[2]), MONTHS[month[1].casefold()]
        return (*start, 0), (*start, 31)
    years = [int(year) for year in re.findall(r"\b(?:19|20)\d\d\b", text)]
    if not years:
        return None
    first, last = min(years), max(years)
    word = re.search(r"\b(after|since|before|until|from|in|by)\s+(?:the year\s+)?(?:19|20)\d\d\b", text, re.I)
    since = word[1].casefold() if word and first == last else ""
    if since in ("after", "since", "from"):
        first, last = first + (since == "after"), 9999
    elif since in ("before", "until"):
        first, last = 0, last - (since == "before")
    return (first, 0, 0), (last, 12, 31)
