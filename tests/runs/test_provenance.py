"""Which code decides a run: an edit of it makes a new run, any other edit does not, room by room."""

from __future__ import annotations

import shutil

import pytest
from helpers import TinyBench

import fgo_kit as fgo
from fgo_kit.benchmarks import gaia
from fgo_kit.runs.provenance import PACKAGE, code_version

DECIDING = [
    "records/__init__.py", "stats.py", "calls/meter.py", "algorithm/merge.py", "runs/tables.py", "benchmarks/splits.py",
    "benchmarks/logisticsqa/ubl.py", "simulate/limits.py", "simulate/logisticsqa/language.py",
]  # fmt: skip
OTHER = [
    "__init__.py", "reproduce.py", "report/figures.py", "experiments/costs.py", "widgets/catalogue.py", "sandbox/walls.py",
    "benchmarks/gaia/score.py", "simulate/gaia/solver.py", "simulate/alfworld/player.py", "adapters/openai_chat.py",
    "adapters/anthropic_messages.py",
]  # fmt: skip


@pytest.fixture
def package(tmp_path):
    """A copy of the package that may be edited. Each has a folder of its own, so no hash is remembered."""
    shutil.copytree(PACKAGE, tmp_path / "fgo_kit", ignore=shutil.ignore_patterns("__pycache__", "static"))
    return tmp_path / "fgo_kit"


@pytest.fixture(scope="module")
def bench():
    return fgo.load_benchmark("logisticsqa", n_train=4)


def edited(package, name, code):
    """The same package with a line more in one file, in another folder."""
    copy = package.parent / f"edited {name} {len(code)}".replace("/", " ") / "fgo_kit"
    shutil.copytree(package, copy)
    with (copy / name).open("a") as file:
        file.write(code)
    return copy


@pytest.mark.parametrize("name", DECIDING)
def test_an_edit_of_what_decides_makes_a_new_run(package, bench, name):
    llm = fgo.load_llm("simulated").name
    assert code_version(bench, llm, edited(package, name, "\nEDITED = 1\n")) != code_version(bench, llm, package)


@pytest.mark.parametrize("name", OTHER)
def test_an_edit_of_anything_else_does_not(package, bench, name):
    llm = fgo.load_llm("simulated").name
    assert code_version(bench, llm, edited(package, name, "\nEDITED = 1\n")) == code_version(bench, llm, package)


def test_comments_docstrings_and_blank_lines_decide_nothing(package, bench):
    llm, copy = fgo.load_llm("simulated").name, edited(package, "algorithm/merge.py", "\n\n# said\n\'\'\'told\'\'\'\n")
    file = copy / "algorithm" / "gates.py"
    file.write_text(file.read_text().replace("Every candidate is taken.", "Whatever comes is taken."))
    assert code_version(bench, llm, copy) == code_version(bench, llm, package)


@pytest.mark.parametrize("spec, own, other", [
    ("openai:m", "adapters/openai_chat.py", "adapters/anthropic_messages.py"),
    ("openai:m", "adapters/openai_responses.py", "adapters/anthropic_messages.py"),
    ("anthropic:m", "adapters/anthropic_messages.py", "adapters/openai_chat.py"),
    ("anthropic:m", "adapters/remote.py", "adapters/openai_responses.py"),
])  # fmt: skip
def test_a_provider_decides_its_own_runs_alone(package, bench, spec, own, other):
    llm = fgo.load_llm(spec, base_url="http://localhost:1/v1").name
    before = code_version(bench, llm, package)
    assert code_version(bench, llm, edited(package, own, "\nEDITED = 1\n")) != before
    for name in (other, "simulate/limits.py", "simulate/logisticsqa/language.py"):
        assert code_version(bench, llm, edited(package, name, "\nEDITED = 1\n")) == before


def test_programs_of_a_model_are_run_by_code_that_decides(package):
    llm, questions = fgo.load_llm("simulated").name, gaia.load(n_train=2)
    before = code_version(questions, llm, package)
    assert code_version(questions, llm, edited(package, "sandbox/walls.py", "\nEDITED = 1\n")) != before
    assert code_version(questions, llm, edited(package, "simulate/logisticsqa/language.py", "\nX = 1\n")) == before


def test_a_benchmark_and_an_llm_from_elsewhere_rest_on_the_ground_alone(package):
    before = code_version(TinyBench(), "mine", package)
    assert code_version(TinyBench(), "mine", edited(package, "simulate/limits.py", "\nX = 1\n")) == before
    assert code_version(TinyBench(), "mine", edited(package, "calls/log.py", "\nX = 1\n")) != before
