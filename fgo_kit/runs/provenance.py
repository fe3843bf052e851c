"""What a result depends on beside its config: the code, its commit, and the versions it ran with."""

from __future__ import annotations

import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from subprocess import DEVNULL, PIPE, run

from ..records import digest

ROOT = Path(__file__).resolve().parents[2]
"""The checkout, which holds data/ and paper_figures/ beside the package."""
SHOWING = (
    "experiments/dataset_sizes.py", "experiments/findings.py", "experiments/model_card.py", "experiments/plots.py",
    "experiments/sensitivity.py", "experiments/sets.py", "report/", "runs/estimate.py", "runs/listing.py",
    "reproduce.py",
)  # fmt: skip
"""Files of the package, by how their paths begin, that no run executes; what they choose stands in a run's config."""


def manifest() -> dict:
    """What a result depends on beside its config: versions and commit."""
    packages = ("fgo-kit", "numpy", "scipy", "scikit-learn", "pandas", "pydantic", "openai", "anthropic")
    return {
        "python": sys.version.split()[0], "commit": commit(), **{name: _version(name) for name in packages},
    }  # fmt: skip


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


@cache
def code_version() -> str:
    """A hash of the sources that a run may execute. When they change it is a new run, whose logged calls are free.

    What only shows finished runs (`SHOWING`) is left out: another wording or figure asks nothing again.
    """
    package = ROOT / "fgo_kit"
    sources = {file.relative_to(package).as_posix(): file for file in sorted(package.rglob("*.py"))}
    run_by = {name: file for name, file in sources.items() if not name.startswith(SHOWING)}
    return digest([[name, file.read_text(encoding="utf-8")] for name, file in run_by.items()])


@cache
def commit() -> str:
    """The commit of this checkout, with "+changes" where files differ from it; "unknown" outside git."""
    head = _git("rev-parse", "--short=12", "HEAD")
    changed = head and _git("status", "--porcelain", "--untracked-files=no", "--", "fgo_kit", "data")
    return (head or "unknown") + ("+changes" if changed else "")


def _git(*arguments: str) -> str:
    try:
        done = run(["git", *arguments], cwd=ROOT, stdout=PIPE, stderr=DEVNULL, text=True)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
