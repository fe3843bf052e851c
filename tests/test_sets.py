"""Sets that cannot be used here are rows with a reason; the paper table says what a row is worth."""

import numpy as np
import pandas as pd
import pytest

import fgo_kit as fgo
from fgo_kit.benchmarks import alfworld_engine
from fgo_kit.experiments import sets
from fgo_kit.records import Task
from fgo_kit.report import holm_line, paper_table, power_line


def test_what_cannot_be_loaded_comes_with_its_reason(monkeypatch):
    assert sets.try_load("logisticsqa", n_train=4)[1] == ""
    bench, reason = sets.try_load("nowhere")
    assert bench is None and "'nowhere' is unknown" in reason
    monkeypatch.setattr(alfworld_engine, "missing", lambda: "no compiler")
    assert sets.try_load("alfworld") == (None, "no compiler")
    assert sets.interactive("alfworld", fgo.preset("fast"))[:2] == (None, "no compiler")
    assert sets.interactive("alfworld", fgo.preset("full"))[2:] == (fgo.preset("full").game_seeds, {"n_subsets": 8})
    table = sets.not_run("alfworld", ["base", "fgo"], "no compiler")
    assert table["status"].tolist() == ["not run: no compiler"] * 2 and set(table["benchmark"]) == {"ALFWorld-gen"}


def test_questions_are_grouped_by_level_and_family():
    tasks = [Task(f"{n}", "", "", {"level": str(1 + n % 2), "seen": "yes" if n < 2 else "no"}) for n in range(4)]
    one = {"benchmark": "GAIA-like", "llm": "l", "method": "fgo", "seed": 0, "simulated": True, "constants": "",
           "n_train": 1, "status": "ok", "scores": {"0": 1.0, "1": 0.0, "2": 1.0, "3": 1.0}}  # fmt: skip
    table = sets.by_level_and_family(pd.DataFrame([one]), tasks).set_index("group")["score"]
    assert table.to_dict() == {"all": 0.75, "level 1": 1.0, "level 2": 0.5, "family seen": 0.5, "family unseen": 1.0}
    assert len(sets.whole(table.reset_index())) == 1


def measured(benchmark="GAIA", simulated=False, gain=(0.03, 0.01, 0.05), tokens=(10.0, 4.0)):
    def row(method, figures, tokens):
        return {"benchmark": benchmark, "llm": "m", "method": method, "simulated": simulated, "tasks": 9, "seeds": 3,
                "gain": figures[0], "gain_lo": figures[1], "gain_hi": figures[2],
                "tokens_call_mean": tokens, "tokens_optimiser": tokens}  # fmt: skip

    return pd.DataFrame([row("all_at_once", (np.nan,) * 3, tokens[0]), row("fgo", gain, tokens[1])])


def verdicts(table) -> dict:
    return dict(zip(table["claim"].str[:24], table["verdict"], strict=True))


def test_verdicts_on_official_data_with_a_real_model():
    found = verdicts(paper_table(measured()))
    assert found["gain over other approach"] in ("agrees", "same direction")
    table = paper_table(measured()).set_index("paper")
    assert table.loc["1.6 %", "verdict"] == "agrees"  # [1, 5] holds 1.6
    assert table.loc["8.6 %", "verdict"] == "same direction"  # but not 8.6
    assert table.loc["56.3 %", "verdict"] == "same direction" and "60.0 % lower a call" in table.loc["56.3 %", "measured"]
    assert table.loc["most consistent", "verdict"] == "not run"
    lost = paper_table(measured(gain=(-0.03, -0.05, 0.02))).set_index("paper")
    assert lost.loc["1.6 %", "verdict"] == "differs" and lost.loc["1.6 %", "interval"] == "[-5.0, +2.0]"


@pytest.mark.parametrize("benchmark, simulated, verdict", [
    ("GAIA", True, "simulated, not evidence"), ("ALFWorld-gen", False, "not comparable"),
    ("LogisticsQA-real", False, "not comparable")])  # fmt: skip
def test_nothing_else_agrees_or_differs(benchmark, simulated, verdict):
    table = paper_table(measured(benchmark, simulated))
    assert set(table["verdict"]) == {verdict, "not run"}


def test_sets_that_were_not_run_are_in_the_paper_table():
    table = paper_table(measured(), {"GAIA-like": "no such set"})
    assert (table[table["set"] == "GAIA-like"]["verdict"] == "not run: no such set").all()
    assert len(table) == 2 * 4 and not table.isna().any(axis=None)


def test_the_power_line_by_hand():
    table = measured().assign(score=[0.8, 0.83], tasks=134)
    line = power_line(table)
    assert "+1.6 points: 9,509" in line and "On 134 tasks they show gains from 11.7 points on" in line
    assert "of all seeds, as here, gains from 2.9 points on" in line  # half of [1, 5] by 1 + .84 / 1.96
    assert "+8.6 points: impossible, it would exceed 100 %" in power_line(table.assign(score=0.95))
    assert "On 5 tasks they show no gain that is left" in power_line(table.assign(score=0.95, tasks=5))
    assert power_line(table[table["method"] == "fgo"]).startswith("No run of the reference")


def test_gains_are_corrected_for_their_number():
    def row(method, gain, half):
        return {"benchmark": "b", "llm": "l", "method": method, "gain": gain, "gain_lo": gain - half, "gain_hi": gain + half}

    table = pd.DataFrame([row("sure", 0.10, 0.05), row("alone only", 0.051, 0.05), row("no", 0.0, 0.05)])
    assert holm_line(table).startswith("1 of 3 gains stay significant after Holm's correction: sure +10.0 (b, l)")
    assert holm_line(table[1:2]).startswith("1 of 1 gains")
    assert "nothing to correct" in holm_line(table.assign(gain=np.nan))
