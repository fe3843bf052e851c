"""What an ablation shows, worded from its numbers: main effects, optima, rankings, consistency over sizes.

Sentences follow from intervals alone, so that they stay true when seeds, data or model change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from .ablations import differences, said
from .report import _percent, score_matrix, summary
from .stats import RESAMPLES, Interval, mean_interval

LEVEL = 0.95
NOUNS = {
    "divide": "division strategy", "n_subsets": "number of subsets", "merge": "merge strategy", "fan_in": "fan-in",
    "edits": "way of writing",
}  # fmt: skip


def ranking(rows: pd.DataFrame, labels: Sequence[str], reference: str) -> str:
    """The highest mean among `labels` and where each stands to the reference, of one LLM's rows.

    Intervals of the differences are paired and simultaneous (Bonferroni).
    """
    others = [label for label in labels if label != reference]
    table = differences(rows, [(label, reference) for label in others])
    means = {label: float(np.nanmean(score_matrix(rows[rows["method"] == label]))) for label in labels}
    best = max(means, key=means.get)
    parts = [f"highest mean: {best} ({100 * means[best]:.1f} %)"]
    for verdict, words in (("better", "better than"), ("worse", "worse than"), ("unclear", "not told from")):
        found = table[table["verdict"] == verdict]
        named = [f"{row.method} ({_percent(row.difference, row.lo, row.hi, '+')})" for row in found.itertuples()]
        parts += [f"{words} {reference}: {', '.join(named)}"] if named else []
    return "; ".join(parts)


def optimum(rows: pd.DataFrame, labels: Sequence[str]) -> str:
    """Whether the score has its maximum inside an ordered row of labels (one LLM's rows), and not at an end.

    The label is chosen on the first half of the seeds and compared with both ends on the other half, because
    the highest of several means is too high where it was chosen.
    """
    seeds = sorted(set(rows["seed"]))
    if len(labels) < 3 or len(seeds) < 2:
        return "not asked: an interior optimum needs at least three settings and two seeds"
    first, second = seeds[: len(seeds) // 2], seeds[len(seeds) // 2 :]
    chosen = rows[rows["seed"].isin(first)]
    means = [float(np.nanmean(score_matrix(chosen[chosen["method"] == label]))) for label in labels]
    at = int(np.nanargmax(means))
    if at in (0, len(labels) - 1):
        return f"no interior optimum: on the seeds to choose by, the mean is highest at an end, {labels[at]}"
    ends = differences(rows, [(labels[at], labels[0]), (labels[at], labels[-1])], seeds=second)
    told = [f"{_percent(row.difference, row.lo, row.hi, '+')} points to {row.other}" for row in ends.itertuples()]
    clear = (ends["verdict"] == "better").all()
    start = "an interior optimum" if clear else "highest inside, but not told from both ends"
    return f"{start}: {labels[at]}, on fresh seeds {' and '.join(told)}"


def counted_optima(found: Sequence[str]) -> str:
    """How many of the answers of `optimum` found one inside, as a figure's title."""
    inside = sum(line.startswith("an interior optimum") for line in found)
    return f"{inside or 'none'} of {len(found)} curves {'has' if inside < 2 else 'have'} an interior optimum"


def best_of(table: pd.DataFrame) -> str:
    """The method with the highest mean score for every LLM of a summary, as a figure's title."""
    best = table.loc[table.dropna(subset=["score"]).groupby("llm", sort=False)["score"].idxmax()]
    named = [f"{row.method} ({row.llm.removeprefix('simulated:')})" for row in best.itertuples()]
    return f"highest mean: {'; '.join(named)}"


def effects(rows: pd.DataFrame, variants: Mapping[str, dict]) -> pd.DataFrame:
    """Main effects of a crossed grid, for one LLM: every level of a factor beside its first level.

    difference: mean over all pairs of variants that differ in this factor alone, paired on tasks and seeds;
    the intervals hold together (Bonferroni over the table). pairs: how many variants were paired.
    """
    known = set(rows["method"])
    scores = {method: score_matrix(runs) for method, runs in rows.groupby("method", sort=False)}
    found = []
    for factor in dict.fromkeys(name for chosen in variants.values() for name in chosen):
        levels = list(dict.fromkeys(chosen.get(factor) for chosen in variants.values()))
        for level in levels[1:]:
            pairs = [p for p in _pairs(variants, factor, level, levels[0]) if set(p) <= known]
            found += [(factor, level, levels[0], pairs)] if pairs else []
    table = []
    for factor, level, other, pairs in found:
        mean = _mean_difference(scores, pairs, 1 - (1 - LEVEL) / len(found))
        verdict = "better" if mean.lo > 0 else "worse" if mean.hi < 0 else "unclear"
        line = {"factor": factor, "level": said(factor, level), "beside": said(factor, other), "pairs": len(pairs)}
        table.append(line | {"difference": mean.value, "lo": mean.lo, "hi": mean.hi, "verdict": verdict})
    return pd.DataFrame(table, columns=["factor", "level", "beside", "pairs", "difference", "lo", "hi", "verdict"])


def _pairs(variants: Mapping[str, dict], factor: str, level, other) -> list[tuple[str, str]]:
    by_rest = {}
    for label, chosen in variants.items():
        rest = tuple((name, value) for name, value in sorted(chosen.items()) if name != factor)
        by_rest[(rest, chosen.get(factor))] = label
    return [(label, by_rest[(rest, other)]) for (rest, value), label in by_rest.items()
            if value == level and (rest, other) in by_rest]  # fmt: skip


def _mean_difference(scores: Mapping[str, pd.DataFrame], pairs: list[tuple[str, str]], level: float) -> Interval:
    stacked = []
    for method, other in pairs:
        mine, theirs = scores[method].align(scores[other], join="outer")
        stacked.append((mine - theirs).sort_index().sort_index(axis=1))
    seeds = sorted(set().union(*(frame.index for frame in stacked)))
    tasks = sorted(set().union(*(frame.columns for frame in stacked)))
    cube = np.stack([frame.reindex(index=seeds, columns=tasks).to_numpy(float) for frame in stacked])
    known = np.isfinite(cube).sum(axis=0)
    mean = np.where(known > 0, np.nansum(cube, axis=0) / np.maximum(known, 1), np.nan)
    return mean_interval([mean], np.random.default_rng(0), level)


def effect_lines(table: pd.DataFrame) -> str:
    """An `effects` table as sentences, clear ones first."""
    order = {"better": 0, "worse": 1, "unclear": 2}
    lines = []
    for row in sorted(table.itertuples(), key=lambda row: order[row.verdict]):
        words = {"better": "scores above", "worse": "scores below", "unclear": "cannot be told from"}[row.verdict]
        by = _percent(row.difference, row.lo, row.hi, "+")
        lines.append(f"{row.factor}: {row.level} {words} {row.beside} ({by} points, mean of {row.pairs} settings)")
    return "\n".join(lines)


def effect_title(table: pd.DataFrame, factor: str) -> str:
    """One factor of an `effects` table in a line, as a figure's title."""
    part = table[table["factor"] == factor]
    if part.empty:
        return ""
    above, below = (list(part.loc[part["verdict"] == verdict, "level"]) for verdict in ("better", "worse"))
    said_of = [f"{words} {part['beside'].iloc[0]}: {', '.join(found)}"
               for words, found in (("above", above), ("below", below)) if found]  # fmt: skip
    return "; ".join(said_of) or f"no other {NOUNS.get(factor, factor)} can be told from {part['beside'].iloc[0]}"


def standing(rows: pd.DataFrame, labels: Sequence[str], reference: str) -> str:
    """How many of the settings score above and below a reference beyond noise (one LLM's rows), and the extremes."""
    table = differences(rows, [(label, reference) for label in labels])
    if table["difference"].isna().all():
        return f"no run to compare with {reference}"
    above, below = ((table["verdict"] == verdict).sum() for verdict in ("better", "worse"))
    best, worst = table.loc[table["difference"].idxmax()], table.loc[table["difference"].idxmin()]
    return (
        f"{above} of {len(table)} settings score above {reference} beyond noise, {below} below; "
        f"highest {best['method']} ({_percent(best['difference'], best['lo'], best['hi'], '+')} points), "
        f"lowest {worst['method']} ({_percent(worst['difference'], worst['lo'], worst['hi'], '+')} points)"
    )


def related(rows: pd.DataFrame, variants: Mapping[str, dict], within: str, column: str = "overlap") -> str:
    """Rank correlation of a column with the score over settings that agree in the factor `within`, averaged.

    Cells are means over runs; the interval resamples seeds (one LLM's rows).
    """
    groups: dict = {}
    for label, chosen in variants.items():
        groups.setdefault(chosen.get(within), []).append(label)
    wide = {name: rows.pivot_table(index="seed", columns="method", values=name) for name in (column, "score")}
    groups = [[label for label in group if all(label in w for w in wide.values())] for group in groups.values()]
    groups = [group for group in groups if len(group) > 2]
    seeds, rng = wide["score"].index, np.random.default_rng(0)
    if not groups or len(seeds) < 2:
        return f"not asked: {column} and score need three settings and two seeds"

    def mean(chosen) -> float:
        a, b = (wide[name].loc[chosen].mean() for name in (column, "score"))
        return float(np.nanmean([a[group].rank().corr(b[group].rank()) for group in groups]))

    draws = [mean(rng.choice(seeds, len(seeds))) for _ in range(RESAMPLES // 4)]
    value, (lo, hi) = mean(seeds), np.nanpercentile(draws, [2.5, 97.5])
    word = "rises with" if lo > 0 else "falls with" if hi < 0 else "shows no clear relation to"
    return f"the score {word} {column} (mean rank correlation {value:+.2f} [{lo:+.2f}, {hi:+.2f}])"


def extremes(table: pd.DataFrame, by: str, value: str, what: str) -> str:
    """The level of a factor with the highest and the one with the lowest mean of a share, as a figure's title."""
    means = table.groupby(by, sort=False)[value].mean().dropna()
    if len(means) < 2:
        return ""
    top, low = means.idxmax(), means.idxmin()
    return f"{what}: most with {top} ({100 * means[top]:.0f} %), least with {low} ({100 * means[low]:.0f} %)"


def token_line(table: pd.DataFrame, label: str, reference: str = "all_at_once") -> str:
    """The token figures of one setting beside the reference, from a summary of one LLM's rows."""
    known = table.set_index("method")
    call, total, all_in = (
        100 * (known.loc[label, name] / known.loc[reference, name] - 1)
        for name in ("tokens_call_mean", "tokens_optimiser", "tokens_all_in")
    )
    return f"{label} beside {reference}: a call {call:+.0f} %, all calls {total:+.0f} %, all in {all_in:+.0f} %"


def gate_lines(table: pd.DataFrame) -> str:
    """A `gate_table` in sentences: what was refused, and how often rightly by the test split."""
    lines = []
    for (llm, gate), part in table.groupby(["llm", "gate"], sort=False):
        refused, merges = part[part["candidates"] == "refused"], part["merges"].sum()
        if refused.empty:
            lines.append(f"{llm}: the {gate} gate refused none of {merges} candidates")
            continue
        row = refused.iloc[0]
        if np.isnan(row["right"]):
            lines.append(f"{llm}: the {gate} gate refused {row['merges']} of {merges} candidates, not judged")
            continue
        clear = "rightly more often than not" if row["right_lo"] > 0.5 else "wrongly more often than not"
        clear = clear if row["right_lo"] > 0.5 or row["right_hi"] < 0.5 else "no better than a coin"
        lines.append(
            f"{llm}: the {gate} gate refused {row['merges']} of {merges} candidates, {clear} "
            f"({_percent(row['right'], row['right_lo'], row['right_hi'])} % were worse on the test split); those lost "
            f"{_percent(row['on_gate'], row['on_gate_lo'], row['on_gate_hi'], '+')} points on the gate split and "
            f"{_percent(row['on_test'], row['on_test_lo'], row['on_test_hi'], '+')} on the test split"
        )
    return "\n".join(lines)


def kept_title(table: pd.DataFrame, method: str) -> str:
    """What one setting of a `kept_table` (one LLM) keeps of rules of one task, and of the best supported ones."""
    part = table[table["method"] == method].set_index("support")
    if not {"1", "4+"} <= set(part.index):
        return ""
    rare, frequent = part.loc["1"], part.loc["4+"]
    apart = rare["hi"] < frequent["lo"] or frequent["hi"] < rare["lo"]
    shares = f"{100 * rare['share']:.0f} % of rules of one task, {100 * frequent['share']:.0f} % of those of 4 or more"
    return f"{method} keeps {shares}{'' if apart else ' (intervals overlap)'}"


# -- sizes of the training set


def by_size(rows: pd.DataFrame, reference: str = "base") -> pd.DataFrame:
    """`report.summary` for every number of training tasks; gains are over `reference` at that size."""
    sizes = sorted(set(rows["n_train"]))
    return pd.concat([summary(rows[rows["n_train"] == size], reference) for size in sizes], ignore_index=True)


def consistency(rows: pd.DataFrame, reference: str = "base", beside: str = "fgo") -> pd.DataFrame:
    """How even a method's gain over `reference` is over training-set sizes; one row an LLM and method.

    worst: the smallest mean gain of any size; spread: the largest minus the smallest; mean: over sizes.
    Intervals (95 %) come from one bootstrap that resamples seeds and tasks alike at all sizes; the smallest
    of noisy means is biased downwards and the spread upwards, for all methods. worst_more, spread_more: the
    method's figure minus that of `beside`, from the same draws.
    """
    table = []
    for llm, part in rows.groupby("llm", sort=False):
        gains = _gain_cubes(part, reference)
        draws = {method: _drawn(cube) for method, cube in gains.items()}
        for method, drawn in draws.items():
            line = {"llm": llm, "method": method, "sizes": gains[method].shape[0]}
            for name in ("mean", "worst", "spread"):
                line |= _interval_of(name, drawn[name])
                if name != "mean" and beside in draws and method != beside:
                    line |= _interval_of(f"{name}_more", drawn[name] - draws[beside][name])
            table.append(line)
    return pd.DataFrame(table)


def _gain_cubes(rows: pd.DataFrame, reference: str) -> dict[str, np.ndarray]:
    """Gains as sizes x seeds x tasks for every method; all methods and sizes on the same seeds and tasks."""
    parts = rows.groupby(["n_train", "method"], sort=False)
    frames = {key: score_matrix(runs) for key, runs in parts}
    seeds = sorted(set.intersection(*(set(frame.index) for frame in frames.values())))
    tasks = sorted(set.intersection(*(set(frame.columns) for frame in frames.values())))
    found = {key: frame.loc[seeds, tasks].to_numpy() for key, frame in frames.items()}
    sizes = sorted({size for size, _ in found})
    methods = [m for m in dict.fromkeys(rows["method"]) if m != reference and all((s, m) in found for s in sizes)]
    return {m: np.stack([found[(s, m)] - found[(s, reference)] for s in sizes]) for m in methods}


def _drawn(cube: np.ndarray) -> dict[str, np.ndarray]:
    """mean, worst and spread over sizes: first as measured, then of every bootstrap draw."""
    rng = np.random.default_rng(0)
    means = [np.nanmean(cube, axis=(1, 2))]
    for _ in range(RESAMPLES):
        seeds = rng.integers(cube.shape[1], size=cube.shape[1])
        tasks = rng.integers(cube.shape[2], size=cube.shape[2])
        means.append(np.nanmean(cube[:, seeds][:, :, tasks], axis=(1, 2)))
    of_size = np.array(means)
    return {"mean": of_size.mean(axis=1), "worst": of_size.min(axis=1), "spread": np.ptp(of_size, axis=1)}


def _interval_of(name: str, drawn: np.ndarray) -> dict[str, float]:
    lo, hi = np.nanpercentile(drawn[1:], [2.5, 97.5])
    return {name: float(drawn[0]), f"{name}_lo": float(lo), f"{name}_hi": float(hi)}


def consistency_lines(table: pd.DataFrame, beside: str = "fgo") -> str:
    """What a `consistency` table says of `beside`: a line an LLM."""
    lines = []
    for llm, part in table.groupby("llm", sort=False):
        own = part[part["method"] == beside].iloc[0]
        others = part[part["method"] != beside]
        evenest, safest = part.loc[part["spread"].idxmin(), "method"], part.loc[part["worst"].idxmax(), "method"]
        more_even = list(others.loc[others["spread_more_hi"] < 0, "method"])
        less_even = list(others.loc[others["spread_more_lo"] > 0, "method"])
        safer = list(others.loc[others["worst_more_lo"] > 0, "method"])
        lines.append(
            f"{llm}: smallest spread {evenest}, best worst size {safest}; {beside}: spread "
            f"{_percent(own['spread'], own['spread_lo'], own['spread_hi'])}, worst size "
            f"{_percent(own['worst'], own['worst_lo'], own['worst_hi'], '+')}; more even than {beside} beyond noise: "
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
        best = part.loc[part.groupby("n_train")["score"].idxmax()]
        tops = ", ".join(f"{row.n_train}: {row.method}" for row in best.itertuples())
        lines.append(f"{llm}: {method} gains beyond noise at {', '.join(clear) or 'no size'}; highest mean at {tops}")
    return "\n".join(lines)
