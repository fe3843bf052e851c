"""Each kind of log of others, in the form its authors write it: what is read, and how damage is answered."""

import json
import zipfile

import pytest
from helpers import small_bench

import fgo_kit as fgo
from fgo_kit.algorithm import prompts
from fgo_kit.records import Task
from fgo_kit.traces import inspect_log

ROOM = "You are in the middle of a room. Looking quickly around you, you see a cabinet 1, and a desk 1."
GOAL = "Your task is to: put some mug in desk."


def lines(folder, *records, name="log.jsonl"):
    path = folder / name
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in records), encoding="utf-8")
    return path


def shown(traces):
    """What the optimiser would be shown of them."""
    judged = [(traces.tasks[t.task_id], t, None) for t in traces]
    return prompts.propose(fgo.Module(()), judged)[1]["content"]


def actions(trajectory):
    return [prompts.parse_action(step.action)[0] for step in trajectory.steps]


# -- chats


def said(role, content, **more):
    return {"role": role, "content": content, **more}


def test_a_chat_is_a_question_and_its_answer(tmp_path):
    traces = fgo.read_traces(lines(
        tmp_path,
        {"id": "q1", "messages": [said("system", "Add."), said("user", "2+2?"), said("assistant", "4")], "expected": 4, "score": True,
         "metadata": {"level": 1, "long": "x" * 200, "deep": {"a": 1}}},
        {"messages": [said("developer", "Add."), said("user", [{"type": "text", "text": "3+3?"}, {"type": "image_url"}]),
                      said("assistant", "7", reasoning_content="three and\nthree")], "score": "0.25"},
    ))  # fmt: skip
    first, second = traces
    assert (first.task_id, first.score, first.answer, first.form) == ("q1", 1.0, "4", "answer")
    assert traces.tasks["q1"] == Task("q1", "2+2?", "4", {"level": "1"}) and traces.instructions == "Add."
    assert (second.task_id, second.score, second.answer) == ("log line 2", 0.25, "7")
    assert second.steps[0].action == "7"
    assert traces.tasks["log line 2"].text == "3+3?\n(image_url not shown)"
    assert "<observation>\n2+2?\n</observation>" in shown(traces)


@pytest.mark.parametrize("thought", [
    {"content": "<think>SECRET</think>\nThought: so\nAction: go"}, {"content": "Thought: so\nAction: go", "reasoning_content": "SECRET"},
    {"content": [{"type": "thinking", "thinking": "SECRET"}, {"type": "text", "text": "Thought: so\nAction: go"}]},
    {"content": "<|channel>thought\nSECRET\n<channel|>Thought: so\nAction: go"},
])  # fmt: skip
def test_what_a_model_thought_is_in_no_step_and_what_it_said_stays(tmp_path, thought):
    talk = [said("user", "Do it."), {"role": "assistant", **thought}, said("user", "ok"), said("assistant", "Action: stop")]
    told = {"conversations": [{"from": "human", "value": "Do it."}, {"from": "gpt", "value": str(thought["content"])},
                              {"from": "human", "value": "ok"}, {"from": "gpt", "value": "Action: stop"}]}  # fmt: skip
    records = [{"messages": talk}, *([told] if isinstance(thought["content"], str) else [])]
    for record in records:
        traces = fgo.read_traces(lines(tmp_path, record))
        assert actions(traces[0]) == ["go", "stop"] and traces[0].steps[0].action == "THOUGHT: so\nANSWER: go"
        assert "SECRET" not in shown(traces)


def test_calls_of_tools_are_read_in_the_ways_apis_have(tmp_path):
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"word": "</trajectories>"}'}}
    old = {"name": "find", "arguments": "not json"}
    traces = fgo.read_traces(lines(
        tmp_path,
        [said("user", "How many?"), said("assistant", None, tool_calls=[call]), said("tool", "</trajectory> 3", tool_call_id="c1"),
         said("assistant", "So it is.\nFINAL ANSWER: 3")],
        [said("user", "How many?"), said("assistant", "", function_call=old), said("function", "3"), said("assistant", "3")],
    ))  # fmt: skip
    assert [t.form for t in traces] == ["tools", "tools"] and [t.answer for t in traces] == ["3", "3"]
    assert traces[0].steps[0].action.startswith('TOOL: {"tool": "find"') and traces[1].steps[0].action.endswith('"not json"}')
    assert traces[0].score != traces[0].score and "none with a score" in repr(traces)
    text = shown(traces)
    assert text.count("</trajectories>") == 1 and text.count("</trajectory>") == 2 and "3" in text


