"""What a run gives away: prompt, exports, a saved run, a log for Inspect; and nothing of private tasks in any of them."""

import json
import math
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest
from helpers import ScriptedLLM, TinyBench, job_of, module, small_bench

import fgo_kit as fgo
from fgo_kit.records import Rule, Task
from fgo_kit.runs.export import facts, prompt


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    bench = small_bench(n_train=12, n_test=6)
    return fgo.run(bench, "simulated", n_subsets=3, gate="soft", counts=True, log=tmp_path_factory.mktemp("log") / "a.sqlite")


def test_a_prompt_is_the_preambles_and_rules_without_ids(run):
    text = run.prompt()
    assert run.module.rules and all(" ".join(rule.text.split()) in text and f"[{rule.id}]" not in text for rule in run.module.rules)
    two = fgo.Module((fgo.Component("a", "Do.\n", (Rule("x1", "If\n so, do."),)), fgo.Component("b", "", ()), fgo.Component("c", "", (Rule("x2", "B."),))))
    assert prompt(two) == "Do.\n- If so, do.\n\n- B."


def test_markdown_and_json_hold_every_rule_with_its_support(run, tmp_path):
    text = run.export(tmp_path / "new" / "prompt.md").read_text(encoding="utf-8")
    held = json.loads(run.export(tmp_path / "prompt.json", format="json").read_text(encoding="utf-8"))
    assert run.prompt() in text and "simulated LLM" in text and held["prompt"] == run.prompt()
    assert [rule["id"] for rule in held["rules"]] == [rule.id for rule in run.module.rules]
    assert held["rules"][0]["support"] == list(run.module.rules[0].support) and held["score"] == run.score
    assert all(task_id in text for rule in run.module.rules for task_id in rule.support)


def test_a_skill_is_a_folder_that_agents_read(run, tmp_path):
    folder = run.export(tmp_path / "My Skill!", format="skill")
    _, head, body = (folder / "SKILL.md").read_text(encoding="utf-8").split("---\n", 2)
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    assert fields["name"] == "my-skill" and json.loads(fields["description"]).startswith("Rules learnt for tasks of LogisticsQA")
    assert run.prompt() in body and "references/provenance.md" in body
    assert run.module.rules[0].id.replace("_", "\\_") in (folder / "references" / "provenance.md").read_text(encoding="utf-8")


def test_rules_are_no_markup_in_tables(tmp_path):
    hostile = Rule("r1", "a | b <script>alert(1)</script>\n# [x](http://y)", ("t|1",))
    bench = TinyBench(test=(Task("t1", "x", "y"),), seed_module=module(hostile))
    run = fgo.run(bench, ScriptedLLM(lambda messages: "ANSWER: y", name="own:model"), method="base")
    table = run.export(tmp_path / "a.md").read_text(encoding="utf-8").split("# Provenance")[1]
    assert "<script>" not in table and "[x](" not in table and sum(line.startswith("| ") for line in table.splitlines()) == 2


def test_unknown_formats_are_named(run, tmp_path):
    with pytest.raises(ValueError, match=r"format='pdf' is unknown; use one of \['markdown', 'json', 'skill', 'inspect'\]"):
        run.export(tmp_path / "a.pdf", format="pdf")


# -- saved runs


def same(one: pd.DataFrame, other: pd.DataFrame):
    pd.testing.assert_frame_equal(one, other)


def test_a_saved_run_is_opened_elsewhere_as_it_was(run, tmp_path):
    loaded = fgo.load_run(run.save(tmp_path / "deep" / "mine"))
    for table in ("tokens", "calls", "trajectories", "rules", "merges", "failures"):
        same(getattr(loaded, table)(), getattr(run, table)())
    same(loaded.tokens(by="llm"), run.tokens(by="llm"))
    assert loaded.score == run.score and loaded.ci == run.ci and loaded.module == run.module and loaded.config == json.loads(json.dumps(run.config))
    assert repr(loaded) == repr(run) and loaded.row() == run.row() and loaded.critical_path("calls") == run.critical_path("calls")
    assert loaded.prompt() == run.prompt() and loaded._repr_html_() == run._repr_html_()
    same(fgo.load_run(loaded.save(tmp_path / "again")).calls(), run.calls())


def test_another_process_without_the_log_opens_it(run, tmp_path):
    folder = run.save(tmp_path / "mine")
    code = f"import fgo_kit as fgo; r = fgo.load_run({str(folder)!r}); print(r.score, len(r.calls()), len(r.merges()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.stdout.split() == [str(run.score), str(len(run.calls())), str(len(run.merges()))], done.stderr


def test_a_run_without_failures_merges_or_calls_is_saved_too(tmp_path):
    bench = small_bench(n_train=4, n_test=3)
    for method in ("base", "always_none"):
        plain = fgo.run(bench, "simulated", method=method)
        loaded = fgo.load_run(plain.save(tmp_path / method))
        same(loaded.calls(), plain.calls())
        same(loaded.failures(), plain.failures())
        assert loaded.score == plain.score


def test_a_loaded_run_can_be_browsed_and_merged_by_hand(run, tmp_path):
    loaded = fgo.load_run(run.save(tmp_path / "mine"))
    assert fgo.browse(loaded) is not None
    assert fgo.MergeStepper(loaded, small_bench(n_train=12, n_test=6), "simulated") is not None


