"""The benchmark for reading: bench.md with the ratios first, and the figures."""

from __future__ import annotations

import os
from pathlib import Path

import growth
import numpy as np
import pandas as pd
from projection import projection
from tasks import N_HELD_OUT, N_TRAIN, TARGETS

LATENCY_MS, AT_ONCE = 50, 8
"""Of the server; workers of a whole optimisation."""
WORKERS = (1, 16, 64, 256)
NAMES = {"ours": "this toolkit, log on", "sdk": "official SDK alone", "bare": "bare aiohttp loop", "gepa": "GEPA", "dspy": "DSPy"}
LEARNERS = {"fgo+": "this toolkit, fgo+", "fgo": "this toolkit, fgo", "gepa": "GEPA", "dspy_gepa": "dspy.GEPA", "miprov2": "MIPROv2"}
OURS = LEARNERS["fgo+"]
TITLES = {"words": "codes of words", "dates": "offices' dates", "documents": "LogisticsQA-gen"}
SHOWN = ("wall", "to_target", "score", "calls", "prompt_tokens", "completion_tokens", "concurrency", "critical_path", "cpu")
NOTES = f"""\
In whole optimisations every client is a process of its own, with {AT_ONCE} workers, timed from its start to its score on
the held-out tasks. Each seed deals tasks anew, the same to all. Settings are those each one's documentation recommends:
this toolkit's defaults (`fgo+`, and `fgo` beside it); `auto="light"` for dspy.GEPA and MIPROv2; for GEPA, which has no
presets, as many metric calls as dspy.GEPA's. GEPA and dspy.GEPA stop early once their own validation tasks are all right,
and are credited with the first candidate that scores the target held out; MIPROv2 and this toolkit have a result at their end.

The server answers by what stands in a prompt, whoever sent it; its models are programs, so scores say that all learnt the
same and nothing of any real model. A critical path is the most calls that each start after another's end, as the
server sees it: it cannot know what waits for what, so calls that queue for workers count too. Codes and dates can be
learnt from one example. LogisticsQA-gen is answered by the simulated LLM (`large`); prompts of others are put into the
form that it reads: the same documents, right answers and rules. What it cannot use: examples without right answers, such as
MIPROv2's descriptions of the program, and tips. Its evaluator, which this toolkit asks as it asks any model, names what marks a
right answer; the peers' metric, as in their documentation, states the right answer.

Every call of a conversation holds all turns before it, so what is hashed and counted grows faster than the turns; a rollout
has at most 50."""


def medians(learning: pd.DataFrame) -> pd.DataFrame:
    """Medians over the seeds, a row a task and client. reached: seeds with the target; wall_low, wall_high: quartiles."""
    groups = learning.groupby(["task", "client"], sort=False)
    table = groups[list(SHOWN)].median()
    table.insert(0, "reached", groups["to_target"].count())
    table.insert(0, "seeds", groups["seed"].count())
    table["wall_low"], table["wall_high"] = groups["wall"].quantile(0.25), groups["wall"].quantile(0.75)
    return table.reset_index()


def calls_in_words(calls: pd.DataFrame) -> list[str]:
    """A line for each number of workers."""
    rate, cost = (calls.pivot(index="workers", columns="client", values=name).reindex(columns=list(NAMES.values()))
                  for name in ("calls_per_second", "cpu_ms_per_call"))  # fmt: skip
    own, sdk = NAMES["ours"], NAMES["sdk"]
    return [f"- {workers} workers: {rate[own][workers] / rate[sdk][workers]:.2f} × the calls a second of the official SDK alone, "
            f"{rate[own][workers] / rate['GEPA'][workers]:.1f} × GEPA, {rate[own][workers] / rate['DSPy'][workers]:.1f} × DSPy; "
            f"{cost[own][workers] - cost[sdk][workers]:+.2f} ms of CPU a call compared with the SDK's" for workers in rate.index]  # fmt: skip


def learning_in_words(learning: pd.DataFrame) -> list[str]:
    """A line for each task: the wall to the same held-out score, within each seed as a share of each peer's."""
    lines = []
    for name, part in learning.groupby("task", sort=False):
        times = part.pivot(index="seed", columns="client", values="to_target")
        told = [_compared(times, client) for client in LEARNERS.values() if client != OURS and client in times]
        of_all = f"{times[OURS].count()} of {len(times)} seeds, median {times[OURS].median():.1f} s"
        lines.append(f"- {TITLES[name]}, to a held-out score of {TARGETS[name]:g}: {OURS} ({of_all}); {'; '.join(told)}")
    return lines


def _compared(times: pd.DataFrame, client: str) -> str:
    reached, ratio = times[client].count(), (times[OURS] / times[client]).median()
    share = f"{ratio:.2f} of the time of {client}" if reached else f"{client} does not reach it"
    return share + (f", which reaches it with {reached} of {len(times)} seeds" if 0 < reached < len(times) else "")


