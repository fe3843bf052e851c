"""The README's results are those of the committed figures."""

from pathlib import Path

import pandas as pd
import pytest

from fgo_kit.report.summary import TOKENS, cells, numbers

ROOT = Path(__file__).parents[1]


def to_markdown(table: pd.DataFrame, across: str = "llm") -> str:
    """A summary as the README carries it: a row a method, scores of every LLM (or, across="benchmark", of every
    set), and tokens of the first."""
    columns, methods = list(dict.fromkeys(table[across])), list(dict.fromkeys(table["method"]))
    head = ["method", *(f"{name}, %" for name in columns), *TOKENS.values()]
    lines = [head, ["---"] * len(head)]
    for method in methods:
        rows = table[table["method"] == method].set_index(across)
        of = dict(zip(rows.index, cells(rows), strict=True))
        scores = [of.get(name, "") for name in columns]
        tokens = [figure if rows[name].iloc[0] > 0 else "" for name in TOKENS for figure in numbers(rows[name][:1] / 1000)]
        lines.append([method, *scores, *tokens])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def test_the_paper_table_is_that_of_the_committed_figures():
    table = pd.read_csv(ROOT / "paper_figures" / "paper_table.csv", keep_default_na=False)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for row in table[table["measured"] != ""].itertuples():
        assert f"| {row.set} | {row.measured} | {row.interval} | {row[6]} | {row.model} | {row.verdict} |" in readme


def test_consistency_in_the_paper_table_is_that_of_the_committed_figures():
    table = pd.read_csv(ROOT / "paper_figures" / "dataset_size_consistency.csv")
    small = table[table["llm"] == "simulated:small"].set_index("method")
    worst = {name: f"{100 * value:+.1f}" for name, value in small["worst"].items()}
    said = (
        f"at the worst of {small.loc['fgo', 'sizes']} sizes {worst['fgo']} points over base "
        f"(all_at_once {worst['all_at_once']}, bootstrapping {worst['bootstrapping']})"
    )
    assert said in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "across"), [("main_results", "benchmark"), ("quickstart_methods", "llm"), ("real_invoices_methods", "llm")]
)
def test_results_are_those_of_the_committed_figures(name, across):
    table = pd.read_csv(ROOT / "paper_figures" / f"{name}.csv", keep_default_na=False, na_values=[""])
    assert to_markdown(table, across) in (ROOT / "README.md").read_text(encoding="utf-8")
