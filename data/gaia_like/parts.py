"""What the families share: random draws with traps, the rows that count, exact rounding, the registry."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

import numpy as np
import pools
from worlds import TWICE, Conventions, conventions

FAMILIES: dict[str, Family] = {}
PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71)
PAGE = 6_000  # characters that read_file shows at a time

# What an annotator would write down about each trap; no answer and no file name in it.
PROCEDURES = {
    "status": "Leave out rows whose status says that they do not count (cancelled, void, test and the like).",
    "status_all": "Count all rows, as the question says, whatever their status.",
    "dup": "Count a record that appears more than once with the same id only once.",
    "blank": "Leave missing values (empty or a code for missing) out; they are not zero.",
    "blank_zero": "Take an empty cell as zero, as the note says.",
    "total": "Leave out total lines; they are no records.",
    "scale": "Multiply by 1000: the file gives thousands, the question asks for the full amount.",
    "unit": "Convert every value to the unit that is asked for.",
    "newest": "Use the newest valid version.",
    "draft": "Do not use the newer version: it is a draft that was not approved.",
    "first": "Use the first version, as the question says.",
    "correction": "Apply the correction that is given separately.",
    "all": "Read on: sheets, pages and files after the first belong to the data as well.",
    "cut": "Read on where the output of a long file is cut, or compute with a program.",
    "run": "Run the code; its comments describe it wrongly.",
    "key": "Match keys whatever their case, blanks and hyphens.",
    "legend": "Look the code up in the legend and answer with the name.",
    "decoy": "Use only the files that the question is about.",
    "rule": "Follow the rule that the accompanying file states.",
}


class Redraw(Exception):
    """This draw would be ambiguous or a trap would not bite: draw again."""


@dataclass(frozen=True)
class Family:
    name: str
    level: int
    seen: bool
    build: Callable


@dataclass(frozen=True)
class Made:
    """A task with its check. `oracle(call)` solves it by tool calls; `wrong` has an answer a misreading."""

    question: str
    files: dict[str, str | bytes]
    answer: str
    oracle: Callable
    wrong: dict[str, str]


@dataclass
class Draw:
    """Random choices of one task; `traps` are the procedures that its answer depends on."""

    rng: np.random.Generator
    family: str = ""
    turn: int | None = None
    traps: set[str] = field(default_factory=set)
    visible: int = 0  # rows of the long table that the first page of read_file shows
    conventions: Conventions = Conventions()

    def pick(self, pool):
        return pool[int(self.rng.integers(len(pool)))]

    def some(self, pool, n: int) -> list:
        pool = list(pool)
        return [pool[i] for i in self.rng.permutation(len(pool))[:n]]

    def number(self, low: int, high: int, step: int = 1) -> int:
        """From low to high, both included."""
        return low + step * int(self.rng.integers((high - low) // step + 1))

    def size(self, low: int, high: int, long: int, p: float = 0.3) -> int:
        """How many rows a table has; at times `long`, more than one page of read_file holds."""
        return long + self.number(0, 20) if self.trap("cut", p) else self.number(low, high)

    def chance(self, p: float = 0.5) -> bool:
        return bool(self.rng.random() < p)

    def trap(self, name: str, p: float = 0.4) -> bool:
        """Whether a trap is laid, with chance p."""
        if self._lot(name) < p:
            self.traps.add(name)
        return name in self.traps

    def trap_of(self, *names: str) -> str:
        """One of these traps, or none where "" comes up; repeat a name to make it more likely."""
        name = names[int(self._lot(max(names)) * len(names))]
        self.traps |= {name} - {""}
        return name

    def _lot(self, trap: str) -> float:
        """Between 0 and 1: random, or the `turn`-th of a sequence that spreads each trap evenly over a family.

        Steps are roots of primes (Richtmyer's sequence), so that the traps of a family come independently.
        """
        if self.turn is None:
            return float(self.rng.random())
        step = PRIMES[list(PROCEDURES).index(trap)] ** 0.5
        return (zlib.crc32(f"{self.family} {trap}".encode()) / 2**32 + self.turn * step) % 1

    def say(self, form, *wordings: str) -> str:
        """One wording of the question, with a sentence about the form of the answer."""
        return self.pick(wordings) + self.pick(pools.FORM[form])

    def names(self, n: int) -> list[str]:
        """Full names; no last name twice."""
        return [f"{a} {b}" for a, b in zip(self.some(pools.FIRST, n), self.some(pools.LAST, n), strict=True)]

    def day(self, year: int = 2024, month: int = 0) -> str:
        return f"{year}-{month or self.number(1, 12):02d}-{self.number(1, 28):02d}"

    def shuffled(self, rows: list) -> list:
        return self.some(rows, len(rows))

    def spread(self, values, n: int) -> list:
        """n values: every one of `values` about as often as the others, in random order."""
        values = list(values)
        return self.shuffled([values[i % len(values)] for i in range(n)])


def statuses(d: Draw, rows: list[dict], p: float = 0.4, column: str = "status") -> str:
    """Add a status column. Returns the word of the rows that do not count, "" where there are none.

    With `status` the dead rows do not count; with `status_all` the question must say that they do.
    """
    live, dead = d.pick(d.conventions.live), d.pick(d.conventions.dead)
    if not d.trap("status", p):
        d.trap("status_all", 0.2)
    has = bool(d.traps & {"status", "status_all"})
    few = max(2, len(rows) // 5) if has else 0
    chosen = set(d.some(range(len(rows)), few))
    for at, row in enumerate(rows):
        row[column] = dead if at in chosen else live
    return dead if has else ""


def even_if(d: Draw, dead: str, things: str) -> str:
    """The words of a question that asks about all rows."""
    if "status_all" not in d.traps:
        return ""
    return d.pick((f", including {things} marked {dead}", f", whatever the status of the {things}"))


def repeats(d: Draw, rows: list[dict], p: float = 0.45) -> list[dict]:
    """Some rows a second time, further down, if the trap is drawn."""
    if not d.trap("dup", p):
        return rows
    rows = list(rows)
    for row in d.some(rows, max(3, len(rows) // 4)):
        rows.insert(d.number(rows.index(row) + 1, len(rows)), row)
    return rows


def counted(d: Draw, rows: list[dict], skip=frozenset(), key: str = "", column: str = "status") -> list[dict]:
    """The rows that count, or those that a reader who ignores the traps in `skip` would count."""
    rows = rows[: d.visible] if "cut" in skip else rows
    keep_dead = ("status_all" in d.traps) != bool({"status", "status_all"} & skip)
    rows = [row for row in rows if keep_dead or row.get(column) not in d.conventions.dead]
    once = ("dup" in skip) == d.conventions.twice
    return list({row[key]: row for row in rows}.values()) if key and once else rows


def paged(d: Draw, text: str, rows: list[dict]) -> str:
    """The text of a table of rows; notes how many of them stand on read_file's first page."""
    d.visible = text[:PAGE].count("\n") - (text.count("\n") - len(rows))
    return text


def notes(d: Draw, dead: str = "", thing: str = "row", key: str = "id", more=()) -> list[str]:
    """Note lines: always those in `more`; those on status and repeats half of the time; a plain one at times."""
    plural = thing[:-1] + "ies" if thing.endswith("y") else f"{thing}s"
    words = {"dead": dead, "Dead": dead.capitalize(), "thing": thing, "things": plural,
             "Things": plural.capitalize(), "key": key}  # fmt: skip
    lines = [d.pick(pools.PLAIN_NOTES)] if d.chance(0.4) else []
    lines += more
    if "status" in d.traps and dead and d.chance(0.6):
        lines.append(d.pick(pools.NOTES["status"]).format(**words))
    if "dup" in d.traps and d.chance(0.4):
        lines.append(d.pick(TWICE["note"] if d.conventions.twice else pools.NOTES["dup"]).format(**words))
    return lines


def mangled(d: Draw, key: str) -> str:
    """The key as another office writes it: C-014 as c014, C 014 or c-014."""
    return d.pick((key.lower(), key.replace("-", " "), key.replace("-", ""), key.replace("-", "").lower()))


def plain_key(key: str) -> str:
    return key.replace("-", "").replace(" ", "").upper()


def rounded(value, digits: int = 0) -> str:
    """Exact rounding; Redraw where a reader who rounds in between might get another answer."""
    scaled = Fraction(value) * 10**digits
    if abs(scaled - floor(scaled) - Fraction(1, 2)) < Fraction(1, 25):
        raise Redraw("close to a rounding boundary")
    whole = floor(scaled + Fraction(1, 2))
    return _decimal(whole, digits)


def exact(value) -> str:
    """A value that has at most two decimals, without rounding."""
    value = Fraction(value)
    if (value * 100).denominator != 1:
        raise ValueError(f"{value} has more than two decimals; give it a rounding")
    return _decimal(int(value * 100), 2).rstrip("0").rstrip(".")


def _decimal(whole: int, digits: int) -> str:
    """`whole` units of the last of `digits` decimals: 1205, 2 is 12.05. Fractions format from 3.12 on only."""
    text = f"{abs(whole):0{digits + 1}d}"
    return ("-" if whole < 0 else "") + (f"{text[:-digits]}.{text[-digits:]}" if digits else text)


def best(scores: dict[str, Fraction], n: int = 1, gap=0, reverse: bool = True) -> str:
    """The n best names in order, comma separated; Redraw where two that matter are within `gap`."""
    order = sorted(scores, key=lambda name: scores[name], reverse=reverse)
    if len(order) < n:
        raise Redraw("too few names")
    for a, b in zip(order[: n + 1], order[1 : n + 1], strict=False):
        if abs(scores[a] - scores[b]) <= gap:
            raise Redraw("a tie")
    return ", ".join(order[:n])


def totals(rows: list[dict], name: str, value: Callable) -> dict[str, Fraction]:
    sums: dict[str, Fraction] = {}
    for row in rows:
        sums[row[name]] = sums.get(row[name], 0) + value(row)
    return sums


def family(level: int, seen: bool):
    """Register a builder `f(d) -> (question, files, solve, oracle)`; see `make_task`."""

    def register(build):
        name = build.__name__.strip("_")
        FAMILIES[name] = Family(name, level, seen, build)
        return build

    return register


def procedure(world: int, trap: str) -> str:
    """What an annotator would write down about a trap in a world."""
    return TWICE["step"] if trap == "dup" and conventions(world).twice else PROCEDURES[trap]


def make_task(entry: Family, world: int, turn: int, same: Callable[[str, str], bool]) -> tuple[Made, set[str]]:
    """The first draw of the `turn`-th task of a family that has one right answer.

    solve(skip) gives the answer of a reader who ignores the traps in `skip`; each of them alone and all of
    them together must give an answer that `same`, the official scorer, tells from the right one.
    """
    for attempt in range(500):
        # Traps that go with the turn are kept for long, or those that seldom bite would become rare.
        rng = np.random.default_rng([20250601, world, zlib.crc32(entry.name.encode()), turn, attempt])
        d = Draw(rng, entry.name, turn if attempt < 200 else None, conventions=conventions(world))
        try:
            question, files, solve, oracle = entry.build(d)
            answer = solve(frozenset())
            wrong = {name: _misread(solve, frozenset([name])) for name in sorted(d.traps)}
            if len(d.traps) > 1:
                wrong["all of them"] = _misread(solve, frozenset(d.traps))
        except Redraw:
            continue
        if not any(same(given, answer) for given in wrong.values()):
            return Made(question, files, answer, oracle, wrong), d.traps
    raise RuntimeError(f"no unambiguous task of family {entry.name!r} in 500 draws; loosen its traps")


def _misread(solve, skip: frozenset) -> str:
    try:
        return solve(skip)
    except (ZeroDivisionError, KeyError, ValueError, StopIteration) as error:
        return f"fails: {type(error).__name__}"
