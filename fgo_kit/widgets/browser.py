"""`browse(run)`: look through trajectories in a notebook. A thin face of `catalogue.Catalogue`."""

from __future__ import annotations

import threading

import traitlets

from ..records.showing import bdi, escape, folded, pre
from ..runs.result import Run
from .page import STATIC, Page, script
from .plain import table
from .trajectory_entries import Filters
from .trajectory_filter import LIMIT, Catalogue

STATIC_ROWS = 8
COLUMNS = ("task", "run", "where", "outcome", "answer", "expected", "cited")


def browse(run: Run, *others: Run) -> Browser:
    """The trajectories of a run, to filter, sort, open and set side by side.

    Further runs over the same tasks, say with method "base", come first when one task's trajectories are
    compared: `browse(base, run)` shows which test tasks were gained and lost.
    """
    for given in (run, *others):
        if not isinstance(given, Run):
            raise TypeError(f"browse takes runs, not {type(given).__name__}; give what fgo.run(...) returned")
    return Browser(Catalogue([run, *others]))


class Browser(Page):
    """The face: `query` and `chosen` come from the page or from Python, `page` and `details` answer them.

    query: see `entries.Filters`. chosen: numbers of the open trajectory and, if any, of one to compare it with.
    """

    _esm = script("trajectory.js", "browser.js")
    _css = STATIC / "browser.css"
    facets = traitlets.Dict().tag(sync=True)
    query = traitlets.Dict().tag(sync=True)
    page = traitlets.Dict().tag(sync=True)
    chosen = traitlets.List(traitlets.Int()).tag(sync=True)
    limit = traitlets.Int(LIMIT).tag(sync=True)
    details = traitlets.List().tag(sync=True)
    sizes = traitlets.Dict().tag(sync=True)

    def __init__(self, catalogue: Catalogue):
        self.catalogue = catalogue
        sizes = {"trajectories": len(catalogue.entries), "runs": len(catalogue.runs)}
        super().__init__(facets=catalogue.facets, page=catalogue.page(Filters()), sizes=sizes)
        warming = threading.Timer(1.0, catalogue.warm)  # after the first paint
        warming.daemon = True
        warming.start()

    @traitlets.validate("query")
    def _check_query(self, proposal):
        Filters.of(proposal["value"])
        return proposal["value"]

    @traitlets.observe("query")
    def _find(self, change) -> None:
        self.page = self.catalogue.page(Filters.of(change["new"]))

    @traitlets.validate("chosen")
    def _check_chosen(self, proposal):
        chosen, most = proposal["value"], len(self.catalogue.entries)
        if len(chosen) > 2 or not all(0 <= number < most for number in chosen):
            raise ValueError(f"chosen={chosen!r}: at most two numbers below {most}")
        return chosen

    @traitlets.observe("chosen", "limit")
    def _open(self, change) -> None:
        self.details = [self.catalogue.detail(number, self.limit) for number in self.chosen]

    def plain(self) -> str:
        return static_page(self.catalogue)

    def __repr__(self) -> str:
        return f"Browser of {len(self.catalogue.entries):,} trajectories of {', '.join(self.catalogue.labels)}"


def static_page(catalogue: Catalogue) -> str:
    """Plain HTML: the first trajectories that were gained, else the first of all, and one of them open."""
    gained = catalogue.page(Filters(change="gained", down=True))
    page, kind = (gained, " that were gained") if gained["total"] else (catalogue.page(Filters()), "")
    shown = page["rows"][:STATIC_ROWS]
    if not shown:
        return "<p>no trajectories</p>"
    return (
        f"<p>{len(catalogue.entries):,} trajectories; the first {len(shown)} of {page['total']:,}{kind}. "
        f"Run the cell to filter, sort and open them.</p>"
        f"{table(COLUMNS, ([bdi(row[name]) for name in COLUMNS] for row in shown))}"
        f"{static_trajectory(catalogue.detail(shown[0]['i'], limit=4_000))}"
    )


def static_trajectory(detail: dict) -> str:
    """One open trajectory as plain HTML."""
    steps = "".join(
        folded(f"step {number}: {bdi(step['brief'])}", pre(step["saw"]) + pre(step["did"]), number == 1)
        for number, step in enumerate(detail["steps"], 1)
    )
    rules = "".join(
        f"<li><code>{escape(rule['id'])}</code> {bdi(rule['text'])}{' <b>(cited)</b>' * rule['cited']}</li>"
        for rule in detail["rules"]
    )
    feedback = f"<p><b>feedback</b>: {bdi(detail['feedback'])}</p>" if detail["feedback"] else ""
    return (
        f"<p><b>{bdi(detail['task'])}</b> ({bdi(detail['run'] + ', ' + detail['where'])}): "
        f"<b>{detail['outcome']}</b>, answer <code>{escape(detail['answer'])}</code>, "
        f"expected <code>{escape(detail['expected'])}</code></p>{steps}{feedback}"
        + folded(f"{len(detail['rules'])} rules in force, {escape(detail['rules_note'])}", f"<ul>{rules}</ul>")
    )
