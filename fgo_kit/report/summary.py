"""Tables with intervals: `summary`, `by_group`, `differences`, `gains`, and how they are shown.

Whatever rests on the simulated LLM says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from textwrap import fill

import numpy as np
import pandas as pd

from ..runs.timing import LATENCY, WORKERS, seconds_with
from ..stats import FEWEST_WORLDS, UNDEFINED, Interval, mean_interval, paired_difference
from .unanswered import most_unanswered, noted, score_bounds, share_unanswered, unanswered
from .verdicts import bounded, intervals, spelled, verdict

TOKENS = {
    "tokens_call_mean": "thousand tokens a call", "tokens_call_max": "largest call",
    "tokens_optimiser": "all such calls", "tokens_all_in": "in total",
}  # fmt: skip
"""The token figures of a run and their titles in tables, in thousands."""
SOMETIMES = {
    "failed_answers": ("failed answers a run", 1), "unusable_answers": ("unusable answers a run", 1),
    "agent_runs": ("agent runs, tokens not known", 1), "cached": ("prompt tokens from the provider's cache, %", 100),
}  # fmt: skip
"""Columns that a summary has where there is something to say: their titles, and what they are multiplied by."""
MEANS = (*TOKENS, "calls", "chain", "rules", "dropped", "usd")
REFERENCE = "all_at_once"
OTHER = "bootstrapping"
"""The second approach that fgo is compared with: a gain over the reference alone may be one over the weaker."""


def summary(rows: pd.DataFrame, reference: str = REFERENCE) -> pd.DataFrame:
    """Rows of `compare` as one row a benchmark, LLM and method, in the order of first appearance.

    score, lo, hi: mean test score with its 95 % interval over tasks, seeds and, where there are three or more, worlds
    (see `stats.mean_interval`); tasks of several folds are pooled. gain, gain_lo, gain_hi, gain_p: paired difference to
    the reference on the same tasks and seeds, its interval and its p, each row by itself; gain_other and so on: the
    same for the difference to bootstrapping. tasks counts those of all worlds. Token figures (see `Run.token_figures`),
    calls, chain (calls that wait for each other) and rules are means a run; dropped counts trajectories left out of
    optimiser prompts. failed counts runs without a score; they are in no mean. Where test tasks have no answer, which
    leaves them out of all scores: unanswered, the share of them, and score_min and score_max, the score if all of them
    were wrong, or right; where other answers were of no use, failed_answers and unusable_answers, means a run (see
    `Run.failures`). Where an agent of the user's own asks models by itself: agent_runs, how often it was run, a mean a
    run; what that takes is in none of the token figures. Where a provider's cache was read: cached, the share of prompt
    tokens from it, a mean a run.
    """
    table = []
    for (benchmark, llm), part in rows.groupby(["benchmark", "llm"], sort=False):
        scores = {method: score_matrix(runs) for method, runs in part.groupby("method", sort=False)}
        for method, runs in part.groupby("method", sort=False):
            table.append({"benchmark": benchmark, "llm": llm, "method": method} | _summarised(runs, scores, reference))
    return pd.DataFrame(table)


def by_group(rows: pd.DataFrame, groups: Mapping[str, str], reference: str = REFERENCE) -> pd.DataFrame:
    """`summary` over all tasks (group "all") and over every group of tasks, e.g. task types by task id.

    Token figures, calls, rules and dropped trajectories belong to whole runs: they are in group "all" only.
    """
    tables = []
    for group in ["all", *sorted(set(groups.values()))]:
        of_group = [{t: s for t, s in scores.items() if group in ("all", groups.get(t))} for scores in rows["scores"]]
        table = summary(rows.assign(scores=of_group), reference)
        table.insert(3, "group", group)
        if group != "all":
            table = table.drop(columns=list(MEANS))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _summarised(runs: pd.DataFrame, scores: Mapping[str, pd.DataFrame], reference: str) -> dict:
    method = runs["method"].iloc[0]
    own = scores[method]
    worlds = by_world(own)
    score = bounded(mean_interval(worlds), 0)
    line = {
        "simulated": bool(runs["simulated"].all()), "constants": runs["constants"].iloc[0],
        "n_train": int(runs["n_train"].max()), "runs": len(runs),
        "failed": int((runs["status"] != "ok").sum()), "tasks": own.shape[1], "seeds": own.shape[0],
        "worlds": len(worlds),
        "score": score.value, "lo": score.lo, "hi": score.hi,
    }  # fmt: skip
    for name, other in (("gain", reference), ("gain_other", OTHER)):
        asked = method != other and other in scores
        gain = paired(own, scores[other]) if asked else UNDEFINED
        line |= {name: gain.value, f"{name}_lo": gain.lo, f"{name}_hi": gain.hi, f"{name}_p": gain.p}
    if missing := unanswered(runs):
        line |= {"unanswered": missing} | dict(zip(("score_min", "score_max"), score_bounds(runs), strict=True))
    for name in ("failed", "unusable"):
        line |= {f"{name}_answers": count} if (count := float(runs[name].mean()) if name in runs else 0.0) > 0 else {}
    line |= {"agent_runs": float(runs["agent_runs"].mean())} if "agent_runs" in runs else {}
    line |= {"cached": float(runs.loc[runs["status"] == "ok", "cached"].fillna(0).mean())} if "cached" in runs else {}
    return line | {name: float(runs[name].mean()) if name in runs else np.nan for name in MEANS}


# -- paired comparisons


def score_matrix(runs: pd.DataFrame) -> pd.DataFrame:
    """Test scores of one method's runs as seeds x (world, task); a failed run leaves NaN.

    Rows that name no world, such as those of several folds, are all of one.
    """
    by_seed: dict[int, dict[tuple, float]] = {}
    worlds = ["" if pd.isna(world) else world for world in runs.get("world", [None] * len(runs))]
    for seed, world, scores in zip(runs["seed"], worlds, runs["scores"], strict=True):
        by_seed.setdefault(seed, {}).update({(world, task): score for task, score in scores.items()})
    columns = list(dict.fromkeys(cell for scores in by_seed.values() for cell in scores))
    cells = [[scores.get(cell, np.nan) for cell in columns] for scores in by_seed.values()]
    names = pd.MultiIndex.from_arrays(list(zip(*columns, strict=True)) or [[], []], names=["world", "task"])
    return pd.DataFrame(cells, list(by_seed), names, dtype=float).dropna(how="all")


def by_world(cells: pd.DataFrame) -> list[np.ndarray]:
    """A score matrix, or a difference of two, as an array (seeds x tasks) for each of its worlds.

    Where worlds are random, as the mean over seeds: a seed draws anew in every world, so a world's mean is what varies.
    """
    worlds = cells.columns.get_level_values("world")
    names = list(dict.fromkeys(worlds))
    cells = cells.mean().to_frame().T if len(names) >= FEWEST_WORLDS else cells
    return [cells.loc[:, worlds == world].to_numpy(float) for world in names]


def paired(
    mine: pd.DataFrame, others: pd.DataFrame, level: float = 0.95, comparisons: int = 1, most: float = 1
) -> Interval:
    """Mean of mine - others on the seeds and tasks that both score matrices have (see `stats.paired_difference`)."""
    mine, others = mine.align(others, join="inner")
    return bounded(paired_difference(by_world(mine - others), None, level, comparisons), -most, most)


def differences(
    rows: pd.DataFrame, pairs: Iterable[tuple[str, str]], level: float = 0.95, seeds: Sequence[int] | None = None,
    together: bool = True,
) -> pd.DataFrame:  # fmt: skip
    """Paired differences in score between methods, of one LLM's rows: a row for each of `pairs`.

    Columns: method, other, difference (of mean scores, method - other), lo, hi, p, verdict (see `verdicts.Verdict`),
    and where test tasks have no answer unanswered, the larger share of the two.
    together: intervals and p hold all at once at `level` (Bonferroni over the pairs), not each by itself. seeds: only
    those; all by default.

    >>> rows = pd.DataFrame({"method": ["a", "b"], "seed": 0, "scores": [{"t": 1.0, "u": 1.0}, {"t": 0.0, "u": 1.0}]})
    >>> differences(rows, [("a", "b")])["difference"].tolist()
    [0.5]
    """
    rows, pairs, lines = rows if seeds is None else rows[rows["seed"].isin(seeds)], list(pairs), []
    scores = {method: score_matrix(runs) for method, runs in rows.groupby("method", sort=False)}
    for method, other in pairs:
        gap = paired(scores[method], scores[other], level, len(pairs) if together else 1)
        line = {"method": method, "other": other, "difference": gap.value, "lo": gap.lo, "hi": gap.hi, "p": gap.p}
        missing = most_unanswered(rows[rows["method"].isin((method, other))])
        lines.append(line | {"verdict": verdict(gap)} | ({"unanswered": missing} if missing else {}))
    columns = ["method", "other", "difference", "lo", "hi", "p", "verdict"]
    return pd.DataFrame(lines, columns=columns + ["unanswered"] * any("unanswered" in line for line in lines))


def gains_of(row: pd.Series) -> dict[str, Interval]:
    """Gains of a summary's row by what they are over; NaN where the table has no such column."""
    return {
        other: Interval(*(float(row.get(column, np.nan)) for column in (name, f"{name}_lo", f"{name}_hi", f"{name}_p")))
        for other, name in ((REFERENCE, "gain"), (OTHER, "gain_other"))
    }


