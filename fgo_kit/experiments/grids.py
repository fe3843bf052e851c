"""Grids over several factors: their labels, and tables by factor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import pandas as pd

from ..report.summary import REFERENCE, by_world, score_matrix, summary
from ..report.verdicts import bounded, headline, verdict
from ..stats import FEWEST_WORLDS, over_seeds, paired_difference

TOKEN_FIGURES = {
    "tokens_call_mean": "mean of a call", "tokens_optimiser": "all calls together", "tokens_all_in": "in total",
}  # fmt: skip


def crossed(**factors: Sequence) -> dict[str, dict]:
    """Every combination of the factors' values as variants of `compare`, under labels that name them.

    >>> list(crossed(divide=["random", "similar"], n_subsets=[4], gate=["none"]))
    ['random, N = 4, no gate', 'similar, N = 4, no gate']
    """
    chosen = [dict(zip(factors, values, strict=True)) for values in product(*factors.values())]
    return {label(**choices): choices for choices in chosen}


def label(**choices: object) -> str:
    """The label that `crossed` gives one combination.

    >>> label(divide="similar", n_subsets=4)
    'similar, N = 4'
    """
    return ", ".join(in_words(name, value) for name, value in choices.items())


def in_words(factor: str, value: object) -> str:
    """A setting in the words of labels, tables and figures.

    >>> in_words("n_subsets", 4), in_words("edits", False), in_words("gate", "hard"), in_words("merge", "oneshot")
    ('N = 4', 'rewrite', 'hard gate', 'oneshot')
    """
    if factor == "n_subsets":
        return {None: "N chosen", "sqrt": "N = √n", "each": "N = n"}.get(value, f"N = {value}")
    if factor == "edits":
        return {True: "edits", False: "rewrite"}.get(value, str(value))
    if factor == "gate":
        return "no gate" if value == "none" else f"{value} gate"
    if isinstance(value, bool):
        return factor if value else f"no {factor}"
    return str(value) if isinstance(value, str) else f"{factor.replace('_', '-')} {value}"


def one_at_a_time(default: Mapping, **factors: Sequence) -> dict[str, dict]:
    """The default, and every variant that differs from it in one factor, labelled as by `crossed`.

    >>> list(one_at_a_time({"gate": "none", "fan_in": 2}, gate=["hard"], fan_in=[2, 4]))
    ['no gate, fan-in 2', 'hard gate, fan-in 2', 'no gate, fan-in 4']
    """
    changes = [{}, *({name: value} for name, values in factors.items() for value in values)]
    return {label(**default | changed): default | changed for changed in changes}


def change(default: Mapping, choices: Mapping) -> str:
    """What sets one combination apart from the default, in words.

    >>> change({"gate": "none", "fan_in": 2}, {"gate": "hard", "fan_in": 2})
    'hard gate'
    """
    changed = [in_words(name, value) for name, value in choices.items() if default.get(name) != value]
    return ", ".join(changed) or "default"


def with_factors(table: pd.DataFrame, variants: Mapping[str, dict]) -> pd.DataFrame:
    """The table with every factor of the variants as a column of words (see `in_words`), from its column `method`."""
    factors = list(dict.fromkeys(name for choices in variants.values() for name in choices if name != "method"))
    chosen = [variants.get(method, {}) for method in table["method"]]
    return table.assign(**{
        name: [in_words(name, choices[name]) if name in choices else "" for choices in chosen] for name in factors
    })  # fmt: skip


def ablation(rows: pd.DataFrame, variants: Mapping[str, dict], reference: str = REFERENCE) -> pd.DataFrame:
    """`report.summary` with the factors of the variants, and overlap, overlap_lo, overlap_hi over seeds."""
    table = with_factors(summary(rows, reference), variants)
    runs = dict(tuple(rows.groupby(["llm", "method"], sort=False)))
    of_row = [runs[row.llm, row.method] for row in table.itertuples()]
    shares = pd.DataFrame([bounded(over_seeds(part["overlap"], part["seed"]), 0) for part in of_row], table.index)
    return table.assign(overlap=shares["value"], overlap_lo=shares["lo"], overlap_hi=shares["hi"])


def effects(rows: pd.DataFrame, variants: Mapping[str, dict], level: float = 0.95) -> pd.DataFrame:
    """Main effects of a crossed grid, for one LLM: every level of a factor against its first level.

    Columns: factor, level, reference; pairs: how many variants that differ in this factor alone were paired, on tasks
    and seeds; difference: mean over all of them, lo, hi, p; verdict. The intervals and p hold together (Bonferroni).
    """
    scores = {method: score_matrix(runs) for method, runs in rows.groupby("method", sort=False)}
    lines, means = [], []
    for factor in dict.fromkeys(name for choices in variants.values() for name in choices):
        first, *levels = dict.fromkeys(choices.get(factor) for choices in variants.values())
        for value in levels:
            pairs = [pair for pair in _pairs(variants, factor, value, first) if set(pair) <= set(scores)]
            if pairs:
                means.append(pd.concat([scores[a] - scores[b] for a, b in pairs]).groupby(level=0).mean())
                lines.append({"factor": factor, "level": in_words(factor, value),
                              "reference": in_words(factor, first), "pairs": len(pairs)})  # fmt: skip
    for line, mean in zip(lines, means, strict=True):
        gap = bounded(paired_difference(by_world(mean), None, level, len(lines)))
        line |= {"difference": gap.value, "lo": gap.lo, "hi": gap.hi, "p": gap.p, "verdict": verdict(gap)}
    columns = ["factor", "level", "reference", "pairs", "difference", "lo", "hi", "p", "verdict"]
    return pd.DataFrame(lines, columns=columns)


def _pairs(variants: Mapping[str, dict], factor: str, value: object, other: object) -> list[tuple[str, str]]:
    """Labels of variants that have `value` and `other` for the factor and agree in all else."""
    by_rest = {}
    for name, choices in variants.items():
        rest = tuple(sorted((key, str(chosen)) for key, chosen in choices.items() if key != factor))
        by_rest.setdefault(rest, {})[choices.get(factor)] = name
    return [(of[value], of[other]) for of in by_rest.values() if value in of and other in of]


def effect_title(table: pd.DataFrame, factor: str) -> str:
    """What an `effects` table says of one factor, as a figure's title; "" where it has one level only."""
    part = table[table["factor"] == factor]
    return headline(part["level"], part["verdict"], part["reference"].iloc[0]) if len(part) else ""


