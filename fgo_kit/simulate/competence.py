"""The competences of the simulated LLM, by the section tag that a prompt of theirs carries.

A competence reads sections of a prompt; what bounds it (noticing, obeying, randomness) comes with the `Call`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any, Protocol

from ..calls.protocol import BadRequest
from . import alfworld, gaia, logisticsqa
from .logisticsqa.learning import Known

_SECTION = {
    tag: re.compile(rf"<{tag}(?:\s[^>]*)?>\n?(.*?)\n?</{tag}>", re.DOTALL)
    for tag in ("module", "modules", "trajectories", "action", "expected", "feedback", "document", "scene")
}
_ANSWER = re.compile(r"^ANSWER:\s*(.*?)\s*$", re.MULTILINE)
_SCORE = re.compile(r'<trajectory task="[^"]*" score="([^"]*)">')
_MARKED = re.compile(r'The right one follows the label "([^"]+)"')


def section(tag: str, text: str) -> str:
    """The text of a section; BadRequest where there is none."""
    found = find_section(tag, text)
    if found is None:
        raise BadRequest(f"the simulated LLM finds no whole <{tag}> ... </{tag}> section in this prompt")
    return found


def find_section(tag: str, text: str) -> str | None:
    """The text of a section, or None."""
    found = _SECTION[tag].search(text)
    return found[1] if found else None


class Call(Protocol):
    """What a competence is given beside the text: the chat, and the limits and randomness that bound it."""

    system: str
    chat: list[dict]
    user: str

    def draw(self, *what: object) -> float: ...

    def lasting(self, *what: object) -> float: ...

    def luck(self, task_id: str) -> float: ...

    def obeyed(self, rules: int) -> float: ...

    def noticed(self, hops: int, position: float = 0.5) -> float: ...


@dataclass(frozen=True)
class Competence:
    """One benchmark's way of reading, acting and learning.

    act(call, rules as (id, text)) -> (thought, answer, ids used); judge(call) -> feedback;
    example(call, task id, score, body, position) -> what was noticed of a trajectory, or None;
    improve(examples, known rules, draw) -> edits; unite(known rules, draw) -> merged rules.
    """

    tag: str
    knowledge: Any
    act: Callable[[Call, Sequence[tuple[str, str]]], tuple[str, str, tuple[str, ...]]]
    judge: Callable[[Call], str]
    example: Callable[[Call, str, str, str, float], Any]
    improve: Callable[..., list[dict]]
    unite: Callable[..., list[dict]]
    parse_rule: Callable[[str], Any]


def _document_act(call: Call, rules):
    return logisticsqa.act(rules, section("document", call.user), call.obeyed(len(rules)), call.draw)


def _document_judge(call: Call) -> str:
    action = section("action", call.user)
    given = _ANSWER.search(action)
    return logisticsqa.judge(
        section("document", call.user),
        given[1] if given else action,
        unescape(section("expected", call.user)).strip(),
        call.noticed(2),
        call.draw,
    )


def _document_example(call: Call, task_id: str, score: str, body: str, position: float):
    """Two hops to tie the expected answer to what marks it, one where feedback did."""
    document, expected = find_section("document", body), find_section("expected", body)
    if document is None or expected is None:
        return None
    feedback = find_section("feedback", body)
    marked = _MARKED.search(feedback) if feedback is not None else None
    told = marked is not None or (feedback is not None and "no transport reference" in feedback)
    if call.luck(task_id) >= call.noticed(1 if told else 2, position):
        return None
    answer, label = unescape(expected).strip(), marked[1] if marked else ""
    return logisticsqa.Example(unescape(task_id), document, answer, float(score) >= 0.5, label)


def _game_act(call: Call, rules):
    game = alfworld.read_chat(call.chat, call.system)
    return alfworld.act(rules, game, call.obeyed(len(rules)), call.draw, call.lasting)


def _game_judge(call: Call) -> str:
    game, score = alfworld.read_trajectory(call.user), _SCORE.search(call.user)
    if game is None or score is None:
        raise BadRequest("the simulated LLM finds no <trajectory> with a score and a <scene> in this prompt")
    return alfworld.judge(game, float(score[1]) >= 0.5, call.noticed, call.draw)


def _game_example(call: Call, task_id: str, score: str, body: str, position: float):
    """One hop for what the text says and for the fault that feedback names, two for other faults."""
    game, luck = alfworld.read_trajectory(body), call.luck(task_id)
    if game is None or luck >= call.noticed(1, position):
        return None
    won, named = float(score) >= 0.5, alfworld.told(find_section("feedback", body) or "")
    faults = [named] if named else []
    if luck < call.noticed(2, position):
        faults += [fault.rule for fault in alfworld.review(game).faults if fault.rule]
    return alfworld.Example(unescape(task_id), game, won, tuple(dict.fromkeys(faults)))


def _tool_act(call: Call, rules):
    case = gaia.read_chat(call.chat)
    if case is None:
        raise BadRequest("the simulated LLM finds no whole <question> ... </question> section in this prompt")
    return gaia.act(rules, case, call.obeyed(len(rules)), call.lasting, "RULES:" in call.system)


def _tool_judge(call: Call) -> str:
    case, score = gaia.read_trajectory(call.user), _SCORE.search(call.user)
    if case is None or score is None:
        raise BadRequest("the simulated LLM finds no <trajectory> with a score, <question> and <turns> in this prompt")
    return gaia.judge(case, gaia.expected_of(call.user), float(score[1]) >= 0.5, call.noticed(2), call.draw)


def _tool_example(call: Call, task_id: str, score: str, body: str, position: float):
    """Two hops to tie the expected answer to a treatment of what was read, one where feedback did."""
    case = gaia.read_trajectory(body)
    if case is None:
        return None
    named = gaia.told(unescape(find_section("feedback", body) or ""))
    if call.luck(task_id) >= call.noticed(1 if named else 2, position):
        return None
    treatments = frozenset(name for rule in named for name in rule.treatments)
    return gaia.Example(unescape(task_id), gaia.review(case, gaia.expected_of(body)), float(score) >= 0.5, treatments)


COMPETENCES = (
    Competence(
        logisticsqa.TAG, logisticsqa.KNOWLEDGE, _document_act, _document_judge, _document_example,
        logisticsqa.improve, logisticsqa.unite, logisticsqa.parse_rule,
    ),
    Competence(
        alfworld.TAG, alfworld.KNOWLEDGE, _game_act, _game_judge, _game_example,
        alfworld.improve, alfworld.unite, alfworld.parse_rule,
    ),
    Competence(
        gaia.TAG, gaia.KNOWLEDGE, _tool_act, _tool_judge, _tool_example, gaia.improve, gaia.unite, gaia.parse_rule,
    ),
)  # fmt: skip


def by_tag(text: str) -> Competence | None:
    """The competence whose section a prompt holds, or None."""
    return next((competence for competence in COMPETENCES if f"<{competence.tag}>" in text), None)


def by_rules(known: Sequence[Known]) -> Competence:
    """The competence that understands most of the rules shown; a merge shows nothing else."""
    return max(COMPETENCES, key=lambda one: sum(one.parse_rule(shown.text) is not None for shown in known))