def gains(table: pd.DataFrame, methods: Sequence[str] = ("fgo", "fgo+")) -> pd.DataFrame:
    """What a summary says of some methods: a row for each, LLM, and approach it is compared with.

    Columns: benchmark, llm, method, over, "gain, points" (with its interval, and a word where many test tasks of
    either have no answer), verdict. What is not in the table, or has no score, is "not known".
    """
    lines = []
    for (benchmark, llm), part in table.groupby(["benchmark", "llm"], sort=False):
        for _, row in part[part["method"].isin(methods)].drop_duplicates("method").iterrows():  # first, of all tasks
            line = {"benchmark": benchmark, "llm": llm, "method": row["method"]}
            for other, gain in gains_of(row).items():
                if other in set(part["method"]):
                    cell = noted(percent(gain, "+"), share_unanswered(part, row["method"], other))
                    lines.append(line | {"over": other, "gain, points": cell, "verdict": verdict(gain)})
    return pd.DataFrame(lines, columns=["benchmark", "llm", "method", "over", "gain, points", "verdict"])


def relative_tokens(table: pd.DataFrame, target: str = "fgo") -> pd.Series:
    """All-in tokens of every row of a summary over those of the target on its benchmark and LLM; NaN without it."""
    totals = table[table["method"] == target].set_index(["benchmark", "llm"])["tokens_all_in"]
    own = [totals.get((row.benchmark, row.llm), np.nan) for row in table.itertuples()]
    return table["tokens_all_in"] / pd.Series(own, table.index, dtype=float)


