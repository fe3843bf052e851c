"""ALFWorld without its engine: splits, the official layout, damaged files, the shipped scenes."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import fgo_kit as fgo
from fgo_kit.benchmarks.alfworld import engine as alfworld_engine
from fgo_kit.benchmarks.alfworld import games as alfworld_games
from fgo_kit.benchmarks.alfworld.scenes import game_content, kind_of, read_scenes

MAKE = Path(__file__).resolve().parents[2] / "data" / "alfworld" / "make.py"
SCENES = MAKE.with_name("games.jsonl.xz")


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> Path:
    """The generated games as official files: a stand-in for the official games that is always there."""
    folder = tmp_path_factory.mktemp("exported")
    command = [sys.executable, str(MAKE), "--export", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def few(exported, tmp_path) -> Path:
    """A copy of some of them to be damaged: 20 of train, 5 of valid_unseen."""
    for split, n in (("train", 20), ("valid_unseen", 5)):
        for game in sorted((exported / "json_2.1.1" / split).iterdir())[:n]:
            shutil.copytree(game, tmp_path / "json_2.1.1" / split / game.name)
    return tmp_path


def games(folder, split="train"):
    return sorted((folder / "json_2.1.1" / split).rglob("game.tw-pddl"))


def change(file, **values):
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def test_generated_splits_are_disjoint_and_of_all_types():
    bench = fgo.load_benchmark("alfworld")
    splits = [bench.train, bench.gate, bench.test]
    assert bench.name == "ALFWorld-gen" and [len(s) for s in splits] == [256, 64, 128]
    assert len({task.id for split in splits for task in split}) == 448
    for split in splits:
        counts = Counter(task.meta["task_type"] for task in split)
        assert set(counts) == set(alfworld_games.TASK_TYPES)
        assert max(counts.values()) < 2 * min(counts.values())
    known = {task.meta["floor_plan"] for task in bench.train}
    unseen = [task for task in bench.test if task.meta["floor_plan"] not in known]
    assert len(unseen) >= 64 and {t.meta["split"] for t in bench.test} == {"test_seen", "test_unseen"}
    assert pickle.loads(pickle.dumps(bench)).fingerprint == bench.fingerprint  # runs of a grid are processes
    assert "move O to R" in str(bench.seed_module) and "put O in/on R" not in str(bench.seed_module)


def test_smaller_training_sets_are_part_of_larger_ones():
    small, large = (fgo.load_benchmark("alfworld", n_train=n) for n in (16, 64))
    assert small.train == large.train[:16]
    assert small.test == large.test and small.fingerprint != large.fingerprint
    other = fgo.load_benchmark("alfworld", n_train=16, split_seed=1)
    assert {t.id for t in other.train} != {t.id for t in small.train}


def test_habits_can_be_learned_and_have_exceptions():
    scenes, at = read_scenes(SCENES), Counter()
    for game in scenes.games.values():
        if game["split"] == "train" and game["object"] != "Apple":
            receptacles = scenes.plans[game["plan"]]["receptacles"]
            at.update(kind_of(receptacles[i][0]) for name, i in game["objects"] if kind_of(name) == "Apple")
    assert 0.3 < at["Fridge"] / at.total() < 0.8 and len(at) >= 4


def test_no_generated_game_is_won_at_the_start():
    scenes = read_scenes(SCENES)
    for game in scenes.games.values():
        receptacles = scenes.plans[game["plan"]]["receptacles"]
        lie = [kind_of(receptacles[i][0]) for name, i in game["objects"] if kind_of(name) == game["object"]]
        assert lie and game["receptacle"] not in lie
        assert game["object"] not in scenes.logic["affords"]["toggleable"]  # what is used cannot be carried
        assert len(lie) > 1 or game["type"] != "pick_two_obj_and_place"
        assert len(game["walkthrough"]) < 20


def test_the_shipped_file_is_small_and_the_games_complete():
    assert SCENES.stat().st_size < 2_000_000
    game = game_content(read_scenes(SCENES), "train-000")
    assert game["solvable"] and alfworld_games.goal_sentence(game["grammar"]).startswith("put ")
    assert game["pddl_problem"].count("(") == game["pddl_problem"].count(")")


def test_official_files_load_and_are_told(exported):
    bench = fgo.load_benchmark("alfworld", exported)
    assert bench.name == "ALFWorld" and len(bench.test) == 64
    assert len(bench.train) + len(bench.gate) == 256 and abs(len(bench.gate) - 51) <= 2
    assert not {t.meta["goal"] for t in bench.train} & {t.meta["goal"] for t in bench.gate}
    assert "train: 256 of 3,553" in bench.told and "valid_unseen: 64 of 134" in bench.told
    inner = fgo.load_benchmark("alfworld", exported / "json_2.1.1", test_split="valid_seen")
    assert inner.train == bench.train and inner.fingerprint != bench.fingerprint


def test_the_environment_variable_serves_official_splits_only(exported, monkeypatch):
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    for given in ({"test_split": "valid_seen"}, {"path": True}):
        with pytest.raises(ValueError, match="ALFWORLD_DATA is not set"):
            fgo.load_benchmark("alfworld", **given)
    monkeypatch.setenv("ALFWORLD_DATA", str(exported))
    assert fgo.load_benchmark("alfworld", test_split="valid_seen").name == "ALFWorld"
    assert fgo.load_benchmark("alfworld").name == "ALFWorld-gen"


def test_what_cannot_be_played_is_left_out_and_counted(few):
    (first, second, third, fourth), n = games(few)[:4], len(games(few)) - 4
    change(first, solvable=False)
    content = json.loads(second.read_text())
    del content["solvable"]
    second.write_text(json.dumps(content))
    third.unlink()
    change(fourth.with_name("traj_data.json"), task_type="pick_and_place_with_movable_recep")
    shutil.copytree(games(few)[-1].parent, few / "json_2.1.1/train/pick-AppleSliced-None-Fridge-1/trial_x")
    told = fgo.load_benchmark("alfworld", few).told
    assert told.startswith(
        f"train: {n} of 3,553, 1 not known to be solvable left out, 1 of other task types left out, "
        "1 unsolvable left out, 1 with slices or movable receptacles left out, "
        "1 without game.tw-pddl left out"
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda game: game.write_text("{"), "game.tw-pddl: not valid JSON"),
        (lambda game: game.write_text("[]"), "must hold a JSON object"),
        (lambda game: change(game, pddl_problem=None), "'pddl_problem'. missing"),
        (lambda game: change(game, grammar="grammar"), "no 'Your task is to: ...'"),
        (lambda game: game.with_name("traj_data.json").write_text("{}"), "'task_type', 'pddl_.*missing"),
        (lambda game: shutil.copytree(game.parent, game.parents[2] / "a" / game.parent.name), "occur more than once"),
    ],
)
def test_damaged_games_are_named(few, damage, message):
    damage(games(few)[0])
    with pytest.raises(ValueError, match=message):
        fgo.load_benchmark("alfworld", few)


def test_wrong_folders_and_arguments_are_named(few, tmp_path):
    empty = tmp_path / "empty"
    (empty / "train").mkdir(parents=True)
    for given, error, message in (
        ({"path": tmp_path / "none"}, FileNotFoundError, "is not a folder; give the folder"),
        ({"path": tmp_path / "json_2.1.1" / "train"}, FileNotFoundError, "holds no json_2.1.1 with train"),
        ({"path": few, "test_split": "valid_seen"}, FileNotFoundError, "no folder 'valid_seen', only"),
        ({"path": empty, "test_split": "valid_unseen"}, ValueError, "no playable game .no game in it."),
        ({"path": few, "test_split": "test"}, ValueError, "'test' is unknown; use one of"),
        ({"path": few, "test_split": "generated"}, ValueError, "goes with path=None"),
        ({"n_train": 257}, ValueError, "n_train=257 is outside 1..256"),
        ({"split_seed": -1}, ValueError, "use a whole number >= 0"),
        ({"processes": 0}, ValueError, "processes=0 is not allowed"),
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            fgo.load_benchmark("alfworld", **given)


def test_a_damaged_scenes_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="make.py"):
        read_scenes(tmp_path / "games.jsonl.xz")
    (tmp_path / "games.jsonl.xz").write_bytes(SCENES.read_bytes()[:1000])
    with pytest.raises(ValueError, match="is damaged"):
        read_scenes(tmp_path / "games.jsonl.xz")


def test_without_the_engine_games_load_and_starting_one_says_what_to_install(monkeypatch):
    monkeypatch.setattr(alfworld_engine, "PARTS", ("textworld_that_is_not_there",))
    bench = fgo.load_benchmark("alfworld", n_train=4)
    with pytest.raises(alfworld_engine.EngineError, match="make engine"):
        bench.start(bench.train[0])


def test_the_seed_makes_the_shipped_file():
    pytest.importorskip("alfworld", reason="needs the alfworld package, which carries the floor plans")
    command = [sys.executable, str(MAKE), "--out", "-"]
    made = subprocess.run(command, capture_output=True)
    assert made.returncode == 0, made.stderr
    import lzma

    assert made.stdout == lzma.decompress(SCENES.read_bytes())


def test_official_games_at_hand_count_up(alfworld_official):
    bench = fgo.load_benchmark("alfworld", alfworld_official, test_split="valid_seen")
    assert len(bench.train) + len(bench.gate) == 254 and len(bench.test) == 140
    assert "train: 254 of 3,553" in bench.told and "valid_seen: 140, all there are" in bench.told
    counts = Counter(task.meta["task_type"].split("_then")[0] for task in bench.test)
    assert counts == {
        "pick_and_place_simple": 35, "look_at_obj_in_light": 13, "pick_clean": 27, "pick_heat": 16,
        "pick_cool": 25, "pick_two_obj_and_place": 24,
    }  # fmt: skip
    assert {task.meta["grammar"] for task in bench.test} == {"old"}
    assert "put O in/on R" in str(bench.seed_module)


def test_all_damaged_games_are_named_at_once_and_the_rest_is_usable(few):
    damaged, n = games(few)[:3], len(games(few)) - 3
    damaged[0].write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    damaged[1].write_text("{")
    damaged[2].with_name("traj_data.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="3 games cannot be read") as error:
        fgo.load_benchmark("alfworld", few)
    assert all(game.parent.name in str(error.value) for game in damaged) and "git lfs pull" in str(error.value)
    with pytest.warns(UserWarning, match="3 games cannot be read and are left out"):
        bench = fgo.load_benchmark("alfworld", few, skip_unreadable=True)
    assert bench.told.startswith(f"train: {n} of 3,553;")
