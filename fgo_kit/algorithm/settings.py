"""`Settings`: the choices that decide a run's result, named and checked here alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from numbers import Integral
from typing import Any

from .benchmark import Benchmark
from .controls import Controls
from .registry import DIVISIONS, GATES, MERGES, METHODS

_LEAST = {"rounds": 1, "epochs": 1, "passes": 1, "fan_in": 2, "audit": 0, "seed": 0}
_ALLOWED = {"edits": (True, "list", False), "gold": (True, False), "counts": (True, False), "review": (True, False)}


@dataclass(frozen=True)
class Settings:
    """What makes two runs on the same tasks with the same LLM differ. The defaults are the paper's setting, as far as
    it is known; all evidence that a merge can weigh (counts, review, audit, gate) is off.

    method, divide, merge, gate: names in the registries (`fgo.strategies()` lists them). n_subsets: the width, copies
    that are optimised side by side: a number, "sqrt", "each" (one task a subset), or None (see `divide.chosen_width`).
    rounds: the depth; the tasks are dealt into so many rounds, each of which starts from the module merged before.
    epochs: how often a subset is gone through, within its round. passes: how often all is repeated, from the module
    merged before. fan_in: modules a merge. edits: optimiser and merger edit rules, the merger those of the children's
    union; with "list" the merger writes the list of rules that stay, with False both rewrite the text. gold: the
    evaluator is shown score and right answer; with False it judges without them, and its verdicts take the place of
    the scores in proposals, counts and reviews (gates, tests, divisions that survey the base agent, few_shot and gepa
    score as ever). counts: the
    agent cites rules, and optimiser and merger see how often each was right, and the same tasks without it. review:
    before the last merge of a round is final, every subset votes on the united rules, shown its own trajectories.
    audit: training tasks on which every merged module is rolled out to drop rules that do harm. controls: bounds on
    the rule list and conditions on candidates, a `Controls` or its fields by name. seed: of all that is drawn.

    Raises ValueError for a value that is not allowed.

    >>> Settings(gate="hard").gate, Settings().epochs
    ('hard', 2)
    """

    method: str = "fgo"
    divide: str = "similar"
    merge: str = "progressive"
    n_subsets: int | str | None = None
    rounds: int = 1
    epochs: int = 2
    passes: int = 1
    fan_in: int = 2
    gate: str = "none"
    edits: bool | str = True
    gold: bool = True
    counts: bool = False
    review: bool = False
    audit: int = 0
    controls: Controls = field(default=Controls())
    seed: int = 0

    def __post_init__(self):
        DIVISIONS.named(self.divide)
        MERGES.named(self.merge)
        GATES.named(self.gate)
        for name, least in _LEAST.items():
            object.__setattr__(self, name, whole(name, getattr(self, name), least))
        object.__setattr__(self, "controls", Controls.of(self.controls))
        if isinstance(self.n_subsets, Integral) and not isinstance(self.n_subsets, bool):
            object.__setattr__(self, "n_subsets", int(self.n_subsets))  # NumPy's own are no JSON
        for name, allowed in _ALLOWED.items():
            given = getattr(self, name)
            if not any(type(given) is type(value) and given == value for value in allowed):
                raise ValueError(f"{name}={given!r} is not allowed; use {' or '.join(map(repr, allowed))}")
        if self.audit and not self.gold:
            raise ValueError(f"audit={self.audit} scores training tasks, which gold=False rules out; use review=True")

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Settings:
        """The choices in a run's config."""
        return cls(**{name: config[name] for name in CHOICES if name in config})  # older ones had fewer

    @property
    def cites(self) -> bool:
        """Whether the agent is asked for the rules it used."""
        return self.counts or self.audit > 0

    @property
    def judges(self) -> bool:
        """Whether a candidate has to pass anything at all."""
        return self.review or self.audit > 0 or self.gate != "none" or bool(self.controls.must_pass)

    def check(self, bench: Benchmark) -> None:
        """ValueError where a benchmark lacks what the choices need: gate tasks, test tasks, the method."""
        shortcut = self.method in bench.shortcuts
        merges = not shortcut and METHODS.named(self.method, tuple(bench.shortcuts)).merges_modules
        needing = [(GATES, self.gate), (MERGES, self.merge)] if merges else [(GATES, self.gate)]
        for registry, name in needing:
            if registry[name].needs_gate and not bench.gate:
                raise ValueError(
                    f"{registry.argument}={name!r} needs gate tasks and {bench.name} has none; use gate='none' and "
                    "a merge that does without"
                )
        self.controls.check(bench)
        if not bench.test and bench.playable:
            raise ValueError(f"the test split of {bench.name} is empty; there is nothing to score on")


def whole(name: str, value: Any, least: int) -> int:
    """The value as an int; ValueError for what is no whole number of at least `least`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name}={value!r} is not allowed; use a whole number >= {least}")
    return int(value)


CHOICES = tuple(choice.name for choice in fields(Settings))
"""The names of all choices, in their order."""
