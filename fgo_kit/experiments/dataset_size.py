"""04: how methods fare with few and with many training tasks: gains, their consistency, prompts, what is dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..algorithm.settings import Settings
from ..report.summary import REFERENCE, cells, score_matrix, summary
from ..report.verdicts import bounded
from ..runs.variants import VARIANTS
from ..stats import Interval, over_seeds, paired_difference
from .presets import preset
from .sets import Grid, peers

LOG = "data/runs/dataset_size.sqlite"
LEVEL = 0.95
WINDOWS = (8_000, 32_000, 128_000, 1_000_000)
"""Context windows, in tokens, that prompts are compared with."""


def grids(name: str) -> dict[str, Grid]:
    """The notebook's grids at a preset: every method at every size, and four of them again for a smaller window."""
    sizes = (8, 16, 32, 64, 128, 256) if name == "full" else (8, 32, 64)
    data, methods = tuple({"n_train": size} for size in sizes), VARIANTS | {"combee": peers()["combee"]}
    few = {method: VARIANTS[method] for method in ("base", REFERENCE, "bootstrapping", "fgo")}
    asked = {"methods": methods, "window": few}
    return {part: Grid("logisticsqa", data, chosen, preset(name).seeds, LOG) for part, chosen in asked.items()}


def by_size(rows: pd.DataFrame, reference: str = "base") -> pd.DataFrame:
    """`report.summary` for every number of training tasks; gains are over `reference` at that size."""
    sizes = sorted(set(rows["n_train"]))
    return pd.concat([summary(rows[rows["n_train"] == size], reference) for size in sizes], ignore_index=True)


def consistency(rows: pd.DataFrame, reference: str = "base", beside: str = "fgo") -> pd.DataFrame:
    """How even a method's gain over `reference` is over training-set sizes; one row an LLM and method.

    worst: the smallest mean gain of any size; spread: the largest minus the smallest; mean: over sizes. All as
    measured: the smallest of noisy means is lower, and the spread larger, than the true ones, the more so the
    noisier the method. worst_more, spread_more: the method's figure minus that of `beside`.

    Intervals follow from bounds that hold together (Bonferroni) at all sizes, or for all pairs of sizes: wherever the
    true gains lie within them, so does the smallest within the smallest bounds. They are wide: in simulations those
    of worst and spread covered 94 % and more at 10 seeds. NaN where a difference has no interval.
    """
    table = []
    for llm, part in rows.groupby("llm", sort=False):
        gains = _gain_cubes(part, reference)
        for method, cube in gains.items():
            means, (lo, hi) = np.nanmean(cube, axis=(1, 2)), _bounds(list(cube), LEVEL)
            mean = paired_difference([np.nanmean(cube, axis=0)])
            line = {"llm": llm, "method": method, "sizes": len(cube), "constants": part["constants"].iloc[0]}
            line |= _columns("mean", means.mean(), (mean.lo, mean.hi))
            line |= _columns("worst", means.min(), (lo.min(), hi.min()))
            line |= _columns("spread", np.ptp(means), _spread(cube), 0, 2)
            if beside in gains and method != beside:
                line |= _beside(cube, gains[beside])
            table.append(line)
    return pd.DataFrame(table)


def _gain_cubes(rows: pd.DataFrame, reference: str) -> dict[str, np.ndarray]:
    """Gains as sizes x seeds x tasks for every method; all methods and sizes on the same seeds and tasks."""
    parts = rows.groupby(["n_train", "method"], sort=False)
    frames = {key: frame for key, runs in parts if (frame := score_matrix(runs)).size}
    seeds = sorted(set.intersection(*(set(frame.index) for frame in frames.values())))
    tasks = sorted(set.intersection(*(set(frame.columns) for frame in frames.values())))
    scores = {key: frame.loc[seeds, tasks].to_numpy() for key, frame in frames.items()}
    sizes = sorted({size for size, _ in scores})
    methods = [m for m in dict.fromkeys(rows["method"]) if m != reference and all((s, m) in scores for s in sizes)]
    return {m: np.stack([scores[s, m] - scores[s, reference] for s in sizes]) for m in methods}


