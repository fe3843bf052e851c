"""Units of measure: common knowledge of their sizes, and reading them off headers, cells and questions."""

from __future__ import annotations

import re
from functools import lru_cache

_TABLE = {
    "length": {"m metre meter": 1, "km kilometre kilometer": 1000, "mi mile": 1609, "cm": 0.01, "mm": 0.001,
               "ft": 0.3048},
    "mass": {"g gram gramme": 1, "kg kilogram kilo": 1000, "lb lbs pound": 453.6, "oz ounce": 28.35,
             "t tonne": 1e6, "mg": 0.001},
    "time": {"s sec second": 1, "min minute": 60, "h hr hour": 3600, "day": 86400},
    "energy": {"wh": 1, "kwh": 1000, "mwh": 1e6},
    "density": {"mg/l": 1, "µg/l ug/l μg/l": 0.001, "g/l": 1000},
    "volume": {"l litre liter": 1, "ml": 0.001, "gal gallon": 3.785},
    "area": {"ha hectare": 10000, "acre": 4047, "m2 m²": 1, "km2 km²": 1e6},
    "heat": {"c °c celsius degrees~celsius": 1, "f °f fahrenheit degrees~fahrenheit": 2},
    "money": {"eur euro €": 1, "million~eur": 1e6,
              "keur k€ teur thousand thousands thousand~eur thousand~euro eur~thousand eur~thousands": 1000,
              "eur~k k~eur eur~000 1000~eur": 1000},
}  # fmt: skip
UNITS = {unit.replace("~", " "): (kind, size)
         for kind, sizes in _TABLE.items() for names, size in sizes.items() for unit in names.split()}  # fmt: skip
"""Every unit known: (what it measures, its size). Of temperatures the size only tells the scales apart."""
_ENDING = re.compile(
    r"[_ ](?:in[_ ])?(mi|km|m|kg|g|lb|lbs|oz|min|minutes|h|hours|sec|s|seconds|wh|kwh|f|c|ha|acres?|keur|eur|litres?|"
    r"gallons?|l|mg[_ /]l|ug[_ /]l|µg[_ /]l|miles)$", re.I,
)  # fmt: skip
_PER = re.compile(r"(?:^|[_ ])per[_ ](?:\d+[_ ]?)?([A-Za-z]+)$", re.I)
_INSIDE = re.compile(r"[(\[]([^)\]]+)[)\]]")


@lru_cache(maxsize=16_384)
def known(text: str) -> str:
    """The unit that a short text names, as `UNITS` has it, or "".

    >>> known("Miles"), known("EUR thousand"), known("boxes")
    ('mile', 'eur thousand', '')
    """
    text = " ".join(text.casefold().removeprefix("in ").split())
    forms = (text, text.rstrip("."), text.removesuffix("s"), text.replace("_", "/"), text.replace(",", ""))
    return next((form for form in forms if form in UNITS), "")


def kind(text: str) -> str:
    """What the unit that a text names measures, or ""."""
    return UNITS.get(known(text), ("", 0))[0]


@lru_cache(maxsize=16_384)
def header(text: str) -> tuple[str, str]:
    """(name, unit) of a column header.

    >>> header("distance_mi"), header("amount (EUR thousand)"), header("order_id")
    (('distance', 'mi'), ('amount', 'eur thousand'), ('order id', ''))
    """
    unit = ""
    if inside := _INSIDE.search(text):
        unit, text = known(inside[1]), text[: inside.start()] + text[inside.end() :]
    if not unit and (ending := _ENDING.search(text.strip())):
        unit, text = known(ending[1].replace(" ", "/")), text.strip()[: ending.start()]
    if not unit and (per := _PER.search(text)):
        unit = known(per[1])
    name = " ".join(text.replace("_", " ").casefold().split())
    return name, unit or known(name)


def convert(value: float, unit: str, asked: str, factors: tuple[tuple[str, float, str], ...] = ()) -> float:
    """`value` in the unit asked for; factors are (one of this unit, how many, of that unit) and come first.

    A unit that is not known, or of another kind, leaves the value as it is.
    """
    if not kind(unit) or kind(unit) != kind(asked):
        return value
    size, wanted = UNITS[unit][1], UNITS[asked][1]
    if kind(unit) == "heat":
        return value if size == wanted else (value - 32) / 1.8 if size == 2 else value * 1.8 + 32
    for this, times, that in factors:
        if kind(this) == kind(that) == kind(unit) and UNITS[known(this)][1] == size:
            return value * times * UNITS[known(that)][1] / wanted
        if kind(this) == kind(that) == kind(unit) and (UNITS[known(this)][1], UNITS[known(that)][1]) == (wanted, size):
            return value / times
    return value * size / wanted
