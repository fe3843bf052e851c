"""Tables with intervals and what they show: `summary`, `by_group`, `findings`, `paper_table`.

Figures and files are in `figures`; its public names are here as well. Whatever rests on the simulated LLM
says so.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from statistics import NormalDist

import numpy as np
import pandas as pd

from .figures import (
    COLOURS,
    TOKENS,
    colour_of,
    note_simulated,
    plot_call_tokens,
    plot_merge_tree,
    plot_methods,
    plot_scores,
    plot_sets,
    save,
)
from .provenance import ROOT
from .stats import (
    Interval,
    detectable_difference,
    detectable_effect,
    holm,
    mean_interval,
    paired_difference,
    tasks_needed,
)

__all__ = [
    "COLOURS", "by_group", "colour_of", "findings", "holm_line", "note_simulated", "paper_table", "percent",
    "plot_call_tokens", "plot_merge_tree", "plot_methods", "plot_scores", "plot_sets", "power_line", "save",
    "score_matrix", "show", "show_groups", "summary", "to_markdown",
]  # fmt: skip

PAPER_VALUES = ROOT / "data" / "paper_values.csv"
REFERENCE = "all_at_once"


def summary(rows: pd.DataFrame, reference: str = REFERENCE) -> pd.DataFrame:
    """Rows of `compare` as one row a benchmark, LLM and method, in the order of first appearance.

    score, lo, hi: mean test score over tasks and seeds with a 95 % bootstrap interval that resamples
    both; tasks of several worlds or folds are pooled. gain, gain_lo, gain_hi: paired difference to the
    reference on the same tasks and seeds. Token figures (see `Run.token_figures`), calls and rules are
    means a run; dropped counts trajectories left out of optimiser prompts. failed counts runs without a
    score; they are in no mean.
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
    gain = (np.nan, np.nan, np.nan)
    if method != reference and reference in scores and own.size and scores[reference].size:
        mine, other = own.align(scores[reference], join="inner")
        paired = paired_difference([mine.to_numpy()], [other.to_numpy()], rng)
        gain = (paired.value, max(paired.lo, -1.0), min(paired.hi, 1.0))  # few seeds reach beyond what scores can
    line |= dict(zip(("gain", "gain_lo", "gain_hi"), gain, strict=True))
    means = [*TOKENS, "calls", "rules", "dropped", "usd"]
    return line | {name: float(runs[name].mean()) if name in runs else np.nan for name in means}


def score_matrix(runs: pd.DataFrame) -> pd.DataFrame:
    """Test scores of one method's runs as seeds x tasks, over all worlds or folds; a failed run leaves NaN."""
    by_seed: dict[int, dict[str, float]] = {}
    for seed, scores in zip(runs["seed"], runs["scores"], strict=True):
        by_seed.setdefault(seed, {}).update(scores)
    return pd.DataFrame.from_dict(by_seed, orient="index").dropna(how="all").astype(float)


