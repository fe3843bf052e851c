"""How methods fare with few and with many training tasks: gains, their consistency, prompts, what is dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from ..algorithm.settings import Settings
from ..report.summary import percent, score_matrix, summary
from ..stats import Interval, paired_difference, paired_t
from .ablations import over_seeds
from .findings import LEVEL, unless_apart

WINDOWS = (8_000, 32_000, 128_000, 1_000_000)
"""Context windows, in tokens, that prompts are set beside."""


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
            means = np.nanmean(cube, axis=(1, 2))
            over_sizes = np.nanmean(cube, axis=0)
            mean = paired_difference([over_sizes], [np.zeros_like(over_sizes)], np.random.default_rng(0))
            line = {"llm": llm, "method": method, "sizes": len(cube), "constants": part["constants"].iloc[0]}
            line |= _bounded("mean", means.mean(), (mean.lo, mean.hi))
            line |= _bounded("worst", means.min(), _worst(cube)) | _bounded("spread", np.ptp(means), _spread(cube))
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
    found = {key: frame.loc[seeds, tasks].to_numpy() for key, frame in frames.items()}
    sizes = sorted({size for size, _ in found})
    methods = [m for m in dict.fromkeys(rows["method"]) if m != reference and all((s, m) in found for s in sizes)]
    return {m: np.stack([found[(s, m)] - found[(s, reference)] for s in sizes]) for m in methods}


def _bounds(cells: Sequence[np.ndarray], level: float) -> np.ndarray:
    """(lo, hi) of the means of several arrays (seeds x tasks), as two rows; all hold together at `level`.

    Runs that are alike to the last task differ by 0.
    """
    each = 1 - (1 - level) / len(cells)
    found = [paired_t(one, np.zeros_like(one), each) if one.any() else Interval(0.0, 0.0, 0.0) for one in cells]
    return np.array([[one.lo for one in found], [one.hi for one in found]])


def _worst(cube: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """Bounds of the smallest mean gain of any size."""
    lo, hi = _bounds(list(cube), level)
    return lo.min(), hi.min()


def _spread(cube: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """Bounds of the largest mean gain minus the smallest: of the largest difference between two sizes."""
    pairs = [one - other for one, other in combinations(cube, 2)]
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
        **_bounded("worst_more", own.min() - others.min(), worst),
        **_bounded("spread_more", np.ptp(own) - np.ptp(others), (a_lo - b_hi, a_hi - b_lo)),
    }


def _bounded(name: str, value: float, bounds: tuple[float, float]) -> dict[str, float]:
    return {name: float(value), f"{name}_lo": float(bounds[0]), f"{name}_hi": float(bounds[1])}


def consistency_lines(table: pd.DataFrame, beside: str = "fgo") -> str:
    """What a `consistency` table says of `beside`: a line an LLM."""
    lines = []
    for llm, part in table.groupby("llm", sort=False):
        own = part[part["method"] == beside].iloc[0]
        others = part[part["method"] != beside]
        evenest, safest = _most_even(part), _best_at_worst(part)
        more_even = list(others.loc[others["spread_more_hi"] < 0, "method"])
        less_even = list(others.loc[others["spread_more_lo"] > 0, "method"])
        safer = list(others.loc[others["worst_more_lo"] > 0, "method"])
        lines.append(
            f"{llm}: smallest spread {evenest}, best worst size {safest}; {beside}: spread "
            f"{percent(own['spread'], own['spread_lo'], own['spread_hi'])}, worst size "
            f"{percent(own['worst'], own['worst_lo'], own['worst_hi'], '+')}; more even than {beside} beyond noise: "
            f"{', '.join(more_even) or 'none'}; less even: {', '.join(less_even) or 'none'}; "
            f"better at their worst size: {', '.join(safer) or 'none'}"
        )
    return "\n".join(lines)


def size_lines(table: pd.DataFrame, method: str = "fgo") -> str:
    """At which sizes `method` gains over the reference of a `by_size` table, and who has the highest mean where."""
    lines = []
    for llm, part in table.groupby("llm", sort=False):
        own = part[part["method"] == method]
        clear = [str(n) for n in own.loc[own["gain_lo"] > 0, "n_train"]]
        tops = ", ".join(f"{n}: {name}{doubt}" for n, name, doubt in _tops(part))
        lines.append(f"{llm}: {method} gains beyond noise at {', '.join(clear) or 'no size'}; highest mean at {tops}")
    return "\n".join(lines)


def size_title(table: pd.DataFrame, methods: Sequence[str] = ("fgo", "fgo+")) -> str:
    """For every LLM of a `by_size` table, at how many sizes each of the methods has the highest mean, as a title.

    Told apart: where its interval overlaps no other's.
    """
    told = []
    for llm, part in table.groupby("llm", sort=False):
        tops, found = _tops(part), []
        for method in [name for name in methods if name in set(part["method"])]:
            own = [doubt for _, name, doubt in tops if name == method]
            apart = f" (told apart at {own.count('') or 'none'})" if own else ""
            found.append(f"{method} at {len(own)} of {len(tops)} sizes{apart}")
        told.append(f"{llm.removeprefix('simulated:')}: {', '.join(found)}")
    return f"Highest mean: {'; '.join(told)}"


def _tops(table: pd.DataFrame) -> list[tuple[int, str, str]]:
    """(size, method with the highest mean, " (not told apart)" or "") of one LLM, sizes without any run left out."""
    parts = [(size, part) for size, part in table.groupby("n_train") if part["score"].notna().any()]
    best = [(size, part, part["score"].idxmax()) for size, part in parts]
    return [(size, part.loc[at, "method"], unless_apart(part, at)) for size, part, at in best]


def _most_even(table: pd.DataFrame) -> str:
    """The methods with the smallest spread, of one LLM: several where that of several is the same."""
    least = table[table["spread"] <= table["spread"].min()]
    doubt = unless_apart(table, least.index[0], ("spread_lo", "spread_hi"))
    return f"{' and '.join(least['method'])}{doubt}"


def _best_at_worst(table: pd.DataFrame) -> str:
    at = table["worst"].idxmax()
    return f"{table.loc[at, 'method']}{unless_apart(table, at, ('worst_lo', 'worst_hi'))}"


def consistency_figures(table: pd.DataFrame) -> pd.DataFrame:
    """A `consistency` table with one row a figure, in points, for `plots.plot_grid`."""
    titles = {"worst": "gain at the worst size", "spread": "spread over sizes"}
    parts = [
        table[["llm", "method", "constants"]].assign(
            figure=title, points=100 * table[name], lo=100 * table[f"{name}_lo"], hi=100 * table[f"{name}_hi"]
        )
        for name, title in titles.items()
    ]
    return pd.concat(parts, ignore_index=True)


def consistency_title(table: pd.DataFrame) -> str:
    """Which method is most even, and which best at its worst size, for every LLM of a `consistency` table."""
    told = []
    for llm, part in table.groupby("llm", sort=False):
        even, safe = _most_even(part), _best_at_worst(part)
        told.append(f"{llm.removeprefix('simulated:')}: most even {even}, best at its worst {safe}")
    return "; ".join(told)


def paper_row(table: pd.DataFrame, simulated: bool, method: str = "fgo") -> pd.DataFrame:
    """The paper's claim on training-set sizes beside a `consistency` table, a row an LLM, with a verdict."""
    rows = []
    for llm, part in table.groupby("llm", sort=False):
        own, count = part[part["method"] == method].iloc[0], len(part)
        ranks = [int((part["spread"] < own["spread"]).sum()) + 1, int((part["worst"] > own["worst"]).sum()) + 1]
        doubts = [unless_apart(part, own.name, (f"{name}_lo", f"{name}_hi")) for name in ("spread", "worst")]
        rows.append({
            "claim": "gain at all training-set sizes", "paper": "most consistent", "llm": llm,
            "measured": f"{method} is number {ranks[0]} of {count} by spread{doubts[0]}, "
                        f"number {ranks[1]} by its worst size{doubts[1]}",
            "spread, points": percent(own["spread"], own["spread_lo"], own["spread_hi"]),
            "worst size, points": percent(own["worst"], own["worst_lo"], own["worst_hi"], "+"),
            "verdict": "simulated, not evidence" if simulated else "not comparable",
        })  # fmt: skip
    return pd.DataFrame(rows)


