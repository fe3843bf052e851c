"""What a run gives away: the module as a clean prompt, and with its rules' support and provenance in several formats.

Nothing of trajectories is written, and of private tasks no more than their ids.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..records import Module, Rule
from ..records.showing import escape
from .inspect_eval import write_eval

CAVEAT = "Learnt with a simulated LLM: it shows how the method works, and is no evidence about any named model."


def prompt(module: Module) -> str:
    """The module as a text to put into an agent's instructions: its preambles and rules, without ids.

    >>> prompt(Module((Component("instructions", "Add up.", (Rule("s1.1", "Carry the one."),)),)))
    'Add up.\\n- Carry the one.'
    """
    rules = [[f"- {' '.join(rule.text.split())}" for rule in part.rules] for part in module.components]
    texts = ["\n".join([part.preamble.strip(), *said]) for part, said in zip(module.components, rules, strict=True)]
    return "\n\n".join(text.strip() for text in texts if text.strip())


def export(run: Any, path: str | Path, format: str = "markdown") -> Path:
    """Write a run's module with where its rules come from; returns the file, or the folder of a skill.

    ValueError for an unknown format; files in their place are overwritten.
    """
    if format not in FORMATS:
        raise ValueError(f"format={format!r} is unknown; use one of {list(FORMATS)}")
    target = Path(path).expanduser()
    target.parent.mkdir(parents=True, exist_ok=True)
    return FORMATS[format](run, target)


def facts(run: Any) -> dict[str, Any]:
    """Where a module comes from, as JSON can hold it."""
    lo, hi = run.ci
    names = ("benchmark", "method", "llm", "simulated", "seed", "n_train")
    scored = {"score": run.score, "lo": lo, "hi": hi} if run.scores else {"score": None}
    return {"run": run.id, **{name: run.config[name] for name in names}, **scored, "test_tasks": len(run.scores)}


def markdown(run: Any) -> str:
    """The prompt, and below it where its rules come from."""
    return f"# Prompt\n\n{prompt(run.module)}\n\n{_provenance(run)}"


def _json(run: Any) -> str:
    rules = [{**vars(rule), "support": list(rule.support), "parents": list(rule.parents)} for rule in run.module.rules]
    return json.dumps({**facts(run), "prompt": prompt(run.module), "rules": rules}, indent=1, ensure_ascii=False) + "\n"


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def _skill(run: Any, folder: Path) -> Path:
    """A folder with SKILL.md, as agents read skills, and the provenance next to it."""
    (folder / "references").mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")[:64] or "learnt-rules"
    about = f"Rules learnt for tasks of {run.config['benchmark']}. Use when working on tasks like these."
    head = f"---\nname: {name}\ndescription: {json.dumps(about[:1024], ensure_ascii=False)}\n---\n"
    told = "How each rule was found, and the tasks that support it: references/provenance.md"
    (folder / "SKILL.md").write_text(f"{head}\n{prompt(run.module)}\n\n{told}\n", encoding="utf-8")
    (folder / "references" / "provenance.md").write_text(_provenance(run), encoding="utf-8")
    return folder


FORMATS: Mapping[str, Callable[[Any, Path], Path]] = {
    "markdown": lambda run, path: _written(path, markdown(run)),
    "json": lambda run, path: _written(path, _json(run)),
    "skill": _skill,
    "inspect": lambda run, path: write_eval(run, path, facts(run)),
}  # fmt: skip


def _provenance(run: Any) -> str:
    known = facts(run)
    told = [f"- {name}: {_cell(value)}" for name, value in known.items()]
    head = "| rule | text | support | written in | from | right | wrong |\n|---|---|---|---|---|---|---|"
    rows = [f"| {' | '.join(map(_cell, _columns(rule)))} |" for rule in run.module.rules]
    caveat = [CAVEAT, ""] if known["simulated"] else []
    return "\n".join(["# Provenance", "", *caveat, *told, "", head, *rows, ""])


def _columns(rule: Rule) -> tuple:
    support = f"{len(rule.support)}: {', '.join(rule.support)}" if rule.support else "0"
    return rule.id, rule.text, support, rule.origin, ", ".join(rule.parents), rule.right, rule.wrong


def _cell(value: Any) -> str:
    """A value in a Markdown table: on one line, and nothing in it is markup."""
    return re.sub(r"([\\`*_{}\[\]|#])", r"\\\1", escape(" ".join(str(value).split())))
