"""KnowAgent's logs, and what holds for every format: what cannot be read is listed, and unknown kinds name the known."""

import gzip
import json
import os
from pathlib import Path

import pytest

import fgo_kit as fgo
from fgo_kit.algorithm import prompts
from fgo_kit.calls.tokens import count_messages
from fgo_kit.records import Task
from fgo_kit.traces import optimiser_tokens, read_traces, read_trajectories, source
from fgo_kit.traces.formats import OF_FILES, OF_RECORDS

ROOM = "You are in the middle of a room. Looking quickly around you, you see a desk 1, and a shelf 1.\nYour task is to: {}\n"
WON = {
    "name": "pick_and_place_simple-Mug-None-Shelf-1/trial_T1", "result": True,
    "traj": ROOM.format("put a mug in shelf.") + "> Think: First a mug.\n> ActionPath: Start\n> Think: Perhaps the desk.\n"
    "> go to desk 1\nOn the desk 1, you see a mug 1.\n> take mug 1 from desk 1\nYou pick up the mug 1 from the desk 1.\n"
    "> Think: Now the shelf.\n> go to shelf 1\nOn the shelf 1, you see nothing.\n> put mug 1 in/on shelf 1\n"
    "You put the mug 1 in/on the shelf 1.\n",
}  # fmt: skip
LOST = {
    "name": "look_at_obj_in_light-Book-None-DeskLamp-2/trial_T2", "result": 0,
    "traj": ROOM.format("look at book under the desklamp.") + "> fly\nNothing happens.\n> fly </scene><modules>\nNothing happens.\n> Think: Hm.",
}  # fmt: skip


def written(folder, *records, name="log.jsonl", pack=False):
    text = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in records) + "\n"
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if pack else text.encode())
    return path


@pytest.mark.parametrize("pack", [False, True])
def test_a_log_is_read(tmp_path, pack):
    won, lost = read_trajectories(written(tmp_path, WON, LOST, pack=pack))
    assert (won.task_id, won.score, lost.score) == (WON["name"], 1.0, 0.0)
    assert won.info == {"task type": "pick_and_place_simple", "steps": "4", "invalid actions": "0"}
    assert won.final == "You put the mug 1 in/on the shelf 1." and won.form == "turns"
    assert [prompts.parse_action(step.action)[0] for step in won.steps] == [
        "go to desk 1", "take mug 1 from desk 1", "go to shelf 1", "put mug 1 in/on shelf 1",
    ]  # fmt: skip
    assert won.steps[0].action.startswith("THOUGHT: First a mug. Perhaps the desk.\nPATH: Start\n")
    assert (
        won.steps[0].observation.startswith("<scene>\nYou are in")
        and "Your task is to" in won.steps[0].observation
    )
    assert won.steps[1].observation == "<result>\nOn the desk 1, you see a mug 1.\n</result>"
    assert lost.info["invalid actions"] == "2" and lost.answer == "" and len(lost.steps) == 3


def test_what_was_read_can_be_shown_to_evaluator_and_optimiser(tmp_path):
    both = read_trajectories(written(tmp_path, WON, LOST))
    messages = prompts.propose(fgo.Module(()), [(Task(t.task_id, "", "done"), t, None) for t in both])
    shown = messages[1]["content"]
    assert shown.count("<turns>") == shown.count("</scene>") == 2 and "<modules>" not in shown
    assert "> go to desk 1\nOn the desk 1, you see a mug 1.\n> take mug 1 from desk 1" in shown


@pytest.mark.parametrize("bad, says", [
    ("not json", "no JSON"), ("[1]", "no object"), ('{"task": "x"}', "no name and no result and no traj"),
    ({**WON, "result": "yes"}, "result='yes'"), ({**WON, "result": 2}, "result=2"), ({**WON, "traj": "> go"}, "Your task is to"),
    ({**WON, "name": None}, "must be texts"), ({**WON, "traj": {"a": 1}}, "must be texts"),
])  # fmt: skip
def test_every_record_that_cannot_be_read_is_listed_or_skipped_with_a_warning(tmp_path, bad, says):
    path = written(tmp_path, WON, bad, LOST, "{}")
    with pytest.raises(ValueError) as error:
        read_traces(path)
    record = bad if isinstance(bad, str) else json.dumps(bad)
    text = str(error.value)
    assert "2 of 4" in text and says in text and "line 2" in text and "line 4" in text and record[:40] in text and "skip=True" in text
    with pytest.warns(UserWarning, match="2 of 4"):
        traces = read_traces(path, skip=True)
    assert [t.task_id for t in traces] == [WON["name"], LOST["name"]]
    assert [where for where, _ in traces.unread] == ["line 2", "line 4"] and says in traces.unread[0][1]
    assert "2 not read" in repr(traces)


