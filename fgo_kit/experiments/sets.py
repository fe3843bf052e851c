"""What the notebooks compare: data sets at the size of a preset, methods and seeds, as data (`Grid`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module

import pandas as pd

from ..algorithm import gepa_peer
from ..algorithm.benchmark import Benchmark
from ..records import Task
from ..report.summary import by_group
from ..runs.variants import PAPER
from .presets import Preset

SETS = {"logisticsqa": "LogisticsQA-gen", "alfworld": "ALFWorld-gen", "gaia": "GAIA-like"}
SEEDS_A_WORLD = {"logisticsqa": 2, "alfworld": 1, "gaia": 1}
"""Where there are many worlds; a game takes ten times as long as a question."""
WORLDS_PLAYED = 4
"""Most worlds of a set whose tasks are played turn by turn."""
PEERS = ("combee", "gepa")
MAIN_LOG = "data/runs/main_results.sqlite"
"""The log of 01 and of 05, which looks into the same runs."""


@dataclass(frozen=True)
class Grid:
    """What one cell asks `compare` for: every method x seed on every data set.

    benchmark: a name of `load_benchmark`; data: its options, one for each data set; test (first, step): which of the
    test tasks. methods, seeds, log, choices (of all methods): as `compare` takes them. times: what one of these runs
    takes compared with one of the main comparison, where the forecast has to know; gates at every merge take a
    multiple. total_usd: what all runs in the log may pay.

    >>> grid = Grid("logisticsqa", ({"n_train": 8}, {"n_train": 16}), {"base": {"method": "base"}}, (0, 1))
    >>> [len(bench.train) for bench in grid.load()[0]]
    [8, 16]
    """

    benchmark: str
    data: tuple[dict, ...]
    methods: Mapping[str, dict]
    seeds: tuple[int, ...]
    log: str | None = None
    choices: dict = field(default_factory=dict)
    test: tuple[int, int] = (0, 1)
    times: float = 1.0
    total_usd: float | None = None

    @property
    def asked(self) -> dict:
        """What `compare` is asked besides data sets and LLMs: `compare(benches, llm, **grid.asked)`."""
        kept = {"log": self.log, "total_usd": self.total_usd}
        return {"methods": self.methods, "seeds": self.seeds, **kept, **self.choices}

    def load(self) -> tuple[list[Benchmark], str]:
        """(benchmarks, "") or ([], why they cannot be used here): not shipped, or no engine is installed."""
        if self.benchmark not in SETS:
            raise ValueError(f"benchmark={self.benchmark!r} is unknown; use one of {list(SETS)}")
        room = import_module(f"fgo_kit.benchmarks.{self.benchmark}")
        if self.benchmark == "alfworld" and (reason := import_module(f"{room.__name__}.engine").missing()):
            return [], reason
        try:
            benches = [room.load(**options) for options in self.data]
        except (ValueError, ImportError, OSError) as error:
            return [], str(error)
        first, step = self.test
        return [replace(bench, test=bench.test[first::step]) for bench in benches], ""


def in_worlds(benchmark: str, preset: Preset, methods: Mapping[str, dict], log: str | None = None) -> Grid:
    """A generated set in the worlds of a preset; those whose tasks are played turn by turn in some of them.

    Of a single world all seeds; of many fewer each, since a new world says more of what holds elsewhere than one more
    seed in an old one. A game takes ten times as long as a question: fewer are trained on.
    """
    sizes = {"logisticsqa": (preset.n_train, None, 1), "alfworld": preset.games, "gaia": preset.questions}
    n_train, n_subsets, every = sizes[benchmark]
    worlds = preset.worlds[:WORLDS_PLAYED] if n_subsets else preset.worlds
    data = tuple({"n_train": n_train, "world": world} for world in worlds)
    seeds = preset.seeds if len(data) == 1 else preset.seeds[: SEEDS_A_WORLD[benchmark]]
    choices, test = {"n_subsets": n_subsets} if n_subsets else {}, (min(1, every - 1), every)
    return Grid(benchmark, data, methods, seeds, log, choices, test, total_usd=preset.total_usd)


def three_sets(preset: Preset, methods: Mapping[str, dict], log: str) -> dict[str, Grid]:
    """Each generated set by name (see `in_worlds`)."""
    return {benchmark: in_worlds(benchmark, preset, methods, log) for benchmark in SETS}


def in_paper_s_setting(methods: Mapping[str, dict]) -> dict[str, dict]:
    """The choices of each method, and of what it leaves open the paper's setting in place of the package's defaults."""
    return {label: {"method": "fgo", **PAPER, **choices} for label, choices in methods.items()}


def elsewhere(preset: Preset, methods: Mapping[str, dict], log: str) -> dict[str, Grid]:
    """An ablation's strategies on the two sets that are played: 32 training tasks, a third of the test tasks."""
    return {name: Grid(name, ({"n_train": 32},), methods, preset.seeds[:4], log, test=(0, 3))
            for name in ("alfworld", "gaia")}  # fmt: skip


def peers() -> dict[str, dict]:
    """Neighbours of FGO as variants, in the paper's setting: combee, and GEPA where its package is installed."""
    return {name: {"method": name, **PAPER} for name in PEERS if name != "gepa" or gepa_peer.version()}


def not_run(benchmark: str, methods: Iterable[str], reason: str) -> pd.DataFrame:
    """Rows (benchmark, method, status) that say why a set was not run, to follow those of `report.summary`."""
    status = {"benchmark": SETS[benchmark], "status": f"not run: {reason}"}
    return pd.DataFrame([status | {"method": method} for method in methods])[["benchmark", "method", "status"]]


def by_level_and_family(rows: pd.DataFrame, tasks: Iterable[Task]) -> pd.DataFrame:
    """`report.by_group` of GAIA rows over all tasks, by level, and by whether training shows their family."""
    tasks = list(tasks)
    groups = [{task.id: f"level {task.meta['level']}" for task in tasks}]
    if any("seen" in task.meta for task in tasks):
        names = {"yes": "family seen", "no": "family unseen"}
        groups.append({task.id: names[task.meta["seen"]] for task in tasks if "seen" in task.meta})
    tables = [by_group(rows, chosen) for chosen in groups]
    return pd.concat([tables[0], *(table[table["group"] != "all"] for table in tables[1:])], ignore_index=True)


def whole(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a `report.by_group` table that are over all tasks."""
    return table[table["group"] == "all"].drop(columns="group")
