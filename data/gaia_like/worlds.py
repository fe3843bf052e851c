"""What holds in a world beside what its files say, so that other rules are right in other worlds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pools

# Status words of which nobody knows whether such rows count; a world says it of each.
OPEN = ("pending", "held", "late", "revised", "parked", "partial", "returned", "moved", "manual", "deferred",
        "shared", "flagged")  # fmt: skip
TWICE = {
    "note": (
        "A {thing} may come in two parts, which are two rows with the same {key}; both count.",
        "Rows with the same {key} are not the same {thing} sent twice: each counts.",
    ),
    "step": "Count every row, also where the same id stands in more than one.",
}  # fmt: skip


@dataclass(frozen=True)
class Conventions:
    """dead: the status words of rows that do not count; live: of those that do. twice: whether a record that stands
    in two rows counts twice."""

    dead: tuple[str, ...] = pools.DEAD
    live: tuple[str, ...] = pools.LIVE
    twice: bool = False


def conventions(world: int) -> Conventions:
    """Those of a world; in world 0 what anybody would take for granted."""
    if world == 0:
        return Conventions()
    rng = np.random.default_rng([20250601, world, 1])
    known_dead, known_live, unknown = (rng.permutation(words).tolist() for words in (pools.DEAD, pools.LIVE, OPEN))
    dead, live = (*known_dead[:2], *unknown[:4]), (*known_live[:2], *unknown[4:8])
    return Conventions(dead, live, bool(rng.random() < 0.5))
