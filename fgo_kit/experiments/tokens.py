"""05, and the costs in 01: what a run takes in tokens, calls and USD, against arithmetic and against the score.

All tokens are logical, as if nothing had been cached, but for the column tokens_paid.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..algorithm import prompts
from ..algorithm.benchmark import Benchmark
from ..calls.prices import price
from ..calls.protocol import LLM, Usage
from ..calls.tokens import count_messages
from ..report.drawing import COLOURS, colour_of, draw_bars, draw_points, finish, looks, new_figure, note_simulated, tidy
from ..report.summary import REFERENCE, TOKENS, by_method, numbers
from ..runs.result import OPTIMISER_PHASES, Run
from ..runs.variants import VARIANTS
from ..stats import over_seeds
from .grids import TOKEN_FIGURES
from .presets import preset
from .sets import MAIN_LOG, Grid, three_sets

PAPER = 0.563
"""The paper's lower average prompt token consumption; of which average, it does not say."""
PRICE_LISTS = ("openai:gpt-5-mini", "anthropic:claude-haiku-4-5", "google:gemini-2.5-flash")
"""Small current models of three providers, whose list prices (genai-prices) turn tokens into USD."""
PHASES = ("rollout", "evaluate", "propose", "merge", "review", "repair", "audit", "gate")
MEANS = ("prompt_all_in", "completion_all_in", "tokens_test", "tokens_paid", "n_subsets", "rollouts", "prompt_tokens")
METHODS = {name: VARIANTS[name] for name in ("base", REFERENCE, "bootstrapping", "fgo")}


def grids(name: str) -> dict[str, Grid]:
    """The notebook's grids at a preset: the paper's four methods on the three sets, and settings of many costs."""
    chosen = preset(name)
    epochs = {1: "1 epoch", 2: "2 epochs", 3: "3 epochs"}
    learning = [method for method in METHODS if method != "base"]
    costs = {f"{m}, {words}": VARIANTS[m] | {"epochs": n} for m in learning for n, words in epochs.items()}
    costs |= {f"fgo, N = {n}": VARIANTS["fgo"] | {"n_subsets": n} for n in (2, 4, 8, 16)}
    costs |= {name: VARIANTS[name] for name in ("base", "bootstrapping + counts + review", "fgo+")}
    first_world = ({"n_train": chosen.n_train, "world": chosen.worlds[0]},)
    grid = Grid("logisticsqa", first_world, costs, chosen.seeds, MAIN_LOG)
    return three_sets(chosen, METHODS, MAIN_LOG) | {"costs": grid}


# -- what runs take


