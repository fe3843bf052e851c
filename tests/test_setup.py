"""The set-up cannot drift: one list of dependencies, a portable lock, honest stamps, clean tracked files."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME = PROJECT["project"]["dependencies"]
TEST = PROJECT["project"]["optional-dependencies"]["test"]
ENGINE = PROJECT["project"]["optional-dependencies"]["alfworld"]
BUILD = PROJECT["dependency-groups"]["build"]
CONDA_NAMES = {"matplotlib": "matplotlib-base"}  # name in pyproject.toml -> name on conda-forge
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def names(requirements):
    """{canonical name: version specifier} of requirement strings."""
    return {canonicalize_name(r.name): r.specifier for r in map(Requirement, requirements)}


def locked(lock="requirements.lock"):
    """The requirements of a lock, each with the number of its hashes."""
    blocks = re.split(r"\n(?=[a-z])", (ROOT / lock).read_text().strip())
    return [(Requirement(b.partition("\\")[0]), b.count("--hash=sha256:")) for b in blocks]


def conda_drift(environment):
    """What a parsed environment.yml and pyproject.toml disagree about, as sentences; [] when in step."""
    pip = next(d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    listed = names([d for d in environment["dependencies"] if isinstance(d, str)])
    listed |= names([d for d in pip if not d.startswith("-e")])
    wanted = {CONDA_NAMES.get(n, n): spec for n, spec in names(RUNTIME + TEST).items()}
    wanted["python"] = Requirement("python" + PROJECT["project"]["requires-python"]).specifier
    wanted["pip"] = Requirement("pip").specifier
    drift = [f"{n}: only in pyproject.toml" for n in sorted(wanted.keys() - listed.keys())]
    drift += [f"{n}: only in environment.yml" for n in sorted(listed.keys() - wanted.keys())]
    drift += [
        f"{n}: {listed[n]} in environment.yml, {wanted[n]} in pyproject.toml"
        for n in sorted(listed.keys() & wanted.keys())
        if listed[n] != wanted[n]
    ]
    return drift if "-e ." in pip else [*drift, "the package itself (-e .) is missing"]


def test_environment_yml_is_in_step_with_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge"]
    assert conda_drift(environment) == []


@pytest.mark.parametrize(
    ("old", "new", "seen"),
    [
        ("  - lxml >=5.3\n", "", "lxml: only in pyproject.toml"),
        ("  - pip\n", "  - pip\n  - torch\n", "torch: only in environment.yml"),
        ("numpy >=2.2", "numpy >=1.0", "numpy: >=1.0 in environment.yml, >=2.2 in pyproject.toml"),
    ],
)
def test_drift_is_seen_in_either_direction(old, new, seen):
    text = (ROOT / "environment.yml").read_text()
    assert old in text
    assert seen in conda_drift(yaml.safe_load(text.replace(old, new)))


def pinned(python, lock="requirements.lock"):
    """{name: version} of a lock for one Python."""
    where = {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": "linux"}
    versions = {}
    for requirement, _ in locked(lock):
        if requirement.marker is None or requirement.marker.evaluate(where):
            name = canonicalize_name(requirement.name)
            assert name not in versions, f"{name} is locked twice for Python {python}"
            versions[name] = str(requirement.specifier).removeprefix("==")
    return versions


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_lock_covers_every_dependency_at_an_allowed_version(python):
    versions, engine = pinned(python), pinned(python, "requirements-alfworld.lock")
    assert {n: v for n, v in engine.items() if n in versions}.items() <= versions.items()
    for name, allowed in names(ENGINE).items():
        assert name in engine and allowed.contains(engine[name]), f"{name}: run make lock"
    assert names(PROJECT["build-system"]["requires"]).items() <= names(BUILD).items()
    for name, allowed in names(RUNTIME + TEST + BUILD).items():
        assert name in versions, f"{name} is not in requirements.lock; run make lock"
        assert allowed.contains(versions[name]), f"{name} {versions[name]} is not {allowed}; run make lock"


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-alfworld.lock"])
def test_lock_is_hashed_and_names_no_address(lock):
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert set(re.findall(r"--[a-z-]+", text)) == {"--hash"}
    assert [r.name for r, hashes in locked(lock) if not hashes] == []


def test_copyleft_parts_are_imported_by_the_engine_process_alone():
    engine = re.compile(r"^\s*(import|from) (fast_downward|jericho|textworld|alfworld)\b", re.M)
    found = {path.name for path in (ROOT / "fgo_kit").rglob("*.py") if engine.search(path.read_text())}
    assert found == {"worker.py"}


def third_party_imports():
    """{imported top-level module: first file that imports it} over package, tests, data and notebooks."""
    files = [p for folder in ("fgo_kit", "tests", "data") for p in sorted((ROOT / folder).rglob("*.py"))]
    sources = {p: p.read_text() for p in files}
    for path in NOTEBOOKS:
        cells = [c.source for c in nbformat.read(path, 4).cells if c.cell_type == "code"]
        sources[path] = "\n".join(line for c in cells for line in c.splitlines() if line[:1] not in "%!?")
    found = {}
    for path, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                modules = [node.module]
            for module in modules:
                found.setdefault(module.partition(".")[0], path.relative_to(ROOT))
    # the sandbox runs outside the package too: its files import each other as plain files
    local = {"fgo_kit", "program", "walls", "room", "common", *(p.stem for p in files if p.relative_to(ROOT).parts[0] in ("tests", "data"))}
    return {m: p for m, p in found.items() if m not in sys.stdlib_module_names and m not in local}


# Engines that a user may add by hand; the code that imports them says what to install.
OPTIONAL = {
    "textworld", "alfworld", "fast_downward", "jericho", "mementos", "pyarrow", "mlflow", "wandb", "zipfile_zstd", "datasets", "pydantic_ai",
    "aiohttp", "dspy", "gguf",
}  # fmt: skip


def test_every_import_is_a_declared_dependency():
    declared = names(RUNTIME + TEST).keys()
    owners = packages_distributions()
    undeclared = {
        module: str(path)
        for module, path in third_party_imports().items()
        if module not in OPTIONAL
        and not declared & {canonicalize_name(d) for d in owners.get(module, [module])}
    }
    assert undeclared == {}, "add these to pyproject.toml and environment.yml, then run make lock"


def tracked():
    """Files git knows, with their text (None for binary ones)."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a git checkout")
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listing.stdout.split("\0")):
        path = ROOT / name
        if path.is_file():
            data = path.read_bytes()
            yield name, None if b"\0" in data[:8192] else data.decode("utf-8", errors="replace")


