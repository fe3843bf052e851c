"""`browse(run)`: look through trajectories in a notebook. A thin face of `table.Table`.

Without a kernel, or where widgets are not shown, the output is a page of plain HTML with the first rows and
one open trajectory. FGO_HEADLESS=1 in the environment leaves that page alone, for notebooks to be committed.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import anywidget
import traitlets

from ..records import escape, folded, pre
from ..runs.result import Run
from .table import LIMIT, Query, Table

STATIC = Path(__file__).parent / "static"
STATIC_ROWS = 8
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"


def browse(run: Run, *others: Run) -> Browser:
    """The trajectories of a run, to filter, sort, open and set side by side.

    Further runs over the same tasks, say with method "base", come first when one task's trajectories are
    compared: `browse(base, run)` shows which test tasks were gained and lost.
    """
    for one in (run, *others):
        if not isinstance(one, Run):
            raise TypeError(f"browse takes runs, not {type(one).__name__}; give what fgo.run(...) returned")
    return Browser(Table([run, *others]))


class Browser(anywidget.AnyWidget):
    """The face: `query` and `chosen` come from the page or from Python, `page` and `detail` answer them.

    query: see `table.Query`. chosen: numbers of the open trajectory and, if any, of the one beside it.
    """

    _esm = STATIC / "browser.js"
    _css = STATIC / "browser.css"
    facets = traitlets.Dict().tag(sync=True)
    query = traitlets.Dict().tag(sync=True)
    page = traitlets.Dict().tag(sync=True)
    chosen = traitlets.List(traitlets.Int()).tag(sync=True)
    limit = traitlets.Int(LIMIT).tag(sync=True)
    details = traitlets.List().tag(sync=True)
    sizes = traitlets.Dict().tag(sync=True)

    def __init__(self, table: Table, **choices):
        self.table = table
        sizes = {"trajectories": len(table.rows), "runs": len(table.runs)}
        super().__init__(facets=table.facets, page=table.page(Query()), sizes=sizes, **choices)
        warming = threading.Timer(1.0, table.warm)  # after the first paint
        warming.daemon = True
        warming.start()

    @traitlets.validate("query")
    def _check_query(self, proposal):
        Query.of(proposal["value"])
        return proposal["value"]

    @traitlets.observe("query")
    def _find(self, change) -> None:
        self.page = self.table.page(Query.of(change["new"]))

    @traitlets.validate("chosen")
    def _check_chosen(self, proposal):
        wrong = [number for number in proposal["value"] if not 0 <= number < len(self.table.rows)]
        if wrong or len(proposal["value"]) > 2:
            raise ValueError(
                f"chosen={proposal['value']!r}: at most two numbers below {len(self.table.rows)}"
            )
        return proposal["value"]

    @traitlets.observe("chosen", "limit")
    def _open(self, change) -> None:
        self.details = [self.table.detail(number, self.limit) for number in self.chosen]

    def __repr__(self) -> str:
        return f"Browser of {len(self.table.rows):,} trajectories of {', '.join(self.table.labels)}"

    def _repr_mimebundle_(self, **options):
        data, metadata = super()._repr_mimebundle_(**options)
        data["text/html"] = static_page(self.table)
        if os.environ.get("FGO_HEADLESS"):
            del data[WIDGET_MIME]
        return data, metadata


def static_page(table: Table, rows: int = STATIC_ROWS) -> str:
    """Plain HTML: the first trajectories that were gained, else the first of all, and one of them open."""
    query = Query(change="gained", down=True)
    found = table.page(query)
    kind = " that were gained" if found["total"] else ""
    found = found if found["total"] else table.page(Query())
    shown = found["rows"][:rows]
    if not shown:
        return "<p>no trajectories</p>"
    heads = ("task", "run", "where", "outcome", "answer", "expected", "cited")
    head = "".join(f"<th>{name}</th>" for name in heads)
    body = "".join(
        "<tr>"
        + "".join(f"<td style='text-align:left'><bdi>{escape(row[name])}</bdi></td>" for name in heads)
        + "</tr>"
        for row in shown
    )
    return (
        f"<p>{len(table.rows):,} trajectories; the first {len(shown)} of {found['total']:,}{kind}. "
        f"Run the cell to filter, sort and open them.</p><table><tr>{head}</tr>{body}</table>"
        f"{static_trajectory(table.detail(shown[0]['i'], limit=4_000))}"
    )


def static_trajectory(detail: dict) -> str:
    """One open trajectory as plain HTML."""
    steps = "".join(
        folded(
            f"step {number}: <bdi>{escape(step['brief'])}</bdi>",
            pre(step["saw"]) + pre(step["did"]),
            number == 1,
        )
        for number, step in enumerate(detail["steps"], 1)
    )
    rules = "".join(
        f"<li><code>{escape(rule['id'])}</code> <bdi>{escape(rule['text'])}</bdi>"
        f"{' <b>(cited)</b>' if rule['cited'] else ''}</li>"
        for rule in detail["rules"]
    )
    feedback = (
        f"<p><b>feedback</b>: <bdi>{escape(detail['feedback'])}</bdi></p>" if detail["feedback"] else ""
    )
    return (
        f"<p><b><bdi>{escape(detail['task'])}</bdi></b> "
        f"(<bdi>{escape(detail['run'])}, {escape(detail['where'])}</bdi>): "
        f"<b>{detail['outcome']}</b>, answer <code>{escape(detail['answer'])}</code>, "
        f"expected <code>{escape(detail['expected'])}</code></p>{steps}{feedback}"
        f"<details><summary>{len(detail['rules'])} rules in force, {escape(detail['rules_note'])}</summary>"
        f"<ul>{rules}</ul></details>"
    )
