"""A pilot: training tasks played before a run, and what two plays of each say of the effect that can show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..algorithm.benchmark import Benchmark
from ..algorithm.context import Context
from ..algorithm.rollout import rollouts
from ..algorithm.settings import Settings
from ..calls.limits import Limits
from ..calls.log import CallLog, Place
from ..calls.meter import Meter
from ..calls.protocol import LLM
from ..calls.reply_text import given_answer
from ..records import Task, Trajectory
from ..records.later import pandas as pd
from ..stats import paired_tasks_needed

Z = 2.8
"""Standard errors between no effect and one that shows with power 0.8 at level 95 %."""


def play(ctx: Context, tasks: Sequence[Task], subset: str) -> list[Trajectory]:
    """Tasks played with the seed module; all is asked as a run asks it."""
    return rollouts(ctx, ctx.bench.seed_module, tasks, Place("rollout", subset=subset, epoch=1))


def in_form(played: Sequence[Trajectory]) -> tuple[int, int]:
    """(answers that have the line which is asked for, of so many); games have none."""
    ends = [each.steps[-1].action for each in played if each.ok and each.steps and each.form != "turns"]
    return sum(given_answer(end) is not None for end in ends), len(ends)


def flips(scores: np.ndarray) -> float:
    """The mean square by which two plays (2 x tasks) differ, over the tasks with a score in both; NaN without any.

    >>> flips(np.array([[1.0, 0.0, 1.0, np.nan], [1.0, 1.0, 1.0, 0.0]]))
    0.3333333333333333
    """
    apart = scores[0] - scores[1]
    known = apart[np.isfinite(apart)]
    return float(np.mean(known**2)) if known.size else float("nan")


def with_optimising(effect: float, seeds: int, spread: float) -> float:
    """A smallest effect when runs differ from seed to seed by so much more (a standard deviation) for learning.

    >>> round(with_optimising(0.1, 5, 0.05), 3)
    0.118
    """
    return float(np.hypot(effect, Z * spread / np.sqrt(seeds)))


def smallest_effect(flips: float, tasks: int, seeds: int) -> float:
    """The smallest gain that runs with so many test tasks and seeds show (power 0.8, level 95 %), NaN for none.

    flips: the mean square by which two plays of one task differ, for right-or-wrong scores the share that flips. A gain
    changes at least as many tasks as it is large; the noise of scoring comes on top, and averages out over seeds. What
    optimising adds to the noise is not in it: the true figure is larger.

    >>> smallest_effect(0.3, 100, 1), smallest_effect(0.3, 100, 10)
    (0.195, 0.1)
    """
    for effect in np.arange(1, 1001) / 1000 if np.isfinite(flips) else ():
        if paired_tasks_needed(effect, min(1.0, flips / seeds + effect)) <= tasks:
            return float(effect)
    return float("nan")


def dry_plays(bench: Benchmark, stand_in: LLM, settings: Settings, tasks: Sequence[Task]) -> pd.DataFrame:
    """The calls of a stand-in that plays these tasks."""
    log = CallLog(None)
    meter = Meter(stand_in, log, "dry", Limits(workers=1, max_failures=1.0), sample=settings.seed)
    play(Context(bench, meter, settings), tasks, "pilot")
    return log.calls("dry")
