"""The benchmark's server and clients do what the figures rest on: a whole run learns the word task."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def url():
    with subprocess.Popen([sys.executable, str(HERE / "server.py"), "1"], stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().strip()
        process.kill()


@pytest.mark.parametrize("what, client", [("calls", "ours"), ("calls", "sdk"), ("learn", "ours")])
def test_clients_report_what_they_did(url, what, client):
    command = [sys.executable, str(HERE / "clients.py"), what, client, url, "2"]
    report = json.loads(subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[-1])
    assert report["cpu"] > 0 and 0 < report["seconds"] < 60
    assert report.get("score") == 1.0 if what == "learn" else report["calls"] == 60
