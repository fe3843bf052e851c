"""How time, memory, tokens and the log grow: `python growth.py WHAT SIZE REPEATS` measures one size in its own process.

Prints a JSON line of so many reports: wall and CPU seconds, the process's `peak_mb` and what of it was added by the
first repeat (`memory_mb`), and where they apply the calls, their tokens and the size of the log. `exponents` of a table
of them are slopes on log-log axes.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import model
import numpy as np
import pandas as pd

QUANTITIES = ("wall", "cpu", "memory_mb", "calls", "tokens", "log_mb")
TASKS_OF_SUBSETS = 1_264
"""Four for each of 316 subsets."""


def whole_run(n: int, kinds: int = 36, n_subsets: int | None = None, **chosen) -> dict:
    """A run of `fgo` on n tasks of as many kinds of words, by a model that needs no time."""
    import fgo_kit as fgo

    rows = [{"question": f"Which code does the word 'w{i}-k{i % kinds}' get?", "answer": f"A{i % kinds % 10}",
             "split": "test" if i % 5 == 4 else "train"} for i in range(n)]  # fmt: skip
    llm = fgo.wrap_llm(model.WORDS.answer, name="words", context_window=32_000)
    with tempfile.TemporaryDirectory() as folder:
        log = fgo.CallLog(Path(folder) / "log.sqlite")
        done = fgo.run(fgo.from_table(rows, split="split"), llm, workers=1, n_subsets=n_subsets, log=log, **chosen)
        spent = done.tokens()
        return {"calls": int(spent["calls"].sum()), "tokens": int(spent[["prompt", "completion"]].sum().sum()),
                "log_mb": megabytes(log), "score": done.score}  # fmt: skip


def subsets(n: int) -> dict:
    return whole_run(TASKS_OF_SUBSETS * 5 // 4, n_subsets=n, divide="random")


def rules(n: int) -> dict:
    return whole_run(TASKS_OF_SUBSETS * 5 // 4, kinds=n, n_subsets=16, divide="random")


def divided(n: int) -> dict:
    from fgo_kit.algorithm.divide import divide

    divide(_tasks(n), "similar", None, np.random.default_rng(0))
    return {}


def merges_planned(n: int) -> dict:
    from fgo_kit.algorithm.merge_strategies import related_first
    from fgo_kit.records import Component, Module, Rule

    related_first([Module((Component("rules", "", (Rule("r", task.text),)),)) for task in _tasks(n)], 2)
    return {}


def _tasks(n: int) -> list:
    from fgo_kit.records import Task

    rng = np.random.default_rng(0)
    words = np.array(["w" + "".join(rng.choice(list("abcdefghij"), 4)) for _ in range(2_000)])
    return [Task(f"t{i}", " ".join(words[row])) for i, row in enumerate(rng.zipf(1.3, (n, 40)) % 2_000)]


@contextmanager
def logging() -> Iterator:
    """A log in a file, at work on a run."""
    from fgo_kit.calls.log import CallLog

    with tempfile.TemporaryDirectory() as folder, CallLog(Path(folder) / "log.sqlite") as log:
        log.begin("bench", {}, {})
        yield log


def megabytes(log) -> float:
    return log.read("PRAGMA page_count")[0][0] * log.read("PRAGMA page_size")[0][0] / 1e6


def record(log, number: int, messages: list[dict]) -> None:
    """A call into a log."""
    from fgo_kit.calls.log import Place, Response, asked

    place = Place(("rollout", "evaluate", "propose", "test")[number % 4], f"s{number % 64}", 1, "", f"task-{number:07}")
    answer = Response(f"answer {number} " + "because " * 20, "[]", "stop", 400, 0, 60, 0, "provider", 0.001, 1.0 + number, 1.5 + number)
    log.record("bench", place, asked("openai:words", "{}", messages), response=answer)


def prompt(number: int) -> list[dict]:
    return [{"role": "system", "content": "rules " * 60}, {"role": "user", "content": f"Task {number}: " + "some words of a document " * 8}]


def logged(n: int) -> dict:
    with logging() as log:
        for number in range(n):
            record(log, number, prompt(number))
        return {"log_mb": megabytes(log)}


def conversed(turns: int) -> dict:
    chat = prompt(0)
    with logging() as log:
        for turn in range(turns):
            record(log, turn, chat)
            chat = [*chat, {"role": "assistant", "content": f"do {turn}"}, {"role": "user", "content": f"saw {turn}"}]
        sizes = log.read("SELECT sum(length(content)) FROM messages")[0] + log.read("SELECT sum(length(messages)) FROM responses")[0]
        return {"log_mb": sum(sizes) / 1e6}


MEASURES: dict[str, tuple[Callable[[int], dict], tuple[int, ...]]] = {
    "tasks of a run": (whole_run, (500, 1_000, 2_000, 4_000)), "subsets of a run": (subsets, (1, 6, 40, 316)),
    "rules of a run": (rules, (30, 60, 120, 240)), "tasks divided": (divided, (2_500, 5_000, 10_000, 20_000)),
    "subsets merged": (merges_planned, (250, 500, 1_000, 2_000)), "calls logged": (logged, (5_000, 10_000, 20_000, 40_000)),
    "turns of a conversation logged": (conversed, (50, 100, 200, 400)),
}  # fmt: skip
"""What grows, by whom it is measured, and at which sizes."""
SCALE = ("tasks of a run", (64, 1_000, 10_000, 100_000))
"""The long one, measured when it is asked for."""


def exponents(table: pd.DataFrame) -> pd.DataFrame:
    """How each quantity grows with each size: exponent with its 95 % interval, by least squares on log-log axes.

    table: rows of `what`, `size` and quantities. Columns: what, quantity, sizes, repeats, exponent, lo, hi.
    """
    from scipy.stats import linregress, t

    rows = []
    for what, part in table.groupby("what", sort=False):
        for name in (name for name in QUANTITIES if name in part):
            known = part[part[name] > 0]
            if known["size"].nunique() > 2:
                fit = linregress(np.log(known["size"]), np.log(known[name]))
                wide = fit.stderr * t.ppf(0.975, len(known) - 2)
                rows.append({"what": what, "quantity": name, "sizes": known["size"].nunique(), "points": len(known),
                             "exponent": fit.slope, "lo": fit.slope - wide, "hi": fit.slope + wide})  # fmt: skip
    return pd.DataFrame(rows)


def measured(what: str, size: int, repeats: int) -> list[dict]:
    """What one size takes each time, all that is imported on use left out."""
    measure, sizes = MEASURES[what]
    measure(min(sizes[0], 30))
    reports = []
    for repeat in range(repeats):
        start, cpu, memory = time.perf_counter(), time.process_time(), _peak_mb()
        grown = measure(size)
        spent = {"wall": time.perf_counter() - start, "cpu": time.process_time() - cpu, "peak_mb": _peak_mb()}
        added = {} if repeat else {"memory_mb": spent["peak_mb"] - memory}  # later ones find room that was used before
        reports.append({"what": what, "size": size, "repeat": repeat, **spent, **added, **grown})
    return reports


def _peak_mb() -> float:
    """The most memory that this process had, where Linux says so; `ru_maxrss` begins with what its parent had."""
    status = Path("/proc/self/status")
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024 if status.exists() else float("nan")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    print(json.dumps(measured(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))), flush=True)
