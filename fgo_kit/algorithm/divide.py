"""Divide: tasks -> Division, one plain function a strategy.

A strategy is `f(tasks, n_subsets, rng) -> list of lists of tasks`; `division` puts it in the registry under its own
name, from here or from a notebook cell:

    @division
    def by_length(tasks, n_subsets, rng):
        "Short documents together."
        return [list(part) for part in np.array_split(sorted(tasks, key=lambda t: len(t.text)), n_subsets)]

One that needs more than the tasks takes a fourth argument, the `Context` of the run: see `survey`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isqrt

import numpy as np

from ..calls.log import Place
from ..calls.tokens import estimate
from ..records import Division, Feedback, Task, Trajectory
from . import prompts
from .context import Context, Judged
from .optimize import explore
from .registry import DIVISIONS, division
from .rollout import rollouts
from .words import KINDS, halved, tf_idf

TARGET_TOKENS = 8_000
"""Prompt size, in tokens, that `budget` packs a subset's optimiser prompt into."""
MODULE_TOKENS = 1_500
"""Part of the target left for instructions and the module."""
TRAJECTORY_TOKENS = 220
"""Tokens a trajectory adds at least to its task's text: tags, the agent's reply, feedback."""
SAMPLE = 8
"""Tasks rolled out to measure that where the benchmark does not say it."""
FEW_VALUES = 10
"""Meta data with more different values than this make no strata."""
PRESETS: dict[str, Callable[[int], int]] = {"sqrt": isqrt, "each": lambda n: n}
"""Numbers of subsets by name: the square root of the number of tasks, rounded down; one task a subset."""


def divide(
    tasks: Sequence[Task], strategy: str, n_subsets: int | str | None, rng: np.random.Generator,
    ctx: Context | None = None,
) -> Division:  # fmt: skip
    """Partition `tasks` by a named strategy.

    n_subsets: a number, "sqrt" or "each" (see `PRESETS`), or None, which is `chosen_width`; "budget" packs by tokens.
    ctx: the run that pays for rollouts of the seed module, which "difficulty" and "failure" need, and "budget" and
    None where the benchmark does not say how long a trajectory is.

    Raises ValueError for an unknown strategy, for n_subsets outside 1..len(tasks), when ctx is needed and
    missing, and when a strategy does not return a partition.
    """
    chosen = DIVISIONS.named(strategy)
    if not tasks:
        raise ValueError("the training split is empty; there is nothing to divide")
    if n_subsets is None:
        n_subsets = 1 if chosen.sets_number else chosen_width(tasks, ctx)
    more = (ctx,) if chosen.takes_context else ()
    return _checked(strategy, chosen(tasks, count(n_subsets, len(tasks)), rng, *more), tasks)


def count(n_subsets: int | str, n_tasks: int) -> int:
    """The number of subsets asked for; ValueError if it cannot be."""
    if isinstance(n_subsets, str) and n_subsets in PRESETS:
        return PRESETS[n_subsets](n_tasks)
    if not isinstance(n_subsets, int | np.integer) or isinstance(n_subsets, bool) or n_subsets < 1:
        raise ValueError(
            f"n_subsets={n_subsets!r} is not a number of subsets; use 1 <= n_subsets <= {n_tasks}, None, "
            f"{' or '.join(map(repr, PRESETS))}"
        )
    if n_subsets > n_tasks:
        raise ValueError(f"n_subsets={n_subsets} exceeds the {n_tasks} tasks given; use n_subsets <= {n_tasks}")
    return int(n_subsets)


