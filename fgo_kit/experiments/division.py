"""02: who shares a subset, and how many subsets there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ..report.summary import REFERENCE, cells, differences, score_matrix
from ..report.verdicts import Verdict, bounded
from ..runs.variants import VARIANTS
from ..stats import Interval, over_seeds
from .grids import crossed, one_at_a_time
from .presets import preset
from .sets import Grid, elsewhere, in_paper_s_setting

STRATEGIES = ("random", "contiguous", "stratified", "similar", "difficulty", "failure")
REFERENCES = {name: VARIANTS[name] for name in ("base", REFERENCE, "bootstrapping")}
LOG = "data/runs/division_strategies.sqlite"


def grids(name: str) -> dict[str, Grid]:
    """The notebook's grids at a preset: strategy x N, N alone, one factor at a time, and the two other sets."""
    chosen, full = preset(name), name == "full"
    ns = [2, 4, 8, 16, 32] if full else [4, 8]
    sizes = [1, 2, 4, 8, 16, 32, 64, "each"] if full else [1, 4, 16]
    asked = {
        "strategies": crossed(divide=STRATEGIES, n_subsets=ns),
        "sizes": crossed(divide=["similar", "random"], n_subsets=sizes),
        "single": one_at_a_time({"divide": "similar", "n_subsets": 8}, divide=STRATEGIES, n_subsets=ns),
    }  # fmt: skip
    data = ({"n_train": chosen.n_train},)
    found = {part: Grid("logisticsqa", data, in_paper_s_setting(methods), chosen.seeds, LOG)
             for part, methods in asked.items()}  # fmt: skip
    found["references"] = Grid("logisticsqa", data, REFERENCES, chosen.seeds, LOG)
    strategies = in_paper_s_setting(crossed(divide=STRATEGIES, n_subsets=[4]))
    return found | (elsewhere(chosen, strategies, LOG) if full else {})


def optima(rows: pd.DataFrame, curves: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Whether the score has its maximum inside an ordered row of labels, and not at an end: a row an LLM and curve.

    Columns: llm, curve; best: the label with the highest mean on the first half of the seeds; above first, above last:
    its difference to both ends on the other half, because the highest of several means is too high where it was
    chosen; interior: "clear" where both are better, "unclear", "at an end", or "not asked" of fewer than three labels
    or two seeds.
    """
    table = []
    for llm, part in rows.groupby("llm", sort=False):
        seeds = sorted(set(part["seed"]))
        half = len(seeds) // 2
        for curve, labels in curves.items():
            line = {"llm": llm, "curve": curve, "best": "", "above first": "", "above last": ""}
            if len(labels) < 3 or half < 1:
                table.append(line | {"interior": "not asked"})
                continue
            first = part[part["seed"].isin(seeds[:half])]
            best = max(labels, key=lambda label, first=first: _mean(first, label))
            if best in (labels[0], labels[-1]):
                table.append(line | {"best": best, "interior": "at an end"})
                continue
            ends = differences(part, [(best, labels[0]), (best, labels[-1])], seeds=seeds[half:])
            points, clear = cells(ends, "difference", "+"), (ends["verdict"] == Verdict.BETTER).all()
            line |= {"best": best, "above first": points[0], "above last": points[1]}
            table.append(line | {"interior": "clear" if clear else "unclear"})
    return pd.DataFrame(table)


def _mean(rows: pd.DataFrame, label: str) -> float:
    """Mean score of a label's runs; below all others where there is none."""
    cells = score_matrix(rows[rows["method"] == label])
    return float(np.nanmean(cells)) if cells.size else -np.inf


def rank_correlation(rows: pd.DataFrame, variants: Mapping[str, dict], within: str) -> Interval:
    """Rank correlation of the column overlap with the score over settings that agree in the factor `within`.

    Of one LLM's rows: averaged over the values of `within`, then over seeds, with the interval over seeds; groups of
    fewer than three settings are left out.
    """
    of_group = rows["method"].map({label: str(choices.get(within)) for label, choices in variants.items()})
    correlations = [
        (seed, group["score"].corr(group["overlap"], method="spearman"))
        for (seed, _), group in rows.groupby(["seed", of_group]) if len(group) > 2
    ]  # fmt: skip
    seeds, values = zip(*correlations, strict=True) if correlations else ((), ())
    return bounded(over_seeds(values, seeds))
