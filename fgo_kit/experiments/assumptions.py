"""08: what a result of the simulated LLM rests on: every constant varied, and maps of where FGO wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from ..report.drawing import COLOURS, draw_rows, finish, looks, new_figure
from ..report.summary import REFERENCE, cells, differences, paired, score_matrix, summary
from ..report.verdicts import Verdict, counted, judged
from ..runs.variants import VARIANTS
from ..simulate.model import SimulatedLLM, load
from ..simulate.varied import constant_of, varied
from ..stats import UNDEFINED
from .presets import preset
from .sets import Grid

LOG = "data/runs/assumptions.sqlite"
METHODS = {name: VARIANTS[name] for name in (REFERENCE, "bootstrapping", "fgo")}


@dataclass(frozen=True)
class Factor:
    """A constant, the values tried besides its own, and where it comes from. `times`: values are multiples."""

    constant: str
    values: tuple[float, ...]
    meaning: str
    kind: str = "assumption"
    times: bool = False


FACTORS = (
    Factor("notice_x50", (0.25, 4), "tokens at which half is noticed (NoLiMa)", "limit", True),
    Factor("notice_k", (0.5, 1.2), "how steeply noticing falls (0.53 to 1.15 among the published fits)", "limit"),
    Factor("obey_n50", (0.25, 4), "rules at which half are obeyed or written (IFScale)", "limit", True),
    Factor("obey_k", (0.8, 1.8), "how steeply obeying falls (1.2 to 1.8 among the published fits)", "limit"),
    Factor("context_window", (16_000, 32_000), "tokens that fit a prompt", "limit"),
    Factor("hop_scale", (0.5, 2), "times the two-hop factor, which one model was measured for"),
    Factor("position_scale", (0, 4), "times the position effect, which models of 2023 were measured for"),
    Factor("miss_correlation", (0.5, 1), "share of trajectories that are read with the same luck in every call"),
    Factor("induce", (0.35, 0.95), "chance that a rule comes to mind, for every noticed trajectory that supports it"),
    Factor("code_odds", (1, 4), "log-odds for a rule from a code it gets right"),
    Factor("none_odds", (0.32, 1.28), "log-odds for a rule from a None it gets right"),
    Factor("wrong_odds", (1.32, 5.28), "log-odds against a rule from a trajectory it gets wrong: harm of a wrong rule"),
    Factor("agreement", (0, 1), "weight of a trajectory that was right already, compared with one that is mended"),
    Factor("word_cost", (1.5, 6), "log-odds against a condition"),
    Factor("length_cost", (0, 0.7), "log-odds against every property of a pick"),
    Factor("trust", (0, 3), "log-odds for a label that feedback named"),
    Factor("patience", (0, 3), "by how many a rule may be more often wrong than right"),
    Factor("generalise", (0, 1), "chance that a merger gives up conditions"),
    Factor("weighing", (0, 0.5), "chance that a merge keeps what no evidence speaks against, and is not blind to it"),
    Factor("checking", (0, 0.5), "share of noticed trajectories against which the optimiser checks a rule"),
    Factor("oversight", (0.2, 0.5), "chance that a merger compares a rule with no other, and carries it over as it is"),
    Factor("naive_none", (0.5, 2), "pull of None on a reader without rules"),
    Factor("naive_sharpness", (2, 8), "how firmly such a reader prefers the more appealing answer"),
)  # fmt: skip
NAMES = {
    "notice_x50": "tokens half noticed", "notice_k": "steepness of noticing", "obey_n50": "rules half obeyed",
    "obey_k": "steepness of obeying", "context_window": "context window", "hop_scale": "loss over two hops",
    "position_scale": "effect of position", "miss_correlation": "same luck in every call",
    "induce": "chance to think of a rule", "code_odds": "odds for a right code", "none_odds": "odds for a right None",
    "wrong_odds": "odds against a wrong rule", "agreement": "weight of what was right",
    "word_cost": "cost of a condition", "length_cost": "cost of a pick's property", "trust": "trust in named labels",
    "patience": "patience with wrong rules", "generalise": "merger generalises", "weighing": "merger weighs evidence",
    "checking": "optimiser checks rules", "oversight": "merger overlooks rules", "naive_none": "pull of None",
    "naive_sharpness": "firmness without rules",
}  # fmt: skip
"""What figures call the constants."""
NOT_VARIED = (
    ("judge without gold (tpr, fpr)", "not in force: on these sets the evaluator is shown the expected answer"),
    ("rewrite", "in force with edits=False alone, varied there"),
)


def grids(name: str) -> dict[str, Grid]:
    """The notebook's grids at a preset, each for several simulated LLMs: the shipped size, a map's sizes, few tasks."""
    chosen, full = preset(name), name == "full"
    sizes = {"constants": (128,) if full else (24,), "map": (64, 128, 256) if full else (12, 24),
             "skills": (64,) if full else (16,)}  # fmt: skip
    test = (0, 1 if full else 2)
    return {part: Grid("logisticsqa", tuple({"n_train": n} for n in numbers), METHODS, chosen.seeds, LOG, test=test)
            for part, numbers in sizes.items()}  # fmt: skip


def map_axes(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(tokens at which half is noticed, rules at which half are obeyed) of the maps at a preset."""
    return ((1_000, 3_050, 12_000, 50_000, np.inf), (19, 76.08, 304)) if name == "full" else (
        (1_000, 12_000, np.inf), (19, 76.08))  # fmt: skip


