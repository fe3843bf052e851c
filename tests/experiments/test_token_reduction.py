"""What runs take: the columns asked of a run, USD, the three definitions beside arithmetic, matching, frontier."""

import math

import pandas as pd
import pytest
from helpers import small_bench

from fgo_kit.algorithm import prompts
from fgo_kit.calls.prices import price
from fgo_kit.calls.protocol import Usage
from fgo_kit.calls.tokens import count_messages
from fgo_kit.experiments import grids, tokens
from fgo_kit.report import summary
from fgo_kit.report.drawing import colour_of
from fgo_kit.runs.compare import compare
from fgo_kit.runs.result import OPTIMISER_PHASES
from fgo_kit.runs.run import run
from fgo_kit.simulate.model import load


@pytest.fixture(scope="module")
def bench():
    return small_bench(n_train=12, n_test=6)


@pytest.fixture(scope="module")
def rows(bench):
    return compare(bench, "simulated", {
        "base": {"method": "base"}, "all_at_once": {"method": "all_at_once"}, "fgo": {"method": "fgo", "n_subsets": 3},
    }, [0, 1], after=tokens.spent)  # fmt: skip


def test_what_a_run_spent_sums_to_its_ledger(bench):
    done = run(bench, "simulated", method="fgo", n_subsets=3, workers=1)
    found = tokens.spent(done, bench, load("small"))
    figures = done.token_figures()
    assert found["prompt_all_in"] + found["completion_all_in"] == figures["tokens_all_in"]
    assert sum(found["phases"].values()) == found["prompt_all_in"] and "test" not in found["phases"]
    assert sum(found["phases"].get(phase, 0) for phase in OPTIMISER_PHASES) == figures["tokens_optimiser"]
    assert found["rollouts"] == 2 * len(bench.train) and 80 < found["prompt_tokens"] < 1_000


def test_the_chain_counts_rounds_that_wait_for_each_other(bench):
    def chain(**choices):
        return run(bench, "simulated:null", workers=1, **choices).critical_path("calls")

    assert chain(method="base") == 1  # the test alone
    assert chain(method="all_at_once", epochs=1) == 3 + 1  # roll out, evaluate, propose; test
    assert chain(method="bootstrapping", n_subsets=3, epochs=2) == 3 * 2 * 3 + 1
    assert chain(method="fgo", n_subsets=2, epochs=2) == 2 * 3 + 1 + 1  # subsets side by side, one merge, test
    with pytest.raises(ValueError, match="unit='hours' is unknown; use one of"):
        run(bench, "simulated", method="base").critical_path("hours")


def test_usd_are_the_list_prices_of_the_mean_run(rows):
    table = tokens.with_costs(summary(rows), rows).set_index("method")
    fgo = rows[rows["method"] == "fgo"]
    prompt, completion = fgo["prompt_all_in"].mean(), fgo["completion_all_in"].mean()
    spec = tokens.PRICE_LISTS[0]
    expected = price(spec, Usage(round(prompt), round(completion)))
    assert table.loc["fgo", "USD, gpt-5-mini"] == pytest.approx(expected, rel=0.01)
    assert table.loc["base", "USD, gpt-5-mini"] == 0
    assert len(tokens.price_table()) == len(tokens.PRICE_LISTS) == 3 and (tokens.price_table().iloc[:, 1:] > 0).all(axis=None)


def test_costs_stand_with_whole_runs_only(rows):
    table = summary(rows)
    both = pd.concat([table.assign(group="all"), table.assign(group="level 1")], ignore_index=True)
    found = tokens.with_costs(both, rows)
    assert found.loc[found["group"] == "level 1", "USD, gpt-5-mini"].isna().all()
    assert found.loc[found["group"] == "all", "USD, gpt-5-mini"].notna().all()


def hand_made(bench) -> pd.DataFrame:
    own = count_messages(prompts.propose(bench.seed_module, []))
    common = {"benchmark": "b", "llm": "l", "dropped": 0.0}
    return pd.DataFrame([
        {"method": "all_at_once", "n_subsets": 1, "tokens_call_mean": 10.0 * own, "tokens_call_max": 10.0 * own,
         "tokens_optimiser": 10.0 * own, "tokens_all_in": 100.0 * own, **common},
        # three subsets of three own-lengths of trajectories each, and no merge
        {"method": "fgo", "n_subsets": 3, "tokens_call_mean": 4.0 * own, "tokens_call_max": 5.0 * own,
         "tokens_optimiser": 12.0 * own, "tokens_all_in": 102.0 * own, **common},
        {"method": "base", "n_subsets": 0, "tokens_call_mean": math.nan, "tokens_call_max": math.nan,
         "tokens_optimiser": 0.0, "tokens_all_in": 0.0, **common},
    ])  # fmt: skip


