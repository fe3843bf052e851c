"""Figures name what they show; files hold a table, its figure and where they come from."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from fgo_kit import report
from fgo_kit.report import drawing, figures
from fgo_kit.report import save_figures as files

COMMITTED = sorted((Path(__file__).resolve().parents[2] / "paper_figures").glob("*.png"))


@pytest.fixture(autouse=True)
def _closed():
    yield
    drawing.plt.close("all")


def test_a_table_without_runs_is_saved_with_its_origin(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "FIGURES", tmp_path)
    path = report.save("sums", pd.DataFrame({"x": [1.0]}), None, preset="full")
    assert path.read_text() == "x\n1.0000\n"
    assert set(json.loads((tmp_path / "sums.json").read_text())) == {"preset", "manifest"}


def test_the_panel_of_call_tokens_names_its_llm_and_calls():
    line = {"method": "fgo", "score": 0.5, "lo": 0.4, "hi": 0.6, "constants": "c", "tokens_call_mean": 900.0,
            "tokens_call_max": 1000.0}  # fmt: skip
    drawn = figures.plot_methods(pd.DataFrame([line | {"llm": "simulated:small"}, line | {"llm": "simulated:large"}]))
    title = drawn.axes[-1].get_title()
    assert title.startswith("simulated:small\n") and "of an optimiser or merger call" in " ".join(title.split())


def test_a_saved_figure_is_laid_out_for_good(tmp_path, monkeypatch):
    """The layout's last digits differ between processes; nothing of them may reach a file."""
    monkeypatch.setattr(files, "FIGURES", tmp_path)
    drawn, ax = drawing.plt.subplots(layout="constrained")
    ax.set_ylabel("label")
    drawn.suptitle("title")
    report.save("one", pd.DataFrame({"x": [1.0]}), None, drawn)
    places = [*ax.get_position().bounds, *drawn.texts[0].get_position()]
    assert places == [round(place, 6) for place in places] and places[0] > 0.05
    report.save("two", pd.DataFrame({"x": [1.0]}), None, drawn)
    assert (tmp_path / "fast/one.pdf").read_bytes() == (tmp_path / "fast/two.pdf").read_bytes()


def scores():
    grid = [(divide, gate) for divide in ("random", "similar") for gate in ("no gate", "hard gate")]
    return pd.DataFrame([
        {"divide": divide, "gate": gate, "score": 0.2 + 0.1 * at, "lo": 0.1 + 0.1 * at, "hi": 0.3 + 0.1 * at, "constants": "c"}
        for at, (divide, gate) in enumerate(grid)
    ])  # fmt: skip


def test_figures_show_every_row_with_its_interval_and_say_simulated():
    table = scores()
    figure = figures.plot_points(table, "gate", "divide", title="a title " * 12, lines={"base": 0.2})
    (ax,) = figure.axes
    points = [round(float(x)) for container in ax.containers for x in container[0].get_xdata()]
    assert sorted(points) == sorted(round(100 * score) for score in table["score"])
    ends = [segment[:, 0].tolist() for container in ax.containers for segment in container[2][0].get_segments()]
    assert sorted(ends) == [pytest.approx([10 + 10 * at, 30 + 10 * at]) for at in range(4)]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["no gate", "hard gate"]
    assert any("no evidence about any named model" in text.get_text() for text in figure.texts)
    assert figure.get_figwidth() == drawing.WIDTH
    panels = figures.plot_points(table, "gate", "divide", panel="divide", title="t")
    assert [ax.get_title() for ax in panels.axes] == ["random", "similar"]


def test_a_point_without_an_interval_is_drawn_alone():
    figure = figures.plot_points(scores().assign(lo=float("nan"), hi=float("nan")), "gate", "divide", title="t")
    drawn = [x for container in figure.axes[0].containers for x in container[0].get_xdata()]
    assert len(drawn) == 4


def test_a_panel_without_a_figure_title_names_its_highest_mean():
    (ax,) = figures.plot_points(scores()[:2].assign(method=["a", "b"]), panel="divide").axes
    assert ax.get_title().replace("\n", " ") == "random highest mean: b (intervals overlap)"


def test_a_strategy_keeps_its_colour_wherever_it_appears():
    alone, among = drawing.looks(["similar"]), drawing.looks(["mine", "random", "similar", "similar, N = 2", "mine, too"])
    assert alone["similar"]["color"] == among["similar"]["color"] == among["similar, N = 2"]["color"]
    strategies = ["random", "contiguous", "stratified", "similar", "difficulty", "failure", "budget"]
    assert len({look["color"] for look in drawing.looks(strategies).values()}) == 7
    assert among["mine"]["color"] != among["mine, too"]["color"]


def test_methods_are_told_by_their_marker_in_a_grey_print():
    methods = list(drawing.COLOURS)[:13]
    markers = {method: look["marker"] for method, look in drawing.looks(methods).items()}
    assert len(set(markers.values())) == 13
    assert drawing.looks(["mine", "fgo+"])["fgo+"]["marker"] == markers["fgo+"]


def drawn():
    """A figure of every kind, with labels as long as they get."""
    methods = ["all_at_once + counts + review", "most_frequent_reference", "bootstrapping + counts + review", "gepa, 5 epochs"]
    line = {"tokens_call_mean": 900.0, "tokens_call_max": 1000.0, "chain": 30.0, "constants": "0123456789abcdef", "lo": 0.1, "hi": 0.9}
    llms = ["simulated:frontier-helmet", "simulated:small weighing=0", "c", "d", "e", "f"]
    table = pd.DataFrame([line | {"method": method, "llm": llm, "benchmark": f"{llm} set", "size": 8 * at, "score": 0.2 * at, "gate": gate}
                          for llm in llms for at, method in enumerate(methods, 1) for gate in ("hard gate", "soft gate")])
    yield figures.plot_methods(table)
    yield figures.plot_points(table[table["llm"].isin(llms[:2])], panel="llm")
    yield figures.plot_points(table, "method", "gate", title="What was found is said in a title of more than one line " * 3)
    yield figures.plot_curves(table[table["llm"].isin(llms[:2])], "size", "method", "score", ("training tasks", "test score, %"))
    yield figures.plot_waiting(table[table["llm"].isin(llms[:3])], "fgo+: fewer calls wait")


def test_no_text_is_cut_and_none_has_a_name_of_code():
    for figure in drawn():
        figure.canvas.draw()
        box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
        texts = [text.get_text() for text in figure.findobj(Text)]
        assert not [text for text in texts if "_" in text or "weighing=0" in text]


def test_panels_that_compare_scores_have_equal_axes():
    for figure in drawn():
        scored = [ax for ax in figure.axes if "test score" in ax.get_xlabel()]
        assert len({ax.get_xlim() for ax in scored}) <= 1
        assert len({ax.get_ylim() for ax in figure.axes if ax not in scored and "test score" in ax.get_ylabel()}) <= 1


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_nothing_reaches_the_edge_of_a_committed_figure(path):
    pixels = drawing.plt.imread(path)[..., :3]
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert (edge == 1).all()
