"""How many test tasks a gain would need to show, and what the tasks of a summary can show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..stats import FEWEST_WORLDS, detectable_difference, tasks_needed, times_needed
from .summary import REFERENCE
from .verdicts import MARGIN, intervals


def power(table: pd.DataFrame, effects: Sequence[float] = (0.016, 0.086)) -> pd.DataFrame:
    """How many test tasks the paper's gains would need to show, and what a summary's tasks can show: a row an LLM.

    At 80 % power and the 5 % level. Columns: benchmark, llm, tasks; "tasks for +1.6" and so on: test tasks for two
    single runs, the reference at its mean ("" where that would exceed 100 %); "all pairs show, points": the smallest
    true difference to the reference that the table's paired interval would have shown: of fgo, or the median over the
    other rows that have one; "for ±3 points": how many worlds, or where there are fewer than three how many tasks and
    seeds, would show equivalence where there is no difference. NaN where nothing is known.
    """
    lines = []
    for (benchmark, llm), part in table.groupby(["benchmark", "llm"], sort=False):
        reference = part[part["method"] == REFERENCE]
        rate, tasks = float(reference["score"].mean()), reference["tasks"].max()
        if np.isnan(rate):
            continue
        line = {"benchmark": benchmark, "llm": llm, "tasks": int(tasks)}
        for effect in effects:
            line[f"tasks for {100 * effect:+.1f}"] = f"{tasks_needed(effect, rate):,}" if rate + effect <= 1 else ""
        known = part.dropna(subset=["gain", "gain_lo", "gain_hi"])
        known = known[known["method"] == "fgo"] if "fgo" in set(known["method"]) else known
        gained = intervals(known, "gain")
        shown = [detectable_difference(gain) for gain in gained]
        line["all pairs show, points"] = 100 * float(np.median(shown)) if shown else np.nan
        line[f"for ±{100 * MARGIN:g} points"] = _needed(known.assign(times=[times_needed(g, MARGIN) for g in gained]))
        lines.append(line)
    return pd.DataFrame(lines).round(1)


def _needed(known: pd.DataFrame) -> str:
    """How much data equivalence would take, from how much there is and how many times as much is needed."""
    if known.empty:
        return ""
    times, worlds, tasks, seeds = (float(known[name].median()) for name in ("times", "worlds", "tasks", "seeds"))
    if worlds >= FEWEST_WORLDS:
        return f"{np.ceil(times * worlds):,.0f} worlds"
    return f"{np.ceil(times * tasks):,.0f} tasks x {np.ceil(times * seeds):,.0f} seeds"
