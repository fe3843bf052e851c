"""Choices that a function takes as fields of dataclasses: its signature shows them, and unknown ones are refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from inspect import Parameter, signature
from typing import Any, TypeVar

from ..algorithm.registry import meant
from .variants import DEFAULT_METHOD

Function = TypeVar("Function", bound=Callable)


def takes(*kinds: type) -> Callable[[Function], Function]:
    """Decorator for `f(..., **choices)`: help and completion list the fields of these dataclasses in their place."""

    def dress(function: Function) -> Function:
        own = [p for p in signature(function).parameters.values() if p.kind is not Parameter.VAR_KEYWORD]
        more = [
            Parameter(field.name, Parameter.KEYWORD_ONLY, annotation=field.type,
                      default=DEFAULT_METHOD if field.name == "method" else field.default)
            for kind in kinds for field in fields(kind)
        ]  # fmt: skip
        function.__signature__ = signature(function).replace(parameters=[*own, *more])
        return function

    return dress


def split(function: Callable, choices: Mapping[str, Any], *kinds: type) -> list[Any]:
    """One object of each kind from choices by name. TypeError for a name that `function` does not take."""
    names = [{field.name for field in fields(kind)} for kind in kinds]
    for name in choices:
        if not any(name in known for known in names):
            allowed = [p.name for p in signature(function).parameters.values() if p.kind is Parameter.KEYWORD_ONLY]
            hint = meant(name, allowed)
            raise TypeError(f"{function.__name__} does not take {name!r}; {hint}it takes {', '.join(allowed)}")
    return [
        kind(**{name: value for name, value in choices.items() if name in known})
        for kind, known in zip(kinds, names, strict=True)
    ]
