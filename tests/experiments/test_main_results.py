"""Matched tokens; from fgo to fgo+ in single steps: what a step changes, brings, and which errors are left."""

import math
from types import SimpleNamespace

import made_rows
import numpy as np
import pandas as pd
import pytest
from helpers import small_bench

import fgo_kit as fgo
from fgo_kit.algorithm.context import Judged
from fgo_kit.algorithm.settings import Settings
from fgo_kit.calls.log import Place
from fgo_kit.experiments import main_results, sets
from fgo_kit.records import Task, Trajectory
from fgo_kit.report import summary
from fgo_kit.runs.variants import PAPER


def rows_of(rates: dict[str, float]) -> pd.DataFrame:
    rng, base = np.random.default_rng(0), {
        "benchmark": "b", "llm": "simulated:small", "simulated": True, "constants": "c", "n_train": 8, "status": "ok",
        "missed": 0.1, "other": 0.0, "rules": 3, "tokens_all_in": 2000,
    }  # fmt: skip
    return pd.DataFrame([
        base | {"method": method, "seed": seed, "invented": 0.9 - rate,
                "scores": dict(enumerate((rng.random(40) < rate).astype(float)))}
        for method, rate in rates.items() for seed in range(8)
    ])  # fmt: skip


def totals(**tokens) -> pd.DataFrame:
    return pd.DataFrame({"benchmark": "b", "llm": "l", "method": list(tokens), "tokens_all_in": list(tokens.values())})


def test_the_cheaper_of_two_gets_the_nearest_number_of_epochs():
    found = main_results.matched(totals(all_at_once=100.0, bootstrapping=200.0, fgo=190.0), epochs=2)
    assert found == {"all_at_once, 4 epochs": {"method": "all_at_once", **PAPER, "epochs": 4}}  # 3.8; bootstrapping 2.1
    assert list(main_results.matched(totals(all_at_once=84.0, fgo=100.0))) == []  # 2.4 epochs: two are nearer than three
    assert list(main_results.matched(totals(all_at_once=80.0, fgo=100.0))) == ["all_at_once, 3 epochs"]  # 2.5
    dearer = main_results.matched(totals(all_at_once=150.0, bootstrapping=70.0, fgo=100.0))
    assert dearer == {"fgo, 3 epochs": {"method": "fgo", **PAPER, "epochs": 3},
                      "bootstrapping, 3 epochs": {"method": "bootstrapping", **PAPER, "epochs": 3}}  # fmt: skip


def test_peers_are_matched_too_and_examples_are_as_long_as_the_prompt_of_fgo():
    table = totals(gepa=20.0, combee=150.0, fgo=100.0).assign(prompt_tokens=[300.0, 500.0, 410.4])
    found = main_results.matched(table)
    assert {name: chosen.get("epochs") for name, chosen in found.items()} == {
        "few_shot": None, "gepa, 10 epochs": 10, "fgo, 3 epochs": 3}  # fmt: skip
    assert found["few_shot"] == {"method": "few_shot", "controls": {"max_tokens": 410}}


def test_a_peer_is_ranked_at_matched_rollouts_or_tokens_alone():
    table = pd.concat([totals(fgo=100.0, combee=150.0, gepa=40.0, base=0.0), totals(**{"gepa, 5 epochs": 95.0})])
    table = table.assign(rollouts=[128, 130, 60, 0, 300]).reset_index(drop=True)
    assert main_results.ranked(table)["method"].tolist() == ["fgo", "combee", "base", "gepa, 5 epochs"]
    alone = main_results.ranked(table[table["method"] != "fgo"])["method"].tolist()
    assert alone == ["base"]  # with nothing to be matched with none is


def test_few_shot_prompting_is_compared_with_fgo_though_it_takes_no_tokens():
    rows = rows_of({"fgo": 0.7, "few_shot": 0.3})
    rows["tokens_all_in"] = rows["method"].map({"fgo": 100.0, "few_shot": 0.0})
    [line] = main_results.matched_differences(rows).to_dict("records")
    assert (line["method"], line["other"], line["verdict"]) == ("fgo", "few_shot", "better") and math.isnan(line["tokens"])


def test_tokens_stand_beside_those_of_fgo_on_the_same_set():
    table = pd.concat([totals(all_at_once=150.0, fgo=100.0), totals(all_at_once=30.0).assign(benchmark="c")])
    assert main_results.relative_tokens(table.reset_index(drop=True)).tolist()[:2] == [1.5, 1.0]
    assert math.isnan(main_results.relative_tokens(table.reset_index(drop=True))[2])


def test_pairs_nearest_in_tokens_are_compared():
    rows = rows_of({"base": 0.2, "all_at_once": 0.6, "fgo": 0.4})
    rows["tokens_all_in"] = rows["method"].map({"fgo": 100.0, "all_at_once": 160.0, "base": 0.0})
    longer = rows[rows["method"] == "fgo"].assign(method="fgo, 3 epochs", tokens_all_in=150.0)
    [line] = main_results.matched_differences(pd.concat([rows, longer])).to_dict("records")
    assert (line["method"], line["other"], line["tokens"]) == ("fgo, 3 epochs", "all_at_once", 0.94)
    assert (line["benchmark"], line["verdict"]) == ("b", "worse") and -0.3 < line["difference"] < -0.1
    shown = main_results.show_matched(summary(pd.concat([rows, longer]), "fgo"))
    assert shown["tokens in total, fgo = 1"].tolist() == ["0.00", "1.60", "1.00", "1.50"] and "gain over fgo" in shown