# -- prompts


def largest_prompts(rows: pd.DataFrame) -> pd.DataFrame:
    """Largest optimiser or merger prompt of a run, in thousand tokens, by LLM, method and size; mean over runs.

    The interval resamples seeds. dropped: trajectories left out of prompts, a run.
    """
    table = []
    for (llm, method, size), runs in rows.groupby(["llm", "method", "n_train"], sort=False):
        found = over_seeds(runs["tokens_call_max"] / 1000, runs["seed"])
        line = {"llm": llm, "method": method, "n_train": size, "constants": runs["constants"].iloc[0]}
        line |= {"value": found.value, "lo": found.lo, "hi": found.hi, "dropped": float(runs["dropped"].mean())}
        table.append(line)
    return pd.DataFrame(table).dropna(subset=["value"])


def prompt_title(table: pd.DataFrame, method: str = "fgo", reference: str = "all_at_once") -> str:
    """How the largest prompts of two methods grow from the smallest to the largest size, as a figure's title."""
    ends = [table["n_train"].min(), table["n_train"].max()]
    told = []
    for name in (reference, method):
        of = table[table["method"] == name].set_index("n_train")["value"]
        told.append(f"{name} from {of[ends[0]]:.1f}k to {of[ends[1]]:.1f}k")
    return f"Largest prompt, {ends[0]} to {ends[1]} tasks: {', '.join(told)}"


