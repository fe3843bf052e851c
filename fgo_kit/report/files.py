"""Tables and figures as files, with their provenance: `save`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..runs.places import FIGURES
from ..runs.provenance import manifest

DPI = 200


def save(
    name: str, table: pd.DataFrame, rows: pd.DataFrame | None, figure: Figure | None = None, preset: str = "fast"
) -> Path:
    """Write NAME.csv, NAME.json (provenance) and, with a figure, NAME.png and NAME.pdf; returns the CSV's path.

    rows: the runs behind the table, None for one that rests on no runs. preset "full" writes to
    paper_figures/, any other to paper_figures/fast/. Same rows, same bytes in CSV and figures: times and
    machine stand in the JSON alone.
    """
    folder = FIGURES if preset == "full" else FIGURES / "fast"
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / f"{name}.csv", index=False, float_format="%.4f", lineterminator="\n")
    if figure is not None:
        shown = figure.get_dpi()
        figure.set_dpi(DPI)  # letters are a little wider at some resolutions than at others
        _settle(figure)
        figure.savefig(folder / f"{name}.png", dpi=DPI, metadata={"Software": None})
        figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
        figure.set_dpi(shown)
    provenance = {"preset": preset, **({} if rows is None else _runs_behind(rows)), "manifest": manifest()}
    (folder / f"{name}.json").write_text(json.dumps(provenance, indent=1) + "\n", encoding="utf-8")
    return folder / f"{name}.csv"


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
        "run_seconds": round(float(rows["seconds"].sum()), 1),
    }  # fmt: skip
