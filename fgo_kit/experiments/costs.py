"""What a run takes: tokens by phase, USD at list prices, its longest chain; matched tokens; the frontier.

`spent` gives the columns for `grid.compare(..., after=costs.spent)`; the tables take its rows, or a
`report.summary` of them. All tokens are logical: what the run used as if nothing had been cached.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..algorithm import prompts
from ..algorithm.benchmark import Benchmark
from ..calls.prices import price
from ..calls.protocol import LLM, Usage
from ..calls.tokens import count_messages
from ..report.figures import TOKENS, colour_of, note_simulated, tidy
from ..report.summary import REFERENCE, percent, show
from ..runs.compare import PAPER
from ..runs.result import OPTIMISER_PHASES, Run
from .ablations import differences

PRICE_LISTS = ("openai:gpt-5-mini", "anthropic:claude-haiku-4-5", "google:gemini-2.5-flash")
"""Small current models of three providers, whose list prices (genai-prices) turn tokens into USD."""
PHASES = {"rollout": "#56B4E9", "evaluate": "#F0E442", "propose": "#0072B2", "merge": "#009E73",
          "repair": "#D55E00", "audit": "#CC79A7", "gate": "#E69F00"}  # fmt: skip
VERDICTS = {"better": "beats", "worse": "loses to", "unclear": "cannot be told from",
            "not known": "is not known beside"}  # fmt: skip
MEANS = ("prompt_all_in", "completion_all_in", "tokens_test", "chain", "tokens_paid", "n_subsets")


def spent(run: Run, bench: Benchmark, llm: LLM) -> dict:
    """Further columns of a run: prompt_all_in, completion_all_in, chain (calls), phases (prompt tokens by phase).

    Without the final test, as in `Run.token_figures`; the chain has its one round.
    """
    calls = run.calls()
    calls = calls[calls["phase"] != "test"]
    return {
        "prompt_all_in": int(calls["prompt"].sum()), "completion_all_in": int(calls["completion"].sum()),
        "chain": run.critical_path("calls"),
        "phases": {phase: int(tokens) for phase, tokens in calls.groupby("phase")["prompt"].sum().items()},
    }  # fmt: skip


def with_costs(table: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """A summary with the means of `spent` and of paid tokens, and USD a run at each of the price lists."""
    keys = ["benchmark", "llm", "method"]
    known = rows.reindex(columns=[*keys, *MEANS])  # rows of failed runs lack what was not measured
    out = table.merge(known.groupby(keys, sort=False).mean().reset_index(), how="left", on=keys)
    if "group" in out:  # costs belong to whole runs
        out.loc[out["group"] != "all", list(MEANS)] = math.nan
    for spec in PRICE_LISTS:
        prompt, completion = _rates(spec)
        out[_usd(spec)] = prompt * out["prompt_all_in"] + completion * out["completion_all_in"]
    return out


def _rates(spec: str) -> tuple[float, float]:
    """USD for one prompt and one completion token, of short prompts; NaN where no price is known."""
    found = [price(spec, usage) for usage in (Usage(1000, 0), Usage(0, 1000))]
    return tuple(math.nan if usd is None else usd / 1000 for usd in found)


def _usd(spec: str) -> str:
    return f"USD, {spec.partition(':')[2]}"


def price_table() -> pd.DataFrame:
    """USD for a million prompt and completion tokens of the price lists."""
    rows = [(spec, *(1e6 * rate for rate in _rates(spec))) for spec in PRICE_LISTS]
    return pd.DataFrame(rows, columns=["model", "prompt, USD/M", "completion, USD/M"])


def show_costs(table: pd.DataFrame) -> pd.DataFrame:
    """Token figures, paid tokens (thousands a run), calls, chain and USD of `with_costs`, for reading."""
    shown = table[["benchmark", "llm", "method"]].copy()
    for name, title in {**TOKENS, "tokens_paid": "paid, test included"}.items():
        shown[title] = ["" if math.isnan(value) else f"{value / 1000:,.1f}" for value in table[name]]
    shown["calls"] = ["" if math.isnan(value) else f"{value:,.0f}" for value in table["calls"]]
    shown["longest chain"] = ["" if math.isnan(value) else f"{value:,.0f}" for value in table["chain"]]
    for spec in PRICE_LISTS:
        shown[_usd(spec)] = ["" if math.isnan(value) else f"{value:,.3f}" for value in table[_usd(spec)]]
    same = [name for name in ("benchmark", "llm") if shown[name].nunique() == 1]
    return shown.drop(columns=same).set_index([n for n in ("benchmark", "llm", "method") if n not in same])


# -- the 56.3 %: three definitions beside the arithmetic


def reductions(table: pd.DataFrame, bench: Benchmark, reference: str = REFERENCE) -> pd.DataFrame:
    """Change of the three token figures of every method against the reference, beside what arithmetic expects.

    table: `with_costs`, of one benchmark. Expected with N equal subsets, the same trajectories and epochs, a
    prompt of I tokens of instructions and module: a call falls by (1 - 1/N) of what is not I; the total rises
    by N - 1 further times I, merges not counted. A reference that drops trajectories, because they do not
    fit, is cheaper than that: dropped_reference counts them. All changes are shares: -0.5 is half.
    """
    rows = []
    own = count_messages(prompts.propose(bench.seed_module, []))
    for llm, part in table.groupby("llm", sort=False):
        whole = part.set_index("method").loc[reference]
        share = own / whole["tokens_call_mean"]
        for one in part.to_dict("records"):
            n = one["n_subsets"]
            if one["method"] == reference or not one["tokens_call_mean"] > 0:
                continue
            rows.append({
                "benchmark": one["benchmark"], "llm": llm, "method": one["method"], "N": n,
                "mean call": one["tokens_call_mean"] / whole["tokens_call_mean"] - 1,
                "expected call": -(1 - 1 / n) * (1 - share),
                "largest call": one["tokens_call_max"] / whole["tokens_call_max"] - 1,
                "all such calls": one["tokens_optimiser"] / whole["tokens_optimiser"] - 1,
                "expected without merges": (n - 1) * share,
                "all in": one["tokens_all_in"] / whole["tokens_all_in"] - 1,
                "dropped_reference": whole["dropped"],
            })  # fmt: skip
    return pd.DataFrame(rows)


def show_reductions(table: pd.DataFrame) -> pd.DataFrame:
    """`reductions` for reading, in per cent."""
    shown = table.copy()
    for name in ("mean call", "expected call", "largest call", "all such calls", "expected without merges", "all in"):
        shown[name] = [f"{100 * value:+.1f} %" for value in table[name]]
    shown["N"] = table["N"].round(1)
    return shown.rename(columns={"dropped_reference": f"dropped by {REFERENCE}"})


def reduction_findings(table: pd.DataFrame, paper: float = 0.563) -> str:
    """For each set and LLM, whether fgo reaches the paper's figure under each of the three definitions."""
    lines = []
    for one in table[table["method"] == "fgo"].to_dict("records"):
        reached = [name for name in ("mean call", "all such calls", "all in") if one[name] <= -paper]
        told = ", ".join(f"{name} {100 * one[name]:+.1f} %" for name in ("mean call", "all such calls", "all in"))
        lines.append(
            f"{one['benchmark']}, {one['llm']}: {told}; at least {100 * paper:.1f} % lower by: "
            f"{', '.join(reached) or 'none of the three'}"
        )
    return "\n".join(lines)


