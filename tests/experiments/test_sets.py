"""Data sets as the notebooks compare them: what cannot be loaded comes with its reason."""

import pandas as pd
import pytest

import fgo_kit as fgo
from fgo_kit.benchmarks.alfworld import engine as alfworld_engine
from fgo_kit.experiments import sets
from fgo_kit.records import Task


def test_what_cannot_be_loaded_comes_with_its_reason(monkeypatch):
    fast, full = fgo.preset("fast"), fgo.preset("full")
    [bench], reason = sets.Grid("logisticsqa", ({"n_train": 4},), {}, (0,), test=(1, 4)).load()
    assert len(bench.train) == 4 and len(bench.test) == 32 and reason == ""
    with pytest.raises(ValueError, match="benchmark='nowhere' is unknown; use one of"):
        sets.Grid("nowhere", ({},), {}, (0,)).load()
    monkeypatch.setattr(alfworld_engine, "missing", lambda: "no compiler")
    assert sets.in_worlds("alfworld", fast, {}).load() == ([], "no compiler")
    assert sets.in_worlds("alfworld", full, {}).choices == {"n_subsets": 8}
    table = sets.not_run("alfworld", ["base", "fgo"], "no compiler")
    assert table["status"].tolist() == ["not run: no compiler"] * 2 and set(table["benchmark"]) == {"ALFWorld-gen"}


def test_a_grid_asks_compare_for_its_runs(tmp_path):
    methods = {"base": {"method": "base"}, "small": {"method": "fgo", "epochs": 1}}
    grid = sets.Grid("logisticsqa", ({"n_train": 8}, {"n_train": 8, "world": 1}), methods, (0,), None, {"n_subsets": 2}, (0, 16))
    rows = fgo.compare(grid.load()[0], "simulated", **grid.asked | {"log": tmp_path / "log.sqlite"})
    assert rows["method"].tolist() == ["base", "small"] * 2 and set(rows["n_subsets"]) == {0, 2}


def test_questions_are_grouped_by_level_and_family():
    tasks = [Task(f"{n}", "", "", {"level": str(1 + n % 2), "seen": "yes" if n < 2 else "no"}) for n in range(4)]
    one = {"benchmark": "GAIA-like", "llm": "l", "method": "fgo", "seed": 0, "simulated": True, "constants": "",
           "n_train": 1, "status": "ok", "scores": {"0": 1.0, "1": 0.0, "2": 1.0, "3": 1.0}}  # fmt: skip
    table = sets.by_level_and_family(pd.DataFrame([one]), tasks).set_index("group")["score"]
    assert table.to_dict() == {"all": 0.75, "level 1": 1.0, "level 2": 0.5, "family seen": 0.5, "family unseen": 1.0}
    assert len(sets.whole(table.reset_index())) == 1
