"""Worlds of the generated sets: made on first use, kept, and each with tasks and conventions of its own."""

import json
import lzma
from contextlib import closing
from importlib.util import find_spec

import pytest

import fgo_kit as fgo
from fgo_kit.benchmarks import worlds
from fgo_kit.benchmarks.alfworld import engine

SETS = ["logisticsqa", "gaia", pytest.param("alfworld", marks=pytest.mark.skipif(
    find_spec("alfworld") is None, reason="needs the alfworld package, which carries the floor plans"))]  # fmt: skip


@pytest.fixture
def here(monkeypatch, tmp_path):
    monkeypatch.setattr(worlds, "RUNS", tmp_path)
    return tmp_path / "worlds"


@pytest.mark.parametrize("name", SETS)
def test_a_world_is_made_once_and_is_another(name, here, monkeypatch):
    shipped, made = fgo.load_benchmark(name), fgo.load_benchmark(name, world=5)
    assert (shipped.world, made.world) == (0, 5) and made.name == shipped.name
    for one, other in ((shipped.train, made.train), (shipped.gate, made.gate), (shipped.test, made.test)):
        assert len(one) == len(other) and not {task.id for task in one} & {task.id for task in other}
    monkeypatch.setattr(worlds.subprocess, "run", None)  # what is there is not made again
    again = fgo.load_benchmark(name, world=5, n_train=8)
    assert {task.id: task.text for task in again.test} == {task.id: task.text for task in made.test}
    assert len(list(here.iterdir())) == 1


@pytest.mark.parametrize("name", ["logisticsqa", "gaia", "alfworld"])
@pytest.mark.parametrize("world", [-1, 1.5, "3", True, None])
def test_what_is_no_world_is_refused(name, world):
    with pytest.raises(ValueError, match=r"world=.* is not allowed; use a whole number >= 0"):
        fgo.load_benchmark(name, world=world)


@pytest.mark.parametrize("name", ["logisticsqa", "gaia", "alfworld"])
def test_data_of_ones_own_have_no_worlds(name, tmp_path):
    with pytest.raises(ValueError, match="world=2 is one of the generated set"):
        fgo.load_benchmark(name, tmp_path, world=2)


def made_by(folder, code: str):
    (folder / "set").mkdir()
    (folder / "set" / "make.py").write_text(code)


def test_a_generator_that_fails_says_why_and_leaves_nothing(here, monkeypatch, tmp_path):
    monkeypatch.setattr(worlds, "DATA", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"world=4 is not shipped and .*make.py, which makes it, is missing; use \[0\]"):
        worlds.world_file("set", 4, {0: "a"})
    made_by(tmp_path, "import sys; open(sys.argv[4], 'w').write('half'); sys.exit('no more words')")
    with pytest.raises(RuntimeError, match="world=4 could not be made: no more words"):
        worlds.world_file("set", 4, {0: "a"})
    assert list(here.iterdir()) == []


def test_an_edited_generator_makes_its_worlds_anew(here, monkeypatch, tmp_path):
    monkeypatch.setattr(worlds, "DATA", tmp_path)
    made_by(tmp_path, "import sys; open(sys.argv[4], 'w').write('first')")
    first = worlds.world_file("set", 4, {})
    (tmp_path / "set" / "make.py").write_text("import sys; open(sys.argv[4], 'w').write('second')")
    assert (first.read_text(), worlds.world_file("set", 4, {}).read_text()) == ("first", "second")


def test_rows_of_a_comparison_carry_their_world_and_are_kept_apart(here):
    benches = [fgo.load_benchmark("logisticsqa", world=world, n_train=4, n_test=8) for world in (0, 3)]
    rows = fgo.compare(benches, "simulated", ["base"], [0, 1], progress=False)
    assert rows["world"].tolist() == [0, 0, 3, 3]
    [line] = fgo.report.summary(rows).to_dict("records")
    assert (line["worlds"], line["tasks"], line["seeds"]) == (2, 16, 2)


@pytest.mark.skipif(bool(engine.missing()), reason="needs the engine: make engine")
def test_games_of_another_world_are_won_by_their_walkthroughs_and_things_are_kept_elsewhere():
    homes = {}
    for world in (0, 3):
        bench = fgo.load_benchmark("alfworld", world=world)
        for task in bench.train[:4]:
            with closing(bench.start(task)) as game:
                game.observe()
                for command in bench.source.game(task)["walkthrough"]:
                    game.step(command)
                assert game.info["won"] == "yes"
        lines = lzma.decompress(worlds.world_file("alfworld", world, {0: "games.jsonl.xz"}).read_bytes()).decode().splitlines()
        _, *rest = map(json.loads, lines)
        plans = {row["plan"]: row["receptacles"] for row in rest if "id" not in row}
        kept = [plans[game["plan"]][at][0].split("|")[0] for game in rest if "id" in game
                for thing, at in game["objects"] if thing.startswith("Mug|")]  # fmt: skip
        homes[world] = max(set(kept), key=kept.count)
    assert homes[0] != homes[3]
