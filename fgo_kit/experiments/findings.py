"""What an ablation shows, worded from its numbers: main effects, optima, rankings, gates.

What is called better, worse, above or below follows from intervals. A highest or lowest mean, and a change in tokens,
is a point estimate: "(not told apart)" stands where its interval overlaps another's, and token figures are means.
What has no interval, for want of runs, is not known, which is not the same as no difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ..report.summary import percent, score_matrix
from ..stats import RESAMPLES, Interval, paired_difference
from .ablations import bounded, differences, said

LEVEL = 0.95
UNKNOWN, ALIKE = "not known", "alike"
NOUNS = {
    "divide": "division strategy", "n_subsets": "number of subsets", "merge": "merge strategy", "fan_in": "fan-in",
    "edits": "way of writing",
}  # fmt: skip


def verdict_of(value: float, lo: float, hi: float) -> str:
    """What the interval of a difference says; without an interval nothing is known, unless runs are alike.

    >>> verdict_of(0.15, 0.1, 0.2), verdict_of(0.1, float("nan"), float("nan")), verdict_of(0, *2 * [float("nan")])
    ('better', 'not known', 'alike')
    """
    if np.isnan(lo) or np.isnan(hi):
        return ALIKE if value == 0 else UNKNOWN
    return "better" if lo > 0 else "worse" if hi < 0 else "unclear"


def unless_apart(table: pd.DataFrame, at: object, bounds: tuple[str, str] = ("lo", "hi")) -> str:
    """" (not told apart)" where the interval of row `at` overlaps another row's or either is unknown, else "".

    Strict: two intervals that overlap a little can belong to a clear paired difference.
    """
    lo, hi = (table.loc[at, name] for name in bounds)
    others = table.drop(index=at)
    apart = (others[bounds[1]] < lo) | (others[bounds[0]] > hi)
    return "" if apart.all() else " (not told apart)"


def ranking(rows: pd.DataFrame, labels: Sequence[str], reference: str) -> str:
    """The highest mean among `labels` and where each stands to the reference, of one LLM's rows.

    Intervals of the differences are paired and simultaneous (Bonferroni).
    """
    others = [label for label in labels if label != reference]
    table = differences(rows, [(label, reference) for label in others])
    scores = {label: score_matrix(rows[rows["method"] == label]) for label in labels}
    means = {label: float(np.nanmean(matrix)) for label, matrix in scores.items() if matrix.size}
    if not means:
        return "no run to compare"
    best = max(means, key=means.get)
    parts = [f"highest mean: {best} ({100 * means[best]:.1f} %)"]
    verdicts = [verdict_of(row.difference, row.lo, row.hi) for row in table.itertuples()]
    verdicts = pd.Series(verdicts, table.index, dtype=object)
    for verdict, words in (("better", "better than"), ("worse", "worse than"), ("unclear", "not told from"),
                           (ALIKE, "the same as"), (UNKNOWN, "not known beside")):  # fmt: skip
        clear = verdict in ("better", "worse")
        named = [
            f"{row.method} ({percent(row.difference, row.lo, row.hi, '+')})" if clear else row.method
            for row in table[verdicts == verdict].itertuples()
        ]
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
        return f"no interior optimum found: on the seeds to choose by, the mean is highest at an end, {labels[at]}"
    ends = differences(rows, [(labels[at], labels[0]), (labels[at], labels[-1])], seeds=second)
    told = [f"{percent(row.difference, row.lo, row.hi, '+')} points to {row.other}" for row in ends.itertuples()]
    clear = (ends["verdict"] == "better").all()
    start = "an interior optimum" if clear else "highest inside, but not told from both ends"
    return f"{start}: {labels[at]}, on fresh seeds {' and '.join(told)}"


def counted_optima(found: Sequence[str]) -> str:
    """On how many curves `optimum` found one inside, as a figure's title; that there is none is never shown."""
    inside = sum(line.startswith("an interior optimum") for line in found)
    return f"an interior optimum is told from both ends on {inside or 'none'} of {len(found)} curves"


def best_of(table: pd.DataFrame) -> str:
    """The method with the highest mean score for every LLM of a summary, as a figure's title."""
    named = []
    for llm, part in table.dropna(subset=["score"]).groupby("llm", sort=False):
        at = part["score"].idxmax()
        named.append(f"{part.loc[at, 'method']} ({llm.removeprefix('simulated:')}){unless_apart(part, at)}")
    return f"highest mean: {'; '.join(named)}"


