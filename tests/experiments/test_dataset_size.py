"""Sizes of training sets: consistency with its intervals, prompts and windows, what is dropped."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from made_rows import noisy, rows_of

from fgo_kit.experiments import dataset_size
from fgo_kit.report import highest, plot_curves


def size_rows(flat=0.6, rising=(0.3, 0.9)):
    parts = []
    for size, rate in zip((8, 16), rising, strict=True):
        parts.append(rows_of({"base": noisy(0.2), "fgo": noisy(flat), "all_at_once": noisy(rate)}, size))
    return pd.concat(parts, ignore_index=True)


def test_consistency_tells_an_even_gain_from_an_uneven_one():
    table = dataset_size.consistency(size_rows(flat=0.9, rising=(0.2, 0.9))).set_index("method")
    assert table.loc["fgo", "spread"] == 0 and table.loc["all_at_once", "spread"] > 0.4
    assert table.loc["all_at_once", "spread_more_lo"] > 0 and table.loc["all_at_once", "worst_more_hi"] < 0
    shown = dataset_size.show_consistency(table.reset_index()).droplevel("llm")
    assert shown["spread less fgo's"]["all_at_once"].startswith("+") and shown["spread less fgo's"]["fgo"] == ""
    worse = dataset_size.consistency(size_rows(flat=0.3, rising=(0.9, 0.9))).reset_index()
    assert highest(worse, "worst") == "all_at_once"


@pytest.mark.parametrize("gains", [(0.2, 0.2, 0.2, 0.2), (0.05, 0.15, 0.2, 0.25)])
def test_intervals_of_consistency_cover(gains):
    """At their nominal 95 % or above, less what 100 repetitions leave to chance, where the luck of runs is large."""
    rng, repeats, hits = np.random.default_rng(11), 100, np.zeros(2)
    for _ in range(repeats):
        hard, luck = 0.15 * rng.normal(size=64), rng.normal(0, 0.08, (4, 8, 1))
        shape, gain = (4, 8, 64), np.array(gains)[:, None, None]
        right, base = (rng.random(shape) < np.clip(0.35 + more + hard, 0, 1) for more in (gain + luck, 0.0))
        frames = [(size, method, cube[at]) for at, size in enumerate((8, 16, 32, 64))
                  for method, cube in (("base", base), ("fgo", right))]  # fmt: skip
        rows = pd.DataFrame([
            {"llm": "l", "constants": "c", "n_train": size, "method": method, "seed": seed,
             "scores": dict(enumerate(cells[seed].astype(float)))}
            for size, method, cells in frames for seed in range(8)
        ])  # fmt: skip
        (found,) = dataset_size.consistency(rows).to_dict("records")
        assert found["spread"] >= 0 <= found["spread_lo"] and found["worst"] <= found["mean"]
        assert found["worst_lo"] <= found["worst"] <= found["worst_hi"]
        hits += [found["worst_lo"] <= min(gains) <= found["worst_hi"],
                 found["spread_lo"] <= np.ptp(gains) <= found["spread_hi"]]  # fmt: skip
    assert (hits >= 0.92 * repeats).all(), hits


def test_consistency_goes_without_a_method_that_failed_at_a_size():
    rows = size_rows()
    failed = (rows["n_train"] == 16) & (rows["method"] == "all_at_once")
    rows.loc[failed, "scores"] = pd.Series([{}] * failed.sum(), index=rows.index[failed])
    assert dataset_size.consistency(rows)["method"].tolist() == ["fgo"]


def test_intervals_of_consistency_hold_the_measured_figure():
    table = dataset_size.consistency(size_rows())
    for name in ("mean", "worst"):
        assert ((table[f"{name}_lo"] <= table[name]) & (table[name] <= table[f"{name}_hi"])).all()


def test_windows_are_extrapolated_only_where_prompts_grow_with_the_set():
    tokens = {("all_at_once", 8): 4_000.0, ("all_at_once", 16): 8_000.0}
    parts = [size_rows().query(f"n_train == {size}").assign(
        tokens_call_max=lambda rows, size=size: [tokens.get((m, size), 5_000.0 + size) for m in rows["method"]]
    ) for size in (8, 16)]  # fmt: skip
    table = dataset_size.largest_prompts(pd.concat(parts))
    shown = dataset_size.window_table(table[table["method"] != "base"])
    assert shown.loc["all_at_once"].tolist() == ["about 16", "about 64", "about 260", "about 2,000"]
    assert shown.loc["fgo"].tolist() == [""] * 4
    over = dataset_size.window_table(table, (4_500, 7_000))
    assert over.loc["all_at_once"].tolist() == ["by 16", "by 16"] and over.loc["fgo", "4k window"] == "by 8"


def test_what_is_dropped_is_named_beside_all_there_was():
    rows = pd.concat([rows_of({"all": noisy(0.5), "fgo": noisy(0.5)}, size, dropped=dropped) for size, dropped in (
        (8, lambda method, seed: 0), (16, lambda method, seed: 9 * (method == "all")))])  # fmt: skip
    table = dataset_size.dropped_table(rows, {"all": {"epochs": 3}, "fgo": {"passes": 2}})
    assert table["of"].tolist() == [24, 32, 48, 64]  # two epochs by default
    assert dataset_size.dropped_grid(table).to_numpy().tolist() == [["0.0 of 24", "9.0 of 48"]]


def test_curves_show_sizes_and_windows():
    table = dataset_size.largest_prompts(size_rows())
    figure = plot_curves(table, "n_train", "method", "value", ("training tasks", "thousand tokens"))
    dataset_size.draw_windows(figure, (8_000, 32_000))
    (ax,) = figure.axes
    assert [label.get_text() for label in ax.get_xticklabels()] == ["8", "16"]
    assert ax.get_title() == "simulated:small\n12 (base) to 12 (base) at 16"  # the least and the most
    assert {"8k window", "32k window"} == {text.get_text() for text in ax.texts}  # the prompts are of 12k
    plt.close(figure)
