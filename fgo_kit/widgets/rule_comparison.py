"""`compare_rules(a, b)`: which rules one run's module has that the other lacks, and the test tasks that flip."""

from __future__ import annotations

from functools import cached_property

import traitlets

from ..report.rule_differences import flipped_tasks, rule_differences
from ..runs.result import Run
from .comparison_view import comparison_view, static_page, summed_up
from .page import STATIC, Page, script
from .trajectory_filter import Catalogue


def compare_rules(a: Run, b: Run) -> RuleComparison:
    """The rules of two runs of one benchmark side by side: only those whose words the other module does not have.

    A click on a rule shows where it comes from and which flipped test tasks cite it, a click on a task both
    trajectories. TypeError for what is no run, ValueError for runs without a test task in common. The tables behind it
    are `report.rule_differences` and `report.flipped_tasks`.

    >>> compare_rules(fgo.run(bench, llm, seed=0), fgo.run(bench, llm, seed=1))                # doctest: +SKIP
    """
    for given in (a, b):
        if not isinstance(given, Run):
            raise TypeError(f"compare_rules takes runs, not {type(given).__name__}; give what fgo.run(...) returned")
    return RuleComparison(a, b)


class RuleComparison(Page):
    """runs: the two. task: the number of the open flipped task, -1 for none; details: its two trajectories."""

    _esm = script("trajectory.js", "rule_comparison.js")
    _css = STATIC / "browser.css"
    shown = traitlets.Dict().tag(sync=True)
    task = traitlets.Int(-1).tag(sync=True)
    details = traitlets.List().tag(sync=True)

    def __init__(self, a: Run, b: Run):
        self.runs, self.flips, self.rules = (a, b), flipped_tasks(a, b), rule_differences(a, b)
        super().__init__(shown=comparison_view(self.runs, self.rules, self.flips))

    @cached_property
    def _catalogue(self) -> Catalogue:
        return Catalogue(self.runs)

    @cached_property
    def _tests(self) -> dict[tuple[int, str], int]:
        """Numbers of the test trajectories, by run and task."""
        entries = self._catalogue.entries
        return {(e.run, e.task.id): e.number for e in entries if e.judged.place.phase == "test"}

    @traitlets.validate("task")
    def _check_task(self, proposal):
        if not -1 <= proposal["value"] < len(self.flips):
            raise ValueError(f"task={proposal['value']!r}: a number below {len(self.flips)}, or -1 for none")
        return proposal["value"]

    @traitlets.observe("task")
    def _open(self, change) -> None:
        numbers = [self._tests[run, self.flips["task"][self.task]] for run in (0, 1)] if self.task >= 0 else []
        self.details = [self._catalogue.detail(number) | {"change": ""} for number in numbers]

    def plain(self) -> str:
        return static_page(self.shown)

    def __repr__(self) -> str:
        return f"RuleComparison of {', '.join(self.shown['titles'])}: {summed_up(self.shown)}"
