"""What every optimiser and merger of the simulated LLM shares, whatever the benchmark."""

from __future__ import annotations

from collections.abc import Sequence

from .competence import Draw, Known
from .limits import assumed


def comes_to_mind(draw: Draw, rule: str, support: float) -> bool:
    """Whether a rule is thought of: the likelier, the more noticed trajectories speak for it."""
    return draw("think", rule) < 1 - (1 - assumed().induce) ** support


def harmful(rules: Sequence[Known], blame: tuple[int, int]) -> bool:
    """Whether shown uses speak against rules: wrong > a * right + b, where `blame` is (a, b)."""
    right, wrong = sum(shown.right for shown in rules), sum(shown.wrong for shown in rules)
    return wrong > blame[0] * right + blame[1]


def merged(text: str, sources: Sequence[Known]) -> dict:
    """A rule of the merged module, with the ids of the rules that it comes from."""
    return {"text": text, "from": list(dict.fromkeys(shown.id for shown in sources))}
