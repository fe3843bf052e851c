"""Modules as prompts show them and as rewritten answers give them: rules below the headings of their components."""

from __future__ import annotations

import re
from collections import defaultdict
from html import unescape

from .competence import Known

_RULE = re.compile(
    r"^\[([\w.-]+)\] (.*?)(?: \(support (\d+)(?:; used (\d+) times right, (\d+) wrong; the same tasks without it "
    r"([\d.e+-]+) times right)?(?:; found in (\d+) of \d+ copies(?:; changed by \d+)?)?\))?$", re.MULTILINE
)
_HEADING = re.compile(r"^(\w+): ", re.MULTILINE)


def shown_rules(text: str) -> list[Known]:
    """Every rule in a prompt, with the counts beside it."""
    return [
        Known(rule_id, unescape(words), int(support or 0), int(right or 0), int(wrong or 0), float(without or 0))
        for rule_id, words, support, right, wrong, without, _ in _RULE.findall(text)
    ]


def rules_by_component(text: str) -> dict[str, list[str]]:
    """The ids of the rules below each component's heading; the same component of several modules is one."""
    ids: dict[str, list[str]] = defaultdict(list)
    _, *parts = _HEADING.split(text)
    for name, below in zip(parts[::2], parts[1::2], strict=True):
        ids[name] += [rule[0] for rule in _RULE.findall(below)]
    return dict(ids)


def home_of(item: dict, components: dict[str, list[str]]) -> str:
    """The component of an edit or a merged rule: as it says, else that of the rule it comes from, else ""."""
    source = item.get("id") or next(iter(item.get("from", ())), "")
    return item.get("component") or next((name for name, ids in components.items() if source in ids), "")


def written_module(components: dict[str, list[str]], rules: list[tuple[str, str]]) -> str:
    """A rewritten module of rules as (component, text), below the components' names where there are several."""
    lines = [text for _, text in rules]
    if len(components) > 1:
        first = next(iter(components))
        placed = [(name if name in components else first, text) for name, text in rules]
        lines = [line for name in components for line in (f"{name}:", *(text for home, text in placed if home == name))]
    return "<module>\n" + "\n".join(lines) + "\n</module>"
