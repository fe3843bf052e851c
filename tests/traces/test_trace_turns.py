"""Logs of others in the forms they come in: thoughts are thoughts, actions bare, and odd files are named in time."""

import contextlib
import gzip
import json
import math
import random
import time
import tracemalloc

import pytest

from fgo_kit.algorithm import prompts
from fgo_kit.traces import read_trajectories

SCENE = "You are in the middle of a room. You see a cabinet 1, and a desk 1.\n\nYour task is to: put some mug in desk."


def logged(folder, *records, name="log.jsonl", end="\n"):
    texts = (record if isinstance(record, str) else json.dumps(record, ensure_ascii=False) for record in records)
    (folder / name).write_text(end.join(texts) + end, encoding="utf-8", newline="")
    return folder / name


def play(text, **more):
    return {"name": "pick_and_place_simple-1", "result": True, "traj": f"{SCENE}\n{text}"} | more


def read_one(folder, record):
    (trajectory,) = read_trajectories(logged(folder, record))
    return trajectory


def seen(trajectory):
    """(thought, action) of each step."""
    halves = (step.action.rpartition("ANSWER: ") for step in trajectory.steps)
    return [(before.strip().removeprefix("THOUGHT: "), action) for before, _, action in halves]


@pytest.mark.parametrize("thought", ["> think: a mug", "> Think: a mug", "> Thought: a mug", "> THOUGHT: a mug", "> thought 1: a mug"])
@pytest.mark.parametrize("action", ["> go to desk 1", "> Action: go to desk 1", "> action: go to desk 1", "> Action 1: go to desk 1", "> act: go to desk 1"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_plays_with_labels_of_any_kind(tmp_path, thought, action, end):
    text = end.join((thought, "OK.", action, "You see a mug 1.", "> take mug 1", "Nothing happens.", ""))
    trajectory = read_one(tmp_path, play(text))
    assert seen(trajectory) == [("a mug", "go to desk 1"), ("", "take mug 1")]
    assert trajectory.info == {"task type": "pick_and_place_simple", "steps": "2", "invalid actions": "1"}
    assert (trajectory.answer, trajectory.final) == ("take mug 1", "Nothing happens.")
    assert trajectory.steps[1].observation == "<result>\nYou see a mug 1.\n</result>"


def test_what_a_game_says_to_a_thought_is_kept_unless_it_is_ok(tmp_path):
    trajectory = read_one(tmp_path, play("> think: x\nThe light goes out.\n> go to desk 1\nDark."))
    assert "The light goes out." in trajectory.steps[0].observation and seen(trajectory) == [("x", "go to desk 1")]


TURNS = [
    ("human", SCENE), ("gpt", "Thought: a mug\nAction: go to desk 1"), ("human", "Observation: You see a mug 1."),
    ("gpt", "I take it.\nAction:\ntake mug 1"), ("human", "Nothing happens."), ("gpt", "look"), ("human", "Done."),
]  # fmt: skip
STEPS = [("a mug", "go to desk 1"), ("I take it.", "take mug 1"), ("", "look")]
ROLES = {"human": "user", "gpt": "assistant"}


def turned(speaker, words, roles=None):
    return [{speaker: (roles or {}).get(who, who), words: text} for who, text in TURNS]


DIALOGUES = {
    "ETO": ({"id": "7", "conversations": turned("from", "value"), "meta": {"reward": 1, "success": True}}, "7", 1.0),
    "AgentGym": ({"item_id": "alfworld_3", "conversations": [turn | {"loss": None} for turn in turned("from", "value")]}, "alfworld_3", math.nan),
    "AgentBench": ({"index": 4, "output": {"status": "completed", "result": {"result": False},
                    "history": turned("role", "content", {"human": "user", "gpt": "agent"})}}, "4", 0.0),
    "chat": ({"task_id": "x", "reward": 0.5, "messages": turned("role", "content", ROLES)}, "x", 0.5),
}  # fmt: skip


@pytest.mark.parametrize("form", DIALOGUES)
def test_dialogues_are_read(tmp_path, form):
    record, name, score = DIALOGUES[form]
    trajectory = read_one(tmp_path, record)
    assert (trajectory.task_id, seen(trajectory)) == (name, STEPS)
    assert trajectory.score == score or math.isnan(score) and math.isnan(trajectory.score)
    assert trajectory.info == {"steps": "3", "invalid actions": "1"} and trajectory.final == "Done."
    assert trajectory.steps[0].observation == f"<scene>\n{SCENE}\n</scene>"
    assert trajectory.steps[1].observation == "<result>\nYou see a mug 1.\n</result>"
    assert prompts.parse_action(trajectory.steps[0].action)[0] == "go to desk 1"


def test_an_agreement_to_the_instructions_is_no_step(tmp_path):
    opening = [{"from": "human", "value": "Interact with a household."}, {"from": "gpt", "value": "OK. I'll follow them."}]
    trajectory = read_one(tmp_path, {"id": 1, "conversations": opening + turned("from", "value")})
    assert seen(trajectory) == STEPS and trajectory.steps[0].observation.startswith("<scene>\nInteract with a household.\nYou are in")


def test_a_list_over_many_lines_and_a_packed_one_are_read(tmp_path):
    records = [DIALOGUES["ETO"][0], DIALOGUES["chat"][0], play("> look\nA desk.")]
    whole = logged(tmp_path, json.dumps(records, indent=2), name="eto.json")
    assert [t.task_id for t in read_trajectories(whole)] == ["7", "x", "pick_and_place_simple-1"]
    (tmp_path / "eto.json.gz").write_bytes(gzip.compress(whole.read_bytes()))
    assert read_trajectories(tmp_path / "eto.json.gz")[1] == read_trajectories(whole)[1]


def test_steps_of_observation_and_action_are_read(tmp_path):
    record = {"task": "put some mug in desk", "steps": [{"obs": SCENE, "action": "look"}, {"observation": "A desk.", "action": "go to desk 1"}]}
    trajectory = read_one(tmp_path, record)
    assert seen(trajectory) == [("", "look"), ("", "go to desk 1")] and math.isnan(trajectory.score)


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_line_separators_inside_a_line_do_not_end_it(tmp_path, separator):
    first = play(f"> think: a{separator}b\n> look\nA{separator}B.")
    both = read_trajectories(logged(tmp_path, first, play("> look\nX.")))
    assert len(both) == 2 and separator in both[0].final and separator in both[0].steps[0].action


@pytest.mark.parametrize(("record", "problem"), [
    ({"id": "1", "conversations": [{"from": "narrator", "value": "x"}]}, "turn 1 does not say who"),
    ({"id": "1", "conversations": [{"from": "human"}]}, "turn 1 does not say"), ({"id": "1", "messages": ["x"]}, "in no known format"),
    ({"id": "1", "conversations": [{"from": "human", "value": "x"}]}, "no agent acts"), ({"id": "1", "history": []}, "no agent acts"),
    ({"id": "1", "steps": 3}, "step 1 holds no texts"),
    ({"id": "1", "steps": [{"obs": "x"}]}, "step 1 holds no texts"), ("[" * 100_000 + "}", "in no known format"), ("[[1]]", "in no known format"),
])  # fmt: skip
def test_what_is_in_no_known_form_is_shown_with_the_forms_that_are(tmp_path, record, problem):
    with pytest.raises(ValueError, match=problem) as error:
        read_trajectories(logged(tmp_path, record))
    assert len(str(error.value)) < 2_500 and "\n    {" in str(error.value)


def bomb(folder, piece, times):
    path = folder / "bomb.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        for _ in range(times):
            file.write(piece)
    return path


@pytest.mark.parametrize("kind", ["one line", "blank lines", "records"])
def test_a_small_file_that_unpacks_to_much_is_refused_in_little_memory(tmp_path, kind):
    record = (json.dumps(play("> look\nA desk.")) + "\n").encode()
    piece, times = {"one line": (b"0" * 10_000_000, 100), "blank lines": (b"\n" * 10_000_000, 100), "records": (record * 5_000, 40)}[kind]
    path = bomb(tmp_path, piece, times)
    assert path.stat().st_size < 1_100_000
    tracemalloc.start()
    began = time.perf_counter()
    with pytest.raises(ValueError, match="bomb.jsonl.gz: unpacks to over 30,000,000 bytes"):
        read_trajectories(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000_000 and time.perf_counter() - began < 5


@pytest.mark.parametrize("piece", ["\n", " ", "> ", "> x\\n", "action:", " \\n", "thought: ", "\\n> ", "ACTION:", "[", "\\r"])
def test_a_log_is_read_in_time_linear_in_its_length(tmp_path, piece):
    seconds = []
    for length in (50_000, 400_000):
        text = json.dumps(play("> think: x")).replace("x", piece * (length // len(piece)))
        path = logged(tmp_path, text)
        began = time.process_time()
        with contextlib.suppress(ValueError):
            read_trajectories(path)
        seconds.append(time.process_time() - began)
    assert seconds[1] < 24 * seconds[0] + 0.5  # a quadratic reader takes 64 times as long


def test_damaged_packed_logs_are_named(tmp_path):
    whole, draw = gzip.compress((json.dumps(play("> look\nA desk.")) + "\n").encode() * 50), random.Random(0)
    for number in range(200):
        data = bytearray(whole)
        for _ in range(draw.randrange(1, 4)):
            data[draw.randrange(2, len(data))] = draw.randrange(256)
        data = data[: draw.randrange(2, len(data) + 1)] if number % 2 else data
        path = tmp_path / "log.jsonl.gz"
        path.write_bytes(data)
        try:
            assert read_trajectories(path)
        except ValueError as error:
            assert "log.jsonl.gz" in str(error)
