"""The README's results are those of the committed figures."""

from pathlib import Path

import pandas as pd
import pytest

from fgo_kit.report import to_markdown

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("name", "across"), [("main_results", "benchmark"), ("quickstart_methods", "llm"), ("real_invoices_methods", "llm")]
)
def test_results_are_those_of_the_committed_figures(name, across):
    table = pd.read_csv(ROOT / "paper_figures" / f"{name}.csv", keep_default_na=False, na_values=[""])
    assert to_markdown(table, across) in (ROOT / "README.md").read_text(encoding="utf-8")
