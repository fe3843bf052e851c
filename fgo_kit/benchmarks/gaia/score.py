"""The scorer of GAIA (Mialon et al. 2023, arXiv 2311.12983), branch by branch as on its leaderboard."""

from __future__ import annotations

import math
import re
import string

_PUNCTUATION = str.maketrans("", "", string.punctuation)


def score(answer: str, truth: str) -> bool:
    """Whether an extracted answer equals the truth, as GAIA's own scorer says.

    A truth that is a number is compared as a number, after `$ % ,` are taken from the answer. One with a comma
    or semicolon is a list: same length, element by element, numbers as numbers, texts without white space, in
    lower case, punctuation kept. Any other truth is compared without white space and ASCII punctuation, in lower
    case. So a truth of `1,000` is a list of two, and units, articles and an unextracted "FINAL ANSWER:" are wrong.

    >>> score("$1,234.50", "1234.5"), score("a, B", "A,b"), score("1000", "1,000")
    (True, True, False)
    """
    if _is_number(truth):
        return _number(answer) == float(truth)
    if "," in truth or ";" in truth:
        given, wanted = re.split("[,;]", answer), re.split("[,;]", truth)
        return len(given) == len(wanted) and all(map(_same_element, given, wanted))
    return _bare(answer).translate(_PUNCTUATION) == _bare(truth).translate(_PUNCTUATION)


def _same_element(given: str, wanted: str) -> bool:
    return _number(given) == float(wanted) if _is_number(wanted) else _bare(given) == _bare(wanted)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(text: str) -> float:
    """The official scorer takes what is no number for infinity: equal only to a truth of `inf`."""
    try:
        return float(text.replace("$", "").replace("%", "").replace(",", ""))
    except ValueError:
        return math.inf


def _bare(text: str) -> str:
    return re.sub(r"\s", "", text).lower()
