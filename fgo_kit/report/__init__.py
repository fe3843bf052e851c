"""What runs show: tables with intervals, verdicts, figures, files."""

from .figures import (
    COLOURS,
    colour_of,
    note_simulated,
    plot_call_tokens,
    plot_merge_tree,
    plot_methods,
    plot_scores,
    plot_sets,
    save,
)
from .summary import (
    by_group,
    findings,
    holm_line,
    paper_table,
    percent,
    power_line,
    score_matrix,
    show,
    show_groups,
    summary,
    to_markdown,
)

__all__ = [
    "COLOURS", "by_group", "colour_of", "findings", "holm_line", "note_simulated", "paper_table", "percent",
    "plot_call_tokens", "plot_merge_tree", "plot_methods", "plot_scores", "plot_sets", "power_line", "save",
    "score_matrix", "show", "show_groups", "summary", "to_markdown",
]  # fmt: skip
