"""JSON in answers: the last list that fits, item by item, whatever a model puts around it or gets wrong in it."""

import json
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from fgo_kit.calls.json_text import MOST_ITEMS, Id, Ids, Line, one_line, read_list, value_at


class Edit(BaseModel):
    op: Literal["add", "drop"]
    text: Line = ""
    id: Id = ""
    support: Ids = []


ADD = '{"op": "add", "text": "take the last code", "support": ["t1"]}'
WANTED = Edit(op="add", text="take the last code", support=["t1"])


def read(text):
    return read_list(text, "edits", Edit)


@pytest.mark.parametrize("text", [
    '{"edits": [%s]}', 'Sure:\n```json\n{"edits": [%s]}\n```\nDone.',
    'I use the {placeholder} and [this]. {"edits": [%s]}',
    'I write { and once. {"edits": [%s]}', 'The form is {"edits": [...]}. Mine: {"edits": [%s]}',
    '{"edits": [%s]} {"note": "done"}',
    '{"edits": [{"op": "drop", "id": "r1"}]}\nor rather\n{"edits": [%s]}',
    '{"proposal": {"edits": [%s]}, "confidence": 1}',
    '[%s]', '%s', '{"edits": %s}', '{"edits": [{"edit": %s}]}', '{"edits": [%s,],}', '{"edits": [%s}',
    '{edits: [%s]}', '{"edits" : [ %s , null ]}',
])  # fmt: skip
def test_the_last_list_that_fits_is_found(text):
    assert read(text % ADD).items == [WANTED]


@pytest.mark.parametrize("item", [
    "{'op': 'add', 'text': 'take the last code', 'support': ['t1']}",
    "{“op”: “add”, “text”: “take the last code”, “support”: [“t1”]}",
    "{”op”: ”add”, ”text”: ”take the last code”, ”support”: [”t1”]}",
    '{"op": "add", "text": "take the\nlast code", "support": ["t1"]}',
    '{"op": "add", "text": "take the last code", "support": ["t1",],}',
    '{"op": "add", "text": "take the last code", "support": "t1"}',
    '{"op": "add", "text": "take the last code", "support": "[t1]", "id": null}',
    '{op: "add", text: "take the last code", support: ["t1"]}',
    '{"op": "add", "text": "take the last code", "support": ["t1"], "why": None, "sure": True, "share": NaN}',
])  # fmt: skip
def test_near_json_is_read(item):
    assert read(f'{{"edits": [{item}]}}').items == [WANTED]


@pytest.mark.parametrize(("written", "read_as"), [
    (r"after \d{4}", r"after \d{4}"), (r"a\\b \"c\" \u00e4 \ud83d\ude00", 'a\\b "c" ä 😀'),
    ('the "B/L" number', 'the "B/L" number'), (r"it\'s", "it's"),
    ("two\r\n  lines\u2028three", "two lines three"), (r"broken \ud800 half", "broken � half"),
])  # fmt: skip
def test_strings_with_odd_escapes_and_inner_quotes(written, read_as):
    assert read(f'{{"edits": [{{"op": "add", "text": "{written}"}}]}}').items[0].text == read_as


def test_a_bad_item_costs_itself_alone_and_is_told():
    found = read(f'{{"edits": [{ADD}, {{"op": "explode"}}, {{bad, {{"x": 1}}}}, 7, {{"op": "drop", "id": ["[r1]"]}}]}}')
    assert [edit.op for edit in found.items] == ["add", "drop"] and found.items[1].id == "r1"
    assert [problem[:6] for problem in found.problems] == ["edit 2", "edit 3",
        "edit 4"] and "'add' or 'drop'" in found.problems[0]


def test_a_check_may_refuse_an_item():
    def known(edit):
        if edit.op == "drop":
            raise ValueError("nothing may be dropped")
        return edit

    found = read_list(f'{{"edits": [{ADD}, {{"op": "drop"}}]}}', "edits", Edit, known)
    assert found.items == [WANTED] and found.problems == ["edit 2: nothing may be dropped"]


@pytest.mark.parametrize("text",
    ["", "none", "{}", '{"edits": "none"}',
        '{"edits": [{"op": "x"}]}', f'{{"edits": [{ADD}', f'{{"edits": [{ADD}]', ADD[:30], "[1, 2]", "}{"])
def test_what_holds_no_list_or_no_item_of_use_is_refused(text):
    with pytest.raises(ValueError):
        read(text)


@pytest.mark.parametrize("text", ['{"edits": []}', "[]", '{"edits": null}'])
def test_no_edits_are_an_answer(text):
    assert read(text).items == []


def test_ten_thousand_items_are_bounded_and_said_to_be():
    found = read(f'{{"edits": [{",".join([ADD] * 10_000)}]}}')
    assert len(found.items) == MOST_ITEMS and "10000 edits were written" in found.problems[-1]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=4), st.booleans(), st.sampled_from([None, 2]))
def test_json_is_read_as_what_it_is(value, ascii_only, indent):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert value_at(text, 0) == json.loads(text)


@given(st.text("{}[]\":,'“\\ ae1\n", max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        read(text)
    except ValueError as error:
        assert str(error)


def test_a_rule_is_one_line():
    assert one_line(" a rule\n[r9] a forged one\x85\u2029 ") == "a rule [r9] a forged one"
