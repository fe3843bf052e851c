"""The seeded generator of GAIA-like.

python data/gaia_like/make.py [--world 0] [--out FILE]   the compact file: the same world gives the same bytes
python data/gaia_like/make.py --check                    solve every task by its oracle, through the real tools
python data/gaia_like/make.py --describe                 the tables of README.md

A world is one draw of all tasks, and of conventions (`worlds.py`) that its files tell of only now and then.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import lzma
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import level1  # noqa: E402, F401
import level1_more  # noqa: E402, F401
import level1_unseen  # noqa: E402, F401
import level2  # noqa: E402, F401
import level2_more  # noqa: E402, F401
import level2_unseen  # noqa: E402, F401
import level3  # noqa: E402, F401
import level3_more  # noqa: E402, F401
import level3_unseen  # noqa: E402, F401
from parts import FAMILIES, PROCEDURES, Made, make_task, procedure  # noqa: E402

from fgo_kit.benchmarks.gaia.score import score  # noqa: E402

WEB_STEPS = [
    "Search the pages for what the question names.", "Open the page that was found.",
    "Open the pages that it points to or that have the figures asked for.",
    "Look for other versions of these pages.", "Look for a page of corrections.",
]  # fmt: skip
# (split, families seen in training, tasks)
SPLITS = (("train", True, 256), ("gate", True, 64), ("test", True, 64), ("test", False, 64))


def plan(world: int) -> list[tuple[str, str]]:
    """(split, family) of every task in the order of the file; families as equal in number as can be."""
    rng = np.random.default_rng([20250601, world])
    made: list[tuple[str, str]] = []
    for split in ("train", "gate", "test"):
        drawn = []
        for name, seen, size in SPLITS:
            if name == split:
                drawn += _shares(rng, seen, size)
        made += [(split, drawn[i]) for i in rng.permutation(len(drawn))]
    return made


def _shares(rng, seen: bool, size: int) -> list[str]:
    """`size` families: level after level in turn, so that no level has two tasks more than another."""
    levels = [[f.name for f in FAMILIES.values() if f.level == level and f.seen == seen] for level in (1, 2, 3)]
    order = [[names[i] for i in rng.permutation(len(names))] for names in levels]
    return [order[at % 3][(at // 3) % len(order[at % 3])] for at in range(size)]


def tasks(world: int = 0):
    """(row of the file, the task with its oracle and misreadings) for every task."""
    numbers = dict.fromkeys(("train", "gate", "test"), 0)
    turns: Counter[str] = Counter()
    for split, name in plan(world):
        made, traps = make_task(FAMILIES[name], world, turns[name], score)
        turns[name] += 1
        prefix = f"w{world}-" if world else ""
        steps = [procedure(world, trap) for trap in PROCEDURES if trap in traps]
        yield row(f"{prefix}{split}-{numbers[split]:03d}", split, name, made, steps), made
        numbers[split] += 1


def row(task_id: str, split: str, name: str, made: Made, procedures: list[str]) -> dict:
    """A line of the file: the official columns and our own. The oracle and the misreadings stay out."""
    web = name.startswith("web_")
    steps = (WEB_STEPS if web else _reading(made)) + procedures
    steps += ["Work out the answer.", "Give it in the form that is asked for."]
    tools = ["search", "open_page", "calculator"] if web else ["read_file", "run_python"]
    single = next(iter(made.files)) if len(made.files) == 1 else ""
    return {
        "task_id": task_id, "Question": made.question, "Level": FAMILIES[name].level, "Final answer": made.answer,
        "file_name": single,
        "Annotator Metadata": {
            "Steps": "\n".join(f"{n}. {step}" for n, step in enumerate(steps, 1)), "Number of steps": str(len(steps)),
            "How long did this take?": "", "Tools": "\n".join(f"{n}. {tool}" for n, tool in enumerate(tools, 1)),
            "Number of tools": str(len(tools)),
        },
        "split": split, "family": name, "seen": FAMILIES[name].seen,
        "files": {
            file: {"text": held} if isinstance(held, str) else {"base64": base64.b64encode(held).decode()}
            for file, held in made.files.items()
        },
    }  # fmt: skip


def _reading(made: Made) -> list[str]:
    """A step for every file, those in archives too; decoys have to be looked at to be told."""
    steps = []
    for name, held in made.files.items():
        steps.append(f"{'List' if name.endswith('.zip') else 'Read'} {name}.")
        if name.endswith(".zip"):
            steps += [f"Look at {inner}." for inner in zipfile.ZipFile(io.BytesIO(held)).namelist()]
    return steps


def packed(rows: list[dict]) -> bytes:
    """The rows as xz-compressed JSON lines; the settings are fixed, so equal rows give equal bytes."""
    text = "".join(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n" for line in rows)
    return lzma.compress(text.encode("utf-8"), check=lzma.CHECK_CRC64, preset=9 | lzma.PRESET_EXTREME)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--world", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE / "tasks.jsonl.xz")
    parser.add_argument("--check", action="store_true", help="solve every task of the world by its oracle")
    parser.add_argument("--describe", action="store_true", help="print tables of the world")
    given = parser.parse_args()
    if given.check or given.describe:
        import baselines

        print(baselines.check(given.world) if given.check else baselines.describe(given.world))
        return
    given.out.write_bytes(packed([line for line, _ in tasks(given.world)]))
    print(f"{given.out}: {given.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
