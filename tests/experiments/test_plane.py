"""The plane of width and depth: which points are asked for, and what is shown of them."""

import numpy as np
import pytest
from made_rows import noisy, rows_of

from fgo_kit.algorithm.settings import Settings
from fgo_kit.experiments import plane
from fgo_kit.runs.variants import VARIANTS


def test_every_subset_has_two_tasks_and_all_else_is_fgo_plus():
    points = plane.points(256, (1, 2, 4, 8, 16))
    assert len(points) == 24 and "16×16" not in points and "16×8" in points
    for choices in points.values():
        Settings(**choices)
        assert {k: v for k, v in choices.items() if k not in ("n_subsets", "rounds")} == VARIANTS["fgo+"]


@pytest.mark.parametrize(("preset", "points", "seeds"), [("fast", 4, 3), ("full", 24, 4)])
def test_the_grid_of_a_preset(preset, points, seeds):
    grid = plane.grid(preset, "log.sqlite")
    assert len(grid.methods) == points and len(grid.seeds) == seeds and len(grid.data) == 1


def test_both_levels_of_the_merger_for_the_simulated_llm_alone():
    assert [llm.name for llm in plane.mergers("simulated", "fast")] == ["simulated:small", "simulated:small weighing=0"]
    assert len(plane.mergers("simulated", "full")) == 4
    assert plane.mergers("openai:some-model", "full") == ["openai:some-model"]


def test_a_point_has_its_width_its_depth_and_the_mean_of_its_chains():
    points = plane.points(64, (1, 4))
    rows = rows_of({name: noisy(0.2 * at) for at, name in enumerate(points, 1)}, chain=lambda method, seed: 10 * len(method) + seed)
    table = plane.plane(rows, points)
    assert list(zip(table["width"], table["depth"], strict=True)) == [(1, 1), (1, 4), (4, 1), (4, 4)]
    assert table["chain"].tolist() == [33.5] * 4
    assert np.isnan(table["gain"][0]) and (table["gain"][1:] > 0).all()
    assert plane.best_points(table)["simulated:small"].startswith("4×4")
    shown = plane.show_plane(table)
    assert shown["calls that wait"].tolist() == ["33.5"] * 4
    lines = plane.plot_plane(table).axes[0].containers
    assert [line.get_label() for line in lines] == ["width 1", "width 4"]
