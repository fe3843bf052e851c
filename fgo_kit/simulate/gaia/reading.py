"""Reading a dialogue with tools, from the agent's chat or from a trajectory shown to a reviewer."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import unescape

_QUESTION = re.compile(r"<question>\n?(.*?)\n?</question>", re.DOTALL)
_FILES = re.compile(r"\n\s*Attached files?:\s*(.*)\s*\Z", re.IGNORECASE)
_TURNS = re.compile(r"<turns>\n?(.*?)\n?</turns>", re.DOTALL)
_EXPECTED = re.compile(r"<expected>\n?(.*?)\n?</expected>", re.DOTALL)
_RESULT = re.compile(r"\s*<(tool_result|tool_error)\b[^>\n]*>\n?(.*?)\n?</\1>", re.DOTALL)
_ACTION = re.compile(r"^(?:THOUGHT: [^\n]*\n)?> (?=TOOL\b|FINAL ANSWER\b)", re.MULTILINE)
_SAID = re.compile(r"^[^\w\n]*(TOOL|FINAL[ _]ANSWER)[^\w\n{]*?:\s*(.*)", re.MULTILINE | re.DOTALL)
_SHORTENED = re.compile(r"(?:\n\[cut: [\d,]+ more characters[^\]]*\]|\.\.\.)? \[(\d+) more characters\]\s*\Z")
_CUT = re.compile(r"\n?\[cut: [\d,]+ more characters[^\]]*\]\s*\Z")
_FILE_NAME = re.compile(r"\b[\w-]+(?:[./][\w-]+)*\.(?:csv|tsv|xlsx|json\w?|txt|md|pdf|xml|zip|py|log|html)\b")


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
                body = _CUT.sub("", event.output)
                texts[event.name] = texts.get(event.name, "") + body if event.page > 1 else body
        return tuple((name, text) for name, text in texts.items() if not name.endswith(".zip"))

    def listed(self) -> tuple[str, ...]:
        """Every file known of: the attachments, and what listings of archives and searches name."""
        names = list(self.files)
        for event in self.events:
            if event.failed:
                continue
            if event.name.endswith(".zip"):
                inner = re.findall(r"^(\S.*?) \([\d,]+ bytes\)$", event.output, re.MULTILINE)
                names += [f"{event.name}/{name}" for name in inner]
        return tuple(dict.fromkeys(names))

    def read(self) -> frozenset[str]:
        return frozenset(event.name for event in self.events if event.tool in ("read_file", "open_page"))


def _question(text: str) -> tuple[str, tuple[str, ...]] | None:
    found = _QUESTION.search(text)
    if not found:
        return None
    question = unescape(found[1]) if "&lt;" in found[1] else found[1]
    named = _FILES.search(question)
    if named:
        return question[: named.start()].strip(), tuple(part.strip() for part in named[1].split(",") if part.strip())
    return question.strip(), tuple(dict.fromkeys(_FILE_NAME.findall(question)))


def _event(said: str, output: str, failed: bool) -> Event:
    try:
        call, _ = json.JSONDecoder(strict=False).raw_decode(said.strip())
    except (ValueError, RecursionError):
        call = {}
    call = call if isinstance(call, dict) else {}
    given = call.get("arguments")
    given = given if isinstance(given, dict) else {}
    page = given.get("page", 1)
    name = given.get("name") or given.get("query") or given.get("expression") or given.get("code") or ""
    return Event(
        str(call.get("tool", "")),
        str(name),
        page if isinstance(page, int) else 1,
        output,
        failed,
        "[cut: " not in output[-80:],
    )


def read_chat(chat: Sequence[dict]) -> Case | None:
    """The case so far, from the messages of a dialogue; None where no question stands in it."""
    asked = next((found for message in chat if (found := _question(message["content"]))), None)
    if asked is None:
        return None
    events, said = [], ""
    for message in chat:
        text = message["content"]
        if message["role"] == "assistant":
            found = _SAID.search(text)
            said = found[2] if found and found[1] == "TOOL" else ""
        elif said and (found := _RESULT.match(text)):
            events.append(_event(said, found[2], found[1] == "tool_error"))
            said = ""
    return Case(*asked, tuple(events))


@lru_cache(maxsize=8_192)
def read_trajectory(text: str) -> Case | None:
    """The case that a trajectory tells, its outputs as far as they are shown; None where there is none."""
    asked, turns = _question(text), _TURNS.search(text)
    if asked is None or turns is None:
        return None
    marks = list(_ACTION.finditer(turns[1]))
    events, answer = [], None
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        block = turns[1][mark.end() : after.start() if after else None].strip()
        if block.startswith("FINAL ANSWER"):
            answer = block.partition(":")[2].strip().splitlines()[0] if block.partition(":")[2].strip() else ""
            continue
        said = block.partition(":")[2].strip()
        call, output = _divided(said)
        shortened = _SHORTENED.search(output)
        output = output[: shortened.start()] if shortened else output
        if shortened:  # the last line is broken off
            output = output.rpartition("\n")[0]
        event = _event(call, output, output.startswith("tool error: "))
        events.append(Event(event.tool, event.name, event.page, output, event.failed, event.whole and not shortened))
    return Case(*asked, tuple(events), answer)


def _divided(said: str) -> tuple[str, str]:
    """(the call's JSON, what came of it)."""
    try:
        _, end = json.JSONDecoder(strict=False).raw_decode(said)
    except (ValueError, RecursionError):
        line, _, rest = said.partition("\n")
        return line, rest
    return said[:end], said[end:].lstrip("\n")


def expected_of(text: str) -> str:
    """The expected answer that a trajectory is shown with."""
    found = _EXPECTED.search(text)
    return unescape(found[1]).strip() if found else ""


__all__ = ["Case", "Event", "expected_of", "read_chat", "read_trajectory"]
