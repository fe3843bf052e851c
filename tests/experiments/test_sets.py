"""Sets that cannot be used here are rows with a reason; the paper table says what a row is worth."""

import numpy as np
import pandas as pd
import pytest

import fgo_kit as fgo
from fgo_kit.benchmarks.alfworld import engine as alfworld_engine
from fgo_kit.experiments import sets
from fgo_kit.records import Task
from fgo_kit.report import findings, holm_line, paper_table, power_line, show, summary


def test_what_cannot_be_loaded_comes_with_its_reason(monkeypatch):
    assert sets.try_load("logisticsqa", n_train=4)[1] == ""
    bench, reason = sets.try_load("nowhere")
    assert bench is None and "'nowhere' is unknown" in reason
    monkeypatch.setattr(alfworld_engine, "missing", lambda: "no compiler")
    assert sets.try_load("alfworld") == (None, "no compiler")
    assert sets.interactive("alfworld", fgo.preset("fast"))[:2] == (None, "no compiler")
    assert sets.interactive("alfworld", fgo.preset("full"))[2] == {"n_subsets": 8}
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
    assert table.loc["most consistent", "verdict"] == "see 04_dataset_size"
    lost = paper_table(measured(gain=(-0.03, -0.05, -0.02))).set_index("paper")
    assert lost.loc["1.6 %", "verdict"] == "differs" and lost.loc["1.6 %", "interval"] == "[-5.0, -2.0]"


@pytest.mark.parametrize("gain", [(0.04, -0.3, 0.38), (-0.001, -0.09, 0.09), (0.03, np.nan, np.nan), (0.02, 0.0, 0.04)])
def test_an_interval_with_zero_in_it_tells_nothing(gain):
    table = paper_table(measured(gain=gain)).set_index("paper")
    assert table.loc["1.6 %", "verdict"] == table.loc["8.6 %", "verdict"] == "cannot be told"


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


def test_the_power_line_by_hand():
    table = measured().assign(score=[0.8, 0.83], tasks=134)
    line = power_line(table)
    assert "+1.6 points: 9,509" in line and "On 134 tasks they show gains from 11.7 points on" in line
    assert "of all seeds, as here, gains from 2.9 points on" in line  # half of [1, 5] by 1 + .84 / 1.96
    assert "+8.6 points: impossible, it would exceed 100 %" in power_line(table.assign(score=0.95))
    assert "On 5 tasks they show no gain that is left" in power_line(table.assign(score=0.95, tasks=5))
    assert power_line(table[table["method"] == "fgo"]).startswith("No run of the reference")


def test_power_without_a_row_named_fgo_is_the_median_of_all_gains():
    table = measured().assign(score=[0.8, 0.83], tasks=134)
    gained = [table[1:].assign(method=name, gain_lo=0.03 - half, gain_hi=0.03 + half)
              for name, half in (("a", 0.01), ("b", 0.02), ("c", 0.2))]  # fmt: skip
    line = power_line(pd.concat([table[:1], *gained]))
    assert line.endswith("the pairs of all seeds, as here, gains from 2.9 points on (median of 3 rows).")
    assert power_line(table[:1]).endswith("gains from 11.7 points on.")


def test_gains_are_corrected_for_their_number():
    table = pd.DataFrame({"benchmark": "b", "llm": "l", "method": ["sure", "alone only", "no", "none"], "seeds": 5,
                          "gain": [0.10, 0.05, 0.0, 0.2], "gain_p": [0.001, 0.03, 0.9, np.nan]})  # fmt: skip
    assert holm_line(table).startswith("1 of 3 gains stay significant after Holm's correction: sure +10.0 (b, l)")
    assert holm_line(table[1:2]).startswith("1 of 1 gains")
    assert "nothing to correct" in holm_line(table.assign(gain_p=np.nan))
    assert "nothing to correct" in holm_line(table.drop(columns="gain_p"))  # a table of before there were any
    assert "not computed: of 3 seeds" in holm_line(table.assign(seeds=[10, 3, 10, 1]))


def of_method(method, score, status="ok", seeds=6, **more):
    """Rows of one method: score(seed, task) on eight tasks."""
    one = {"benchmark": "b", "llm": "l", "method": method, "simulated": True, "constants": "c", "n_train": 4,
           "status": status, "tokens_call_mean": 1.0, "tokens_call_max": 1.0, "tokens_optimiser": 0,
           "tokens_all_in": 1.0, "calls": 1, "rules": 0, "dropped": 0}  # fmt: skip
    return [one | more | {"seed": seed, "scores": {f"t{n}": float(score(seed, n)) for n in range(8)}
                          if status == "ok" else {}} for seed in range(seeds)]  # fmt: skip


def test_findings_name_the_stronger_baseline_too():
    rows = [*of_method("all_at_once", lambda s, n: n < 2), *of_method("bootstrapping", lambda s, n: (n + s) % 8 < 7),
            *of_method("fgo", lambda s, n: (n + 3 * s) % 8 < 4)]  # fmt: skip
    table = summary(pd.DataFrame(rows))
    line = findings(table)
    assert "fgo loses to bootstrapping (-37.5 [" in line and " all_at_once (+25.0 [" in line
    assert "highest mean: bootstrapping" in line and line.count("\n") == 0
    gain = table.set_index("method").loc["fgo"]
    assert gain["gain"] == 0.25 and gain["gain_other"] == -0.375 and gain["gain_other_hi"] < 0
    assert 0 < gain["gain_other_p"] < 0.05


def test_what_was_not_measured_is_not_known_and_no_tie():
    rows = [*of_method("all_at_once", lambda s, n: 0, "Overloaded"), *of_method("fgo", lambda s, n: n % 2)]
    line = findings(summary(pd.DataFrame(rows)))
    assert "how fgo stands beside all_at_once is not known" in line and "told" not in line and "bootstrapping" not in line


def test_a_summary_shows_zeros_and_leaves_out_what_is_not_known():
    rows = [*of_method("base", lambda s, n: n % 2, tokens_call_mean=np.nan), *of_method("fgo", lambda s, n: n % 2, rules=3)]
    shown = show(summary(pd.DataFrame(rows)))
    assert shown["rules"].to_dict() == {"base": "0.0", "fgo": "3.0"} and set(shown["all such calls"]) == {"0.0"}
    assert shown["k tokens a call"]["base"] == "" and "dropped" not in shown and "failed runs" not in shown
    rows = [*of_method("base", lambda s, n: 0, dropped=1), *of_method("fgo", lambda s, n: 0, "Overloaded")]
    shown = show(summary(pd.DataFrame(rows)))
    assert shown["failed runs"].tolist() == ["0", "6"] and shown["dropped"].tolist() == ["1.0", "0.0"]
