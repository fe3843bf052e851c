"""The strategies that can be chosen by name, and what is known of each: one registry a kind.

A strategy is a plain function; a decorator puts it in its registry under its own name, from a file of this room or
from a notebook cell, and says what others must know of it: checks, progress and listings read it there.

    @division                       @merging                     @method                  @gate
    def by_length(tasks, n_subsets, rng): ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from inspect import signature
from typing import Any


def one_merge(n_modules: int, fan_in: int) -> int:
    """All modules meet in one node."""
    return 1


def tree_of_merges(n_modules: int, fan_in: int) -> int:
    """Every node takes `fan_in` modules and gives one.

    >>> tree_of_merges(8, 2), tree_of_merges(8, 4)
    (7, 3)
    """
    return -(-(n_modules - 1) // (fan_in - 1))


@dataclass(frozen=True)
class Strategy:
    """A function with what is known of it; calling the strategy calls the function.

    needs_gate: it cannot do without gate tasks. takes_context: a division that is given the run's `Context` as its
    fourth argument, because it pays for rollouts. sets_number: a division that decides itself how many subsets there
    are. asks_llm: whether a merge asks the merger. merges(n_modules, fan_in): how many nodes it makes. trains: what
    a method optimises on, "subsets", "whole" (everything in one prompt), "nothing", or "" where that is not known.
    merges_modules: whether a method merges what it trained. own_rollouts: whether one rolls tasks out otherwise than in
    epochs. version(): what else decides its result, e.g. that of a package, "" for nothing.
    """

    function: Callable[..., Any]
    needs_gate: bool = False
    takes_context: bool = False
    sets_number: bool = False
    asks_llm: bool = True
    merges: Callable[[int, int], int] = one_merge
    trains: str = ""
    merges_modules: bool = False
    own_rollouts: bool = False
    version: Callable[[], str] = str

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return next(iter((self.function.__doc__ or "").strip().splitlines()), "")


class Registry(dict[str, Strategy]):
    """The strategies of one kind by name. `argument` is what `run` calls the choice among them."""

    def __init__(self, argument: str):
        super().__init__()
        self.argument = argument

    def register(self, function: Callable | None = None, **facts: Any) -> Callable:
        """Decorator, with facts (fields of `Strategy`) or without; the function stays what it is."""
        if function is None:
            return partial(self.register, **facts)
        self[function.__name__] = Strategy(function, **facts)
        return function

    def named(self, name: str, others: tuple[str, ...] = ()) -> Strategy:
        """The strategy of a name. ValueError for an unknown one lists those there are, `others` among them."""
        if name in self:
            return self[name]
        known = sorted({*self, *others})
        raise ValueError(
            f"{self.argument}={name!r} is unknown; {meant(name, known)}use one of {known} or register your own"
        )


def meant(name: object, known: Iterable[str]) -> str:
    """A question for an error's text: which of the known names a wrong one is like; "" where it is like none.

    >>> meant("fasst", ["fast", "full"])
    "did you mean 'fast'? "
    """
    close = get_close_matches(str(name), list(known), 1)
    return f"did you mean {close[0]!r}? " if close else ""


METHODS, DIVISIONS, MERGES, GATES = map(Registry, ("method", "divide", "merge", "gate"))
REGISTRIES = (METHODS, DIVISIONS, MERGES, GATES)

method, merging, gate = METHODS.register, MERGES.register, GATES.register


def division(function: Callable | None = None, **facts: Any) -> Callable:
    """Register a division; one with four parameters is given the run's `Context` as the fourth."""
    if function is None:
        return partial(division, **facts)
    return DIVISIONS.register(function, takes_context=len(signature(function).parameters) > 3, **facts)
