"""What takes long to import is imported when it is used, or in the background of a run."""

import ast
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from fgo_kit.records.later import Later

HEAVY = ("pandas", "scipy", "sklearn", "openai", "anthropic", "matplotlib", "lxml", "tiktoken", "distributed")


def test_the_package_imports_nothing_heavy():
    code = f"import sys, fgo_kit; print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_module_that_is_imported_later_is_that_module():
    import json

    assert Later("json").dumps is json.dumps
    with pytest.raises(AttributeError, match="no_such_name"):
        Later("json").no_such_name  # noqa: B018


def test_what_a_run_will_need_is_imported_while_it_goes_on():
    code = (
        "import sys, threading; from fgo_kit.records.later import import_soon\n"
        "import_soon('pandas'); print('pandas.plotting' in sys.modules)\n"
        "[t.join() for t in threading.enumerate() if t.name == 'fgo imports']; print('pandas.plotting' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True"]


def test_one_module_is_imported_after_the_other_whoever_asks(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "importing", [], raising=False)
    for name in ("late_one", "late_two"):
        (tmp_path / f"{name}.py").write_text(
            f"import sys, time\nsys.importing.append('{name}')\ntime.sleep(0.1)\nsys.importing.append('{name}')\n"
        )
    threads = [Thread(target=getattr, args=(Later(name), "time")) for name in ("late_one", "late_two")]
    for step in (Thread.start, Thread.join):
        for thread in threads:
            step(thread)
    first, again, second, last = sys.importing
    assert first == again and second == last


def test_libraries_that_import_themselves_in_circles_are_imported_later():
    package = Path(__file__).parents[1] / "fgo_kit"
    for path in package.rglob("*.py"):
        tree = ast.parse(path.read_text())
        only_types = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
        exempt = {id(node) for outer in only_types for node in ast.walk(outer)}
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)) and id(node) not in exempt:
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                assert not {name.split(".")[0] for name in names} & {"scipy", "sklearn"}, f"{path}:{node.lineno}: {names}"
