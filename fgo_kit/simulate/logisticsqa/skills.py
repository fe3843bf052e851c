"""Agent and evaluator: following rules, guessing without them, and saying what went wrong.

What a reader knows of transport documents without any rule is `_KNOWN`: common knowledge of labels,
in five languages, written down before any data was generated. Its strength is a free assumption.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Sequence
from functools import lru_cache
from html import unescape
from itertools import accumulate

from ..competence import Call, Draw, section
from ..limits import assumed
from .language import parse_rule
from .reading import Code, Reading, normal, read

_MARKED = re.compile(r'The right one follows the label "([^"]+)"')
_ANSWER = re.compile(r"^ANSWER:\s*(.*?)\s*$", re.MULTILINE)
_KNOWN = {
    "b/l": 3, "bl": 3, "hbl": 3, "mbl": 3, "awb": 3, "hawb": 3, "mawb": 3, "waybill": 3, "lading": 3, "cmr": 3,
    "booking": 3, "shipment": 3, "consignment": 3, "tracking": 3, "konşimento": 3, "konsimento": 3, "sevkiyat": 3,
    "conocimiento": 3, "embarque": 3, "polizza": 3, "spedizione": 3, "frachtbrief": 3, "sendung": 3,
    "sendungsnummer": 3, "transport": 2, "carrier": 2, "container": 1.2, "cntr": 1.2, "konteyner": 1.2,
    "contenedor": 1.2, "ref": 0.9, "reference": 0.9, "referans": 0.9, "riferimento": 0.9, "referencia": 0.9,
    "referenz": 0.9, "delivery": 0.8,
    "iban": 0, "vat": 0, "tax": 0, "folio": 0, "invoice": 0, "fattura": 0, "factura": 0, "fatura": 0,
    "rechnung": 0, "order": 0.2, "po": 0.2, "customer": 0.3, "phone": 0, "tel": 0, "certificate": 0, "plate": 0.1,
    "account": 0, "swift": 0, "weight": 0, "mrn": 0.3,
}  # fmt: skip
_KNOWN_FIELDS = {
    "waybill": 3, "shipment": 3, "consignment": 3, "transporthandlingunit": 2, "transportequipment": 1.5,
    "(bm)": 3, "(awb)": 3, "(mwb)": 3, "(hwb)": 3, "(bn)": 3, "(mb)": 3, "(aam)": 2, "(cn)": 2, "(ucn)": 2,
    "despatchdocument": 1, "additionaldocument": 1, "order": 0.2, "buyer": 0.2, "party": 0, "uuid": 0,
}  # fmt: skip
_UNLABELLED = {"once": 0.4, "repeatedly": 1.1}
KNOWLEDGE = (_KNOWN, _KNOWN_FIELDS, _UNLABELLED)
"""All of it, for the hash of frozen constants."""


def act(call: Call, rules: Sequence[tuple[str, str]]) -> tuple[str, str, tuple[str, ...]]:
    """(thought, answer, ids of the rules used) for a document under rules given as (id, text).

    Not every rule is obeyed. Of those that are and that apply the most specific wins.
    """
    document, obey = section("document", call.user), call.obeyed(len(rules))
    reading = read(document)
    best: tuple[int, str, str, str] | None = None
    for rule_id, text in rules:
        rule = parse_rule(text)
        if rule is None or (best is not None and rule.specificity <= best[0]):
            continue
        answer = rule.answer(reading)
        if answer is not None and (obey >= 1 or call.draw("obey", rule_id) < obey):
            best = (rule.specificity, answer, rule_id, text)
    if best is not None:
        return f"Rule {best[2]} applies.", best[1], (best[2],)
    return *_guess(document, call.draw), ()


def _guess(document: str, draw: Draw) -> tuple[str, str]:
    """(thought, answer) of a reader with common knowledge and no rules; None is among its answers."""
    prior = assumed()
    weights, reasons = _weights(document, prior.naive_none, prior.naive_sharpness)
    totals = list(accumulate(weights.values()))
    answer = list(weights)[bisect(totals, draw("guess") * totals[-1])]
    return reasons[answer], answer


@lru_cache(maxsize=8_192)
def _weights(document: str, none: float, sharpness: float) -> tuple[dict[str, float], dict[str, str]]:
    weights: dict[str, float] = {"None": none**sharpness}
    reasons = {"None": "Nothing here looks like a transport reference."}
    best: dict[str, float] = {}
    for code in read(document).codes:
        weight = _appeal(code)
        key = normal(code.text)
        if weight > best.get(key, 0):
            best[key] = weight
            weights[code.text] = weight**sharpness
            reasons[code.text] = f"It {_where(code)}, which looks like a transport reference."
    return weights, reasons


def _appeal(code: Code) -> float:
    words = code.labels[-1].replace(".", " ").split() if code.labels else []
    known = [_KNOWN[word] for word in words if word in _KNOWN]
    folded = code.field.casefold()
    known += [weight for part, weight in _KNOWN_FIELDS.items() if part in folded]
    if folded in ("id", "uuid"):  # the document's own number
        return 0.0
    return (0.0 if 0 in known else max(known)) if known else _UNLABELLED[code.seen]


def judge(call: Call) -> str:
    """What an evaluator who knows the expected answer writes; only the attribution can be missed or err."""
    action, expected = section("action", call.user), unescape(section("expected", call.user)).strip()
    reading, answer = read(section("document", call.user)), _ANSWER.search(action)
    given = answer[1] if answer else action
    right = normal(given) == normal(expected)
    if not normal(expected):
        if right:
            return "Right: this document has no transport reference."
        taken = _attribution("The code taken", reading, given, call.draw)
        return f"Wrong: this document has no transport reference. {taken}"
    verdict = "Right." if right else f"Wrong: the transport reference is {expected}."
    if call.draw("attribute") >= call.noticed(2):
        return f"{verdict} It could not be told what marks it."
    return f"{verdict} {_attribution('The right one', reading, expected, call.draw)}"


def _attribution(subject: str, reading: Reading, text: str, draw: Draw) -> str:
    places = [code for code in reading.codes if normal(code.text) == normal(text)]
    if not places:
        return f"{subject} does not stand in the document as one code."
    return f"{subject} {_where(places[int(draw('place') * len(places))])}."


def _where(code: Code) -> str:
    label = f'follows the label "{code.labels[min(1, len(code.labels) - 1)]}" and ' if code.labels else ""
    return f'{label}stands in the field "{code.field}"'


def explained(feedback: str) -> tuple[bool, str]:
    """Whether a reviewer's feedback tells what marks the answer, and the label it names, or ""."""
    marked = _MARKED.search(feedback)
    return marked is not None or "no transport reference" in feedback, marked[1] if marked else ""
