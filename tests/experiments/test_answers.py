"""The first output of every notebook: a sentence from the full preset's tables, with its figure and where it is from."""

from __future__ import annotations

import json

import pytest

from fgo_kit.experiments.answers import ANSWERS, Answer, answer

GATES = """llm,gate,candidates,merges,right,right_lo,right_hi
simulated:small,hard,accepted,10,0.9,0.8,1
simulated:small,hard,refused,4,0.5,,
simulated:small,soft,refused,1,0.5,0.4,0.6
"""


def written(folder, simulated=True):
    (folder / "paper_figures").mkdir()
    (folder / "paper_figures" / "merge_gates.csv").write_text(GATES, encoding="utf-8")
    known = {"preset": "full", "simulated": simulated, "seeds": [3, 4], "manifest": {"commit": "abc"}}
    (folder / "paper_figures" / "merge_gates.json").write_text(json.dumps(known), encoding="utf-8")
    return folder


def test_the_sentence_is_made_of_the_table(tmp_path):
    found = answer("06", written(tmp_path))
    assert found.sentence == (
        "Simulated: decisions of a hard gate that are right on the test split, in %: 90.0 [80.0, 100.0] (accepted); "
        "50.0 [too few seeds for an interval] (refused)."
    )
    assert found.caption == "merge_gates.csv, merge_stepper.png: preset full, commit abc, seeds 3 to 4"
    assert "<img" not in found._repr_html_()  # the picture is not there


def test_a_real_model_is_not_called_simulated(tmp_path):
    assert answer("06", written(tmp_path, simulated=False)).sentence.startswith("Real model: ")


@pytest.mark.parametrize("notebook", ANSWERS)
def test_every_notebook_has_one_in_the_committed_files(notebook):
    found = answer(notebook)
    assert found.sentence.startswith("Simulated: ") and "nan" not in found.sentence
    assert "preset full, commit " in found.caption and found.figure.is_file()
    assert 'src="data:image/png;base64,iVBOR' in found._repr_html_()


def test_what_is_missing_is_said_with_how_to_make_it(tmp_path):
    assert str(answer("01", tmp_path)) == (
        "No answer yet: paper_figures/main_results.csv is missing. Make it: make reproduce PRESET=full"
    )


def test_text_from_a_table_is_escaped():
    assert "<script>" not in Answer("<script>1</script>", '"><script>')._repr_html_()
