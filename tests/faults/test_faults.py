"""The short form of the table: every kind of fault is tried a few times, and all of it must be survived."""

import pytest
from table import KINDS, page, rows_of


@pytest.mark.parametrize("kind", KINDS)
def test_faults_are_survived(kind):
    rows = list(rows_of(kind, short=True))
    assert rows and sum(row.tried for row in rows) > 0
    assert [row for row in rows if row.survived < row.tried or row.twice] == []
    assert all(row.fault in page(rows) for row in rows)
