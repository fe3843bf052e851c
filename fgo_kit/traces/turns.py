"""From what logs hold to the steps that evaluator and optimiser are shown: what was seen, thought and done."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..algorithm import prompts
from ..calls.reply_text import split_thought
from ..records import Step, Trajectory

_LABEL = re.compile(r"^[ \t]*(thought|think|actionpath|action|act)(?:[ \t]+\d{1,4})?[ \t]*:|\b((?-i:ACTION)):",
                    re.IGNORECASE | re.MULTILINE)
_KINDS = {"thought": "thought", "think": "thought", "actionpath": "path", "action": "action", "act": "action"}

Event = tuple[str, str]
"""("shown" | "thought" | "path" | "action", its text)."""


def is_game(text: str) -> bool:
    """Whether a text is how ALFWorld's games begin."""
    return "Your task is to" in text


def is_labelled(text: str) -> bool:
    """Whether an agent says which part of its words is the action, or a thought."""
    return _LABEL.search(text) is not None


def said(text: str) -> Iterator[Event]:
    """What an agent wrote, by its labels; without any it is an action. A model's own thought is left out.

    >>> list(said("Thought: a mug first.\\nAction: go to desk 1"))
    [('thought', 'a mug first.'), ('action', 'go to desk 1')]
    """
    text = split_thought(text)[1]
    labels = [(match.start(), match.end(), _KINDS[(match[1] or match[2]).lower()]) for match in _LABEL.finditer(text)]
    if not labels or text[: labels[0][0]].strip():  # it begins without a label
        labels = [label for label in labels if label[2] == "action"][:1]
        yield "thought" if labels else "action", (text[: labels[0][0]] if labels else text).strip()
    ends = [*(start for start, _, _ in labels[1:]), len(text)]
    for (_, start, kind), end in zip(labels, ends, strict=False):
        yield kind, text[start:end].strip()


def played(text: str) -> Iterator[Event]:
    """What happened in a game's text, with the agent's lines after "> "."""
    shown: list[str] = []
    for line in text.split("\n"):
        line = line.removesuffix("\r")
        if not line.startswith("> "):
            shown.append(line)
            continue
        yield "shown", "\n".join(shown).strip()
        shown = []
        yield from said(line[2:])
    yield "shown", "\n".join(shown).strip()


def trajectory(name: str, events: Iterable[Event], score: float, info: dict[str, str] | None = None) -> Trajectory:
    """One trajectory of turns; `info` also gets the number of steps and of invalid actions ("Nothing happens.").

    Raises ValueError where no agent acts.
    """
    steps: list[Step] = []
    held: dict[str, list[str]] = {"shown": [], "thought": [], "path": []}
    for kind, text in events:
        if kind == "action":
            steps.append(_step(held, text, first=not steps))
            held = {"shown": [], "thought": [], "path": []}
        elif text and not (text.upper() == "OK." and held["thought"] + held["path"]):  # so games answer a thought
            held[kind].append(text)
    if held["thought"] or held["path"]:  # it ended on a thought
        steps.append(_step(held, "", first=not steps))
        held["shown"] = []
    if not steps:
        raise ValueError("no agent acts in it")
    final = "\n".join(held["shown"])
    shown = [step.observation for step in steps[1:]] + [final]
    counts = {"steps": str(len(steps)), "invalid actions": str(sum("Nothing happens" in text for text in shown))}
    last = prompts.parse_action(steps[-1].action)[0]
    return Trajectory(name, tuple(steps), last, score, info=(info or {}) | counts, final=final, form="turns")


def _step(held: dict[str, list[str]], action: str, first: bool) -> Step:
    seen = "\n".join(held["shown"])
    shown = opening(seen) if first else section("result", seen)
    thought = " ".join(held["thought"]).replace("\n", " ")
    paths = [f"PATH: {text}" for text in held["path"]]
    answer = f"ANSWER: {action}".replace("\n", " ")
    return Step(shown, "\n".join([f"THOUGHT: {thought}"] * bool(thought) + [*paths, answer]))


def opening(text: str) -> str:
    """What an agent is shown first; a game in the section that ours have."""
    return section("scene", text) if is_game(text) else prompts.quote(text)


def section(tag: str, text: str) -> str:
    """Others' text in a section, as our own environments show it."""
    return prompts.section(tag, prompts.quote(text))
