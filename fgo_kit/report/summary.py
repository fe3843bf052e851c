"""Tables with intervals and what they show: `summary`, `by_group`, `findings`, `paper_table`.

Whatever rests on the simulated LLM says so.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping

import numpy as np
import pandas as pd

from ..runs.places import DATA
from ..stats import (
    Interval,
    detectable_difference,
    detectable_effect,
    holm,
    mean_interval,
    paired_difference,
    paired_p,
    tasks_needed,
)
from .figures import TOKENS

PAPER_VALUES = DATA / "paper_values.csv"
REFERENCE = "all_at_once"
OTHER = "bootstrapping"
"""The second approach that fgo is told from: gains over the reference alone may be gains over the weaker one."""
FEWEST_SEEDS = 5
"""With fewer, the error of a gain is itself too badly known to correct its p value for many comparisons."""


def summary(rows: pd.DataFrame, reference: str = REFERENCE) -> pd.DataFrame:
    """Rows of `compare` as one row a benchmark, LLM and method, in the order of first appearance.

    score, lo, hi: mean test score over tasks and seeds with a 95 % bootstrap interval that resamples
    both; tasks of several worlds or folds are pooled. gain, gain_lo, gain_hi: paired difference to the
    reference on the same tasks and seeds, and gain_p the p of no difference (see `stats.paired_p`);
    gain_other and so on: the same for the difference to bootstrapping. Token figures (see
    `Run.token_figures`), calls and rules are means a run; dropped counts trajectories left out of optimiser
    prompts. failed counts runs without a score; they are in no mean.
    """
    table = []
    for (benchmark, llm), part in rows.groupby(["benchmark", "llm"], sort=False):
        scores = {method: score_matrix(runs) for method, runs in part.groupby("method", sort=False)}
        for method, runs in part.groupby("method", sort=False):
            table.append({"benchmark": benchmark, "llm": llm, "method": method} | _summarised(runs, scores, reference))
    return pd.DataFrame(table)


def by_group(rows: pd.DataFrame, groups: Mapping[str, str], reference: str = REFERENCE) -> pd.DataFrame:
    """`summary` over all tasks (group "all") and over every group of tasks, e.g. task types by task id.

    Token figures, calls, rules and dropped trajectories belong to whole runs: they stand in group "all" only.
    """
    tables = []
    for group in ["all", *sorted(set(groups.values()))]:
        of_group = [{t: s for t, s in scores.items() if group in ("all", groups.get(t))} for scores in rows["scores"]]
        table = summary(rows.assign(scores=of_group), reference)
        table.insert(3, "group", group)
        if group != "all":
            table = table.drop(columns=[*TOKENS, "calls", "rules", "dropped", "usd"])
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def show_groups(table: pd.DataFrame) -> pd.DataFrame:
    """A `by_group` table for reading: a row a method, a column a group, percentages with intervals."""
    cells = table.assign(cell=[percent(*row) for row in table[["score", "lo", "hi"]].to_numpy()])
    wide = cells.pivot(index=["llm", "method"], columns="group", values="cell")
    tasks = table.drop_duplicates("group").set_index("group")["tasks"]
    order = list(dict.fromkeys(zip(table["llm"], table["method"], strict=True)))
    wide = wide.loc[order, list(tasks.index)]
    wide = wide.droplevel("llm") if table["llm"].nunique() == 1 else wide
    titles = {group: f"{group} ({count})" for group, count in tasks.items()}
    return wide.rename(columns=titles).rename_axis(columns=None)


def _summarised(runs: pd.DataFrame, scores: Mapping[str, pd.DataFrame], reference: str) -> dict:
    method = runs["method"].iloc[0]
    own, rng = scores[method], np.random.default_rng(0)
    found = mean_interval([own.to_numpy()], rng) if own.size else None
    line = {
        "simulated": bool(runs["simulated"].all()), "constants": runs["constants"].iloc[0],
        "n_train": int(runs["n_train"].max()), "runs": len(runs),
        "failed": int((runs["status"] != "ok").sum()), "tasks": own.shape[1], "seeds": own.shape[0],
        "score": found.value if found else np.nan, "lo": found.lo if found else np.nan,
        "hi": found.hi if found else np.nan,
    }  # fmt: skip
    for name, beside in (("gain", reference), ("gain_other", OTHER)):
        pair = own.align(scores[beside], join="inner") if method != beside and beside in scores else ()
        line |= _gain(name, [[one.to_numpy()] for one in pair if one.size], rng)
    means = [*TOKENS, "calls", "rules", "dropped", "usd"]
    return line | {name: float(runs[name].mean()) if name in runs else np.nan for name in means}


def _gain(name: str, pair: list[list[np.ndarray]], rng: np.random.Generator) -> dict[str, float]:
    """The columns of a gain; NaN where the two have no task of a seed in common."""
    if len(pair) < 2:
        return dict.fromkeys((name, f"{name}_lo", f"{name}_hi", f"{name}_p"), np.nan)
    found = paired_difference(*pair, rng)
    lo, hi = np.clip([found.lo, found.hi], -1, 1).tolist()  # few seeds reach beyond what scores can
    return {name: found.value, f"{name}_lo": lo, f"{name}_hi": hi, f"{name}_p": paired_p(*pair)}


def score_matrix(runs: pd.DataFrame) -> pd.DataFrame:
    """Test scores of one method's runs as seeds x tasks, over all worlds or folds; a failed run leaves NaN."""
    by_seed: dict[int, dict[str, float]] = {}
    for seed, scores in zip(runs["seed"], runs["scores"], strict=True):
        by_seed.setdefault(seed, {}).update(scores)
    return pd.DataFrame.from_dict(by_seed, orient="index").dropna(how="all").astype(float)


