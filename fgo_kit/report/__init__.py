"""What runs show: tables with intervals, verdicts, figures, files.

    table = fgo.report.summary(rows)
    fgo.report.save("mine", table, rows, fgo.report.plot_methods(table))
"""

from .detectable import power
from .drawing import COLOURS, note_simulated
from .figures import plot_curves, plot_methods, plot_points, plot_waiting
from .paper import paper_table
from .rule_differences import flipped_tasks, rule_differences
from .save_figures import save
from .summary import (
    by_group,
    differences,
    gains,
    p_together,
    percent,
    say,
    score_matrix,
    show,
    show_differences,
    show_grid,
    show_groups,
    summary,
)
from .tree import plot_merge_tree
from .verdicts import Verdict, counted, headline, highest, judged, spelled, verdict

__all__ = [
    "COLOURS", "Verdict", "by_group", "counted", "differences", "flipped_tasks", "gains", "headline", "highest",
    "judged", "note_simulated", "p_together", "paper_table", "percent", "plot_curves", "plot_merge_tree",
    "plot_methods", "plot_points", "plot_waiting", "power", "rule_differences", "save", "say", "score_matrix", "show",
    "show_differences", "show_grid", "show_groups", "spelled", "summary", "verdict",
]  # fmt: skip