def show(table: pd.DataFrame, reference: str = REFERENCE) -> pd.DataFrame:
    """A summary for reading: percentages with intervals, tokens in thousands; columns that say nothing are left out.

    reference: the method that the summary's gains are over.
    """
    gain = f"gain over {reference}"
    shown = table[["benchmark", "llm", "method"]].rename(columns={"llm": "LLM"})
    shown["score, %"] = [percent(*row) for row in table[["score", "lo", "hi"]].to_numpy()]
    shown[gain] = [percent(*row, sign="+") for row in table[["gain", "gain_lo", "gain_hi"]].to_numpy()]
    for name, title in TOKENS.items():
        shown[title] = [f"{value / 1000:,.1f}" if value > 0 else "" for value in table[name]]
    shown["rules"] = [f"{value:.1f}" if value > 0 else "" for value in table["rules"]]
    shown["dropped"] = [f"{value:.1f}" if value > 0 else "" for value in table["dropped"]]
    shown["failed runs"] = [str(value) if value else "" for value in table["failed"]]
    same = [name for name in ("benchmark", "LLM") if shown[name].nunique() == 1]
    empty = [name for name in shown.columns if (shown[name] == "").all()]
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
    all its seeds, would have shown.
    """
    reference, fgo = table[table["method"] == REFERENCE], table[table["method"] == "fgo"]
    rate = float(reference["score"].mean())
    if np.isnan(rate):
        return "No run of the reference method: nothing to compute the needed test tasks from."
    tasks = int(reference["tasks"].max())
    line = (
        f"Test tasks two single runs at {100 * rate:.0f} % would need (80 % power, 5 % level): "
        f"{', '.join(_needed(effect, rate) for effect in effects)}. On {tasks} tasks they show "
        f"{_gains(detectable_effect(tasks, rate) if rate < 1 else np.nan)}"
    )
    paired = [detectable_difference(Interval(*row)) for row in fgo[["gain", "gain_lo", "gain_hi"]].dropna().to_numpy()]
    return f"{line}; the pairs of all seeds, as here, {_gains(max(paired))}." if paired else f"{line}."


def _needed(effect: float, rate: float) -> str:
    needed = f"{tasks_needed(effect, rate):,}" if rate + effect <= 1 else "impossible, it would exceed 100 %"
    return f"+{100 * effect:.1f} points: {needed}"


def _gains(effect: float) -> str:
    return "no gain that is left" if np.isnan(effect) else f"gains from {100 * effect:.1f} points on"


def holm_line(table: pd.DataFrame, level: float = 0.05) -> str:
    """Which gains of a summary stay significant when all of them are looked at together (Holm's correction).

    The p-values are those of the gains' own intervals, read as normal.
    """
    known = table.dropna(subset=["gain", "gain_lo", "gain_hi"])
    known = known[known["gain_hi"] > known["gain_lo"]]
    if known.empty:
        return "No gain with an interval: nothing to correct."
    errors = (known["gain_hi"] - known["gain_lo"]) / (2 * 1.959964)
    p_values = [2 * NormalDist().cdf(-abs(z)) for z in known["gain"] / errors]
    kept = known[holm(p_values) <= level]
    names = [f"{r.method} {100 * r.gain:+.1f} ({r.benchmark}, {r.llm})" for r in kept.itertuples()]
    return f"{len(kept)} of {len(known)} gains stay significant after Holm's correction: {'; '.join(names) or 'none'}."


def findings(table: pd.DataFrame) -> str:
    """What a summary shows of `fgo`, a line for every LLM, worded from its numbers."""
    lines = []
    for (benchmark, llm), part in table.groupby(["benchmark", "llm"], sort=False):
        fgo = part[part["method"] == "fgo"]
        if fgo.empty or part["score"].isna().all():
            continue
        best, gain = part.loc[part["score"].idxmax()], fgo[["gain", "gain_lo", "gain_hi"]].iloc[0]
        verdict = "beats" if gain["gain_lo"] > 0 else "loses to" if gain["gain_hi"] < 0 else "cannot be told from"
        lines.append(
            f"{benchmark}, {llm}: fgo {verdict} {REFERENCE} ({percent(*gain, sign='+')} points); "
            f"highest mean: {best['method']}, {percent(*best[['score', 'lo', 'hi']])} %"
        )
    return "\n".join(lines)


def paper_table(table: pd.DataFrame, not_run: Mapping[str, str] | None = None) -> pd.DataFrame:
    """The paper's reported figures beside what was measured for `fgo`: a row a claim, set and LLM.

    table: a summary. not_run: reasons, by set. verdict: "simulated, not evidence"; "not comparable" for sets of
    our own, or other than the paper's; for a real model on ALFWorld or GAIA itself "agrees" (the interval holds
    the paper's figure, and the sign is its), "same direction" or "differs"; "not run" with the reason. Which
    average the paper's token figure is we do not know, so that can at most be "same direction".
    """
    with PAPER_VALUES.open(newline="", encoding="utf-8") as file:
        claims = list(csv.DictReader(file))
    rows = []
    for claim in claims:
        said = {"claim": claim["what"], "paper": f"{claim['value']} {claim['unit']}".removesuffix(" claim")}
        for _, fgo in table[table["method"] == "fgo"].iterrows():
            same = (table["llm"] == fgo["llm"]) & (table["benchmark"] == fgo["benchmark"])
            rows.append(said | _beside(claim, fgo, table[same & (table["method"] == REFERENCE)]))
        for name, reason in (not_run or {}).items():
            rows.append(said | {"set": name, "verdict": f"not run: {reason}"})
    columns = ["claim", "paper", "set", "measured", "interval", "tasks x seeds", "model", "verdict"]
    return pd.DataFrame(rows, columns=columns).fillna("")


def _beside(claim: Mapping[str, str], fgo: pd.Series, reference: pd.DataFrame) -> dict:
    line = {"set": fgo["benchmark"], "model": fgo["llm"], "tasks x seeds": f"{fgo['tasks']} x {fgo['seeds']}"}
    value = lo = hi = np.nan
    if "token" in claim["what"] and len(reference):
        value = lo = hi = 1 - fgo["tokens_call_mean"] / reference["tokens_call_mean"].iloc[0]
        in_all = fgo["tokens_optimiser"] / reference["tokens_optimiser"].iloc[0] - 1
        line["measured"] = f"{100 * value:.1f} % lower a call; in total {100 * in_all:+.1f} %"
    elif claim["what"].startswith("gain over"):
        value, lo, hi = fgo[["gain", "gain_lo", "gain_hi"]]
        line["measured"] = "" if np.isnan(value) else f"{100 * value:+.1f} points over {REFERENCE}"
        line["interval"] = "" if np.isnan(lo) else f"[{100 * lo:+.1f}, {100 * hi:+.1f}]"
    return line | {"verdict": _verdict(claim["value"], value, (lo, hi), fgo)}


def _verdict(paper: str, value: float, interval: tuple[float, float], fgo: pd.Series) -> str:
    if np.isnan(value):
        return "not run"
    if fgo["simulated"]:
        return "simulated, not evidence"
    if fgo["benchmark"] not in ("ALFWorld", "GAIA"):  # the paper's LogisticsQA is not public
        return "not comparable"
    reported = float(paper) / 100
    if value > 0 and interval[0] <= reported <= interval[1]:
        return "agrees"
    return "same direction" if value > 0 else "differs"
