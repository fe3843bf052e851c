"""The README is short, its numbers are those of the committed tables, its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import api_page
import pandas as pd

from fgo_kit.experiments import everywhere
from fgo_kit.experiments.main_results import kept, pilot, waiting_title
from fgo_kit.report.summary import cells

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FIGURES = ROOT / "paper_figures"


def table_of(name: str) -> pd.DataFrame:
    return pd.read_csv(FIGURES / f"{name}.csv", keep_default_na=False, na_values=[""])


def test_it_is_read_in_ten_minutes():
    assert len(README.split()) <= 1_500


def test_scores_are_those_of_the_committed_tables():
    table = table_of("main_results")
    shown = table.assign(cell=cells(table)).pivot(index="benchmark", columns="method", values="cell")
    methods = ["base", "all_at_once", "bootstrapping", "fgo", "fgo+"]
    rows = [f"|{name}|{'|'.join(shown.loc[name, methods])}|" for name in dict.fromkeys(table["benchmark"])]
    block = re.search(r"<!-- results -->\n(.*?)\n<!-- /results -->", README, re.DOTALL)[1]
    assert block.splitlines()[2:] == rows


def test_scores_with_a_real_model_are_the_committed_ones_or_not_run():
    rows = [f"|{name}|{'|'.join(row)}|" for name, row in zip(pilot().index, pilot().to_numpy(), strict=True)]
    block = re.search(r"<!-- pilot -->\n(.*?)\n<!-- /pilot -->", README, re.DOTALL)[1]
    assert block == "not run yet" if (pilot() == "not run").all(axis=None) else block.splitlines()[2:] == rows


def test_what_is_said_of_the_methods_holds_in_the_committed_tables():
    table = table_of("main_results")
    best = table.loc[table.groupby("benchmark")["score"].idxmax()].set_index("benchmark")["method"]
    assert sorted(best[best == "fgo"].index) == (two := ["ALFWorld-gen", "GAIA-like"])
    of = {method: part.set_index("benchmark") for method, part in table.groupby("method")}
    assert list(of["fgo"].index[of["fgo"]["gain_other_hi"] < 0]) == ["LogisticsQA-gen"]  # bootstrapping is higher there
    assert (of["fgo"].loc[two, "gain_other_lo"] < 0).all()  # though not significantly
    shares = [kept(table_of(name))["kept, %"] for name in ("quickstart_methods", "main_results", "alfworld_official_methods")]
    least, most = int(pd.concat(shares).min()), int(pd.concat(shares).max())
    assert f"keeps {least} to {most} % of the best method's gain over the base" in " ".join(README.split())
    said = waiting_title(table).removeprefix("fgo+: ").removesuffix(" than bootstrapping")
    assert said in " ".join(README.split())


def test_equivalence_is_said_where_the_committed_table_shows_it():
    together = table_of("everywhere_together").set_index(["other", "benchmark"])["verdict"]
    for other in everywhere.SEQUENTIAL:
        equal = [name for name, verdict in together[other].items() if verdict in ("equivalent", "better")]
        assert equal == ["LogisticsQA-gen", "ALFWorld-gen", "GAIA-like", "ALFWorld"]
    above = together[everywhere.ALL_AT_ONCE]
    assert list(above.index[above == "better"]) == ["LogisticsQA-gen"]
    tokens = table_of("everywhere").query("benchmark != 'LogisticsQA-real'")["tokens"]
    assert f"for {tokens.min():.1f} to {tokens.max():.1f} times the tokens" in " ".join(README.split())


def test_what_a_run_costs_is_measured_at_list_prices():
    own, text = table_of("main_results").query("method == 'fgo+'"), " ".join(README.split())
    models = ("gpt-5-mini", "claude-haiku-4-5", "gemini-2.5-flash")
    ranges = [(own[f"USD, {model}"].min(), own[f"USD, {model}"].max(), model) for model in models]
    (least, most, model), *others = ranges
    rest = ", ".join(f"{low:.2f} to {high:.2f} with {name}" for low, high, name in others)
    assert f"a run of `fgo+` on our three sets takes {least:.2f} to {most:.2f} USD with {model}, {rest};" in text


def test_the_missed_finding_is_the_measured_one():
    missed = table_of("held_out_trace2skill").set_index(["llm", "method"]).loc[("simulated:large", "in parallel, merged"), "gain"]
    curves = pd.read_csv(ROOT / "data" / "published_curves.csv")
    published = curves[curves["curve"] == "trace2skill_vrf"].set_index("model")["y"].astype(float)
    parallel, sequence = (next(y for model, y in published.items() if name in model) for name in ("Parallel", "Seq-B=4"))
    text = " ".join(README.split())
    assert f"scores {parallel - sequence:.1f} points above learning in sequence; here it is {-100 * missed:.1f} points below" in text


def test_every_link_and_picture_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_the_rooms_are_those_there_are():
    rooms = re.findall(r"^(\w+)/ ", README, re.MULTILINE)
    assert rooms == [room for room in rooms if (ROOT / "fgo_kit" / room).is_dir()]
    folders = {path.name for path in (ROOT / "fgo_kit").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert set(rooms) == folders


def test_the_page_of_public_names_is_that_of_the_docstrings():
    assert (ROOT / "API.md").read_text(encoding="utf-8") == api_page.page(), "run make api"
