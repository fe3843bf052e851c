"""Agent: answering a question about files with tools, with the mistakes of a naive solver and under rules.

A solver that obeys no rule stops reading early, skips notes, believes comments in code, adds up in its head,
takes every row, figure and version as it stands, and at times forgets the form of the answer. The rates of
these mistakes are free assumptions: no published number was found. They were set once, on training and gate
tasks, so that a solver without rules answers between a fifth and three fifths of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...calls.protocol import BadRequest
from ..competence import Call
from . import compute
from .frames import TREATMENTS
from .language import Rule, parse_rule
from .question import understand
from .reading import read_chat
from .rows import DEAD


@dataclass(frozen=True)
class Habits:
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


HABITS = Habits()
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


def _call(tool: str, **arguments: object) -> str:
    return "TOOL: " + json.dumps({"tool": tool, "arguments": arguments}, ensure_ascii=False)


class _Solver:
    """One turn being thought about."""

    def __init__(self, call: Call, rules: Sequence[tuple[str, str]]):
        case = read_chat(call.chat)
        if case is None:
            raise BadRequest("the simulated LLM finds no whole <question> ... </question> section in this prompt")
        self.case, self.question = case, understand(case.question)
        self.lasting, self.cite, obey = call.lasting, "RULES:" in call.system, call.obeyed(len(rules))
        self.used: list[str] = []
        self.rules: dict[str, list[tuple[str, Rule]]] = {}
        for rule_id, text in rules:
            rule = parse_rule(text)
            if rule is not None and (obey >= 1 or self.lasting("obey", rule_id) < obey):
                self.rules.setdefault(rule.kind, []).append((rule_id, rule))

    def does(self, kind: str, *what: object) -> bool:
        """Whether it does what is right: by itself, or by a rule, which is then among those used."""
        if self.lasting("habit", kind, *what) < getattr(HABITS, kind):
            return True
        if kind in self.rules:
            self.used.append(self.rules[kind][0][0])
        return kind in self.rules

    def move(self) -> tuple[str, str]:
        if self.question.op == "run" and any(name.endswith((".py", ".zip")) for name in self.case.files):
            return self._program()
        step = self._reading() if len(self.case.events) < LAST_TURN else None
        if step is not None:
            return step
        return self._answer()

    # -- reading

    def _reading(self) -> tuple[str, str] | None:
        """The next file or page to read, or None where it has seen enough."""
        case, read = self.case, self.case.read()
        for name in case.files:
            if name.endswith(".zip") and name not in read:
                return "I look at what is in the archive.", _call("read_file", name=name)
        names = [name for name in case.listed() if not name.endswith((".zip", ".py", ".png", ".jpg", ".jpeg", ".gif"))]
        pages = [name for name in names if re.search(r"(?:^|/)pages/", name)]
        if pages:
            return self._browsing(pages)
        if not names and not case.events:
            return "There are no files, so I search.", _call("search", query=self._keywords())
        notes = [name for name in names if _NOTES.search(name) and len(names) > 1]
        data = sorted((name for name in names if name not in notes), key=self._promise)
        few = self._few(len(data))
        wanted = data if len(data) <= few or self.does("all", "files") else data[:few]
        wanted = [name for name in names if name in wanted or (name in notes and self.does("notes", name))] or names[:1]
        for name in wanted:
            if name not in read:
                return f"I read {name.rsplit('/', 1)[-1]}.", _call("read_file", name=name)
            last = [event for event in case.events if event.name == name][-1]
            if not last.whole and not last.failed and last.page < 8 and self.does("all", "pages", name):
                return "The text goes on.", _call("read_file", name=name, page=last.page + 1)
        return None

    def _keywords(self) -> str:
        return " ".join(sorted(self.question.words))[:200] or self.case.question[:200]

    def _few(self, known: int) -> int:
        return 1 if known < 2 or self.lasting("second file") >= HABITS.second_file else FEW_FILES

    def _promise(self, name: str) -> int:
        """Files whose names the question speaks of come first."""
        parts = re.split(r"[\W_]+", name.rsplit("/", 1)[-1].casefold())
        return -sum(len(part) > 2 and part in self.case.question.casefold() for part in parts)

    def _browsing(self, pages: list[str]) -> tuple[str, str] | None:
        """Search, open what is found, and follow the names that a page adds to those of the question."""
        case = self.case
        searches = [event for event in case.events if event.tool == "search"]
        opened = [event.name for event in case.events if event.tool == "open_page"]
        most = 8 if self.does("pages") else 1 + (len(self.question.text) % 2)
        if not searches:
            return "I search the pages.", _call("search", query=self._keywords())
        found = [line.split(" | ")[0] for event in searches for line in event.output.splitlines() if " | " in line]
        steps, linked = compute.next_page(case.question, case.sources())
        if linked and len(opened) < most:
            return f"The page refers to {linked}.", _call("open_page", name=linked.rsplit("/", 1)[-1])
        for name in dict.fromkeys(found):
            if name not in opened and len(opened) < (1 if steps > 1 else most):
                return f"I open {name}.", _call("open_page", name=name)
        for name in (page.rsplit("/", 1)[-1] for page in pages):
            if name not in opened and _NOTED.search(name) and self.does("notes", name):
                return f"I open {name}.", _call("open_page", name=name)
        return None

    # -- programs

    def _program(self) -> tuple[str, str]:
        case = self.case
        ran = [event for event in case.events if event.tool == "run_python"]
        if ran:
            output = ran[-1].output.strip().splitlines()
            said = output[-1] if output and not ran[-1].failed else "unknown"
            return "This is what it prints.", f"FINAL ANSWER: {said.strip()}"
        zipped = [name for name in case.files if name.endswith(".zip")]
        if zipped and zipped[0] not in case.read():
            return "I look at what is in the archive.", _call("read_file", name=zipped[0])
        named = self.question.code.rsplit("/", 1)[-1]
        programs = [name for name in case.listed() if name.endswith(".py")]
        name = next((one for one in programs if one.rsplit("/", 1)[-1] == named), programs[0] if programs else named)
        if self.does("run"):
            return "I run the program.", _call("run_python", code=_RUN.format(name=name.rsplit("/", 1)[-1]))
        if name not in case.read():
            return "I read the program.", _call("read_file", name=name)
        figures = re.findall(r"\d+", " ".join(text for file, text in case.sources() if file == name)) or ["0"]
        return (
            "By its comments I take it to be this.",
            f"FINAL ANSWER: {figures[int(self.lasting('guess') * len(figures))]}",
        )

    # -- computing

    def _treatments(self, sources: tuple) -> frozenset[str]:
        """What it does to the data: what rules say, what notes ask for and are heeded, what it does by itself."""
        lines = compute.lines_of(sources)
        on: set[str] = set()
        for kind in TREATMENTS:
            found = self.rules.get(kind, ())
            for _, rule in found:
                on |= rule.treatments
            if found:
                if self.lasting("yields", kind) < HABITS.yields:
                    on.add(f"{kind}?")
                continue
            cue = _CUES.get(kind)
            cued = (
                cue is not None
                and any(cue.search(line) for line in lines)
                and self.lasting("heeds", kind) < HABITS.heeds
            )
            if cued or self.lasting("habit", kind) < getattr(HABITS, kind):
                on.add(kind)
                if self.lasting("judges", kind) < HABITS.judges:
                    on.add(f"{kind}?")
        return frozenset(on)

    def _answer(self) -> tuple[str, str]:
        sources = self.case.sources()
        on = self._treatments(sources)
        found, figures = compute.computed(self.case.question, sources, on)
        if found is None:
            return "I cannot find it in what I read.", "FINAL ANSWER: unknown"
        calculated = any(event.tool == "calculator" for event in self.case.events)
        if len(figures) >= MANY and not calculated:
            sum_of = " + ".join(f"{figure:g}" for figure in figures)
            if len(sum_of) < 900 and self.does("precise"):
                return f"I add up {len(figures)} figures.", _call("calculator", expression=sum_of)
            if self.lasting("slips") < HABITS.slips:
                found = self._slipped(found)
        if self.cite:
            self._cite(sources, on, found)
        return f"I take {len(figures)} figures into account.", f"FINAL ANSWER: {found}"

    def _slipped(self, found: str) -> str:
        """A sum in the head: one digit is off."""
        number = re.search(r"\d+", found)
        if not number:
            return found
        off = (1, 10, -1, -10)[int(self.lasting("slip") * 4)]
        return found.replace(number[0], str(max(0, int(number[0]) + off)), 1)

    def _cite(self, sources: tuple, on: frozenset[str], found: str) -> None:
        """The rules without which the answer would be another."""
        for kind, listed in self.rules.items():
            for rule_id, rule in listed:
                if kind in TREATMENTS and compute.answer(self.case.question, sources, on - rule.treatments) != found:
                    self.used.append(rule_id)


__all__ = ["HABITS", "Habits", "act"]
