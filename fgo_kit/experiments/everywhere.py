"""03: one setting everywhere. fgo+ against the best method in sequence, on every set, profile and level of merger.

What was hoped for (set down before it was run): equivalent in score in every cell, above all at once, at most 1.1
times the tokens, and an eighth of the calls that wait.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from ..calls.protocol import LLM
from ..report.drawing import draw_rows, finish, looks, new_figure
from ..report.summary import cells, differences, numbers
from ..report.verdicts import MARGIN, Verdict, counted
from ..runs.variants import VARIANTS
from ..simulate.varied import varied
from .presets import preset
from .sets import Grid, in_worlds

SEQUENTIAL = ("bootstrapping + counts", "bootstrapping + counts + review")
"""With the switches of fgo+. Which of them is best is read off the scores it is compared with, in their favour."""
ALL_AT_ONCE = "all_at_once + counts + review"
METHODS = {name: VARIANTS[name] for name in ("fgo+", *SEQUENTIAL, ALL_AT_ONCE)}
DRAWN = {"logisticsqa": (256, 20, 2, 1), "alfworld": (32, 12, 1, 3), "gaia": (64, 20, 1, 1)}
"""Of every generated set: training tasks, worlds, seeds, one test task in so many. Worlds are many, since it is their
spread that makes intervals wide: three of them, with which this was tried first, left 23 of 24 cells unclear."""
FIRST_WORLD = 3
"""Those before it are for development."""
FOLDS, FOLD_SEEDS = 5, 4
"""Of real invoices; official games have one seed."""
MOST_TOKENS, LEAST_PATH, DEEP = 1.1, 8, 16
"""At most so many times the tokens, at least so many times fewer waiting calls, the latter from so many steps on."""


def grids(name: str, log: str) -> dict[str, Grid]:
    """A grid a set at the full preset, and of the sets that users have: real invoices, official games. At others
    generated documents alone."""
    chosen = preset(name)
    if name != "full":
        return {"logisticsqa everywhere": in_worlds("logisticsqa", chosen, METHODS, log)}
    found = {}
    for benchmark, (n_train, worlds, seeds, every) in DRAWN.items():
        data = tuple({"n_train": n_train, "world": FIRST_WORLD + world} for world in range(worlds))
        test = min(1, every - 1), every
        found[f"{benchmark} everywhere"] = Grid(benchmark, data, METHODS, chosen.seeds[:seeds], log, test=test)
    folds = tuple({"path": True, "fold": fold, "n_folds": FOLDS} for fold in range(FOLDS))
    official = ({"path": True, "test_split": "valid_seen"},)
    return found | {
        "real invoices everywhere": Grid("logisticsqa", folds, METHODS, chosen.seeds[:FOLD_SEEDS], log),
        "official games everywhere": Grid("alfworld", official, METHODS, chosen.seeds[:1], log),
    }


def models(model: str, profiles: Sequence[str]) -> list[LLM | str]:
    """The simulated LLMs of these profiles, each with a merger that weighs evidence and a blind one."""
    if model != "simulated":
        return [model]
    return [varied(profile, **level) for profile in profiles for level in ({}, {"weighing": 0})]


def everywhere(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a set and LLM: fgo+ against the best method in sequence, and against all at once.

    Columns: benchmark, llm, merger, other (the best in sequence), score, difference (fgo+ - other), lo, hi, p, verdict;
    over_all_at_once, with _lo, _hi, its verdict above; tokens and path (fgo+ = 1 over the other's, the other's over
    that of fgo+); chain (waiting calls of the other), steps (how many batches it learns from, one after another);
    missed (which parts of what was hoped for); constants. The two intervals of a row hold together.
    """
    table = []
    for (benchmark, llm), part in rows.groupby(["benchmark", "llm"], sort=False):
        mean = part.groupby("method")[["score", "tokens_all_in", "chain", "n_subsets"]].mean()
        best = mean.loc[list(SEQUENTIAL), "score"].idxmax()
        against, over = differences(part, [("fgo+", best), ("fgo+", ALL_AT_ONCE)]).to_dict("records")
        merger = "blind" if "weighing=0" in llm else "weighing"
        line = {"benchmark": benchmark, "llm": llm.replace(" weighing=0", ""), "merger": merger, "other": best}
        line |= {name: against[name] for name in ("difference", "lo", "hi", "p", "verdict")}
        line |= {"over_all_at_once": over["difference"], "over_all_at_once_lo": over["lo"],
                 "over_all_at_once_hi": over["hi"], "above": over["verdict"]}  # fmt: skip
        own, others = mean.loc["fgo+"], mean.loc[best]
        ratios = {"tokens": own["tokens_all_in"] / others["tokens_all_in"], "path": others["chain"] / own["chain"]}
        steps = others["n_subsets"] * METHODS[best].get("passes", 1)
        line |= {"score": own["score"], **ratios, "chain": others["chain"], "steps": steps}
        table.append(line | {"missed": _missed(line), "constants": part["constants"].iloc[0]})
    return pd.DataFrame(table)


