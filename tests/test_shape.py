"""The shape of the package: rooms in their order, no circles, nobody's privates, files and rooms within their size."""

from __future__ import annotations

import ast
import io
import tokenize
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "fgo_kit"
ORDER = (
    "records", "stats", "calls", "adapters", "algorithm", "cluster", "runs", "planning", "traces", "sandbox", "benchmarks", "simulate", "report", "experiments",
    "widgets", "__init__", "reproduce", "cli",
)  # fmt: skip
"""The rooms from the ground up: what stands in one imports only what stands in those before it."""
FILES = {file.relative_to(PACKAGE.parent).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__"): file
         for file in sorted(PACKAGE.rglob("*.py"))}  # fmt: skip
SCRIPTS = {"room", "walls"}
"""Files of the sandbox that run outside the package and import each other as plain files."""


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


@cache
def imported(module: str) -> set[tuple[str, str]]:
    """(module, name or "") of everything of the package that a file imports, inside functions too."""
    file, found = FILES[module], set()
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names if alias.name.split(".")[0] == "fgo_kit"}
        if isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            if source.split(".")[0] == "fgo_kit":
                names = [(f"{source}.{alias.name}", "") if f"{source}.{alias.name}" in FILES else (source, alias.name)
                         for alias in node.names]  # fmt: skip
                found |= set(names)
    return found


def test_every_file_stands_in_a_room():
    assert {room_of(module) for module in FILES} == set(ORDER)
    assert len([file for file in PACKAGE.iterdir() if file.is_file()]) <= 6


@pytest.mark.parametrize("module", FILES)
def test_imports_go_down(module):
    own = ORDER.index(room_of(module))
    up = {source for source, _ in imported(module) if ORDER.index(room_of(source)) > own}
    assert not up, f"{module} imports {sorted(up)}, which stands above it"


def test_there_is_no_circle():
    graph = {module: {source for source, _ in imported(module) if source in FILES} - {module} for module in FILES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


def test_nothing_below_report_knows_a_benchmark_or_the_simulator():
    for module in FILES:
        if ORDER.index(room_of(module)) < ORDER.index("benchmarks"):
            assert not {s for s, _ in imported(module) if room_of(s) in ("benchmarks", "simulate")}, module


@pytest.mark.parametrize("module", FILES)
def test_nobody_imports_anothers_private_names(module):
    private = {f"{source}.{name}" for source, name in imported(module) if name.startswith("_") and name[:2] != "__"}
    assert not private, f"{module} imports {sorted(private)}"


def code_lines(file: Path) -> int:
    """Lines of code: without blank lines, comments and docstrings of modules, classes and functions."""
    source = file.read_text(encoding="utf-8")
    docs: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            docs.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    blank = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    lines = {line for token in tokens if token.type not in blank for line in range(token.start[0], token.end[0] + 1)}
    return len(lines - docs)


def test_no_file_is_long():
    assert {module: n for module, file in FILES.items() if (n := len(file.read_text().splitlines())) > 350} == {}


def test_the_package_is_light():
    sizes = {module: code_lines(file) for module, file in FILES.items()}
    core = sum(n for module, n in sizes.items() if room_of(module) in ("records", "stats", "calls", "algorithm", "runs"))
    assert core <= 6_050 and sum(sizes.values()) <= 21_890
