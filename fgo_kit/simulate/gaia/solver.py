"""Agent: answering a question about files with tools, with the mistakes of a naive solver and under rules.

A solver that obeys no rule stops reading early, skips notes, believes comments in code, adds up in its head,
takes every row, figure and version as it stands, and at times forgets the form of the answer. The rates of
these mistakes are free assumptions: no published number was found. They were set once, on training and gate
tasks, so that a solver without rules answers between a fifth and three fifths of them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from ...calls.protocol import BadRequest
from ...calls.toolcalls import call_text
from ..competence import Call
from . import compute
from .frames import TREATMENTS
from .language import Practice, parse_rule
from .question import understand
from .reading import read_chat
from .rows import DEAD
from .world import base


@dataclass(frozen=True)
class Unaided:
    """How often a solver without rules does what is right, drawn once a task; and the rates of its mistakes."""

    skip: float = 0.15
    once: float = 0.15
    missing: float = 0.4
    totals: float = 0.45
    scale: float = 0.35
    convert: float = 0.6
    newest: float = 0.5
    correct: float = 0.35
    keys: float = 0.5
    legend: float = 0.7
    decoys: float = 0.6
    form: float = 0.88
    round: float = 0.92
    order: float = 0.9
    notes: float = 0.4  # reads a file of notes, and follows special notes
    all: float = 0.4  # reads on: sheets, pages, and files beyond the first few
    run: float = 0.3  # runs code instead of reading it
    pages: float = 0.35  # opens more than the first page that a search names
    precise: float = 0.5  # uses the calculator
    heeds: float = 0.4  # does what a note that was read asks for
    yields: float = 0.35  # yields to question and notes, under a rule that does not say so
    judges: float = 0.85  # yields to them where no rule is involved
    slips: float = 0.25  # adds up many figures wrong without a calculator
    second_file: float = 0.9  # reads a second file of data


UNAIDED = Unaided()
MANY = 6
"""So many figures are not added up in the head without slips."""
LAST_TURN = 17
"""After so many calls it answers with what it has."""
FEW_FILES = 3
"""A solver that does not read on reads so many files of data."""
_NOTES = re.compile(
    r"(?:note|read ?me|legend|rule|protocol|correct|change|errat|info|instruction)[^/]*$|\.(?:md|txt)$", re.I
)
_NOTED = re.compile(r"note|read ?me|correct|change|errat", re.I)
_PAGES = re.compile(r"(?:^|/)pages/")
_CUES = {
    "once": re.compile(r"\b(?:twice|repeats?|repeated|duplicat\w*|sent again)\b", re.I),
    "missing": re.compile(r"\b(?:empty|blank|missing|not measured|no figure|nothing is written)\b", re.I),
    "scale": re.compile(r"\bthousands?\b|\bkEUR\b", re.I),
    "correct": re.compile(r"\bcorrection|\berrat", re.I),
    "notes": re.compile(r"\bboxes of\b|\bVAT\b|\boffset\b", re.I),
    "skip": re.compile(rf"\b(?:{'|'.join(sorted(DEAD))})\b.*\b(?:not|left out|exclud\w*|only)\b", re.I),
}
_RUN = """\
import os, runpy, zipfile
for name in os.listdir("."):
    if name.endswith(".zip"):
        zipfile.ZipFile(name).extractall(".")