# -- for reading


def show(table: pd.DataFrame, reference: str = REFERENCE) -> pd.DataFrame:
    """A summary for reading: percentages with intervals, tokens in thousands, the critical path in calls and, at
    `LATENCY` seconds a call, in seconds: with `WORKERS` at most, and with unlimited workers.

    Empty is what is not known or not defined; columns that say nothing, or of no failure in any row, are left out.
    reference: the method that the summary's gains are over. p belongs to the gain's interval; see `p_together` for the
    other.
    """
    gain = f"gain over {reference}"
    shown = table[["benchmark", "llm", "method"]].rename(columns={"llm": "LLM"})
    shown["score, %"], shown[gain] = cells(table), cells(table, "gain", "+")
    shown["p"], shown["p, all rows"] = p_values(table["gain_p"]), p_values(p_together(table))
    for name, title in TOKENS.items():
        shown[title] = numbers(table[name] / 1000)
    shown["calls that wait"] = numbers(table["chain"])
    for title, workers in ((f"{WORKERS} workers", WORKERS), ("unlimited", np.inf)):
        shown[f"s at {LATENCY:g} s a call, {title}"] = numbers(seconds_with(table["calls"], table["chain"], workers), 0)
    shown["rules"], shown["dropped"] = numbers(table["rules"]), numbers(table["dropped"])
    shown["failed runs"] = [str(value) for value in table["failed"]]
    if "unanswered" in table:
        shown["unanswered, %"] = numbers(100 * table["unanswered"].fillna(0))
        least, most = (numbers(100 * table[name]) for name in ("score_min", "score_max"))
        shown["score with them, %"] = [f"{low} to {high}" if low else "" for low, high in zip(least, most, strict=True)]
    for name, (title, times) in SOMETIMES.items():
        if name in table:
            shown[title] = numbers(times * table[name].fillna(0))
    none = [name for name in ("dropped", "failed runs") if shown[name].isin(["", "0", "0.0"]).all()]
    return by_method(shown.drop(columns=[name for name in shown if name in none or (shown[name] == "").all()]))


