"""The short form of the table: every kind of fault is tried a few times, and all of it must be survived."""

import pytest
from common import Row
from table import KINDS, README, page, rows_of, section, sections


@pytest.mark.parametrize("kind", KINDS)
def test_faults_are_survived(kind):
    rows = list(rows_of(kind, short=True))
    assert rows and sum(row.tried for row in rows) > 0
    assert [row for row in rows if row.survived < row.tried or row.twice] == []
    assert all(row.fault in section(kind, rows, "abc1234") for row in rows)


def test_a_kind_that_is_tried_alone_leaves_the_others_as_they_are():
    text = README.read_text(encoding="utf-8")
    known = sections(text)
    assert sorted(known) == KINDS and page(known) == text
    one = section("fault_kill", [Row("kill -9", 7, 7, note="alone")], "abc1234")
    changed = page(known | {"fault_kill": one})
    assert sections(changed) == known | {"fault_kill": one} and "kill, commit abc1234" in changed
