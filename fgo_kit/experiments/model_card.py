"""The simulated LLM's limits by profile, and checks against published figures that were not used in fitting."""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..report.drawing import note_simulated
from ..report.summary import cells
from ..simulate.limits import constants_hash, noticing, profile
from ..simulate.published_curves import CURVES, MODELS, NOTICE_CURVES, OBEY_CURVE, SIZES, fit, points, shares

FITTED = ("NoLiMa: half is noticed", "RULER: half is noticed", "HELMET: half is noticed", "IFScale: half is obeyed")
"""What the panels of `fits_figure` are about."""


def fits_figure() -> Figure:
    """Published points and fits, each panel titled with where half is left for `small`; dashed beyond the data."""
    figure, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
    for ax, title, curve in zip(axes.flat, FITTED, MODELS, strict=False):
        at, obeying = fit(curve, MODELS[curve]["small"]).x50, curve == OBEY_CURVE
        _plot_curve(ax, curve, 1 if obeying else 100, 1000 if obeying else 0)
        ax.set_title(f"{title} at {'no length' if math.isinf(at) else f'{at:,.0f}'} (small)", fontsize=10)
        ax.plot([], [], "--", color="#666666", label="beyond the data")
        ax.set(xscale="log", ylim=(0, 109), ylabel="obeyed (%)" if obeying else "noticed (%)")
        ax.set_xlabel("instructions at once" if obeying else "prompt (tokens)")
        ax.legend(loc="lower left", fontsize="small")
    return note_simulated(figure, constants_hash())


def _plot_curve(ax: Axes, curve: str, low: float, high: float) -> None:
    """The models of one curve, from `low` to `high`; for 0 up to the context window of each."""
    for size, colour, marker in zip(SIZES, ("#D55E00", "#0072B2", "#009E73"), "os^", strict=True):
        model, window = MODELS[curve][size], points("context_window", MODELS["context_window"][size])[0][1]
        hill, (x, y) = fit(curve, model), np.array(shares(curve, model)).T
        for start, stop, style in ((low, x[0], "--"), (x[0], x[-1], "-"), (x[-1], max(x[-1], high or window), "--")):
            grid = np.geomspace(start, stop, 50)
            ax.plot(grid, [100 * hill(g) for g in grid], style, color=colour)
        ax.plot(x, 100 * y, marker, color=colour, label=f"{size}: {model}")


def limits_table() -> pd.DataFrame:
    """The limits of every profile, with the ranges in which they go beyond published data."""
    rows = []
    for name in (*SIZES, "null"):
        limits = profile(name)
        rows.append({
            "profile": name, "noticing x50": limits.notice.x50, "k": limits.notice.k, "two-hop factor": limits.hop,
            "obeying n50": limits.obey.x50, "obeying k": limits.obey.k, "position a, b": limits.position[:2],
            "judge tpr, fpr": (limits.tpr, limits.fpr), "rewriting keeps": limits.rewrite,
            "window": limits.context_window, "extrapolated": "; ".join(limits.extrapolated),
        })  # fmt: skip
    return pd.DataFrame(rows).set_index("profile")


def published(curve: str) -> dict[tuple[str, str], float]:
    """Figures of `published_curves.csv` as published, by (model, x); ValueError where there are none."""
    found = pd.read_csv(CURVES, dtype={"x": str}).query("curve == @curve").set_index(["model", "x"])["y"].to_dict()
    if not found:
        raise ValueError(f"{CURVES.name} has no rows for curve={curve!r}; restore the file")
    return found


def summhay_check(size: str = "large", short: int = 15_000, long: int = 100_000) -> pd.DataFrame:
    """SummHay: what is left of a score when the whole haystack is given instead of the relevant documents.

    Next to it the share of noticing that is left from `short` to `long` tokens, by noticing source: one hop
    for coverage, two for citation (which ties a finding to its document). Nothing was fitted to these.
    """
    rows = []
    for curve, hops in (("summhay_coverage", 1), ("summhay_citation", 2)):
        scores = published(curve)
        left = scores["GPT-4o", "full_haystack"] / scores["GPT-4o", "oracle_docs"]
        line = {"measure": curve, "published, GPT-4o": left}
        for source in NOTICE_CURVES:
            limits = profile(f"{size}-{source}")
            line[f"{size}-{source}"] = noticing(limits, long, 0.5, hops) / noticing(limits, short, 0.5, hops)
        rows.append(line)
    return pd.DataFrame(rows)


TRACE2SKILL = {"one at a time, in sequence": "Seq-B=1", "four at a time, in sequence": "Seq-B=4",
               "in parallel, merged": "Parallel hierarchical merge", "nothing learnt": "No skill"}  # fmt: skip


ONCE = {"epochs": 1, "passes": 1, "counts": False, "review": False}
"""Every task is learnt from once, and nothing but the texts of rules is weighed."""


def trace2skill_methods(n_train: int) -> dict[str, dict]:
    """The rows of Trace2Skill's comparison as choices of `run`: one trajectory a call, four, or one and merges.

    Its code merges edits of one base, five at a time, and keeps by default; so do these.
    """
    return {
        "one at a time, in sequence": {"method": "bootstrapping", "n_subsets": n_train, **ONCE},
        "four at a time, in sequence": {"method": "bootstrapping", "n_subsets": n_train // 4, **ONCE},
        "in parallel, merged": {"method": "fgo", "n_subsets": n_train, "fan_in": 5, **ONCE},
        "nothing learnt": {"method": "base"},
    }


def trace2skill_check(table: pd.DataFrame) -> pd.DataFrame:
    """A `report.summary` of those rows and the published scores (another model and task: compare signs)."""
    scores = {model.partition(" | ")[2]: y for (model, _), y in published("trace2skill_vrf").items()}
    shown = pd.DataFrame({"published, Qwen3.5-122B": {row: scores[name] for row, name in TRACE2SKILL.items()}})
    shown["published, points over sequence"] = shown.iloc[:, 0] - scores["Seq-B=4"]
    for llm, part in table.set_index("method").groupby("llm", sort=False):
        shown[f"{llm}, %"] = pd.Series(cells(part), part.index)
        shown[f"{llm}, points over sequence"] = pd.Series(cells(part, "gain", "+"), part.index)
    return shown
