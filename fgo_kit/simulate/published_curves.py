"""Least-squares fits to the published measurements in `data/published_curves.csv`, and a table of them.

Curves are Hill functions of a size x (prompt tokens, or number of instructions): 1 / (1 + (x / x50)^k).

Normalisation: scores are fitted as published, as a share of 100 %. They are not divided by the score at
short context: a model's misses on short prompts are misses too, and the Hill tends to 1 only as x goes
to 0. NoLiMa's base score (over contexts of 250, 500 and 1,000 tokens) counts as a point at 500 tokens.
HELMET's many-shot learning is the exception: its level says how hard the labels are to learn, not how
much is noticed, and it rises with length. It is therefore read relative to its best non-increasing fit;
where the score only rises that fit is flat, and nothing is lost with length (x50 = infinity).
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from statistics import median

from ..records.later import Later
from ..runs.places import DATA

_OPTIMIZE = Later("scipy.optimize")

CURVES = DATA / "published_curves.csv"
SIZES = ("small", "large", "frontier")
NOTICE_CURVES = {"nolima": "nolima_accuracy", "ruler": "ruler_aggregation_cwe_fwe", "helmet": "helmet_icl"}
OBEY_CURVE = "ifscale_compliance"
HOP_CURVE = "nolima_hops"

# The published model behind each profile. Where a source did not measure the profile's own model, the
# nearest one it did measure stands in: Llama 3.1 8B has GPT-4o mini's NoLiMa curve within 9 points; GPT-4
# is GPT-4o's predecessor; Gemini 1.5 is RULER's strongest reader and has a window of 1M; GPT-4o of August
# 2024 is the last OpenAI model in HELMET (its May version falls to 48 % at 128k, which is not used here).
_OPENAI = ("openai/gpt-4o-mini", "openai/gpt-4o", "openai/gpt-4.1")
MODELS = {curve: dict(zip(SIZES, models, strict=True)) for curve, models in {
    "nolima_accuracy": ("GPT-4o mini", "GPT-4o", "GPT-4.1"),
    "ruler_aggregation_cwe_fwe": ("Llama3.1 (8B)", "GPT-4", "Gemini-1.5"),
    "helmet_icl": ("GPT-4o-mini", "GPT-4o-08", "GPT-4o-08"),
    OBEY_CURVE: _OPENAI,
    "context_window": _OPENAI,
}.items()}
ONE_HOP, TWO_HOP = (f"Llama 3.3 70B | {n}-hop w/o CoT" for n in ("One", "Two"))


@dataclass(frozen=True)
class Hill:
    """A falling curve, 1 / (1 + (x / x50)^k). Half is left at x50 (in units of x); infinity: no fall."""

    x50: float
    k: float

    def __call__(self, x: float) -> float:
        return 1.0 / (1.0 + (max(x, 0.0) / self.x50) ** self.k)


@cache
def _rows() -> tuple[dict, ...]:
    if not CURVES.is_file():
        raise FileNotFoundError(f"{CURVES} is missing, which comes with the package; install it anew")
    with CURVES.open(newline="", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


@cache
def points(curve: str, model: str) -> tuple[tuple[float, float], ...]:
    """The published (x, y) of one curve and model, by x; x is 0 where there is none. ValueError if absent."""
    published = [row for row in _rows() if (row["curve"], row["model"]) == (curve, model)]
    if not published:
        raise ValueError(f"{CURVES.name} has no rows for curve={curve!r}, model={model!r}; restore the file")
    return tuple(sorted((float(row["x"] or 0), float(row["y"])) for row in published))


def shares(curve: str, model: str) -> list[tuple[float, float]]:
    """The points as they are fitted: shares of 1, HELMET's relative to its best non-increasing fit."""
    shares = [(x, y / 100) for x, y in points(curve, model)]
    if curve != NOTICE_CURVES["helmet"]:
        return shares
    level = _OPTIMIZE.isotonic_regression([y for _, y in shares], increasing=False).x[0]
    return [(x, y / level) for x, y in shares]


def _rounded(value: float) -> float:
    """Four significant digits: fits agree across versions of scipy, and so do hashes and cache keys."""
    return float(f"{value:.4g}")


