"""The limits of the simulated LLM, fitted to published measurements in `data/published_curves.csv`.

Curves are Hill functions of a size x (prompt tokens, or number of instructions): 1 / (1 + (x / x50)^k).

Normalisation: scores are fitted as published, as a share of 100 %. They are not divided by the score at
short context: a model's misses on short prompts are misses too, and the Hill tends to 1 only as x goes
to 0. NoLiMa's base score (over contexts of 250, 500 and 1,000 tokens) counts as a point at 500 tokens.
HELMET's many-shot learning is the exception: its level says how hard the labels are to learn, not how
much is noticed, and it rises with length. It is therefore read relative to its best non-increasing fit;
where the score only rises that fit is flat, and nothing is lost with length (x50 = infinity).

A profile is an idealised reader with one published model's limits. It is never evidence about that model.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from statistics import median

CURVES = Path(__file__).resolve().parents[2] / "data" / "published_curves.csv"
SOURCES = ("nolima", "ruler", "helmet")
SIZES = ("small", "large", "frontier")
UNLIMITED = 10**9  # tokens: the context window of the profile without limits

# Curve -> the published model behind each profile. Where a source did not measure the profile's own model
# the nearest one it did measure stands in: Llama 3.1 8B has GPT-4o mini's NoLiMa curve within 8 points,
# GPT-4 is GPT-4o's predecessor, Gemini 1.5 is RULER's strongest reader and the one with a 1M window, and
# GPT-4o (August 2024) is the strongest OpenAI model in HELMET (the May snapshot falls to 48 % at 128k).
MODELS = {
    "nolima_accuracy": {"small": "GPT-4o mini", "large": "GPT-4o", "frontier": "GPT-4.1"},
    "ruler_aggregation_cwe_fwe": {"small": "Llama3.1 (8B)", "large": "GPT-4", "frontier": "Gemini-1.5"},
    "helmet_icl": {"small": "GPT-4o-mini", "large": "GPT-4o-08", "frontier": "GPT-4o-08"},
    "ifscale_compliance": {
        "small": "openai/gpt-4o-mini", "large": "openai/gpt-4o", "frontier": "openai/gpt-4.1"},
    "context_window": {
        "small": "openai/gpt-4o-mini", "large": "openai/gpt-4o", "frontier": "openai/gpt-4.1"},
}
STAND_INS = {("ruler", size) for size in SIZES} | {("helmet", "frontier")}
NOTICE_CURVES = dict(zip(SOURCES, ("nolima_accuracy", "ruler_aggregation_cwe_fwe", "helmet_icl")))
ONE_HOP, TWO_HOP = (f"Llama 3.3 70B | {n}-hop w/o CoT" for n in ("One", "Two"))
JUDGE = "GPT-4o judge (a11y)"


@dataclass(frozen=True)
class Hill:
    """A falling curve, 1 / (1 + (x / x50)^k). x50 (in units of x) is where half is left; infinity: no fall."""

    x50: float
    k: float

    def __call__(self, x: float) -> float:
        return 1.0 / (1.0 + (max(x, 0.0) / self.x50) ** self.k)


@dataclass(frozen=True)
class Profile:
    """All limits of one simulated reader.

    notice: share of facts noticed in a prompt of x tokens; hop: factor on its x50 for every hop beyond the
    first; obey: share of x instructions obeyed, or items written, at once; position: (a, b, t1, t2) of the
    weight 1 + a e^(-u/t1) + b e^(-(1-u)/t2) at the relative position u; tpr, fpr: rates at which a judge
    without gold calls a good or a bad trajectory good; rewrite: share of a text that survives one rewriting;
    context_window in tokens; extrapolated: the ranges in which these curves go beyond published data.
    """

    name: str
    notice: Hill
    hop: float
    obey: Hill
    position: tuple[float, float, float, float]
    tpr: float
    fpr: float
    rewrite: float
    context_window: int
    extrapolated: tuple[str, ...] = ()


@dataclass(frozen=True)
class Assumptions:
    """What no published number was found for. Stated first in the model card, varied in notebook 08."""

    hop_scale: float = 1.0  # times the two-hop factor: that was measured on Llama 3.3 70B only
    position_scale: float = 1.0  # times the position effect: that was measured on models of 2023 only


ASSUMPTIONS = Assumptions()


@cache
def _points(curve: str, model: str) -> tuple[tuple[float, float], ...]:
    """The published (x, y) of one curve and model, in order of x; x is 0 where the source has none."""
    points = sorted((float(r["x"] or 0), float(r["y"])) for r in _rows()
                    if r["curve"] == curve and r["model"] == model)
    if not points:
        raise ValueError(f"{CURVES.name} has no rows for curve={curve!r}, model={model!r}; restore the file")
    return tuple(points)


@cache
def _rows() -> tuple[dict, ...]:
    if not CURVES.is_file():
        raise FileNotFoundError(f"{CURVES} is missing; install the package from its repository "
                                "(pip install -e .), which carries the published curves in data/")
    with CURVES.open(newline="", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


def _rounded(value: float) -> float:
    """Four significant digits: fits agree across versions of scipy, and so do hashes and cache keys."""
    return float(f"{value:.4g}")


@cache
def fit(curve: str, model: str) -> Hill:
    """Least-squares Hill of a published curve. Raises ValueError where the file has no such rows."""
    import numpy as np
    from scipy.optimize import curve_fit, isotonic_regression

    x, y = np.array(_points(curve, model)).T
    y = y / 100
    if curve == "helmet_icl":
        level = isotonic_regression(y, increasing=False).x
        if level[-1] >= level[0] * 0.999:
            return Hill(math.inf, 1.0)
        y = level / level[0]
    slope, offset = np.polyfit(np.log(x), np.log(1 / np.clip(y, 0.01, 0.99) - 1), 1)  # start: fit of the logits
    (log_x50, k), _ = curve_fit(lambda x, log_x50, k: 1 / (1 + np.exp(k * (np.log(x) - log_x50))), x, y,
                                p0=(-offset / slope, slope))
    return Hill(_rounded(math.exp(log_x50)), _rounded(k))


@cache
def hop_factor() -> float:
    """x50 of two-hop over x50 of one-hop retrieval (NoLiMa Table 4, Llama 3.3 70B, no chain of thought)."""
    return _rounded(fit("nolima_hops", TWO_HOP).x50 / fit("nolima_hops", ONE_HOP).x50)


@cache
def position_weight() -> tuple[float, float, float, float]:
    """(a, b, t1, t2) of the position effect, from Lost in the Middle, Tables 5-7 (17 series of 6 models).

    One decay length t serves both ends and all series (pooled least squares); a and b are the medians over
    the series, because GPT-3.5 and LongChat have four times the effect of the others.
    """
    import numpy as np
    from scipy.optimize import minimize_scalar

    series = {}
    for row in _rows():
        if row["curve"].startswith("litm_position_"):
            n_docs = int(row["curve"].removeprefix("litm_position_").removesuffix("docs"))
            series.setdefault((n_docs, row["model"]), []).append((float(row["x"]) / (n_docs - 1), float(row["y"])))

    def ends(t):
        for pairs in series.values():
            u, y = np.array(pairs).T
            basis = np.stack([np.ones_like(u), np.exp(-u / t), np.exp(-(1 - u) / t)], axis=1)
            c, a, b = np.linalg.lstsq(basis, y, rcond=None)[0]
            yield a / c, b / c, float(np.sum((basis @ (c, a, b) - y) ** 2))

    t = minimize_scalar(lambda t: sum(e[2] for e in ends(t)), bounds=(0.02, 0.5), method="bounded").x
    a, b = (median(e[i] for e in ends(t)) for i in (0, 1))
    scale = ASSUMPTIONS.position_scale
    return tuple(float(f"{v:.2g}") for v in (scale * a, scale * b, t, t))


@cache
def judge_rates() -> tuple[float, float]:
    """(tpr, fpr) of a GPT-4o judge, from its recall, precision and the base rate (AgentRewardBench)."""
    precision, recall, base = (_points(curve, model)[0][1] / 100 for curve, model in (
        ("judge_precision", JUDGE), ("judge_recall", JUDGE),
        ("judge_base_rate", next(r["model"] for r in _rows() if r["curve"] == "judge_base_rate"))))
    false_positives = recall * base * (1 - precision) / precision
    return _rounded(recall), _rounded(false_positives / (1 - base))


@cache
def rewrite_retention() -> float:
    """Share r kept by one whole rewriting: median over 19 models of the least-squares y = r^n (DELEGATE-52)."""
    from scipy.optimize import minimize_scalar

    def rate(model):
        points = _points("delegate52_reconstruction", model)
        return minimize_scalar(lambda r: sum((r**n - y / 100) ** 2 for n, y in points),
                               bounds=(0.1, 1), method="bounded").x

    return _rounded(median(map(rate, sorted({r["model"] for r in _rows()
                                             if r["curve"] == "delegate52_reconstruction"}))))


def profile_names() -> tuple[str, ...]:
    """Every name `profile` takes: the sizes, each with a noticing source, and `null`, which has no limits."""
    return (*SIZES, "null", *(f"{size}-{source}" for size in SIZES for source in SOURCES))


@cache
def profile(name: str) -> Profile:
    """The limits called `name`: "small", "large", "frontier" or "null", e.g. "small-ruler" for another source.

    Raises ValueError for any other name. "small-nolima" is "small".
    """
    if name not in profile_names():
        raise ValueError(f"unknown profile {name!r}; use one of {', '.join(profile_names())}")
    if name == "null":
        return Profile("null", Hill(math.inf, 1.0), 1.0, Hill(math.inf, 1.0), (0.0, 0.0, 1.0, 1.0), 1.0, 0.0,
                       1.0, UNLIMITED)
    size, _, source = name.partition("-")
    source = source or SOURCES[0]
    curve = NOTICE_CURVES[source]
    tpr, fpr = judge_rates()
    found = Profile(size if source == SOURCES[0] else name, fit(curve, MODELS[curve][size]),
                    ASSUMPTIONS.hop_scale * hop_factor(),
                    fit("ifscale_compliance", MODELS["ifscale_compliance"][size]), position_weight(), tpr, fpr,
                    rewrite_retention(), int(_points("context_window", MODELS["context_window"][size])[0][1]))
    return replace(found, extrapolated=_beyond_data(found, source, size))


def _beyond_data(found: Profile, source: str, size: str) -> tuple[str, ...]:
    """Where a profile's curves leave the range that was measured."""
    notes = []
    for what, curve, unit, upper in (
            ("noticing", NOTICE_CURVES[source], "tokens", found.context_window),
            ("obeying", "ifscale_compliance", "instructions", math.inf)):
        model = MODELS[curve][size]
        points = _points(curve, model)
        low, high = int(points[0][0]), int(points[-1][0])
        notes.append(f"{what}: below {low:,} {unit} ({model}, {curve})")
        if upper > high:
            notes.append(f"{what}: above {high:,} {unit} ({model}, {curve})")
    return tuple(notes)


