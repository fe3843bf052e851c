"""Reading a dialogue with tools, from the agent's chat or from a trajectory shown to a reviewer."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from html import unescape

from ...calls.toolcalls import Turn, read_turn
from ..competence import find_section

_FILES = re.compile(r"\n\s*Attached files?:\s*(.*)\s*\Z", re.IGNORECASE)
_RESULT = re.compile(r"\s*<(tool_result|tool_error)\b[^>\n]*>\n?(.*?)\n?</\1>", re.DOTALL)
_ACTION = re.compile(r"^(?:THOUGHT: [^\n]*\n)?> (?=TOOL\b|FINAL ANSWER\b)", re.MULTILINE)
_SHORTENED = re.compile(r"(?:\n\[cut: [\d,]+ more characters[^\]]*\]|\.\.\.)? \[(\d+) more characters\]\s*\Z")
_CUT = re.compile(r"\n?\[cut: [\d,]+ more characters[^\]]*\]\s*\Z")
_INNER = re.compile(r"^(\S.*?) \([\d,]+ bytes\)$", re.MULTILINE)
_FILE_NAME = re.compile(r"\b[\w-]+(?:[./][\w-]+)*\.(?:csv|tsv|xlsx|json\w?|txt|md|pdf|xml|zip|py|log|html)\b")
_JSON = json.JSONDecoder(strict=False)


@dataclass(frozen=True)
class Event:
    """A call of a tool and what came of it; `whole` is False where the output goes on."""

    tool: str
    name: str
    page: int
    output: str
    failed: bool = False
    whole: bool = True


@dataclass(frozen=True)
class Case:
    """A question, the files that come with it, the calls so far, and the final answer if there is one."""

    question: str
    files: tuple[str, ...]
    events: tuple[Event, ...]
    answer: str | None = None

    def sources(self) -> tuple[tuple[str, str], ...]:
        """What was read, as (file, text), pages of one file put together."""
        texts: dict[str, str] = {}
        for event in self.events:
            if event.tool in ("read_file", "open_page") and not event.failed:
                before = texts.get(event.name, "") if event.page > 1 else ""
                texts[event.name] = before + _CUT.sub("", event.output)
        return tuple((name, text) for name, text in texts.items() if not name.endswith(".zip"))

    def listed(self) -> tuple[str, ...]:
        """Every file known of: the attachments, and what listings of archives name."""
        archives = [event for event in self.events if event.name.endswith(".zip") and not event.failed]
        inner = [f"{event.name}/{name}" for event in archives for name in _INNER.findall(event.output)]
        return tuple(dict.fromkeys((*self.files, *inner)))

    def read(self) -> frozenset[str]:
        return frozenset(event.name for event in self.events if event.tool in ("read_file", "open_page"))

    def used(self, *tools: str) -> list[Event]:
        """The calls of some tools."""
        return [event for event in self.events if event.tool in tools]


def _asked(text: str) -> tuple[str, tuple[str, ...]] | None:
    """(question, names of its files), or None where a text holds no question."""
    question = find_section("question", text)
    if question is None:
        return None
    question = unescape(question) if "&lt;" in question else question
    if named := _FILES.search(question):
        return question[: named.start()].strip(), tuple(filter(None, map(str.strip, named[1].split(","))))
    return question.strip(), tuple(dict.fromkeys(_FILE_NAME.findall(question)))


_turn = lru_cache(maxsize=65_536)(read_turn)


def _event(turn: Turn, output: str, failed: bool) -> Event:
    given = turn.arguments if isinstance(turn.arguments, dict) else {}
    name = next(filter(None, map(given.get, ("name", "query", "expression", "code"))), "")
    page = given.get("page", 1)
    page = page if isinstance(page, int) else 1
    return Event(turn.tool, str(name), page, output, failed, "[cut: " not in output[-80:])


def read_chat(chat: Sequence[dict]) -> Case | None:
    """The case so far, from the messages of a dialogue; None where no question stands in it."""
    asked = next(filter(None, (_asked(message["content"]) for message in chat)), None)
    if asked is None:
        return None
    events, turn = [], Turn()
    for message in chat:
        text = message["content"]
        if message["role"] == "assistant":
            turn = _turn(text)
        elif (turn.tool or turn.problem) and (result := _RESULT.match(text)):
            events.append(_event(turn, result[2], result[1] == "tool_error"))
            turn = Turn()
    return Case(*asked, tuple(events))


@lru_cache(maxsize=8_192)
def read_trajectory(text: str) -> Case | None:
    """The case that a trajectory tells, its outputs as far as they are shown; None where there is none."""
    asked, turns = _asked(text), find_section("turns", text)
    if asked is None or turns is None:
        return None
    events, answer = [], None
    for block in _ACTION.split(turns)[1:]:
        action, _, rest = block.strip().partition(":")
        if action.startswith("FINAL ANSWER"):
            answer = next(iter(rest.strip().splitlines()), "")
            continue
        call, output = _divided(rest.strip())
        if shortened := _SHORTENED.search(output):  # the last line is broken off
            output = output[: shortened.start()].rpartition("\n")[0]
        event = _event(_turn(f"TOOL: {call}"), output, output.startswith("tool error: "))
        events.append(replace(event, whole=event.whole and not shortened))
    return Case(*asked, tuple(events), answer)


def _divided(text: str) -> tuple[str, str]:
    """(the call's JSON, what came of it)."""
    try:
        _, end = _JSON.raw_decode(text)
    except (ValueError, RecursionError):
        end = len(text.partition("\n")[0])
    return text[:end], text[end:].lstrip("\n")


def expected_of(text: str) -> str:
    """The expected answer that a trajectory is shown with."""
    return unescape(find_section("expected", text) or "").strip()