def effects(rows: pd.DataFrame, variants: Mapping[str, dict]) -> pd.DataFrame:
    """Main effects of a crossed grid, for one LLM: every level of a factor beside its first level.

    difference: mean over all pairs of variants that differ in this factor alone, paired on tasks and seeds;
    the intervals hold together (Bonferroni over the table). pairs: how many variants were paired. verdict: see
    `verdict_of`.
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
        line = {"factor": factor, "level": said(factor, level), "beside": said(factor, other), "pairs": len(pairs)}
        line |= {"difference": mean.value, "lo": mean.lo, "hi": mean.hi}
        table.append(line | {"verdict": verdict_of(mean.value, mean.lo, mean.hi)})
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
    return bounded(paired_difference([mean], [np.zeros_like(mean)], np.random.default_rng(0), level))


def effect_lines(table: pd.DataFrame) -> str:
    """An `effects` table as sentences, clear ones first."""
    words_of = {"better": "scores above", "worse": "scores below", "unclear": "cannot be told from",
                ALIKE: "gives the same as", UNKNOWN: "is not known beside"}  # fmt: skip
    lines = []
    for row in sorted(table.itertuples(), key=lambda row: list(words_of).index(row.verdict)):
        words = words_of[row.verdict]
        if np.isnan(row.difference):
            lines.append(f"{row.factor}: {row.level} {words} {row.beside} (no runs to compare)")
            continue
        by = percent(row.difference, row.lo, row.hi, "+")
        lines.append(f"{row.factor}: {row.level} {words} {row.beside} ({by} points, mean of {row.pairs} settings)")
    return "\n".join(lines)


def effect_title(table: pd.DataFrame, factor: str) -> str:
    """One factor of an `effects` table in a line, as a figure's title."""
    part = table[table["factor"] == factor]
    if part.empty:
        return ""
    above, below = (list(part.loc[part["verdict"] == verdict, "level"]) for verdict in ("better", "worse"))
    noun, reference = NOUNS.get(factor, factor), part["beside"].iloc[0]
    sides = (("above", above), ("below", below))
    told = "; ".join(f"{words} {reference}: {', '.join(found)}" for words, found in sides if found)
    unknown = ", ".join(part.loc[part["verdict"] == UNKNOWN, "level"])
    rest = f"; not known: {unknown}" if unknown else ""
    if not told and (part["verdict"] == UNKNOWN).all():
        return f"{noun} beside {reference}: not known"
    return f"{noun} {told}{rest}" if told else f"no other {noun} can be told from {reference}{rest}"


