"""How tasks are split, for all loaders.

Near-duplicates stay together and classes keep their shares; a smaller training set is part of a larger one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np

from ..algorithm.benchmark import Benchmark
from ..algorithm.words import tf_idf
from ..records import Task
from ..records.later import Later

if TYPE_CHECKING:
    from scipy.sparse import csr_array

SPLITS, SHARES = ("train", "gate", "test"), (0.5, 0.15, 0.35)  # of all tasks, where nobody has split them
_SPARSE, _GRAPHS = Later("scipy.sparse"), Later("scipy.sparse.csgraph")


@dataclass(frozen=True)
class InSplits(Benchmark):
    """A benchmark that holds its tasks in three splits."""

    name: str
    train: tuple[Task, ...]
    gate: tuple[Task, ...]
    test: tuple[Task, ...]


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
    if masked:
        texts = [re.sub(r"\S*\d\S*", " ", text) for text in texts]
    vectors = tf_idf(texts, re.compile(r"[^\W\d_]+").findall if masked else _words_and_pairs, most=None, damped=False)
    vectors = vectors[:, np.argsort(np.bincount(vectors.indices, minlength=vectors.shape[1]), kind="stable")]
    vectors.sort_indices()  # rare words first
    telling = _telling(vectors, threshold)
    parts = (slice(at, at + 100) for at in range(0, len(texts), 100))
    close = _SPARSE.vstack([_close(vectors[part], vectors, telling[part] @ telling.T, threshold) for part in parts])
    return _GRAPHS.connected_components(close, directed=False)[1].tolist()


def _words_and_pairs(text: str) -> list[str]:
    words = re.findall(r"\w+|[^\w\s]", text)
    return [*words, *map(" ".join, pairwise(words))]


def _telling(vectors: csr_array, threshold: float) -> csr_array:
    """The rows with only so many of their rarest words that the others are shorter than the threshold: two rows that
    are as like as that have one of these in common, and all other pairs need not be looked at."""
    squares = np.cumsum(vectors.data**2)
    before = squares - vectors.data**2
    before -= np.repeat(np.r_[0.0, squares][vectors.indptr[:-1]], np.diff(vectors.indptr))
    telling = vectors.copy()
    telling.data = np.where(before <= 1 - threshold**2 + 1e-9, 1.0, 0.0)
    telling.eliminate_zeros()
    return telling


def _close(some: csr_array, vectors: csr_array, candidates: csr_array, threshold: float) -> csr_array:
    """Which of some rows are close to which others, of the pairs that are not zero in `candidates`."""
    pairs = candidates.tocoo()
    pairs.data = np.asarray(some[pairs.row].multiply(vectors[pairs.col]).sum(axis=1)).ravel()
    pairs.data[pairs.data < threshold] = 0.0
    pairs.eliminate_zeros()
    return pairs.tocsr()


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