def window_lines(table: pd.DataFrame, windows: tuple[int, ...] = WINDOWS) -> str:
    """At what number of training tasks each method's largest prompt would fill a window, a line a method.

    Beyond the largest size only where prompts grow about as the set does: a straight line through the last two
    sizes, and said to be an extrapolation.
    """
    lines = []
    for method, part in table.groupby("method", sort=False):
        part = part.sort_values("n_train")
        (x1, y1), (x2, y2) = part[["n_train", "value"]].to_numpy()[-2:]
        slope = (y2 - y1) / (x2 - x1)
        over = {w: part.loc[part["value"] > w / 1000, "n_train"] for w in windows}
        told = [f"{_short(w)} window full by {sizes.min()} tasks" for w, sizes in over.items() if len(sizes)]
        if slope * x2 > 0.6 * y2:  # grows at least as the power .6 of the set
            rest = {w: x2 + (w / 1000 - y2) / slope for w, sizes in over.items() if not len(sizes)}
            told += [f"{_short(w)} at about {float(f'{n:.2g}'):,.0f} tasks (extrapolated)" for w, n in rest.items()]
        elif not len(over[windows[-1]]):
            growth = "growing more slowly than the set" if slope > 0 else "not growing with the set"
            told += [f"{y2:.1f}k at {x2:.0f} tasks, {growth}"]
        lines.append(f"{method}: {'; '.join(told)}")
    return "\n".join(lines)


def _short(window: int) -> str:
    return f"{window // 1000}k" if window < 1_000_000 else f"{window / 1_000_000:g}M"


def dropped_table(rows: pd.DataFrame, variants: Mapping[str, dict]) -> pd.DataFrame:
    """Trajectories left out of optimiser prompts, mean a run, by LLM, method and size; `of`: rolled out to learn from.

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


def dropped_title(table: pd.DataFrame) -> str:
    """Who leaves out most trajectories, of a `dropped_table`, as a figure's title."""
    if not table["dropped"].max() > 0:
        return "nothing is dropped at any size"
    most = table.loc[table["dropped"].idxmax()]
    return (
        f"{most['method']} leaves out {most['dropped']:.3g} of {most['of']:.0f} trajectories a run "
        f"at {most['n_train']} tasks ({most['llm'].removeprefix('simulated:')})"
    )
