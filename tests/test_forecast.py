"""The estimate before a paid model: every notebook counts, games from the committed results or named as left out."""

from pathlib import Path

import pandas as pd
import pytest
from helpers import small_bench

import fgo_kit as fgo
from fgo_kit import forecast
from fgo_kit.forecast import LONGER, PARTS, Part
from fgo_kit.llm import Usage, price
from fgo_kit.run import run

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


@pytest.fixture
def bench(monkeypatch, tmp_path):
    monkeypatch.setattr(forecast, "MAIN", tmp_path / "main_results.csv")
    monkeypatch.setattr(forecast, "VARIANTS", {"all_at_once": {"method": "all_at_once"}})
    return small_bench(n_train=8, n_test=6)


def test_runs_are_scaled_by_their_training_tasks(bench, monkeypatch):
    monkeypatch.setitem(PARTS, "fast", (Part("00_a", 3, 8), Part("04_b", 2, 16)))
    found = fgo.estimate(bench, "openai:gpt-4o-mini", "fast")
    ledger = run(bench, "simulated", method="all_at_once", seed=100).tokens().set_index("phase")
    test, train = ledger.loc["test", "calls"], ledger.drop("test")["calls"].sum()
    assert found["calls"] == 3 * (train + test) + 2 * (2 * train + test)
    assert found["by_notebook"].loc["00_a", "calls"] == 3 * (train + test)
    usd = price("openai:gpt-4o-mini", Usage(found["prompt_tokens"], found["completion_tokens"]))
    assert found["usd"] == pytest.approx(usd, rel=0.05)
    completion = found["by_notebook"]["completion"].sum()
    assert found["completion_tokens"] == pytest.approx(LONGER * completion, rel=0.01)


def test_games_are_read_from_the_committed_results(bench, monkeypatch):
    monkeypatch.setitem(PARTS, "full", (Part("01_c", 2, 64, "ALFWorld-gen"), Part("00_a", 1, 8)))
    assert "not counted: ALFWorld-gen" in fgo.estimate(bench, "simulated", "full")["note"]
    row = {"benchmark": "ALFWorld-gen", "n_train": 128, "prompt_all_in": 9000.0, "completion_all_in": 1000.0}
    table = pd.DataFrame([row | {"method": "base", "calls": 40.0, "prompt_all_in": 0.0, "completion_all_in": 0.0, "tokens_test": 100.0},
                          row | {"method": "fgo", "calls": 240.0, "tokens_test": 100.0},
                          {"benchmark": "GAIA-like", "method": "base", "status": "not run: no such set"}])  # fmt: skip
    table.to_csv(forecast.MAIN, index=False)
    found = fgo.estimate(bench, "simulated", "full")
    assert "not counted" not in found["note"]
    # 140 calls a run on average, 40 of them tests; half the training tasks
    assert found["by_notebook"].loc["01_c", "calls"] == 2 * (100 // 2 + 40)


def test_unknown_models_and_presets(bench):
    assert fgo.estimate(bench, "openai:no-such-model", "fast")["usd"] is None
    with pytest.raises(ValueError, match="PRESET='middling' is unknown"):
        fgo.estimate(bench, "simulated", "middling")


def test_every_notebook_that_asks_a_model_is_counted():
    asking = {path.stem for path in NOTEBOOKS.glob("0[0-7]_*.ipynb")}
    for name in ("fast", "full"):
        assert asking <= {part.notebook for part in PARTS[name]}
