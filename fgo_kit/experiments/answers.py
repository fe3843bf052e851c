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
from ..report.verdicts import Verdict, counted, headline, highest, judged
from ..runs.places import SHIPPED
from .dissection import largest_causes
from .main_results import waiting_title


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
    name, picture, tell = ANSWERS[notebook]
    csv, figure = folder / "paper_figures" / f"{name}.csv", folder / (picture or f"paper_figures/{name}.png")
    if not csv.is_file() or not csv.with_suffix(".json").is_file():
        return Answer(f"No answer yet: paper_figures/{name}.csv is missing. Make it: make reproduce PRESET=full")
    known = json.loads(csv.with_suffix(".json").read_text(encoding="utf-8"))
    table = pd.read_csv(csv, keep_default_na=False, na_values=[""])
    seeds = f"seeds {known['seeds'][0]} to {known['seeds'][-1]}"
    caption = f"{name}.csv, {figure.name}: preset {known['preset']}, commit {known['manifest']['commit']}, {seeds}"
    return Answer(f"{'Simulated' if known['simulated'] else 'Real model'}: {tell(table)}.", caption, figure)


def _scores(table: pd.DataFrame) -> str:
    shown = table[table["llm"] == table["llm"].iloc[0]].assign(cell=lambda part: cells(part)).set_index("method")
    listed = [f"{name} {shown.loc[name, 'cell']}" for name in ("base", "all_at_once", "bootstrapping", "fgo", "fgo+")]
    return f"test scores of {shown['llm'].iloc[0]} on {shown['benchmark'].iloc[0]}, in %, are {', '.join(listed)}"


def _gained(table: pd.DataFrame) -> str:
    rows = gains(table, ["fgo"]).rename(columns={"gain, points": "points"})
    clear = rows[rows["verdict"].isin([Verdict.BETTER, Verdict.WORSE])].itertuples()
    listed = [f"{row.verdict} than {row.over} on {row.benchmark} ({row.points} points)" for row in clear]
    together = f"of all such comparisons: {counted(rows['verdict'])}; {waiting_title(table)}"
    return f"fgo is {', '.join(listed) or 'unclear'}; {together}"


def _changed(table: pd.DataFrame) -> str:
    labels = table["changed" if "changed" in table else "method"].str.replace(",", "")
    parts = table.assign(label=labels).dropna(subset=["gain"]).groupby("llm", sort=False)
    found = [f"with {llm}, {headline(part['label'], judged(part, 'gain'), labels[0])}" for llm, part in parts]
    return f"{'; '.join(found)} (each comparison by itself)"


def _even(table: pd.DataFrame) -> str:
    parts = table.groupby("llm", sort=False)
    listed = [f"with {llm}, most even for {highest(part, 'spread', least=True)} and highest at its worst size for "
              f"{highest(part, 'worst')}" for llm, part in parts]  # fmt: skip
    return f"over training-set sizes the gain over base is, {'; '.join(listed)}"


def _tokens(table: pd.DataFrame) -> str:
    parts = (table["figure"] + table["change"].map(" {:+.1f} %".format)).groupby(table["benchmark"], sort=False)
    listed = [f"{', '.join(part)} on {name}" for name, part in parts]
    return f"compared with all_at_once, fgo's tokens change by {'; '.join(listed)}"


def _refused(table: pd.DataFrame) -> str:
    hard = table[table["gate"] == "hard"]
    parts = zip(hard["candidates"], hard["merges"], cells(hard, "right"), strict=True)
    listed = [f"{done} {count} merges, rightly by the test split in {share} %" for done, count, share in parts]
    return f"a hard gate {', and '.join(listed)}"


def _causes(table: pd.DataFrame) -> str:
    parts = [f"{cause} with {llm}" for llm, cause in largest_causes(table).items()]
    return f"the cause of most wrong answers of fgo+ is {', '.join(parts)}"


def _sensitive(table: pd.DataFrame) -> str:
    parts = table[table["constant"] != "frozen"].groupby("reference", sort=False)
    listed = [f"over {name} is {counted(judged(part, 'change'))}" for name, part in parts]
    return f"with another value of one constant, the change of fgo's gain {', and '.join(listed)}"


ANSWERS: dict[str, tuple[str, str, Callable[[pd.DataFrame], str]]] = {
    "00": ("quickstart_small", "", _scores), "01": ("main_results", "paper_figures/score_waiting.png", _gained),
    "02": ("division_profiles", "", _changed), "03": ("merge_profiles", "", _changed),
    "04": ("dataset_size_consistency", "", _even), "06": ("merge_gates", "notebooks/merge_stepper.png", _refused),
    "05": ("token_changes", "paper_figures/token_reductions.png", _tokens), "07": ("merge_dissection", "", _causes),
    "08": ("sensitivity", "", _sensitive), "09": ("real_invoices_methods", "", _scores),
}  # fmt: skip
"""Of every notebook the table, the picture where it is not the table's own, and what to say of the table."""
