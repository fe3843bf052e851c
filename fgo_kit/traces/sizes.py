"""What optimising on logged trajectories would take in tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..algorithm import prompts
from ..algorithm.divide import divide
from ..calls.tokens import count_messages, estimate
from ..records import Component, Feedback, Module, Task, Trajectory
from ..records.later import pandas as pd

ALL_AT_ONCE = 1


def optimiser_tokens(
    trajectories: Sequence[Trajectory], n_subsets: Sequence[int] = (ALL_AT_ONCE, 4, 8, 16, 32),
    windows: Sequence[int] = (32_000, 128_000), reserve: int = 4_096, counter=estimate, seed: int = 0,
) -> pd.DataFrame:
    """What an epoch's optimiser calls would take on these trajectories, by number of subsets; asks no LLM.

    The prompts are those of `prompts.propose` for a module without rules and without feedback: what the
    trajectories alone take. Subsets are random and of equal size, in an order drawn from `seed`. dropped_*:
    trajectories left out, last ones first as in a run, where a prompt and `reserve` tokens for the answer
    exceed a window. Merge prompts are not counted: their size depends on what a model would write.
    """
    if not trajectories:
        raise ValueError("there are no trajectories to count")
    tasks = [Task(f"{number}", "", "done") for number in range(len(trajectories))]
    rows = []
    for n in n_subsets:
        division = divide(tasks, "random", n, np.random.default_rng([seed, n]))
        subsets = [[trajectories[int(task_id)] for task_id in ids] for ids in division.subsets]
        sizes = [_prompt_size(subset, counter) for subset in subsets]
        dropped = {f"dropped_{w // 1000}k": sum(_dropped(s, counter, w - reserve) for s in subsets) for w in windows}
        row = {"method": "all_at_once" if n == ALL_AT_ONCE else "fgo", "n_subsets": n, "trajectories": len(tasks)}
        row |= {"tokens_call_mean": np.mean(sizes), "tokens_call_max": max(sizes), "tokens_optimiser": sum(sizes)}
        rows.append(row | dropped | {"counter": "estimate" if counter is estimate else "exact"})
    table = pd.DataFrame(rows)
    whole = _prompt_size(list(trajectories), counter)
    table["call_mean_vs_all_at_once"] = table["tokens_call_mean"] / whole - 1
    table["total_vs_all_at_once"] = table["tokens_optimiser"] / whole - 1
    return table


def _prompt_size(trajectories: Sequence[Trajectory], counter) -> int:
    module = Module((Component("instructions", "You play household games by writing one action a turn."),))
    judged = [(Task(one.task_id, "", "done"), one, Feedback("", 0.0, "")) for one in trajectories]
    return count_messages(prompts.propose(module, judged), counter)


def _dropped(trajectories: Sequence[Trajectory], counter, room: int) -> int:
    """How many of the last trajectories have to go for the rest to fit; sizes add up within a token each."""
    rest = _prompt_size([], counter)
    fitting = np.cumsum([_prompt_size([one], counter) - rest for one in trajectories]) + rest <= room
    return len(trajectories) - int(fitting.sum())
