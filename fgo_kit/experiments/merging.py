"""03: how N modules become one; what the merges of a run kept, lost and refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..report.drawing import draw_points, finish, new_figure, tidy
from ..report.summary import cells
from ..report.verdicts import bounded
from ..stats import over_seeds
from . import everywhere, plane
from .details import SUPPORT
from .division import REFERENCES
from .grids import crossed, one_at_a_time
from .presets import preset
from .sets import MAIN_LOG, Grid, elsewhere, in_paper_s_setting

DEFAULT = {"merge": "progressive", "fan_in": 2, "gate": "none", "edits": True}
PLANNED = ("progressive", "pairwise", "sequential")
"""Strategies that plan a tree, to which fan-in matters."""
AT_ONCE = ("oneshot", "concat", "vote")
CONTROLS = {
    "no controls": {},
    "5 rules at most": {"controls": {"max_rules": 5}},
    "150 tokens at most": {"controls": {"max_tokens": 150}},
    "support of 2 at least": {"controls": {"min_support": 2}},
    "hard gate in 2 passes": {"gate": "hard", "passes": 2},
    "the same with refused rules shown": {"gate": "hard", "passes": 2, "controls": {"remember": True}},
    "6 epochs or until no gain": {"epochs": 6, "controls": {"stop_after": 1}},
}  # fmt: skip
"""`fgo` with one control at a time, and what each is to be compared with."""
LOG = "data/runs/merge_ablations.sqlite"


def grids(name: str) -> dict[str, Grid]:
    """The notebook's grids at a preset: all factors crossed, one factor at a time, the planes, the two other
    sets, and one setting everywhere."""
    chosen, full = preset(name), name == "full"
    fan_ins = [2, 4, 8] if full else [2]
    rest = {"gate": ["none", "hard"] + ["soft"] * full, "edits": [True, "list"] + [False] * full}
    strategies = crossed(merge=PLANNED, fan_in=fan_ins, **rest) | crossed(merge=AT_ONCE, fan_in=[2], **rest)
    strategies |= crossed(merge=["select"], fan_in=[2], gate=["none"], edits=rest["edits"])
    others = {"merge": [*AT_ONCE, "select", *PLANNED[1:]], "fan_in": fan_ins[1:], "gate": ["hard", "soft"]}
    single = one_at_a_time(DEFAULT, **others, edits=["list", False])
    single |= {"reviewed": DEFAULT | {"review": True}}
    data = ({"n_train": 128 if full else 64},)
    asked = {"strategies": strategies, "references": REFERENCES, "single": single, "controls": CONTROLS}
    found = {part: Grid("logisticsqa", data, in_paper_s_setting(methods), chosen.seeds, LOG, times=2.7)
             for part, methods in asked.items()}  # fmt: skip
    found |= plane.grids(name, LOG) | everywhere.grids(name, MAIN_LOG)
    strategies = in_paper_s_setting(crossed(merge=[*PLANNED, *AT_ONCE], n_subsets=[8]))
    return found | (elsewhere(chosen, strategies, LOG) if full else {})


def kept_table(rows: pd.DataFrame) -> pd.DataFrame:
    """How many of the rules that subsets wrote live on: one row an LLM, method and class of support.

    Columns: llm, method, support; rules: written by subsets, in all runs; share kept of them, pooled over runs, lo, hi
    (over seeds); constants. Classes nobody wrote a rule of are left out.
    """
    table = []
    for (llm, method), runs in rows.dropna(subset=["kept_by_support"]).groupby(["llm", "method"], sort=False):
        for name in SUPPORT:
            written, kept = np.array([counts[name] for counts in runs["kept_by_support"]], float).T
            share = bounded(over_seeds(kept / np.where(written, written, np.nan), runs["seed"], written), 0)
            if written.any():
                line = {"llm": llm, "method": method, "support": name, "rules": int(written.sum())}
                line |= {"share": share.value, "lo": share.lo, "hi": share.hi}
                table.append(line | {"constants": runs["constants"].iloc[0]})
    return pd.DataFrame(table, columns=["llm", "method", "support", "rules", "share", "lo", "hi", "constants"])


def gate_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a gated merge of any run: llm, method, seed, constants, kind of gate and what `gate_decisions` found."""
    table = [
        {**{name: row[name] for name in ("llm", "method", "seed", "constants")}, "kind": row["gate"], **decision}
        for row in rows.to_dict("records") if isinstance(row.get("gated"), list) for decision in row["gated"]
    ]  # fmt: skip
    columns = ["llm", "method", "seed", "constants", "kind", "node", "accepted", "gate", "test"]
    return pd.DataFrame(table, columns=columns)


