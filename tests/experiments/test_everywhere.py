"""One setting everywhere: which cells are asked for, and what a row of the table says."""

import pandas as pd
import pytest
from made_rows import noisy, rows_of

from fgo_kit.experiments import everywhere

SCORES = {"fgo+": 0.7, "bootstrapping + counts": 0.5, "bootstrapping + counts + review": 0.6, everywhere.ALL_AT_ONCE: 0.4}
CHAINS = {"fgo+": 10, "bootstrapping + counts": 40, "bootstrapping + counts + review": 80, everywhere.ALL_AT_ONCE: 5}
DEVELOPMENT = range(3)


def cell(llm="simulated:small", scores=SCORES, benchmark="LogisticsQA-gen", subsets=8, chains=CHAINS):
    made = rows_of({name: noisy(score) for name, score in scores.items()}, chain=lambda method, seed: chains[method])
    return made.assign(llm=llm, benchmark=benchmark, n_subsets=subsets)


def test_a_full_preset_asks_every_set_and_each_profile_with_two_mergers():
    assert len(everywhere.grids("fast", "log.sqlite")) == 1
    grids = everywhere.grids("full", "log.sqlite")
    worlds = {name.removesuffix(" everywhere"): len(grid.data) for name, grid in grids.items()}
    assert worlds == {"logisticsqa": 20, "alfworld": 12, "gaia": 20, "real invoices": 5, "official games": 1}
    assert min(data["world"] for grid in grids.values() for data in grid.data if "world" in data) > max(DEVELOPMENT)
    names = [llm.name for llm in everywhere.models("simulated", ("small", "null"))]
    assert names == ["simulated:small", "simulated:small weighing=0", "simulated:null", "simulated:null weighing=0"]
    assert everywhere.models("openai:some-model", ("small",)) == ["openai:some-model"]


def test_a_row_compares_with_the_best_method_in_sequence_and_with_all_at_once():
    rows = pd.concat([cell(), cell("simulated:small weighing=0", SCORES | {"bootstrapping + counts": 0.65})])
    weighing, blind = everywhere.everywhere(rows).to_dict("records")
    assert (weighing["other"], weighing["path"]) == ("bootstrapping + counts + review", 8)
    assert (blind["other"], blind["path"], blind["merger"], blind["llm"]) == ("bootstrapping + counts", 4, "blind", "simulated:small")
    for row in (weighing, blind):
        assert row["lo"] < row["difference"] < row["hi"]
        assert row["over_all_at_once"] > row["difference"]


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        ({}, "nothing"),
        ({"scores": SCORES | {"fgo+": 0.3}}, "score, above all at once"),
        ({"chains": CHAINS | {"fgo+": 11}}, "path"),
        ({"chains": CHAINS | {"fgo+": 11}, "subsets": 4}, "nothing"),  # 8 steps are no long sequence
    ],
)
def test_a_row_names_what_it_misses_of_what_was_hoped_for(changed, missed):
    rows = cell(**({"scores": SCORES | {"fgo+": 1.0}} | changed))
    [row] = everywhere.everywhere(rows).to_dict("records")
    assert row["missed"] == missed
    rows.loc[rows["method"] == "fgo+", "tokens_all_in"] *= 1.2
    assert "tokens" in everywhere.everywhere(rows)["missed"].iloc[0]


def test_together_a_world_counts_once_whatever_llms_played_it():
    one, two = cell(), cell("simulated:null", {name: score - 0.1 for name, score in SCORES.items()})
    alone, both = everywhere.together(one), everywhere.together(pd.concat([one, two]))
    assert list(both["other"]) == [name for name in everywhere.METHODS if name != "fgo+"]
    mean = (alone["difference"] + everywhere.together(two)["difference"]) / 2
    assert both["difference"].tolist() == pytest.approx(mean.tolist())


def test_the_figure_has_a_panel_a_set_and_says_what_came_out():
    rows = pd.concat([cell(), cell("simulated:null", benchmark="GAIA-like")])
    table = everywhere.everywhere(rows)
    figure = everywhere.plot_everywhere(table)
    assert [ax.get_title() for ax in figure.axes] == ["LogisticsQA-gen", "GAIA-like"]
    assert "fgo+ against the best method in sequence" in figure.get_suptitle()
    assert len(everywhere.show_everywhere(table)) == 2


def test_a_method_that_was_not_run_is_named():
    with pytest.raises(KeyError, match="bootstrapping"):
        everywhere.everywhere(cell(scores={"fgo+": 0.5, everywhere.ALL_AT_ONCE: 0.4}))
