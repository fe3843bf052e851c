"""Servers that others wrote, from an environment of their own, for the tests that `make test-servers` runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = Path(os.environ.get("FGO_SERVERS") or ROOT / ".venv-servers").absolute() / "bin" / "python"


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.servers)


@pytest.fixture(scope="session")
def python() -> Path:
    """The interpreter of the environment that holds the servers."""
    if not PYTHON.is_file():
        pytest.fail(f"no {PYTHON}; run make test-servers, which installs the servers")
    return PYTHON