@cache
def _mean_weight(position: tuple[float, float, float, float]) -> float:
    """Mean over u in [0, 1] of 1 + a e^(-u/t1) + b e^(-(1-u)/t2)."""
    a, b, t1, t2 = position
    return 1 + a * t1 * (1 - math.exp(-1 / t1)) + b * t2 * (1 - math.exp(-1 / t2))


def weight(profile: Profile, position: float) -> float:
    """Relative chance of noticing at `position` (0 = start, 1 = end of the prompt); its mean over positions is 1.

    Raises ValueError outside [0, 1].
    """
    if not 0 <= position <= 1:
        raise ValueError(f"position={position!r} is outside the prompt; give 0 (its start) to 1 (its end)")
    a, b, t1, t2 = profile.position
    raw = 1 + a * math.exp(-position / t1) + b * math.exp(-(1 - position) / t2)
    return raw / _mean_weight(profile.position)


def noticing(profile: Profile, tokens: float, position: float, hops: int = 1) -> float:
    """Probability of noticing a fact at relative `position` in a prompt of `tokens` tokens.

    `hops` counts the links to be made: 1 to find the fact, 2 to tie it to a label elsewhere. At most 1.
    """
    curve = profile.notice if hops == 1 else Hill(profile.notice.x50 * profile.hop ** (hops - 1), profile.notice.k)
    return min(1.0, curve(tokens) * weight(profile, position))


def obey(profile: Profile, n: float) -> float:
    """Share of `n` instructions obeyed at once, and equally of `n` items kept when writing them (IFScale)."""
    return profile.obey(n)


def constants_hash(*more) -> str:
    """Hash of the constants of all profiles and of the free assumptions; `more` adds other dataclasses to it."""
    constants = [asdict(profile(name)) for name in profile_names()] + [asdict(a) for a in (ASSUMPTIONS, *more)]
    return hashlib.sha256(json.dumps(constants, sort_keys=True).encode()).hexdigest()[:16]
