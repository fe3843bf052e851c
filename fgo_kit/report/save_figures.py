"""Tables and figures as files, with their provenance: `save`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..runs.places import FIGURES
from ..runs.provenance import manifest
from .unanswered import MUCH, most_unanswered, unanswered

DPI = 200


def save(
    name: str, table: pd.DataFrame, rows: pd.DataFrame | None = None, figure: Figure | None = None,
    preset: str = "fast", folder: str | Path | None = None,
) -> Path:  # fmt: skip
    """Write NAME.csv, NAME.json (provenance) and, with a figure, NAME.png and NAME.pdf; returns the CSV's path.

    rows: the runs behind the table, None for one that rests on no runs. folder: where to, made if new; without one,
    preset "full" writes to paper_figures/, any other to a folder in it with its name. Same rows, same bytes in CSV and
    figures: times and machine are in the JSON alone. A figure says so where more than 2 % of the test tasks of a
    method in it have no answer.
    """
    folder = Path(folder).expanduser() if folder is not None else FIGURES if preset == "full" else FIGURES / preset
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / f"{name}.csv", index=False, float_format="%.4f", lineterminator="\n")
    missing = 0.0 if rows is None else most_unanswered(rows)
    if figure is not None:
        if missing > MUCH:
            _say_missing(figure, missing)
        shown = figure.get_dpi()
        figure.set_dpi(DPI)  # letters are a little wider at some resolutions than at others
        _settle(figure)
        figure.savefig(folder / f"{name}.png", dpi=DPI, metadata={"Software": None})
        figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
        figure.set_dpi(shown)
    provenance = {"preset": preset, **({} if rows is None else _runs_behind(rows)), "manifest": manifest()}
    (folder / f"{name}.json").write_text(json.dumps(provenance, indent=1) + "\n", encoding="utf-8")
    return folder / f"{name}.csv"


def _say_missing(figure: Figure, share: float) -> None:
    text = f"up to {100 * share:.1f} % of a method's test tasks have no answer and are in no score"
    figure.text(0.005, 0.005, text, ha="left", va="bottom", fontsize=5.5, color="#D55E00")


def _settle(figure: Figure) -> None:
    """Lay out for good, to a millionth of the figure: the solver's last digits differ from process to process."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for ax in figure.axes:
        ax.set_position(np.round(ax.get_position().bounds, 6))
    for text in figure.texts:
        text.set_position(np.round(text.get_position(), 6))


def _runs_behind(rows: pd.DataFrame) -> dict:
    return {
        "simulated": bool(rows["simulated"].all()), "llms": sorted(set(rows["llm"])),
        "seeds": sorted({int(seed) for seed in rows["seed"]}), "runs": sorted(set(rows["run_id"])),
        "data": sorted(set(rows["data"])), "simulator_constants": sorted(set(rows["constants"])),
        "unanswered": round(unanswered(rows), 4),
        "run_seconds": round(float(rows["seconds"].sum()), 1),
    }  # fmt: skip
