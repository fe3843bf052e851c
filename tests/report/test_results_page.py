"""The page of all results holds what the CSVs beside it hold."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fgo_kit.report import results_page

ROOT = Path(__file__).resolve().parents[2]


def test_it_is_written_from_the_tables_of_a_folder(tmp_path):
    table = pd.DataFrame({
        "benchmark": "set", "llm": "simulated:small", "method": ["all_at_once", "fgo"], "score": [0.5, 0.625], "lo": [0.4, 0.5],
        "hi": [0.6, 0.75], "gain": [float("nan"), 0.125], "gain_lo": [float("nan"), 0.1], "gain_hi": [float("nan"), 0.15],
        "gain_p": [float("nan"), 0.0001], "seeds": 10, "tokens_all_in": [1000.0, 1500.0], "chain": [7.0, 14.4],
    })  # fmt: skip
    table.to_csv(tmp_path / "main_results.csv", index=False)
    page = results_page.results_page(tmp_path)
    assert "| set | simulated:small | fgo | 62.5 [50.0, 75.0] | +12.5 [+10.0, +15.0] | < 0.001 | < 0.001 | 1.50 | 14 |" in page
    assert "| set | simulated:small | all_at_once | 50.0 [40.0, 60.0] |  |  |  | 1.00 | 7 |" in page
    assert page.count("## ") == 1


def test_the_committed_page_is_that_of_the_committed_tables():
    folder = ROOT / "paper_figures"
    assert (folder / "README.md").read_text(encoding="utf-8") == results_page.results_page(folder)