def by_method(table: pd.DataFrame) -> pd.DataFrame:
    """A table for reading by benchmark, LLM and method; of the first two what is the same in all rows is left out."""
    same = [name for name in ("benchmark", "LLM") if table[name].nunique() == 1]
    return table.drop(columns=same).set_index([name for name in ("benchmark", "LLM", "method") if name not in same])


def show_groups(table: pd.DataFrame) -> pd.DataFrame:
    """A `by_group` table for reading: a row a method, a column a group, percentages with intervals."""
    tasks = table.drop_duplicates("group").set_index("group")["tasks"]
    titles = {group: f"{group} ({count})" for group, count in tasks.items()}
    wide = show_grid(table, ["llm", "method"], "group").rename(columns=titles)
    return wide.droplevel("llm") if table["llm"].nunique() == 1 else wide


def show_grid(table: pd.DataFrame, down: str | list[str], across: str, value: str = "score") -> pd.DataFrame:
    """A table for reading: a row for every value of one column, or of several together, a column for every value of
    another, in per cent."""
    wide = table.assign(cell=_with_unanswered(table, value)).pivot(index=down, columns=across, values="cell").fillna("")
    rows = table.drop_duplicates(down).set_index(down).index
    return wide.loc[rows, list(dict.fromkeys(table[across]))].rename_axis(columns=None)


def _with_unanswered(table: pd.DataFrame, value: str = "score") -> list[str]:
    """`cells` that say so where much of what they rest on has no answer."""
    missing = table["unanswered"].fillna(0) if "unanswered" in table else [0.0] * len(table)
    return [noted(cell, share) for cell, share in zip(cells(table, value), missing, strict=True)]


def show_differences(table: pd.DataFrame) -> pd.DataFrame:
    """Any table with a difference (see `differences`) for reading: in points, with its interval."""
    shown = table.assign(difference=cells(table, "difference", "+"), p=p_values(table["p"])).drop(columns=["lo", "hi"])
    if "unanswered" in shown:
        shown["unanswered"] = numbers(100 * shown["unanswered"].fillna(0))
    return shown.rename(columns={"difference": "difference, points", "unanswered": "unanswered, %"})


def percent(share: Interval, sign: str = "") -> str:
    """A share with its interval in per cent; says so where there are too few seeds for one (see `verdicts.bounded`).

    >>> percent(Interval(0.5, 0.25, 0.75)), percent(Interval(0.5, float("nan"), float("nan")), "+")
    ('50.0 [25.0, 75.0]', '+50.0 [too few seeds for an interval]')
    """
    return spelled(Interval(100 * share.value, 100 * share.lo, 100 * share.hi, share.p), f"{sign}.1f")


def cells(table: pd.DataFrame, value: str = "score", sign: str = "") -> list[str]:
    """A column of shares with its bounds (see `verdicts.intervals`) for reading, row by row."""
    return [percent(share, sign) for share in intervals(table, value)]


def numbers(values: Iterable[float], decimals: int = 1) -> list[str]:
    """Figures for reading; "" for what is not known.

    >>> numbers([1234.56, float("nan")])
    ['1,234.6', '']
    """
    return ["" if np.isnan(value) else f"{value:,.{decimals}f}" for value in values]


def say(*lines: str, width: int = 100) -> None:
    """Print lines for reading, wrapped at words; what goes on in a new line is indented."""
    whole = {"subsequent_indent": "  ", "break_long_words": False, "break_on_hyphens": False}
    print(*(fill(line, width, **whole) for line in lines), sep="\n")


# -- many comparisons


def p_together(table: pd.DataFrame) -> pd.Series:
    """The gains' p values of a summary, for all of them being looked at together (Bonferroni); NaN where there is none.

    One below .05 belongs to an interval that leaves out zero even at the level that all intervals would hold at once.
    """
    return (table["gain_p"] * table["gain_p"].notna().sum()).clip(upper=1)


def p_values(values: Iterable[float]) -> list[str]:
    """p values for reading; "" for what is not known.

    >>> p_values([0.0002, 0.04, float("nan")])
    ['< 0.001', '0.040', '']
    """
    values = list(values)
    return ["< 0.001" if p < 0.0005 else text for p, text in zip(values, numbers(values, 3), strict=True)]
