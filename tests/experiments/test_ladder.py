"""From fgo to fgo+ in single steps: what a step changes, what it brought, and what kinds of errors are left."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from helpers import small_bench

import fgo_kit as fgo
from fgo_kit.algorithm.context import Judged
from fgo_kit.algorithm.settings import Settings
from fgo_kit.calls.log import Place
from fgo_kit.experiments import ladder, sets
from fgo_kit.records import Task, Trajectory


def test_every_step_changes_settings_and_the_last_is_fgo_plus():
    steps = ladder.ladder(n_subsets=16)
    settings = [Settings(**{k: v for k, v in chosen.items() if k != "method"}) for chosen in steps.values()]
    assert settings[0] == Settings(n_subsets=16) and len(set(settings)) == len(steps)
    assert list(steps.values())[-1] == fgo.VARIANTS["fgo+"]


def test_errors_are_told_apart():
    gold = {"a": "1", "b": "2", "c": "None", "d": "4", "e": "5", "f": "6", "g": "7"}
    said = {"a": ("1", 1.0), "b": ("None", 0.0), "c": ("9", 0.0), "d": ("9", 0.0), "e": ("", 0.0), "g": ("none.", 0.0)}
    record = [Judged(Place("test", task=t), Trajectory(t, (), answer, score=score)) for t, (answer, score) in said.items()]
    record.append(Judged(Place("test", task="f"), Trajectory("f", (), "", status="BadRequest: no")))
    record.append(Judged(Place("rollout", task="a"), Trajectory("a", (), "no", score=0.0)))
    run = SimpleNamespace(state=SimpleNamespace(record=record))
    bench = SimpleNamespace(test=[Task(t, "", answer, {}) for t, answer in gold.items()])
    assert ladder.errors(run, bench, None) == {"missed": 3 / 6, "invented": 1 / 6, "other": 1 / 6}


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


def test_a_step_is_measured_against_the_one_before():
    labels = ["fgo", "+ one", "+ two", "+ three"]
    table = ladder.steps(rows_of(dict(zip([*labels, "bootstrapping"], (0.2, 0.6, 0.6, 0.3, 0.5), strict=True))), labels)
    means = table.set_index("method")
    assert means["step"]["+ two"] == pytest.approx(means["score"]["+ two"] - means["score"]["+ one"])
    assert np.isnan(means["step"]["fgo"]) and np.isnan(means["step"]["bootstrapping"])
    said = ladder.step_lines(table, labels)
    assert "b: + one helps (+" in said and "+ two is not told from no change" in said and "+ three harms (-" in said
    assert "an answer where there is none +30.0" in said
    titles = [ax.get_title() for ax in ladder.plot_steps({"b": table}).axes]
    assert titles[0] == "b, beyond noise\nhelps one; harms three"


def test_a_step_that_failed_is_named():
    labels, rows = ["fgo", "+ one", "+ two"], rows_of({"fgo": 0.2, "+ one": 0.6, "+ two": 0.6, "bootstrapping": 0.5})
    rows["scores"] = [{} if method == "+ one" else scores for method, scores in zip(rows["method"], rows["scores"], strict=True)]
    said = ladder.step_lines(ladder.steps(rows, labels), labels)
    assert said.count("is not known to help (no runs to compare)") == 2


def test_the_steps_run(tmp_path):
    bench = small_bench(n_train=16, n_test=6)
    steps = ladder.ladder(n_subsets=2)
    rows = fgo.compare(bench, "simulated", steps, [0], after=ladder.errors, log=tmp_path / "log.sqlite")
    wrong = rows[list(ladder.ERRORS)].sum(axis=1)
    assert wrong.tolist() == pytest.approx((1 - rows["score"]).tolist())


def test_peers_are_left_out_where_they_are_not_installed(monkeypatch):
    assert list(sets.peers()) == ["combee", "gepa"]
    monkeypatch.setattr(sets.gepa_peer, "version", lambda: "")
    assert list(sets.peers()) == ["combee"]
