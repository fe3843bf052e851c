"""The reproduction command on tiny notebooks: order, parameters, failures, consent before paid models."""

from __future__ import annotations

import io
import os
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

import fgo_kit
from fgo_kit import reproduce

ESTIMATE = {"calls": 1200, "prompt_tokens": 2_000_000, "completion_tokens": 90_000, "usd": 1.5, "note": ""}


def write(folder, name, *cells, parameters=None):
    """A notebook of code cells, the first tagged `parameters` when that is given."""
    first = [new_code_cell(parameters, metadata={"tags": ["parameters"]})] if parameters else []
    nb = new_notebook(cells=first + [new_code_cell(c) for c in cells])
    nb.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    folder.mkdir(exist_ok=True)
    nbformat.write(nb, folder / name)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a space in its name that holds notebooks/, figures/ and the executed copies."""
    for name in ("FGO_HEADLESS", "JUPYTER_PATH"):  # the command sets them; here they are put back
        monkeypatch.setenv(name, os.environ.get(name, ""))
    root = tmp_path / "a b"
    (root / "figures" / "fast").mkdir(parents=True)
    monkeypatch.setattr(reproduce, "FIGURES", root / "figures")
    return root


def call(place, *more):
    return reproduce.main(["--notebooks", str(place / "notebooks"), "--out", str(place / "out"), *more])


def paid(monkeypatch, answer="", terminal=False, estimate=None):
    """Stand-ins for the key, the estimate and the user at the keyboard."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setattr(fgo_kit, "estimate_notebooks", lambda bench, model, preset: dict(ESTIMATE, **(estimate or {})))
    stdin = io.StringIO(answer)
    stdin.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stdin", stdin)


def test_runs_in_order_with_known_parameters_and_reports_figures(place, capsys):
    csv = "benchmark,llm,method,score,lo,hi,n\\ngen,simulated:small,fgo,0.71234,0.65,0.77,40\\n"
    write(place / "notebooks", "01_second.ipynb", "print('at the same time as the first')")
    write(place / "notebooks", "02_third.ipynb", "open('../log', 'a').write('third')")
    write(
        place / "notebooks", "00_first.ipynb",
        "import sys; open('../log', 'w').write(f'{PRESET} {MODEL} {sys.executable}\\n')",
        f"open('../figures/quickstart_methods.csv', 'w').write('{csv}');",
        parameters="PRESET = 'fast'\nMODEL = 'none'\nSEEDS = 3",
    )
    write(place / "notebooks", "scratch.ipynb", "1 / 0")
    (place / "figures" / "old.png").write_bytes(b"x")

    assert call(place, "--preset", "full", "--model", "simulated:small") == 0

    log = (place / "log").read_text()
    assert log == f"full simulated:small {sys.executable}\nthird"
    out = capsys.readouterr().out
    assert out.index("[1/3] 00_first ... ok") < out.index("[2/3] 01_second ... ok") < out.index("[3/3] 02_third ... ok")
    assert "quickstart_methods.csv" in out and "old.png" not in out
    assert "71.2 [65.0, 77.0]" in out
    assert (place / "out" / "00_first.ipynb").is_file()
    injected = nbformat.read(place / "out" / "01_second.ipynb", 4)
    assert not any("PRESET" in c.source for c in injected.cells), "no parameters cell, nothing to inject"


def test_a_preset_names_its_notebooks_and_what_it_may_cost(place, capsys, monkeypatch):
    for name in ("00_first", "01_second"):
        write(place / "notebooks", f"{name}.ipynb", "print(PRESET)", parameters="PRESET = ''")
    assert call(place, "--preset", "pilot") == 0
    out = capsys.readouterr().out
    assert "[1/1] 01_second ... ok" in out and "00_first" not in out
    paid(monkeypatch)
    assert call(place, "--preset", "pilot", "--model", "openai:gpt-6-luna") == 2
    assert "stops before it has cost 5 USD in total" in capsys.readouterr().out
    assert call(place, "--preset", "pilot", "--model", "openai:no-such-model") == 2
    assert "budget_usd=5.0 needs a price" in capsys.readouterr().err