def chosen_width(tasks: Sequence[Task], ctx: Context | None = None) -> int:
    """The number of subsets where none is given: half the square root of the number of tasks, at least two.

    A subset then holds four tasks for every module that its own has to merge with: enough for what recurs to recur,
    and few enough modules that the merge is no bottleneck. More where an optimiser prompt would take more than half of
    the model's window, by the length of trajectories.
    """
    n_tasks, least = len(tasks), 1
    if ctx is not None:
        room = ctx.asking("optimizer").llm.context_window // 2 - MODULE_TOKENS
        each = trajectory_tokens(tasks, ctx)
        least = -(-sum(estimate(task.text) + each for task in tasks) // max(room, 1))
    return min(n_tasks, max(2, round(n_tasks**0.5 / 2), least))


def _checked(strategy: str, subsets: list[list[Task]], tasks: Sequence[Task]) -> Division:
    ids = tuple(tuple(task.id for task in subset) for subset in subsets if len(subset))
    if sorted(task_id for subset in ids for task_id in subset) != sorted(task.id for task in tasks):
        raise ValueError(f"divide={strategy!r} did not return a partition: every task must be in exactly one subset")
    return Division(strategy, ids)


@division
def random(tasks: Sequence[Task], n_subsets: int, rng: np.random.Generator) -> list[list[Task]]:
    """Shuffled, then cut into equal parts."""
    return _cut([tasks[i] for i in rng.permutation(len(tasks))], n_subsets)


@division
def contiguous(tasks: Sequence[Task], n_subsets: int, rng: np.random.Generator) -> list[list[Task]]:
    """Cut into equal parts in the order given."""
    return _cut(list(tasks), n_subsets)


@division
def stratified(tasks: Sequence[Task], n_subsets: int, rng: np.random.Generator) -> list[list[Task]]:
    """The same mix of task meta data (type, level, language ...) in every subset, dealt like cards."""
    values = {key: {task.meta.get(key, "") for task in tasks} for key in sorted({k for t in tasks for k in t.meta})}
    keys = [key for key, different in values.items() if 2 <= len(different) <= FEW_VALUES]
    if not keys:
        raise ValueError(
            f"divide='stratified' needs task meta data with 2 to {FEW_VALUES} different values, and these tasks "
            f"have {({key: len(different) for key, different in values.items()}) or 'none'}; use divide='random'"
        )
    shuffled = [tasks[i] for i in rng.permutation(len(tasks))]
    dealt = sorted(shuffled, key=lambda task: [task.meta.get(key, "") for key in keys])
    return [dealt[start::n_subsets] for start in range(n_subsets)]


@division
def similar(tasks: Sequence[Task], n_subsets: int, rng: np.random.Generator) -> list[list[Task]]:
    """Like texts together: TF-IDF and k-means, halving with sizes balanced to within one task."""
    return clustered(tasks, [task.text for task in tasks], n_subsets, rng)


@division
def difficulty(tasks: Sequence[Task], n_subsets: int, rng: np.random.Generator, ctx: Context) -> list[list[Task]]:
    """Tasks as hard for the base agent together: by its score, then by the turns it took."""
    played = {trajectory.task_id: trajectory for trajectory, _ in survey(ctx, tasks, "all", evaluated=False)}

    def hardness(task: Task) -> tuple[float, int]:
        trajectory = played[task.id]
        return (-trajectory.score if trajectory.ok else 1.0), len(trajectory.steps)

    return _cut(sorted((tasks[i] for i in rng.permutation(len(tasks))), key=hardness), n_subsets)


@division
def failure(tasks: Sequence[Task], n_subsets: int, rng: np.random.Generator, ctx: Context) -> list[list[Task]]:
    """What went wrong in like ways together: clusters of the evaluator's feedback on the base agent."""
    texts = [feedback.text if feedback else "" for _, feedback in survey(ctx, tasks, "all")]
    return clustered(tasks, texts, n_subsets, rng)


@division(sets_number=True)
def budget(
    tasks: Sequence[Task], n_subsets: int, rng: np.random.Generator, ctx: Context | None = None
) -> list[list[Task]]:
    """Like texts together, packed so that every optimiser prompt fits a token target; sets N itself."""
    room, each = TARGET_TOKENS - MODULE_TOKENS, trajectory_tokens(tasks, ctx)
    sizes = np.array([min(estimate(task.text) + each, room) for task in tasks])
    least = max(n_subsets, 1)
    return clustered(tasks, [task.text for task in tasks], least, rng, lambda rows: -(-int(sizes[rows].sum()) // room))


def trajectory_tokens(tasks: Sequence[Task], ctx: Context | None) -> int:
    """Tokens a trajectory with feedback adds to its task's text in an optimiser prompt.

    What the benchmark says (`trajectory_tokens`), else the mean of a few rollouts of the seed module.
    """
    if ctx is None:
        return TRAJECTORY_TOKENS
    if ctx.bench.trajectory_tokens is not None:
        return ctx.bench.trajectory_tokens
    sample = tasks[:: -(-len(tasks) // SAMPLE)]
    sizes = [estimate(prompts.trajectory_text(task, trajectory, feedback)) - estimate(task.text)
             for task, (trajectory, feedback) in zip(sample, survey(ctx, sample, "sample"), strict=True)
             if trajectory.ok]  # fmt: skip
    return max(TRAJECTORY_TOKENS, round(float(np.mean(sizes)))) if sizes else TRAJECTORY_TOKENS


def survey(
    ctx: Context | None, tasks: Sequence[Task], name: str, evaluated: bool = True
) -> list[tuple[Trajectory, Feedback | None]]:
    """Rollouts of the seed module, with feedback if `evaluated`, in the order of the tasks.

    They are logged as phase "divide" (and "evaluate" without an epoch) under `name`, one survey a name. The
    first epoch asks the same again, which is in the log then and not paid twice.
    """
    if ctx is None:
        raise ValueError("this division needs rollouts of the seed module; use it through fgo.run(divide=...)")
    place = Place("divide", subset=name)
    if evaluated:
        return [(played, words) for _, played, words in explore(ctx, ctx.bench.seed_module, tasks, place)]
    trajectories = rollouts(ctx, ctx.bench.seed_module, tasks, place)
    for played in trajectories:
        ctx.note(Judged(Place("divide", subset=name, task=played.task_id), played))
    return [(played, None) for played in trajectories]


def clustered(
    tasks: Sequence[Task], texts: Sequence[str], n_subsets: int, rng: np.random.Generator,
    needed: Callable[[np.ndarray], int] = lambda rows: 1,
) -> list[list[Task]]:  # fmt: skip
    """Tasks with like texts together, one text a task: halved again and again, sizes balanced to within one.

    needed: how many subsets the tasks with these numbers need; where that is more than they get, they are cut into
    more. Tasks need n log n time.
    """
    vectors = tf_idf(texts, KINDS.findall)
    whole = [(np.arange(len(tasks)), n_subsets)]
    subsets = []
    while whole:
        rows, n = whole.pop()
        n = min(max(n, needed(rows)), len(rows))
        if n == 1:
            subsets.append([tasks[i] for i in rows.tolist()])
            continue
        left = halved(vectors[rows], -(-len(rows) * (n // 2) // n), rng)
        whole += [(rows[~left], n - n // 2), (rows[left], n // 2)]
    return subsets


def _cut(tasks: list[Task], n_subsets: int) -> list[list[Task]]:
    return [[tasks[i] for i in part] for part in np.array_split(np.arange(len(tasks)), n_subsets)]
