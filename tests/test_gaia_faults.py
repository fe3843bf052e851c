"""GAIA where something goes wrong: failed rollouts, failing machinery, odd folders, files made to take for ever."""

import pytest
from gaia_folder import write_jsonl
from helpers import ScriptedLLM, context

from fgo_kit.benchmarks import gaia
from fgo_kit.llm import BadRequest
from fgo_kit.meter import Place
from fgo_kit.records import Feedback
from fgo_kit.rollout import rollout
from fgo_kit.toolcalls import call_text

CALL = call_text("calculator", {"expression": "6 * 7"})


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    return write_jsonl(tmp_path_factory.mktemp("official") / "validation")


def played(bench, answer):
    return rollout(context(ScriptedLLM(answer), bench), bench.seed_module, bench.test[0], Place("test"))


@pytest.mark.parametrize("show", [False, True])
def test_a_failed_rollout_of_a_private_task_shows_nothing_of_it(official, show):
    def answer(messages):
        if len(messages) > 2:
            raise BadRequest("refused")
        return CALL

    bench = gaia.load(official, show=show)
    trajectory = played(bench, answer)
    assert trajectory.status == "BadRequest: refused" and len(trajectory.steps) == 1
    question = bench.test[0].text.partition("\n")[0]
    assert (question in trajectory._repr_html_()) is show
    assert show or question not in repr(trajectory)


def test_feedback_is_not_in_the_representation():
    assert repr(Feedback("t1", 0.0, "the answer is 1821")) == "Feedback(task_id='t1', score=0.0)"


def test_the_fingerprint_tells_options_apart_that_make_runs_differ(official):
    ways = [{}, {"show": True}, {"web": str.upper}, {"web": str.lower}, {"unsafe": True}]
    found = [gaia.load(official, **options).fingerprint for options in ways]
    assert len(set(found)) == len(ways)
    assert gaia.load(official, web=str.upper).fingerprint == found[2]
