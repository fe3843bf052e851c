"""The paper table says what a row is worth: evidence, no evidence, not run."""

import numpy as np
import pandas as pd
import pytest

from fgo_kit.report import paper_table


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
    assert table.loc["most consistent", "verdict"] == "see 04_dataset_size"
    lost = paper_table(measured(gain=(-0.03, -0.05, -0.02))).set_index("paper")
    assert lost.loc["1.6 %", "verdict"] == "differs" and lost.loc["1.6 %", "interval"] == "[-5.0, -2.0]"


def test_a_small_gain_has_a_direction_too():
    table = paper_table(measured(gain=(0.016, 0.005, 0.027))).set_index("paper")
    assert (table.loc["1.6 %", "verdict"], table.loc["8.6 %", "verdict"]) == ("agrees", "same direction")


@pytest.mark.parametrize("gain", [(0.04, -0.3, 0.38), (-0.001, -0.09, 0.09), (0.03, np.nan, np.nan), (0.02, 0.0, 0.04)])
def test_an_interval_with_zero_in_it_tells_nothing(gain):
    table = paper_table(measured(gain=gain)).set_index("paper")
    assert table.loc["1.6 %", "verdict"] == table.loc["8.6 %", "verdict"] == "not distinguishable"


def test_every_other_approach_has_its_own_row_and_verdict():
    table = measured(gain=(0.08, 0.05, 0.11))
    table.loc[1, ["gain_other", "gain_other_lo", "gain_other_hi"]] = (-0.04, -0.07, -0.01)
    found = paper_table(table)
    gains = found[found["paper"] == "8.6 %"].set_index("measured")["verdict"].to_dict()
    assert gains == {"+8.0 points over all_at_once": "agrees", "-4.0 points over bootstrapping": "differs"}
    alone = paper_table(table[table["method"] == "fgo"].assign(gain=np.nan, gain_other=np.nan))
    assert dict(zip(alone["paper"], alone["verdict"], strict=True)) == {
        "1.6 %": "not run", "8.6 %": "not run", "56.3 %": "not run", "most consistent": "see 04_dataset_size"
    }  # fmt: skip


@pytest.mark.parametrize("benchmark, simulated, verdict", [
    ("GAIA", True, "simulated, not evidence"), ("ALFWorld-gen", False, "not comparable"),
    ("LogisticsQA-real", False, "not comparable")])  # fmt: skip
def test_nothing_else_agrees_or_differs(benchmark, simulated, verdict):
    table = paper_table(measured(benchmark, simulated))
    assert set(table["verdict"]) == {verdict, "see 04_dataset_size"}


def test_sets_that_were_not_run_are_in_the_paper_table():
    table = paper_table(measured(), {"GAIA-like": "no such set"})
    assert (table[table["set"] == "GAIA-like"]["verdict"] == "not run: no such set").all()
    assert len(table) == 2 * 4 and not table.isna().any(axis=None)