# Written so that this file does not match itself.
MACHINE = re.compile(
    r"(?<![\w.:/-])/(?:root|work|farm|home/\w+|Users/\w+|tmp/(?:venv|lab|ipykernel\w*))/"
    r"|pypi\.org|python(?:hosted)|registry\.npmjs|deb\.debian\.org"
)


def test_no_tracked_file_names_a_machine_path_or_a_registry_host():
    hits = [
        f"{name}: {match.group()}"
        for name, text in tracked()
        if text is not None
        for match in MACHINE.finditer(text)
    ]
    assert hits == []


def test_nothing_that_is_ignored_is_tracked():
    command = ["git", "ls-files", "-ci", "--exclude-standard"]
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a git checkout")
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == ""


def skipped(cell):
    return "skip-execution" in cell.metadata.get("tags", [])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_notebook_is_valid_and_committed_as_run_from_top_to_bottom(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    code = [c for c in notebook.cells if c.cell_type == "code" and c.source.strip()]
    errors = [o.evalue for c in code for o in c.outputs if o.output_type == "error"]
    assert errors == []
    assert any(c.outputs for c in code), "committed without outputs"
    counts = [c.execution_count for c in code if not skipped(c)]
    assert counts == list(range(1, len(counts) + 1)), "restart the kernel and run all cells, then save"


@pytest.fixture
def checkout(tmp_path):
    """The files that set-up reads, in a folder with a space, and a stand-in for uv that logs its calls."""
    root, tools = tmp_path / "my checkout", tmp_path / "tools"
    root.mkdir()
    tools.mkdir()
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    (root / "requirements.lock").write_text("not a requirement !\n")
    uv = tools / "uv"
    uv.write_text(f'#!/bin/sh\necho "$@" >> "{tools}/calls"\nexit $(cat "{tools}/exit")\n')
    uv.chmod(0o755)
    (tools / "exit").write_text("0")

    def make(*arguments, uv_exit=0):
        (tools / "exit").write_text(str(uv_exit))
        (tools / "calls").write_text("")
        environment = {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(tmp_path)}
        command = ["make", f"PYTHON={sys.executable}", *arguments]
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=120)
        return done, (tools / "calls").read_text()

    make.root = root
    return make


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_setup_runs_once_and_again_when_what_it_reads_changes(checkout):
    done, calls = checkout("setup")
    assert done.returncode == 0, done.stderr
    assert "--require-hashes -r requirements.lock" in calls and "--no-deps" in calls
    assert (checkout.root / ".venv/bin/python").exists()
    assert checkout("setup")[1] == ""
    stamp = (checkout.root / ".venv/.stamp").stat().st_mtime
    os.utime(checkout.root / "pyproject.toml", (stamp + 5, stamp + 5))
    assert "requirements.lock" in checkout("-j4", "setup")[1]


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_a_moved_checkout_is_set_up_afresh(checkout):
    checkout("setup")
    stamp = checkout.root / ".venv/.stamp"
    stamp.write_text(stamp.read_text().replace("my checkout", "where it was"))
    assert "requirements.lock" in checkout("setup")[1]


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_a_failed_setup_leaves_no_stamp(checkout):
    done, _ = checkout("setup", uv_exit=1)  # pip then fails too: the lock is not one
    assert done.returncode != 0 and "trying pip" in done.stderr
    assert not (checkout.root / ".venv/.stamp").exists()
    assert checkout("setup", uv_exit=0)[0].returncode == 0


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_an_unusable_python_is_named(checkout):
    done, calls = checkout("setup", "PYTHON=/no/such/python")
    assert done.returncode != 0 and calls == ""
    assert "/no/such/python" in done.stderr and "3.12" in done.stderr


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_an_engine_that_cannot_be_installed_is_told_in_one_line_and_stops_nothing(checkout, tmp_path):
    checkout("setup")
    for given, told in (("CXX=no-such-compiler", "there is no no-such-compiler"), ("CXX=true", "see .venv/")):
        done, _ = checkout("engine", given)
        assert done.returncode == 0 and done.stderr == ""
        line = done.stdout.splitlines()[-1]
        assert line.startswith("ALFWorld games are left out: ") and told in line
    uv = checkout.root / ".venv/bin/uv"
    uv.symlink_to(tmp_path / "tools/uv")
    for python in checkout.root.glob(".venv/bin/python*"):
        python.unlink()
    (checkout.root / ".venv/bin/python").symlink_to("/bin/true")
    done, calls = checkout("engine", "CXX=true")
    assert "left out" not in done.stdout and "--require-hashes" in calls and "--no-deps" in calls
    assert checkout("engine", "CXX=true")[1] == ""  # once


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_clean_keeps_committed_figures(checkout):
    keep = ["paper_figures/main.pdf", "notebooks/00_first.ipynb", "data/set/make.py"]
    drop = ["paper_figures/fast/main.pdf", "data/runs/demo.sqlite", ".venv/x", "fgo_kit/__pycache__/x.pyc"]
    for name in keep + drop:
        (checkout.root / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout.root / name).write_text("x")
    assert checkout("clean")[0].returncode == 0
    assert [n for n in keep + drop if (checkout.root / n).exists()] == keep


def test_the_network_is_out_of_reach_of_tests():
    import socket

    with pytest.raises(ConnectionRefusedError, match="tests may not use the network"):
        socket.create_connection(("example.invalid", 80), timeout=1)
    with pytest.raises(ConnectionRefusedError, match=r"192\.0\.2\.1"):
        socket.socket().connect(("192.0.2.1", 80))
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