def _missed(line: dict) -> str:
    met = {
        "score": line["verdict"] in (Verdict.EQUIVALENT, Verdict.ALIKE, Verdict.BETTER),
        "above all at once": line["above"] == Verdict.BETTER, "tokens": line["tokens"] <= MOST_TOKENS,
        "path": line["path"] >= LEAST_PATH or line["steps"] < DEEP,
    }  # fmt: skip
    return ", ".join(name for name, is_met in met.items() if not is_met) or "nothing"


def together(rows: pd.DataFrame) -> pd.DataFrame:
    """Of every set, all profiles and mergers in one: fgo+ compared with each other method.

    Columns: benchmark, and those of `report.differences`; the intervals of a set hold together. A world's difference is
    the mean over its LLMs, which share its tasks, so the intervals are narrower than those of the cells.
    """
    pairs = [("fgo+", other) for other in METHODS if other != "fgo+"]
    pooled = rows.assign(seed=rows["llm"] + ", seed " + rows["seed"].astype(str)).groupby("benchmark", sort=False)
    return pd.concat([differences(part, pairs).assign(benchmark=name) for name, part in pooled], ignore_index=True)


def show_everywhere(table: pd.DataFrame) -> pd.DataFrame:
    """`everywhere` for reading."""
    shown = table[["benchmark", "llm", "merger", "other"]].assign(**{
        "fgo+, %": numbers(100 * table["score"]), "fgo+ - other, points": cells(table, "difference", "+"),
        "verdict": table["verdict"], "over all at once, points": cells(table, "over_all_at_once", "+"),
        "tokens, other = 1": numbers(table["tokens"], 2), "times fewer waiting calls": numbers(table["path"]),
        "missed": table["missed"],
    })  # fmt: skip
    return shown.set_index(["benchmark", "llm", "merger"])


def plot_everywhere(table: pd.DataFrame) -> Figure:
    """Differences with intervals, a panel a set, a row a profile; the band is the margin of equivalence."""
    sets, rows = (list(dict.fromkeys(table[name])) for name in ("benchmark", "llm"))
    title = f"fgo+ against the best method in sequence: {counted(table['verdict'])}"
    figure, axes = new_figure(len(sets), 0.45 * len(rows) + 0.9, title, sharey=True, sharex=True)
    for ax, name in zip(axes, sets, strict=True):
        ax.axvspan(-100 * MARGIN, 100 * MARGIN, color="#EEEEEE", label=f"within {100 * MARGIN:g} points")
        ax.axvline(0, color="#666666", linewidth=0.7)
        part = table[table["benchmark"] == name].assign(gain=lambda part: part["difference"])
        look = looks(f"{level} merger" for level in dict.fromkeys(table["merger"]))
        draw_rows(ax, part.assign(level=part["merger"] + " merger"), rows, ("llm", "level"), "gain", look, name)
        ax.set_xlabel("fgo+ minus best in sequence, points", fontsize=7)
    return finish(figure, table["constants"])
