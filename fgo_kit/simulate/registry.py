"""The competences there are: one folder beside this file for each benchmark, found by looking.

    python -c "from fgo_kit.simulate.registry import frozen; print(frozen())"

prints what `data/simulator_constants.txt` has to hold.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence
from functools import cache
from importlib import import_module

from .competence import Competence, Known
from .limits import constants_hash


def competences() -> dict[str, Competence]:
    """Every competence by its folder's name, in the order of their tags."""
    return _exported(tuple(import_module(__package__).__path__))


@cache
def _exported(folders: tuple[str, ...]) -> dict[str, Competence]:
    names = [module.name for module in pkgutil.iter_modules(folders) if module.ispkg]
    exported = {name: import_module(f"{__package__}.{name}").COMPETENCE for name in names}
    return dict(sorted(exported.items(), key=lambda item: item[1].tag))


def by_tag(text: str) -> Competence | None:
    """The competence whose section a prompt holds, or None."""
    return next((competence for competence in competences().values() if f"<{competence.tag}>" in text), None)


def by_rules(known: Sequence[Known]) -> Competence:
    """The competence that understands most of the rules shown; a merge shows nothing else."""

    def understood(competence: Competence) -> int:
        return sum(competence.parse_rule(shown.text) is not None for shown in known)

    return max(competences().values(), key=understood)


def frozen() -> str:
    """A line for the limits and assumptions, and one for what each competence knows: name and hash."""
    hashes = [("limits", constants_hash()), *((name, known.hash) for name, known in sorted(competences().items()))]
    return "".join(f"{name} {value}\n" for name, value in hashes)
