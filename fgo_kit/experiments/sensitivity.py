"""What a result of the simulated LLM rests on: every constant varied, and maps of where FGO wins.

`FACTORS` lists the constants with the values tried. The tables take rows of `grid.compare` on the LLMs that
`sensitivity_llms` and `map_llms` give; the figures show paired gains with intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ..report.figures import note_simulated
from ..report.summary import percent, score_matrix
from ..simulate.model import SimulatedLLM, load
from ..simulate.varied import constant_of, varied
from ..stats import Interval, paired_difference
from .ablations import NAN, bounded


@dataclass(frozen=True)
class Factor:
    """A constant, the values tried beside its own, and where it comes from. `times`: values are multiples."""

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
    Factor("agreement", (0, 1), "weight of a trajectory that was right already, beside one that is mended"),
    Factor("word_cost", (1.5, 6), "log-odds against a condition"),
    Factor("length_cost", (0, 0.7), "log-odds against every property of a pick"),
    Factor("trust", (0, 3), "log-odds for a label that feedback named"),
    Factor("patience", (0, 3), "by how many a rule may be more often wrong than right"),
    Factor("generalise", (0, 1), "chance that a merger gives up conditions"),
    Factor("oversight", (0.2, 0.5), "chance that a merger compares a rule with no other, and carries it over as it is"),
    Factor("naive_none", (0.5, 2), "pull of None on a reader without rules"),
    Factor("naive_sharpness", (2, 8), "how firmly such a reader prefers the more appealing answer"),
)  # fmt: skip
NOT_VARIED = (
    ("judge without gold (tpr, fpr)", "not in force: on these sets the evaluator is shown the expected answer"),
    ("rewrite", "in force with edits=False alone, varied there"),
)
METHODS = ("all_at_once", "bootstrapping", "fgo")
VERDICTS = {"wins": "#009E73", "ties": "#DDDDDD", "loses": "#D55E00", "not known": "#888888"}


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
    rows: pd.DataFrame, references: Sequence[str] = METHODS[:2], by: Sequence[str] = ("llm",), method: str = "fgo"
) -> pd.DataFrame:
    """Paired gains of a method over every reference: one row a group (`by`) and reference, with the verdict.

    gain, lo, hi: difference of mean test scores, with an interval that resamples tasks and seeds. verdict: "wins" or
    "loses" where the 95 % interval leaves out zero, "ties" where it holds zero, "not known" where there is none.
    """
    table = []
    for key, part in rows.groupby(list(by), sort=False):
        for reference in references:
            gain = _paired(part, method, reference)
            line = {"method": method, "reference": reference, "gain": gain.value, "lo": gain.lo, "hi": gain.hi}
            line["verdict"] = _verdict(gain)
            table.append(dict(zip(by, key, strict=True)) | line)
    return pd.DataFrame(table)


def _verdict(gain: Interval) -> str:
    if np.isnan(gain.lo) or np.isnan(gain.hi):  # runs that are alike to the last task do tie
        return "ties" if gain.value == 0 else "not known"
    return "wins" if gain.lo > 0 else "loses" if gain.hi < 0 else "ties"


def _paired(rows: pd.DataFrame, method: str, reference: str) -> Interval:
    """The difference of two methods on the tasks and seeds that both have."""
    return _mean(_gains(rows, method, reference))


def _gains(rows: pd.DataFrame, method: str, reference: str) -> pd.DataFrame:
    mine, other = (score_matrix(rows[rows["method"] == name]) for name in (method, reference))
    mine, other = mine.align(other, join="inner")
    return mine - other


def _mean(cells: pd.DataFrame, level: float = 0.95) -> Interval:
    cells = cells.to_numpy(float)
    return bounded(paired_difference([cells], [np.zeros_like(cells)], np.random.default_rng(0), level))


def sensitivity(rows: pd.DataFrame, name: str = "small", level: float = 0.95) -> pd.DataFrame:
    """`gains` for every constant and value tried on `sensitivity_llms(name)`: columns constant, value first.

    change, change_lo, change_hi: the gain minus that under the frozen constants, paired on tasks and seeds; these
    intervals hold together at `level` (Bonferroni over the table). NaN for the frozen LLM itself.
    """
    of_llm = {llm.name: key for key, llm in sensitivity_llms(name).items()}
    table = gains(rows[rows["llm"].isin(of_llm)])
    table.insert(0, "constant", [of_llm[llm][0] for llm in table["llm"]])
    table.insert(1, "value", [of_llm[llm][1] for llm in table["llm"]])
    parts = dict(tuple(rows.groupby("llm", sort=False)))
    each = 1 - (1 - level) / max(1, int((table["constant"] != "frozen").sum()))
    changes = [_change(parts, row.llm, row.reference, load(name).name, each) for row in table.itertuples()]
    return table.assign(change=[c.value for c in changes], change_lo=[c.lo for c in changes],
                        change_hi=[c.hi for c in changes])  # fmt: skip


def _change(parts: Mapping[str, pd.DataFrame], llm: str, reference: str, frozen: str, level: float) -> Interval:
    """How much more fgo gains over a reference with one LLM than with the frozen one: differences of differences."""
    if llm == frozen or frozen not in parts:
        return NAN
    changed, as_frozen = (_gains(parts[one], "fgo", reference) for one in (llm, frozen))
    changed, as_frozen = changed.align(as_frozen, join="inner")
    found = paired_difference([changed.to_numpy(float)], [as_frozen.to_numpy(float)], np.random.default_rng(0), level)
    return Interval(found.value, *np.clip([found.lo, found.hi], -2, 2).tolist())  # two gains differ by 200 points


def sensitivity_findings(table: pd.DataFrame) -> str:
    """Which constants change FGO's gain over each reference beyond noise, and which move it most.

    A verdict that is another than the frozen one's shows no change by itself: both may be near a bound.
    """
    lines = []
    for reference, part in table.groupby("reference", sort=False):
        frozen, others = part[part["constant"] == "frozen"].iloc[0], part[part["constant"] != "frozen"]
        start = f"Against {reference} fgo {_said(frozen['verdict'])} as frozen ({_points(frozen, 'gain', 'lo', 'hi')})."
        told = others[(others["change_lo"] > 0) | (others["change_hi"] < 0)]
        named = [f"{row['constant']} = {row['value']:g} ({_points(row, *CHANGE)})" for row in told.to_dict("records")]
        turned, open_ = others[others["verdict"] != frozen["verdict"]], others[others["change_lo"].isna()]
        alike = int((open_["change"] == 0).sum())  # runs that are the same to the last task
        unknown = len(open_) - alike
        line = f"{start} The gain changes beyond noise with {len(told)} of {len(others)} values"
        line += f": {', '.join(named)}" if named else ""
        line += f"; not at all with {alike}" if alike else ""
        line += f"; not known with {unknown}" if unknown else ""
        line += f". Another verdict, which alone shows no change: {_verdicts(turned)}."
        if others["change"].notna().any():
            most = others.loc[others["change"].abs().idxmax()]
            line += f" Largest change: {most['constant']} = {most['value']:g} ({_points(most, *CHANGE)})."
        lines.append(line)
    return "\n".join(lines)


CHANGE = ("change", "change_lo", "change_hi")


def _points(row: Mapping, *names: str) -> str:
    return f"{percent(*(row[name] for name in names), '+') or 'no run'} points"


def _said(verdict: str) -> str:
    return "is not known to win" if verdict == "not known" else verdict


def _verdicts(table: pd.DataFrame) -> str:
    return ", ".join(f"{row.constant} = {row.value:g} ({row.verdict})" for row in table.itertuples()) or "none"


def plot_sensitivity(table: pd.DataFrame, constants: Sequence[str]) -> Figure:
    """Gains of fgo by constant and value, a panel a reference; the band is the frozen LLM's interval.

    constants: hashes of the simulators behind it, for the note.
    """
    names = [factor.constant for factor in FACTORS if factor.constant in set(table["constant"])]
    references = list(dict.fromkeys(table["reference"]))
    figure, axes = plt.subplots(1, len(references), figsize=(7.2, 0.27 * len(names) + 1.2), sharey=True,
                                layout="constrained", squeeze=False)  # fmt: skip
    for ax, reference in zip(axes[0], references, strict=True):
        part = table[table["reference"] == reference]
        frozen = part[part["constant"] == "frozen"].iloc[0]
        ax.axvspan(100 * frozen["lo"], 100 * frozen["hi"], color="#DDDDDD", zorder=0, linewidth=0)
        ax.axvline(100 * frozen["gain"], color="#666666", linewidth=0.8)
        ax.axvline(0, color="black", linewidth=0.8, linestyle=":")
        for place, name in enumerate(names):
            _plot_levels(ax, place, part[part["constant"] == name].sort_values("value"))
        ax.set_yticks(range(len(names)), names, fontsize=7)
        counts = part[part["constant"] != "frozen"]["verdict"].value_counts()
        told = ", ".join(f"{verdict} {counts.get(verdict, 0)}" for verdict in VERDICTS if verdict in _shown(part))
        ax.set_title(f"fgo against {reference}:\n{told} of {len(part) - 1}", fontsize=8)
        ax.set_xlabel("gain, points", fontsize=8)
        ax.tick_params(labelsize=7)
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="x", color="#EEEEEE", linewidth=0.6)
    axes[0][0].invert_yaxis()
    note_simulated(figure, constants)
    return figure


def _plot_levels(ax, place: int, levels: pd.DataFrame) -> None:
    """The lower value hollow and above, the higher one filled and below."""
    for number, row in enumerate(levels.itertuples()):
        y, face = place - 0.16 + 0.32 * number, ("white", "#009E73")[min(number, 1)]
        ax.plot([100 * row.lo, 100 * row.hi], [y, y], color="#009E73", linewidth=1)
        ax.plot([100 * row.gain], [y], "o", markersize=3.5, markeredgecolor="#009E73", markerfacecolor=face)


def map_llms(name: str, x50s: Sequence[float], **others: float) -> dict[float, SimulatedLLM]:
    """LLMs by the x50 of their noticing curve, all with the other changes given (see `varied`)."""
    return {x50: varied(name, notice_x50=x50, **others) for x50 in x50s}


def plot_maps(maps: Sequence[tuple[pd.DataFrame, str, str]], constants: Sequence[str]) -> Figure:
    """Where a method wins, ties and loses, or what is not known (dark): a row of panels a map, a panel a reference.

    maps: (gains table of one method with a column x50, name of the column for the other axis, its label).
    """
    references = list(dict.fromkeys(maps[0][0]["reference"]))
    figure, axes = plt.subplots(len(maps), len(references), figsize=(3.6 * len(references), 2.3 * len(maps) + 0.5),
                                layout="constrained", squeeze=False)  # fmt: skip
    for line, (table, column, label) in zip(axes, maps, strict=True):
        for ax, reference in zip(line, references, strict=True):
            _plot_map(ax, table[table["reference"] == reference], column, label)
            ax.set_title(f"{table['method'].iloc[0]} against {reference}: {_share(table, reference)}", fontsize=8)
    shown = _shown(pd.concat([table for table, *_ in maps]))
    figure.legend(handles=[Patch(color=VERDICTS[verdict], label=verdict) for verdict in shown],
                  loc="outside upper center", ncols=len(shown), fontsize=8, frameon=False)  # fmt: skip
    note_simulated(figure, constants)
    return figure


def map_line(table: pd.DataFrame, column: str) -> str:
    """How many cells of a map have which verdict against each reference, and where the wins are."""
    told = []
    for reference, part in table.groupby("reference", sort=False):
        counts = part["verdict"].value_counts()
        named = ", ".join(f"{verdict} {counts[verdict]}" for verdict in VERDICTS if verdict in counts)
        wins = part[part["verdict"] == "wins"].to_dict("records")
        where = "; ".join(f"{_tokens(row['x50'])} and {row[column]:g}" for row in wins)
        told.append(f"against {reference} {named} of {len(part)} cells" + (f" (wins at {where})" if where else ""))
    return "; ".join(told)


def _shown(table: pd.DataFrame) -> list[str]:
    """The verdicts that a legend names: "not known" only where something is."""
    return [verdict for verdict in VERDICTS if verdict != "not known" or verdict in set(table["verdict"])]


def _share(table: pd.DataFrame, reference: str) -> str:
    verdicts = table.loc[table["reference"] == reference, "verdict"]
    return f"wins {int((verdicts == 'wins').sum())} of {len(verdicts)}"


def _plot_map(ax, table: pd.DataFrame, column: str, label: str) -> None:
    columns, lines = sorted(set(table["x50"])), sorted(set(table[column]))
    for row in table.to_dict("records"):
        x, y = columns.index(row["x50"]), lines.index(row[column])
        ax.add_patch(plt.Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=VERDICTS[row["verdict"]], edgecolor="white"))
        colour = "black" if row["verdict"] == "ties" else "white"
        text = "?" if np.isnan(row["gain"]) else f"{100 * row['gain']:+.0f}"
        ax.text(x, y, text, ha="center", va="center", fontsize=7, color=colour)
    ax.set_xlim(-0.5, len(columns) - 0.5)
    ax.set_ylim(-0.5, len(lines) - 0.5)
    ax.set_xticks(range(len(columns)), [_tokens(x) for x in columns], fontsize=7)
    ax.set_yticks(range(len(lines)), [f"{y:.3g}" for y in lines], fontsize=7)
    ax.set_xlabel("tokens at which half is noticed", fontsize=8)
    ax.set_ylabel(label, fontsize=8)
    ax.spines[:].set_visible(False)


def _tokens(x: float) -> str:
    return "no limit" if np.isinf(x) else f"{x / 1000:.3g}k"