def test_a_set_that_was_not_run_has_nothing_to_match():
    assert main_results.matched(pd.DataFrame({"method": ["fgo"], "tokens_all_in": [1.0]})) == {}
    unknown = pd.DataFrame({"method": ["fgo", "all_at_once"], "tokens_all_in": [math.nan, 1.0]})
    assert main_results.matched(unknown) == {}


def test_every_step_changes_settings_and_the_last_is_fgo_plus():
    steps = main_results.ladder()
    settings = [Settings(**{k: v for k, v in chosen.items() if k != "method"}) for chosen in steps.values()]
    assert settings[0] == Settings() and len(set(settings)) == len(steps)
    assert list(steps.values())[-1] == fgo.VARIANTS["fgo+"]


def test_errors_are_told_apart():
    gold = {"a": "1", "b": "2", "c": "None", "d": "4", "e": "5", "f": "6", "g": "7"}
    said = {"a": ("1", 1.0), "b": ("None", 0.0), "c": ("9", 0.0), "d": ("9", 0.0), "e": ("", 0.0), "g": ("none.", 0.0)}
    record = [Judged(Place("test", task=t), Trajectory(t, (), answer, score=score)) for t, (answer, score) in said.items()]
    record.append(Judged(Place("test", task="f"), Trajectory("f", (), "", status="BadRequest: no")))
    record.append(Judged(Place("rollout", task="a"), Trajectory("a", (), "no", score=0.0)))
    run = SimpleNamespace(state=SimpleNamespace(record=record))
    bench = SimpleNamespace(test=[Task(t, "", answer, {}) for t, answer in gold.items()])
    assert main_results.errors(run, bench, None) == {"missed": 3 / 6, "invented": 1 / 6, "other": 1 / 6}


def test_a_step_is_measured_against_the_one_before():
    labels = ["fgo", "+ one", "+ two", "+ three"]
    table = main_results.steps(rows_of(dict(zip([*labels, "bootstrapping"], (0.2, 0.6, 0.6, 0.3, 0.5), strict=True))), labels)
    means = table.set_index("method")
    assert means["step"]["+ two"] == pytest.approx(means["score"]["+ two"] - means["score"]["+ one"])
    assert np.isnan(means["step"]["fgo"]) and np.isnan(means["step"]["bootstrapping"])
    shown = main_results.show_steps(table).droplevel("benchmark")
    assert shown["verdict"][labels[1:]].tolist() == ["better", "unclear", "worse"]
    assert shown.loc["fgo", "an answer where there is none, %"] == "70.0" and shown.loc["fgo", "step, points"] == ""
    titles = [ax.get_title() for ax in main_results.plot_steps({"b": table}).axes]
    assert " ".join(titles[0].split()) == "b better than the step before: one; worse than the step before: three"


def test_a_step_that_failed_is_named():
    labels, rows = ["fgo", "+ one", "+ two"], rows_of({"fgo": 0.2, "+ one": 0.6, "+ two": 0.6, "bootstrapping": 0.5})
    rows["scores"] = [{} if method == "+ one" else scores for method, scores in zip(rows["method"], rows["scores"], strict=True)]
    shown = main_results.show_steps(main_results.steps(rows, labels)).droplevel("benchmark")
    assert shown["verdict"][labels[1:]].tolist() == ["not known"] * 2 and shown.loc["+ one", "score, %"] == ""


def test_the_steps_run(tmp_path):
    bench = small_bench(n_train=16, n_test=6)
    steps = main_results.ladder()
    rows = fgo.compare(bench, "simulated", steps, [0], after=main_results.errors, log=tmp_path / "log.sqlite", n_subsets=2)
    wrong = rows[list(main_results.ERRORS)].sum(axis=1)
    assert wrong.tolist() == pytest.approx((1 - rows["score"]).tolist())


def test_peers_are_left_out_where_they_are_not_installed(monkeypatch):
    assert list(sets.peers()) == ["combee", "gepa"]
    monkeypatch.setattr(sets.gepa_peer, "version", lambda: "")
    assert list(sets.peers()) == ["combee"]


def test_calls_that_wait_are_compared_by_benchmark():
    table = pd.DataFrame({"benchmark": ["a", "a", "b", "b"], "method": ["fgo+", "bootstrapping"] * 2, "chain": [9.0, 135.0, 60.0, 180.0]})
    assert main_results.waiting_title(table) == "fgo+: 3 to 15 times fewer calls that wait for each other than bootstrapping"
    assert main_results.waiting_title(table[table["method"] == "fgo+"]) == ""


def test_the_default_keeps_a_share_of_the_best_gain():
    scores = {"base": 0.2, "all_at_once": 0.4, "bootstrapping": 0.7, "fgo": 0.3, "fgo+": 0.6}
    table = summary(made_rows.rows_of({name: made_rows.noisy(score) for name, score in scores.items()}))
    (line,) = main_results.kept(table).to_dict("records")
    found = 100 * table.set_index("method")["score"]
    best, own = found["bootstrapping"] - found["base"], found["fgo+"] - found["base"]
    assert line["best"] == "bootstrapping" and line["its gain, points"] == pytest.approx(best, abs=0.1)
    assert line["kept, %"] == pytest.approx(100 * own / best, abs=0.5)
    nothing = made_rows.rows_of(dict.fromkeys(scores, made_rows.noisy(0.2)))
    assert math.isnan(main_results.kept(summary(nothing))["kept, %"][0])
