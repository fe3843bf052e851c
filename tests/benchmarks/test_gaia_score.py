"""GAIA's scorer: hand-worked cases for every branch, and random strings against a reference written for this test."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fgo_kit.benchmarks.gaia.benchmark import score
from fgo_kit.calls.reply_text import final_answer

# answer, truth, right?
CASES = [
    # 1. the truth is a number
    ("42", "42", True), ("42.0", "42", True), ("42", "42.0", True), ("042", "42", True), ("+42", "42", True),
    ("4.2e1", "42", True), (" 42 ", "42", True), ("42.", "42", True), ("$42", "42", True), ("42%", "42", True),
    ("$1,234.50", "1234.5", True), ("1,234,567", "1234567", True), ("-3", "-3", True), ("3", "-3", False),
    ("−3", "-3", False),  # the minus sign of typesetters
    ("42 km", "42", False), ("about 42", "42", False), ("42 ", "42.00", True), ("42.001", "42", False),
    ("forty-two", "42", False), ("FINAL ANSWER: 42", "42", False), ("", "42", False), ("€42", "42", False),
    ("4 2", "42", False), ("1_000", "1000", True), ("1 000", "1000", False), ("1.000", "1000", False),
    ("42;", "42", False), ("42,", "42", True), (",42", "42", True), ("%$,42", "42", True), ("0.1", ".1", True),
    ("0", "-0", True), ("1e3", "1000", True), ("0x10", "16", False), ("٤٢", "42", True),  # Arabic digits
    ("nan", "nan", False), ("inf", "inf", True), ("no number at all", "inf", True), ("no number", "-inf", False),
    ("anything", "1e999", True), ("12", " 12\n", True),
    # 2. the truth is a list
    ("a, b", "a, b", True), ("a,b", "a, b", True), ("A, B", "a, b", True), ("a; b", "a, b", True),
    ("b, a", "a, b", False), ("a", "a, b", False), ("a, b, c", "a, b", False), ("a, b,", "a, b", False),
    ("a, b,", "a, b,", True), ("a and b", "a, b", False), ("1,000", "1,000", True), ("1000", "1,000", False),
    ("1,0", "1,000", True), ("1, 000.0", "1,000", True), ("$1, 2%", "1,2", True), ("1, 2 km", "1, 2", False),
    ("a.b, c", "ab, c", False), ("a b, c", "ab, c", True), ("3;4", "3;4.0", True), ("3,4", "3;4", True),
    ("x, 3", "x, 3.00", True), ("x!, 3", "x, 3", False), ("x, three", "x, 3", False), (",", ",", True),
    ("", ",", False), ("a,,b", "a,,b", True), ("a, ,b", "a,,b", True), ("a,,b", "a,0,b", False),
    ("(a), b", "a, b", False), ("Ünal, b", "ünal, B", True), ("x, inf", "x, inf", True), ("x, y", "x, inf", True),
    # 3. any other truth
    ("Paris", "paris", True), ("paris.", "Paris", True), ("sea gull", "seagull", True), ("Sea-Gull!", "seagull", True),
    ("the seagull", "seagull", False), ("St. Petersburg", "st petersburg", True), ("90 km", "90km", True),
    ("90 kilometres", "90 km", False), ("90", "90 km", False), ("12:30", "1230 h", False), ("12:30", "12:30", True),
    ("1230", "12:30", True), ("café", "cafe", False), ("CAFÉ", "café", True), ("“quoted”", "quoted", False),
    ('"quoted"', "quoted", True), ("a\tb\nc", "abc", True), ("", "", True), ("...", "", True), ("x", "", False),
    ("FINAL ANSWER: Paris", "Paris", False), ("a_b", "ab", True), ("a–b", "ab", False), ("a\u00a0b", "ab", True),
    ("STRASSE", "straße", False), ("$5", "5 dollars", False), ("a, b", "ab", True), ("1/2", "12 ", False),
    ("1 2", "1 2", True), ("3.5.1", "3.5.1", True), ("351", "3.5.1", True),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "truth", "right"), CASES)
def test_case_worked_by_hand(answer, truth, right):
    assert score(answer, truth) is right


def reference(answer: str, truth: str) -> bool:
    """The same rules written anew: one character at a time, without regular expressions or translation tables."""

    def as_number(text):
        try:
            return float(text)
        except ValueError:
            return None

    def stripped(text):
        return as_number("".join(c for c in text if c not in "$%,"))

    def squeezed(text, without_punctuation):
        kept = [c for c in text if not c.isspace()]
        ascii_marks = [chr(n) for n in range(33, 127) if not chr(n).isalnum()]
        return "".join(kept).lower() if not without_punctuation else "".join(
            c for c in "".join(kept).lower() if c not in ascii_marks
        )  # fmt: skip

    def parts(text):
        found = [""]
        for c in text:
            if c in ",;":
                found.append("")
            else:
                found[-1] += c
        return found

    def equal_numbers(given, wanted):
        number = stripped(given)
        return (float("inf") if number is None else number) == wanted

    wanted = as_number(truth)
    if wanted is not None:
        return equal_numbers(answer, wanted)
    if "," not in truth and ";" not in truth:
        return squeezed(answer, True) == squeezed(truth, True)
    if len(parts(answer)) != len(parts(truth)):
        return False
    for given_part, wanted_part in zip(parts(answer), parts(truth), strict=True):
        number = as_number(wanted_part)
        same = (
            equal_numbers(given_part, number)
            if number is not None
            else squeezed(given_part, False) == squeezed(wanted_part, False)
        )
        if not same:
            return False
    return True


@pytest.mark.parametrize(("answer", "truth", "right"), CASES)
def test_the_reference_agrees_with_the_cases(answer, truth, right):
    assert reference(answer, truth) is right


PIECES = st.sampled_from(
    ["1", "0", "42", ".", ",", ";", "$", "%", "-", "+", "e", "E", " ", "\t", "\u00a0", "a", "A", "b", "ß", "İ", "!", "_",
     "inf", "nan", "km", "(", ")", "'", "\x1c", "½", "²", "٣", "\n"]
)  # fmt: skip
STRINGS = st.one_of(st.text(max_size=12), st.lists(PIECES, max_size=7).map("".join))


@settings(max_examples=1_500, deadline=None)
@given(STRINGS, STRINGS, st.booleans())
@example("1 ,2", "1,2", False)
def test_random_strings_are_scored_as_the_reference_does(answer, truth, same):
    answer = truth if same else answer
    assert score(answer, truth) is reference(answer, truth)


@settings(max_examples=500, deadline=None)
@given(st.lists(PIECES, max_size=6), st.integers(0, 6), PIECES)
def test_answers_near_the_truth_are_scored_as_the_reference_does(pieces, at, extra):
    truth = "".join(pieces)
    for answer in ("".join([*pieces[:at], extra, *pieces[at:]]), "".join([*pieces[:at], *pieces[at + 1 :]])):
        assert score(answer, truth) is reference(answer, truth)


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("THOUGHT: x\nFINAL ANSWER: 42", "42"), ("FINAL ANSWER: 1\nFINAL ANSWER: 2", "2"), ("final answer: Paris", "Paris"),
        ("**FINAL ANSWER:** 42", "42"), ("**FINAL ANSWER: 42**", "42"), ("FINAL ANSWER:\n\n42\n", "42"),
        ("FINAL ANSWER: `a, b`", "a, b"), ("FINAL ANSWER: $5", "$5"), ("FINAL_ANSWER: 7", "7"), ("FINAL ANSWER:", ""),
        ("FINAL ANSWER: -3", "-3"), ("- FINAL ANSWER: x: y", "x: y"), ("ANSWER: 42", None), ("42", None), ("", None),
        ("the final answer: no", None), ("FINAL ANSWER 42", None), ("FINAL ANSWER: **42**.", "42"), ("FINAL ANSWER: 42.", "42."),
        ("FINAL ANSWER:\n- 42", "42"), ("FINAL ANSWER:\n-42", "-42"), ("FINAL ANSWER: * a", "a"),
    ],
)  # fmt: skip
def test_the_answer_is_taken_from_its_line(reply, answer):
    assert final_answer(reply) == answer
