"""The forecast before a paid model: every notebook counts, with the runs that its cells ask for."""

import ast
import json
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pandas as pd
import pytest
from helpers import small_bench

import fgo_kit as fgo
from fgo_kit.algorithm.settings import Settings
from fgo_kit.calls.prices import price
from fgo_kit.calls.protocol import Usage
from fgo_kit.experiments import forecast
from fgo_kit.experiments.sets import SETS, Grid
from fgo_kit.runs.estimate import LONGER
from fgo_kit.runs.run import run

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
WHOLE = {"all_at_once": {"method": "all_at_once"}}


@pytest.fixture
def bench(monkeypatch, tmp_path):
    monkeypatch.setattr(forecast, "MAIN", tmp_path / "main_results.csv")
    monkeypatch.setattr(forecast, "VARIANTS", WHOLE)
    return small_bench(n_train=8, n_test=6)


def asking(monkeypatch, **grids):
    monkeypatch.setattr(forecast, "NOTEBOOKS", {name: lambda preset, grid=grid: {"only": grid} for name, grid in grids.items()})


def test_runs_are_scaled_by_their_training_tasks(bench, monkeypatch):
    small, large = ({"n_train": 8},), ({"n_train": 16},)
    again = Grid("logisticsqa", small, WHOLE, (0, 1, 2), "one.sqlite")  # the log of the first: nothing is paid twice
    asking(monkeypatch, first=Grid("logisticsqa", small, WHOLE, (0, 1, 2), "one.sqlite"), again=again,
           second=Grid("logisticsqa", large, WHOLE, (0, 1), times=1.5))  # fmt: skip
    found = fgo.estimate_notebooks(bench, "openai:gpt-4o-mini", "fast")
    ledger = run(bench, "simulated", method="all_at_once", seed=100).tokens().set_index("phase")
    test, train = ledger.loc["test", "calls"], ledger.drop("test")["calls"].sum()
    assert found["calls"] == 3 * (train + test) + 2 * (1.5 * 2 * train + test)
    assert found["by_notebook"]["calls"].to_dict() == {"first": 3 * (train + test), "again": 0, "second": 2 * (3 * train + test)}
    usd = price("openai:gpt-4o-mini", Usage(found["prompt_tokens"], found["completion_tokens"]))
    assert found["usd"] == pytest.approx(usd, rel=0.05) and found["note"].startswith("In total 5 runs")
    assert found["completion_tokens"] == pytest.approx(LONGER * found["by_notebook"]["completion"].sum(), rel=0.01)


def test_games_are_read_from_the_committed_results(bench, monkeypatch):
    asking(monkeypatch, games=Grid("alfworld", ({"n_train": 64},), WHOLE, (0, 1)), rest=Grid("logisticsqa", ({"n_train": 8},), WHOLE, (0,)))
    assert "not counted: ALFWorld-gen" in fgo.estimate_notebooks(bench, "simulated", "full")["note"]
    row = {"benchmark": "ALFWorld-gen", "n_train": 128, "prompt_all_in": 9000.0, "completion_all_in": 1000.0}
    table = pd.DataFrame([row | {"method": "base", "calls": 40.0, "prompt_all_in": 0.0, "completion_all_in": 0.0, "tokens_test": 100.0},
                          row | {"method": "fgo", "calls": 240.0, "tokens_test": 100.0},
                          {"benchmark": "GAIA-like", "method": "base", "status": "not run: no such set"}])  # fmt: skip
    table.to_csv(forecast.MAIN, index=False)
    found = fgo.estimate_notebooks(bench, "simulated", "full")
    assert "not counted" not in found["note"]
    # 140 calls a run on average, 40 of them tests; half the training tasks
    assert found["by_notebook"].loc["games", "calls"] == 2 * (100 // 2 + 40)


def test_unknown_models_and_presets(bench):
    assert fgo.estimate_notebooks(bench, "openai:no-such-model", "fast")["usd"] is None
    with pytest.raises(ValueError, match="PRESET='middling' is unknown"):
        fgo.estimate_notebooks(bench, "simulated", "middling")


def runs_of(name: str, preset: str) -> set:
    """The runs on LogisticsQA-gen that a notebook's cells ask for with one real model.

    What rests on the results of a comparison fails here, and is left out.
    """
    asked, llm = set(), fgo.load_llm("simulated")

    def note(bench, choices, seed, log):
        settings = Settings(**choices, seed=seed)
        if bench.name == SETS["logisticsqa"] and settings.method not in bench.shortcuts:
            asked.add((len(bench.train), bench.train[0].text, settings, log))

    def compare(benches, llms, methods, seeds, *, log=None, after=None, total_usd=None, **choices):
        for bench in benches if isinstance(benches, list) else [benches]:
            for chosen in methods.values():
                for seed in seeds:
                    note(bench, choices | chosen, seed, log)
        raise LookupError("no results here")

    def run(bench, llm, log=None, seed=0, **choices):
        note(bench, choices, seed, log)
        return MagicMock()

    notebook = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))
    source = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    package = {part: getattr(fgo, part) for part in dir(fgo) if not part.startswith("__")}
    kit = SimpleNamespace(**package | {"compare": compare, "run": run, "start": run, "load_llm": lambda name: llm})
    space = {}
    for statement in ast.parse(source).body:
        with suppress(Exception):  # what needs a result
            exec(compile(ast.Module([statement], []), name, "exec"), space)
        space |= {"fgo": kit, "MODEL": "one real model", "PRESET": preset}
    return asked


@pytest.mark.parametrize("preset", ["fast", "full"])
def test_runs_are_those_that_the_notebooks_ask_for(preset, monkeypatch, tmp_path):
    monkeypatch.setattr("fgo_kit.report.save_figures.FIGURES", tmp_path)  # a cell may save a figure that needs no result
    monkeypatch.setenv("FGO_LOGISTICSQA", "")
    counted = forecast.parts(preset)
    counted = counted[(counted["benchmark"] == SETS["logisticsqa"]) & (counted["times"] != 1.5)]  # matched: a guess
    expected = counted.groupby("notebook")["runs"].sum().to_dict()
    found, before = {}, set()
    for name in forecast.NOTEBOOKS:
        runs = runs_of(name, preset)
        found[name] = len(runs - before)  # those in a log that notebooks share are not paid twice
        before |= runs
    assert found == expected
