"""How tasks are split, for all loaders.

Near-duplicates stay together and classes keep their shares; a smaller training set is part of a larger one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np

from ..records import Task

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def checked_seed(seed: int, name: str = "split_seed") -> None:
    """ValueError for a seed that numpy's generators do not take."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"{name}={seed!r} is not allowed; use an integer >= 0")


def training_set(tasks: Sequence[Task], n_train: int | None, split_seed: int) -> tuple[Task, ...]:
    """`n_train` of the tasks (None: all) in an order drawn from the seed; ValueError when there are not so many."""
    n_train = _some_of(tasks, "n_train", n_train, "training")
    order = np.random.default_rng([split_seed, 1]).permutation(len(tasks))
    return tuple(tasks[at] for at in order[:n_train])


def testing_set(tasks: Sequence[Task], n_test: int | None, split_seed: int) -> tuple[Task, ...]:
    """`n_test` of the tasks (None: all), drawn by the seed and left in their order; a smaller number's are among a
    larger one's. ValueError when there are not so many."""
    n_test = _some_of(tasks, "n_test", n_test, "test")
    order = np.random.default_rng([split_seed, 4]).permutation(len(tasks))
    return tuple(tasks[at] for at in sorted(order[:n_test]))


def _some_of(tasks: Sequence[Task], name: str, value: int | None, kind: str) -> int:
    if value is None:
        return len(tasks)
    if not isinstance(value, Integral) or isinstance(value, bool) or not 1 <= value <= len(tasks):
        what = "is outside" if isinstance(value, Integral) else "is no whole number of"
        raise ValueError(f"{name}={value!r} {what} 1..{len(tasks)}, the {kind} tasks there are")
    return int(value)


def near_duplicates(texts: list[str], threshold: float = 0.9, masked: bool = True) -> list[int]:
    """A group number per text: connected components of TF-IDF cosine >= threshold.

    masked: identifiers and numbers do not count, as in documents of one form; otherwise all words and pairs of them do.
    """
    from scipy.sparse import vstack
    from scipy.sparse.csgraph import connected_components
    from sklearn.feature_extraction.text import TfidfVectorizer

    if masked:
        texts = [re.sub(r"\S*\d\S*", " ", text) for text in texts]
        counted = TfidfVectorizer(token_pattern=r"[^\W\d_]+")
    else:
        counted = TfidfVectorizer(token_pattern=r"\w+|[^\w\s]", ngram_range=(1, 2))
    vectors = counted.fit_transform(texts)
    close = vstack([_close(vectors[at : at + 1_000] @ vectors.T, threshold) for at in range(0, len(texts), 1_000)])
    return connected_components(close, directed=False)[1].tolist()


def _close(likeness: csr_array, threshold: float) -> csr_array:
    likeness.data[likeness.data < threshold] = 0.0
    likeness.eliminate_zeros()  # a thousand rows at a time: all pairs of many texts take more memory than there is
    return likeness


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
