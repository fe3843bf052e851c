"""Test tasks without an answer: in no score, counted in tables, said on figures."""

from __future__ import annotations

import math
from dataclasses import replace

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from helpers import Wrapped, job_of, small_bench

import fgo_kit as fgo
from fgo_kit import report
from fgo_kit.simulate.model import load


@pytest.fixture(scope="module")
def rows():
    bench = small_bench(n_train=8)
    silent = {bench.start(task).observe() for task in bench.test[:2]}

    def after(messages, reply):
        asked = job_of(messages) == "act" and messages[1]["content"] in silent
        return replace(reply, text="") if asked else reply

    methods = {"base": {"method": "base"}, "all_at_once": {"method": "all_at_once", "epochs": 1}}
    return fgo.compare(bench, Wrapped(load("small"), after=after), methods, [0, 1], max_failures=1, progress=False)


def test_they_are_in_no_score_and_counted(rows):
    table = report.summary(rows)
    assert table["unanswered"].tolist() == pytest.approx([2 / 12, 2 / 12])
    assert rows["failed"].min() >= 2
    known = [score for score in rows["scores"][0].values() if not math.isnan(score)]
    assert len(known) == 10 and rows["score"][0] == pytest.approx(sum(known) / 10)
    assert "unanswered, %" in report.show(table).columns


def test_a_score_has_its_bounds_with_them_wrong_and_right(rows):
    table = report.summary(rows)
    for name in ("score_min", "score_max"):
        assert table[name].tolist() == pytest.approx(rows.groupby("method", sort=False)[name].mean().tolist())
    assert (table["score_max"] - table["score_min"]).tolist() == pytest.approx([2 / 12, 2 / 12])
    least, most = (100 * table[name][0] for name in ("score_min", "score_max"))
    assert report.show(table)["score with them, %"].iloc[0] == f"{least:.1f} to {most:.1f}"


def test_tables_of_differences_and_groups_say_so(rows):
    gaps = report.differences(rows, [("all_at_once", "base")])
    assert gaps["unanswered"].tolist() == pytest.approx([2 / 12])
    assert report.show_differences(gaps)["unanswered, %"].tolist() == ["16.7"]
    groups = report.show_groups(report.by_group(rows, {}))
    assert groups.iloc[0, 0].endswith("17 % unanswered")


def test_other_answers_of_no_use_are_counted(rows):
    table = report.summary(rows.assign(unusable=[0, 0, 1, 2]))
    assert table["failed_answers"].tolist() == rows.groupby("method", sort=False)["failed"].mean().tolist()
    assert table["unusable_answers"].isna().tolist() == [True, False] and table["unusable_answers"][1] == 1.5
    assert report.show(table)["unusable answers a run"].tolist() == ["0.0", "1.5"]


def test_gains_and_the_paper_table_say_so(rows):
    table = report.summary(rows.replace({"method": {"base": "fgo"}}))
    assert report.gains(table)["gain, points"].iloc[0].endswith("17 % unanswered")
    claims = report.paper_table(table)
    assert claims.loc[claims["measured"].str.contains("points over"), "measured"].str.endswith("17 % unanswered").all()
    answered = report.gains(table.drop(columns="unanswered"))
    assert not answered["gain, points"].str.contains("unanswered").any()


SAID = "up to 16.7 % of a method's test tasks have no answer and are in no score"


def diluted(rows):
    """The same beside many methods that answered all."""
    whole = [rows.assign(method=f"method {n}", scores=[{"a": 1.0, "b": 0.0}] * len(rows)) for n in range(30)]
    return pd.concat([rows, *whole], ignore_index=True)


def test_a_figure_says_so(rows, tmp_path, monkeypatch):
    monkeypatch.setattr("fgo_kit.report.save_figures.FIGURES", tmp_path)
    for missing, said in ((rows, [SAID]), (diluted(rows), [SAID]), (rows.assign(scores=[{"a": 1.0}] * 4), [])):
        figure = plt.figure()
        report.save("scores", report.summary(rows), missing, figure)
        assert [text.get_text() for text in figure.texts] == said
        plt.close(figure)


def test_without_any_there_is_no_column():
    rows = fgo.compare(small_bench(n_train=8), "simulated", ["base"], [0], workers=1, progress=False)
    assert not {"unanswered", "score_min", "failed_answers", "unusable_answers"} & set(report.summary(rows)) and "unanswered, %" not in report.show(report.summary(rows))