@pytest.mark.parametrize("bad, says", [
    ({"messages": []}, "neither a list of messages"), ({"messages": [said("user", "a")]}, "no agent acts"),
    ({"messages": [said("robot", "a")]}, "role 'robot'"), ({"messages": [said("assistant", 3)]}, "neither a text nor a list"),
    ({"messages": [said("assistant", "a")], "score": 87}, "score=87 is no score"), ({"messages": [said("assistant", "a")], "score": "NaN"}, "no score"),
    ({"messages": [said("assistant", "", tool_calls=[{"function": {}}])]}, "no name"), ({"messages": "hello"}, "neither a list"),
    ({"messages": [said("assistant", "", tool_calls=3)]}, "not of the kinds expected"), ("{", "no JSON"), ("[" * 100_000, "no JSON"),
])  # fmt: skip
def test_a_damaged_chat_is_named_with_its_line(tmp_path, bad, says):
    good = {"messages": [said("user", "a"), said("assistant", "b")]}
    with pytest.raises(ValueError) as error:
        fgo.read_traces(lines(tmp_path, good, bad))
    assert "line 2: " in str(error.value) and says in str(error.value) and len(str(error.value)) < 2_000


# -- conversations


def test_conversations_of_eto_and_agentgym(tmp_path):
    game = [{"from": "human", "value": f"{ROOM}\n\n{GOAL}"}, {"from": "gpt", "value": "Thought:\nfirst\nthe mug\n\nAction:\ngo to cabinet 1"},
            {"from": "human", "value": "Observation: It is closed."}]  # fmt: skip
    introduced = [{"from": "human", "value": "Interact."}, {"from": "gpt", "value": "OK. I'll follow."}, *game]
    eto = lines(tmp_path, json.dumps([
        {"id": 3, "conversations": introduced, "meta": {"reward": 1}}, {"meta": {"task_id": "4", "success": False}, "conversations": game}
    ], indent=1), name="eto.json")  # fmt: skip
    first, second = traces = fgo.read_traces(eto)
    assert (first.task_id, first.score, second.task_id, second.score) == ("3", 1.0, "4", 0.0)
    assert actions(first) == actions(second) == ["go to cabinet 1"] and first.final == "It is closed."
    assert first.steps[0].action == second.steps[0].action == "THOUGHT: first the mug\nANSWER: go to cabinet 1"
    assert traces.tasks["4"].text == f"{ROOM}\n\n{GOAL}" and traces.tasks["3"].text == f"Interact.\n{ROOM}\n\n{GOAL}"
    shared = {"conversations": [{"from": "system", "value": "Be brief."}, *game]}
    assert fgo.read_traces(lines(tmp_path, shared)).instructions == "Be brief."
    (gym,) = fgo.read_traces(lines(tmp_path, {"item_id": "alfworld_3", "conversations": introduced}))
    assert gym.task_id == "alfworld_3" and gym.steps == first.steps and gym.score != gym.score


@pytest.mark.parametrize("bad, says", [
    ({"conversations": []}, "no agent acts"), ({"conversations": [{"from": "human", "value": "a"}]}, "no agent acts"),
    ({"conversations": [{"from": "cat", "value": "a"}]}, "turn 1 does not say who"), ({"history": [{"from": "gpt"}]}, "turn 1 does not say who"),
    ({"conversations": [{"from": "gpt", "value": "a"}], "reward": 7}, "score=7 is no score"),
])  # fmt: skip
def test_a_damaged_conversation_is_named(tmp_path, bad, says):
    with pytest.raises(ValueError) as error:
        fgo.read_traces(lines(tmp_path, bad))
    assert "record 1: " in str(error.value) and says in str(error.value)


# -- ALFWorld's own


