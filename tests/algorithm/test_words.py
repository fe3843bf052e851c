"""Vectors of words agree with scikit-learn's, and hold for any text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from fgo_kit.algorithm.words import KINDS, WORDS, tf_idf


@pytest.mark.parametrize("words, pattern", [(WORDS, r"(?u)\b\w\w+\b"), (KINDS, r"(?u)\b[^\W\d]{2,}\b")])
@given(texts=st.lists(st.text(alphabet="abÉ 12_.\n", max_size=20), min_size=1, max_size=8))
def test_likeness_is_that_of_scikit_learn(words, pattern, texts):
    texts = [*texts, "some words"]
    theirs = TfidfVectorizer(token_pattern=pattern, sublinear_tf=True).fit_transform(texts)
    ours = tf_idf(texts, words)
    assert np.allclose((ours @ ours.T).toarray(), (theirs @ theirs.T).toarray())


def test_texts_without_words_have_no_direction():
    assert tf_idf(["", "?"]).shape == (2, 0)
    assert not tf_idf(["", "word"]).toarray()[0].any()
