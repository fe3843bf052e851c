"""Records: JSON in and out, the text of a module, and what a notebook shows of hostile text."""

import json
import math
import re
from html.parser import HTMLParser

import pytest
from helpers import module
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fgo_kit.records import (
    Component,
    Division,
    Feedback,
    MergeNode,
    Module,
    Rule,
    Step,
    Task,
    Trajectory,
    digest,
    from_json,
    to_json,
)

text = st.text(max_size=30)
ids = st.lists(text, max_size=4).map(tuple)
score = st.floats(allow_nan=True, allow_infinity=False)
rule = st.builds(Rule, text, text, ids, ids, text, st.integers(0, 99), st.integers(0, 99))
modules = st.builds(
    Module,
    st.lists(
        st.builds(Component, text, text, st.lists(rule, max_size=3).map(tuple)), min_size=1, max_size=2
    ).map(tuple),
)
leaf = st.builds(MergeNode, text, modules, tasks=ids)
node = st.builds(
    MergeNode,
    text,
    modules,
    st.lists(leaf, max_size=2).map(tuple),
    text,
    st.none() | modules,
    ids,
    ids,
    score,
    score,
)
records = st.one_of(
    st.builds(Task, text, text, text, st.dictionaries(text, text, max_size=3)),
    st.builds(Step, text, text),
    st.builds(
        Trajectory, text, st.lists(st.builds(Step, text, text), max_size=3).map(tuple), text, score, ids, text
    ),
    st.builds(Feedback, text, score, text),
    rule,
    modules,
    st.builds(Division, text, st.lists(ids, max_size=3).map(tuple)),
    node,
)


@given(records)
def test_every_record_survives_json(record):
    written = to_json(record)
    again = from_json(type(record), written)
    assert to_json(again) == written
    assert repr(again) == repr(record)  # not ==: NaN differs from itself


def test_nan_stays_nan_and_is_not_null():
    again = from_json(Trajectory, to_json(Trajectory("t", (), "")))
    assert math.isnan(again.score)
    assert again.cited == () and isinstance(again.steps, tuple)


def test_lone_surrogates_survive_json():
    task = Task("t", "\ud800 \udfff", "\x00")
    assert from_json(Task, to_json(task)) == task


@pytest.mark.parametrize("wrong", ["{}", '{"id": 3, "text": "x"}', '{"id": "a", "text": null}', "[]"])
def test_what_is_no_record_is_refused(wrong):
    with pytest.raises(ValidationError):
        from_json(Task, wrong)


def test_the_text_of_a_module_is_preamble_and_rules_in_order():
    two = Module(
        (
            Component("instructions", "Find it.", (Rule("r2", "second first"), Rule("r1", "then first"))),
            Component("tool_notes", "Use tools.", ()),
        )
    )
    assert str(two) == "Find it.\n[r2] second first\n[r1] then first\n\nUse tools."


def test_a_missing_rule_is_named_with_those_there_are():
    with pytest.raises(KeyError, match=r"'r9'.*\['r1'\]"):
        module(Rule("r1", "text")).rule("r9")


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = set()

    def handle_starttag(self, tag, attrs):
        self.tags |= {tag} | {name for name, _ in attrs}


HOSTILE = "</pre><script>alert(1)</script><img src=x onerror='alert(2)'>\" onclick=\"x\x00\x1b[31m\ud800"


@pytest.mark.parametrize("record", [
    Trajectory(HOSTILE, (Step(HOSTILE, HOSTILE),), HOSTILE, status=HOSTILE),
    module(Rule(HOSTILE, HOSTILE, (HOSTILE,), (HOSTILE,), HOSTILE), preamble=HOSTILE),
    Division(HOSTILE, ((HOSTILE,),)),
    MergeNode(HOSTILE, module(), decision=HOSTILE),
], ids=lambda record: type(record).__name__)  # fmt: skip
def test_hostile_text_is_shown_as_text(record):
    html = record._repr_html_()
    seen = _Tags()
    seen.feed(html)
    assert not seen.tags & {"script", "img", "onerror", "onclick", "src"}
    html.encode("utf-8")  # a notebook writes it to a file
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", html)  # characters that HTML does not allow


def test_walk_gives_children_first():
    leaves = tuple(MergeNode(name, module()) for name in ("s1", "s2"))
    assert [n.id for n in MergeNode("m1", module(), leaves, "merged").walk()] == ["s1", "s2", "m1"]


def test_digest_does_not_depend_on_the_order_of_keys_but_on_everything_else():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert len({digest(value) for value in ({"a": 1}, {"a": "1"}, {"a": 1.5}, {"b": 1}, [1], "\ud800")}) == 6
    assert re.fullmatch("[0-9a-f]{16}", digest(json.loads('{"x": null}')))