# -- one constant at a time


def factor_table(name: str = "small") -> pd.DataFrame:
    """Every constant that is varied: kind, its frozen value, the values tried, meaning."""
    llm = load(name)
    rows = [(f.constant, f.kind, constant_of(llm, f.constant), _values(llm, f), f.meaning) for f in FACTORS]
    return pd.DataFrame(rows, columns=["constant", "kind", "frozen", "tried", "meaning"])


def _values(llm: SimulatedLLM, factor: Factor) -> list[float]:
    frozen = constant_of(llm, factor.constant) if factor.times else 1
    return [value * frozen for value in factor.values]


def sensitivity_llms(name: str = "small") -> dict[tuple[str, float], SimulatedLLM]:
    """The frozen LLM under ("frozen", nan), and one for every constant and value tried, by both.

    A value that the profile has already is no change and left out: four times no limit is no limit.
    """
    llm = load(name)
    tried = [(f.constant, v) for f in FACTORS for v in _values(llm, f) if v != constant_of(llm, f.constant)]
    changed = {(constant, value): varied(name, **{constant: value}) for constant, value in tried}
    return {("frozen", float("nan")): llm, **changed}


def gains(
    rows: pd.DataFrame, references: Sequence[str] = (REFERENCE, "bootstrapping"), by: Sequence[str] = ("llm",),
    method: str = "fgo",
) -> pd.DataFrame:  # fmt: skip
    """Paired gains of a method over every reference: one row a group (`by`) and reference.

    Columns: those of `by`, method, reference; gain, lo, hi: difference of mean test scores, each interval by itself;
    p, and its verdict.
    """
    tables = []
    for key, part in rows.groupby(list(by), sort=False):
        table = differences(part, [(method, reference) for reference in references], together=False)
        tables.append(table.assign(**dict(zip(by, key, strict=True)))[[*by, *table.columns]])
    return pd.concat(tables, ignore_index=True).rename(columns={"other": "reference", "difference": "gain"})


