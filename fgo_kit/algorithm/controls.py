"""`Controls`: what may become of a module beyond what the method decides. All are off by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Integral
from typing import Any

from ..records import Module, Rule
from .benchmark import Benchmark

_COUNTS = {"max_rules": 1, "max_tokens": 1, "min_support": 0, "stop_after": 1}


@dataclass(frozen=True)
class Controls:
    """Bounds on long rule lists, and conditions on every candidate; part of a run's identity.

    max_rules, max_tokens: of a module; the rules with the least evidence are cut after every proposal and merge (see
    `evidence`). min_support: rules that fewer training tasks speak for are cut from the final module. locked: ids of
    rules of the seed module that no edit and no merge may change. must_pass: ids of training or gate tasks; a
    candidate that fails one which the module before it passes is refused. remember: the optimiser is shown the rules
    that a gate refused before. stop_after: so many epochs (of fgo and combee: passes) in a row without a better score
    on the gate split end the run, and the best module is kept. `run.rules()` lists what was cut, with the fate "cut".

    Raises ValueError for a value that is not allowed.

    >>> Controls(max_rules=12, must_pass=["t3"]).must_pass
    ('t3',)
    """

    max_rules: int | None = None
    max_tokens: int | None = None
    min_support: int = 0
    locked: tuple[str, ...] = ()
    must_pass: tuple[str, ...] = ()
    remember: bool = False
    stop_after: int | None = None

    def __post_init__(self):
        for name, least in _COUNTS.items():
            value = getattr(self, name)
            if value is None and name != "min_support":
                continue
            if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
                raise ValueError(f"controls: {name}={value!r} is not allowed; use a whole number >= {least}")
            object.__setattr__(self, name, int(value))
        for name in ("locked", "must_pass"):
            value = getattr(self, name)
            if isinstance(value, str) or not all(isinstance(part, str) for part in value):
                raise ValueError(f"controls: {name}={value!r} is not allowed; use a list of ids, e.g. ['t3']")
            object.__setattr__(self, name, tuple(value))
        if not isinstance(self.remember, bool):
            raise ValueError(f"controls: remember={self.remember!r} is not allowed; use True or False")

    @classmethod
    def of(cls, given: Controls | Mapping[str, Any] | None) -> Controls:
        """Controls from themselves, from their fields by name, or from None; ValueError for anything else."""
        if isinstance(given, cls):
            return given
        known = [field.name for field in fields(cls)]
        if given is not None and not (isinstance(given, Mapping) and set(given) <= set(known)):
            raise ValueError(f"controls={given!r} is not allowed; use Controls(...) with some of {', '.join(known)}")
        return cls(**(given or {}))

    def check(self, bench: Benchmark) -> None:
        """ValueError for ids that the benchmark does not have, and for what needs gate tasks where there are none."""
        tasks = {task.id for task in (*bench.train, *bench.gate)}
        rules = {rule.id for rule in bench.seed_module.rules}
        for name, ids, known in (("must_pass", self.must_pass, tasks), ("locked", self.locked, rules)):
            unknown = [identifier for identifier in ids if identifier not in known]
            if unknown:
                what = "training or gate tasks" if name == "must_pass" else "rules of the seed module"
                raise ValueError(f"controls: {name} names {unknown[:5]}, which are no {what} of {bench.name}")
        if self.stop_after is not None and not bench.gate:
            raise ValueError(f"controls: stop_after needs gate tasks and {bench.name} has none; leave it out")


def evidence(rule: Rule) -> tuple[int, int]:
    """What speaks for a rule, for choosing which to cut: right uses less wrong ones, then its supporting tasks."""
    return rule.right - rule.wrong, len(rule.support)


def with_locked(module: Module, before: Module, locked: tuple[str, ...]) -> Module:
    """The module with the locked rules of `before` that it lacks put back, first in their component."""
    missing = set(locked) - {rule.id for rule in module.rules}
    if not missing:
        return module
    rules = {
        old.name: (*(rule for rule in old.rules if rule.id in missing), *new.rules)
        for old, new in zip(before.components, module.components, strict=True)
    }
    return module.with_rules(rules)
