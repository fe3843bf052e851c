"""Rewrite mode: a model answers with the whole module anew; its lines become rules whose lineage is unknown."""

from __future__ import annotations

import re

from ..records import Module, Rule
from .edits import RULE_LIMIT
from .prompts import NO_RULES

_RECORD = re.compile(r"\(support \d+[^)]*\)")


def rewritten(module: Module, text: str, prefix: str, origin: str) -> Module:
    """The module that was written: every line of the answer's module section becomes a rule of unknown lineage.

    A line that stands word for word in the old module is still its rule; nothing else is known. Lines below a
    heading that names a component are rules of that component, lines before any are the first one's.
    """
    end = text.rfind("</module>")
    start = text.rfind("<module>", 0, max(end, 0))
    if start < 0:
        raise ValueError("the answer holds no <module> ... </module> section")
    written = _lines_by_component(module, text[start + len("<module>") : end])
    known = {rule.text: rule for rule in module.rules}
    numbers = {line: number for number, line in enumerate((line for lines in written.values() for line in lines), 1)}
    rules = {name: tuple(known.get(line) or Rule(f"{prefix}.{numbers[line]}", line, (), (), f"rewrite {origin}")
                         for line in lines) for name, lines in written.items()}  # fmt: skip
    if module.rules and not any(rules.values()):
        raise ValueError("the rewritten module is empty")
    return module.with_rules(rules)


def _lines_by_component(module: Module, text: str) -> dict[str, list[str]]:
    """The rules of a rewritten module as plain lines, each line once, by the component they stand under."""
    names = [component.name for component in module.components]
    headings = {component.name: " ".join(component.preamble.split()) for component in module.components}
    lines: dict[str, list[str]] = {name: [] for name in names}
    home, seen = names[0], set()
    for raw in text.splitlines():
        heading = _heading(raw, headings) if len(names) > 1 else ""
        if heading:
            home = heading
            continue
        line = re.sub(r"^\s*(?:[-•](?!\d)|\*(?!\*)|\d+[.)]|\[[\w.-]+\])\s*", "", raw).strip()
        record = line.rfind("(support ")
        line = line[:record].rstrip() if _RECORD.fullmatch(line, max(record, 0)) else line
        line = line[:RULE_LIMIT]
        nothing = line in headings.values() or line.strip("_*.") == NO_RULES or line.startswith("```")
        if len(line) >= 3 and line not in seen and not nothing:
            seen.add(line)
            lines[home].append(line)
    return lines


def _heading(raw: str, headings: dict[str, str]) -> str:
    """The component that a line is the heading of, however a model sets it, else "".

    >>> _heading("## **Tool notes**", {"instructions": "", "tool_notes": ""})
    'tool_notes'
    """
    head, _, rest = raw.partition(":")
    words = re.sub(r"[\W_]+", "_", re.sub(r"^\W*\d+[.)]", "", head)).strip("_").casefold()
    rest = rest.strip("* \t\r")
    named = (name for name, preamble in headings.items() if name.casefold() == words and preamble.startswith(rest))
    return next(named, "")