def sensitivity(rows: pd.DataFrame, name: str = "small", level: float = 0.95) -> pd.DataFrame:
    """`gains` for every constant and value tried on `sensitivity_llms(name)`: columns constant, value first.

    change, change_lo, change_hi: the gain minus that under the frozen constants, paired on tasks and seeds; these
    intervals hold together at `level` (Bonferroni over the table). NaN for the frozen LLM itself.
    """
    of_llm = {llm.name: key for key, llm in sensitivity_llms(name).items()}
    table = gains(rows[rows["llm"].isin(of_llm)])
    table.insert(0, "constant", [of_llm[llm][0] for llm in table["llm"]])
    table.insert(1, "value", [of_llm[llm][1] for llm in table["llm"]])
    scores = {key: score_matrix(runs) for key, runs in rows.groupby(["llm", "method"], sort=False)}
    frozen, comparisons = load(name).name, max(1, int((table["constant"] != "frozen").sum()))
    changes = []
    for row in table.itertuples():
        if row.llm == frozen or (frozen, "fgo") not in scores:
            changes.append(UNDEFINED)
            continue
        gaps = [(scores[llm, "fgo"] - scores[llm, row.reference]) for llm in (row.llm, frozen)]
        changes.append(paired(*gaps, level, comparisons, most=2))  # two gains differ by 200 points at most
    return table.assign(change=[c.value for c in changes], change_lo=[c.lo for c in changes],
                        change_hi=[c.hi for c in changes])  # fmt: skip