def plot_reductions(table: pd.DataFrame, constants: Sequence[str], paper: float = 0.563) -> Figure:
    """Measured changes of fgo's three figures on each set, the arithmetic as hollow marks, the paper as a line."""
    own = table[table["method"] == "fgo"].reset_index(drop=True)
    names = ("mean call", "all such calls", "all in")
    figure, axes = plt.subplots(1, 3, figsize=(7.2, 0.35 * len(own) + 1.3), sharey=True, layout="constrained")
    labels = [f"{b}\n{llm}" for b, llm in zip(own["benchmark"], own["llm"], strict=True)]
    for ax, name, expected in zip(axes, names, ("expected call", "expected without merges", None), strict=True):
        places = np.arange(len(own))
        ax.barh(places, 100 * own[name], color=colour_of("fgo"), height=0.6)
        if expected:
            ax.plot(100 * own[expected], places, "D", markerfacecolor="white", markeredgecolor="black", markersize=4)
        ax.axvline(0, color="black", linewidth=0.8)
        ax.axvline(-100 * paper, color="#D55E00", linewidth=1, linestyle="--")
        reached = int((own[name] <= -paper).sum())
        ax.set_title(f"{name}: {reached} of {len(own)}\nreach the paper's figure", fontsize=8)
        ax.set_xlabel("change, %", fontsize=8)
        ax.set_yticks(places, labels, fontsize=6.5)
        tidy(ax, size=7)
    axes[0].invert_yaxis()
    note_simulated(figure, constants)
    return figure


