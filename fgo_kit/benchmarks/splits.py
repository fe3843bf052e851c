"""How tasks are split, for all loaders.

Near-duplicates stay together and classes keep their shares; a smaller training set is part of a larger one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ..records import Task


def checked_seed(split_seed: int) -> None:
    """ValueError for a seed that numpy's generators do not take."""
    if isinstance(split_seed, bool) or not isinstance(split_seed, (int, np.integer)) or split_seed < 0:
        raise ValueError(f"split_seed={split_seed!r} is not allowed; use an integer >= 0")


def training_set(tasks: Sequence[Task], n_train: int | None, split_seed: int) -> tuple[Task, ...]:
    """`n_train` of the tasks (None: all) in an order drawn from the seed; ValueError when there are not so many."""
    n_train = len(tasks) if n_train is None else n_train
    if not 1 <= n_train <= len(tasks):
        raise ValueError(f"n_train={n_train} is outside 1..{len(tasks)}, the training tasks there are")
    order = np.random.default_rng([split_seed, 1]).permutation(len(tasks))
    return tuple(tasks[at] for at in order[:n_train])


def near_duplicates(texts: list[str], threshold: float = 0.9) -> list[int]:
    """A group number per text: connected components of TF-IDF cosine >= threshold, identifiers masked."""
    from scipy.sparse.csgraph import connected_components
    from sklearn.feature_extraction.text import TfidfVectorizer

    masked = [re.sub(r"\S*\d\S*", " ", text) for text in texts]
    vectors = TfidfVectorizer(token_pattern=r"[^\W\d_]+").fit_transform(masked)
    close = (vectors @ vectors.T).toarray() >= threshold
    return connected_components(close, directed=False)[1].tolist()


def deal(groups: list[str], positive: list[bool], shares: Sequence[float], rng: np.random.Generator) -> list[list[int]]:
    """Indexes dealt to parts of about these shares, each with about the same share of `positive`.

    Whole groups go to the part that lacks most, in random order, large ones first: they are the hardest
    to place. Like scikit-learn's StratifiedGroupKFold, for unequal parts too.

    >>> deal(["a", "b", "a", "c"], [True, True, True, False], (0.5, 0.5), np.random.default_rng(0))
    [[0, 2], [1, 3]]
    """
    members: dict[str, list[int]] = {}
    for at, group in enumerate(groups):
        members.setdefault(group, []).append(at)
    shuffled = [list(members.values())[at] for at in rng.permutation(len(members))]
    total = np.array([sum(positive), len(positive) - sum(positive)])
    lacking = np.outer(shares, total).astype(float)
    parts: list[list[int]] = [[] for _ in shares]
    for group in sorted(shuffled, key=len, reverse=True):
        yes = sum(positive[at] for at in group)
        size = np.array([yes, len(group) - yes])
        # The part where the squared lack falls most: |lacking - size|^2 - |lacking|^2.
        part = int(np.argmin((size**2 - 2 * lacking * size).sum(axis=1)))
        lacking[part] -= size
        parts[part] += group
    return [sorted(part) for part in parts]