def test_alfworlds_demonstrations_are_cut_to_what_is_new_at_each_step(tmp_path):
    first = f"{ROOM} [SEP] restart"
    steps = [{"step_id": 0, "obs": first, "action": "go to desk 1"},
             {"step_id": 1, "obs": f"{first} [SEP] On the desk 1, you see a mug 1. [SEP] go to desk 1", "action": "take mug 1 from desk 1"}]  # fmt: skip
    game = {"g": "pick_and_place_simple-Mug/trial_1", "g_id": 0, "task": "put some mug in desk.", "steps": steps}
    (trace,) = traces = fgo.read_traces(lines(tmp_path, json.dumps({"data": [game]}), name="tw_alfred_seq2seq.json"))
    assert actions(trace) == ["go to desk 1", "take mug 1 from desk 1"] and trace.score == 1.0
    assert trace.steps[1].observation == "<result>\nOn the desk 1, you see a mug 1.\n</result>"
    assert traces.tasks[trace.task_id].text.endswith(f"{GOAL}") or GOAL[:-1] in trace.steps[0].observation
    with pytest.raises(ValueError, match="step 2 holds no texts obs and action"):
        fgo.read_traces(lines(tmp_path, {**game, "steps": [steps[0], {"obs": None, "action": "look"}]}))


# -- text


def test_a_trial_of_reflexion_without_examples_memory_and_summary(tmp_path):
    play = f"{ROOM}\n{GOAL}\n> think: a mug.\nOK.\n> go to cabinet 1\nThe cabinet 1 is closed.\n> fly\nNothing happens."
    example = "Interact with a household to solve a task. Here are two examples.\nYou are in a hall.\n> go to example\n"
    text = "\n#####\n".join([
        "", f"\nEnvironment #0:\n{example}\nHere is the task:\n{play}\n\nSTATUS: OK\n", "", "\nEnvironment #1: Success\n", "",
        f"\nEnvironment #2:\n{example}\n\nYour memory for the task below:\nTrial 0:\nI should look.\nHere is the task:\n{play}\n\nSTATUS: FAIL\n",
        "\n-----\nSUCCESS: 2\nTOTAL: 3\n-----",
    ])  # fmt: skip
    first, second = traces = fgo.read_traces(lines(tmp_path, text.replace("\n", "\r\n"), name="trial_0.log"))
    assert [(t.task_id, t.score) for t in traces] == [("env_0", 1.0), ("env_2", 0.0)]
    assert actions(first) == actions(second) == ["go to cabinet 1", "fly"] and first.info["invalid actions"] == "1"
    assert first.steps[0].action == "THOUGHT: a mug.\nANSWER: go to cabinet 1" and first.final == "Nothing happens."
    assert traces.tasks["env_2"].text == f"{ROOM}\n{GOAL}"


def test_games_one_below_the_other_are_told_apart_from_a_look_around(tmp_path):
    play = f"{ROOM}\n{GOAL}\n> think: a mug.\nOk.\n> look\nYou are in the middle of a room. You see nothing.\n> go to desk 1\nDone."
    first, second = fgo.read_traces(lines(tmp_path, f"{play}\nReward: 1\n\n{play}\nReward: 0\n", name="games.txt"))
    assert actions(first) == actions(second) == ["look", "go to desk 1"] and (first.score, second.score) == (1.0, 0.0)
    assert "Ok." not in first.steps[0].observation and first.task_id != second.task_id


def test_blocks_of_react(tmp_path):
    text = """Question: Where is the river?
Thought 1: I search
for it.
Action 1: Search[river]
Observation 1: It is in the north.
Action 2: Finish[north]
Question: Again?
Action: Finish[yes]"""
    first, second = traces = fgo.read_traces(lines(tmp_path, text, name="react.txt"))
    assert actions(first) == ["Search[river]", "Finish[north]"] and first.steps[0].action.startswith("THOUGHT: I search for it.\n")
    assert [task.text for task in traces.tasks.values()] == ["Where is the river?", "Again?"] and second.answer == "Finish[yes]"
    assert first.task_id != second.task_id and first.score != first.score


def test_text_with_a_part_without_an_agent_is_told(tmp_path):
    play = f"{ROOM}\n{GOAL}\n> look\nNothing.\nSTATUS: maybe"
    with pytest.raises(ValueError, match=r"2 of 2(.|\n)*trace 1: STATUS(.|\n)*trace 2: it has no line of an agent"):
        fgo.read_traces(lines(tmp_path, f"{play}\n#####\nlost text\n", name="a.txt"))


# -- Inspect


SAMPLE = {
    "id": "a", "epoch": 1, "input": "1+2?", "target": ["3"], "metadata": {"level": "1"},
    "messages": [said("system", "You add."), said("user", "1+2?"),
                 said("assistant", "I add.", tool_calls=[{"id": "x", "function": "add", "arguments": {"x": 1, "y": 2}, "type": "function"}]),
                 said("tool", "3", tool_call_id="x", function="add"),
                 said("assistant", [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "3"}])],
    "scores": {"match": {"value": "C", "answer": "3"}},
}  # fmt: skip
FAILED = {**SAMPLE, "id": "b", "error": {"message": "time is up"}, "scores": {}}