def show(table: pd.DataFrame, reference: str = REFERENCE) -> pd.DataFrame:
    """A summary for reading: percentages with intervals, tokens in thousands.

    Empty is what is not known or not defined; columns that say nothing, or of no failure in any row, are left out.
    reference: the method that the summary's gains are over.
    """
    gain = f"gain over {reference}"
    shown = table[["benchmark", "llm", "method"]].rename(columns={"llm": "LLM"})
    shown["score, %"] = [percent(*row) for row in table[["score", "lo", "hi"]].to_numpy()]
    shown[gain] = [percent(*row, sign="+") for row in table[["gain", "gain_lo", "gain_hi"]].to_numpy()]
    for name, title in TOKENS.items():
        shown[title] = ["" if np.isnan(value) else f"{value / 1000:,.1f}" for value in table[name]]
    for name in ("rules", "dropped"):
        shown[name] = ["" if np.isnan(value) else f"{value:.1f}" for value in table[name]]
    shown["failed runs"] = [str(value) for value in table["failed"]]
    same = [name for name in ("benchmark", "LLM") if shown[name].nunique() == 1]
    none = [name for name in ("dropped", "failed runs") if shown[name].isin(["", "0", "0.0"]).all()]
    empty = [name for name in shown.columns if name in none or (shown[name] == "").all()]
    return shown.drop(columns=same + empty).set_index([n for n in ("benchmark", "LLM", "method") if n not in same])


def to_markdown(table: pd.DataFrame, across: str = "llm") -> str:
    """A summary as the README carries it: a row a method, scores of every LLM (or, across="benchmark", of every
    set), and tokens of the first."""
    columns, methods = list(dict.fromkeys(table[across])), list(dict.fromkeys(table["method"]))
    head = ["method", *(f"{name}, %" for name in columns), *TOKENS.values()]
    lines = [head, ["---"] * len(head)]
    for method in methods:
        rows = table[table["method"] == method].set_index(across)
        scores = [percent(*rows.loc[name, ["score", "lo", "hi"]]) if name in rows.index else "" for name in columns]
        tokens = [f"{rows[name].iloc[0] / 1000:,.1f}" if rows[name].iloc[0] > 0 else "" for name in TOKENS]
        lines.append([method, *scores, *tokens])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def percent(value: float, lo: float, hi: float, sign: str = "") -> str:
    """A share with its interval in per cent; says so where there is none, e.g. of values of one seed.

    >>> percent(0.5, 0.25, 0.75), percent(0.5, float("nan"), float("nan"))
    ('50.0 [25.0, 75.0]', '50.0 [no interval]')
    """
    if np.isnan(value):
        return ""
    if np.isnan(lo):
        return f"{100 * value:{sign}.1f} [no interval]"
    return f"{100 * value:{sign}.1f} [{100 * lo:{sign}.1f}, {100 * hi:{sign}.1f}]"


