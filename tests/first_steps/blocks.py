"""README's own blocks, to be executed: each stands below a comment `<!-- first steps: NAME -->`."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"
_BLOCK = re.compile(r"<!-- first steps: ([\w ]+) -->\n```\w*\n(.*?)```", re.DOTALL)


def block(name: str) -> str:
    """The block of a name; KeyError lists those there are."""
    return dict(_BLOCK.findall(README.read_text(encoding="utf-8")))[name]


def first_example() -> str:
    """The first Python block, up to the module: what a reader tries first."""
    code = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)[1]
    return code[: code.index("run.merge_tree")]