def _bounds(parts: Sequence[np.ndarray], level: float) -> np.ndarray:
    """(lo, hi) of the means of several arrays (seeds x tasks), as two rows; all hold together at `level`.

    Runs that are alike to the last task differ by 0.
    """
    gaps = [paired_difference([part], None, level, len(parts)) if part.any() else Interval(0.0, 0.0, 0.0)
            for part in parts]  # fmt: skip
    return np.array([[gap.lo for gap in gaps], [gap.hi for gap in gaps]])


def _spread(cube: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """Bounds of the largest mean gain minus the smallest: of the largest difference between two sizes."""
    pairs = [larger - smaller for larger, smaller in combinations(cube, 2)]
    if not pairs:
        return 0.0, 0.0
    lo, hi = _bounds(pairs, level)
    return max(0.0, lo.max(), (-hi).max()), max(hi.max(), (-lo).max())


def _beside(cube: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """worst_more and spread_more. The worst sizes of two methods are no further apart than the methods are at any
    size; that, and the bounds of either method, hold together."""
    half = 1 - (1 - LEVEL) / 2
    apart = _bounds(list(cube - other), half)
    (a_lo, b_lo), (a_hi, b_hi) = (np.split(bound, 2) for bound in _bounds([*cube, *other], half))
    worst = max(apart[0].min(), a_lo.min() - b_hi.min()), min(apart[1].max(), a_hi.min() - b_lo.min())
    (a_lo, a_hi), (b_lo, b_hi) = _spread(cube, half), _spread(other, half)
    own, others = np.nanmean(cube, axis=(1, 2)), np.nanmean(other, axis=(1, 2))
    return {
        **_columns("worst_more", own.min() - others.min(), worst, -2, 2),
        **_columns("spread_more", np.ptp(own) - np.ptp(others), (a_lo - b_hi, a_hi - b_lo), -2, 2),
    }


def _columns(name: str, value: float, bounds: tuple[float, float], least: float = -1, most: float = 1) -> dict:
    found = bounded(Interval(float(value), *map(float, bounds)), least, most)
    return {name: found.value, f"{name}_lo": found.lo, f"{name}_hi": found.hi}


def show_consistency(table: pd.DataFrame, beside: str = "fgo") -> pd.DataFrame:
    """A `consistency` table for reading, in points; what is "less" is the method's figure minus that of `beside`."""
    names = {"mean": "mean gain", "worst": "worst size", "spread": "spread",
             "worst_more": f"worst size less {beside}'s", "spread_more": f"spread less {beside}'s"}  # fmt: skip
    shown = table[["llm", "method"]].assign(**{
        title: cells(table, name, "" if name == "spread" else "+") for name, title in names.items()
    })  # fmt: skip
    return shown.set_index(["llm", "method"])


def consistency_figures(table: pd.DataFrame) -> pd.DataFrame:
    """A `consistency` table with one row a figure, in points, for `report.plot_points`.

    Columns: llm, method, constants, figure, points, lo, hi.
    """
    titles = {"worst": "gain at\nworst size", "spread": "best minus\nworst size"}
    return pd.concat([
        table[["llm", "method", "constants"]].assign(
            figure=title, points=100 * table[name], lo=100 * table[f"{name}_lo"], hi=100 * table[f"{name}_hi"])
        for name, title in titles.items()
    ], ignore_index=True)  # fmt: skip


# -- prompts


def largest_prompts(rows: pd.DataFrame) -> pd.DataFrame:
    """Largest optimiser or merger prompt of a run, in thousand tokens: a row an LLM, method and size.

    Columns: llm, method, n_train, constants; value: mean over runs, lo, hi: over seeds; dropped: trajectories left out
    of prompts, a run.
    """
    table = []
    for (llm, method, size), runs in rows.groupby(["llm", "method", "n_train"], sort=False):
        mean = over_seeds(runs["tokens_call_max"] / 1000, runs["seed"])
        line = {"llm": llm, "method": method, "n_train": size, "constants": runs["constants"].iloc[0]}
        line |= {"value": mean.value, "lo": mean.lo, "hi": mean.hi, "dropped": float(runs["dropped"].mean())}
        table.append(line)
    return pd.DataFrame(table).dropna(subset=["value"])


def draw_windows(figure: Figure, windows: Sequence[int] = WINDOWS) -> Figure:
    """Context windows, in tokens, as lines across every panel of a token figure (in thousands), up to the next one."""
    for ax in figure.axes:
        top = ax.dataLim.intervaly[1]
        above = [window for window in windows if window / 1000 > top][:1]
        for window in [w for w in windows if w / 1000 <= top] + above:
            ax.axhline(window / 1000, color="#666666", linewidth=0.8, linestyle=":")
            ax.annotate(_window(window), (0.01, window / 1000), xycoords=("axes fraction", "data"), fontsize=6.5,
                        color="#666666", va="bottom")  # fmt: skip
        if above:
            ax.set_ylim(top=1.25 * above[0] / 1000)
    return figure


def _window(tokens: int) -> str:
    return f"{tokens // 1000}k window" if tokens < 1_000_000 else f"{tokens / 1_000_000:g}M window"


def window_table(table: pd.DataFrame, windows: Sequence[int] = WINDOWS) -> pd.DataFrame:
    """At what number of training tasks each method's largest prompt fills a window: a row a method, a column a window.

    table: `largest_prompts` of one LLM. Beyond the largest size "about N" on a straight line through the last two
    sizes, only where prompts grow about as the set does; "" elsewhere.
    """
    cells = {}
    for method, part in table.sort_values("n_train").groupby("method", sort=False):
        (x1, y1), (x2, y2) = part[["n_train", "value"]].to_numpy()[-2:]
        slope = (y2 - y1) / (x2 - x1)
        grows = slope * x2 > 0.6 * y2  # at least as the power .6 of the set
        cells[method] = {}
        for window in windows:
            over = part.loc[part["value"] > window / 1000, "n_train"]
            at = x2 + (window / 1000 - y2) / slope if grows else np.nan
            beyond = f"about {float(f'{at:.2g}'):,.0f}" if grows else ""
            cells[method][_window(window)] = f"by {over.min()}" if len(over) else beyond
    return pd.DataFrame.from_dict(cells, orient="index")


def dropped_table(rows: pd.DataFrame, variants: Mapping[str, dict]) -> pd.DataFrame:
    """Trajectories left out of optimiser prompts, mean a run. Columns: llm, method, n_train, dropped, of.

    A task is rolled out, and may be left out, once an epoch of every pass: `of` is size x epochs x passes, as the
    variants of `compare` have them (defaults of `Settings` where they say nothing).
    """
    default = Settings()
    times = {label: chosen.get("epochs", default.epochs) * chosen.get("passes", default.passes)
             for label, chosen in variants.items()}  # fmt: skip
    counted = rows.assign(of=rows["n_train"] * rows["method"].map(times))
    return counted.groupby(["llm", "method", "n_train"], sort=False)[["dropped", "of"]].mean().reset_index()


def dropped_grid(table: pd.DataFrame) -> pd.DataFrame:
    """A `dropped_table` for reading, sizes across: "65 of 128"; only rows where anything is left out."""
    kept = table[table.groupby(["llm", "method"])["dropped"].transform("max") > 0]
    cells = kept.assign(cell=[f"{row.dropped:.1f} of {row.of:.0f}" for row in kept.itertuples()])
    return cells.pivot(index=["llm", "method"], columns="n_train", values="cell").fillna("")