def power_line(table: pd.DataFrame, effects: tuple[float, ...] = (0.016, 0.086)) -> str:
    """What the paper's smallest and largest gains would need to show, and what this table could have shown.

    At 80 % power and the 5 % level: test tasks for two single runs; the smallest gain two single runs on these
    tasks show; and the smallest true difference of fgo to the reference that the table's paired interval, over
    all its seeds, would have shown. Where no row named fgo has such an interval, the median over all rows that
    have one, and the line says so.
    """
    reference = table[table["method"] == REFERENCE]
    rate = float(reference["score"].mean())
    if np.isnan(rate):
        return "No run of the reference method: nothing to compute the needed test tasks from."
    tasks = int(reference["tasks"].max())
    line = (
        f"Test tasks two single runs at {100 * rate:.0f} % would need (80 % power, 5 % level): "
        f"{', '.join(_needed(effect, rate) for effect in effects)}. On {tasks} tasks they show "
        f"{_gains(detectable_effect(tasks, rate) if rate < 1 else np.nan)}"
    )
    known = table.dropna(subset=["gain", "gain_lo", "gain_hi"])
    paired = [detectable_difference(Interval(*row)) for row in known[["gain", "gain_lo", "gain_hi"]].to_numpy()]
    of_fgo = [effect for effect, method in zip(paired, known["method"], strict=True) if method == "fgo"]
    if of_fgo:
        return f"{line}; the pairs of all seeds, as here, {_gains(max(of_fgo))}."
    told = f"{_gains(float(np.median(paired)))} (median of {len(paired)} rows)" if paired else ""
    return f"{line}; the pairs of all seeds, as here, {told}." if paired else f"{line}."


def _needed(effect: float, rate: float) -> str:
    needed = f"{tasks_needed(effect, rate):,}" if rate + effect <= 1 else "impossible, it would exceed 100 %"
    return f"+{100 * effect:.1f} points: {needed}"


def _gains(effect: float) -> str:
    return "no gain that is left" if np.isnan(effect) else f"gains from {100 * effect:.1f} points on"


def holm_line(table: pd.DataFrame, level: float = 0.05) -> str:
    """Which gains of a summary stay significant when all of them are looked at together (Holm's correction).

    By the column gain_p, which has the error and freedom of the gains' own intervals. Not computed where any
    gain rests on fewer than five seeds.
    """
    known = table.dropna(subset=["gain_p"]) if "gain_p" in table else table[:0]
    if known.empty:
        return "No gain with a p value: nothing to correct."
    if known["seeds"].min() < FEWEST_SEEDS:
        return (
            f"Holm's correction is not computed: of {known['seeds'].min()} seeds, fewer than {FEWEST_SEEDS}, "
            "it is too little known how much runs differ."
        )
    kept = known[holm(known["gain_p"]) <= level]
    names = [f"{r.method} {100 * r.gain:+.1f} ({r.benchmark}, {r.llm})" for r in kept.itertuples()]
    return f"{len(kept)} of {len(known)} gains stay significant after Holm's correction: {'; '.join(names) or 'none'}."


def findings(table: pd.DataFrame) -> str:
    """What a summary shows of `fgo` and, where it is a row, of `fgo+`: a line for every LLM, worded from its numbers.

    Beside all_at_once and beside bootstrapping, where they are in the table; what has no figure is not known.
    """
    lines = []
    for (benchmark, llm), part in table.groupby(["benchmark", "llm"], sort=False):
        rows = part.drop_duplicates("method").set_index("method")  # of groups of tasks the first, which is all
        if "fgo" not in rows.index or part["score"].isna().all():
            continue
        own = [name for name in ("fgo", "fgo+") if name in rows.index]
        told = [_told(name, other, gain) for name in own for other, gain in _gains_over(rows.loc[name]).items()
                if other in rows.index]  # fmt: skip
        best = part[part["score"] == part["score"].max()]  # several where they are equal
        told.append(f"highest mean: {' and '.join(best['method'])}, {percent(*best.iloc[0][['score', 'lo', 'hi']])} %")
        lines.append(f"{benchmark}, {llm}: {'; '.join(told)}")
    return "\n".join(lines)


def _gains_over(row: pd.Series) -> dict[str, tuple[float, float, float]]:
    """Gains of a summary's row with their bounds, by what they are over; NaN where the table has no such column."""
    names = {REFERENCE: "gain", OTHER: "gain_other"}
    return {
        other: tuple(float(row.get(column, np.nan)) for column in (name, f"{name}_lo", f"{name}_hi"))
        for other, name in names.items()
    }