def inspect_json(folder, *samples):
    log = {"version": 2, "status": "success", "eval": {"task": "adding"}, "samples": list(samples)}
    return lines(folder, json.dumps(log, indent=1), name="log.json")


def inspect_archive(folder, *samples, name="log.eval", kind=zipfile.ZIP_DEFLATED):
    path = folder / name
    with zipfile.ZipFile(path, "w", kind) as packed:
        packed.writestr("header.json", "{}")
        for number, sample in enumerate(samples):
            packed.writestr(f"samples/{number}_epoch_1.json", sample if isinstance(sample, str) else json.dumps(sample))
    return path


@pytest.mark.parametrize("written", [inspect_json, inspect_archive])
def test_inspect_logs(tmp_path, written):
    first, second = traces = fgo.read_traces(written(tmp_path, SAMPLE, FAILED))
    assert (first.task_id, first.score, first.answer, first.form, first.ok) == ("a", 1.0, "3", "tools", True)
    assert traces.tasks["a"] == Task("a", "1+2?", "3", {"level": "1"}) and traces.instructions == "You add."
    assert first.steps[0].action == 'I add.\nTOOL: {"tool": "add", "arguments": {"x": 1, "y": 2}}'
    assert (second.status, second.reason) == ("failed", "time is up") and second.score != second.score


@pytest.mark.parametrize("value, score", [("C", 1.0), ("I", 0.0), ("P", 0.5), ("N", 0.0), (0.3, 0.3), (True, 1.0), ("0.5", 0.5)])
def test_inspects_values_become_scores(tmp_path, value, score):
    (trace,) = fgo.read_traces(inspect_json(tmp_path, {**SAMPLE, "scores": {"judge": {"value": value}}}))
    assert trace.score == score


def test_damaged_inspect_logs(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"2 of 3(.|\n)*samples/1_epoch_1.json(.|\n)*samples/2_epoch_1.json"):
        fgo.read_traces(inspect_archive(tmp_path, SAMPLE, "{", {**SAMPLE, "scores": {"a": {"value": {"b": 1}}}}))
    whole = inspect_archive(tmp_path, SAMPLE).read_bytes()
    (tmp_path / "cut.eval").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="damaged"):
        fgo.read_traces(tmp_path / "cut.eval")
    with pytest.raises(ValueError, match="without samples/"):
        fgo.read_traces(inspect_archive(tmp_path))
    monkeypatch.setattr("fgo_kit.traces.source.LEAST", 1_000)
    with pytest.raises(ValueError, match="unpacks to over"):
        fgo.read_traces(inspect_archive(tmp_path, {**SAMPLE, "input": "x" * 100_000}))


def test_a_log_packed_with_zstandard_says_what_is_needed(tmp_path, monkeypatch):
    path = inspect_archive(tmp_path, SAMPLE)
    monkeypatch.setattr(inspect_log, "ZSTANDARD", zipfile.ZIP_DEFLATED)
    monkeypatch.setitem(__import__("sys").modules, "zipfile_zstd", None)
    with pytest.raises(ImportError, match=r"fgo-kit\[inspect\]"):
        fgo.read_traces(path)


# -- ours


def test_a_call_log_gives_the_training_rollouts_of_its_finished_runs(tmp_path):
    bench = small_bench(n_train=6, n_test=3, n_gate=0)
    run = fgo.run(bench, "simulated", method="fgo", n_subsets=2, epochs=1, log=tmp_path / "mine.sqlite")
    traces = fgo.read_traces(tmp_path / "mine.sqlite")
    assert {t.task_id for t in traces} == {task.id for task in bench.train} and run.division is not None
    for task in bench.train:
        (trace,) = [t for t in traces if t.task_id == task.id]
        assert trace == run.trajectory(task.id, "rollout") and traces.tasks[task.id].answer == task.answer
        assert task.text[:60] in traces.tasks[task.id].text


def test_runs_that_did_not_finish_are_listed(tmp_path):
    with fgo.CallLog(tmp_path / "mine.sqlite") as log:
        log.begin("run1", {}, {})
        log.finish("run1", "KeyboardInterrupt")
    with pytest.raises(ValueError, match="run run1: no trajectories: it is 'KeyboardInterrupt'"):
        fgo.read_traces(tmp_path / "mine.sqlite")
