"""Hostile programs in the sandbox, behind each wall that this machine has: none gets through, and nothing outlives it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SANDBOX = Path(__file__).resolve().parents[1] / "sandbox"
PACKAGE = Path(__file__).resolve().parents[2] / "fgo_kit" / "sandbox"


def rows(short: bool):
    from common import Row

    sys.path.insert(0, str(SANDBOX))
    import hostile
    from test_sandbox import PEOPLE, as_user, python_of

    who = PEOPLE[-1]
    python = [python_of(who)]
    with tempfile.TemporaryDirectory(prefix="fgo-faults-") as folder:
        for file in [*PACKAGE.glob("*.py"), SANDBOX / "hostile.py"]:
            shutil.copy(file, folder)
        Path(folder).chmod(0o755)
        for wall in ("namespaces", "landlock"):
            times = 1 if short else 5
            rounds = [_results(python, as_user(who), folder, wall) for _ in range(times)]
            if any(told["probe"] for told in rounds):
                broken = [told["probe"] for told in rounds if "broken" in told["probe"]]
                yield Row(f"hostile programs, {wall}", len(broken), 0, note=f"not tried here: {rounds[0]['probe']}"[:200])
                continue
            held = [_held(told["results"][name], hostile.PROGRAMS[name][1]) for told in rounds for name in hostile.PROGRAMS]
            note = "" if wall == "namespaces" else "that a file outside is there, its size and times can be seen"
            yield Row(f"hostile programs, {wall}", len(held), sum(held), note=note)


def _results(python: list[str], user: dict, folder: str, wall: str) -> dict:
    command = [*python, f"{folder}/hostile.py", folder, wall]
    return json.loads(subprocess.run(command, **user, capture_output=True, text=True, cwd="/").stdout)


def _held(result: list[str], wanted: str) -> bool:
    problem, output = result
    clean = "BROKEN" not in output and "sk-" not in output + problem
    return clean and re.search(wanted, f"{problem}\n{output}", re.DOTALL) is not None
