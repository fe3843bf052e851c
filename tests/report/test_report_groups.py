"""Tables by group of tasks: group means, whole-run figures under "all" only, and files without runs."""

import json

import numpy as np
import pandas as pd

from fgo_kit import report
from fgo_kit.report import figures


def rows(**more):
    one = {
        "benchmark": "b", "llm": "simulated:small", "simulated": True, "constants": "c", "n_train": 4, "status": "ok",
        "tokens_call_mean": 10.0, "tokens_call_max": 12.0, "tokens_optimiser": 20, "tokens_all_in": 30, "calls": 3,
        "rules": 2, "dropped": 0, "usd": np.nan, **more,
    }  # fmt: skip
    return pd.DataFrame([
        {**one, "method": "base", "seed": 0, "scores": {"a": 0.0, "b": 0.0, "c": 1.0}},
        {**one, "method": "base", "seed": 1, "scores": {"a": 0.0, "b": 1.0, "c": 1.0}},
        {**one, "method": "all_at_once", "seed": 0, "scores": {"a": 1.0, "b": 1.0, "c": 1.0}},
        {**one, "method": "all_at_once", "seed": 1, "scores": {"a": 1.0, "b": 0.0, "c": 1.0}},
    ])  # fmt: skip


def test_groups_by_hand():
    table = report.by_group(rows(), {"a": "left", "b": "left", "c": "right"}).set_index(["group", "method"])
    assert table.loc[("left", "base"), ["score", "tasks", "seeds"]].tolist() == [0.25, 2, 2]
    assert table.loc[("right", "base"), "score"] == 1.0 and table.loc[("all", "base"), "tasks"] == 3
    assert table.loc[("left", "base"), "gain"] == -0.5
    assert table.loc[("all", "base"), "tokens_optimiser"] == 20
    assert np.isnan(table.loc[("left", "base"), "tokens_optimiser"])
    assert ((table["lo"] <= table["score"]) & (table["score"] <= table["hi"])).all()


def test_groups_are_shown_in_order_with_their_sizes():
    shown = report.show_groups(report.by_group(rows(), {"a": "left", "b": "left", "c": "right"}))
    assert list(shown.columns) == ["all (3)", "left (2)", "right (1)"]
    assert list(shown.index) == ["base", "all_at_once"]
    assert shown.iloc[0, 1].startswith("25.0 [")


def test_failed_runs_leave_empty_cells():
    failed = rows(status="EngineError").assign(scores=[{}] * 4)
    table = report.by_group(failed, {"a": "left"})
    assert table["score"].isna().all() and (report.show_groups(table) == "").all(axis=None)


def test_a_table_without_runs_is_saved_with_its_origin(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "FIGURES", tmp_path)
    path = report.save("sums", pd.DataFrame({"x": [1.0]}), None, preset="full")
    assert path.read_text() == "x\n1.0000\n"
    assert set(json.loads((tmp_path / "sums.json").read_text())) == {"preset", "manifest"}


def test_the_panel_of_call_tokens_names_its_llm_and_calls():
    line = {"method": "fgo", "score": 0.5, "lo": 0.4, "hi": 0.6, "constants": "c", "tokens_call_mean": 900.0,
            "tokens_call_max": 1000.0}  # fmt: skip
    drawn = figures.plot_methods(pd.DataFrame([line | {"llm": "simulated:small"}, line | {"llm": "simulated:large"}]))
    title = drawn.axes[-1].get_title()
    assert title.startswith("simulated:small: ") and "optimiser or merger call" in title
    figures.plt.close(drawn)


def test_a_saved_figure_is_laid_out_for_good(tmp_path, monkeypatch):
    """The layout's last digits differ between processes; nothing of them may reach a file."""
    monkeypatch.setattr(figures, "FIGURES", tmp_path)
    drawn, ax = figures.plt.subplots(layout="constrained")
    ax.set_ylabel("label")
    drawn.suptitle("title")
    report.save("one", pd.DataFrame({"x": [1.0]}), None, drawn)
    places = [*ax.get_position().bounds, *drawn.texts[0].get_position()]
    assert places == [round(place, 6) for place in places] and places[0] > 0.05
    report.save("two", pd.DataFrame({"x": [1.0]}), None, drawn)
    assert (tmp_path / "fast/one.pdf").read_bytes() == (tmp_path / "fast/two.pdf").read_bytes()
    figures.plt.close(drawn)
