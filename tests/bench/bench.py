"""Measure the toolkit beside its peers, in one run: `make bench` writes paper_figures/bench_*.csv, a figure, bench.md.

The peers (GEPA, DSPy, a bare aiohttp loop) are installed into an environment that is thrown away. Every client is a
process of its own that asks the same server, in turns; figures are medians, and what counts are ratios within a run.
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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FIGURES = ROOT / "paper_figures"
sys.path[:0] = [str(HERE), str(ROOT)]
LATENCY_MS = 50
WORKERS = (1, 16, 64, 256)
NAMES = {"ours": "this toolkit, log on", "sdk": "official SDK alone", "bare": "bare aiohttp loop", "gepa": "GEPA", "dspy": "DSPy"}
REPEATS = int(os.environ.get("BENCH_REPEATS", 5))


@contextmanager
def serving() -> Iterator[str]:
    """The URL of the benchmark's server, in a process of its own."""
    command = [sys.executable, str(HERE / "server.py"), str(LATENCY_MS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def peers(folder: Path) -> Path:
    """The Python of a new environment with the peers in it."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "gepa", "dspy", "aiohttp"], check=True, stderr=subprocess.DEVNULL)
    return python


def asked(python: Path | str, *arguments: object, seconds: float = 120) -> dict:
    """What a client reports; {} for one that failed or took too long."""
    command = [str(python), str(HERE / "clients.py"), *map(str, arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=os.environ | {"PYTHONPATH": str(ROOT)})
        return json.loads(done.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, IndexError, ValueError):
        return {}


def ledger(url: str) -> dict:
    with urllib.request.urlopen(url.removesuffix("/v1") + "/ledger") as answer:
        return json.load(answer)


def python_of(client: str, peer: Path) -> Path | str:
    return sys.executable if client in ("ours", "sdk") else peer


def calls(url: str, peer: Path) -> pd.DataFrame:
    """Calls a second and CPU milliseconds a call, by client and workers: the median, and all repeats."""
    measured: dict[tuple, list[dict]] = {}
    for _ in range(REPEATS):
        for workers in WORKERS:
            for client in NAMES:  # in turns, so that all meet the same load of the machine
                measured.setdefault((client, workers), []).append(asked(python_of(client, peer), "calls", client, url, workers))
    rows = []
    for (client, workers), reports in measured.items():
        good = [report for report in reports if report]
        rates, costs = [r["calls"] / r["seconds"] for r in good], [1000 * r["cpu"] / r["calls"] for r in good]
        rows.append({"client": NAMES[client], "workers": workers, "repeats": len(good), "calls_per_second": _median(rates),
                     "low": min(rates, default=np.nan), "high": max(rates, default=np.nan), "cpu_ms_per_call": _median(costs)})  # fmt: skip
    return pd.DataFrame(rows)


def learning(url: str, peer: Path) -> pd.DataFrame:
    """A whole optimisation of the word task with 8 workers, the start of the process included."""
    rows = []
    for repeat in range(REPEATS):
        for client in ("ours", "gepa", "dspy"):
            before, start = ledger(url), time.perf_counter()
            report, after = asked(python_of(client, peer), "learn", client, url, 8), ledger(url)
            rows.append({"client": NAMES[client], "repeat": repeat, "wall": time.perf_counter() - start, "cpu": report.get("cpu"),
                         "score": report.get("score"), **{name: after[name] - before[name] for name in ("calls", "prompt_tokens")}})  # fmt: skip
    return pd.DataFrame(rows)


def overlap() -> pd.DataFrame:
    """Mean calls under way of 16 in whole runs at 400 ms a call, and their time over the longest chain of calls."""
    import fgo_kit as fgo
    from fgo_kit import CallLog

    rows = []
    bench = fgo.load_benchmark("logisticsqa")
    for name, chosen in {"fgo": {}, "fgo+": {"method": "fgo+"}, "8 random subsets, 1 epoch": {"divide": "random", "n_subsets": 8, "epochs": 1}}.items():
        slow = _Slow(fgo.load_llm("simulated"), 0.4)
        for workers in (16, 512):
            run = fgo.run(bench, slow, workers=workers, log=CallLog(None), **chosen)
            paid = run.calls().query("paid")
            wall = paid["end"].max() - paid["start"].min()
            rows.append({"run": name, "workers": workers, "concurrency": run.concurrency(), "seconds": wall,
                         "critical_path": run.critical_path(), "wall_over_critical_path": wall / run.critical_path()})  # fmt: skip
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


def growth() -> pd.DataFrame:
    """CPU seconds and size by number of tasks, subsets, calls and rules, with exponents from the last doublings."""
    rows = []
    for what, sizes, measure in (
        ("tasks divided", (2_500, 5_000, 10_000, 20_000), _divide), ("subsets merged", (250, 500, 1_000, 2_000), _plan_merges),
        ("tasks of a whole run", (1_000, 2_000, 4_000, 8_000), _whole_run), ("calls logged", (10_000, 20_000, 40_000, 80_000), _log),
        ("turns of a conversation logged", (50, 100, 200, 400), _converse),
    ):  # fmt: skip
        for size in sizes:
            start = time.process_time()
            grown = measure(size)
            rows.append({"what": what, "size": size, "cpu_seconds": time.process_time() - start, "megabytes_logged": grown})
    table = pd.DataFrame(rows)
    for name in ("cpu_seconds", "megabytes_logged"):
        table[f"exponent_{name}"] = [_exponent(table[table["what"] == what], name) for what in table["what"]]
    return table


def _exponent(part: pd.DataFrame, name: str) -> float:
    known = part.dropna(subset=[name])
    return float(np.polyfit(np.log(known["size"]), np.log(known[name]), 1)[0]) if len(known) > 1 else np.nan


def _tasks(n: int) -> list:
    from fgo_kit.records import Task

    rng = np.random.default_rng(0)
    words = np.array(["w" + "".join(rng.choice(list("abcdefghij"), 4)) for _ in range(2_000)])
    return [Task(f"t{i}", " ".join(words[row])) for i, row in enumerate(rng.zipf(1.3, (n, 40)) % 2_000)]


def _divide(n: int) -> float:
    from fgo_kit.algorithm.divide import divide

    divide(_tasks(n), "similar", None, np.random.default_rng(0))
    return np.nan


def _plan_merges(n: int) -> float:
    from fgo_kit.algorithm.merge_strategies import related_first
    from fgo_kit.records import Component, Module, Rule

    related_first([Module((Component("rules", "", (Rule("r", task.text),)),)) for task in _tasks(n)], 2)
    return np.nan


def _whole_run(n: int) -> float:
    import server

    import fgo_kit as fgo

    rows = [{"question": f"Which code does the word 'w{i}-k{i % 37}' get?", "answer": f"A{i % 10}", "split": "train" if i % 4 else "test"} for i in range(n)]
    llm = fgo.wrap_llm(lambda messages: server.answer("\n".join(m["content"] for m in messages)), name="words", context_window=32_000)
    with tempfile.TemporaryDirectory() as folder:
        log = fgo.CallLog(Path(folder) / "log.sqlite")
        fgo.run(fgo.from_table(rows, split="split"), llm, workers=1, max_failures=1.0, log=log)
        return _megabytes(log)


def _megabytes(log) -> float:
    return log.read("PRAGMA page_count")[0][0] * log.read("PRAGMA page_size")[0][0] / 1e6


@contextmanager
def _logging():
    from fgo_kit.calls.log import CallLog

    with tempfile.TemporaryDirectory() as folder, CallLog(Path(folder) / "log.sqlite") as log:
        log.begin("bench", {}, {})
        yield log


def _record(log, number: int, messages: list[dict]) -> None:
    from fgo_kit.calls.log import Place, Response, asked

    place = Place(("rollout", "evaluate", "propose", "test")[number % 4], f"s{number % 64}", 1, "", f"task-{number:07}")
    answer = Response(f"answer {number} " + "because " * 20, "[]", "stop", 400, 0, 60, 0, "provider", 0.001, 1.0 + number, 1.5 + number)
    log.record("bench", place, asked("openai:words", "{}", messages), response=answer)


def _prompt(number: int) -> list[dict]:
    return [{"role": "system", "content": "rules " * 60}, {"role": "user", "content": f"Task {number}: " + "some words of a document " * 8}]


def _log(n: int) -> float:
    with _logging() as log:
        for number in range(n):
            _record(log, number, _prompt(number))
        return _megabytes(log)


def _converse(turns: int) -> float:
    chat = _prompt(0)
    with _logging() as log:
        for turn in range(turns):
            _record(log, turn, chat)
            chat = [*chat, {"role": "assistant", "content": f"do {turn}"}, {"role": "user", "content": f"saw {turn}"}]
        return sum(log.read("SELECT sum(length(content)) FROM messages")[0] + log.read("SELECT sum(length(messages)) FROM responses")[0]) / 1e6


def large_log(n: int = 1_000_000) -> pd.DataFrame:
    """A log of a million calls: how fast it is written by 16 threads, and read."""
    from concurrent.futures import ThreadPoolExecutor

    from fgo_kit.calls.log import CallLog, asked

    rows = {"calls": n}
    with _logging() as log:
        start, cpu = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda first: [_record(log, i, _prompt(i)) for i in range(first, min(first + 1_000, n))], range(0, n, 1_000)))
        rows |= {"inserts_per_second": n / (time.perf_counter() - start), "inserts_per_cpu_second": n / (time.process_time() - cpu)}
        rows["megabytes"] = _megabytes(log)
        start = time.perf_counter()
        with CallLog(log.path) as again:
            rows["open_seconds"] = time.perf_counter() - start
            for name, read in (("tokens_seconds", again.tokens), ("paid_seconds", lambda: again.paid("bench"))):
                start = time.perf_counter()
                read()
                rows[name] = time.perf_counter() - start
            keys = [asked("openai:words", "{}", _prompt(i)).key for i in np.random.default_rng(0).integers(0, n, 2_000)]
            times = []
            for key in keys:
                start = time.perf_counter()
                again.find(key)
                times.append(time.perf_counter() - start)
            rows["look_up_ms"] = 1000 * statistics.median(times)
    return pd.DataFrame([rows])


def start_up() -> pd.DataFrame:
    """Seconds of a new process: the import, and from there to the first result of the quickstart."""
    code = ("import time; t = time.perf_counter(); import fgo_kit as fgo; a = time.perf_counter(); "
            "fgo.run(fgo.load_benchmark('logisticsqa', n_train=32), 'simulated').score; print(a - t, time.perf_counter() - a)")  # fmt: skip
    timed = [list(map(float, subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout.split()))
             for _ in range(REPEATS)]  # fmt: skip
    imported, first = map(statistics.median, zip(*timed, strict=True))
    return pd.DataFrame([{"import_seconds": imported, "first_result_seconds": first}])


def _median(values: list[float]) -> float:
    return statistics.median(values) if values else float("nan")


def draw(rates: pd.DataFrame, path: Path) -> None:
    """Calls a second by workers, one line a client."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for client, part in rates.groupby("client", sort=False):
        axes.errorbar(part["workers"], part["calls_per_second"], marker="o", label=client,
                      yerr=[part["calls_per_second"] - part["low"], part["high"] - part["calls_per_second"]])  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="workers", ylabel="calls a second", xticks=WORKERS, xticklabels=WORKERS)
    axes.legend()
    figure.savefig(path)


def summary(tables: dict[str, pd.DataFrame]) -> str:
    """The page of all tables, with the ratios that count at its head."""
    from fgo_kit.report.results_page import markdown

    rate = tables["calls"].pivot(index="workers", columns="client", values="calls_per_second")
    cost = tables["calls"].pivot(index="workers", columns="client", values="cpu_ms_per_call")
    own = rate[NAMES["ours"]]
    lines = [f"- {workers} workers: {own[workers] / rate[NAMES['sdk']][workers]:.2f} × the calls a second of the official SDK alone, "
             f"{own[workers] / rate['GEPA'][workers]:.1f} × GEPA, {own[workers] / rate['DSPy'][workers]:.1f} × DSPy; "
             f"{cost[NAMES['ours']][workers] - cost[NAMES['sdk']][workers]:+.2f} ms of CPU a call beside the SDK's" for workers in own.index]  # fmt: skip
    wall = tables["learning"].groupby("client")["wall"].median()
    lines += [f"- a whole optimisation of the word task takes {wall[NAMES['ours']] / wall[peer]:.2f} of the time of {peer}" for peer in ("GEPA", "DSPy")]
    shown = {name: table.map(lambda cell: f"{cell:.4g}" if isinstance(cell, float) else cell) for name, table in tables.items()}
    text = "\n\n".join(f"## {name}\n\n{markdown(table)}" for name, table in shown.items())
    return (f"# Speed\n\nWritten by `make bench` on {os.cpu_count()} cores with a load of {os.getloadavg()[1]:.1f}, against a server with "
            f"{LATENCY_MS} ms latency on the same machine. Medians; absolute figures are this machine's.\n\n") + "\n".join(lines) + f"\n\n{text}\n"


def main() -> None:
    """Measure all, or the parts that are named; write each table as it is ready."""
    chosen, tables = sys.argv[1:], {}
    with tempfile.TemporaryDirectory() as folder, serving() as url:
        peer = Path(os.environ["BENCH_PEERS"]) if "BENCH_PEERS" in os.environ else peers(Path(folder) / "peers")
        parts = {"calls": lambda: calls(url, peer), "learning": lambda: learning(url, peer), "overlap": overlap,
                 "growth": growth, "log": large_log, "start_up": start_up}  # fmt: skip
        for name, measure in parts.items():
            path = FIGURES / f"bench_{name}.csv"
            if not chosen or name in chosen:
                start = time.perf_counter()
                measure().to_csv(path, index=False, float_format="%.5g")
                print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)
            if path.exists():
                tables[name] = pd.read_csv(path)
    draw(tables["calls"], FIGURES / "bench_calls.png")
    (FIGURES / "bench.md").write_text(summary(tables), encoding="utf-8")


if __name__ == "__main__":
    main()
