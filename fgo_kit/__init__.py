"""Divide, optimise, merge: fine-grained optimisation of LLM agents (FGO, arXiv 2505.03973), for notebooks.

    import fgo_kit as fgo
    bench = fgo.load_benchmark("logisticsqa", n_train=64)
    run = fgo.run(bench, "simulated", method="fgo")
    run.score, run.ci, run.tokens(), run.module
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

from .adapters.wrapped import wrap_llm
from .algorithm.benchmark import Benchmark
from .algorithm.controls import Controls
from .algorithm.lineage import pooled
from .algorithm.merge import merge_tree
from .algorithm.registry import METHODS, division, gate, meant, merging, method
from .calls.log import CallLog
from .calls.protocol import LLM, Reply, Usage
from .calls.providers import as_llm, load_llm
from .planning.bill import Measured, bill
from .planning.preflight import Preflight
from .planning.preflight import preflight as preflight_run
from .records import Component, Module, Rule, Task, Trajectory
from .records.showing import brief
from .runs.compare import compare as compare_benchmarks
from .runs.estimate import estimate as estimate_run
from .runs.result import Run
from .runs.run import run as run_benchmark
from .runs.saved import load_run
from .runs.transfer import transfer
from .runs.variants import VARIANTS

__version__ = "0.2.0"
__all__ = [
    "VARIANTS", "CallLog", "Component", "Controls", "Module", "Reply", "Rule", "Run", "Task", "Trajectory", "Usage",
    "compare", "division", "estimate", "gate", "learn", "load_benchmark", "load_llm", "load_run", "merge_tree",
    "merging", "method", "optimiser_tokens", "pooled", "preflight", "preset", "read_traces", "read_trajectories",
    "report", "run", "strategies", "transfer", "wrap_llm",
]  # fmt: skip

BENCHMARKS = ("alfworld", "gaia", "logisticsqa")
LAZY = {
    "report": ".report",  # matplotlib takes a second to import
    "from_table": ".benchmarks.table",
    "MergeStepper": ".widgets.stepper", "Monitor": ".widgets.monitor", "browse": ".widgets.browser",
    "compare_rules": ".widgets.rule_comparison", "replay_merges": ".widgets.replay_decisions",
    "start": ".widgets.monitor",
    "strategies": ".runs.listing",  # pandas takes a tenth
    "learn": ".traces.learn", "optimiser_tokens": ".traces", "read_traces": ".traces", "read_trajectories": ".traces",
    "estimate_notebooks": ".experiments.forecast", "preset": ".experiments.presets",
}  # fmt: skip
"""Names that are imported when first used, and the modules that hold them."""


def __getattr__(name: str) -> Any:
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(LAZY[name], __name__)
    if LAZY[name] == f".{name}":
        return module
    return _by_name(getattr(module, name)) if name == "start" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*__all__, *LAZY})


def load_benchmark(
    name: str, path: str | Path | bool | None = None, n_train: int | None = None, split_seed: int = 0, *,
    n_test: int | None = None, **options: Any,
) -> Benchmark:
    """A benchmark with its three disjoint splits.

    name: "logisticsqa", "alfworld" or "gaia". path: your own copy of the data; without it the shipped, generated
    set. n_train and n_test take so many training and test tasks, a larger number always including a smaller one's.
    The split seed has nothing to do with the seed of a run. options: see the benchmark's own `load`, e.g. world=1,
    fold=0, test_split="valid_seen". `from_table` makes a benchmark of your own questions.

    >>> len(load_benchmark("logisticsqa", n_train=32).train)
    32
    """
    if name not in BENCHMARKS:
        raise ValueError(f"benchmark {name!r} is unknown; {meant(name, (*BENCHMARKS, *VARIANTS, *METHODS))}use one of "
                         f"{list(BENCHMARKS)}, or from_table; methods are given as method= or methods=")
    bench = import_module(f".benchmarks.{name}", __package__).load(path, n_train, split_seed, **options)
    if n_test is None:
        return bench
    testing_set = import_module(".benchmarks.splits", __package__).testing_set
    return replace(bench, test=testing_set(bench.test, n_test, split_seed))


def _by_name(function: Callable) -> Callable:
    """The same function, which takes names of benchmarks in their place."""

    @wraps(function)
    def named(bench: Benchmark | str | Sequence[Benchmark | str], *args: Any, **options: Any) -> Any:
        return function(_loaded(bench), *args, **options)

    named.__module__ = __name__  # where another process finds it
    return named


def _loaded(bench: Any) -> Any:
    if isinstance(bench, list | tuple):
        return [_loaded(each) for each in bench]
    if isinstance(bench, str):
        return load_benchmark(bench)
    if isinstance(bench, Benchmark):
        return bench
    raise TypeError(f"bench={brief(repr(bench))} is no benchmark; give a name of {list(BENCHMARKS)}, or use from_table")


run, compare = map(_by_name, (run_benchmark, compare_benchmarks))


def estimate(bench: Benchmark | str, model: LLM | str, measured: Measured | None = None, **choices: Any) -> dict:
    """What one run would take with a model, by a dry run with the simulated LLM: calls, tokens, USD (None: no price).

    measured: the lengths of a pilot (`preflight(...).measured`), not a guess. choices: those of `run`. An agent of
    your own counts as one call a task, and a judge as none. `estimate_notebooks` has the same for all notebooks.

    >>> estimate(load_benchmark("logisticsqa", n_train=8), "openai:gpt-5-mini", method="base")["calls"]
    128
    """
    bench = _loaded(bench).dry()
    stand_in = import_module(".simulate.stand_in", __package__).stand_in(bench)
    if measured is not None:
        return bill(bench, as_llm(model), stand_in, measured, choices)
    return estimate_run(bench, model, stand_in, **choices)


def preflight(bench: Benchmark | str, llm: LLM | str, **choices: Any) -> Preflight:
    """A look before money is spent: checks of the server, `pilot=20` training tasks twice, what can show, the bill.

    choices: those of `run`, with `pilot`, `seeds` and `log`; see `fgo_kit.planning.preflight.preflight` for all of it.
    With the same log, the run does not pay for the pilot again.

    >>> fgo.preflight("logisticsqa", "openai:gpt-5-mini", pilot=20, seeds=5, log="mine.sqlite")      # doctest: +SKIP
    """
    bench = _loaded(bench)
    stand_in = import_module(".simulate.stand_in", __package__).stand_in(bench.dry())
    return preflight_run(bench, llm, stand_in, **choices)
