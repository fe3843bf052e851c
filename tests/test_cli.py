"""The command line: the words of the API, clear errors instead of tracebacks, nothing overwritten."""

import json
import subprocess
import sys

import pandas as pd
import pytest

import fgo_kit as fgo
from fgo_kit.cli import choices_in, main
from fgo_kit.runs.places import SHIPPED


def test_a_run_is_made_saved_exported_and_opened_again(tmp_path, capsys):
    words = ["run", "logisticsqa", "simulated", "--method", "all_at_once", "--n-train", "8", "--n_test", "6", "--epochs=1"]
    assert main([*words, "--save", str(tmp_path / "mine"), "--export", str(tmp_path / "skill"), "--format", "skill"]) == 0
    said = capsys.readouterr().out
    made = fgo.load_run(tmp_path / "mine")
    bench = fgo.load_benchmark("logisticsqa", n_train=8, n_test=6)
    assert made.id == fgo.run(bench, "simulated", method="all_at_once", epochs=1).id
    assert repr(made) in said and made.prompt() in said and (tmp_path / "skill" / "SKILL.md").is_file()
    assert main(["open", str(tmp_path / "mine")]) == 0
    assert repr(made) in capsys.readouterr().out


def test_methods_are_compared(tmp_path, capsys):
    words = ["compare", "logisticsqa", "--methods", "base", "always_none", "--seeds", "0", "1", "--n_train", "4", "--n_test", "6"]
    assert main([*words, "--progress", "False", "--csv", str(tmp_path / "rows.csv")]) == 0
    assert "always_none" in capsys.readouterr().out and len(pd.read_csv(tmp_path / "rows.csv")) == 4


def test_what_a_run_would_take_is_told(capsys):
    assert main(["estimate", "logisticsqa", "openai:gpt-4o-mini", "--n_train", "4", "--n_test", "6", "--method", "base"]) == 0
    assert "calls: 6\n" in capsys.readouterr().out


def test_a_table_of_ones_own_is_a_benchmark_by_its_file(tmp_path, capsys):
    rows = [{"q": f"What is {n} plus {n * n}?", "gold": str(n + n * n)} for n in range(40)]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert main(["run", str(tmp_path / "mine.jsonl"), "simulated", "--question", "q", "--answer", "gold", "--method", "base"]) == 2
    assert "no competence" in capsys.readouterr().err


def test_notebooks_are_copied_and_none_is_overwritten(tmp_path, capsys):
    target = tmp_path / "my work"
    (target / "notebooks").mkdir(parents=True)
    (target / "notebooks" / "00_quickstart.ipynb").write_text("mine")
    assert main(["notebooks", str(target)]) == 0
    names = {path.name for path in (SHIPPED / "notebooks").glob("*.ipynb")}
    assert names == {path.name for path in (target / "notebooks").glob("*.ipynb")}
    assert (target / "notebooks" / "00_quickstart.ipynb").read_text() == "mine" and "1 were there already" in capsys.readouterr().out
    assert (target / "paper_figures" / "main_results.png").is_file()


@pytest.mark.parametrize("words, says", [
    (["run", "logistics"], "'logistics' is neither a benchmark (alfworld, gaia, logisticsqa) nor a file"),
    (["run", "logisticsqa", "--method", "fog"], "did you mean 'fgo'?"), (["run", "logisticsqa", "--epoch", "2"], "did you mean 'epochs'?"),
    (["run", "logisticsqa", "--epochs", "two"], "epochs='two'"), (["run", "logisticsqa", "--epochs", "1", "2"], "--epochs takes one value"),
    (["run", "logisticsqa", "--epochs", "1", "--epochs", "2"], "--epochs is given twice"), (["run", "logisticsqa", "openal:x"], "openal"),
    (["run", "logisticsqa", "--n_train", "4", "--n_test", "2", "--export", "x.pdf", "--format", "pdf"], "format='pdf' is unknown"),
    (["run", "logisticsqa", "--n_train", "4", "--tracker", "mflow"], "tracker='mflow' is unknown"),
    (["open", "absent"], "holds no saved run"), (["open", "absent", "--fast"], "--fast is unknown here"),
    (["compare", "logisticsqa", "--methods", "base", "--color", "red"], "does not take 'color'"),
])  # fmt: skip
def test_what_goes_wrong_is_one_clear_line(tmp_path, monkeypatch, capsys, words, says):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    told = capsys.readouterr().err
    assert says in told and told.startswith("fgo: ") and "Traceback" not in told


@pytest.mark.parametrize("words", [[], ["walk"], ["run"], ["run", "a", "b", "c"], ["notebooks"]])
def test_commands_that_are_none_are_answered_with_the_usage(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2 and "usage: fgo" in capsys.readouterr().err


@pytest.mark.parametrize("words, wanted", [(["--help"], "fgo notebooks work"), (["run", "--help"], "--n_subsets"), (["run", "logisticsqa", "-h"], "--budget_usd")])
def test_help_names_the_choices(words, wanted, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 0 and wanted in capsys.readouterr().out


def test_a_stop_is_no_traceback(monkeypatch, capsys):
    monkeypatch.setattr(fgo, "run", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    assert main(["run", "logisticsqa", "--n_train", "4"]) == 130
    assert "stopped" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    words = f"{sys.executable} -m fgo_kit.cli run logisticsqa --n_train 4 --n_test 6 --method base | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", words], capture_output=True, text=True, timeout=100)
    assert done.stderr == "" and done.stdout.strip() == "0"


def test_values_are_literals_or_texts():
    assert choices_in(["--a", "1e-3", "--b", "None", "--c", "hard", "--d", "-1", "--e", "", "--f=x=y"]) == {
        "a": 0.001, "b": None, "c": "hard", "d": -1, "e": "", "f": "x=y",
    }  # fmt: skip