def games_in_words(table: pd.DataFrame) -> list[str]:
    """How many times more ALFWorld games an hour than in alfworld's own engine."""
    rate = table.set_index("engine")["games_per_hour"]
    own, *others = rate.index if len(rate) else ("",)
    told = "; ".join(f"{name}: {rate[name] / rate[own]:.1f} times those of {own}" for name in others)
    return [f"- ALFWorld games an hour, {told}"] if told else []


def growth_in_words(table: pd.DataFrame) -> list[str]:
    """What grows faster than proportionally, by its interval."""
    found = growth.exponents(table)
    fast = found[found["lo"] > 1.1]
    told = [f"{row.quantity} with {row.what} ({row.exponent:.2f} [{row.lo:.2f}, {row.hi:.2f}])" for row in fast.itertuples()]
    return [f"- growth with an exponent above 1.1, by its 95 % interval: {'; '.join(told) or 'nothing'}"]


def write(tables: dict[str, pd.DataFrame], folder: Path) -> None:
    """bench.md, the figures, and the tables that follow from others, of what was measured."""
    if "calls" in tables:
        draw_calls(tables["calls"], folder / "bench_calls.png")
    if "learning" in tables:
        draw_learning(tables["learning"], folder)
    for name in ("growth", "scale"):
        if name in tables:
            tables[f"{name}_exponents"] = growth.exponents(tables[name])
            tables[f"{name}_exponents"].to_csv(folder / f"bench_{name}_exponents.csv", index=False, float_format="%.4g")
    if {"scale", "learning"} <= set(tables):
        tables["projection"] = projection(tables["scale"], tables["learning"])
        tables["projection"].to_csv(folder / "bench_projection.csv", index=False, float_format="%.4g")
    (folder / "bench.md").write_text(text(tables), encoding="utf-8")


def text(tables: dict[str, pd.DataFrame]) -> str:
    """The page: what counts, then every table."""
    from fgo_kit.report.results_page import markdown

    words = {"calls": calls_in_words, "learning": learning_in_words, "growth": growth_in_words,
             "games": games_in_words}  # fmt: skip
    lines = [line for name, say in words.items() if name in tables for line in say(tables[name])]
    shown = {name: medians(table) if name == "learning" else table for name, table in tables.items() if name != "growth"}
    parts = [f"## {name}\n\n{markdown(table.map(_cell))}" for name, table in shown.items()]
    sizes = ", ".join(f"{TITLES[name]} {N_TRAIN[name]} + {N_HELD_OUT[name]}" for name in TARGETS)
    head = (f"# Speed\n\nWritten by `make bench` on {os.cpu_count()} cores with a load of {os.getloadavg()[1]:.1f}, against a server with "
            f"{LATENCY_MS} ms latency on the same machine. Medians; absolute figures are this machine's, ratios within the run are what "
            f"counts. Training and held-out tasks: {sizes}.\n\n")  # fmt: skip
    return head + "\n".join(lines) + "\n\n" + "\n\n".join(parts) + f"\n\n## How it is measured\n\n{NOTES}\n"


def _cell(value: object) -> object:
    return ("" if np.isnan(value) else f"{value:.4g}") if isinstance(value, float) else value


def draw_calls(rates: pd.DataFrame, path: Path) -> None:
    """Calls a second by workers, medians and all repeats, a line and a marker a client."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for (client, part), marker in zip(rates.groupby("client", sort=False), "osD^v", strict=False):
        axes.errorbar(part["workers"], part["calls_per_second"], marker=marker, label=client, capsize=2,
                      yerr=[part["calls_per_second"] - part["low"], part["high"] - part["calls_per_second"]])  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="workers", xticks=WORKERS, xticklabels=WORKERS)
    axes.set_ylabel("calls a second: median, slowest and fastest repeat")
    most = rates[rates["workers"] == rates["workers"].max()].set_index("client")["calls_per_second"]
    share = most.get(NAMES["ours"], np.nan) / most.get(NAMES["sdk"], np.nan)
    axes.set_title(f"At {rates['workers'].max()} workers: {share:.2f} of the official SDK's calls a second", fontsize=10)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.legend()
    figure.savefig(path, metadata={"Software": None})


def draw_learning(learning: pd.DataFrame, folder: Path) -> None:
    """The wall of whole optimisations with quartiles over the seeds, a panel a task."""
    import matplotlib

    matplotlib.use("Agg")
    from fgo_kit.report.drawing import new_figure, tidy

    table, clients = medians(learning), list(LEARNERS.values())
    figure, axes = new_figure(len(TITLES), 2.0, "Whole optimisations with their final test: median and quartiles over the seeds", sharey=True)
    for ax, (name, title) in zip(axes, TITLES.items(), strict=True):
        part = table[table["task"] == name].set_index("client").reindex(clients)
        gaps = [part["wall"] - part["wall_low"], part["wall_high"] - part["wall"]]
        ax.errorbar(part["wall"], range(len(clients)), xerr=gaps, linestyle="", marker="o", markersize=4, capsize=1.5, color="#0072B2")
        ax.set_yticks(range(len(clients)), clients)
        ax.set(xlim=(0, None), ylim=(len(clients) - 0.5, -0.5))
        tidy(ax, title, "seconds")
    figure.savefig(folder / "bench_learning.png", dpi=200, metadata={"Software": None})