def standing(rows: pd.DataFrame, labels: Sequence[str], reference: str) -> str:
    """How many of the settings score above and below a reference beyond noise (one LLM's rows), and the extremes.

    Intervals hold together (Bonferroni). The extremes are of point estimates, with their intervals.
    """
    table = differences(rows, [(label, reference) for label in labels])
    if table["difference"].isna().all():
        return f"no run to compare with {reference}"
    verdicts = [verdict_of(row.difference, row.lo, row.hi) for row in table.itertuples()]
    above, below, unknown = (verdicts.count(verdict) for verdict in ("better", "worse", UNKNOWN))
    best, worst = table.loc[table["difference"].idxmax()], table.loc[table["difference"].idxmin()]
    return (
        f"{above} of {len(table)} settings score above {reference} beyond noise, {below} below"
        f"{f', {unknown} not known' if unknown else ''}; "
        f"highest {best['method']} ({percent(best['difference'], best['lo'], best['hi'], '+')} points), "
        f"lowest {worst['method']} ({percent(worst['difference'], worst['lo'], worst['hi'], '+')} points)"
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
    if not groups or len(seeds) < 5:
        return f"not asked: the relation of {column} and score needs three settings and five seeds"

    def mean(chosen) -> float:
        a, b = (wide[name].loc[chosen].mean() for name in (column, "score"))
        return float(np.nanmean([a[group].rank().corr(b[group].rank()) for group in groups]))

    draws = [mean(rng.choice(seeds, len(seeds))) for _ in range(RESAMPLES // 4)]
    value, (lo, hi) = mean(seeds), np.nanpercentile(draws, [2.5, 97.5])
    word = "rises with" if lo > 0 else "falls with" if hi < 0 else "shows no clear relation to"
    return f"the score {word} {column} (mean rank correlation {value:+.2f} [{lo:+.2f}, {hi:+.2f}])"


def extremes(table: pd.DataFrame, by: str, value: str, what: str) -> str:
    """The level of a factor with the highest and the one with the lowest mean of a share, as a figure's title.

    A level's interval is the mean of those of its cells (columns value_lo, value_hi): too wide rather than too narrow.
    """
    means = table.groupby(by, sort=False)[[value, f"{value}_lo", f"{value}_hi"]].mean().dropna(subset=[value])
    if len(means) < 2:
        return ""
    top, low = means[value].idxmax(), means[value].idxmin()
    if top == low:
        return f"{what}: {100 * means.loc[top, value]:.0f} % everywhere"
    doubt = unless_apart(means.loc[[top, low]], top, (f"{value}_lo", f"{value}_hi"))
    most, least = 100 * means.loc[top, value], 100 * means.loc[low, value]
    return f"{what}: most with {top} ({most:.0f} %), least with {low} ({least:.0f} %){doubt}"


def token_line(
    table: pd.DataFrame, label: str, reference: str = "all_at_once", names: tuple[str, str] | None = None
) -> str:
    """The token figures of one setting beside the reference, from a summary of one LLM's rows: means over runs.

    names: what to call the two, their labels by default.
    """
    known = table.set_index("method")
    call, total, all_in = (
        100 * (known.loc[label, name] / known.loc[reference, name] - 1)
        for name in ("tokens_call_mean", "tokens_optimiser", "tokens_all_in")
    )
    one, other = names or (label, reference)
    return f"{one} beside {other}: a call {call:+.0f} %, all calls {total:+.0f} %, all in {all_in:+.0f} % (means)"


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
        right, gate_gap, test_gap = (
            percent(row[name], row[f"{name}_lo"], row[f"{name}_hi"], sign)
            for name, sign in (("right", ""), ("on_gate", "+"), ("on_test", "+"))
        )
        clear = "more often rightly than not" if row["right_lo"] > 0.5 else "not told from a coin"
        clear = "more often wrongly than rightly" if row["right_hi"] < 0.5 else clear
        lines.append(
            f"{llm}: the {gate} gate refused {row['merges']} of {merges} candidates, {clear}: {right} % rightly "
            f"by the test split (ties count half); beside the best child they stood at {gate_gap} points on the gate "
            f"split and {test_gap} on the test split"
        )
    return "\n".join(lines)


def gate_title(table: pd.DataFrame) -> str:
    """A `gate_table` as a figure's title: how many refusals of every kind of gate the test split bears out."""
    refused = table[(table["candidates"] == "refused") & table["right"].notna()]
    told = [f"{percent(row.right, row.right_lo, row.right_hi)} % of the {row.gate} gate's refusals"
            for row in refused.itertuples()]  # fmt: skip
    return f"Right by the test split (ties count half): {' and '.join(told)}" if told else "No refusal to judge"


def change(default: Mapping, chosen: Mapping) -> str:
    """What sets one combination apart from the default, in words.

    >>> change({"gate": "none", "fan_in": 2}, {"gate": "hard", "fan_in": 2})
    'hard gate'
    """
    apart = [said(name, value) for name, value in chosen.items() if default.get(name) != value]
    return ", ".join(apart) or "default"


def kept_title(table: pd.DataFrame, method: str) -> str:
    """What one setting of a `kept_table` (one LLM) keeps of rules of one task, and of the best supported ones."""
    part = table[table["method"] == method].set_index("support")
    if not {"1", "4+"} <= set(part.index):
        return ""
    rare, frequent = part.loc["1"], part.loc["4+"]
    apart = rare["hi"] < frequent["lo"] or frequent["hi"] < rare["lo"]
    shares = [f"{100 * row['share']:.0f} % of {row['rules']:.0f} rules of" for row in (rare, frequent)]
    return f"{method} keeps {shares[0]} one task, {shares[1]} 4 or more{'' if apart else ' (not told apart)'}"
