"""Servers that others wrote, each a process of its own on loopback, for the tests that `make test-servers` runs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = Path(os.environ.get("FGO_SERVERS") or ROOT / ".venv-servers").absolute() / "bin" / "python"
PATIENCE = 180  # seconds for a server to start


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


@contextmanager
def started(command: list[str], port: int, alive: str, log: Path, env: Mapping[str, str] | None = None) -> Iterator[str]:
    """The URL of a server that this command starts on a port; what it prints goes to `log`. It is up when a GET of
    `alive` is answered."""
    url = f"http://127.0.0.1:{port}"
    own = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | dict(env or {})
    with log.open("w") as printed, subprocess.Popen(command, env=own, cwd=log.parent, stdout=printed, stderr=printed) as process:
        try:
            end = time.monotonic() + PATIENCE
            while not _answers(url + alive):
                if process.poll() is not None or time.monotonic() > end:
                    pytest.fail(f"{command[0]} did not start: {log.read_text()[-2000:]}")
                time.sleep(0.5)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError:
        return False
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def versions(python: Path, *packages: str) -> dict[str, str]:
    """The installed versions of packages."""
    code = "import importlib.metadata as m, json, sys; print(json.dumps({p: m.version(p) for p in sys.argv[1:]}))"
    return json.loads(subprocess.run([python, "-c", code, *packages], capture_output=True, text=True, check=True).stdout)
