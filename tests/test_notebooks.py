"""The notebooks as they are read: question and answer first, short cells, saved outputs without errors or foreign paths."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))
PRIVATE = re.compile(r"(?<![\w.:/])/(home|root|tmp|work|Users|var|private)/")


def cells_of(path: Path, kind: str) -> list[dict]:
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == kind]


def shown(cell: dict) -> str:
    """All text of a cell's outputs."""
    return json.dumps([[output.get("text"), output.get("data", {})] for output in cell["outputs"]])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_question_and_answer_come_first(path):
    opening, first = "".join(cells_of(path, "markdown")[0]["source"]), cells_of(path, "code")[0]
    assert "**Question.**" in opening and "**What you will see.**" in opening
    assert f'answer("{path.name[:2]}")' in "".join(first["source"])
    assert "Simulated: " in shown(first) and "data:image/png;base64" in shown(first) and "preset full" in shown(first)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_saved_outputs_hold_no_error_and_no_path_of_a_machine(path):
    for cell in cells_of(path, "code"):
        assert cell["execution_count"], cell["id"]
        assert not [output for output in cell["outputs"] if output["output_type"] == "error"], cell["id"]
        assert not PRIVATE.search(shown(cell)), cell["id"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_code_cell_has_at_most_eight_lines(path):
    lines = {cell["id"]: sum(bool(line.strip()) for line in cell["source"]) for cell in cells_of(path, "code")}
    assert not {name: count for name, count in lines.items() if count > 8}
