"""The published curves: fits, profiles, noticing and its normalisation, the hash of the constants."""

import csv
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from fgo_kit.simulate import limits
from fgo_kit.simulate import published_curves as fits

DATA = Path(__file__).parents[2] / "data"


@pytest.mark.parametrize("name, x50, k", [
    ("small", 3_050, .80), ("large", 146_000, .70), ("frontier", 369_000, .53),
    ("small-ruler", 53_600, .98), ("large-ruler", 425_000, 1.15)])
def test_noticing_fits(name, x50, k):
    notice = limits.profile(name).notice
    assert notice.x50 == pytest.approx(x50, rel=.01)
    assert notice.k == pytest.approx(k, abs=.01)


@pytest.mark.parametrize("name, n50, k", [
    ("small", 76, 1.20), ("large", 112.6, 1.43), ("frontier", 446, 1.77)])
def test_obeying_fits(name, n50, k):
    obeying = limits.profile(name).obey
    assert obeying.x50 == pytest.approx(n50, rel=.01)
    assert obeying.k == pytest.approx(k, abs=.01)


def test_other_constants():
    small = limits.profile("small")
    assert small.hop == pytest.approx(.26, abs=.005)
    assert (small.tpr, small.fpr) == pytest.approx((.831, .131), abs=.001)
    assert small.rewrite == pytest.approx(.958, abs=.001)
    assert small.position[:2] == pytest.approx((.083, .063), abs=.002)
    assert [limits.profile(n).context_window for n in fits.SIZES] == [128_000, 128_000, 1_000_000]


def test_false_positive_rate_by_hand():
    # Of 1,000 trajectories 267 are good; the judge calls 83.1 % of them good, which is 69.8 % of its calls.
    hits = 267 * .831
    alarms = hits / .698 - hits
    assert fits.judge_rates()[1] == pytest.approx(alarms / 733, abs=1e-4)


def test_fit_finds_a_known_curve_again(monkeypatch):
    truth = fits.Hill(1_000.0, 0.7)
    exact = [(x, truth(x)) for x in (100, 500, 2_000, 9_000)]
    monkeypatch.setattr(fits, "shares", lambda curve, model: exact)
    found = fits.fit.__wrapped__("any", "model")
    assert (found.x50, found.k) == pytest.approx((1_000, .7), rel=1e-3)


def test_scores_that_only_rise_with_length_cost_nothing():
    assert limits.profile("small-helmet").notice == fits.Hill(math.inf, 1.0)
    assert limits.noticing(limits.profile("large-helmet"), 100_000, .5) == pytest.approx(1, abs=.02)


def test_hill_by_hand():
    hill = fits.Hill(100.0, 2.0)
    assert hill(0) == 1
    assert hill(100) == .5
    assert hill(300) == pytest.approx(.1)


@pytest.mark.parametrize("name", limits.profile_names())
def test_falls_with_size_hops_and_never_leaves_the_unit_interval(name):
    profile = limits.profile(name)
    sizes = np.geomspace(1, 1e6, 40)
    for hops in (1, 2):
        seen = [limits.noticing(profile, t, .5, hops) for t in sizes]
        assert all(0 < later <= earlier <= 1 for earlier, later in pairwise(seen))
    assert limits.noticing(profile, 5_000, .5, 2) <= limits.noticing(profile, 5_000, .5, 1)
    kept = [limits.obey(profile, n) for n in range(1, 1_000, 20)]
    assert all(later <= earlier <= 1 for earlier, later in pairwise(kept))


def test_two_hops_scale_x50():
    profile = limits.profile("small")
    scaled = replace(profile, notice=fits.Hill(profile.notice.x50 * profile.hop, profile.notice.k))
    assert limits.noticing(profile, 2_000, .3, 2) == pytest.approx(limits.noticing(scaled, 2_000, .3))


@pytest.mark.parametrize("name", ["small", "frontier", "null"])
def test_position_weights_average_to_one_and_favour_the_ends(name):
    profile = limits.profile(name)
    middles = (np.arange(20_000) + .5) / 20_000
    assert np.mean([limits.weight(profile, u) for u in middles]) == pytest.approx(1, abs=1e-6)
    assert limits.weight(profile, 0) >= limits.weight(profile, 1) >= limits.weight(profile, .5)


def test_null_has_no_limits():
    null = limits.profile("null")
    assert limits.noticing(null, 1e9, 0, 2) == limits.obey(null, 10_000) == 1
    assert (null.tpr, null.fpr, null.rewrite, null.extrapolated) == (1, 0, 1, ())
    assert null.context_window > 10**8


def test_names():
    assert limits.profile("small-nolima") == limits.profile("small")
    with pytest.raises(ValueError, match="'tiny'.*small.*null.*large-helmet"):
        limits.profile("tiny")
    with pytest.raises(ValueError, match="null-ruler"):
        limits.profile("null-ruler")
    with pytest.raises(ValueError, match="1.5"):
        limits.noticing(limits.profile("small"), 10, 1.5)


def test_extrapolated_ranges_are_named():
    assert any("above 32,000 tokens" in note for note in limits.profile("small").extrapolated)
    assert any("above 128,000 tokens" in note for note in limits.profile("frontier").extrapolated)
    assert not any("tokens" in note and "above" in note for note in limits.profile("large").extrapolated)


def test_hash_changes_with_a_constant(monkeypatch):
    before = limits.constants_hash()
    assert before == limits.constants_hash()
    monkeypatch.setattr(limits, "ASSUMPTIONS", limits.Assumptions(hop_scale=2))
    limits.constants_hash.cache_clear()
    assert before != limits.constants_hash()
    monkeypatch.undo()
    limits.constants_hash.cache_clear()
    assert before == limits.constants_hash()


def test_table():
    table = fits.fit_table()
    assert {"curve", "model", "x50", "k", "n_points", "rmse", "x_min", "x_max", "used_by"} == set(table)
    assert (table.rmse < .06).all()


@pytest.mark.parametrize("name", ["published_curves.csv", "paper_values.csv", "external_findings.csv"])
def test_every_figure_has_a_source(name):
    with (DATA / name).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows and all(row["source"] for row in rows)
