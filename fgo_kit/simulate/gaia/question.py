"""Reading a question: the operation it asks for, its filters in words, and the form of its answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from .cells import MONTHS, date

_FACTOR = re.compile(r"\b1 ([A-Za-z°µ/]+(?: [a-z]+)?) (?:=|is|equals) ([\d.]+) ([A-Za-z°µ/]+)")
_PLACES = {"no": 0, "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "1": 1, "2": 2, "3": 3, "4": 4, "0": 0}
_ROUND = re.compile(r"\b(no|zero|one|two|three|four|\d) decimals?(?: places?)?", re.I)
_WHOLE = re.compile(r"\b(?:nearest )?(?:whole number|integer)\b", re.I)
_COUNTS = {"two": 2, "three": 3, "four": 4, "five": 5, "ten": 10, **{str(n): n for n in range(2, 20)}}
_WHICH = re.compile(r"\b(?:which|who (?:were|are|was|is) the|what (?:were|are) the)\s+(?:of the\s+)?(?:(\w+)\s+)??"
                    r"(?:(?:most|highest|fastest|largest|best|cheapest)\s+)?([a-z]+)\b", re.I)  # fmt: skip
_UNIT_ASKED = re.compile(
    r"\bin (thousand EUR|EUR|kcal|euros?|kilomet(?:re|er)s|km|miles|met(?:re|er)s|degrees Celsius|"
        r"degrees Fahrenheit|°[CF]|"
    r"kg|kilograms?|grams?|hours|minutes|seconds|kWh|Wh|litres|liters|mg/l|µg/l|hectares|ha|USD|dollars|tonnes)\b"
    r"|\bhow (?:many|much) (thousand EUR|EUR|hours|minutes|kilomet(?:re|er)s|km|litres|liters|kWh|kg|"
        r"kcal|hectares)\b", re.I
)  # fmt: skip
_CODE = re.compile(
    r"\b([\w./-]+\.py)\b.*?\b(?:print|output|return|result|write)|\b(?:print|output)\w*\b.*?\b([\w./-]+\.py)\b", re.I
)
_SCRIPT = re.compile(r"\b(?:script|program|code)\b", re.I)
_PRINTS = re.compile(r"\b(?:print\w*|output\w*|runs?|result|return\w*)\b", re.I)
_LOW = re.compile(r"\b(?:lowest|least|fewest|minimum|smallest|fastest|earliest|cheapest|shortest)\b", re.I)
_HIGH = re.compile(r"\b(?:highest|most|maximum|largest|biggest|slowest|latest|longest|top|best|hottest|won)\b", re.I)
_SUM = re.compile(
    r"\b(?:total|sum|altogether|together|combined|come to|how long|how much|revenue|worth|in all|overall)\b", re.I
)
_MEAN = re.compile(r"\b(?:mean|average)\b", re.I)
_SHARE = re.compile(r"\b(?:percentage|share|what per cent|which per cent|proportion)\b", re.I)
_WORD = re.compile(r"[^\W_]+")
STOP = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "by",
        "did",
        "do",
        "does",
        "for",
        "from",
        "had",
        "has",
        "have",
        "how",
        "in",
        "is",
        "it",
        "its",
        "many",
        "much",
        "no",
        "not",
        "of",
        "on",
        "one",
        "or",
        "out",
        "that",
        "the",
        "their",
        "there",
        "they",
        "this",
        "to",
        "two",
        "three",
        "was",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "will",
        "with",
        "all",
        "per",
        "than",
        "answer",
        "give",
        "number",
        "name",
        "only",
        "round",
        "decimal",
        "place",
        "places",
        "nearest",
        "whole",
    ]
)


@dataclass(frozen=True)
class Query:
    """A question as understood.

    op: sum, mean, count, max, min, top, list, share, diff, run or value; words: its telling words, stemmed.
    group: what "which ..." asks for; top: how many of them; unit: the one asked for; places: decimals or None.
    """

    text: str
    op: str
    words: frozenset[str]
    group: str = ""
    top: int = 1
    low: bool = False
    unit: str = ""
    places: int | None = None
    order: str = ""
    code: str = ""
    factors: tuple[tuple[str, float, str], ...] = ()
    years: tuple[str, ...] = ()
    month: tuple[int, int] | None = None
    span: tuple = ()
    since: str = ""


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
def understand(text: str) -> Query:
    """Read a question."""
    asked = re.split(r"(?<=[?])\s", text, maxsplit=1)[0] if "?" in text else text
    asked = _FACTOR.sub("", asked)
    op, code = _operation(asked), _CODE.search(asked) or (_SCRIPT.search(asked) and _PRINTS.search(asked))
    which = _WHICH.search(asked)
    unit = _UNIT_ASKED.search(asked)
    places = _ROUND.search(text)
    days = _days(asked)
    counted = next(
        (_COUNTS[word.casefold()] for word in re.findall(r"\w+", _lead(asked)[:60]) if word.casefold() in _COUNTS), 1
    )
    month = re.search(rf"\b({'|'.join(MONTHS)})\s+(\d{{4}})\b", asked, re.I)
    since = re.search(r"\b(after|since|before|until|from|in|by)\s+(?:the year\s+)?((?:19|20)\d\d)\b", asked, re.I)
    return Query(
        text=asked, op="run" if code else op,
        words=frozenset(word for word in words(asked) if word not in STOP),
        group=_grouped(asked, which) if op in ("top", "list") else "",
        top=counted if op == "top" else 1,
        low=bool(_LOW.search(asked)),
        unit=(unit[1] or unit[2]).casefold() if unit else "",
        places=_PLACES[places[1].casefold()] if places else 0 if _WHOLE.search(text) else None,
        order="alphabetical" if "alphabetical" in text else "",
        code=next(iter(re.findall(r"[\w./-]+\.py\b", asked)), "*.py") if code else "",
        factors=tuple((a.casefold(), float(x.rstrip(".")), b.casefold()) for a, x, b in _FACTOR.findall(text)),
        years=tuple(re.findall(r"\b(?:19|20)\d\d\b", asked)),
        month=(int(month[2]), MONTHS[month[1].casefold()]) if month and not days else None,
        span=days, since=since[1].casefold() if since else "",
    )  # fmt: skip


_ASKS = re.compile(r"(?:^|, )((?:(?:in|from|at|to|for|of|by) )?(?:which|who|what|how|when)\b.*)", re.I | re.S)


def _lead(text: str) -> str:
    """The question proper, without what stands before it: "Over all sales, which ..."."""
    found = _ASKS.search(text.strip())
    return found[1] if found else text.strip()


def _operation(text: str) -> str:
    lead = _lead(text).casefold()
    if re.search(
        r"\bhow many more\b|\bdifference\b|\bby how (?:many|much)\b.*\b(?:than|more|less|larger|smaller)\b", text, re.I
    ):
        return "diff"
    if re.search(r"\bby how many per ?cent\b.*\bexceed", text, re.I):
        return "exceed"
    if _SHARE.search(text):
        return "share"
    if re.search(r"\bweight(?:ed|s)\b", text, re.I):
        return "weighted"
    listing = re.match(
        r"(?:which|who)\b|(?:in|from|at|to|for|of) which\b|what are the (?:names|"
        + "|".join(_COUNTS)
        + r")\b|name the\b",
        lead,
    )
    if re.match(r"(?:in )?(?:which|what) (?:year|month|day)\b", lead):
        return "value"
    if listing or (re.match(r"what\b", lead) and re.match(r"what \w+ (?:has|had|sold|won|got|gave|lent)\b", lead)):
        return "top" if _HIGH.search(text) or _LOW.search(text) else "list"
    if _MEAN.search(text):
        return "mean"
    if re.search(r"\b(?:highest|maximum|hottest|warmest|largest|peak)\b", text, re.I):
        return "max"
    if re.search(r"\b(?:lowest|minimum|coldest|smallest)\b", text, re.I):
        return "min"
    if re.search(r"\bhow many\b", text, re.I):
        return "many"
    if _SUM.search(text) or re.search(r"\b(?:cost|bill|grant|budget|expenses|freight|fee|charge)\b", text, re.I):
        return "sum"
    return "value"


def _grouped(text: str, which) -> str:
    names = _WORD.findall(_lead(text))[:8]
    skipped = {
        "in",
        "from",
        "at",
        "to",
        "for",
        "of",
        "name",
        "names",
        "which",
        "who",
        "what",
        "were",
        "are",
        "was",
        "is",
        "the",
        *_COUNTS,
        "most",
        "highest",
    }
    plain = [
        word
        for word in names
        if word.casefold() not in skipped and not _LOW.fullmatch(word) and not _HIGH.fullmatch(word)
    ]
    return stem(plain[0]) if plain else ""


def _days(text: str) -> tuple:
    """Whole dates in the question, in order: one, or two that bound a span."""
    found = []
    for place in re.finditer(r"\b\d{4}-\d\d-\d\d\b|\b\d{1,2} [A-Z][a-z]+ \d{4}\b", text):
        day = date(place[0])
        if day and day[2]:
            found.append(day)
    return tuple(found[:2])


__all__ = ["Query", "STOP", "stem", "understand", "words"]
