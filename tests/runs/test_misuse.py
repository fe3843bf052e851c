"""What people got wrong at the front door: each is told in one line with the fix, or simply works."""

import inspect
import os
import pickle
import subprocess
import sys

import pytest
from helpers import small_bench

import fgo_kit as fgo
from fgo_kit import reproduce
from fgo_kit.calls.log_errors import LogNotWritten


@pytest.fixture(scope="module")
def bench():
    return small_bench(n_train=8, n_test=4)


CALLS = {
    "seeds as a number": (lambda b: fgo.compare(b, seeds=3), r"seeds=3 is not allowed; use a list .* e.g. seeds=range\(3\)"),
    "no seeds": (lambda b: fgo.compare(b, seeds=[]), r"seeds=\[\] asks for no run"),
    "seeds as text": (lambda b: fgo.compare(b, seeds="012"), "seeds='012' is not allowed"),
    "n_train as text": (lambda b: fgo.load_benchmark("logisticsqa", n_train="64"), r"n_train='64' is no whole number of 1\.\.256"),
    "a method misspelt": (lambda b: fgo.compare(b, methods=["fgo++"]), r"method='fgo\+\+' is unknown; did you mean 'fgo\+'\?"),
    "in run": (lambda b: fgo.run(b, method="fgo++"), r"did you mean 'fgo\+'\?"),
    "in start": (lambda b: fgo.start(b, method="botstrapping"), "did you mean 'bootstrapping'"),
    "methods as benchmarks": (lambda b: fgo.compare(["fgo++"]), r"benchmark 'fgo\+\+' is unknown; did you mean 'fgo\+'\?.*methods="),
    "a benchmark misspelt": (lambda b: fgo.run("logistics"), "did you mean 'logisticsqa'"),
    "no benchmark": (lambda b: fgo.run({"question": "?"}), "is no benchmark; give a name of .* or use from_table"),
    "one seed": (lambda b: fgo.compare(b, seed=0), r"seed=0: compare takes several, give seeds=\[0\]"),
    "no instructions": (lambda b: fgo.from_table([], instructions=None), "instructions=None is no text"),
    "an address without http": (lambda b: fgo.load_llm("openai:m", base_url="localhost:1"), "begin with http:// or https://"),
    "a model that is no text": (lambda b: fgo.load_llm(len), "is no text; give one such as .*fgo.wrap_llm"),
    "traces that are none": (lambda b: fgo.learn([{}], "simulated"), "traces are a list; give a log's path"),
    "traces as a path": (lambda b: fgo.run(b, traces="log.jsonl"), r"give what fgo.read_traces\('log.jsonl'\) returns"),
    "a scorer that is none": (lambda b: fgo.learn("log.jsonl", score="number"), "score='number' is no function"),
    "a preset misspelt": (lambda b: fgo.preset("fasst"), "PRESET='fasst' is unknown; did you mean 'fast'"),
    "a variant contradicted": (lambda b: fgo.compare(b, methods=["fgo+"], audit=3), "contradicts 'fgo\\+'"),
}  # fmt: skip


@pytest.mark.parametrize("case", CALLS)
def test_a_wrong_argument_is_named_with_what_was_meant(case, bench):
    call, told = CALLS[case]
    with pytest.raises((ValueError, TypeError), match=told):
        call(bench)


def test_a_benchmark_may_be_its_name_wherever_one_is_taken():
    for function in (fgo.run, fgo.compare, fgo.start):
        assert {"bench", "method", "workers"} <= set(inspect.signature(function).parameters)
    assert pickle.loads(pickle.dumps(fgo.run)) is fgo.run
    run = fgo.run("logisticsqa", method="base")
    assert run.config["benchmark"] == "LogisticsQA-gen" and len(run.scores) == 128
    table = fgo.compare(["logisticsqa"], methods="base", seeds=[0])
    assert table["score"].tolist() == [run.score]


def test_a_variant_is_a_method_of_run_and_its_other_choices_can_be_changed(bench):
    whole = fgo.run(bench, method="fgo+").config
    assert {key: whole[key] for key in fgo.VARIANTS["fgo+"]} == fgo.VARIANTS["fgo+"]
    changed = fgo.run(bench, method="fgo+", n_subsets=4).config
    assert {key for key in whole if whole[key] != changed[key]} == {"n_subsets"} and changed["n_subsets"] == 4
    row = fgo.compare(bench, methods={"mine": {"method": "fgo+", "n_subsets": 4}}, seeds=[0]).iloc[0]
    assert (row["merge"], row["n_subsets"], row["method"]) == ("oneshot", 4, "mine")