# -- where tokens go, and what they buy


def phase_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean prompt tokens a run by phase: one row a benchmark, LLM, method and phase, with its share."""
    long = [
        {"benchmark": row["benchmark"], "llm": row["llm"], "method": row["method"], "phase": phase, "prompt": tokens}
        for row in rows.to_dict("records") if isinstance(row.get("phases"), Mapping)
        for phase, tokens in ({phase: 0 for phase in PHASES} | dict(row["phases"])).items()
    ]  # fmt: skip
    keys = ["benchmark", "llm", "method"]
    table = pd.DataFrame(long).groupby([*keys, "phase"], sort=False)["prompt"].mean().reset_index()
    table["share"] = table["prompt"] / table.groupby(keys, sort=False)["prompt"].transform("sum")
    return table[table["prompt"] > 0].reset_index(drop=True)


def plot_phases(table: pd.DataFrame, constants: Sequence[str]) -> Figure:
    """Prompt tokens by phase as stacked bars, a panel a benchmark."""
    sets = list(dict.fromkeys(table["benchmark"]))
    methods = list(dict.fromkeys(table["method"]))
    figure, axes = plt.subplots(1, len(sets), figsize=(2.6 * len(sets) + 1, 0.3 * len(methods) + 1.5), sharey=True,
                                layout="constrained", squeeze=False)  # fmt: skip
    for ax, name in zip(axes[0], sets, strict=True):
        part = table[table["benchmark"] == name]
        left = dict.fromkeys(methods, 0.0)
        for phase, colour in PHASES.items():
            for row in part[part["phase"] == phase].itertuples():
                ax.barh(row.method, row.prompt / 1000, left=left[row.method], color=colour)
                left[row.method] += row.prompt / 1000
        learning = part[part["phase"].isin(OPTIMISER_PHASES)].groupby("method")["share"].sum()
        told = f"{100 * learning.get('fgo', math.nan):.0f} % of fgo's tokens\nare the optimiser's and merger's"
        ax.set_title(f"{name}: {told}", fontsize=8)
        ax.set_xlabel("thousand prompt tokens a run", fontsize=8)
        tidy(ax, size=7)
    axes[0][0].invert_yaxis()
    used = [phase for phase in PHASES if phase in set(table["phase"])]
    figure.legend(handles=[Patch(color=PHASES[phase], label=phase) for phase in used], loc="outside upper center",
                  ncols=len(used), fontsize=7, frameon=False)  # fmt: skip
    note_simulated(figure, constants)
    return figure


def matched(table: pd.DataFrame, target: str = "fgo", epochs: int = 2) -> dict[str, dict]:
    """Variants with more epochs that bring the target's and another method's all-in tokens as near as epochs can.

    A method cheaper than the target gets the nearest number of epochs to the target's total; beside a dearer
    one the target gets more. table: a summary of one benchmark and LLM, measured with `epochs`; what a run takes
    grows in proportion. Whole epochs leave totals up to half an epoch apart: `show_matched` says how far.
    """
    totals = table.set_index("method")["tokens_all_in"]
    variants = {}
    for method in (REFERENCE, "bootstrapping"):
        times = totals.get(target, math.nan) / totals.get(method, math.nan)
        if math.isnan(times):
            continue
        cheaper, needed = (method, epochs * times) if times > 1 else (target, epochs / times)
        if (nearest := math.floor(needed + 0.5)) > epochs:
            variants[f"{cheaper}, {nearest} epochs"] = {"method": cheaper, **PAPER, "epochs": nearest}
    return variants


def relative_tokens(table: pd.DataFrame, target: str = "fgo") -> pd.Series:
    """All-in tokens of every row of a summary over those of the target on its benchmark and LLM; NaN without it."""
    totals = table[table["method"] == target].set_index(["benchmark", "llm"])["tokens_all_in"]
    own = [totals.get((row["benchmark"], row["llm"]), math.nan) for row in table.to_dict("records")]
    return table["tokens_all_in"] / pd.Series(own, table.index)


def show_matched(table: pd.DataFrame, target: str = "fgo") -> pd.DataFrame:
    """A summary with gains over the target for reading, with all-in tokens as multiples of the target's."""
    times = relative_tokens(table, target)
    column = ["" if math.isnan(value) else f"{value:.2f}" for value in times]
    return show(table, target).assign(**{f"all in, {target} = 1": column})


