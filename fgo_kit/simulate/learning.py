"""What every optimiser and merger of the simulated LLM shares, whatever the benchmark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .competence import Draw, Known
from .limits import assumed


def understood(known: Sequence[Known], parse_rule: Callable[[str], Any]) -> list[tuple[Known, Any]]:
    """The shown rules that say something in a competence's language, each with what it says."""
    return [(shown, rule) for shown in known if (rule := parse_rule(shown.text)) is not None]


def comes_to_mind(draw: Draw, rule: str, support: float) -> bool:
    """Whether a rule is thought of: the likelier, the more noticed trajectories speak for it."""
    return draw("think", rule) < 1 - (1 - assumed().induce) ** support


def harmful(rules: Sequence[Known], blame: tuple[int, int]) -> bool:
    """Whether shown uses speak against rules: wrong > a * right + b, where `blame` is (a, b), and the same tasks were
    right as often without them."""
    right, wrong, without = (sum(getattr(rule, of) for rule in rules) for of in ("right", "wrong", "without"))
    return wrong > blame[0] * right + blame[1] and right <= without


def voted(shown: Known, helped: Sequence[str], blamed: Sequence[str], revised: str = "") -> list[dict]:
    """A reviewer's vote on a rule, by the tasks that it helps and those that it would spoil; [] where there are none.

    revised: other words for a rule that is to stay, but not as it is.
    """
    if revised or len(blamed) > len(helped):
        more = {"vote": "revise", "text": revised} if revised else {"vote": "drop"}
        return [{"id": shown.id, **more, "tasks": list(blamed or helped)}]
    return [{"id": shown.id, "vote": "keep", "tasks": list(helped)}] if helped else []


def weighs(draw: Draw) -> bool:
    """Whether this merge keeps what no evidence speaks against; else it gives up special cases for general rules."""
    return draw("weigh") < assumed().weighing


def checked(draw: Draw, number: int) -> bool:
    """Whether the noticed trajectory of a number is searched for rules that it speaks against."""
    return draw("check", number) < assumed().checking


def merged(text: str, sources: Sequence[Known]) -> dict:
    """A rule of the merged module, with the ids of the rules that it comes from."""
    return {"text": text, "from": list(dict.fromkeys(shown.id for shown in sources))}
