"""llama.cpp's server with random weights: what it answers is garbage, and a run says so instead of scoring it."""

from __future__ import annotations

import subprocess
import warnings
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from processes import free_port, started

import fgo_kit as fgo
from fgo_kit.algorithm.edits import PROPOSAL_SCHEMA
from fgo_kit.benchmarks import gaia
from fgo_kit.calls.log import CallLog
from fgo_kit.calls.protocol import BadRequest, ContextOverflow, TooManyFailures

WINDOW = 32_768  # characters: each is a token
ASKED = [{"role": "system", "content": "Answer."}, {"role": "user", "content": "What is 1 + 2?"}]
LONG = "an order of crates " * 2_500


@pytest.fixture(scope="module")
def url(python, tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("llama"), free_port()
    subprocess.run([python, Path(__file__).with_name("tiny_gguf.py"), folder / "tiny.gguf"], check=True)
    command = [str(python), "-m", "llama_cpp.server", "--model", "tiny.gguf", "--n_ctx", str(WINDOW), "--port", str(port)]
    with started(command, port, "/v1/models", folder / "log") as at:
        yield f"{at}/v1"


@pytest.fixture
def llm(url):
    return fgo.load_llm("openai:tiny", base_url=url, context_window=WINDOW, max_completion=2_000)


def sums(n=16, long=()):
    rows = [{"question": f"What is {a} + {a + 1}?{LONG if a in long else ''}", "answer": 2 * a + 1} for a in range(n)]
    return fgo.from_table(pd.DataFrame(rows), score="number", instructions="Add.")


def test_an_answer_and_its_tokens(llm):
    first, again, other = (llm.complete(ASKED, sample=sample) for sample in (1, 1, 2))
    assert first == again and first.text != other.text
    sent = "".join(f"{message['role']}: {message['content']}\n" for message in ASKED) + "assistant: "
    assert abs(first.usage.prompt - len(sent)) <= 3  # marks, and a space in front
    assert (first.finish, first.model, first.usage.counter) == ("stop", "tiny", "")
    cut = fgo.load_llm("openai:tiny", base_url=llm.params["base_url"], max_completion=5).complete(ASKED)
    assert cut.finish == "length" and cut.usage.completion < 10  # it counts the text anew


def test_the_schema_is_refused_once(llm):
    with pytest.warns(UserWarning, match="refuses the schema of the answer"):
        llm.complete(ASKED, response_schema=PROPOSAL_SCHEMA)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert llm.complete(ASKED, response_schema=PROPOSAL_SCHEMA).text
    assert llm.refused == {"schema of the answer"}


def test_a_protocol_that_it_does_not_speak(url):
    with pytest.raises(BadRequest, match="404"):
        fgo.load_llm("openai:tiny", base_url=url, api="responses").complete(ASKED)


def test_a_prompt_too_long_is_an_overflow(llm):
    with pytest.raises(ContextOverflow, match=f"{WINDOW} tokens"):
        llm.complete([{"role": "user", "content": LONG}])


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_run_on_garbage_stops_with_the_reason(llm):
    with pytest.raises(TooManyFailures, match="no JSON object"):
        fgo.run(sums(), llm, n_subsets=2, log=CallLog(None))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_run_that_must_go_on_finds_no_rules_and_scores_nothing(llm):
    log = CallLog(None)
    run = fgo.run(sums(), llm, n_subsets=2, log=log, max_failures=1.0)
    assert run.score == 0 and not run.module.rules and set(run.failures()["status"]) <= {"unusable", "cut"}
    paid = log.paid(run.id)
    assert fgo.run(sums(), llm, n_subsets=2, log=log, max_failures=1.0).scores == run.scores
    assert log.paid(run.id) == paid


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_cut_answers_have_no_score(url):
    short = fgo.load_llm("openai:tiny", base_url=url, context_window=WINDOW, max_completion=8)
    with pytest.raises(TooManyFailures, match="raise max_completion"):
        fgo.run(sums(), short, n_subsets=2, log=CallLog(None))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_tasks_that_do_not_fit_are_told(llm):
    bench = sums(n=12)
    long = replace(bench.test[0], text=bench.test[0].text + LONG)
    run = fgo.run(replace(bench, test=(long, *bench.test[1:])), llm, method="base", log=CallLog(None), max_failures=0.9)
    failed = run.failures()
    assert list(failed["task"]) == [long.id] and "maximum context length" in failed["reason"].item()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_preflight_names_what_it_lacks(llm):
    whole = gaia.load()
    bench = replace(whole, train=whole.train[:2], test=whole.test[:2])
    found = fgo.preflight(bench, llm, pilot=0, log=CallLog(None), method="base", patience=600)
    checks = found.checks.set_index("check")
    assert checks.loc["tools", "outcome"] == "wrong" and "native_tools=False" in checks.loc["tools", "what_to_do"]
    assert checks.loc[["answer", "usage"], "outcome"].eq("ok").all()
