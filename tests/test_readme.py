"""The README's results are those of the committed figures."""

from pathlib import Path

import pandas as pd
import pytest

from fgo_kit.report import to_markdown

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["quickstart_methods", "real_invoices_methods"])
def test_results_are_those_of_the_committed_figures(name):
    table = pd.read_csv(ROOT / "paper_figures" / f"{name}.csv", keep_default_na=False, na_values=[""])
    assert to_markdown(table) in (ROOT / "README.md").read_text(encoding="utf-8")