@cache
def fit(curve: str, model: str) -> Hill:
    """Least-squares Hill of a published curve. Raises ValueError where the file has no such rows."""
    import numpy as np
    x, y = np.array(shares(curve, model)).T
    if y.mean() > 0.999:  # the non-increasing fit is flat
        return Hill(math.inf, 1.0)
    slope, offset = np.polyfit(np.log(x), np.log(1 / np.clip(y, 0.01, 0.99) - 1), 1)  # a start: the logits
    (log_x50, k), _ = _OPTIMIZE.curve_fit(lambda x, log_x50, k: 1 / (1 + np.exp(k * (np.log(x) - log_x50))), x, y,
                                p0=(-offset / slope, slope))
    return Hill(_rounded(math.exp(log_x50)), _rounded(k))


def hop_factor() -> float:
    """x50 of two-hop over x50 of one-hop retrieval (NoLiMa Table 4, Llama 3.3 70B, no chain of thought)."""
    return _rounded(fit(HOP_CURVE, TWO_HOP).x50 / fit(HOP_CURVE, ONE_HOP).x50)


@cache
def position_effect() -> tuple[float, float, float]:
    """(a, b, t) of the weight 1 + a e^(-u/t) + b e^(-(1-u)/t), from Lost in the Middle, Tables 5-7.

    One decay length t (of the prompt's length) serves both ends of all 17 series, by pooled least squares;
    a and b are the medians over the series, since GPT-3.5 and LongChat have four times the others' effect.
    """
    import numpy as np
    series = {}
    for row in _rows():
        if row["curve"].startswith("litm_position_"):
            n_docs = int(row["curve"].removeprefix("litm_position_").removesuffix("docs"))
            point = float(row["x"]) / (n_docs - 1), float(row["y"])
            series.setdefault((n_docs, row["model"]), []).append(point)

    def effects(t):
        for pairs in series.values():
            u, y = np.array(pairs).T
            basis = np.stack([np.ones_like(u), np.exp(-u / t), np.exp(-(1 - u) / t)], axis=1)
            c, a, b = np.linalg.lstsq(basis, y, rcond=None)[0]
            yield a / c, b / c, float(np.sum((basis @ (c, a, b) - y) ** 2))

    t = _OPTIMIZE.minimize_scalar(lambda t: sum(e[2] for e in effects(t)), bounds=(0.02, 0.5), method="bounded").x
    return tuple(float(f"{v:.2g}") for v in (*(median(e[i] for e in effects(t)) for i in (0, 1)), t))


def judge_rates() -> tuple[float, float]:
    """(tpr, fpr) of a GPT-4o judge, from its recall, precision and the base rate (AgentRewardBench)."""
    judge, everyone = "GPT-4o judge (a11y)", "AgentRewardBench subset"
    precision, recall, base = (points(curve, model)[0][1] / 100 for curve, model in (
        ("judge_precision", judge), ("judge_recall", judge), ("judge_base_rate", everyone)))
    false_positives = recall * base * (1 - precision) / precision
    return _rounded(recall), _rounded(false_positives / (1 - base))


@cache
def rewrite_retention() -> float:
    """Share kept by one rewriting: the median of `rewrite_rates`."""
    return _rounded(median(rewrite_rates().values()))


def rewrite_rates() -> dict[str, float]:
    """Share r kept by one rewriting, for each of 19 models: least squares of y = r^n (DELEGATE-52)."""
    curve = "delegate52_reconstruction"

    def rate(model):
        pairs = points(curve, model)
        return _OPTIMIZE.minimize_scalar(lambda r: sum((r**n - y / 100) ** 2 for n, y in pairs),
                               bounds=(0.1, 1), method="bounded").x

    return {model: float(rate(model)) for model in sorted({r["model"] for r in _rows() if r["curve"] == curve})}


def fit_table():
    """The Hill fits as a DataFrame: x50, k, number of points, RMSE (share of 1), range of data, users."""
    import pandas as pd

    rows = []
    for curve in (*NOTICE_CURVES.values(), OBEY_CURVE, HOP_CURVE):
        users = MODELS.get(curve) or {"hop (one)": ONE_HOP, "hop (two)": TWO_HOP}
        for model in dict.fromkeys(users.values()):
            hill, data = fit(curve, model), shares(curve, model)
            rmse = math.sqrt(sum((hill(x) - y) ** 2 for x, y in data) / len(data))
            rows.append({"curve": curve, "model": model, "x50": hill.x50, "k": hill.k, "n_points": len(data),
                         "rmse": rmse, "x_min": data[0][0], "x_max": data[-1][0],
                         "used_by": ", ".join(user for user, m in users.items() if m == model)})
    return pd.DataFrame(rows)
