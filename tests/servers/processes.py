"""Processes that serve on loopback for as long as a test needs them."""

from __future__ import annotations

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

PATIENCE = 180  # seconds for a server to start


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
