"""The pilot study: what it asks for and may cost; over HTTP it stops at its budget, goes on, and replays for nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import pandas as pd
import pytest

import fgo_kit as fgo
from fgo_kit.calls import budget
from fgo_kit.calls.log import CallLog
from fgo_kit.calls.prices import price
from fgo_kit.experiments import main_results
from fgo_kit.experiments.sets import SETS
from fgo_kit.simulate.server import serving

METHODS = ["base", "all_at_once", "bootstrapping", "fgo"]


def test_it_is_four_methods_on_three_sets_and_five_dollars():
    grids = main_results.grids("pilot")
    assert list(grids) == list(SETS) and len({grid.log for grid in grids.values()}) == 1
    assert all(list(grid.methods) == METHODS and grid.total_usd == 5 for grid in grids.values())


def test_it_is_expected_to_cost_less():
    bench = fgo.load_benchmark("logisticsqa", n_train=fgo.preset("pilot").n_train)
    forecast = fgo.estimate_notebooks(bench, main_results.PILOT_MODEL, "pilot")
    assert 1 < forecast["usd"] < 4 and list(forecast["by_notebook"].index) == ["01_main_results"]


@pytest.fixture
def study(tmp_path, monkeypatch):
    """(server, LLM at list prices, [(benchmark, what is asked)]): a share of the tasks of two of the sets."""
    monkeypatch.setattr(budget, "price", lambda spec, usage, *_: price(spec, usage))
    grids = [replace(main_results.grids("pilot")[name], log=str(tmp_path / "pilot.sqlite")) for name in ("logisticsqa", "gaia")]
    shares = [[replace(bench, train=bench.train[:8], test=bench.test[:4]) for bench in grid.load()[0]] for grid in grids]
    with serving(fgo.load_llm("simulated")) as server:
        llm = fgo.load_llm(main_results.PILOT_MODEL, base_url=server.openai_url, api_key="none", max_completion=600)
        yield server, llm, [(bench, grid.asked | {"n_subsets": 2}) for bench, grid in zip(shares, grids, strict=True)]


def carried_out(study, llm, **changes):
    return pd.concat([fgo.compare(benches, llm, **asked | changes) for benches, asked in study[2]])


def test_it_stops_goes_on_and_replays(study, tmp_path):
    server, llm, asked = study
    log = CallLog(asked[0][1]["log"])
    stopped = carried_out(study, llm, total_usd=0.02)
    assert 0.01 < log.paid(None)[2] <= 0.02  # of all runs on both sets
    ends = stopped["status"].tolist()
    assert ends[0] == "ok" and ends[-1] == "BudgetExceeded" and set(ends) == {"ok", "BudgetExceeded"}
    requests = server.ledger()["requests"]
    assert carried_out(study, llm, total_usd=0.02)["status"].tolist() == ends
    assert server.ledger()["requests"] == requests

    whole = carried_out(study, llm)
    assert set(whole["status"]) == {"ok"}
    assert server.ledger()["successes"] == log.paid(None)[0]  # nothing was paid twice

    with closing(sqlite3.connect(tmp_path / "shipped.sqlite")) as shipped, closing(sqlite3.connect(log.path)) as own:
        own.backup(shipped)
    requests = server.ledger()["requests"]
    for source in (tmp_path / "shipped.sqlite", log.path, log.path):  # the second time it holds a replay itself
        replayed = carried_out(study, fgo.load_llm(f"replay:{source}"))
        assert replayed["scores"].tolist() == whole["scores"].tolist()
    assert server.ledger()["requests"] == requests


def test_a_total_is_for_priced_models(study):
    (benches, asked), unknown = study[2][0], fgo.load_llm("openai:no-such-model", base_url=study[0].openai_url, api_key="none")
    with pytest.raises(ValueError, match="price"):
        fgo.compare(benches, unknown, **asked)
    assert study[0].ledger()["requests"] == 0


def test_its_rows_are_ready_before_it_has_been_run(tmp_path, monkeypatch):
    monkeypatch.setattr(main_results, "PILOT", tmp_path)
    table = main_results.pilot()
    assert (list(table.index), list(table.columns)) == (list(SETS.values()), METHODS) and table.eq("not run").all(axis=None)
    row = {"benchmark": "GAIA-like", "method": "fgo", "score": 0.5, "lo": 0.4, "hi": 0.6}
    saved = pd.DataFrame([row | {"llm": "openai:m"}, row | {"llm": "openai:m", "method": "always_none"},
                          row | {"llm": "simulated:small", "benchmark": "ALFWorld-gen"}])  # fmt: skip
    saved.to_csv(tmp_path / "main_results.csv", index=False)
    table = main_results.pilot()
    assert table.shape == (3, 4) and table.loc["GAIA-like", "fgo"] == "50.0 [40.0, 60.0]" and table.eq("not run").to_numpy().sum() == 11
