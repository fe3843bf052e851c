"""Vectors of words agree with scikit-learn's, and hold for any text."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from fgo_kit.algorithm.words import KINDS, WORDS, tf_idf
from fgo_kit.benchmarks.splits import near_duplicates


@pytest.mark.parametrize("words, pattern", [(WORDS, r"(?u)\b\w\w+\b"), (KINDS, r"(?u)\b[^\W\d]{2,}\b")])
@given(texts=st.lists(st.text(alphabet="abÉ 12_.\n", max_size=20), min_size=1, max_size=8))
def test_likeness_is_that_of_scikit_learn(words, pattern, texts):
    texts = [*texts, "some words"]
    theirs = TfidfVectorizer(token_pattern=pattern, sublinear_tf=True).fit_transform(texts)
    ours = tf_idf(texts, words.findall)
    assert np.allclose((ours @ ours.T).toarray(), (theirs @ theirs.T).toarray())


def test_texts_without_words_have_no_direction():
    assert tf_idf(["", "?"]).shape == (2, 0)
    assert not tf_idf(["", "word"]).toarray()[0].any()


@pytest.mark.parametrize("masked", [True, False])
@given(texts=st.lists(st.text(alphabet="ab 1", max_size=14), min_size=1, max_size=12), threshold=st.floats(0.3, 0.99))
def test_near_duplicates_are_those_of_all_pairs(masked, texts, threshold):
    shown = [re.sub(r"\S*\d\S*", " ", text) for text in texts] if masked else texts
    words = re.compile(r"[^\W\d_]+").findall if masked else words_and_pairs
    rows = tf_idf(shown, words, damped=False).toarray()
    groups = list(range(len(texts)))
    for i, j in itertools.combinations(range(len(texts)), 2):
        likeness = rows[i] @ rows[j]
        assume(abs(likeness - threshold) > 1e-9)
        if likeness > threshold:
            groups = [groups[i] if group == groups[j] else group for group in groups]
    found = near_duplicates(texts, threshold, masked)
    assert [a == b for a, b in itertools.product(groups, groups)] == [a == b for a, b in itertools.product(found, found)]


def words_and_pairs(text):
    words = re.findall(r"\w+|[^\w\s]", text)
    return [*words, *map(" ".join, itertools.pairwise(words))]