found = [os.path.join(folder, name) for folder, _, names in os.walk(".") for name in sorted(names) if name == {name!r}]
os.chdir(os.path.dirname(found[0]))
runpy.run_path({name!r}, run_name="__main__")"""


def act(call: Call, rules: Sequence[tuple[str, str]]) -> tuple[str, str, tuple[str, ...]]:
    """(thought, call or final answer, ids of the rules used) for the next turn, under rules given as (id, text).

    Every rule is obeyed on a task or not; `lasting` draws stay the same for a task.
    """
    solver = _Solver(call, rules)
    thought, line = solver.move()
    return thought, line, tuple(dict.fromkeys(solver.used))


Move = tuple[str, str]
"""(thought, call of a tool or final answer)."""


def _read(name: str, thought: str) -> Move:
    return thought, call_text("read_file", {"name": name})


class _Solver:
    """One turn being thought about."""

    def __init__(self, call: Call, rules: Sequence[tuple[str, str]]):
        case = read_chat(call.chat)
        if case is None:
            raise BadRequest("the simulated LLM finds no whole <question> ... </question> section in this prompt")
        self.case, self.question = case, understand(case.question)
        self.lasting, self.cite, obey = call.lasting, "RULES:" in call.system, call.obeyed(len(rules))
        self.used: list[str] = []
        self.practices: dict[str, list[tuple[str, Practice]]] = defaultdict(list)
        for rule_id, text in rules:
            practice = parse_rule(text)
            if practice is not None and (obey >= 1 or self.lasting("obey", rule_id) < obey):
                self.practices[practice.kind].append((rule_id, practice))

    def by_itself(self, rate: str, *what: object) -> bool:
        """Whether it does what is right without a rule."""
        return self.lasting(*what) < getattr(UNAIDED, rate)

    def does(self, kind: str, *what: object) -> bool:
        """Whether it does what is right: by itself, or by a rule, which is then among those used."""
        if self.by_itself(kind, "habit", kind, *what):
            return True
        self.used += [rule_id for rule_id, _ in self.practices.get(kind, ())[:1]]
        return kind in self.practices

    def move(self) -> Move:
        case = self.case
        if self.question.op == "run" and any(name.endswith((".py", ".zip")) for name in case.files):
            return self._program()
        return (self._next_file() if len(case.events) < LAST_TURN else None) or self._answer()

    # -- reading

    def _next_file(self) -> Move | None:
        """The next file or page to read, or None where it has seen enough."""
        case, read = self.case, self.case.read()
        if archive := self._unopened_archive():
            return archive
        names = [name for name in case.listed() if not name.endswith((".zip", ".py", ".png", ".jpg", ".jpeg", ".gif"))]
        if any(_PAGES.search(name) for name in names):
            return self._next_page([base(name) for name in names if _PAGES.search(name)])
        if not names and not case.events:
            return "There are no files, so I search.", self._search()
        notes = [name for name in names if _NOTES.search(name) and len(names) > 1]
        data = sorted((name for name in names if name not in notes), key=self._promise)
        few = 1 if len(data) < 2 or not self.by_itself("second_file", "second file") else FEW_FILES
        data = data if len(data) <= few or self.does("all", "files") else data[:few]
        wanted = [name for name in names if name in data or (name in notes and self.does("notes", name))] or names[:1]
        for name in wanted:
            if name not in read:
                return _read(name, f"I read {base(name)}.")
            last = [event for event in case.events if event.name == name][-1]
            if not last.whole and not last.failed and last.page < 8 and self.does("all", "pages", name):
                return "The text goes on.", call_text("read_file", {"name": name, "page": last.page + 1})
        return None

    def _unopened_archive(self) -> Move | None:
        archives = (name for name in self.case.files if name.endswith(".zip") and name not in self.case.read())
        return next((_read(name, "I look at what is in the archive.") for name in archives), None)

    def _search(self) -> str:
        return call_text("search", {"query": " ".join(sorted(self.question.words))[:200] or self.case.question[:200]})

    def _promise(self, name: str) -> int:
        """Files whose names the question speaks of come first."""
        parts = re.split(r"[\W_]+", base(name).casefold())
        return -sum(len(part) > 2 and part in self.case.question.casefold() for part in parts)

    def _next_page(self, pages: list[str]) -> Move | None:
        """Search, open what is found, and follow the names that a page adds to those of the question."""
        case, opened = self.case, [event.name for event in self.case.used("open_page")]
        most = 8 if self.does("pages") else 1 + (len(self.question.text) % 2)
        searches = case.used("search")
        if not searches:
            return "I search the pages.", self._search()
        steps, linked = compute.next_page(case.question, case.sources())
        if linked and len(opened) < most:
            return f"The page refers to {linked}.", call_text("open_page", {"name": base(linked)})
        lines = (line for event in searches for line in event.output.splitlines() if " | " in line)
        named = [line.split(" | ")[0] for line in lines] if len(opened) < (1 if steps > 1 else most) else []
        noted = (name for name in pages if _NOTED.search(name) and name not in opened and self.does("notes", name))
        further = next(chain((name for name in named if name not in opened), noted), None)
        return further and (f"I open {further}.", call_text("open_page", {"name": further}))

    # -- programs

    def _program(self) -> Move:
        case = self.case
        if ran := case.used("run_python"):
            printed = [] if ran[-1].failed else ran[-1].output.strip().splitlines()
            return "This is what it prints.", f"FINAL ANSWER: {printed[-1].strip() if printed else 'unknown'}"
        if archive := self._unopened_archive():
            return archive
        programs = [name for name in case.listed() if name.endswith(".py")] or [self.question.code]
        name = next((name for name in programs if base(name) == base(self.question.code)), programs[0])
        if self.does("run"):
            return "I run the program.", call_text("run_python", {"code": _RUN.format(name=base(name))})
        if name not in case.read():
            return _read(name, "I read the program.")
        figures = re.findall(r"\d+", dict(case.sources()).get(name, "")) or ["0"]
        guess = figures[int(self.lasting("guess") * len(figures))]
        return "By its comments I take it to be this.", f"FINAL ANSWER: {guess}"

    # -- computing

    def _treatments(self, lines: Sequence[str]) -> frozenset[str]:
        """What it does to the data: what rules say, what notes ask for and are heeded, what it does by itself."""
        on: set[str] = set()
        for kind in TREATMENTS:
            if kind in self.practices:
                on.update(*(practice.treatments for _, practice in self.practices[kind]))
                yields = self.by_itself("yields", "yields", kind)
            elif self._heeds(kind, lines) or self.by_itself(kind, "habit", kind):
                on.add(kind)
                yields = self.by_itself("judges", "judges", kind)
            else:
                continue
            on |= {f"{kind}?"} if yields else set()
        return frozenset(on)

    def _heeds(self, kind: str, lines: Sequence[str]) -> bool:
        """Whether a note asks for a treatment, and is heeded without a rule."""
        return kind in _CUES and any(map(_CUES[kind].search, lines)) and self.by_itself("heeds", "heeds", kind)

    def _answer(self) -> Move:
        sources = self.case.sources()
        on = self._treatments(compute.lines_of(sources))
        answer, figures = compute.computed(self.case.question, sources, on)
        if answer is None:
            return "I cannot find it in what I read.", "FINAL ANSWER: unknown"
        if len(figures) >= MANY and not self.case.used("calculator"):
            added = " + ".join(f"{figure:g}" for figure in figures)
            if len(added) < 900 and self.does("precise"):
                return f"I add up {len(figures)} figures.", call_text("calculator", {"expression": added})
            if self.by_itself("slips", "slips"):
                answer = self._slipped(answer)
        if self.cite:
            self._cite(sources, on, answer)
        return f"I take {len(figures)} figures into account.", f"FINAL ANSWER: {answer}"

    def _slipped(self, answer: str) -> str:
        """A sum in the head: one digit is off."""
        off = (1, 10, -1, -10)[int(self.lasting("slip") * 4)]
        return re.sub(r"\d+", lambda digits: str(max(0, int(digits[0]) + off)), answer, count=1)

    def _cite(self, sources: compute.Sources, on: frozenset[str], given: str) -> None:
        """Adds the rules without which the answer would be another to those used."""
        for rule_id, practice in (rule for rules in self.practices.values() for rule in rules):
            without = on - practice.treatments
            if practice.kind in TREATMENTS and compute.answer(self.case.question, sources, without) != given:
                self.used.append(rule_id)
