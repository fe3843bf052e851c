"""The first thing that a notebook shows: its answer in one sentence, from the committed tables of the full preset.

    answer("01")
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd

from ..report.summary import cells, gains
from ..report.verdicts import counted, headline, highest, judged
from ..runs.places import SHIPPED


@dataclass(frozen=True)
class Answer:
    """A sentence with the figure that shows it, and a caption that says where both come from."""

    sentence: str
    caption: str = ""
    figure: Path | None = None

    def __repr__(self) -> str:
        return f"{self.sentence}\n{self.caption}".rstrip()

    def _repr_html_(self) -> str:
        data = b64encode(self.figure.read_bytes()).decode() if self.figure and self.figure.is_file() else ""
        picture = f'<img alt="{escape(self.caption)}" style="max-width:100%" src="data:image/png;base64,{data}">'
        text = f"<p><b>{escape(self.sentence)}</b></p>{picture if data else ''}<p>{escape(self.caption)}</p>"
        return f'<div style="max-width:60em;text-align:left">{text}</div>'


def answer(notebook: str, folder: Path = SHIPPED) -> Answer:
    """The answer of a notebook, "00" to "09", or what is missing for it and how to make that."""
    name, picture, where, by, opening, tell = ANSWERS[notebook]
    csv, figure = folder / "paper_figures" / f"{name}.csv", folder / (picture or f"paper_figures/{name}.png")
    if not csv.is_file() or not csv.with_suffix(".json").is_file():
        return Answer(f"No answer yet: paper_figures/{name}.csv is missing. Make it: make reproduce PRESET=full")
    known = json.loads(csv.with_suffix(".json").read_text(encoding="utf-8"))
    table = pd.read_csv(csv, keep_default_na=False, na_values=[""])
    parts = (table.query(where) if where else table).groupby(by, sort=False)
    found = "; ".join(f"{tell(part)} ({label})" for label, part in parts)
    seeds = f"seeds {known['seeds'][0]} to {known['seeds'][-1]}"
    caption = f"{name}.csv, {figure.name}: preset {known['preset']}, commit {known['manifest']['commit']}, {seeds}"
    return Answer(f"{'Simulated' if known['simulated'] else 'Real model'}: {opening}: {found}.", caption, figure)


def _scores(part: pd.DataFrame) -> str:
    return ", ".join(f"{method} {score}" for method, score in zip(part["method"], cells(part), strict=True))


def _gained(part: pd.DataFrame) -> str:
    return ", ".join(f"{over} {points}, {word}" for *_, over, points, word in gains(part, ["fgo"]).itertuples())


def _changed(part: pd.DataFrame) -> str:
    default, *labels = part["changed" if "changed" in part else "method"].str.replace(",", "")
    return headline(labels, judged(part[1:], "gain"), default)


def _even(part: pd.DataFrame) -> str:
    worst = highest(part, "worst")
    return f"most even for {highest(part, 'spread', least=True)}, at its worst size highest for {worst}"


def _tokens(part: pd.DataFrame) -> str:
    return ", ".join(part["figure"] + part["change"].map(" {:+.1f} %".format))


METHODS = "method in ['base', 'all_at_once', 'bootstrapping', 'fgo', 'fgo+'] and llm == 'simulated:small'"
ANSWERS: dict[str, tuple[str, str, str, str, str, Callable[[pd.DataFrame], str]]] = {
    "00": ("quickstart_small", "", METHODS, "benchmark", "test scores, in %", _scores),
    "01": ("main_results", "paper_figures/score_waiting.png", "", "benchmark", "points that fgo gains over", _gained),
    "02": ("division_profiles", "", "", "llm", "each change compared with the default by itself", _changed),
    "03": ("merge_profiles", "", "", "llm", "each change compared with the default by itself", _changed),
    "04": ("dataset_size_consistency", "", "", "llm", "over training-set sizes the gain over base is", _even),
    "05": ("token_changes", "paper_figures/token_reductions.png", "", "benchmark",
           "fgo's tokens compared with all_at_once's", _tokens),
    "06": ("merge_gates", "notebooks/merge_stepper.png", "gate == 'hard'", "candidates",
           "decisions of a hard gate that are right on the test split, in %", lambda part: cells(part, "right")[0]),
    "07": ("merge_dissection", "", "method == 'fgo+'", "llm", "most wrong answers of fgo+ have as cause",
           lambda part: highest(part, "share", "cause")),
    "08": ("sensitivity", "", "constant != 'frozen'", "reference",
           "with another value of one constant, the change of fgo's gain over a method is",
           lambda part: counted(judged(part, "change"))),
    "09": ("real_invoices_methods", "", METHODS, "benchmark", "test scores, in %", _scores),
}  # fmt: skip
"""Of every notebook: table, picture where it is not the table's own, which rows, what the parts of the sentence are of,
how the sentence opens and what it says of each part."""