def gate_table(decisions: pd.DataFrame) -> pd.DataFrame:
    """What each kind of gate refused and let through, and how that looks on the test split.

    Columns: llm, gate, candidates, merges; right: share of refused candidates that are worse there than what was kept
    (of accepted ones: no worse), ties counted as half for refusals; on_gate, on_test: mean difference of the candidate
    to the best child on the two splits; each with _lo and _hi over seeds.
    """
    table = []
    for (llm, kind, accepted), part in decisions.groupby(["llm", "kind", "accepted"], sort=False):
        right = np.where(part["test"] == 0, 1.0 if accepted else 0.5, (part["test"] > 0) == accepted).astype(float)
        right[part["test"].isna()] = np.nan
        line = {"llm": llm, "gate": kind, "candidates": "accepted" if accepted else "refused", "merges": len(part)}
        for name, values, least in (("right", right, 0), ("on_gate", part["gate"], -1), ("on_test", part["test"], -1)):
            mean = bounded(over_seeds(values, part["seed"]), least)
            line |= {name: mean.value, f"{name}_lo": mean.lo, f"{name}_hi": mean.hi}
        table.append(line)
    return pd.DataFrame(table)


def show_gates(table: pd.DataFrame) -> pd.DataFrame:
    """A `gate_table` for reading, in per cent and points."""
    shown = table[["llm", "gate", "candidates", "merges"]].assign(**{"right, %": cells(table, "right")})
    points = {"on gate, points": cells(table, "on_gate", "+"), "on test, points": cells(table, "on_test", "+")}
    return shown.assign(**points)


def plot_gates(decisions: pd.DataFrame, title: str = "") -> Figure:
    """Every gated merge: candidate minus best child on the gate split (across) and on the test split (up).

    A panel for every kind of gate; large marks are the means of accepted and refused candidates with their
    intervals over seeds. A perfect gate has accepted candidates above 0 and refused ones below.
    """
    kinds = list(dict.fromkeys(decisions["kind"]))
    figure, axes = new_figure(max(1, len(kinds)), 2.6, title, sharey=True, sharex=True)
    for ax, kind in zip(axes, kinds, strict=False):
        for accepted, colour, mark in ((True, "#0072B2", "o"), (False, "#D55E00", "X")):
            part = decisions[(decisions["kind"] == kind) & (decisions["accepted"] == accepted)]
            label, dot = "accepted" if accepted else "refused", {"color": colour, "alpha": 0.35, "markersize": 4}
            ax.plot(100 * part["gate"], 100 * part["test"], ".", **dot, label=f"{label} merge")
            across, up = (bounded(over_seeds(100 * part[name], part["seed"]), -100, 100) for name in ("gate", "test"))
            look = {"color": colour, "marker": mark, "markeredgecolor": "white", "markersize": 7, "zorder": 3}
            draw_points(ax, pd.DataFrame([across]), "value", [up.value], **look)
            draw_points(ax, pd.DataFrame([up]), "value", [across.value], upright=True, label=f"mean of {label}", **look)
        ax.axhline(0, color="#666666", linewidth=0.7)
        ax.axvline(0, color="#666666", linewidth=0.7)
        tidy(ax, f"{kind} gate", "gate split, points", "test split, points" if kind == kinds[0] else "", "both")
    return finish(figure, decisions["constants"])
