"""ALFWorld's engine in worker processes: the stock engine's texts, faster; dying workers do no harm."""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import fgo_kit as fgo
from fgo_kit.algorithm.benchmark import EnvironmentFailed
from fgo_kit.benchmarks.alfworld import engine
from fgo_kit.benchmarks.alfworld.engine import NOTHING, EngineError, Game, Pool

pytestmark = pytest.mark.skipif(bool(engine.missing()), reason=engine.missing() or "-")
STOCK = Path(__file__).with_name("alfworld_stock.py")
no_stock = pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="the stock engine fails on Python 3.13 (locals() in textworld)"
)


@pytest.fixture(scope="module")
def bench():
    return fgo.load_benchmark("alfworld")


@pytest.fixture(scope="module")
def pool():
    made = Pool(2)
    yield made
    made.close()


@pytest.fixture
def official(alfworld_official):
    return fgo.load_benchmark("alfworld", alfworld_official, test_split="valid_seen")


def tasks_of(bench):
    return (*bench.train, *bench.gate, *bench.test)


def content(bench, task):
    game = bench.source.game(task)
    return game if isinstance(game, dict) else json.loads(Path(game).read_text())


def stock(requests):
    """What the stock engine answers, a process for all requests."""
    done = subprocess.run(
        [sys.executable, "-P", str(STOCK)], input="\n".join(map(json.dumps, requests)), text=True,
        capture_output=True, check=True, env={**os.environ, "PYTHONHASHSEED": "0"},
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


def cpu_seconds(worker):
    """CPU time of a worker so far: unlike the clock's it does not depend on what else the machine does."""
    fields = Path(f"/proc/{worker.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def replay(pool, game, actions):
    play = Game(game, pool)
    states, started = [[play.text, play.won, play.commands]], cpu_seconds(play._worker)
    for action in actions:
        play.step(action)
        states.append([play.text, play.won, play.commands])
    seconds = cpu_seconds(play._worker) - started
    play.close()
    return {"states": states, "seconds": seconds}


def compare(bench, tasks, pool, steps):
    """The stock engine's plays and ours of the same actions; fails where a text or command differs."""
    games = [content(bench, task) for task in tasks]
    theirs = stock([{"game": game, "seed": at, "steps": steps} for at, game in enumerate(games)])
    ours = [replay(pool, game, play["actions"]) for game, play in zip(games, theirs, strict=True)]
    for task, their, our in zip(tasks, theirs, ours, strict=True):
        for at, (one, other) in enumerate(zip(their["states"], our["states"], strict=True)):
            assert one == other, f"{task.id} after {their['actions'][:at]}"
    return theirs, ours


def won_by_walkthrough(bench, tasks, pool):
    """The tasks whose walkthrough does not win, and the lengths of the walkthroughs."""
    lost, lengths = [], []
    for task in tasks:
        game = content(bench, task)
        play = Game(game, pool)
        texts = [play.step(action) for action in game["walkthrough"]]
        lengths.append(len(texts))
        if not play.won or NOTHING in texts:
            lost.append(task.id)
        play.close()
    return lost, lengths


def random_play(bench, task):
    """One episode of possible and impossible actions that depend on the task alone."""
    chance, play, texts = random.Random(task.id), bench.start(task), []
    done = False
    while not done:
        known = play.game.commands if chance.random() < 0.8 else ["open the window"]
        text, done = play.step(chance.choice(known))
        texts.append(text)
    play.close()
    return texts, play.info


def test_a_game_reads_as_in_alfworld(bench, pool):
    task = next(task for task in bench.train if task.id == "train-015")
    states = replay(pool, content(bench, task), content(bench, task)["walkthrough"])["states"]
    assert [text for text, _, _ in states] == [
        "-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room. Looking quickly around you, "
        "you see a cabinet 6, a cabinet 5, a cabinet 4, a cabinet 3, a cabinet 2, a cabinet 1, a "
        "coffeemachine 1, a countertop 2, a countertop 1, a fridge 1, a garbagecan 1, a microwave 1, a "
        "sinkbasin 1, a stoveburner 4, a stoveburner 3, a stoveburner 2, a stoveburner 1, and a toaster 1."
        "\n\n"
        "Your task is to: heat some plate and put it in cabinet.",
        "You arrive at countertop 1. On the countertop 1, you see a fork 1, a peppershaker 1, and a plate 1.",
        "You pick up the plate 1 from the countertop 1.",
        "You arrive at microwave 1. The microwave 1 is closed.",
        "You heat the plate 1 using the microwave 1.",
        "You arrive at cabinet 6. The cabinet 6 is closed.",
        "You open the cabinet 6. The cabinet 6 is open. In it, you see a soapbottle 1.",
        "You move the plate 1 to the cabinet 6.",
    ]
    assert [won for _, won, _ in states] == [False] * 7 + [True]
    assert {"take fork 1 from countertop 1", "go to toaster 1", "help"} <= set(states[1][2])


def test_walkthroughs_win(bench, pool):
    lost, _ = won_by_walkthrough(bench, tasks_of(bench)[::32], pool)
    assert lost == []


@no_stock
def test_texts_commands_and_outcome_are_those_of_the_stock_engine(bench, pool):
    theirs, ours = compare(bench, bench.test[:3], pool, steps=12)
    fast = sum(play["seconds"] for play in ours)
    assert sum(play["seconds"] for play in theirs) > 2 * fast


@no_stock
def test_official_games_play_as_in_the_stock_engine(official, pool):
    compare(official, (official.test[0], official.train[0]), pool, steps=12)


def test_the_number_of_processes_changes_nothing(bench):
    played = []
    for processes in (1, 2, 4):
        own = fgo.load_benchmark("alfworld", processes=processes)
        with ThreadPoolExecutor(4) as threads:
            played.append(list(threads.map(lambda task, own=own: random_play(own, task), bench.gate[:5])))
    assert played[0] == played[1] == played[2]


def test_a_worker_killed_in_mid_game_changes_nothing(bench, pool):
    game = content(bench, bench.test[0])
    whole = replay(pool, game, game["walkthrough"])["states"]
    play = Game(game, pool)
    states = [[play.text, play.won, play.commands]]
    for at, action in enumerate(game["walkthrough"]):
        if at in (0, 3):
            play._worker.process.kill()
            play._worker.process.wait()
        play.step(action)
        states.append([play.text, play.won, play.commands])
    play.close()
    assert states == whole


def test_a_worker_that_hangs_is_replaced_and_at_last_given_up(bench, monkeypatch):
    slow = Pool(1, wall_limit=30)
    play = Game(content(bench, bench.test[0]), slow)
    os.kill(play._worker.process.pid, 19)  # SIGSTOP
    play._worker.wall_limit = 0.2
    assert play.step("look") != ""

    def gone(self, **request):
        raise engine.WorkerDied("gone")

    monkeypatch.setattr(engine.Worker, "ask", gone)
    with pytest.raises(EnvironmentFailed, match="failed 3 times after 1 actions"):
        play.step("look")
    play.close()
    slow.close()


def test_a_game_that_cannot_be_loaded_is_named_and_costs_no_worker(bench, tmp_path, pool):
    broken = tmp_path / "game.tw-pddl"
    broken.write_text(json.dumps({**content(bench, bench.test[0]), "pddl_problem": "(define"}))
    for _ in range(3):  # more often than there are places in the pool
        with pytest.raises(EnvironmentFailed, match="game.tw-pddl"):
            Game(str(broken), pool)
    assert replay(pool, content(bench, bench.test[0]), ["look"])["states"][1][0] != ""


def test_a_game_that_cannot_be_played_is_a_status_and_the_run_goes_on(bench):
    broken, *others = bench.test[:6]  # fewer failures than end a run
    whole = bench.source.game
    game = lambda task: whole(task) | ({"pddl_problem": "(define"} if task.id == broken.id else {})  # noqa: E731
    own = replace(bench, test=(broken, *others), source=replace(bench.source, game=game))
    run = fgo.run(own, "simulated:null", method="base")
    found = run.trajectories().set_index("task")
    assert found["status"][broken.id] == "failed" and np.isnan(run.scores[broken.id])
    assert "ParseError" in str(run.failures().to_dict())
    assert [found["status"][task.id] for task in others] == ["ok"] * 5
    alone = fgo.run(replace(own, test=tuple(others)), "simulated:null", method="base")
    assert {task.id: run.scores[task.id] for task in others} == alone.scores
    assert run.score == alone.score


def test_an_engine_that_does_not_start_ends_the_run(bench, monkeypatch, tmp_path):
    (tmp_path / "worker.py").write_text("raise SystemExit")
    monkeypatch.setattr(engine, "_WORKER", tmp_path / "worker.py")
    with pytest.raises(EngineError, match="does not start: it ended"):
        Game(content(bench, bench.test[0]), Pool(1))


def test_a_worker_killed_while_it_starts_is_replaced(bench, monkeypatch):
    start, started = subprocess.Popen, []

    def popen(*args, **options):
        process = start(*args, **options)
        started.append(process)
        if len(started) == 1:
            process.kill()
        return process

    monkeypatch.setattr(engine.subprocess, "Popen", popen)
    own = Pool(1)
    play = Game(content(bench, bench.test[0]), own)
    assert len(started) == 2 and play.step("look") != ""
    play.close()
    own.close()


def test_a_damaged_or_absent_cache_is_made_again(bench, tmp_path):
    game, states = content(bench, bench.test[1]), []
    for damage in (None, b"rubbish"):
        for file in tmp_path.glob("*"):
            file.write_bytes(damage)
        own = Pool(1, cache_dir=tmp_path)
        states.append(replay(own, game, ["look"])["states"])
        own.close()
    assert states[0] == states[1] and len(list(tmp_path.glob("*"))) == 1


def test_an_episode_counts_and_ends(bench):
    play = bench.start(bench.test[0])
    assert play.observe().startswith("<scene>\nYou are in the middle of a room.")
    text, done = play.step("fly to cabinet 1")
    assert text == f"<result>\n{NOTHING}\n</result>" and not done
    while not done:
        _, done = play.step("look")
    play.close()
    play.close()
    assert play.info | {"final": ""} == {
        "task type": bench.test[0].meta["task_type"], "steps": "50", "invalid actions": "1", "won": "no",
        "final": "", "final state": play.info["final state"],
    }  # fmt: skip
    assert play.info["final state"].startswith("in the middle of the room, holding nothing; ")
    task = bench.train[0]
    with_walkthrough = bench.start(task)
    ends = [with_walkthrough.step(action)[1] for action in content(bench, task)["walkthrough"]]
    with_walkthrough.close()
    trajectory = fgo.Trajectory(task.id, (), "", info=with_walkthrough.info)
    assert ends[-1] and not any(ends[:-1]) and bench.score(task, trajectory) == 1.0


@pytest.mark.slow
@no_stock
@pytest.mark.timeout(3600)
def test_all_generated_games_are_won_in_the_stock_engine(bench):
    tasks = tasks_of(bench)
    plays = stock([{"game": (game := content(bench, t)), "actions": game["walkthrough"]} for t in tasks])
    assert [t.id for t, play in zip(tasks, plays, strict=True) if not play["states"][-1][1]] == []
    lengths = [len(play["actions"]) for play in plays]
    print(f"{len(plays)} games won in {min(lengths)} to {max(lengths)} steps")


@pytest.mark.slow
@no_stock
@pytest.mark.timeout(3600)
def test_many_games_play_as_in_the_stock_engine(bench, official, pool):
    some = (*official.test[::5], *official.train[::20])
    for name, own, tasks in (("generated", bench, bench.test[::4]), ("official", official, some)):
        theirs, ours = compare(own, tasks, pool, steps=40)
        n = 40 * len(tasks)
        slow, fast = (sum(play["seconds"] for play in plays) for plays in (theirs, ours))
        start = statistics.median(play["start"] for play in theirs)
        print(f"{name}: {len(tasks)} games, {n} steps identical; {n / slow:.1f} and {n / fast:.1f} steps a "
              f"CPU second, {slow / fast:.1f} times; start {start:.2f} s in the stock engine")  # fmt: skip
        assert slow > 10 * fast


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_memory_of_a_worker_is_flat(bench, official):
    own = Pool(1)
    tasks = [(b, t) for b, ts in ((official, official.test), (bench, bench.train[:160])) for t in ts]
    sizes = []
    for b, task in tasks:
        play = Game(b.source.game(task), own)
        for _ in range(20):
            play.step(random.Random(task.id).choice(play.commands))
        pid = play._worker.process.pid
        play.close()
        sizes.append(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6)
    own.close()
    print(f"{len(sizes)} games: MB after 1, 50 and all: {sizes[0]:.0f}, {sizes[49]:.0f}, {sizes[-1]:.0f}")
    assert sizes[-1] < sizes[49] + 30
