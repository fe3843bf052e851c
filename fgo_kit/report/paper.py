"""The paper's reported figures and what was measured: `paper_table`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ..runs.places import DATA
from ..stats import Interval
from .summary import REFERENCE, gains_of
from .unanswered import noted, share_unanswered
from .verdicts import Verdict, verdict

PAPER_VALUES = DATA / "paper_values.csv"


def paper_table(table: pd.DataFrame, not_run: Mapping[str, str] | None = None) -> pd.DataFrame:
    """The paper's reported figures and what was measured for `fgo`: a row a claim, set and LLM.

    Columns: claim, paper, set, measured, interval, tasks x seeds, model, verdict. Gains have a row over every other
    approach that was measured. table: a summary. not_run: reasons, by set.
    verdict: "simulated, not evidence"; "not comparable" for sets of our own, or other than the paper's; for a
    real model on ALFWorld or GAIA itself "not distinguishable" (the interval holds 0, or there is none), "agrees"
    (it holds the paper's figure), "same direction" or "differs" (it lies above or below 0 and does not hold
    that figure); "not run" with the reason; where to look for consistency over sizes. Which average the
    paper's token figure is we do not know, so that can at most be "same direction".
    """
    rows = []
    for claim in pd.read_csv(PAPER_VALUES, dtype=str, keep_default_na=False).to_dict("records"):
        quoted = {"claim": claim["what"], "paper": f"{claim['value']} {claim['unit']}".removesuffix(" claim")}
        for _, fgo in table[table["method"] == "fgo"].iterrows():
            same = (table["llm"] == fgo["llm"]) & (table["benchmark"] == fgo["benchmark"])
            rows += [quoted | line for line in _measured(claim, fgo, table[same])]
        rows += [quoted | {"set": name, "verdict": f"not run: {reason}"} for name, reason in (not_run or {}).items()]
    columns = ["claim", "paper", "set", "measured", "interval", "tasks x seeds", "model", "verdict"]
    return pd.DataFrame(rows, columns=columns).astype(object).fillna("")


def _measured(claim: Mapping[str, str], fgo: pd.Series, others: pd.DataFrame) -> list[dict]:
    line = {"set": fgo["benchmark"], "model": fgo["llm"], "tasks x seeds": f"{fgo['tasks']} x {fgo['seeds']}"}
    if claim["what"].startswith("gain over"):
        gains = {other: gain for other, gain in gains_of(fgo).items() if not np.isnan(gain.value)}
        missing = {other: share_unanswered(others, "fgo", other) for other in gains}
        lines = [line | _gained(claim["value"], other, gain, fgo, missing[other]) for other, gain in gains.items()]
        return lines or [line | {"verdict": "not run"}]
    if "token" not in claim["what"]:
        return [line | {"verdict": "see 04_dataset_size"}]
    if REFERENCE not in set(others["method"]):
        return [line | {"verdict": "not run"}]
    reference = others.set_index("method").loc[REFERENCE]
    saved = 1 - fgo["tokens_call_mean"] / reference["tokens_call_mean"]
    in_all = fgo["tokens_optimiser"] / reference["tokens_optimiser"] - 1
    line["measured"] = f"{100 * saved:.1f} % lower a call; in total {100 * in_all:+.1f} %"
    return [line | {"verdict": _standing(claim["value"], Interval(saved, saved, saved), fgo)}]


def _gained(paper: str, other: str, gain: Interval, fgo: pd.Series, missing: float) -> dict:
    interval = str(verdict(gain)) if np.isnan(gain.lo) else f"[{100 * gain.lo:+.1f}, {100 * gain.hi:+.1f}]"
    measured = noted(f"{100 * gain.value:+.1f} points over {other}", missing)
    return {"measured": measured, "interval": interval, "verdict": _standing(paper, gain, fgo)}


def _standing(paper: str, gain: Interval, fgo: pd.Series) -> str:
    if np.isnan(gain.value):
        return "not run"
    if fgo["simulated"]:
        return "simulated, not evidence"
    if fgo["benchmark"] not in ("ALFWorld", "GAIA"):  # the paper's LogisticsQA is not public
        return "not comparable"
    found = verdict(gain, margin=0)  # its direction is asked, however small it is
    if found not in (Verdict.BETTER, Verdict.WORSE):
        return "not distinguishable"
    if gain.lo <= float(paper) / 100 <= gain.hi:
        return "agrees"
    return "same direction" if found == Verdict.BETTER else "differs"
