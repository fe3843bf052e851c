"""Grids: rows in the order asked for, resumed from their log, whatever carried them out."""

import math
import sys
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from threading import Lock

import numpy as np
import pandas as pd
import psutil
import pytest
from helpers import Wrapped, job_of, small_bench, wait_until

from fgo_kit.algorithm.registry import DIVISIONS, division
from fgo_kit.calls.log import CallLog
from fgo_kit.calls.protocol import BadRequest
from fgo_kit.calls.providers import load_llm
from fgo_kit.experiments import tokens
from fgo_kit.experiments.presets import preset
from fgo_kit.records import digest
from fgo_kit.runs import compare as grid
from fgo_kit.runs.compare import compare
from fgo_kit.runs.processes import in_processes
from fgo_kit.runs.run import run
from fgo_kit.simulate.model import load
from fgo_kit.simulate.server import serving

METHODS = {
    "nothing": {"method": "base"},
    "two": {"method": "fgo", "n_subsets": 2},
    "none": {"method": "always_none"},
}


@pytest.fixture(scope="module")
def benches():
    return [small_bench(n_train=n, n_test=6) for n in (12, 8)]


def here(**options):
    return {"executor": ThreadPoolExecutor(1), **options}


def test_rows_stand_in_the_order_of_the_arguments_whatever_carries_them_out(benches):
    seeds = [3, 1]
    table = compare(benches, "simulated:large", METHODS, seeds)  # processes
    expected = [(n, label, seed) for n in (12, 8) for label in METHODS for seed in seeds]
    assert list(table[["n_train", "method", "seed"]].itertuples(index=False, name=None)) == expected
    assert (
        table["status"].eq("ok").all()
        and table["simulated"].all()
        and table["llm"].eq("simulated:large").all()
    )
    threads = compare(benches, load("large"), METHODS, seeds, executor=ThreadPoolExecutor(3))
    pd.testing.assert_frame_equal(table.drop(columns="seconds"), threads.drop(columns="seconds"))
    alone = run(benches[1], "simulated:large", method="fgo", n_subsets=2, seed=1).row()
    row = table.query("n_train == 8 and method == 'two' and seed == 1").iloc[0]
    assert {k: row[k] for k in alone if k not in ("seconds", "method")} == {
        k: v for k, v in alone.items() if k not in ("seconds", "method")
    }


def test_a_grid_resumes_from_its_log(benches, tmp_path, monkeypatch):
    log = tmp_path / "grid.sqlite"
    first = compare(benches[0], "simulated", METHODS, [0], log=log, **here())
    more = compare(benches[0], "simulated", METHODS, [0, 1], log=log, **here())
    assert more["seed"].tolist() == [0, 1] * 3
    monkeypatch.setattr(grid, "run", lambda *args, **kwargs: pytest.fail("a finished run was done again"))
    again = compare(benches[0], "simulated", METHODS, [1, 0], log=log, **here())
    kept = again[again["seed"] == 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, first, check_dtype=False)  # seconds, too: they are the old ones
    assert len(CallLog(log).runs()) == 6


def test_a_grid_that_stops_keeps_what_was_finished(benches, tmp_path, monkeypatch):
    log, done = tmp_path / "grid.sqlite", []

    def breaking(bench, llm, **choices):
        done.append(choices["seed"])
        if choices["seed"] == 1:
            raise KeyboardInterrupt
        return run(bench, llm, **choices)

    monkeypatch.setattr(grid, "run", breaking)
    with pytest.raises(KeyboardInterrupt):
        compare(benches[0], Mine(load("small")), ["base"], [0, 1, 2], log=log)
    assert done == [0, 1]
    monkeypatch.setattr(grid, "run", run)
    assert (
        compare(benches[0], Mine(load("small")), ["base"], [0, 1, 2], log=log)["status"].tolist()
        == ["ok"] * 3
    )
    assert len(CallLog(log).runs()) == 3


class Mine(Wrapped):
    """An LLM that other processes cannot import."""


def test_a_failed_run_has_a_row_with_its_error(benches):
    def before(messages):
        if job_of(messages) == "propose":
            raise BadRequest("no such model")

    table = compare(benches[0], Mine(load("small"), before), METHODS, [0])
    assert table["status"].tolist() == ["ok", "TooManyFailures", "ok"]
    failed = table.iloc[1]
    assert math.isnan(failed["score"]) and math.isnan(failed["lo"]) and "no such model" in failed["error"]
    assert (failed["method"], failed["n_train"], failed["seed"]) == ("two", 12, 0)


def test_budgets_hold_for_every_run_on_its_own(benches):
    table = compare(benches[0], "simulated", METHODS, [0], budget_calls=30, **here())
    assert table["status"].tolist() == ["ok", "BudgetExceeded", "ok"]


def test_a_failed_run_is_tried_again(benches, tmp_path):
    log = tmp_path / "grid.sqlite"
    assert (
        compare(benches[0], "simulated", METHODS, [0], log=log, budget_calls=30, **here())["status"][1]
        != "ok"
    )
    table = compare(benches[0], "simulated", METHODS, [0], log=log, **here())
    assert table["status"].tolist() == ["ok"] * 3