@pytest.mark.parametrize("path", ["/sys/fgo/log.sqlite", "/sys/log.sqlite", os.path.join(os.devnull, "log.sqlite")])
def test_a_log_where_nothing_can_be_written_is_named_before_anything_is_asked(path, bench):
    asked = []
    with pytest.raises(LogNotWritten, match=r"cannot be written \(.*give a path that can be written"):
        fgo.run(bench, log=path, on_call=lambda *call: asked.append(call))
    assert not asked


def test_a_log_deleted_in_mid_run_ends_it_and_nothing_paid_is_lost(bench, tmp_path):
    log, paid = tmp_path / "log.sqlite", []

    def deleting(place, was_paid):
        paid.append(was_paid)
        if len(paid) == 5:
            log.unlink()

    with pytest.raises(LogNotWritten, match="was deleted while in use; all it held is saved there again: run the same again"):
        fgo.run(bench, method="fgo", log=log, workers=1, on_call=deleting)
    again = fgo.run(bench, method="fgo", log=log, workers=1)
    undisturbed = fgo.run(bench, method="fgo", workers=1)
    assert again.scores == undisturbed.scores and again.module == undisturbed.module
    assert again.tokens()["paid_calls"].sum() == undisturbed.tokens()["paid_calls"].sum()


def test_a_log_replaced_in_mid_run_ends_it(bench, tmp_path):
    log = tmp_path / "log.sqlite"

    def replacing(place, was_paid):
        if place.phase == "evaluate":
            (tmp_path / "other.sqlite").write_bytes(b"")
            os.replace(tmp_path / "other.sqlite", log)

    with pytest.raises(LogNotWritten, match="was replaced by another file while in use"):
        fgo.run(bench, method="fgo", log=log, workers=1, on_call=replacing)


SCRIPT = """
import fgo_kit as fgo
bench = fgo.load_benchmark("logisticsqa", n_train=4, n_test=4)
print("rows", len(fgo.compare(bench, methods=["base"], seeds=[0, 1], progress=False)))
"""


def test_compare_works_in_a_plain_script_without_a_main_guard(tmp_path):
    (tmp_path / "plain.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, "plain.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("rows 2\n", "")


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["--model", ""], "spec='' names no LLM; allowed are"),
        (["--model", "opnai:gpt"], "spec='opnai:gpt' names no LLM"),
        (["--model", "openai:gpt-x"], "no API key: set the environment variable OPENAI_API_KEY"),
        (["--preset", "fasst"], "PRESET='fasst' is unknown; did you mean 'fast'"),
    ],
)
@pytest.mark.parametrize("only", [["--check"], ["--yes"]])
def test_a_reproduction_that_cannot_be_is_refused_before_anything_runs(arguments, told, only, monkeypatch, capsys):
    monkeypatch.setattr(reproduce, "execute", lambda *_: pytest.fail("a notebook was run"))
    monkeypatch.setattr(reproduce, "agreed", lambda *_: pytest.fail("an estimate was made"))
    assert reproduce.main([*arguments, *only]) == 2
    assert told in capsys.readouterr().err


def make(repo_root, *arguments):
    """What make would do, without doing it."""
    done = subprocess.run(["make", "-n", *arguments], cwd=repo_root, capture_output=True, text=True, timeout=60)
    return done.stdout


def test_make_checks_model_and_preset_before_the_engine_is_built(repo_root):
    planned = make(repo_root, "reproduce", "MODEL=openai:x")
    assert -1 < planned.index("--check") < planned.index("ALFWorld's engine") < planned.rindex("fgo_kit.reproduce")


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs users with numbers")
def test_make_lab_starts_for_root_too(repo_root):
    assert ("--allow-root" in make(repo_root, "lab")) == (os.geteuid() == 0)


def test_a_run_is_not_saved_over_another(bench, tmp_path):
    first, other = (fgo.run(bench, method="base", seed=seed) for seed in (0, 1))
    first.save(first.save(tmp_path / "mine"))
    with pytest.raises(FileExistsError, match="mine holds another run"):
        other.save(tmp_path / "mine")
    assert fgo.load_run(tmp_path / "mine").id == first.id
    with pytest.raises(NotADirectoryError, match="run.json is a file; give a folder"):
        other.save(tmp_path / "mine" / "run.json")


def test_a_model_to_estimate_may_be_a_loaded_one(bench):
    llm = fgo.wrap_llm(lambda messages: "7", name="mine")
    assert fgo.estimate(bench, llm, method="base")["calls"] == 4
