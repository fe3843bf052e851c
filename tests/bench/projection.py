"""What a run on a million tasks would take, on paper, from the growth that was measured: `projection`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from growth import exponents

AIM = 1_000_000
MODEL = "openai:gpt-5-mini"
LIMITS = {"starting account": (500, 500_000), "large account": (30_000, 180_000_000)}
"""Calls and tokens a minute that a provider allows."""
BOUNDS = {"driver_hours": 24, "memory_gb": 16, "log_gb": 100, "usd": 1_000, "hours, starting account": 24 * 7, "hours, large account": 24}
"""What a researcher with a laptop is taken to have at most."""
ASSUMED = (f"calls, driver time, memory and log: by the exponents of runs on words, whose rules stay as many; tokens a call: those "
           f"of fgo+ on LogisticsQA-gen, whose simulated answers are short; list prices of {MODEL}; calls and tokens a minute: "
           + "; ".join(f"{name} {calls:,} and {tokens:,}" for name, (calls, tokens) in LIMITS.items()))  # fmt: skip


def projection(scale: pd.DataFrame, learning: pd.DataFrame, aim: int = AIM) -> pd.DataFrame:
    """A row for each thing that a run takes, what is passed first at the top.

    Columns: what, measured_at (tasks) and measured; exponent with lo and hi (95 %); projected at `aim` tasks, and its
    bounds by the exponent's; allowed, and how many tasks that is enough for (at_most); assumed.
    """
    largest = scale[scale["size"] == scale["size"].max()].median(numeric_only=True)
    slopes = exponents(scale[scale["size"] >= 1_000]).set_index("quantity")[["exponent", "lo", "hi"]]
    priced = _usd_a_call(*_tokens_a_call(learning))
    per_call = sum(_tokens_a_call(learning))
    taken = {"calls": ("calls", 1.0), "tokens": ("calls", per_call), "usd": ("calls", priced), "driver_hours": ("cpu", 1 / 3600),
             "memory_gb": ("memory_mb", 1 / 1000), "log_gb": ("log_mb", 1 / 1000)}  # fmt: skip
    taken |= {f"hours, {name}": ("calls", max(1 / calls, per_call / tokens) / 60) for name, (calls, tokens) in LIMITS.items()}
    size = largest["size"]
    rows = [_row(what, largest[name] * unit, slopes.loc[name], size, aim) for what, (name, unit) in taken.items()]
    return pd.DataFrame(rows).sort_values("at_most", na_position="last", ignore_index=True).assign(assumed=ASSUMED)


def _row(what: str, measured: float, slope: pd.Series, size: float, aim: int) -> dict:
    at_aim = {name: measured * (aim / size) ** slope[of] for name, of in (("projected", "exponent"), ("low", "lo"), ("high", "hi"))}
    allowed = BOUNDS.get(what, np.nan)
    return {"what": what, "measured_at": int(size), "measured": measured, **slope, **at_aim, "allowed": allowed,
            "at_most": size * (allowed / measured) ** (1 / slope["exponent"])}  # fmt: skip


def _tokens_a_call(learning: pd.DataFrame) -> tuple[float, float]:
    runs = learning[(learning["task"] == "documents") & learning["client"].str.endswith(", fgo+")]
    return tuple((runs[name] / runs["calls"]).median() for name in ("prompt_tokens", "completion_tokens"))


def _usd_a_call(prompt: float, completion: float) -> float:
    from fgo_kit.calls.prices import price
    from fgo_kit.calls.protocol import Usage

    return price(MODEL, Usage(round(1000 * prompt), round(1000 * completion))) / 1000
