"""Texts as vectors of their words, to tell which are alike."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..records.later import Later

_SPARSE = Later("scipy.sparse")
WORDS = re.compile(r"\b\w\w+\b")
KINDS = re.compile(r"\b[^\W\d]{2,}\b")
"""Words without digits, which name the case and not the kind."""
MOST_WORDS = 4_096
STARTS, ROUNDS = 8, 10
"""Random starts of each cut between like texts, and most rounds from each."""


def tf_idf(
    texts: Sequence[str], words: Callable[[str], list[str]] = WORDS.findall, most: int | None = MOST_WORDS,
    damped: bool = True,
) -> Any:  # fmt: skip
    """Sparse rows of unit length, one a text (zeros for one without words): the frequencies of its words, of which
    rare ones count for more.

    words: of a text in lower case. most: so many of the most frequent words are taken. damped: frequencies count by
    their logarithms.

    >>> tf_idf(["to be", "or not to be", ""]).toarray().shape
    (3, 4)
    """
    columns: dict[str, int] = {}
    places, counts, ends = array("l"), array("d"), array("l", [0])
    for text in texts:
        counted = Counter(words(text.lower()))
        places.extend(columns.setdefault(word, len(columns)) for word in counted)
        counts.extend(counted.values())
        ends.append(len(places))
    rows = _SPARSE.csr_array((np.array(counts), np.array(places), np.array(ends)), shape=(len(texts), len(columns)))
    frequent = np.argsort(-np.asarray(rows.sum(axis=0)), kind="stable")[:most]
    rows = rows[:, np.sort(frequent)]
    held = np.bincount(rows.indices, minlength=rows.shape[1])
    rarity = 1 + np.log((1 + len(texts)) / (1 + held))
    rows.data = (1 + np.log(rows.data) if damped else rows.data) * rarity[rows.indices]
    lengths = np.sqrt(np.asarray((rows * rows).sum(axis=1)))
    rows.data /= np.repeat(lengths, np.diff(rows.indptr))
    return rows


def halved(vectors: Any, size: int, rng: np.random.Generator) -> np.ndarray:
    """Which `size` of the rows belong together: the best of some k-means with two means of given sizes."""
    vectors = vectors[:, np.unique(vectors.indices)]
    n, columns = vectors.shape[0], vectors.T.tocsr()
    weights, half = rng.standard_normal((n, STARTS)), np.empty(0, int)
    for _ in range(ROUNDS):
        order = np.argsort(-(vectors @ (columns @ weights)), axis=0, kind="stable")
        before, half = half, np.sort(order[:size], axis=0)
        if np.array_equal(before, half):
            break
        weights = np.full((n, STARTS), -1 / (n - size))  # from one mean to the other
        np.put_along_axis(weights, half, 1 / size, axis=0)
    distances = np.square(columns @ weights).sum(axis=0)
    return np.isin(np.arange(n), half[:, np.argmax(distances)])


def joined(rows: np.ndarray) -> list[tuple[float, int, int]]:
    """Rows joined pair by pair, those first whose farthest members are closest: (distance, cluster, cluster).

    The clusters are numbered: first come the rows, then what each pair makes. By chains of nearest neighbours, as
    scipy.cluster.hierarchy.linkage(rows, "complete") has them, which takes a fifth of a second to import.

    >>> joined(np.array([[0.0], [5.0], [1.0]]))
    [(1.0, 0, 2), (5.0, 1, 3)]
    """
    n, apart = len(rows), _distances(rows)
    found, chain, left = [], [], list(range(n))
    for _ in range(n - 1):
        chain = chain or left[:1]
        while len(chain) < 2 or apart[chain[-1], chain[-2]] > apart[chain[-1]].min():
            chain.append(int(apart[chain[-1]].argmin()))
        gone, kept = sorted(chain[-2:])
        found.append((float(apart[gone, kept]), gone, kept))
        chain = chain[:-2]
        left.remove(gone)
        apart[kept] = apart[:, kept] = np.maximum(apart[gone], apart[kept])
        apart[gone] = apart[:, gone] = np.inf
    pairs, cluster = [], list(range(n))  # of each row that is left, the cluster that it stands for
    for distance, gone, kept in sorted(found, key=lambda pair: pair[0]):
        pairs.append((distance, *sorted((cluster[gone], cluster[kept]))))
        cluster[kept] = n + len(pairs) - 1
    return pairs


def _distances(rows: np.ndarray) -> np.ndarray:
    """Between all pairs of rows, infinite to themselves; summed as scipy does, so that ties are the same ones."""
    columns, apart = np.ascontiguousarray(rows.T), np.full((len(rows), len(rows)), np.inf)
    for at in range(len(rows) - 1):
        squares = np.square(columns[:, at:] - columns[:, [at]])
        apart[at, at + 1 :] = apart[at + 1 :, at] = np.sqrt(squares.sum(axis=0))[1:]
    return apart
