"""How large the shipped comparisons are: `preset`."""

from __future__ import annotations

from dataclasses import dataclass

from ..algorithm.registry import meant


@dataclass(frozen=True)
class Preset:
    """How large the shipped comparisons are. Seeds 0 to 9 and worlds 0 to 2 are for development: nothing was chosen on
    seeds from 100 on, nor on worlds 3 to 10, from which headlines come.

    games and questions (training tasks, subsets, one test task in so many) are for the sets whose tasks are played turn
    by turn. notebooks: those that are run (a pattern of their names). methods: the only ones, if any. total_usd: what
    all of it may cost.
    """

    n_train: int
    seeds: tuple[int, ...]
    worlds: tuple[int, ...]
    profiles: tuple[str, ...]
    sources: tuple[str, ...] = ()
    folds: int = 5
    games: tuple[int, int, int] = (128, 8, 1)
    questions: tuple[int, int, int] = (256, 16, 1)
    notebooks: str = "*"
    methods: tuple[str, ...] = ()
    total_usd: float | None = None


_HEADLINE = tuple(range(100, 110))
PRESETS = {
    "fast": Preset(64, _HEADLINE[:3], (0,), ("small", "null"), folds=2, games=(8, 2, 12), questions=(24, 3, 12)),
    "full": Preset(
        256, _HEADLINE, tuple(range(3, 11)), ("small", "large", "frontier", "null"),
        ("small-ruler", "large-ruler", "frontier-ruler", "small-helmet", "large-helmet", "frontier-helmet"),
    ),
    # a study of a real model that anyone can pay for, set down before it was run: see `main_results.pilot`
    "pilot": Preset(
        64, _HEADLINE[:3], (0,), ("small",), games=(8, 2, 6), questions=(32, 4, 2), notebooks="01_*",
        methods=("base", "all_at_once", "bootstrapping", "fgo"), total_usd=5.0,
    ),
}  # fmt: skip


def preset(name: str) -> Preset:
    """A preset by name; ValueError lists the names."""
    if name not in PRESETS:
        raise ValueError(f"PRESET={name!r} is unknown; {meant(name, PRESETS)}use one of {sorted(PRESETS)}")
    return PRESETS[name]
