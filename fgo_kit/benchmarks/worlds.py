"""Worlds of the generated sets: draws of all that is made up, so that other rules are right in other worlds.

Some are shipped. Any other is made from its number when it is first asked for, by the set's `make.py`, and kept below
data/runs.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..algorithm.settings import whole
from ..runs.places import DATA, RUNS


def world_file(name: str, world: int, shipped: Mapping[int, str]) -> Path:
    """The file of a world of the set in data/<name>; shipped: file names by world.

    Raises ValueError for what is no world, FileNotFoundError where the generator is missing, and RuntimeError, with
    what it said, where it cannot make the world.
    """
    world = whole("world", world, 0)
    return DATA / name / shipped[world] if world in shipped else _made(DATA / name, world, sorted(shipped))


def no_world(world: int) -> None:
    """What the user's own data have for a world; ValueError where one is asked of them."""
    if world:
        raise ValueError(f"world={world!r} is one of the generated set; leave it out, or path= and test_split=")


def _made(folder: Path, world: int, shipped: list[int]) -> Path:
    sources = sorted(folder.glob("*.py"))
    maker = folder / "make.py"
    if maker not in sources:
        raise FileNotFoundError(f"world={world} is not shipped and {maker}, which makes it, is missing; use {shipped}")
    version = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    file = RUNS / "worlds" / f"{folder.name}-{world}-{version}.jsonl.xz"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as fresh:
            part = Path(fresh) / file.name
            command = [sys.executable, str(maker), "--world", str(world), "--out", str(part)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                said = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
                raise RuntimeError(f"world={world} could not be made: {said[0]} (by {' '.join(command[1:4])})")
            part.replace(file)
    return file