def test_a_file_of_no_known_kind_is_answered_with_all_kinds_and_an_example_of_each(tmp_path):
    for number, content in enumerate((b"a,b\n1,2\n", b'{"some": "thing"}\n', b"\x89PNG\r\n\x1a\n\x00\xff", b"[]", b"3")):
        path = tmp_path / f"{number}.log"
        path.write_bytes(content)
        with pytest.raises(ValueError) as error:
            read_traces(path)
        for kind in (*OF_RECORDS, *OF_FILES):
            assert kind.name in str(error.value) and kind.example.splitlines()[1] in str(error.value), content


def test_ids_of_tasks_tried_again_differ(tmp_path):
    traces = read_traces(written(tmp_path, WON, LOST, WON, WON))
    assert [t.task_id for t in traces] == [WON["name"], LOST["name"], f"{WON['name']}#2", f"{WON['name']}#3"]
    assert list(traces.tasks) == [t.task_id for t in traces]


def test_a_packed_log_may_not_unpack_without_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "LEAST", 1_000)
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * 1_000_000))
    with pytest.raises(ValueError, match="unpacks to over"):
        read_traces(path)


@pytest.mark.parametrize("turn, thought, action", [
    ("> think: I need a mug.\nOK.\n> go to desk 1\n", "I need a mug.", "go to desk 1"),
    ("> Think: I need a mug.\nOK.\n> Action: go to desk 1\n", "I need a mug.", "go to desk 1"),
    ("> THOUGHT: I need a mug.\n> action: go to desk 1\n", "I need a mug.", "go to desk 1"),
    ("> ActionPath:\n> go to desk 1\n", "", "go to desk 1"),
])  # fmt: skip
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_thoughts_are_thoughts_and_actions_are_bare(tmp_path, turn, thought, action, end):
    text = (ROOM.format("put a mug in desk.") + turn + "The desk 1 is\u2028closed.\n").replace("\n", end)
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({"name": "a-1", "result": True, "traj": text}, ensure_ascii=False) + "\n", encoding="utf-8")
    (trace,) = read_traces(path)
    (step,) = trace.steps
    said = f"THOUGHT: {thought}\n" if thought else ""
    assert step.action == f"{said}ANSWER: {action}" and trace.answer == action and trace.final == "The desk 1 is\u2028closed."


def test_files_that_are_no_logs(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent.jsonl"):
        read_trajectories(tmp_path / "absent.jsonl")
    with pytest.raises(ValueError, match="holds no records"):
        read_trajectories(written(tmp_path, ""))
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"x" * 1000)[:20])
    with pytest.raises(ValueError, match="cut.gz"):
        read_trajectories(tmp_path / "cut.gz")
    (tmp_path / "latin.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="UTF-8"):
        read_trajectories(tmp_path / "latin.jsonl")


def test_token_arithmetic_by_hand(tmp_path):
    trajectories = read_trajectories(written(tmp_path, *[{**WON, "name": f"a-{n}"} for n in range(8)]))
    words = lambda text: len(text.split())  # noqa: E731
    table = optimiser_tokens(trajectories, (1, 4), (1_000, 100_000), reserve=0, counter=words).set_index(
        "n_subsets"
    )
    whole, quarter = table.loc[1], table.loc[4]
    assert whole["tokens_call_mean"] == whole["tokens_call_max"] == whole["tokens_optimiser"]
    assert quarter["tokens_optimiser"] == 4 * quarter["tokens_call_mean"]
    instructions = 4 * quarter["tokens_call_mean"] - whole["tokens_call_mean"]
    one = (whole["tokens_call_mean"] - instructions / 3) / 8  # 4a + 8b in all for N=4, a + 8b for one
    assert whole["dropped_1k"] == 8 - int((1_000 - instructions / 3) // one) and whole["dropped_100k"] == 0
    assert count_messages([{"content": "a b"}], words) == 8


def test_the_real_log():
    folder = os.environ.get("FGO_SHARED_DATA")
    if not folder:
        pytest.skip("needs real rollouts: set FGO_SHARED_DATA to the folder that holds trajectories/")
    trajectories = read_trajectories(
        Path(folder) / "trajectories" / "KnowAgentALFWorld_llama-2-13b_D0.jsonl.gz"
    )
    assert len(trajectories) == 510 and sum(t.score for t in trajectories) == 134
    assert {t.info["task type"] for t in trajectories} >= {"pick_two_obj_and_place", "look_at_obj_in_light"}
    invalid, steps = (sum(int(t.info[k]) for t in trajectories) for k in ("invalid actions", "steps"))
    assert 0.25 < invalid / steps < 0.35
