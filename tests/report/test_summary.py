"""Summaries: gains, what is not known, power, many comparisons; tables by group of tasks."""

import numpy as np
import pandas as pd
import pytest
from helpers import small_bench

import fgo_kit as fgo
from fgo_kit import report
from fgo_kit.calls.log import CallLog
from fgo_kit.calls.protocol import Reply, Usage
from fgo_kit.report import gains, highest, p_together, power, show, summary
from fgo_kit.report.summary import MEANS


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
    assert table[["lo", "hi"]].isna().all(axis=None)  # of three tasks and two seeds an interval is as wide as all there is


def test_groups_are_shown_in_order_with_their_sizes():
    shown = report.show_groups(report.by_group(rows(), {"a": "left", "b": "left", "c": "right"}))
    assert list(shown.columns) == ["all (3)", "left (2)", "right (1)"]
    assert list(shown.index) == ["base", "all_at_once"]
    assert shown.iloc[0, 1].startswith("25.0 [")


def test_failed_runs_leave_empty_cells():
    failed = rows(status="EngineError").assign(scores=[{}] * 4)
    table = report.by_group(failed, {"a": "left"})
    assert table["score"].isna().all() and (report.show_groups(table) == "").all(axis=None)


def measured(**more):
    figures = {"gain": [np.nan, 0.03], "gain_lo": [np.nan, 0.01], "gain_hi": [np.nan, 0.05], "score": [0.8, 0.83]}
    sizes = {"tasks": 134, "seeds": 10, "worlds": 1}
    return pd.DataFrame({"benchmark": "b", "llm": "l", "method": ["all_at_once", "fgo"], **sizes, **figures, **more})


def test_power_by_hand():
    [line] = power(measured()).to_dict("records")
    assert line["tasks for +1.6"] == "9,509" and line["tasks"] == 134
    assert line["all pairs show, points"] == 2.9  # half of [1, 5] by 1 + .84 / 1.96
    assert line["for ±3 points"] == "163 tasks x 13 seeds"  # (2 / 3 x (1 + 1.28 / 1.96))² = 1.22 times as many
    assert power(measured(worlds=8))["for ±3 points"].tolist() == ["10 worlds"]
    assert power(measured(score=0.95))["tasks for +8.6"].tolist() == [""]  # it would exceed 100 %
    assert power(measured()[1:]).empty


def test_power_without_a_row_named_fgo_is_the_median_of_all_gains():
    gained = [measured()[1:].assign(method=name, gain_lo=0.03 - half, gain_hi=0.03 + half)
              for name, half in (("a", 0.01), ("b", 0.02), ("c", 0.2))]  # fmt: skip
    assert power(pd.concat([measured()[:1], *gained]))["all pairs show, points"].tolist() == [2.9]
    unknown = power(measured()[:1])
    assert np.isnan(unknown["all pairs show, points"][0]) and unknown["for ±3 points"].tolist() == [""]


def test_gains_are_corrected_for_their_number():
    table = pd.DataFrame({"gain_p": [0.001, 0.03, 0.9, np.nan]})  # what has no p does not count
    np.testing.assert_allclose(p_together(table), [0.003, 0.09, 1, np.nan])
    np.testing.assert_allclose(p_together(table[1:2]), [0.03])


def of_method(method, score, status="ok", seeds=6, **more):
    """Rows of one method: score(seed, task) on eight tasks."""
    one = {"benchmark": "b", "llm": "l", "method": method, "simulated": True, "constants": "c", "n_train": 4,
           "status": status, "tokens_call_mean": 1.0, "tokens_call_max": 1.0, "tokens_optimiser": 0,
           "tokens_all_in": 1.0, "calls": 1, "rules": 0, "dropped": 0}  # fmt: skip
    return [one | more | {"seed": seed, "scores": {f"t{n}": float(score(seed, n)) for n in range(8)}
                          if status == "ok" else {}} for seed in range(seeds)]  # fmt: skip


def test_gains_are_over_the_stronger_baseline_too():
    rows = [*of_method("all_at_once", lambda s, n: n < 2), *of_method("bootstrapping", lambda s, n: (n + s) % 8 < 7),
            *of_method("fgo", lambda s, n: (n + 3 * s) % 8 < 4)]  # fmt: skip
    table = summary(pd.DataFrame(rows))
    said = gains(table).set_index("over")
    assert said["gain, points"]["bootstrapping"].startswith("-37.5 [") and said["verdict"]["bootstrapping"] == "worse"
    assert said["gain, points"]["all_at_once"].startswith("+25.0 [") and highest(table) == "bootstrapping"
    gain = table.set_index("method").loc["fgo"]
    assert gain["gain"] == 0.25 and gain["gain_other"] == -0.375 and gain["gain_other_hi"] < 0
    assert 0 < gain["gain_other_p"] < 0.05


def in_worlds(method, score, worlds, seeds=4):
    return [row for world in worlds
            for row in of_method(method, lambda s, n, w=world: score(w, s, n), seeds=seeds, world=world)]  # fmt: skip


def test_worlds_are_kept_apart_though_their_tasks_have_the_same_ids_and_from_three_on_they_are_random():
    def table(worlds):
        return summary(pd.DataFrame([*in_worlds("all_at_once", lambda w, s, n: (n + s) % 4 < 2, worlds),
                                     *in_worlds("fgo", lambda w, s, n: (n + s) % 4 < 2 + (w % 2), worlds)]))  # fmt: skip

    two, four = (table(range(n)).set_index("method").loc["fgo"] for n in (2, 4))
    assert (two["worlds"], two["tasks"], four["worlds"], four["tasks"]) == (2, 16, 4, 32)
    assert two["gain"] == four["gain"] == 0.125 and two["gain_lo"] > 0 > four["gain_lo"]
    assert (two["gain_p"] < 0.05, four["gain_p"] < 0.05) == (True, False)


