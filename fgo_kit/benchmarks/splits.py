"""Splits of real documents: near-duplicates stay together, classes keep their shares."""

from __future__ import annotations

import re

import numpy as np


def near_duplicates(texts: list[str], threshold: float = 0.9) -> list[int]:
    """A group number per text: connected components of TF-IDF cosine >= threshold, identifiers masked."""
    from scipy.sparse.csgraph import connected_components
    from sklearn.feature_extraction.text import TfidfVectorizer

    masked = [re.sub(r"\S*\d\S*", " ", text) for text in texts]
    vectors = TfidfVectorizer(token_pattern=r"[^\W\d_]+").fit_transform(masked)
    close = (vectors @ vectors.T).toarray() >= threshold
    return connected_components(close, directed=False)[1].tolist()


def deal(
    groups: list[str], positive: list[bool], shares: tuple[float, ...], rng: np.random.Generator
) -> list[list[int]]:
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