def spent(run: Run, bench: Benchmark, llm: LLM) -> dict:
    """Further columns of a run: prompt_all_in, completion_all_in, phases (prompt tokens by phase),
    rollouts (of training and gate tasks) and prompt_tokens (of the final module).

    Without the final test, as in `Run.token_figures`.
    """
    calls = run.calls()
    calls = calls[calls["phase"] != "test"]
    return {
        "prompt_all_in": int(calls["prompt"].sum()), "completion_all_in": int(calls["completion"].sum()),
        "phases": {phase: int(tokens) for phase, tokens in calls.groupby("phase")["prompt"].sum().items()},
        "rollouts": sum(judged.place.phase != "test" for judged in run.state.record),
        "prompt_tokens": llm.count([{"role": "system", "content": str(run.module)}]),
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
    each = [price(spec, usage) for usage in (Usage(1000, 0), Usage(0, 1000))]
    return tuple(math.nan if usd is None else usd / 1000 for usd in each)


def _usd(spec: str) -> str:
    return f"USD, {spec.partition(':')[2]}"


def price_table() -> pd.DataFrame:
    """USD for a million prompt and completion tokens of the price lists."""
    rows = [(spec, *(1e6 * rate for rate in _rates(spec))) for spec in PRICE_LISTS]
    return pd.DataFrame(rows, columns=["model", "prompt, USD/M", "completion, USD/M"])


def show_costs(table: pd.DataFrame) -> pd.DataFrame:
    """Token figures, paid tokens (thousands a run), calls, chain and USD of `with_costs`, for reading."""
    shown = table[["benchmark", "llm", "method"]].rename(columns={"llm": "LLM"})
    for name, title in {**TOKENS, "tokens_paid": "paid, test included"}.items():
        shown[title] = numbers(table[name] / 1000)
    shown["calls"], shown["longest chain"] = numbers(table["calls"], 0), numbers(table["chain"], 0)
    for spec in PRICE_LISTS:
        shown[_usd(spec)] = numbers(table[_usd(spec)], 3)
    return by_method(shown)


# -- the 56.3 %: three definitions and the arithmetic


def reductions(table: pd.DataFrame, bench: Benchmark, reference: str = REFERENCE) -> pd.DataFrame:
    """Change of the three token figures of every method against the reference, and what arithmetic expects.

    table: `with_costs`, of one benchmark. Columns: benchmark, llm, method, N, "mean call", "expected call",
    "largest call", "all such calls", "expected without merges", "in total", dropped_reference; changes are shares: -0.5
    is half. Expected with N equal subsets, the same trajectories and epochs, a prompt of I tokens of instructions and
    module: a call falls by (1 - 1/N) of what is not I; the total rises by N - 1 further times I, merges not counted.
    A reference that drops trajectories, because they do not fit, is cheaper than that: dropped_reference counts them.
    """
    lines = []
    own = count_messages(prompts.propose(bench.seed_module, []))
    for llm, part in table.groupby("llm", sort=False):
        whole = part.set_index("method").loc[reference]
        share = own / whole["tokens_call_mean"]
        for row in part[(part["method"] != reference) & (part["tokens_call_mean"] > 0)].to_dict("records"):
            n, change = row["n_subsets"], {name: row[name] / whole[name] - 1 for name in TOKENS}
            lines.append({
                "benchmark": row["benchmark"], "llm": llm, "method": row["method"], "N": n,
                "mean call": change["tokens_call_mean"], "expected call": -(1 - 1 / n) * (1 - share),
                "largest call": change["tokens_call_max"], "all such calls": change["tokens_optimiser"],
                "expected without merges": (n - 1) * share, "in total": change["tokens_all_in"],
                "dropped_reference": whole["dropped"],
            })  # fmt: skip
    return pd.DataFrame(lines)


def show_reductions(table: pd.DataFrame) -> pd.DataFrame:
    """`reductions` for reading, in per cent."""
    shown = table.assign(N=table["N"].round(1)).rename(columns={"dropped_reference": f"dropped by {REFERENCE}"})
    for name in ("mean call", "expected call", "largest call", "all such calls", "expected without merges", "in total"):
        shown[name] = [f"{100 * value:+.1f} %" for value in table[name]]
    return shown


def plot_reductions(table: pd.DataFrame, changes: pd.DataFrame, constants: Sequence[str]) -> Figure:
    """Measured changes of fgo's three figures on each set, what arithmetic expects, and the paper's figure.

    table: `reductions`; changes: `grids.token_changes` of the same runs, for the intervals.
    """
    own = table[table["method"] == "fgo"].reset_index(drop=True)
    figure, axes = new_figure(3, 0.35 * len(own) + 1.2, sharey=True, sharex=True)
    expected = ("expected call", "expected without merges", None)
    for ax, name, arithmetic, measured in zip(axes, ("mean call", "all such calls", "in total"), expected,
                                              TOKEN_FIGURES.values(), strict=True):  # fmt: skip
        ax.barh(own.index, 100 * own[name], color=colour_of("fgo"), height=0.6, label="fgo, measured")
        draw_points(ax, changes[changes["figure"] == measured], "change", own.index - 0.2, color="black", marker="")
        if arithmetic:
            ax.plot(100 * own[arithmetic], own.index, "D", color="black", markerfacecolor="white", markersize=4,
                    label="expected by arithmetic")  # fmt: skip
        ax.axvline(0, color="black", linewidth=0.8)
        ax.axvline(-100 * PAPER, color="#D55E00", linewidth=1, linestyle="--", label="the paper's figure")
        reached = f"{name}: {(own[name] <= -PAPER).sum()} of {len(own)}\nreach the paper's figure"
        tidy(ax, reached, "change from all_at_once, %", size=7)
    axes[0].set_yticks(own.index, own["benchmark"] + "\n" + own["llm"], fontsize=6.5)
    axes[0].invert_yaxis()
    return finish(figure, constants)


# -- where tokens go, and what they buy


def phase_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean prompt tokens a run by phase. Columns: benchmark, llm, method, phase, prompt, share; total: of all phases,
    total_lo, total_hi (over seeds)."""
    long = [
        {"benchmark": row["benchmark"], "llm": row["llm"], "method": row["method"], "phase": phase, "prompt": tokens}
        for row in rows.to_dict("records") if isinstance(row.get("phases"), Mapping)
        for phase, tokens in (dict.fromkeys(PHASES, 0) | dict(row["phases"])).items()
    ]  # fmt: skip
    keys = ["benchmark", "llm", "method"]
    table = pd.DataFrame(long).groupby([*keys, "phase"], sort=False)["prompt"].mean().reset_index()
    table["share"] = table["prompt"] / table.groupby(keys, sort=False)["prompt"].transform("sum")
    whole = {key: over_seeds(part["prompt_all_in"], part["seed"]) for key, part in rows.groupby(keys, sort=False)}
    for name, bound in (("total", "value"), ("total_lo", "lo"), ("total_hi", "hi")):
        table[name] = [getattr(whole[key], bound) for key in table[keys].itertuples(index=False, name=None)]
    return table[table["prompt"] > 0].reset_index(drop=True)


def plot_phases(table: pd.DataFrame, constants: Sequence[str]) -> Figure:
    """Prompt tokens by phase as stacked bars, the intervals of their totals, a panel a benchmark."""
    sets, methods = (list(dict.fromkeys(table[key])) for key in ("benchmark", "method"))
    colours = {phase: COLOURS[phase] for phase in PHASES if phase in set(table["phase"])}
    figure, axes = new_figure(len(sets), 0.24 * len(methods) + 1.0, width=7.2, sharey=True)
    for ax, name in zip(axes, sets, strict=True):
        part = table[table["benchmark"] == name]
        wide = part.pivot_table(index="method", columns="phase", values="prompt", aggfunc="sum", fill_value=0)
        wide = wide.reindex(index=methods[::-1], columns=list(colours), fill_value=0) / 1000
        draw_bars(ax, wide.reset_index(), colours)
        totals = part.drop_duplicates("method").set_index("method").loc[wide.index, ["total", "total_lo", "total_hi"]]
        draw_points(ax, totals / 1000, "total", range(len(totals)), color="black", marker="")
        learning = part[(part["method"] == "fgo") & part["phase"].isin(OPTIMISER_PHASES)]["share"].sum()
        title = f"{name}: {100 * learning:.0f} % of fgo's are\nthe optimiser's and merger's"
        tidy(ax, title, "thousand prompt tokens a run", size=7)
    return finish(figure, constants)


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
    """Score against total tokens with intervals; the line joins the frontier, ringed black. table: `frontier`.

    Points have the numbers of the legend, and colour and marker of their method, whatever follows a comma in their
    label.
    """
    labels = list(dict.fromkeys(table["method"]))
    figure, ax = plt.subplots(figsize=(5.4, max(3.2, 0.17 * len(labels) + 0.6)), layout="constrained")
    best, look = table[table["best"]].sort_values(cost), looks(labels)
    ax.step(best[cost] / 1000, 100 * best["score"], where="post", color="#BBBBBB", linewidth=1.5, zorder=1,
            label="frontier (ringed): no other\nscores as high for less")  # fmt: skip
    for row in table.to_dict("records"):
        ring = {"markeredgecolor": "black"} if row["best"] else {}
        draw_points(ax, pd.DataFrame([row]), "score", [row[cost] / 1000], upright=True, **look[row["method"]], **ring)
    title = f"{len(best)} of {len(table)} settings are such that\nno other scores as high for less"
    tidy(ax, title, "thousand tokens a run, in total", "test score, %", "both", 7)
    marks = [Line2D([], [], linestyle="", markersize=4, label=f"{number}  {label}", **look[label])
             for number, label in enumerate(labels, 1)]  # fmt: skip
    known = dict(zip(*ax.get_legend_handles_labels()[::-1], strict=True))
    figure.legend([*marks, *known.values()], [*(mark.get_label() for mark in marks), *known], fontsize=6.5,
                  loc="outside right upper", frameon=False)  # fmt: skip
    figure = note_simulated(figure, constants)
    _number(ax, table[cost] / 1000, 100 * table["score"], [labels.index(label) + 1 for label in table["method"]])
    return figure


def _number(ax: Axes, xs: Sequence[float], ys: Sequence[float], numbers: Sequence[int]) -> None:
    """Write a number next to every point, where no other number or point is, with a line to it."""
    ax.figure.draw_without_rendering()  # from here on it is known how far points are apart
    spots = ax.transData.transform(np.column_stack([xs, ys])) * 72 / ax.figure.dpi
    taken = list(spots[np.isfinite(spots).all(axis=1)])
    ways = [(r * np.cos(turn), r * np.sin(turn)) for r in range(9, 60, 4) for turn in np.radians((25, 155, 205, 335))]
    for x, y, spot, number in zip(xs, ys, spots, numbers, strict=True):
        free = (way for way in ways if all(np.hypot(*(spot + way - other)) > 8 for other in taken))
        way = next(free, ways[0])
        taken.append(spot + way)
        ax.annotate(str(number), (x, y), xytext=way, textcoords="offset points", fontsize=6, ha="center", va="center",
                    arrowprops={"arrowstyle": "-", "linewidth": 0.3, "shrinkA": 2, "shrinkB": 2})  # fmt: skip