def token_table(rows: pd.DataFrame, variants: Mapping[str, dict]) -> pd.DataFrame:
    """The three token figures in thousands as rows.

    Columns: llm, method, figure, constants, value (mean), lo, hi (over seeds), and the factors.
    """
    table = []
    for (llm, method), runs in rows.groupby(["llm", "method"], sort=False):
        line = {"llm": llm, "method": method, "constants": runs["constants"].iloc[0]}
        for name, figure in TOKEN_FIGURES.items():
            mean = over_seeds(runs[name] / 1000, runs["seed"])
            table.append(line | {"figure": figure, "value": mean.value, "lo": mean.lo, "hi": mean.hi})
    columns = ["llm", "method", "figure", "constants", "value", "lo", "hi"]
    return with_factors(pd.DataFrame(table, columns=columns).dropna(subset=["value"]), variants)


def token_changes(rows: pd.DataFrame, method: str = "fgo", reference: str = REFERENCE) -> pd.DataFrame:
    """Change of the three token figures against a reference, in per cent: a row a benchmark, LLM and figure.

    Columns: benchmark, llm, figure; change: of the mean over runs; lo, hi: its 95 % interval over seeds,
    or over worlds where there are as many as make them random.
    """
    table = []
    for (benchmark, llm), part in rows.groupby(["benchmark", "llm"], sort=False):
        unit = "world" if "world" in part and part["world"].nunique() >= FEWEST_WORLDS else "seed"
        for column, figure in TOKEN_FIGURES.items():
            means = part.groupby([unit, "method"])[column].mean().unstack().dropna(subset=[method, reference])
            ratio = over_seeds(100 * means[method] / means[reference], means.index, means[reference])
            bounds = {"change": ratio.value - 100, "lo": ratio.lo - 100, "hi": ratio.hi - 100}
            table.append({"benchmark": benchmark, "llm": llm, "figure": figure} | bounds)
    return pd.DataFrame(table)
