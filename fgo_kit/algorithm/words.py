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
