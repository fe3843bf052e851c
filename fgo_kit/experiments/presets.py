"""How large the shipped comparisons are: `preset`."""

from __future__ import annotations

from dataclasses import dataclass

from ..algorithm.registry import meant


@dataclass(frozen=True)
class Preset:
    """How large the shipped comparisons are. Seeds 0 to 9 are for development, headlines start at 100.

    games and questions (training tasks, subsets) and every (one test task in so many) are for the sets whose tasks
    are played turn by turn.
    """

    n_train: int
    seeds: tuple[int, ...]
    worlds: tuple[int, ...]
    profiles: tuple[str, ...]
    sources: tuple[str, ...] = ()
    folds: int = 5
    games: tuple[int, int] = (128, 8)
    questions: tuple[int, int] = (256, 16)
    every: int = 1


_HEADLINE = tuple(range(100, 110))
PRESETS = {
    "fast": Preset(64, _HEADLINE[:3], (0,), ("small", "null"), folds=2, games=(8, 2), questions=(24, 3), every=12),
    "full": Preset(
        256, _HEADLINE, (0, 1, 2), ("small", "large", "frontier", "null"),
        ("small-ruler", "large-ruler", "frontier-ruler", "small-helmet", "large-helmet", "frontier-helmet"),
    ),
}  # fmt: skip


def preset(name: str) -> Preset:
    """A preset by name; ValueError lists the names."""
    if name not in PRESETS:
        raise ValueError(f"PRESET={name!r} is unknown; {meant(name, PRESETS)}use one of {sorted(PRESETS)}")
    return PRESETS[name]
