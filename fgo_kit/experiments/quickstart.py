"""00, 06 and 07: one run looked at closely, the agent it started from, and a first comparison."""

from __future__ import annotations

from ..runs.variants import VARIANTS
from .presets import preset
from .sets import Grid

WATCHED = {"method": "fgo", "counts": True, "review": True}
BY_HAND = {"method": "fgo", "n_subsets": 8}
BASE = {"base": {"method": "base"}}


def grids(name: str) -> dict[str, Grid]:
    """00 at any preset: one run and its base, then every method."""
    small, data = preset("fast"), ({"n_train": preset("fast").n_train},)
    return {
        "one run": Grid("logisticsqa", data, BASE | {"fgo": WATCHED}, small.seeds[:1]),
        "methods": Grid("logisticsqa", data, VARIANTS, small.seeds, "data/runs/quickstart.sqlite"),
    }


def by_hand(name: str) -> dict[str, Grid]:
    """06 at a preset: the run whose merges are made again by hand, and its base."""
    data = ({"n_train": 128 if name == "full" else 64},)
    return {"one run": Grid("logisticsqa", data, BASE | {"fgo": BY_HAND}, (0,), "data/runs/by_hand.sqlite")}


def explored(name: str) -> dict[str, Grid]:
    """07 at a preset: one run looked into, its base, and the same run with the other seeds."""
    chosen = preset(name)
    data = ({"n_train": chosen.n_train},)
    return {
        "base": Grid("logisticsqa", data, BASE, chosen.seeds[:1]),
        "seeds": Grid("logisticsqa", data, {"fgo": WATCHED}, chosen.seeds),
    }
