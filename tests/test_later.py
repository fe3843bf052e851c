"""What takes long to import is imported when it is used, and in the background of a run."""

import subprocess
import sys

import pytest

from fgo_kit.records.later import Later

HEAVY = ("pandas", "scipy", "sklearn", "openai", "anthropic", "matplotlib", "lxml", "tiktoken")


def test_the_package_imports_nothing_heavy():
    code = f"import sys, fgo_kit; print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_module_that_is_imported_later_is_that_module():
    import json

    assert Later("json").dumps is json.dumps
    with pytest.raises(AttributeError, match="no_such_name"):
        Later("json").no_such_name  # noqa: B018


def test_what_a_run_needs_is_there_soon():
    code = (
        "import sys, threading; from fgo_kit.records.later import *\n"
        "import_soon(); print('started'); [t.join() for t in threading.enumerate() if t.name == 'fgo imports']\n"
        "print(all(name in sys.modules for name in SOON))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split() == ["started", "True"]
