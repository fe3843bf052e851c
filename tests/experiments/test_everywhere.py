"""One setting everywhere: which cells are asked for, and what a row of the table says."""

import pandas as pd
import pytest
from made_rows import noisy, rows_of

from fgo_kit.experiments import everywhere
from fgo_kit.experiments.sets import SETS

SCORES = {"fgo+": 0.7, "bootstrapping + counts": 0.5, "bootstrapping + counts + review": 0.6, everywhere.ALL_AT_ONCE: 0.4}
CHAINS = {"fgo+": 10, "bootstrapping + counts": 40, "bootstrapping + counts + review": 80, everywhere.ALL_AT_ONCE: 5}


def cell(llm="simulated:small", scores=SCORES, benchmark="LogisticsQA-gen"):
    made = rows_of({name: noisy(score) for name, score in scores.items()}, chain=lambda method, seed: CHAINS[method])
    return made.assign(llm=llm, benchmark=benchmark)


def test_a_full_preset_asks_every_set_and_each_profile_with_two_mergers():
    assert len(everywhere.grids("fast", "log.sqlite")) == 1
    grids = everywhere.grids("full", "log.sqlite")
    assert [name.split()[0] for name in grids] == list(SETS)
    assert {len(grid.data) for grid in grids.values()} == {3}
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