def test_the_three_definitions_by_hand(bench):
    [line] = tokens.reductions(hand_made(bench), bench).to_dict("records")
    assert (line["mean call"], line["largest call"]) == pytest.approx((-0.6, -0.5))
    assert line["mean call"] == pytest.approx(line["expected call"])  # (1 - 1/3) of the nine tenths that is no module
    assert line["all such calls"] == pytest.approx(line["expected without merges"]) == pytest.approx(0.2)
    assert line["in total"] == pytest.approx(0.02)
    assert tokens.show_reductions(pd.DataFrame([line]))["mean call"].tolist() == ["-60.0 %"]


def test_the_frontier_holds_what_no_other_beats_for_less():
    table = pd.DataFrame({"benchmark": "b", "llm": "l", "method": list("abcd"),
                          "tokens_all_in": [30.0, 10.0, 20.0, 10.0], "score": [0.9, 0.5, 0.4, 0.6]})  # fmt: skip
    assert tokens.frontier(table).set_index("method")["best"].to_dict() == {"a": True, "b": False, "c": False, "d": True}


def test_a_failed_row_takes_no_other_off_the_frontier():
    table = pd.DataFrame({"benchmark": "b", "llm": "l", "method": list("abcd"),
                          "tokens_all_in": [1.0, 2.0, math.nan, 3.0], "score": [0.3, math.nan, 0.5, 0.9]})  # fmt: skip
    assert tokens.frontier(table)["best"].tolist() == [True, False, False, True]


def test_phases_are_shares_of_a_run(rows):
    table = tokens.phase_table(rows)
    assert set(table["method"]) == {"all_at_once", "fgo"}
    assert table.groupby("method")["share"].sum().tolist() == pytest.approx([1, 1])
    assert "merge" in set(table[table["method"] == "fgo"]["phase"])


def test_labels_after_a_comma_keep_their_methods_colour():
    assert colour_of("bootstrapping, 3 epochs") == colour_of("bootstrapping") != colour_of("fgo")
    assert colour_of("mine") == "#000000"


def test_figures_are_drawn(rows, bench):
    table = tokens.with_costs(summary(rows), rows)
    figures = [
        tokens.plot_reductions(tokens.reductions(table, bench), grids.token_changes(rows), rows["constants"]),
        tokens.plot_phases(tokens.phase_table(rows), rows["constants"]),
        tokens.plot_frontier(tokens.frontier(table), rows["constants"]),
    ]
    for figure in figures:
        assert any("simulated LLM (constants" in text.get_text() for text in figure.texts)


def test_failed_runs_cost_nothing_that_is_known(rows):
    failed = rows[["benchmark", "llm", "method", "seed", "simulated", "constants", "n_train", "run_id"]]
    failed = failed.assign(status="Overloaded", scores=[{}] * len(rows))
    table = tokens.with_costs(summary(failed), failed)
    assert table["USD, gpt-5-mini"].isna().all() and tokens.show_costs(table).eq("").all(axis=None)


def test_changes_of_tokens_have_intervals_over_seeds():
    one = {"benchmark": "b", "llm": "l"}
    used = {("fgo", 0): 30.0, ("fgo", 1): 10.0, ("all_at_once", 0): 100.0, ("all_at_once", 1): 60.0}
    rows = pd.DataFrame([one | {"method": method, "seed": seed, **dict.fromkeys(grids.TOKEN_FIGURES, value)}
                         for (method, seed), value in used.items()])  # fmt: skip
    changes = grids.token_changes(rows)
    assert changes["figure"].tolist() == ["mean of a call", "all calls together", "in total"]
    assert changes["change"].tolist() == pytest.approx([100 * 40 / 160 - 100] * 3)  # of the means, not of ratios
    assert ((changes["lo"] < changes["change"]) & (changes["change"] < changes["hi"])).all()
    worlds = pd.DataFrame([one | {"method": method, "seed": seed, "world": world, **dict.fromkeys(grids.TOKEN_FIGURES, value)}
                           for world in range(3) for seed in (0, 1)
                           for method, value in (("fgo", 50.0 + 50 * world), ("all_at_once", 100.0))])  # fmt: skip
    assert grids.token_changes(worlds)["hi"].tolist() == pytest.approx([4.3027 * 50 / 3**0.5] * 3, abs=0.01)  # t(2)
