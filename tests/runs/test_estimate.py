"""The estimate before a paid model: every notebook counts, games from the committed results or named as left out."""

import ast
import json
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from helpers import small_bench

import fgo_kit as fgo
from fgo_kit.calls.prices import price
from fgo_kit.calls.protocol import Usage
from fgo_kit.runs import compare as grid
from fgo_kit.runs import estimate as forecast
from fgo_kit.runs.estimate import LONGER, PARTS, Part
from fgo_kit.runs.run import run

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


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


def runs_of(name: str, preset: str) -> dict[str, int]:
    """Runs on LogisticsQA-gen that a notebook's cells ask `compare` for with one real model: {id: seeds}.

    `compare` is taken away, so whatever rests on results fails here, and is left out.
    """
    asked, llm = {}, fgo.load_llm("simulated")

    def compare(bench, llms, methods, seeds, *, log=None, after=None, **choices):
        labelled, benches = grid._labelled(methods, choices), grid._many(bench)
        for job in grid._jobs(benches, [llm], labelled, seeds[:1], choices):
            if job.bench.name == "LogisticsQA-gen" and job.settings.method not in job.bench.shortcuts:
                asked[job.run_id] = len(seeds)
        raise LookupError("no results here")

    notebook = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))
    sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    package = {part: getattr(fgo, part) for part in dir(fgo) if not part.startswith("__")}
    kit = SimpleNamespace(**package | {"compare": compare, "run": None, "load_llm": lambda name: llm})
    space = {}
    for statement in ast.parse("\n".join(sources)).body:
        with suppress(Exception):  # what needs a result
            exec(compile(ast.Module([statement], []), name, "exec"), space)
        space |= {"fgo": kit, "MODEL": "one real model", "PRESET": preset}
    return asked


@pytest.mark.parametrize("preset", ["fast", "full"])
def test_runs_are_those_that_the_notebooks_ask_for(preset, monkeypatch, tmp_path):
    monkeypatch.setattr("fgo_kit.report.figures.FIGURES", tmp_path)  # a cell may save a figure that needs no result
    monkeypatch.setattr("fgo_kit.experiments.sets.try_load", lambda name, **options: (None, "not counted here"))
    counted = {part.notebook: part.runs for part in reversed(PARTS[preset]) if part.benchmark == "LogisticsQA-gen"}
    main = runs_of("01_main_results", preset)
    found = {"01_main_results": main, "05_token_reduction": runs_of("05_token_reduction", preset)}
    found["05_token_reduction"] = {key: n for key, n in found["05_token_reduction"].items() if key not in main}
    found |= {name: runs_of(name, preset) for name in ("02_division_strategies", "03_merge_ablations", "04_dataset_size")}
    assert {name: sum(runs.values()) for name, runs in found.items()} == {name: counted[name] for name in found}
