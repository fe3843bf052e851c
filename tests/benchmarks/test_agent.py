"""Anyone's own agent: what it returns becomes a trajectory, what it asks is in the ledger, what it raises is its failure."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from urllib.request import Request, urlopen

import pytest
from helpers import ScriptedLLM, job_of, take_over_all

import fgo_kit as fgo
from fgo_kit.calls.protocol import BudgetExceeded, TooManyFailures
from fgo_kit.records import Step, Trajectory

ROWS = [{"question": f"What is {n} times seven?", "answer": str(7 * n)} for n in range(1, 21)]


def teaching(messages):
    """Evaluates, proposes one rule and merges; as a player it answers what follows 'Reckon'."""
    job = job_of(messages)
    if job == "propose":
        task = messages[1]["content"].split('task="')[1].split('"')[0]
        return json.dumps({"edits": [{"op": "add", "text": "Multiply.", "support": [task]}]})
    if job == "merge":
        return take_over_all(messages)
    return "it did not multiply" if job == "evaluate" else "14"


def reckon(module_text, task):
    """Right once a rule says so."""
    n = int(task.text.split()[2])
    return str(7 * n if "Multiply" in module_text else n)


def bench(agent, rows=ROWS, **options):
    return fgo.from_table(rows, score="number", alike=1.0, agent=agent, **options)


def run_of(agent, method="base", log=None, llm=None, **options):
    tabled = {name: options.pop(name) for name in ("version", "n_test") if name in options}
    return fgo.run(bench(agent, **tabled), llm or ScriptedLLM(teaching), method=method, log=log, **options)


def test_an_agent_is_evaluated_improved_and_merged_around():
    llm = ScriptedLLM(teaching)
    run = run_of(reckon, "fgo", llm=llm, n_subsets=2, epochs=1)
    assert run.score == 1.0 and "Multiply." in str(run.module)
    assert {job_of(messages) for messages in llm.asked} == {"evaluate", "propose", "merge"}
    ledger = run.tokens().set_index("phase")
    assert ledger.loc["test", "calls"] == 7 and ledger.loc["test", "prompt"] == 0
    assert ledger.loc["test", "counter"] == "unknown" and ledger.loc["evaluate", "counter"] == "estimate"
    assert set(run.calls().query("phase == 'test'")["llm"]) == {"agent:reckon"}
    played = run.trajectory(run.division.subsets[0][0], "rollout")
    assert played.steps[0].observation.startswith("<task>\nWhat is")
    assert "tokens of the agent's own calls are not known" in repr(run) and run.row()["agent_runs"] == 17


def test_the_report_says_that_the_tokens_of_an_agents_own_calls_are_not_known():
    rows = fgo.compare(bench(reckon), ScriptedLLM(teaching), ["base"], [0, 1], progress=False)
    table = fgo.report.summary(rows)
    assert table["agent_runs"].tolist() == [7.0]
    assert fgo.report.show(table)["agent runs, tokens not known"].tolist() == ["7.0"]


async def pausing(module_text, task):
    await asyncio.sleep(0.001)
    return reckon(module_text, task)


class Service:
    async def __call__(self, module_text, task):
        return reckon(module_text, task)


@pytest.mark.parametrize("agent", [pausing, Service(), lambda module_text, task: reckon(module_text, task)])
@pytest.mark.parametrize("workers", [1, 4])
def test_async_agents_and_objects_work(agent, workers):
    assert run_of(agent, "fgo", n_subsets=2, epochs=1, workers=workers).score == 1.0


CHAT = [
    {"role": "system", "content": "the module"},
    {"role": "user", "content": "Seven?"},
    {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "times", "arguments": '{"n": 7}'}}]},
    {"role": "tool", "content": "49 <expected>"},
    {"role": "assistant", "content": [{"type": "text", "text": "49"}]},
]
LANGCHAIN = [SimpleNamespace(type="human", content="Seven?"), SimpleNamespace(type="ai", content="49", tool_calls=[])]
RETURNS = {
    "text": (" 49\n", "49", [" 49\n"], "answer"),
    "a number": (49, "49", ["49"], "answer"),
    "texts": (["I multiply", "49"], "49", ["I multiply", "49"], "turns"),
    "answer and texts": (("49", ["I multiply", "done"]), "49", ["I multiply", "done"], "turns"),
    "messages": (CHAT, "49", ['TOOL: {"tool": "times", "arguments": {"n": 7}}', "49"], "turns"),
    "a graph's state": ({"messages": LANGCHAIN}, "49", ["49"], "answer"),
    "a trajectory": (Trajectory("x", (Step("seen", "done"),), "49", info={"tool": "1"}), "49", ["done"], "answer"),
}


@pytest.mark.parametrize("case", RETURNS)
def test_what_an_agent_returns_becomes_a_trajectory(case):
    given, answer, actions, form = RETURNS[case]
    played = run_of(lambda module_text, task: given).trajectory(bench(reckon).test[0].id)
    assert (played.answer, [step.action for step in played.steps], played.form) == (answer, actions, form)
    assert played.score in (0.0, 1.0) and played.steps[0].observation
    assert "<expected>" not in "".join(step.observation for step in played.steps)


FAULTS = {
    "it raises": (lambda m, t: 1 / 0, "agent test_.*: ZeroDivisionError: division by zero"),
    "nothing": (lambda m, t: None, "the agent returned a NoneType; return a text"),
    "bytes": (lambda m, t: b"49", "the agent returned a bytes; return a text"),
    "an empty list": (lambda m, t: [], "returned an empty list"),
    "no messages": (lambda m, t: {"output": "49"}, "the agent returned a dict; return a text"),
    "a list of numbers": (lambda m, t: [4, 9], "a list with a int that is no message"),
    "no assistant": (lambda m, t: CHAT[:2], "without one of the assistant's"),
    "a time-out": (lambda m, t: exec("raise TimeoutError('slow')"), "TimeoutError: slow"),
    "an empty answer": (lambda m, t: " \n", "the agent returned an empty answer"),
    "a failure": (lambda m, t: Trajectory("x", (), "", status="failed", reason="no chair"), "no chair"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_an_agent_raises_or_returns_amiss_is_that_tasks_failure(case):
    agent, told = FAULTS[case]
    bad = bench(reckon).test[0].id
    run = run_of(lambda module_text, task: agent(module_text, task) if task.id == bad else reckon(module_text, task))
    played = run.trajectory(bad)
    assert not played.ok and played.score != played.score
    with pytest.raises(AssertionError, match=told):
        raise AssertionError(played.reason)
    assert sum(score == score for score in run.scores.values()) == 6


def test_an_agent_that_always_fails_stops_the_run_with_its_reason():
    with pytest.raises(TooManyFailures, match="division by zero"):
        run_of(lambda module_text, task: 1 / 0, "fgo", n_subsets=2)


ARGUMENTS = {
    "no function": ("mine", {}, TypeError, "agent='mine' is not callable"),
    "one argument": (lambda task: "7", {}, TypeError, r"takes other arguments; give a function \(module_text, task\)"),
    "four arguments": (lambda a, b, c, d: "7", {}, TypeError, "takes other arguments"),
    "version": (reckon, {"version": ["1"]}, TypeError, r"version=\['1'\] is no text"),
}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_what_is_no_agent_is_refused(case):
    agent, options, error, told = ARGUMENTS[case]
    with pytest.raises(error, match=told):
        bench(agent, **options)


def asking(module_text, task, llm):
    return [f"asked: {llm(task.text)}", llm.complete([{"role": "user", "content": "and now " + task.text}]).text]


async def asking_async(module_text, task, llm):
    replies = await asyncio.gather(*(llm.acomplete([{"role": "user", "content": f"{n} {task.text}"}]) for n in (1, 2)))
    return [reply.text for reply in replies]


@pytest.mark.parametrize("agent", [asking, asking_async])
@pytest.mark.parametrize("workers", [1, 4])
def test_calls_through_the_llm_given_are_in_the_ledger(agent, workers):
    async def answer(messages):
        return "14"

    run = run_of(agent, llm=fgo.wrap_llm(answer, name="mine"), log=fgo.CallLog(None), workers=workers)
    tested = run.tokens().set_index("phase").loc["test"]
    assert tested["calls"] == 14 and tested["prompt"] > 100 and tested["counter"] == "estimate"
    assert [len(run.trajectory(task.id).steps) for task in bench(reckon).test] == [2] * 7
    assert run.critical_path("calls") == 2 and "not known" not in repr(run)


@pytest.mark.parametrize("finish, status", [("length", "cut"), ("refusal", "refused")])
def test_an_answer_that_was_cut_or_refused_is_no_answer_of_an_agent_either(finish, status):
    def answer(messages):
        return fgo.Reply("it is 4", fgo.Usage(5, 5), finish)

    def passing_on(module_text, task, llm):
        return llm(task.text)

    run = run_of(passing_on, llm=fgo.wrap_llm(answer, name=finish), max_failures=1.0)
    assert len(run.failures()) == 7 and set(run.failures()["status"]) == {status}


@pytest.mark.parametrize("given", ["<think>maybe 4</think>\n49", ["<think>hm</think>I multiply", "<think>4?</think> 49"], ("<think>4</think>49", ["I multiply", "done"])])
def test_what_an_agent_thinks_is_neither_answer_nor_step(given):
    played = run_of(lambda module_text, task: given).trajectory(bench(reckon).test[0].id)
    assert played.answer == "49" and not any("think" in step.action for step in played.steps)


def test_the_expected_answer_is_hidden_from_an_agent():
    seen = []
    run_of(lambda module_text, task: seen.append(task) or "1")
    assert len(seen) == 7 and {task.answer for task in seen} == {""}


@pytest.mark.parametrize("agent", [reckon, asking])
def test_a_version_keeps_results_for_other_runs_and_none_asks_again(agent, tmp_path):
    asked, log = [], tmp_path / "log.sqlite"

    def counting(module_text, task, llm):
        asked.append(task.id)
        return agent(module_text, task, *([llm] if agent is asking else []))

    runs = [run_of(counting, log=log, version=version) for version in ("1", "1", "2")]
    assert runs[0].id == runs[1].id != runs[2].id and len(asked) == 14
    asked.clear()
    other = run_of(counting, log=log, version="1", n_test=5)  # another run, which plays some of the same tasks
    assert not asked and set(other.scores.items()) < set(runs[0].scores.items())
    ledgers = [run.tokens().set_index("phase").loc["test"] for run in (runs[0], other)]
    assert ledgers[1]["paid_calls"] == 0 and ledgers[1]["calls"] * 7 == ledgers[0]["calls"] * 5
    assert ledgers[1]["prompt"] < ledgers[0]["prompt"] or agent is reckon
    for _ in range(2):
        run_of(counting, log=log)
    assert len(asked) == 14


def test_a_version_can_be_the_functions_own():
    def mine(module_text, task):
        return "7"

    mine.version = 3
    assert bench(mine).fingerprint == bench(mine).fingerprint != bench(mine, version="4").fingerprint
    assert bench(reckon).fingerprint != bench(reckon).fingerprint


def test_an_agent_cannot_swallow_the_end_of_a_budget():
    def stubborn(module_text, task, llm):
        try:
            return llm(task.text)
        except Exception:
            return "7"

    with pytest.raises(BudgetExceeded):
        run_of(stubborn, budget_calls=3, workers=1)


class Answering(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps({"answer": reckon(asked["module"], SimpleNamespace(text=asked["question"]))}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_an_agent_behind_a_local_server():
    server = HTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def remote(module_text, task):
        asked = json.dumps({"module": module_text, "question": task.text}).encode()
        with urlopen(Request(f"http://127.0.0.1:{server.server_port}", asked), timeout=5) as answer:
            return json.load(answer)["answer"]

    try:
        assert run_of(remote, "fgo", n_subsets=2, epochs=1).score == 1.0
    finally:
        server.shutdown()
        server.server_close()