def _told(method: str, other: str, gain: tuple[float, float, float]) -> str:
    value, lo, hi = gain
    if np.isnan(value):
        return f"how {method} stands beside {other} is not known"
    verdict = "beats" if lo > 0 else "loses to" if hi < 0 else "cannot be told from"
    return f"{method} {verdict} {other} ({percent(*gain, sign='+')} points)"


def paper_table(table: pd.DataFrame, not_run: Mapping[str, str] | None = None) -> pd.DataFrame:
    """The paper's reported figures beside what was measured for `fgo`: a row a claim, set and LLM.

    Gains have a row over every other approach that was measured. table: a summary. not_run: reasons, by set.
    verdict: "simulated, not evidence"; "not comparable" for sets of our own, or other than the paper's; for a
    real model on ALFWorld or GAIA itself "cannot be told" (the interval holds 0, or there is none), "agrees"
    (it holds the paper's figure), "same direction" or "differs" (it lies above or below 0 and does not hold
    that figure); "not run" with the reason; where to look for consistency over sizes. Which average the
    paper's token figure is we do not know, so that can at most be "same direction".
    """
    with PAPER_VALUES.open(newline="", encoding="utf-8") as file:
        claims = list(csv.DictReader(file))
    rows = []
    for claim in claims:
        said = {"claim": claim["what"], "paper": f"{claim['value']} {claim['unit']}".removesuffix(" claim")}
        for _, fgo in table[table["method"] == "fgo"].iterrows():
            same = (table["llm"] == fgo["llm"]) & (table["benchmark"] == fgo["benchmark"])
            rows += [said | line for line in _beside(claim, fgo, table[same].set_index("method"))]
        for name, reason in (not_run or {}).items():
            rows.append(said | {"set": name, "verdict": f"not run: {reason}"})
    columns = ["claim", "paper", "set", "measured", "interval", "tasks x seeds", "model", "verdict"]
    return pd.DataFrame(rows, columns=columns).astype(object).fillna("")


def _beside(claim: Mapping[str, str], fgo: pd.Series, others: pd.DataFrame) -> list[dict]:
    line = {"set": fgo["benchmark"], "model": fgo["llm"], "tasks x seeds": f"{fgo['tasks']} x {fgo['seeds']}"}
    if claim["what"].startswith("gain over"):
        found = {other: gain for other, gain in _gains_over(fgo).items() if not np.isnan(gain[0])}
        return [line | _gained(claim["value"], other, gain, fgo) for other, gain in found.items()] or [
            line | {"verdict": "not run"}
        ]
    if "token" not in claim["what"]:
        return [line | {"verdict": "see 04_dataset_size"}]
    if REFERENCE not in others.index:
        return [line | {"verdict": "not run"}]
    reference = others.loc[REFERENCE]
    value = 1 - fgo["tokens_call_mean"] / reference["tokens_call_mean"]
    in_all = fgo["tokens_optimiser"] / reference["tokens_optimiser"] - 1
    line["measured"] = f"{100 * value:.1f} % lower a call; in total {100 * in_all:+.1f} %"
    return [line | {"verdict": _verdict(claim["value"], (value, value, value), fgo)}]


def _gained(paper: str, other: str, gain: tuple[float, float, float], fgo: pd.Series) -> dict:
    value, lo, hi = gain
    interval = "" if np.isnan(lo) else f"[{100 * lo:+.1f}, {100 * hi:+.1f}]"
    measured = f"{100 * value:+.1f} points over {other}"
    return {"measured": measured, "interval": interval, "verdict": _verdict(paper, gain, fgo)}


def _verdict(paper: str, found: tuple[float, float, float], fgo: pd.Series) -> str:
    value, lo, hi = found
    if np.isnan(value):
        return "not run"
    if fgo["simulated"]:
        return "simulated, not evidence"
    if fgo["benchmark"] not in ("ALFWorld", "GAIA"):  # the paper's LogisticsQA is not public
        return "not comparable"
    if not (lo > 0 or hi < 0):
        return "cannot be told"
    if lo <= float(paper) / 100 <= hi:
        return "agrees"
    return "same direction" if lo > 0 else "differs"
