"""What `pip install .` puts elsewhere is whole: shipped data and notebooks travel along, and nothing of a checkout is needed.

The quick test unpacks the wheel into a folder of its own; the slow one installs it into an empty environment.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from blocks import block, first_example

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
    kept = ("data/*.csv", "data/*.txt", "data/*/*.xz", "data/*/make.py", "data/*/LICENSE.*", "notebooks/*.ipynb", "notebooks/*.png",
            "paper_figures/*.png", "paper_figures/*.csv", "paper_figures/*.json")
    for pattern in kept:
        files = {path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern)}
        assert files and files <= held, pattern
    assert not any(name.startswith("data/runs") or name.endswith(".sqlite") for name in held)


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


def tried(run, folder):
    """What README says of an installed package: its first example, and its commands. `run` starts Python far away."""
    said(run("-c", f"{first_example()}\nassert run.module.rules and run.score > 0", cwd=folder))
    commands = [shlex.split(line, comments=True) for line in block("elsewhere").splitlines()]
    assert [command[0] for command in commands] == ["pip", "fgo", "fgo", "fgo"]
    told = [said(run("-m", "fgo_kit.cli", *command[1:], cwd=folder)) for command in commands[1:]]
    assert "files copied to work" in told[0] and "saved: results/one" in told[1] and told[2] in told[1].replace("saved:", told[2])
    assert len(list((folder / "work" / "notebooks").glob("0*.ipynb"))) >= 9 and (folder / "results" / "one" / "run.json").is_file()


def test_what_readme_says_works_from_the_wheel_alone(unpacked, tmp_path):
    tried(unpacked, tmp_path)


@pytest.mark.slow
def test_pip_install_into_an_empty_environment(tmp_path):
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(tmp_path / "venv")], check=True, timeout=100)
    subprocess.run([uv, "pip", "install", "-q", "--python", str(python), str(ROOT)], check=True, timeout=250)
    work = tmp_path / "work here"
    work.mkdir()
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*arguments, cwd):
        return subprocess.run([str(python), *arguments], cwd=cwd, env=clean, capture_output=True, text=True, timeout=200)

    tried(run, work)
    script = subprocess.run([str(python.with_name("fgo")), "--version"], capture_output=True, text=True, timeout=60)
    assert script.stdout.startswith("fgo-kit ")
