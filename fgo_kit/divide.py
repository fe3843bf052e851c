"""Divide: tasks -> Division, one plain function per strategy.

A strategy is `f(tasks, n_subsets, rng) -> list of lists of tasks`; `division` puts it in the
registry under its own name, from here or from a notebook cell:

    @division
    def by_length(tasks, n_subsets, rng):
        "Short documents together."
        return [list(part) for part in np.array_split(sorted(tasks, key=lambda t: len(t.text)), n_subsets)]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .records import Division, Task
from .tokens import estimate

Strategy = Callable[[Sequence[Task], int, np.random.Generator], list[list[Task]]]
DIVISIONS: dict[str, Strategy] = {}

TARGET_TOKENS = 8_000
"""Prompt size, in tokens, that `budget` packs a subset's optimiser prompt into."""
MODULE_TOKENS = 1_500
"""Part of the target left for instructions and the module."""
TRAJECTORY_TOKENS = 220
"""Tokens a trajectory adds to its task's text: tags, the agent's reply, feedback."""


def division(strategy: Strategy) -> Strategy:
    """Register a division strategy under its function name (decorator)."""
    DIVISIONS[strategy.__name__] = strategy
    return strategy


def divide(tasks: Sequence[Task], strategy: str, n_subsets: int | None, rng: np.random.Generator) -> Division:
    """Partition `tasks` by a named strategy.

    With `n_subsets=None` the subsets are packed by tokens: "similar" becomes "budget", and any other
    strategy makes as many subsets as "budget" would. Raises ValueError for an unknown strategy, for
    n_subsets outside 1..len(tasks), and when a strategy does not return a partition.
    """
    if strategy not in DIVISIONS:
        raise ValueError(f"divide={strategy!r} is unknown; use one of {sorted(DIVISIONS)} or register your own")
    if not tasks:
        raise ValueError("the training split is empty; there is nothing to divide")
    if n_subsets is None:
        packed = budget(tasks, 0, rng)
        if strategy in ("similar", "budget"):
            return _checked("budget", packed, tasks)
        n_subsets = len(packed)
    if not isinstance(n_subsets, int | np.integer) or isinstance(n_subsets, bool) or n_subsets < 1:
        raise ValueError(f"n_subsets={n_subsets!r} is not a number of subsets; use 1 <= n_subsets <= {len(tasks)}")
    if n_subsets > len(tasks):
        raise ValueError(
            f"n_subsets={n_subsets} exceeds the {len(tasks)} tasks given; use n_subsets <= {len(tasks)}"
        )
    return _checked(strategy, DIVISIONS[strategy](tasks, int(n_subsets), rng), tasks)


def _checked(strategy: str, subsets: list[list[Task]], tasks: Sequence[Task]) -> Division:
    ids = tuple(tuple(task.id for task in subset) for subset in subsets if len(subset))
    if sorted(task_id for subset in ids for task_id in subset) != sorted(task.id for task in tasks):
        raise ValueError(f"divide={strategy!r} did not return a partition: every task must be in exactly one subset")
    return Division(strategy, ids)


@division
def random(tasks: Sequence[Task], n_subsets: int, rng: np.random.Generator) -> list[list[Task]]:
    """Shuffled, then cut into equal parts."""
    order = rng.permutation(len(tasks))
    return [[tasks[i] for i in part] for part in np.array_split(order, n_subsets)]


@division
def similar(tasks: Sequence[Task], n_subsets: int, rng: np.random.Generator) -> list[list[Task]]:
    """Like texts together: TF-IDF and k-means, sizes balanced to within one task."""
    if n_subsets == 1:
        return [list(tasks)]
    from scipy.optimize import linear_sum_assignment  # here, because importing it takes a second
    from sklearn.cluster import KMeans

    vectors = _vectors(tasks)
    means = KMeans(n_subsets, n_init=1, random_state=int(rng.integers(2**31))).fit(vectors)
    sizes = [len(part) for part in np.array_split(np.arange(len(tasks)), n_subsets)]
    seats = np.repeat(np.arange(n_subsets), sizes)
    _, seat_of = linear_sum_assignment(means.transform(vectors)[:, seats])
    return [[task for task, seat in zip(tasks, seat_of, strict=True) if seats[seat] == n] for n in range(n_subsets)]


@division
def budget(tasks: Sequence[Task], n_subsets: int, rng: np.random.Generator) -> list[list[Task]]:
    """Like texts together, packed so that every optimiser prompt fits a token target; sets N itself."""
    room = TARGET_TOKENS - MODULE_TOKENS
    sizes = {task.id: estimate(task.text) + TRAJECTORY_TOKENS for task in tasks}
    n = max(n_subsets, -(-sum(sizes.values()) // room), 1)
    while True:  # one more cluster until every subset fits, or every task stands alone
        subsets = [list(tasks)] if n == 1 else similar(tasks, min(n, len(tasks)), rng)
        if n >= len(tasks) or all(sum(sizes[task.id] for task in subset) <= room for subset in subsets):
            return subsets
        n += max(1, n // 8)


def _vectors(tasks: Sequence[Task]) -> np.ndarray:
    """TF-IDF rows of the tasks' words; digits are left out, they name the case and not the kind."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [f"{task.text} task" for task in tasks]  # one word that all share, so that none is without any
    words = TfidfVectorizer(token_pattern=r"(?u)\b[^\W\d]{2,}\b", sublinear_tf=True, max_features=4_096)
    return words.fit_transform(texts).toarray()
