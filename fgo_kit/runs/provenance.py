"""What a result depends on besides its config: the code that decides it, its commit, and the versions it ran with."""

from __future__ import annotations

import ast
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from subprocess import DEVNULL, PIPE, run
from threading import Lock

from ..algorithm.benchmark import Benchmark
from ..calls.providers import PROVIDERS
from ..records import digest
from .places import CHECKOUT, PACKAGE

GROUND = ("records", "stats.py", "calls", "algorithm", "runs")
"""What every run rests on; to that come its benchmark, its provider and, where that is simulated, the simulator."""

_PARSER = Lock()  # in Python 3.11 threads must not parse at the same time


def manifest() -> dict:
    """What a result depends on besides its config: versions and commit."""
    packages = ("fgo-kit", "numpy", "scipy", "scikit-learn", "pandas", "pydantic", "openai", "anthropic")
    return {
        "python": sys.version.split()[0], "commit": commit(), **{name: _version(name) for name in packages},
    }  # fmt: skip


@cache
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def code_version(bench: Benchmark, llm: str, package: Path = PACKAGE) -> str:
    """A hash of the code that decides a run by the LLM of a name: an edit makes a new run, whose logged calls are free.

    Comments, docstrings and layout do not count, nor does what only shows finished runs, another benchmark or another
    provider.
    """
    module = type(bench).__module__.split(".")
    folder = module[2] if module[:2] == ["fgo_kit", "benchmarks"] and len(module) > 2 else ""
    return _hash_of(package, folder, llm.partition(":")[0], bool(bench.tools))


@cache
def _hash_of(package: Path, folder: str, provider: str, tools: bool) -> str:
    files = _deciding(package, folder, provider, tools)
    return digest([[file.relative_to(package).as_posix(), _bare(file)] for file in files])


def _deciding(package: Path, folder: str, provider: str, tools: bool) -> list[Path]:
    """The files that decide a run on the benchmark in `folder`, answered by a provider."""
    rooms = [package / room for room in (*GROUND, *(("sandbox",) if tools else ()))]
    shared = [package / "benchmarks"] if folder else []
    answering = _provider_file(package, provider)
    if answering is not None and answering.parent.name in ("adapters", "simulate"):
        shared.append(answering.parent)
    for room in shared:  # what its benchmarks have in common, and what belongs to this one
        rooms += [*room.glob("*.py"), room / folder]
    files = {file for room in rooms for file in ([room] if room.is_file() else room.rglob("*.py"))}
    others = [name for name in PROVIDERS if name != provider]
    theirs = {file for name in others for file in (package / "adapters").glob(f"{name}_*.py")}
    return sorted(files - theirs - ({_provider_file(package, name) for name in others} - {answering}))


def _provider_file(package: Path, name: str) -> Path | None:
    """The file of a provider of this package, None for any other."""
    entry = PROVIDERS.get(name, "")
    module = entry.partition(":")[0] if isinstance(entry, str) else entry.__module__
    file = package.parent / (module.replace(".", "/") + ".py")
    return file if file.is_relative_to(package) and file.is_file() else None


def _bare(file: Path) -> str:
    """The code of a file without comments, docstrings and layout."""
    with _PARSER:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            body[:] = [line for line in body if not _is_text(line)] or [ast.Pass()]
    return ast.unparse(tree)


def _is_text(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)


@cache
def commit() -> str:
    """The commit of this checkout, with "+changes" where files differ from it; "unknown" outside git."""
    head = _git("rev-parse", "--short=12", "HEAD")
    changed = head and _git("status", "--porcelain", "--untracked-files=no", "--", "fgo_kit", "data")
    return (head or "unknown") + ("+changes" if changed else "")


def _git(*arguments: str) -> str:
    if CHECKOUT is None:  # the current folder may be a checkout of something else
        return ""
    try:
        done = run(["git", *arguments], cwd=CHECKOUT, stdout=PIPE, stderr=DEVNULL, text=True)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