def test_the_critical_path_in_calls_and_at_a_stated_latency():
    table = summary(rows(calls=805, chain=5))
    shown = show(table)
    assert table["chain"].tolist() == [5.0, 5.0] and shown["calls that wait"].tolist() == ["5.0", "5.0"]
    assert set(shown["s at 2 s a call, 16 workers"]) == {"110"}  # 2 * (5 + 800 / 16)
    assert set(shown["s at 2 s a call, unlimited"]) == {"10"}
    assert not any("wait" in name or " s a call" in name for name in show(summary(rows()))), "not known, so not shown"


def test_what_was_not_measured_is_not_known_and_no_tie():
    rows = [*of_method("all_at_once", lambda s, n: 0, "Overloaded"), *of_method("fgo", lambda s, n: n % 2)]
    [line] = gains(summary(pd.DataFrame(rows))).to_dict("records")  # bootstrapping was not asked for: no line
    assert (line["over"], line["gain, points"], line["verdict"]) == ("all_at_once", "", "not known")


def test_a_summary_shows_zeros_and_leaves_out_what_is_not_known():
    rows = [*of_method("base", lambda s, n: n % 2, tokens_call_mean=np.nan), *of_method("fgo", lambda s, n: n % 2, rules=3)]
    shown = show(summary(pd.DataFrame(rows)))
    assert shown["rules"].to_dict() == {"base": "0.0", "fgo": "3.0"} and set(shown["all such calls"]) == {"0.0"}
    assert shown["thousand tokens a call"]["base"] == "" and "dropped" not in shown and "failed runs" not in shown
    rows = [*of_method("base", lambda s, n: 0, dropped=1), *of_method("fgo", lambda s, n: 0, "Overloaded")]
    shown = show(summary(pd.DataFrame(rows)))
    assert shown["failed runs"].tolist() == ["0", "6"] and shown["dropped"].tolist() == ["1.0", "0.0"]


@pytest.mark.parametrize("few", ["110", "0111"])
def test_tables_print_no_interval_that_too_few_seeds_give(few):
    """Two seeds that disagree about few tasks: every place that shows the figures says so, and none prints bounds."""
    other = "".join(str(1 - int(digit)) for digit in few)
    runs = [{"benchmark": "b", "llm": "m", "method": method, "seed": seed, "scores": dict(enumerate(map(float, cells))), "status": "ok",
             "simulated": True, "constants": "c", "n_train": 8, **dict.fromkeys(MEANS, 1.0)}
            for method, of_seed in (("all_at_once", (other, few)), ("fgo", (few, other))) for seed, cells in enumerate(of_seed)]  # fmt: skip
    table = report.summary(pd.DataFrame(runs))
    assert table[["lo", "hi", "gain_lo", "gain_hi"]].isna().all(axis=None)
    shown = [report.show(table).to_string(), report.gains(table).to_string(), report.paper_table(table).to_string(),
             report.show_differences(report.differences(pd.DataFrame(runs), [("fgo", "all_at_once")])).to_string()]  # fmt: skip
    for text in shown:
        assert "too few seeds for an interval" in text and "nan" not in text and "100.0, " not in text, text


def test_figures_say_which_points_have_no_interval():
    line = {"benchmark": "b", "llm": "m", "constants": "c", "tokens_call_mean": 900.0, "tokens_call_max": 1000.0}
    table = pd.DataFrame([line | {"method": "fgo", "score": 0.5, "lo": 0.4, "hi": 0.6}, line | {"method": "base", "score": 0.4}])
    for drawn in (report.plot_points(table), report.plot_methods(table)):
        said = [text.get_text() for text in drawn.legends[0].get_texts()]
        assert said[-2:] == ["95 % interval", "too few seeds for an interval"]
        report.drawing.plt.close(drawn)
    assert [text.get_text() for text in report.plot_points(table[:1]).legends[0].get_texts()] == ["95 % interval"]
    report.drawing.plt.close("all")


def test_printed_lines_are_wrapped_at_words(capsys):
    report.say("on the frontier: base, fgo", "short", width=20)
    assert capsys.readouterr().out == "on the frontier:\n  base, fgo\nshort\n"


def test_what_came_from_the_providers_cache_is_shown_where_there_is_any():
    def answered(cached):
        usage = Usage(200, 10, cached)
        llm = fgo.wrap_llm(lambda messages: Reply("ANSWER: None", usage), name=f"{cached} cached")
        return fgo.run(small_bench(n_train=2, n_test=4), llm, method="base", log=CallLog(None))

    some, none = answered(50), answered(0)
    assert some.cached == some.row()["cached"] == 0.25 and "25 % of prompt tokens from the provider's cache" in repr(some)
    assert none.cached == 0 and "cached" not in none.row() and "provider's cache" not in repr(none)
    title = "prompt tokens from the provider's cache, %"
    rows = pd.DataFrame([some.row(), none.row(), {**some.row(), "seed": 1, "cached": float("nan")}])  # as of a run without
    table = show(summary(rows))
    assert table[title].tolist() == ["12.5", "0.0"] and title not in show(summary(pd.DataFrame([none.row()])))
