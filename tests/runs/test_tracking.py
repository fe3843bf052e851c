"""A tracker is told of a run while it goes on: parameters, numbers, the module, how it ended; never a task's text."""

import json
import math
import threading
from pathlib import Path

import pytest
from helpers import ScriptedLLM, TinyBench, small_bench, tasks, wait_until

import fgo_kit as fgo
from fgo_kit.calls.protocol import BudgetExceeded
from fgo_kit.runs import tracking
from fgo_kit.runs.tracking import load_tracker


class Notebook:
    """A tracker that keeps what it is told."""

    def __init__(self, fails=""):
        self.told, self.fails, self.inside = [], fails, threading.Lock()

    def __getattr__(self, name):
        if name not in ("begin", "metrics", "text", "end"):
            raise AttributeError(name)

        def ask(*arguments):
            assert self.inside.acquire(blocking=False), "two calls at once"
            try:
                self.told.append((name, *arguments))
                if self.fails == name:
                    raise ConnectionError("no server at http://me:secret@host")
            finally:
                self.inside.release()

        return ask

    def of(self, name):
        return [arguments for kind, *arguments in self.told if kind == name]


def test_a_run_is_told_from_begin_to_end(monkeypatch):
    monkeypatch.setattr(tracking, "EVERY", 0.0)
    book = Notebook()
    run = fgo.run(small_bench(n_train=8, n_test=6), "simulated", n_subsets=2, tracker=book, workers=4)
    (name, params), *_ = book.of("begin")
    assert run.id[:8] in name and params["method"] == "fgo" and params["seed"] == 0 and params["run_id"] == run.id
    assert not any(isinstance(value, dict) for value in params.values())
    steps = [step for _, step in book.of("metrics")]
    assert steps == sorted(steps) and len(steps) > 20 and steps[-1] == len(run.calls())
    last = book.of("metrics")[-1][0]
    assert (last["score"], last["lo"], last["hi"]) == (run.score, *run.ci) and last["prompt_merge"] > 0
    assert last["tokens_all_in"] == run.token_figures()["tokens_all_in"] and all(not math.isnan(value) for value in last.values())
    assert dict(book.of("text"))["prompt.md"] == run.prompt() and book.told[-1] == ("end", "ok")


def test_a_finished_run_is_told_again_and_an_untracked_one_has_the_same_id(tmp_path):
    bench, book = small_bench(n_train=4, n_test=3), Notebook()
    first = fgo.run(bench, "simulated", n_subsets=2, log=tmp_path / "a.sqlite")
    again = fgo.run(bench, "simulated", n_subsets=2, log=tmp_path / "a.sqlite", tracker=book)
    assert again.id == first.id and book.of("metrics")[-1][0]["score"] == first.score and book.told[-1] == ("end", "ok")


def test_a_run_that_fails_is_told_by_the_errors_name():
    book = Notebook()
    with pytest.raises(BudgetExceeded):
        fgo.run(small_bench(n_train=8), "simulated", budget_calls=3, tracker=book)
    assert book.told[-1] == ("end", "BudgetExceeded")


@pytest.mark.parametrize("method", ["metrics", "text", "end"])
def test_a_tracker_that_fails_ends_no_run(method):
    book = Notebook(fails=method)
    with pytest.warns(UserWarning, match="Notebook failed(.|\n)*the run goes on untracked") as caught:
        run = fgo.run(small_bench(n_train=4, n_test=3), "simulated", n_subsets=2, tracker=book)
    assert run.score >= 0 and len(book.of(method)) == 1 and "secret" not in str(caught[0].message)


def test_a_tracker_that_cannot_begin_stops_the_run_before_anything_is_asked():
    llm = ScriptedLLM(lambda messages: pytest.fail("asked"), name="own:model")
    with pytest.raises(ConnectionError):
        fgo.run(TinyBench(train=tasks(2), test=tasks(1, "x")), llm, tracker=Notebook(fails="begin"))


def test_unknown_and_missing_trackers_are_named(monkeypatch):
    with pytest.raises(ValueError, match=r"tracker='mflow' is unknown; use one of \['mlflow', 'wandb'\]"):
        fgo.run(small_bench(n_train=4), "simulated", tracker="mflow")
    for name in ("mlflow", "wandb"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
        with pytest.raises(ImportError, match=rf"pip install 'fgo-kit\[{name}\]'"):
            fgo.run(small_bench(n_train=4), "simulated", tracker=f"{name}:mine")


def test_what_a_tracker_is_told_holds_no_text_of_private_tasks(tmp_path, monkeypatch):
    from test_out import SECRETS, private_run

    monkeypatch.setattr(tracking, "EVERY", 0.0)
    book = Notebook()
    private_run(tmp_path, tracker=book)
    assert "Look twice." in str(book.told) and not [mark for mark in SECRETS if mark in str(book.told)]


# -- the real packages, where they are installed; else the same calls are made on stand-ins


def test_mlflow_keeps_a_run(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="needs mlflow, an extra: pip install 'fgo-kit[mlflow]'")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(None)
    run = fgo.run(small_bench(n_train=4, n_test=3), "simulated", n_subsets=2, tracker="mlflow:mine")
    client = mlflow.MlflowClient()
    (kept,) = client.search_runs([client.get_experiment_by_name("mine").experiment_id])
    assert kept.info.status == "FINISHED" and kept.data.params["method"] == "fgo" and kept.data.metrics["score"] == run.score
    assert {file.path for file in client.list_artifacts(kept.info.run_id)} == {"prompt.md", "module.md"}
    assert Path(client.download_artifacts(kept.info.run_id, "prompt.md", str(tmp_path))).read_text(encoding="utf-8") == run.prompt()


def test_wandb_keeps_a_run_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="needs wandb, an extra: pip install 'fgo-kit[wandb]'")
    for name, value in {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true", "WANDB_DATA_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    fgo.run(small_bench(n_train=4, n_test=3), "simulated", n_subsets=2, tracker="wandb:mine")
    (kept,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    wait_until(lambda: all(part in kept.read_bytes() for part in (b"tokens_all_in", b"prompt_merge", b"score")), 20)


class Stand:
    """In place of a package: every attribute is a call that is written down and gives another stand-in."""

    def __init__(self, calls, name="", **known):
        self.__dict__.update(known)
        self._calls, self._name = calls, name

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Stand(self._calls, f"{self._name}.{name}".lstrip("."))

    def __call__(self, *arguments, **named):
        self._calls.append((self._name, arguments, named))
        return Stand(self._calls, f"{self._name}()", id="r1", info=Stand(self._calls, run_id="r1"), experiment_id="7")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


@pytest.mark.parametrize(("name", "wanted"), [
    ("mlflow", {"log_param", "log_metric", "log_text", "set_terminated"}), ("wandb", {"init", "log", "log_artifact", "finish"}),
])  # fmt: skip
def test_each_package_is_asked_for_what_it_has(monkeypatch, name, wanted):
    calls = []
    monkeypatch.setitem(__import__("sys").modules, name, Stand(calls))
    run = fgo.run(small_bench(n_train=4, n_test=3), "simulated", n_subsets=2, tracker=load_tracker(f"{name}:mine"))
    assert wanted <= {made.rpartition(".")[2] for made, _, _ in calls}
    assert any("mine" in (*arguments, *named.values()) for _, arguments, named in calls)
    assert json.dumps(str(run.score)) and any(run.prompt() in arguments for _, arguments, _ in calls)