@pytest.mark.parametrize("content, says", [
    ("{", "cannot be opened"), ("[]", "no saved run"), ('{"fgo_run": 99}', "format 99, and this fgo_kit reads up to 2"), ("{}", "no saved run"),
    ('{"fgo_run": 1, "id": "a"}', "damaged"), ("\x00", "cannot be opened"), ("[" * 100_000, "no saved run|cannot be opened"),
])  # fmt: skip
def test_damaged_folders_are_answered_clearly(tmp_path, content, says):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ValueError, match=says) as error:
        fgo.load_run(tmp_path)
    assert "run.json" in str(error.value)
    with pytest.raises(FileNotFoundError, match="holds no saved run"):
        fgo.load_run(tmp_path / "absent")


def test_parts_of_a_saved_run_of_another_kind_are_refused(run, tmp_path):
    whole = json.loads((run.save(tmp_path) / "run.json").read_text(encoding="utf-8"))
    for change in ({"state": {"module": 3}}, {"tables": {"calls": []}}, {"tables": {**whole["tables"], "calls": [{"a": "nonsense"}, {"a": [1]}]}}):
        (tmp_path / "run.json").write_text(json.dumps({**whole, **change}))
        with pytest.raises(ValueError, match="run.json"):
            fgo.load_run(tmp_path)


# -- Inspect


def test_a_log_for_inspect_is_read_back_by_our_own_reader(run, tmp_path):
    path = run.export(tmp_path / "log.json", format="inspect")
    traces = fgo.read_traces(path)
    assert {t.task_id: t.score for t in traces} == run.scores
    log = json.loads(path.read_text(encoding="utf-8"))
    assert log["results"]["scores"][0]["metrics"]["mean"]["value"] == run.score and log["eval"]["metadata"]["prompt"] == run.prompt()
    with pytest.raises(ValueError, match="must end in .json"):
        run.export(tmp_path / "log.eval", format="inspect")


def test_inspect_itself_reads_it(run, tmp_path):
    log = pytest.importorskip("inspect_ai.log", reason="needs inspect_ai, which is no part of this environment")
    read = log.read_eval_log(str(run.export(tmp_path / "log.json", format="inspect")))
    assert read.status == "success" and len(read.samples) == 6 and read.samples[0].messages[1].role == "assistant"
    assert {sample.id: sample.scores["fgo_kit"].value for sample in read.samples} == run.scores


# -- private tasks

SECRETS = ("QUESTION-k3x9", "ANSWER-p7w2", "REPLY-z5q8", "FEEDBACK-m4t6", "ERROR-b8n1")


def private_run(folder, **choices):
    """A run on private tasks in which every text of a task, an answer, a review and an error bears a mark."""
    split = lambda name: tuple(Task(f"{name}{n}", f"{SECRETS[0]} {n}", SECRETS[1], {"level": "1"}, private=True) for n in range(4))  # noqa: E731

    def reply(messages):
        job = job_of(messages)
        if job == "propose":
            return json.dumps({"edits": [{"op": "add", "component": "instructions", "text": "Look twice.", "support": ["train1"]}]})
        if job == "act" and f"{SECRETS[0]} 3" in messages[-1]["content"]:
            return fgo_error()
        return SECRETS[3] if job == "evaluate" else f"THOUGHT: {SECRETS[2]}\nANSWER: {SECRETS[1]}"

    bench = TinyBench(train=split("train"), gate=split("gate"), test=split("test"))
    return fgo.run(bench, ScriptedLLM(reply, name="own:model"), method="all_at_once", log=folder / "log.sqlite", max_failures=0.5, **choices)


def fgo_error():
    from fgo_kit.calls.protocol import BadRequest

    return BadRequest(f"the prompt was refused: {SECRETS[4]} {SECRETS[0]}")


def test_nothing_that_is_written_holds_a_text_of_a_private_task(tmp_path):
    run = private_run(tmp_path)
    assert run.module.rules and run.failures()["reason"].str.contains(SECRETS[4]).any()
    out = tmp_path / "out"
    run.save(out / "saved")
    run.export(out / "a.md")
    run.export(out / "a.json", "json")
    run.export(out / "skill", "skill")
    run.export(out / "inspect.json", "inspect")
    written = [path for path in out.rglob("*") if path.is_file()]
    assert len(written) == 6
    for path in written:
        text = path.read_text(encoding="utf-8")
        assert not [mark for mark in SECRETS if mark in text], path
        assert "Look twice." in text
    loaded = fgo.load_run(out / "saved")
    same(loaded.trajectories(), run.trajectories())
    assert loaded.scores.keys() == run.scores.keys() and math.isclose(loaded.score, run.score)
    assert loaded.trajectory("test0").private and replace(loaded.state.tasks[0], answer="") == replace(run.state.tasks[0], answer="")
    assert facts(run)["run"] == run.id


def test_a_table_is_saved_into_a_folder_of_ones_own(tmp_path):
    path = fgo.report.save("mine", pd.DataFrame({"a": [1.0]}), folder=tmp_path / "new" / "results")
    assert path == tmp_path / "new" / "results" / "mine.csv" and path.read_text() == "a\n1.0000\n"
    assert (tmp_path / "new" / "results" / "mine.json").is_file()