def matched_lines(rows: pd.DataFrame, target: str = "fgo") -> str:
    """For every benchmark and LLM: the target beside each baseline, at the epochs whose tokens are nearest.

    rows: those of `compare` with the variants of `matched`. The intervals of the lines of one benchmark hold
    together. What differs in tokens still is said, and is not corrected for.
    """
    lines = []
    for (benchmark, llm), part in rows.groupby(["benchmark", "llm"], sort=False):
        spent_on = part.groupby("method", sort=False)["tokens_all_in"].mean().dropna()
        kinds = {method: method.partition(",")[0] for method in spent_on.index}
        pairs = []
        for other in (REFERENCE, "bootstrapping"):
            found = [(mine, its) for mine in kinds for its in kinds if (kinds[mine], kinds[its]) == (target, other)]
            apart = [abs(math.log(spent_on[mine] / spent_on[its])) for mine, its in found]
            pairs += [found[int(np.argmin(apart))]] if found else []
        for one in differences(part, pairs).itertuples():
            verdict = VERDICTS[one.verdict]
            ratio = spent_on[one.method] / spent_on[one.other]
            lines.append(
                f"{benchmark}, {llm}: {one.method} {verdict} {one.other} at {ratio:.2f} times its tokens "
                f"({percent(one.difference, one.lo, one.hi, '+')} points)"
            )
    return "\n".join(lines)


def frontier(table: pd.DataFrame, cost: str = "tokens_all_in") -> pd.DataFrame:
    """The table with a column `best`: no other row of its benchmark and LLM scores as well for less.

    A row without a score or cost is not on the frontier, and takes no other off it.
    """
    marked = []
    for _, part in table.groupby(["benchmark", "llm"], sort=False):
        by_cost = part.dropna(subset=[cost, "score"]).sort_values([cost, "score"], ascending=[True, False])
        reached = by_cost["score"].cummax()
        best = by_cost["score"] > reached.shift(fill_value=-math.inf)
        marked.append(part.assign(best=best.reindex(part.index, fill_value=False)))
    return pd.concat(marked)


def plot_frontier(table: pd.DataFrame, constants: Sequence[str], cost: str = "tokens_all_in") -> Figure:
    """Score against all-in tokens with intervals, a panel a benchmark; the line joins the frontier, ringed black.

    table: `frontier`. Rows of one method have one colour, whatever follows a comma in their label.
    """
    sets, labels = (list(dict.fromkeys(table[key])) for key in ("benchmark", "method"))
    figure, axes = plt.subplots(1, len(sets), figsize=(3.4 * len(sets) + 2, max(3.2, 0.17 * len(labels) + 0.6)),
                                layout="constrained", squeeze=False)  # fmt: skip
    for ax, name in zip(axes[0], sets, strict=True):
        part = table[table["benchmark"] == name]
        best = part[part["best"]].sort_values(cost)
        ax.step(best[cost] / 1000, 100 * best["score"], where="post", color="#BBBBBB", linewidth=1.5, zorder=1)
        for row in part.to_dict("records"):
            _plot_point(ax, row, row[cost] / 1000, labels.index(row["method"]))
        ax.set_title(f"{name}: {len(best)} of {len(part)} on the frontier", fontsize=8)
        ax.set_xlabel("thousand tokens a run, all in", fontsize=8)
        ax.set_ylabel("test score, %", fontsize=8)
        tidy(ax, size=7)
        ax.grid(color="#EEEEEE", linewidth=0.6)
    named = [Line2D([], [], marker="o", linestyle="", markersize=4, color=colour_of(label), label=f"{number}  {label}")
             for number, label in enumerate(labels, 1)]  # fmt: skip
    figure.legend(handles=named, loc="outside right upper", fontsize=6.5, frameon=False)
    note_simulated(figure, constants)
    return figure


def _plot_point(ax, row: Mapping, x: float, number: int) -> None:
    """A point with its interval and the number of its label; numbers go to all four sides in turn."""
    y, colour = 100 * row["score"], colour_of(row["method"])
    ax.plot([x, x], [100 * row["lo"], 100 * row["hi"]], color=colour, linewidth=0.8, alpha=0.6)
    ax.plot([x], [y], "o", color=colour, markersize=4.5, markeredgecolor="white" if not row["best"] else "black")
    side = ((6, 4), (-6, 4), (6, -5), (-6, -5))[number % 4]
    ax.annotate(str(number + 1), (x, y), xytext=side, textcoords="offset points", fontsize=6, ha="center", va="center")