@pytest.mark.parametrize("wrong, says", [
    ({"methods": ["magic"]}, "method='magic' is unknown"),
    ({"methods": {"own": {}}, "gate": "magic"}, "gate='magic' is unknown"),
    ({"epochs": 0}, "epochs=0"),
])  # fmt: skip
def test_a_choice_that_does_not_exist_stops_the_grid_before_it_starts(benches, wrong, says, tmp_path):
    with pytest.raises(ValueError, match=says):
        compare(benches[0], "simulated", log=tmp_path / "grid.sqlite", **wrong)


def test_strategies_registered_elsewhere_run_where_they_are_known(benches, monkeypatch):
    monkeypatch.setitem(DIVISIONS, "halves", None)  # taken out again after the test

    @division
    def halves(tasks, n_subsets, rng):
        return [list(tasks[: len(tasks) // 2]), list(tasks[len(tasks) // 2 :])]

    table = compare(benches[0], "simulated", {"mine": {"divide": "halves", "n_subsets": 2}}, [0, 1])
    assert table["n_subsets"].tolist() == [2, 2] and table["divide"].tolist() == ["halves"] * 2


class Broken(Executor):
    """Processes that end as soon as they start, as those of an executor in a script without a guard do."""

    def submit(self, fn, *args, **kwargs):
        future = Future()
        future.set_exception(BrokenProcessPool("terminated abruptly"))
        return future


def test_processes_that_cannot_start_say_what_is_missing(benches):
    with pytest.raises(RuntimeError, match="call compare under `if __name__ == '__main__':`"):
        compare(benches[0], "simulated", ["base"], [0, 1], executor=Broken())


def test_runs_of_a_real_model_share_one_log_and_pay_once(benches, tmp_path):
    log = tmp_path / "grid.sqlite"
    with serving(load("small")) as server:
        llm = load_llm("openai:small", base_url=server.openai_url)
        table = compare(benches[0], llm, METHODS, [0], log=log)
        asked = server.ledger()["successes"]
        assert not table["simulated"].any()
        assert len(CallLog(log).calls().query("paid")) == asked
        again = compare(benches[0], llm, METHODS, [0], log=log)
        assert server.ledger()["successes"] == asked
    pd.testing.assert_frame_equal(table, again)
    own = compare(benches[0], "simulated", METHODS, [0], **here())
    assert own["score"].tolist() == table["score"].tolist()


def test_numpy_seeds_and_sizes_are_fine(benches):
    table = compare(benches[0], "simulated", ["base"], np.arange(2), n_subsets=np.int64(2), **here())
    assert table["seed"].tolist() == [0, 1]


def test_presets_are_named():
    assert preset("fast").n_train < preset("full").n_train
    assert min(preset("full").seeds) >= 100  # headlines are on fresh seeds
    with pytest.raises(ValueError, match=r"PRESET='slow' is unknown; use one of \['fast', 'full', 'pilot'\]"):
        preset("slow")


def first_letters(run, bench, llm):
    return {"letters": f"{bench.name[:1]}{llm.name[:1]}{run.config['method'][:1]}"}


def test_compare_adds_columns_where_the_run_was_made_and_keeps_them(tmp_path, monkeypatch):
    bench, log = small_bench(n_train=8, n_test=4), tmp_path / "rows.sqlite"
    plain = compare(bench, "simulated", ["base"], [0], log=log)
    table = compare(bench, "simulated", ["base"], [0], log=log, after=first_letters)
    assert table["letters"].tolist() == ["Lsb"] and "letters" not in plain
    assert table["run_id"].tolist() == plain["run_id"].tolist()
    monkeypatch.setattr(grid, "run", lambda *args, **kwargs: pytest.fail("a finished run was done again"))
    assert compare(bench, "simulated", ["base"], [0], log=log, after=first_letters)["letters"].tolist() == ["Lsb"]
    assert "letters" not in compare(bench, "simulated", ["base"], [0], log=log)


def test_rows_of_an_edited_function_are_made_again(benches, tmp_path):
    def columns(value):
        return lambda run, bench, llm: {"asked": value}

    def ask(after):
        return compare(benches[0], "simulated", ["base"], [0], log=tmp_path / "grid.sqlite", after=after, **here())

    assert ask(lambda run, bench, llm: {"x": 1})["x"].tolist() == [1]
    edited = ask(lambda run, bench, llm: {"y": 2})
    assert edited["y"].tolist() == [2] and "x" not in edited
    assert [ask(columns(value))["asked"][0] for value in (1, 2, 1)] == [1, 2, 1]  # what it encloses counts
    assert len(CallLog(tmp_path / "grid.sqlite").runs()) == 4


def test_rows_of_the_package_s_own_functions_keep_their_place():
    job = grid._Job("id", "", None, None, 0, {}, None, after=tokens.spent)
    assert job.row_id == digest(["id", "fgo_kit.experiments.tokens.spent"])


def test_what_has_no_source_is_refused_before_anything_runs(benches):
    with pytest.raises(TypeError, match=r"after=functools.partial\(.*is a partial.*use a function"):
        compare(benches[0], "simulated", ["base"], [0], after=partial(tokens.spent, llm=None), **here())


def test_a_choice_that_contradicts_a_named_setting_is_refused(benches):
    with pytest.raises(ValueError, match="gate='hard' contradicts 'fgo', which is the setting with gate='none'.*labels"):
        compare(benches[0], "simulated", ["base", "fgo"], [0], gate="hard", **here())
    same = compare(benches[0], "simulated", ["fgo"], [0], gate="none", n_subsets=2, **here())  # no contradiction
    assert same["n_subsets"].tolist() == [2]
    own = compare(benches[0], "simulated", {"mine": {"n_subsets": 3}}, [0], n_subsets=2, **here())
    assert own["n_subsets"].tolist() == [3]  # a label's own choice holds


class Real(Wrapped):
    """An LLM that is asked through threads, takes its time, and knows how many calls are under way."""

    simulated, name, params = False, "real:model", {}

    def __init__(self, seconds=0.004):
        super().__init__(load("small"))
        self.lock, self.flying, self.most, self.seconds = Lock(), 0, 0, seconds

    def complete(self, messages, **options):
        with self.lock:
            self.flying += 1
            self.most = max(self.most, self.flying)
        time.sleep(self.seconds)
        with self.lock:
            self.flying -= 1
        return super().complete(messages, **options)


SETTINGS = {name: {"method": "fgo", "n_subsets": 3, **more} for name, more in (
    ("plain", {}), ("counts", {"counts": True, "audit": 2}), ("gated", {"gate": "hard"}), ("deep", {"passes": 2, "divide": "failure"}),
)}  # fmt: skip


@pytest.mark.parametrize("workers", [2, 16])
def test_runs_of_a_real_model_go_side_by_side_and_end_as_alone(benches, tmp_path, workers):
    def table(log, executor=None, workers=workers):
        llm = Real()
        rows = compare(benches[0], llm, SETTINGS, [0, 1], log=tmp_path / log, workers=workers, executor=executor)
        return llm, rows.drop(columns=[name for name in rows if "paid" in name or "second" in name or name in ("critical_path", "usd")])

    together, rows = table("together.sqlite")
    assert together.most <= workers
    _, alone = table("alone.sqlite", ThreadPoolExecutor(1), workers=1)
    pd.testing.assert_frame_equal(rows, alone)
    paid = CallLog(tmp_path / "together.sqlite").paid(None)[0]
    assert len(together.asked) == paid == CallLog(tmp_path / "alone.sqlite").paid(None)[0]  # nothing is paid twice


def test_a_grid_of_real_runs_that_is_stopped_stops_all_of_them(benches, tmp_path):
    llm = Real()

    def breaking(bench, asked_llm, **choices):
        if choices["seed"] == 1:
            wait_until(lambda: len(llm.asked) > 5)
            raise KeyboardInterrupt
        return run(bench, asked_llm, **choices)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grid, "run", breaking)
        with pytest.raises(KeyboardInterrupt):
            compare(benches[0], llm, {"plain": SETTINGS["plain"]}, range(8), log=tmp_path / "grid.sqlite")
    asked = len(llm.asked)
    time.sleep(0.05)
    assert len(llm.asked) == asked
    rows = compare(benches[0], llm, {"plain": SETTINGS["plain"]}, range(8), log=tmp_path / "grid.sqlite")
    assert set(rows["status"]) == {"ok"}
    assert len(llm.asked) <= CallLog(tmp_path / "grid.sqlite").paid(None)[0] + 8  # those that were under way


def test_processes_are_used_again_until_a_grid_fails():
    def is_worker(process):
        try:
            return "spawn_main" in " ".join(process.cmdline())
        except psutil.Error:  # it has ended
            return False

    def started():
        return {process.pid for process in psutil.Process().children() if is_worker(process)}

    assert sorted(in_processes(abs, [-1, 2])) == [(-1, 1), (2, 2)]
    before = started()
    assert list(in_processes(abs, [-3])) == [(-3, 3)] and started() >= before
    with pytest.raises(ValueError, match="math domain error|nonnegative"):
        list(in_processes(math.sqrt, [-1.0]))
    assert list(in_processes(abs, [-4])) == [(-4, 4)]
    wait_until(lambda: not started() & before, 60)


def test_processes_of_a_grid_end_when_the_one_that_made_them_is_killed():
    code = (
        "import fgo_kit as fgo\n"
        "if __name__ == '__main__':\n"
        "    fgo.compare(fgo.load_benchmark('logisticsqa'), methods=['fgo'], seeds=range(200))"
    )
    grid_process, workers = psutil.Popen([sys.executable, "-c", code]), []
    try:
        wait_until(lambda: len([p for p in grid_process.children() if p.cpu_times().user > 0.5]) > 0, 60)
        workers = grid_process.children()
        grid_process.kill()
        assert psutil.wait_procs(workers, timeout=20)[1] == []
    finally:
        for process in (grid_process, *workers):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        grid_process.wait()