def changed(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a `sensitivity` table whose gain changes significantly, largest change first, for reading.

    A verdict that is another than the frozen one's shows no change by itself: both may be near a bound.
    """
    clear = [found in (Verdict.BETTER, Verdict.WORSE) for found in judged(table, "change")]
    rows = table[clear].sort_values("change", key=abs, ascending=False)
    return rows[["reference", "constant", "value", "verdict"]].assign(**{
        "gain, points": cells(rows.rename(columns={"lo": "gain_lo", "hi": "gain_hi"}), "gain", "+"),
        "change, points": cells(rows, "change", "+"),
    })  # fmt: skip


def plot_sensitivity(table: pd.DataFrame, constants: Sequence[str]) -> Figure:
    """Gains of fgo by constant and value, a panel a reference; the band is the frozen LLM's interval.

    constants: hashes of the simulators behind it, for the note.
    """
    tried = table[table["constant"] != "frozen"].sort_values("value")
    first = tried.groupby(["constant", "reference"])["value"].transform("min") == tried["value"]
    tried = tried.assign(tried=np.where(first, "lower value", "higher value"), name=tried["constant"].map(NAMES))
    names = [NAMES[factor.constant] for factor in FACTORS if factor.constant in set(tried["constant"])]
    references, look = list(dict.fromkeys(table["reference"])), looks(["lower value", "higher value"])
    figure, axes = new_figure(len(references), 0.27 * len(names) + 1.2, width=7.2, sharey=True, sharex=True)
    for ax, reference in zip(axes, references, strict=True):
        frozen = table[(table["constant"] == "frozen") & (table["reference"] == reference)].iloc[0]
        ax.axvspan(100 * frozen["lo"], 100 * frozen["hi"], color="#DDDDDD", zorder=0, linewidth=0,
                   label="all as they are, 95 % interval")  # fmt: skip
        ax.axvline(100 * frozen["gain"], color="#666666", linewidth=0.8, label="all as they are")
        ax.axvline(0, color="black", linewidth=0.8, linestyle=":", label="no difference")
        part = tried[tried["reference"] == reference]
        title = f"fgo against {reference}:\n{counted(part['verdict'])}"
        draw_rows(ax, part, names, ("name", "tried"), "gain", look, title)
    return finish(figure, constants)


# -- two constants at a time


def map_llms(name: str, x50s: Sequence[float], n50s: Sequence[float | None] = (None,)) -> dict[tuple, SimulatedLLM]:
    """LLMs by (x50 of their noticing curve, x50 of their obeying curve or None: as it is)."""
    return {
        (x50, n50): varied(name, notice_x50=x50, **({} if n50 is None else {"obey_n50": n50}))
        for n50 in n50s for x50 in x50s
    }  # fmt: skip


def placed(rows: pd.DataFrame, llms: dict[tuple, SimulatedLLM]) -> pd.DataFrame:
    """Rows of `compare` on `map_llms`, with the columns x50 and n50."""
    places = {llm.name: place for place, llm in llms.items()}
    x50s, n50s = zip(*(places[llm] for llm in rows["llm"]), strict=True)
    return rows.assign(x50=x50s, n50=n50s)


def map_counts(table: pd.DataFrame) -> pd.DataFrame:
    """How many cells of a map (`gains`) have which verdict, a row a method and reference."""
    counts = table.groupby(["method", "reference"], sort=False)["verdict"].value_counts().unstack(fill_value=0)
    return counts.reindex(columns=[word for word in Verdict if word in counts])


def plot_maps(maps: Sequence[tuple[pd.DataFrame, str, str]], constants: Sequence[str]) -> Figure:
    """Where a method is better, worse or equivalent, or that is unclear: a row of panels a map, a panel a reference.

    maps: (gains table of one method with a column x50, name of the column for the other axis, its label).
    """
    references = list(dict.fromkeys(maps[0][0]["reference"]))
    figure, axes = plt.subplots(len(maps), len(references), figsize=(3.6 * len(references), 2.3 * len(maps) + 0.3),
                                layout="constrained", squeeze=False)  # fmt: skip
    for line, (table, column, label) in zip(axes, maps, strict=True):
        for ax, reference in zip(line, references, strict=True):
            part = table[table["reference"] == reference]
            _draw_map(ax, part, column, label)
            better = f"better in {(part['verdict'] == Verdict.BETTER).sum()} of {len(part)}"
            pair = f"{table['method'].iloc[0]} against {reference}"
            ax.set_title(f"{pair}: {better}\n(numbers: gain, points)", fontsize=8)
    known = {Verdict.BETTER, Verdict.UNCLEAR, Verdict.WORSE}.union(*(table["verdict"] for table, *_ in maps))
    return finish(figure, constants, {word: COLOURS[word] for word in Verdict if word in known})


def _draw_map(ax: Axes, table: pd.DataFrame, column: str, label: str) -> None:
    wide = table.pivot(index=column, columns="x50", values=["gain", "verdict"]).sort_index().sort_index(axis=1)
    words, gains = wide["verdict"], wide["gain"]
    shades = np.array([[to_rgb(COLOURS[word]) for word in line] for line in words.to_numpy()])
    ax.pcolormesh(shades, edgecolors="white")
    for (y, x), gain in np.ndenumerate(gains.to_numpy(float)):
        ink = "black" if words.iloc[y, x] in (Verdict.UNCLEAR, Verdict.ALIKE) else "white"
        text = "?" if np.isnan(gain) else f"{100 * gain:+.0f}"
        ax.text(x + 0.5, y + 0.5, text, ha="center", va="center", fontsize=7, color=ink)
    ticks = ["no limit" if np.isinf(x) else f"{x / 1000:.3g}k" for x in gains.columns]
    ax.set_xticks(np.arange(len(ticks)) + 0.5, ticks, fontsize=7)
    ax.set_yticks(np.arange(len(gains)) + 0.5, [f"{y:.0f}" for y in gains.index], fontsize=7)
    ax.set_xlabel("tokens at which half is noticed", fontsize=8)
    ax.set_ylabel(label, fontsize=8)
    ax.spines[:].set_visible(False)


# -- checks


def over_trivial(rows: pd.DataFrame) -> pd.DataFrame:
    """`report.summary` with gains over the better of the methods always_none and base, for each LLM."""
    tables = []
    for _, part in rows.groupby("llm", sort=False):
        means = part[part["method"].isin(["always_none", "base"])].groupby("method")["score"].mean()
        tables.append(summary(part, means.idxmax()))
    return pd.concat(tables, ignore_index=True)


def in_other_words(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """`report.summary` of the runs whose prompts were paraphrased, with gains over the same methods in our words."""
    other = rows["llm"].str.contains("paraphrased").map({True: ", other words", False: ""})
    words = rows.assign(method=rows["method"] + other, llm=name)
    tables = {method: summary(words, method) for method in dict.fromkeys(rows["method"])}
    return pd.concat([table[table["method"] == f"{method}, other words"] for method, table in tables.items()])