def test_failure_names_notebook_cell_error_and_copy_and_goes_on(place, capsys):
    write(place / "notebooks", "00_bad.ipynb", "x = 1", "{}['lost key']", "never = 1")
    write(place / "notebooks", "01_good.ipynb", "2 + 2")
    assert call(place) == 1
    out = capsys.readouterr().out
    line = next(x for x in out.splitlines() if x.startswith("[1/2] 00_bad"))
    assert "cell In [2]: KeyError: 'lost key'" in line and str(place / "out" / "00_bad.ipynb") in line
    assert "[2/2] 01_good ... ok" in out


def test_a_file_that_is_no_notebook_is_a_failure_of_its_own(place, capsys):
    (place / "notebooks").mkdir()
    (place / "notebooks" / "00_broken.ipynb").write_text("{not json")
    assert call(place) == 1
    assert "00_broken ... FAILED" in capsys.readouterr().out


def test_no_notebooks_stops_with_the_folder_named(place, capsys):
    (place / "notebooks").mkdir()
    assert call(place) == 2
    assert str(place / "notebooks") in capsys.readouterr().err


def test_paid_model_without_terminal_is_refused(place, capsys, monkeypatch):
    write(place / "notebooks", "00_first.ipynb", "open('../log', 'w').write('ran')")
    paid(monkeypatch, answer="y\n")
    assert call(place, "--model", "openai:gpt-4o-mini") == 2
    text = capsys.readouterr()
    assert "1,200 calls" in text.out and "2,000,000 prompt" in text.out and "1.50 USD" in text.out
    assert "YES=1" in text.err
    assert not (place / "log").exists()


@pytest.mark.parametrize(("answer", "ran"), [("n\n", False), ("\n", False), ("y\n", True)])
def test_paid_model_asks_at_a_terminal(place, monkeypatch, answer, ran):
    write(place / "notebooks", "00_first.ipynb", "")
    paid(monkeypatch, answer, terminal=True)
    started = []

    def execute(notebook, *_):
        started.append(notebook)
        return reproduce.Outcome(notebook.stem, 0.0)

    monkeypatch.setattr(reproduce, "execute", execute)
    assert call(place, "--model", "openai:gpt-4o-mini") == (0 if ran else 2)
    assert bool(started) is ran


def test_yes_skips_the_question_and_an_unpriced_model_says_so(place, capsys, monkeypatch):
    paid(monkeypatch, estimate={"usd": None})
    assert reproduce.agreed("openai:local-model", "fast", yes=True)
    assert "price of this model is unknown" in capsys.readouterr().out


@pytest.mark.parametrize("model", ["simulated", "simulated:large", "replay:runs.sqlite"])
def test_offline_models_are_never_asked_about(model, monkeypatch):
    paid(monkeypatch)
    assert reproduce.agreed(model, "full", yes=False)


def test_a_model_nobody_can_estimate_stops_before_anything_runs(place, capsys, monkeypatch):
    write(place / "notebooks", "00_first.ipynb", "1")

    def unknown(bench, model, preset):
        raise ValueError(f"unknown model {model!r}")

    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setattr(fgo_kit, "estimate_notebooks", unknown)
    assert call(place, "--model", "openai:nobodys") == 2
    assert "unknown model 'openai:nobodys'" in capsys.readouterr().err


def test_headline_shows_scores_with_intervals_where_there_are_any(tmp_path):
    path = tmp_path / "quickstart_methods.csv"
    path.write_text("llm,method,score,lo,hi\nm,base,0.5,0.25,0.75\nm,fgo,0.5,,\nm,none,,,\n")
    lines = [" ".join(line.split()) for line in reproduce.headline(path).splitlines()]
    assert lines == ["llm method score", "m base 50.0 [25.0, 75.0]", "m fgo 50.0 [too few seeds for an interval]", "m none"]
