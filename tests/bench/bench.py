"""Measure the toolkit beside its peers, in one run: `make bench` writes paper_figures/bench_*.csv, figures, bench.md.

The peers (GEPA, DSPy, a bare aiohttp loop) are installed into an environment that is thrown away. Every client is a
process of its own that asks the same server, in turns; figures are medians, and what counts are ratios within a run.
The part `scale`, a run on 100,000 tasks, is measured when it is named, and its table kept.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FIGURES = ROOT / "paper_figures"
STOCK = ROOT / "tests" / "benchmarks" / "alfworld_stock.py"
sys.path[:0] = [str(HERE), str(ROOT)]
import growth  # noqa: E402
import page  # noqa: E402
import spans  # noqa: E402
import tasks  # noqa: E402
from page import LEARNERS, NAMES, WORKERS  # noqa: E402

PEERS = ("gepa", "dspy", "optuna", "aiohttp")
REPEATS, SEEDS = int(os.environ.get("BENCH_REPEATS", 5)), int(os.environ.get("BENCH_SEEDS", 10))
OWN = ("ours", "sdk", "fgo+", "fgo")
"""Clients that need no environment but this one."""


@contextmanager
def serving() -> Iterator[str]:
    """The URL of the benchmark's server, in a process of its own."""
    command = [sys.executable, str(HERE / "server.py"), str(page.LATENCY_MS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def peers(folder: Path) -> Path:
    """The Python of a new environment with the peers in it."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", *PEERS], check=True, stderr=subprocess.DEVNULL)
    return python


def versions(python: Path) -> pd.DataFrame:
    """What the peers' environment has."""
    listed = json.loads(subprocess.check_output([python, "-m", "pip", "list", "--format=json"], text=True, stderr=subprocess.DEVNULL))
    return pd.DataFrame([row for row in listed if row["name"] in (*PEERS, "litellm", "openai")])


def asked(python: Path | str, script: str, *arguments: object, seconds: float = 180) -> Any:
    """What a client reports; {} for one that failed or took too long."""
    command = [str(python), str(HERE / script), *map(str, arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=os.environ | {"PYTHONPATH": str(ROOT)})
        return json.loads(done.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, IndexError, ValueError):
        return {}


def served(url: str) -> list[spans.Span]:
    """The server's calls since it was last asked."""
    with urllib.request.urlopen(url.removesuffix("/v1") + "/calls") as answer:
        return json.load(answer)


def calls(url: str, peer: Path) -> pd.DataFrame:
    """Calls a second and CPU milliseconds a call, by client and workers: medians over all repeats, and their range."""
    rows = []
    for _ in range(REPEATS):
        for client, name in NAMES.items():  # in turns, so that all meet the same load of the machine
            reports = asked(sys.executable if client in OWN else peer, "clients.py", client, url, *WORKERS) or []
            rows += [{"client": name, "workers": report["workers"], "rate": report["calls"] / report["seconds"],
                      "cost": 1000 * report["cpu"] / report["calls"]} for report in reports]  # fmt: skip
    return pd.DataFrame(rows).groupby(["workers", "client"], sort=False).agg(
        repeats=("rate", "count"), calls_per_second=("rate", "median"), low=("rate", "min"), high=("rate", "max"),
        cpu_ms_per_call=("cost", "median")).reset_index()  # fmt: skip


def learning(url: str, peer: Path) -> pd.DataFrame:
    """Whole optimisations, one row a task, client and seed, the start of the process and the final test included.

    to_target: seconds until the client had what scores the task's target on the held-out tasks, NaN where it had not.
    What a client does after its `end` is not counted.
    """
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(SEEDS):
            for name in tasks.TARGETS:
                file = Path(folder) / f"{name}{seed}.json"
                file.write_text(json.dumps(tasks.written(tasks.tasks(name, seed))), encoding="utf-8")
                for client in LEARNERS:
                    rows.append({"task": name, "client": LEARNERS[client], "seed": seed, **_learnt(url, peer, client, file)})
    return pd.DataFrame(rows)


def _learnt(url: str, peer: Path, client: str, file: Path) -> dict:
    served(url)
    start = time.time()
    report = asked(sys.executable if client in OWN else peer, "learners.py", client, url, page.AT_ONCE, file)
    end = report.get("end", np.nan)
    seen = [span for span in served(url) if span[1] <= end]
    return {"wall": end - start, "cpu": report.get("cpu"), "score": report.get("score"),
            "to_target": (report.get("reached") or np.nan) - start, **spans.measured(seen)}  # fmt: skip


def overlap() -> pd.DataFrame:
    """Mean calls under way of 16 in whole runs at 400 ms a call, and their time over the longest chain of calls."""
    import fgo_kit as fgo
    from fgo_kit import CallLog

    rows = []
    bench = fgo.load_benchmark("logisticsqa")
    eight = {"method": "fgo", "divide": "random", "n_subsets": 8, "epochs": 1}
    for name, chosen in {"fgo": {"method": "fgo"}, "fgo+": {"method": "fgo+"}, "8 random subsets, 1 epoch": eight}.items():
        slow = _Slow(fgo.load_llm("simulated"), 0.4)
        for workers in (16, 512):
            run = fgo.run(bench, slow, workers=workers, log=CallLog(None), **chosen)
            paid = run.calls().query("paid")
            wall = paid["end"].max() - paid["start"].min()
            rows.append({"run": name, "workers": workers, "concurrency": run.concurrency(), "seconds": wall,
                         "critical_path": run.critical_path(), "wall_over_critical_path": wall / run.critical_path()})  # fmt: skip
    return pd.DataFrame(rows)


def cached() -> pd.DataFrame:
    """Shares of prompt tokens that a provider's cache holds already, on one-turn tasks and on dialogues with tools.

    By the simulated provider, whose cache knows whole messages from 1,024 tokens on: it misses what only begins alike.
    """
    import fgo_kit as fgo
    from fgo_kit.simulate.server import serving as provider

    rows = []
    for bench in (fgo.load_benchmark("logisticsqa"), fgo.load_benchmark("gaia", n_train=24, n_test=16)):
        for method in ("fgo", "fgo+", "bootstrapping"):
            with provider(fgo.load_llm("simulated:large")) as server:
                llm = fgo.load_llm("openai:gpt-5-mini", base_url=server.openai_url, api_key="none")
                run = fgo.run(bench, llm, method=method, log=fgo.CallLog(None), workers=page.AT_ONCE)
            phases = run.tokens().set_index("phase")
            shares = (phases["cached"] / phases["prompt"]).to_dict()
            rows.append({"benchmark": bench.name, "method": method, "prompt_tokens": phases["prompt"].sum(), "cached": run.cached,
                         **{phase: shares.get(phase) for phase in ("rollout", "evaluate", "propose", "merge", "review", "test")}})  # fmt: skip
    return pd.DataFrame(rows)


class _Slow:
    """An LLM that takes its time."""

    simulated = False

    def __init__(self, llm, seconds: float):
        self._llm, self._seconds, self.name = llm, seconds, "slow:model"

    def __getattr__(self, name: str):
        return getattr(self._llm, name)

    def complete(self, messages, **options):
        time.sleep(self._seconds)
        return self._llm.complete(messages, **options)


def grown(parts: list[tuple[str, tuple[int, ...]]], seconds: float = 600) -> pd.DataFrame:
    """What the sizes of each part take, every one in a process of its own: three times, very large ones once."""
    rows = []
    for what, sizes in parts:
        for size in sizes:
            rows += asked(sys.executable, "growth.py", what, size, 1 if size >= 100_000 else 3, seconds=seconds) or []
    return pd.DataFrame(rows)


def growing() -> pd.DataFrame:
    return grown([(what, sizes) for what, (_, sizes) in growth.MEASURES.items()])


def scale() -> pd.DataFrame:
    return grown([growth.SCALE], seconds=7_200)


def large_log(n: int = 1_000_000) -> pd.DataFrame:
    """A log of a million calls: how fast it is written by 16 threads, and read."""
    from concurrent.futures import ThreadPoolExecutor

    from fgo_kit.calls.log import CallLog, asked

    rows = {"calls": n}
    with growth.logging() as log:
        start, cpu = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda first: [growth.record(log, i, growth.prompt(i)) for i in range(first, min(first + 1_000, n))],
                          range(0, n, 1_000)))  # fmt: skip
        rows |= {"inserts_per_second": n / (time.perf_counter() - start), "inserts_per_cpu_second": n / (time.process_time() - cpu)}
        rows["megabytes"] = growth.megabytes(log)
        start = time.perf_counter()
        with CallLog(log.path) as again:
            rows["open_seconds"] = time.perf_counter() - start
            for name, read in (("tokens_seconds", again.tokens), ("paid_seconds", lambda: again.paid("bench"))):
                start = time.perf_counter()
                read()
                rows[name] = time.perf_counter() - start
            keys = [asked("openai:words", "{}", growth.prompt(i)).key for i in np.random.default_rng(0).integers(0, n, 2_000)]
            times = []
            for key in keys:
                start = time.perf_counter()
                again.find(key)
                times.append(time.perf_counter() - start)
            rows["look_up_ms"] = 1000 * statistics.median(times)
    return pd.DataFrame([rows])


def games(n: int = 12, steps: int = 30) -> pd.DataFrame:
    """ALFWorld games of so many steps an hour, in one process each: alfworld's own engine, and this toolkit's with games
    that it plays for the first time, and again. Empty where the engine is not installed."""
    import fgo_kit as fgo
    from fgo_kit.benchmarks.alfworld.engine import Game, Pool, missing

    if missing():
        return pd.DataFrame(columns=["engine", "games", "steps", "games_per_hour"])
    bench = fgo.load_benchmark("alfworld")
    contents = [bench.source.game(task) for task in bench.train[:n]]
    asked = "\n".join(json.dumps({"game": game, "seed": at, "steps": steps}) for at, game in enumerate(contents))
    start = time.perf_counter()
    stock = subprocess.run([sys.executable, "-P", str(STOCK)], input=asked, text=True, capture_output=True, check=True,
                           env=os.environ | {"PYTHONHASHSEED": "0"}).stdout  # fmt: skip
    seconds = {"alfworld's own": time.perf_counter() - start}
    with tempfile.TemporaryDirectory() as cache:
        for name in ("this toolkit's, first time", "this toolkit's, again"):
            start, pool = time.perf_counter(), Pool(1, Path(cache))
            for game, played in zip(contents, map(json.loads, stock.splitlines()), strict=True):
                playing = Game(game, pool)
                for action in played["actions"]:
                    playing.step(action)
                playing.close()
            pool.close()
            seconds[name] = time.perf_counter() - start
    return pd.DataFrame([{"engine": name, "games": n, "steps": steps, "games_per_hour": 3600 * n / taken}
                         for name, taken in seconds.items()])  # fmt: skip


def start_up() -> pd.DataFrame:
    """Seconds of a new process: the import, and from there to the first result of the quickstart."""
    code = ("import time; t = time.perf_counter(); import fgo_kit as fgo; a = time.perf_counter(); "
            "fgo.run(fgo.load_benchmark('logisticsqa', n_train=32), 'simulated').score; print(a - t, time.perf_counter() - a)")  # fmt: skip
    timed = [list(map(float, subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout.split()))
             for _ in range(REPEATS)]  # fmt: skip
    imported, first = map(statistics.median, zip(*timed, strict=True))
    return pd.DataFrame([{"import_seconds": imported, "first_result_seconds": first}])


def main() -> None:
    """Measure all but `scale`, or the parts that are named; write each table as it is ready."""
    chosen, tables = sys.argv[1:], {}
    with tempfile.TemporaryDirectory() as folder, serving() as url:
        peer = Path(os.environ["BENCH_PEERS"]) if "BENCH_PEERS" in os.environ else peers(Path(folder) / "peers")
        parts: dict[str, Callable[[], pd.DataFrame]] = {
            "calls": lambda: calls(url, peer), "learning": lambda: learning(url, peer), "overlap": overlap, "cached": cached,
            "growth": growing, "log": large_log, "games": games, "start_up": start_up, "versions": lambda: versions(peer), "scale": scale,
        }  # fmt: skip
        for name, measure in parts.items():
            path = FIGURES / f"bench_{name}.csv"
            if name in chosen or (not chosen and name != "scale"):
                start = time.perf_counter()
                measure().to_csv(path, index=False, float_format="%.5g")
                print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)
            if path.exists():
                tables[name] = pd.read_csv(path)
    page.write(tables, FIGURES)


if __name__ == "__main__":
    main()
