"""Roles: which LLM evaluates, proposes and merges, where that is another than the agent's."""

from __future__ import annotations

from dataclasses import dataclass, fields

from .protocol import LLM
from .providers import as_llm


@dataclass(frozen=True)
class Roles:
    """LLMs, or specs of them, other than the one that plays the agent; None is the default.

    optimizer: evaluates, proposes and merges; by default the agent's. evaluator, merger: by default the optimizer.
    Raises what `load_llm` raises for a spec.

    >>> Roles(optimizer="simulated:large", merger="simulated").merger.name
    'simulated:small'
    """

    optimizer: LLM | str | None = None
    evaluator: LLM | str | None = None
    merger: LLM | str | None = None

    def __post_init__(self):
        for field in fields(self):
            given = getattr(self, field.name)
            if given is not None:
                object.__setattr__(self, field.name, as_llm(given))

    def filled(self, agent: LLM) -> dict[str, LLM]:
        """The LLM of every role by its name."""
        optimizer = as_llm(self.optimizer or agent)
        evaluator, merger = as_llm(self.evaluator or optimizer), as_llm(self.merger or optimizer)
        return {"optimizer": optimizer, "evaluator": evaluator, "merger": merger}
