"""The limits of the simulated LLM: profiles made of curves fitted to published measurements (`fits`).

A profile is an idealised reader with one published model's limits. It is never evidence about that model.
Its noticing curve comes from one of three readings of long-context loss: `nolima` (single facts, found
without literal overlap: the harshest, and the default), `ruler` (aggregation over the prompt) or `helmet`
(many-shot learning, which does not fall with length for these models).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from functools import cache

from ..records import digest
from . import published_curves as fits
from .published_curves import Hill

SOURCES = tuple(fits.NOTICE_CURVES)
UNLIMITED = 10**9  # tokens: the context window of the profile without limits


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
    miss_correlation: float = 0.0  # share of trajectories that are read with the same luck in every call
    induce: float = 0.7  # chance that a rule comes to mind, for every noticed trajectory that supports it
    code_odds: float = 2.0  # log-odds for a rule from a code it gets right: ln(.95 / one in seven codes)
    none_odds: float = 0.64  # and from a None it gets right: ln(.95 / one in two)
    wrong_odds: float = 2.64  # and against it from each trajectory it gets wrong: ln(.70 / .05)
    agreement: float = 0.25  # weight of a right trajectory that was right already, beside one that is mended
    word_cost: float = 3.0  # log-odds against a condition: ln(20), some twenty words might be what matters
    length_cost: float = 0.35  # log-odds against every property of a pick, and every token of its label
    trust: float = 1.0  # log-odds for a label that a reviewer's feedback named as what marks the right code
    patience: float = 1.0  # by how many a rule may be more often wrong than right before it is mended
    generalise: float = 0.5  # chance that a merger gives up conditions under which modules found one action
    weighing: float = 1.0  # chance that a merge keeps what no evidence speaks against; else it absorbs special cases
    checking: float = 1.0  # chance that a noticed trajectory is searched for rules that it speaks against
    oversight: float = 0.0  # chance that a merger compares a rule with no other, and carries it over as it is
    naive_none: float = 1.0  # pull of "None" on a reader without rules, beside codes of appeal 0.4 to 3
    naive_sharpness: float = 4.0  # how firmly such a reader prefers the more appealing answer


ASSUMPTIONS = Assumptions()
"""The frozen ones. What is in force while a call is answered is `assumed()`."""

_IN_FORCE: ContextVar[Assumptions] = ContextVar("assumptions in force", default=ASSUMPTIONS)
assumed = _IN_FORCE.get


@contextmanager
def assuming(assumptions: Assumptions) -> Iterator[None]:
    """Answer calls under other assumptions, in this thread and inside the `with` block alone."""
    token = _IN_FORCE.set(assumptions)
    try:
        yield
    finally:
        _IN_FORCE.reset(token)


def profile_names() -> tuple[str, ...]:
    """Every name `profile` takes: the sizes, each with a noticing source, and `null`, which has no limits."""
    return (*fits.SIZES, "null", *(f"{size}-{source}" for size in fits.SIZES for source in SOURCES))


@cache
def profile(name: str) -> Profile:
    """The limits called `name`: "small", "large", "frontier", "null", or e.g. "small-ruler" (other source).

    "small-nolima" is "small". Raises ValueError for any other name.
    """
    if name not in profile_names():
        raise ValueError(f"unknown profile {name!r}; use one of {', '.join(profile_names())}")
    if name == "null":
        free = Hill(math.inf, 1.0)
        return Profile("null", free, 1.0, free, (0.0, 0.0, 1.0, 1.0), 1.0, 0.0, 1.0, UNLIMITED)
    size, _, source = name.partition("-")
    source = source or SOURCES[0]
    curve = fits.NOTICE_CURVES[source]
    a, b, t = fits.position_effect()
    tpr, fpr = fits.judge_rates()
    window = int(fits.points("context_window", fits.MODELS["context_window"][size])[0][1])
    beyond = _beyond_data("noticing", curve, size, window) + _beyond_data("obeying", fits.OBEY_CURVE, size, math.inf)
    return Profile(
        name=size if source == SOURCES[0] else name, notice=fits.fit(curve, fits.MODELS[curve][size]),
        hop=ASSUMPTIONS.hop_scale * fits.hop_factor(), tpr=tpr, fpr=fpr, rewrite=fits.rewrite_retention(),
        obey=fits.fit(fits.OBEY_CURVE, fits.MODELS[fits.OBEY_CURVE][size]), context_window=window, extrapolated=beyond,
        position=(ASSUMPTIONS.position_scale * a, ASSUMPTIONS.position_scale * b, t, t),
    )  # fmt: skip


def _beyond_data(what: str, curve: str, size: str, limit: float) -> tuple[str, ...]:
    """Where a curve that is used up to `limit` leaves the range that was measured."""
    model = fits.MODELS[curve][size]
    unit = "instructions" if curve == fits.OBEY_CURVE else "tokens"
    measured = [x for x, _ in fits.points(curve, model)]
    below = f"{what}: below {measured[0]:,.0f} {unit} ({model}, {curve})"
    above = f"{what}: above {measured[-1]:,.0f} {unit} ({model}, {curve})"
    return (below, above) if limit > measured[-1] else (below,)


def weight(profile: Profile, position: float) -> float:
    """Relative chance of noticing at `position`, 0 = start to 1 = end of the prompt. Its mean is 1.

    Raises ValueError outside [0, 1].
    """
    if not 0 <= position <= 1:
        raise ValueError(f"position={position!r} is outside the prompt; give 0 (its start) to 1 (its end)")
    a, b, t1, t2 = profile.position
    raw = 1 + a * math.exp(-position / t1) + b * math.exp(-(1 - position) / t2)
    return raw / (1 + a * t1 * (1 - math.exp(-1 / t1)) + b * t2 * (1 - math.exp(-1 / t2)))  # by its mean


def noticing(profile: Profile, tokens: float, position: float, hops: int = 1) -> float:
    """Probability of noticing a fact at relative `position` in a prompt of `tokens` tokens.

    `hops` counts the links to be made: 1 to find the fact, 2 to tie it to a label elsewhere. At most 1.
    """
    recall = profile.notice(tokens / profile.hop ** (hops - 1))  # the same as x50 * hop^(hops - 1)
    return min(1.0, recall * weight(profile, position))


def obey(profile: Profile, n: float) -> float:
    """Share of `n` instructions obeyed at once, and equally of `n` items kept when writing them (IFScale)."""
    return profile.obey(n)


@cache
def constants_hash() -> str:
    """Hash of all profiles' constants and of the free assumptions, frozen before a grid is run."""
    return digest([asdict(item) for item in (*map(profile, profile_names()), ASSUMPTIONS)])
