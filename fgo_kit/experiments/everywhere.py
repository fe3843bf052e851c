"""03: one setting everywhere. fgo+ against the best method in sequence, on every set, profile and level of merger.

What was hoped for (set down before it was run): equivalent in score in every cell, above all at once, at most 1.1
times the tokens, and an eighth of the calls that wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure

from ..calls.protocol import LLM
from ..report.drawing import add_legend, draw_rows, looks, new_figure, note_simulated
from ..report.summary import cells, differences, numbers
from ..report.verdicts import MARGIN, counted
from ..runs.variants import VARIANTS
from ..simulate.varied import varied
from ..stats import FEWEST_WORLDS
from .presets import preset
from .sets import SETS, Grid, documents, played

SEQUENTIAL = ("bootstrapping + counts", "bootstrapping + counts + review")
"""With the switches of fgo+. Which of them is best is read off the scores it is compared with, in their favour."""
ALL_AT_ONCE = "all_at_once + counts + review"
METHODS = {name: VARIANTS[name] for name in ("fgo+", *SEQUENTIAL, ALL_AT_ONCE)}
GAMES, QUESTIONS = (32, None, 3), (64, None, 3)
"""Training tasks, subsets and one test task in so many: smaller than in the main comparison, which has one profile."""
WORLDS = FEWEST_WORLDS
"""As many as make them random."""


def grids(name: str, log: str) -> dict[str, Grid]:
    """A grid a set at a preset; documents alone at the fast one."""
    chosen = preset(name)
    chosen = replace(chosen, worlds=chosen.worlds[:WORLDS], games=GAMES, questions=QUESTIONS)
    found = {"logisticsqa everywhere": documents(chosen, METHODS, log)}
    if name == "full":
        found |= {f"{name} everywhere": played(name, chosen, METHODS, log) for name in ("alfworld", "gaia")}
    return found


def models(model: str, profiles: Sequence[str]) -> list[LLM | str]:
    """The simulated LLMs of these profiles, each with a merger that weighs evidence and a blind one."""
    if model != "simulated":
        return [model]
    return [varied(profile, **level) for profile in profiles for level in ({}, {"weighing": 0})]


def everywhere(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a set and LLM: fgo+ against the best method in sequence, and against all at once.

    Columns: benchmark, llm, merger, other (the best in sequence), score, difference (fgo+ - other), lo, hi, p, verdict;
    over_all_at_once, with _lo, _hi, its verdict above; tokens and path (fgo+ = 1 over the other's, the other's over
    that of fgo+); chain (waiting calls of the other); constants. The two intervals of a row hold together.
    """
    table = []
    for (benchmark, llm), part in rows.groupby(["benchmark", "llm"], sort=False):
        mean = part.groupby("method")[["score", "tokens_all_in", "chain"]].mean()
        best = mean.loc[list(SEQUENTIAL), "score"].idxmax()
        against, over = differences(part, [("fgo+", best), ("fgo+", ALL_AT_ONCE)]).to_dict("records")
        merger = "blind" if "weighing=0" in llm else "weighing"
        line = {"benchmark": benchmark, "llm": llm.replace(" weighing=0", ""), "merger": merger, "other": best}
        line |= {name: against[name] for name in ("difference", "lo", "hi", "p", "verdict")}
        line |= {"over_all_at_once": over["difference"], "over_all_at_once_lo": over["lo"],
                 "over_all_at_once_hi": over["hi"], "above": over["verdict"]}  # fmt: skip
        own, others = mean.loc["fgo+"], mean.loc[best]
        ratios = {"tokens": own["tokens_all_in"] / others["tokens_all_in"], "path": others["chain"] / own["chain"]}
        constants = part["constants"].iloc[0]
        table.append(line | {"score": own["score"], **ratios, "chain": others["chain"], "constants": constants})
    return pd.DataFrame(table)


def show_everywhere(table: pd.DataFrame) -> pd.DataFrame:
    """`everywhere` for reading."""
    shown = table[["benchmark", "llm", "merger", "other"]].assign(**{
        "fgo+, %": numbers(100 * table["score"]), "fgo+ - other, points": cells(table, "difference", "+"),
        "verdict": table["verdict"], "over all at once, points": cells(table, "over_all_at_once", "+"),
        "tokens, other = 1": numbers(table["tokens"], 2), "times fewer waiting calls": numbers(table["path"]),
    })  # fmt: skip
    return shown.set_index(["benchmark", "llm", "merger"])


def plot_everywhere(table: pd.DataFrame) -> Figure:
    """Differences with intervals, a panel a set, a row a profile; the band is the margin of equivalence."""
    sets, rows = [name for name in SETS.values() if name in set(table["benchmark"])], list(dict.fromkeys(table["llm"]))
    title = f"fgo+ against the best method in sequence: {counted(table['verdict'])}"
    figure, axes = new_figure(len(sets), 0.45 * len(rows) + 0.9, title, sharey=True, sharex=True)
    for ax, name in zip(axes, sets, strict=True):
        ax.axvspan(-100 * MARGIN, 100 * MARGIN, color="#EEEEEE", label=f"within {100 * MARGIN:g} points")
        ax.axvline(0, color="#666666", linewidth=0.7)
        part = table[table["benchmark"] == name].assign(gain=lambda part: part["difference"])
        look = looks(f"{level} merger" for level in dict.fromkeys(table["merger"]))
        draw_rows(ax, part.assign(level=part["merger"] + " merger"), rows, ("llm", "level"), "gain", look)
        ax.set_xlabel("fgo+ minus best in sequence, points", fontsize=7)
        ax.set_title(name, fontsize=8)
    add_legend(figure)
    return note_simulated(figure, table["constants"])
