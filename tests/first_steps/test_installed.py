"""What `pip install .` puts elsewhere is whole: shipped data and notebooks travel along, and nothing of a checkout is needed.

The quick test unpacks the wheel into a folder of its own; the slow one installs it into an empty environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    hatchling = pytest.importorskip("hatchling.builders.wheel", reason="needs the build backend: make setup")
    return Path(next(hatchling.WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"])))


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    """A function that runs Python, or a module of the package, in a folder far from the checkout, with the wheel alone."""
    site = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(site)

    def python(*arguments, cwd):
        environment = {**os.environ, "PYTHONPATH": str(site)}
        return subprocess.run([sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=200)

    return python


def said(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_wheel_carries_all_that_the_package_reads(wheel):
    held = {name.removeprefix("fgo_kit/shipped/") for name in zipfile.ZipFile(wheel).namelist() if "/shipped/" in name}
    kept = ("data/*.csv", "data/*.txt", "data/*/*.xz", "data/*/LICENSE.*", "notebooks/*.ipynb", "notebooks/*.png", "paper_figures/*.png")
    for pattern in kept:
        files = {path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern)}
        assert files and files <= held, pattern
    assert "paper_figures/main_results.csv" in held
    assert not any(name.startswith("data/runs") or name.endswith((".py", ".sqlite")) for name in held)


def test_elsewhere_data_come_from_the_package_and_runs_go_below_the_current_folder(unpacked, tmp_path):
    code = "from fgo_kit.runs import places as p; print(p.CHECKOUT, p.HOME, p.SHIPPED.name, p.placed('data/runs/x.sqlite'))"
    below = tmp_path / "mine" / "notebooks"
    below.mkdir(parents=True)
    for cwd, home in ((below, below.parent), (tmp_path, tmp_path)):
        assert said(unpacked("-c", code, cwd=cwd)).split() == ["None", str(home), "shipped", f"{home}/data/runs/x.sqlite"]


def test_the_shipped_sets_are_read_and_the_commit_of_a_foreign_checkout_is_not_ours(unpacked, tmp_path):
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=False)
    code = """
import fgo_kit as fgo
from fgo_kit.runs.provenance import manifest
print([len(fgo.load_benchmark(name, n_train=8).train) for name in ("logisticsqa", "alfworld", "gaia")])
run = fgo.run(fgo.load_benchmark("logisticsqa", n_train=8), "simulated", method="base")
print(round(run.score, 1) >= 0, manifest()["commit"])
"""
    assert said(unpacked("-c", code, cwd=tmp_path)).split("\n")[:2] == ["[8, 8, 8]", "True unknown"]
