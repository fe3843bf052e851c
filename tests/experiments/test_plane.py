"""The plane of width and depth: which points are asked for, and what is shown of them."""

import numpy as np
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


def test_a_full_preset_asks_for_the_plane_of_every_set_with_two_tasks_a_subset():
    grids = {name: (len(grid.methods), len(grid.seeds)) for name, grid in plane.grids("full", "log.sqlite").items()}
    assert grids == {"logisticsqa plane": (24, 4), "alfworld plane": (15, 2), "gaia plane": (19, 4)}
    [only] = plane.grids("fast", "log.sqlite").values()
    assert (only.benchmark, len(only.methods), len(only.seeds)) == ("logisticsqa", 4, 3)
    assert set(grids) == set(plane.FILES)


def test_both_levels_of_the_merger_for_the_simulated_llm_alone():
    assert [llm.name for llm in plane.mergers("simulated", "fast")] == ["simulated:small", "simulated:small weighing=0"]
    assert len(plane.mergers("simulated", "full")) == 4
    assert plane.mergers("openai:some-model", "full") == ["openai:some-model"]


def test_a_point_has_its_width_its_depth_and_the_mean_of_its_chains():
    points = plane.points(64, (1, 4))
    rows = rows_of({name: noisy(0.2 * at) for at, name in enumerate(points, 1)}, chain=lambda method, seed: 10 * len(method) + seed)
    table = plane.plane(rows)
    assert list(zip(table["width"], table["depth"], strict=True)) == [(1, 1), (1, 4), (4, 1), (4, 4)]
    assert table["chain"].tolist() == [33.5] * 4
    assert np.isnan(table["gain"][0]) and (table["gain"][1:] > 0).all()
    assert plane.best_points(table)["simulated:small"].startswith("4×4")
    shown = plane.show_plane(table)
    assert shown["calls that wait"].tolist() == ["33.5"] * 4
    lines = plane.plot_plane(table).axes[0].containers
    assert [line.get_label() for line in lines] == ["width 1", "width 4"]
