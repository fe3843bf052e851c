"""Grids over several factors: labels by hand, main effects, token figures."""

import pandas as pd
from made_rows import noisy, rows_of

from fgo_kit.experiments import grids
from fgo_kit.report import show_differences, show_grid


def test_combinations_are_labelled_and_can_be_taken_apart_again():
    variants = grids.crossed(divide=["random", "similar"], n_subsets=[2, None], edits=[False])
    assert list(variants)[1] == "random, N chosen, rewrite" and len(variants) == 4
    assert variants["similar, N = 2, rewrite"] == {"divide": "similar", "n_subsets": 2, "edits": False}
    table = grids.with_factors(pd.DataFrame({"method": ["base", *variants]}), variants)
    assert table["n_subsets"].tolist() == ["", "N = 2", "N chosen", "N = 2", "N chosen"]
    default = {"gate": "none", "fan_in": 2}
    single = grids.one_at_a_time(default, gate=["hard"], fan_in=[2, 4])
    assert [grids.change(default, chosen) for chosen in single.values()] == ["default", "hard gate", "fan-in 4"]


def effect_rows():
    variants = grids.crossed(divide=["random", "similar"], gate=["none", "hard"])
    better = {"similar, no gate", "similar, hard gate"}
    return variants, rows_of(
        {label: noisy(0.8 if label in better else 0.3, shift) for shift, label in enumerate(variants)}
    )


def test_main_effects_pair_settings_that_differ_in_one_factor():
    variants, rows = effect_rows()
    table = grids.effects(rows, variants).set_index("factor")
    assert table["verdict"].to_dict() == {"divide": "better", "gate": "unclear"} and set(table["pairs"]) == {2}
    assert grids.effect_title(table.reset_index(), "divide") == "better than random: similar"
    assert grids.effect_title(table.reset_index(), "gate") == "none is significantly different from no gate"
    assert show_differences(table.reset_index())["difference, points"][0].startswith("+")
    flipped = grids.effects(rows, dict(reversed(variants.items())))  # the same, seen from the other level
    assert grids.effect_title(flipped, "divide") == "worse than similar: random"
    assert grids.effect_title(flipped, "merge") == ""


def test_an_effect_without_its_counterpart_is_left_out():
    variants, rows = effect_rows()
    lonely = variants | grids.crossed(divide=["failure"], gate=["soft"])
    assert set(grids.effects(rows, lonely)["level"]) == {"similar", "hard gate"}


def test_what_was_not_run_is_not_known_rather_than_no_different():
    variants, rows = effect_rows()
    rows["scores"] = [{} if "hard gate" in method else scores
                      for method, scores in zip(rows["method"], rows["scores"], strict=True)]  # fmt: skip
    table = grids.effects(rows, variants)
    assert table.set_index("factor")["verdict"].to_dict() == {"divide": "better", "gate": "not known"}
    assert grids.effect_title(table, "gate") == "not known: hard gate"
    alone = rows_of({"a": noisy(0.5)}).iloc[:1]
    alone = pd.concat([alone, alone.assign(method="b")]).assign(scores=[{"t": 1.0}, {"t": 0.0}])
    single = grids.effects(alone, {"a": {"x": "a"}, "b": {"x": "b"}})
    assert single["difference"].tolist() == [-1.0] and single["verdict"].tolist() == ["too few seeds for an interval"]


def test_runs_alike_to_the_last_task_are_the_same_and_not_unknown():
    rows = rows_of({"a": noisy(0.5), "twin": noisy(0.5)})
    assert grids.effects(rows, {"a": {"gate": "none"}, "twin": {"gate": "hard"}})["verdict"].tolist() == ["alike"]


def test_a_grid_is_shown_by_two_factors():
    variants, rows = effect_rows()
    table = grids.ablation(rows, variants, reference="random, no gate")
    shown = show_grid(table, "gate", "divide")
    assert list(shown.index) == ["no gate", "hard gate"] and list(shown.columns) == ["random", "similar"]
    assert shown.loc["no gate", "random"].startswith(f"{100 * table['score'][0]:.1f} [")
    assert table["overlap"].tolist() == [0.5] * 4 and (table["overlap_lo"] == 0.5).all()


def test_token_figures_are_means_over_seeds():
    rows = rows_of({"all_at_once": noisy(0.5), "similar": noisy(0.5)}, tokens_all_in=lambda method, seed: 1000 * (1 + seed % 2))
    table = grids.token_table(rows, {"similar": {"divide": "similar"}})
    assert table["figure"].unique().tolist() == ["mean of a call", "all calls together", "in total"]
    all_in = table[table["figure"] == "in total"].set_index("method")
    assert all_in["value"].tolist() == [1.5, 1.5] and (all_in["lo"] < 1.5).all() and all_in["divide"].tolist() == ["", "similar"]
