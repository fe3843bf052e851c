import time

import pytest

from fgo_kit.calls import tokens

ENGLISH = "The transport reference is usually found in the header note of the invoice, after a label. " * 20


def test_estimate_by_hand():
    # invoice: .842 + .059 * 3 = 1.019; 1234567 is three groups of digits: 3 * 1.323; "#" is one run: .988
    assert tokens.estimate("invoice #1234567") == round(1.019 + 3 * 1.323 + 0.988)
    assert tokens.estimate("") == 0
    assert tokens.estimate(".") == 1


def test_estimate_is_near_the_usual_length_of_a_token():
    assert 3.5 < len(ENGLISH) / tokens.estimate(ENGLISH) < 6


@pytest.mark.parametrize(
    "text", ["a" * 10_000, "é" * 50, "発送番号は", "\n\n\n", "\ud800 lone", "A" * 25_000]
)
def test_estimate_takes_any_text(text):
    assert 1 <= tokens.estimate(text) <= 4 * len(text)


def test_count_messages_adds_the_overhead():
    messages = [{"role": "system", "content": "a b"}, {"role": "user", "content": ""}]
    assert tokens.count_messages(messages, lambda text: len(text)) == 2 + (4 + 3) + (4 + 0)


def test_unknown_model_gets_the_estimate():
    assert tokens.encoding_for("no-such-model") == ("estimate", tokens.estimate)


def test_a_fetch_that_hangs_or_fails_gives_the_estimate_and_is_not_repeated(monkeypatch, tmp_path):
    import tiktoken

    calls = []

    def hang(name):
        calls.append(name)
        time.sleep(5)

    tokens._load_encoding.cache_clear()
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(tokens, "FETCH_SECONDS", 0.05)
    monkeypatch.setattr(tiktoken, "get_encoding", hang)
    started = time.time()
    assert tokens.encoding_for("gpt-4o-mini")[0] == "estimate"
    assert tokens.encoding_for("gpt-4o")[0] == "estimate"
    assert time.time() - started < 2
    assert calls == ["o200k_base"]
    tokens._load_encoding.cache_clear()
