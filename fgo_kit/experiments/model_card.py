"""The simulated LLM's limits by profile, and checks against published figures that were not used in fitting."""

from __future__ import annotations

import csv
from collections.abc import Sequence

import pandas as pd

from ..simulate.fits import CURVES, NOTICE_CURVES, SIZES
from ..simulate.limits import noticing, obey, profile


def limits_table() -> pd.DataFrame:
    """The limits of every profile, with the ranges in which they go beyond published data."""
    rows = []
    for name in (*SIZES, "null"):
        one = profile(name)
        rows.append({
            "profile": name, "noticing x50": one.notice.x50, "k": one.notice.k, "two-hop factor": one.hop,
            "obeying n50": one.obey.x50, "obeying k": one.obey.k, "position a, b": one.position[:2],
            "judge tpr, fpr": (one.tpr, one.fpr), "rewriting keeps": one.rewrite, "window": one.context_window,
            "extrapolated": "; ".join(one.extrapolated),
        })  # fmt: skip
    return pd.DataFrame(rows).set_index("profile")


def published(curve: str) -> dict[tuple[str, str], float]:
    """Figures of `published_curves.csv` as published, by (model, x); ValueError where there are none."""
    with CURVES.open(newline="", encoding="utf-8") as file:
        found = {(row["model"], row["x"]): float(row["y"]) for row in csv.DictReader(file) if row["curve"] == curve}
    if not found:
        raise ValueError(f"{CURVES.name} has no rows for curve={curve!r}; restore the file")
    return found


def summhay_check(size: str = "large", short: int = 15_000, long: int = 100_000) -> pd.DataFrame:
    """SummHay: what is left of a score when the whole haystack is given instead of the relevant documents.

    Beside it the share of noticing that is left from `short` to `long` tokens, by noticing source: one hop
    for coverage, two for citation (which ties a finding to its document). Nothing was fitted to these.
    """
    rows = []
    for curve, hops in (("summhay_coverage", 1), ("summhay_citation", 2)):
        scores = published(curve)
        left = scores["GPT-4o", "full_haystack"] / scores["GPT-4o", "oracle_docs"]
        line = {"measure": curve, "published, GPT-4o": left}
        for source in NOTICE_CURVES:
            one = profile(f"{size}-{source}")
            line[f"{size}-{source}"] = noticing(one, long, 0.5, hops) / noticing(one, short, 0.5, hops)
        rows.append(line)
    return pd.DataFrame(rows)


TRACE2SKILL = {"one at a time, in sequence": "Seq-B=1", "four at a time, in sequence": "Seq-B=4",
               "in parallel, merged": "Parallel hierarchical merge", "nothing learnt": "No skill"}  # fmt: skip


def trace2skill_methods(n_train: int) -> dict[str, dict]:
    """The rows of Trace2Skill's comparison as choices of `run`: one trajectory a call, four, or one and merges."""
    return {
        "one at a time, in sequence": {"method": "bootstrapping", "n_subsets": n_train, "epochs": 1},
        "four at a time, in sequence": {"method": "bootstrapping", "n_subsets": n_train // 4, "epochs": 1},
        "in parallel, merged": {"method": "fgo", "n_subsets": n_train, "epochs": 1},
        "nothing learnt": {"method": "base"},
    }


def trace2skill_check(table: pd.DataFrame) -> pd.DataFrame:
    """A `report.summary` of those rows beside the published scores (another model and task: compare signs)."""
    scores = {model.partition(" | ")[2]: y for (model, _), y in published("trace2skill_vrf").items()}
    shown = pd.DataFrame({"published, Qwen3.5-122B": {row: scores[name] for row, name in TRACE2SKILL.items()}})
    for llm, part in table.groupby("llm", sort=False):
        of_llm = part.set_index("method")
        shown[f"{llm}, %"] = 100 * of_llm["score"]
        shown[f"{llm}, points over sequence"] = 100 * of_llm["gain"]
    return shown


def trace2skill_findings(table: pd.DataFrame) -> str:
    """For each LLM, whether merging in parallel beats four at a time here, as it did there."""
    scores = published("trace2skill_vrf")
    by_row = {model.partition(" | ")[2]: y for (model, _), y in scores.items()}
    there = by_row[TRACE2SKILL["in parallel, merged"]] - by_row[TRACE2SKILL["four at a time, in sequence"]]
    lines = []
    for llm, part in table.groupby("llm", sort=False):
        gain, lo, hi = 100 * part.set_index("method").loc["in parallel, merged", ["gain", "gain_lo", "gain_hi"]]
        sign = "the same" if lo > 0 else "the opposite" if hi < 0 else "not to be told"
        lines.append(
            f"{llm}: parallel with merges over four at a time {gain:+.1f} [{lo:+.1f}, {hi:+.1f}] points; "
            f"published {there:+.1f}: the sign is {sign}"
        )
    return "\n".join(lines)


def overload(names: Sequence[str] = SIZES, counts: Sequence[int] = (10, 50, 100, 250, 500)) -> pd.DataFrame:
    """The share of n rules that is obeyed, or of n items that is written, by profile."""
    return pd.DataFrame({name: {n: obey(profile(name), n) for n in counts} for name in names}).rename_axis("rules")
