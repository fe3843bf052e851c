"""Interior optima that hold on fresh seeds; the relation of a column to the score."""

import numpy as np
import pytest
from made_rows import noisy, rows_of

from fgo_kit.experiments import division, grids


@pytest.mark.parametrize("rates, interior", [
    ((0.2, 0.8, 0.2), "clear"), ((0.2, 0.5, 0.9), "at an end"), ((0.5, 0.54, 0.5), "unclear"),
])  # fmt: skip
def test_an_interior_optimum_must_beat_both_ends_on_fresh_seeds(rates, interior):
    labels = [f"N = {n}" for n in (1, 2, 3)]
    rows = rows_of({label: noisy(rate) for label, rate in zip(labels, rates, strict=True)})
    [line] = division.optima(rows, {"similar": labels}).to_dict("records")
    assert line["interior"] == interior and line["best"] == labels[int(np.argmax(rates))]
    assert (line["above first"] != "") == (interior != "at an end")


def test_an_optimum_by_luck_on_the_choosing_seeds_is_not_reported():
    lucky = {"N = 1": noisy(0.3), "N = 2": lambda seed, task: seed < 4 or noisy(0.3)(seed, task), "N = 3": noisy(0.3)}
    assert division.optima(rows_of(lucky), {"x": list(lucky)})["interior"].tolist() == ["unclear"]
    assert division.optima(rows_of(lucky).query("seed == 0"), {"x": list(lucky)})["interior"].tolist() == ["not asked"]


def test_the_relation_of_overlap_and_score_has_its_sign():
    variants = grids.crossed(divide=["random", "similar", "failure"], n_subsets=[2])
    rates = dict(zip(variants, (0.2, 0.5, 0.9), strict=True))
    rows = rows_of({k: noisy(r) for k, r in rates.items()}, overlap=lambda method, seed: 1 - rates[method])
    found = division.rank_correlation(rows, variants, "n_subsets")
    assert found.value == -1 and found.hi < 0
    assert np.isnan(division.rank_correlation(rows.query("seed == 0"), variants, "n_subsets").lo)  # one seed
    two = grids.crossed(divide=["random", "similar"], n_subsets=[2])
    assert np.isnan(division.rank_correlation(rows, two, "n_subsets").value)
