"""Runs a program in a bounded subprocess. (First version: limits only; the isolation follows.)"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path


class SandboxUnavailable(RuntimeError):
    """This platform cannot isolate a program."""


@dataclass(frozen=True)
class Done:
    """What came of a program: what it printed, and what stopped it ("" when it ended well)."""

    output: str
    problem: str = ""


def run(code: str, files: dict[str, Path] | None = None, unsafe: bool = False) -> Done:
    with tempfile.TemporaryDirectory() as folder:
        for name, path in (files or {}).items():
            shutil.copyfile(path, Path(folder) / name)
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-c", code], cwd=folder, capture_output=True, text=True, timeout=20, env={}
            )
        except subprocess.TimeoutExpired:
            return Done("", "the program ran out of time")
    problem = "" if done.returncode == 0 else f"the program ended with code {done.returncode}"
    return Done((done.stdout + done.stderr[-2000:]).strip(), problem)
