"""The trajectory browser's model: what filters find, what pages and open trajectories hold."""

import json
import math

import pytest
from helpers import small_bench

from fgo_kit.algorithm.context import Judged
from fgo_kit.calls.log import CallLog, Place
from fgo_kit.records import Component, Feedback, MergeNode, Module, Rule, Ruling, Step, Task, Trajectory, Vote
from fgo_kit.runs.result import Run
from fgo_kit.runs.run import run
from fgo_kit.runs.state import State
from fgo_kit.widgets.trajectory_entries import Filters
from fgo_kit.widgets.trajectory_filter import PAGE, Catalogue

HOSTILE = "<script>alert(1)</script>\u202e\x00\x1b[31m\ud800 javascript:alert(1)"


def judged(phase, task, score, subset="", epoch=0, answer="a", node="", cited=(), feedback="", steps=None):
    steps = (Step(f"document of {task}", f"ANSWER: {answer}"),) if steps is None else steps
    status = "ok" if not math.isnan(score) else "BadRequest: no"
    trajectory = Trajectory(task, steps, answer, score, tuple(cited), status)
    said = Feedback(task, score, feedback) if feedback else None
    return Judged(Place(phase, subset=subset, epoch=epoch, node=node, task=task), trajectory, said)


def made(record, rules=(), tasks=(), method="fgo", tree=None, **config):
    module = Module((Component("instructions", "Do it.", tuple(rules)),))
    state = State(module, list(record), [], None, tree, tuple(tasks))
    config = {
        "method": method,
        "benchmark": "tiny",
        "llm": "scripted",
        "simulated": True,
        "seed": 0,
        **config,
    }
    return Run("id", config, state, CallLog(None))


@pytest.fixture()
def catalogue():
    tasks = [
        Task("t1", "", "a", {"kind": "note"}),
        Task("t2", "", "b", {"kind": "form"}),
        Task("t10", "", "c"),
    ]
    record = [
        judged("test", "t10", float("nan")),
        judged("rollout", "t1", 0.0, "s1", 1, answer="x", feedback="look at the Footer"),
        judged("rollout", "t1", 1.0, "s1", 2, cited=["r1"]),
        judged("rollout", "t2", 1.0, "s2", 1, answer="b"),
        judged("rollout", "t2", 0.0, "s2", 2, answer="z"),
    ]
    return Catalogue([made(record, [Rule("r1", "say a", ("t2",))], tasks)])


def ids(catalogue, **choices):
    lines = (catalogue.line(number) for number in catalogue.find(Filters(**choices)))
    return [(line["task"], line["where"].split(" ")[-1]) for line in lines]


def test_rows_are_in_the_order_of_a_run_whatever_the_record(catalogue):
    assert ids(catalogue) == [("t1", "1"), ("t1", "2"), ("t2", "1"), ("t2", "2"), ("t10", "test")]


def test_each_filter_finds_what_it_names_and_they_add_up(catalogue):
    assert ids(catalogue, outcome="wrong") == [("t1", "1"), ("t2", "2")]
    assert ids(catalogue, outcome="failed") == ids(catalogue, phase="test") == [("t10", "test")]
    assert ids(catalogue, subset="s2", epoch="1") == [("t2", "1")]
    assert ids(catalogue, type="kind: form", outcome="right") == [("t2", "1")]
    assert ids(catalogue, text="footer LOOK") == [("t1", "1")]
    assert ids(catalogue, text="footer absent") == []


def test_a_rule_finds_what_cites_it_and_the_tasks_that_support_it(catalogue):
    assert ids(catalogue, rule="0:r1") == [("t1", "2"), ("t2", "1"), ("t2", "2")]
    assert ids(catalogue, rule="0:r9") == ids(catalogue, rule="7:r1") == ids(catalogue, rule="")[:0]


def test_gained_and_lost_are_against_the_first_trajectory_of_the_task(catalogue):
    assert ids(catalogue, change="gained") == [("t1", "2")]
    assert ids(catalogue, change="lost") == [("t2", "2")]
    assert catalogue.same_task(1) == [0, 1] and catalogue.line(1)["first"] == 0


def test_ids_sort_by_their_numbers_and_down_turns_the_order(catalogue):
    assert [task for task, _ in ids(catalogue, sort="task")] == ["t1", "t1", "t2", "t2", "t10"]
    assert [task for task, _ in ids(catalogue, sort="task", down=True)][0] == "t10"


def test_a_base_run_is_the_before_of_a_test_task():
    base = made([judged("test", "t1", 0.0)], method="base")
    fgo = made([judged("test", "t1", 1.0), judged("test", "t2", 0.0)])
    both = Catalogue([base, fgo])
    assert both.labels == ["base", "fgo"] and both.line(1)["change"] == "gained"
    assert both.detail(1)["others"][0]["run"] == "base"
    assert Catalogue([fgo, made([], seed=3)]).labels == ["fgo, seed 0", "fgo, seed 3"]


def test_tasks_of_other_benchmarks_are_others_though_they_share_an_id():
    both = Catalogue([made([judged("test", "t1", 0.0)]), made([judged("test", "t1", 1.0)], benchmark="other")])
    assert both.line(1)["change"] == "" and both.same_task(1) == [1]
    assert ids(both, benchmark="other") == [("t1", "test")]


def test_pages_hold_every_row_once_and_a_page_too_far_is_the_last():
    big = Catalogue([made([judged("test", f"t{i}", 1.0) for i in range(PAGE + 1)])])
    first, last = big.page(Filters()), big.page(Filters(page=99))
    assert (first["total"], first["pages"], len(first["rows"])) == (PAGE + 1, 2, PAGE)
    assert last["page"] == 1 and [line["task"] for line in last["rows"]] == [f"t{PAGE}"]


@pytest.mark.parametrize(
    "choices",
    [{"colour": "red"}, {"page": "1"}, {"down": 1}, {"sort": "size"}, {"page": True}, {"text": None}],
)
def test_a_query_that_is_none_is_refused(choices):
    with pytest.raises(ValueError, match="query|sort"):
        Filters.of(choices)


def test_facets_offer_only_what_can_be_told_apart(catalogue):
    assert [value for _, value, _ in catalogue.facets["subset"]] == ["s1", "s2"]
    assert [label for *_, label in catalogue.facets["outcome"]] == ["right (2)", "wrong (2)", "failed (1)"]
    assert ["kind", "kind: form", "form (2)"] in catalogue.facets["type"]
    assert "benchmark" not in catalogue.facets and "run" not in catalogue.facets


def test_everything_sent_to_the_page_is_json_that_any_reader_takes():
    task = Task(HOSTILE, "", HOSTILE, {HOSTILE: HOSTILE, "n": "2"})
    other = Task("t2", "", "", {HOSTILE: "else", "n": "3"})
    cites = judged(
        "test", HOSTILE, 0.0, HOSTILE, 1, HOSTILE, HOSTILE, [HOSTILE], HOSTILE, (Step(HOSTILE, HOSTILE),)
    )
    one = made(
        [cites, judged("test", "t2", 1.0)],
        [Rule(HOSTILE, HOSTILE, (HOSTILE,))],
        [task, other],
        method=HOSTILE,
    )
    hostile = Catalogue([one])
    sent = json.dumps([hostile.facets, hostile.page(Filters()), hostile.detail(0)], ensure_ascii=False)
    sent.encode("utf-8")
    assert not any(ord(mark) < 32 for mark in sent) and "\\u0000" not in sent and "\\u001b" not in sent
    for name, options in hostile.facets.items():  # what is offered finds what it says
        for _, value, _ in options:
            assert hostile.find(Filters.of({name: value})), (name, value)


def test_long_texts_are_cut_and_the_cut_is_counted():
    long = Catalogue([made([judged("test", "t1", 1.0, steps=(Step("x" * 1_000_000, "y" * 50),))])])
    shown = long.detail(0, limit=1000)
    assert (
        len(shown["steps"][0]["saw"]) == 1000
        and shown["steps"][0]["did"] == "y" * 50
        and shown["cut"] == 999_000
    )
    assert long.detail(0, limit=10**7)["cut"] == 0
    assert len(json.dumps(long.page(Filters()))) < 1000


def test_the_rules_in_force_are_those_of_the_prompt():
    found = run(small_bench(), "simulated", counts=True)
    shown = Catalogue([found])
    for number in shown.find(Filters(phase="test"))[:3]:
        rules, note = shown.rules_in_force(number)
        assert rules == [(rule.id, rule.text) for rule in found.module.rules] and "prompt" in note
    first = shown.find(Filters(phase="rollout", epoch="1"))[0]
    assert shown.rules_in_force(first) == ([], "as the agent's prompt had them")


def test_without_a_log_the_rules_are_guessed_for_the_test_alone_and_said_to_be():
    alone = Catalogue(
        [made([judged("test", "t1", 1.0), judged("audit", "t1", 1.0, node="m1")], [Rule("r1", "say a")])]
    )
    assert alone.rules_in_force(1)[0] == [("r1", "say a")] and "not in the log" in alone.rules_in_force(1)[1]
    assert alone.rules_in_force(0)[0] == [] and "not known" in alone.rules_in_force(0)[1]


def test_a_run_says_what_each_merge_did_with_each_rule():
    kept, gone, old = (
        Rule("s1.1", "keep", ("a",)),
        Rule("s1.2", "drop"),
        Rule("s2.1", "old", (), ("s2.0",), "s2/e2"),
    )
    new, harm = Rule("m1.1", "general", ("b",), ("s2.1",)), Rule("s2.2", "harm")
    module = lambda *rules: Module((Component("instructions", "", rules),))  # noqa: E731
    leaves = (MergeNode("s1", module(kept, gone)), MergeNode("s2", module(old, harm)))
    root = MergeNode("m1", module(kept, new), leaves, "merged", audited=("s2.2",))
    found = made([], [kept, new], tree=root)
    fates = {
        row.rule: (row.fate, row.at, row.into) for row in found.rules().query("node != 'm1'").itertuples()
    }
    assert fates == {
        "s1.1": ("kept", "m1", []), "s1.2": ("dropped", "m1", []), "s2.1": ("merged", "m1", ["m1.1"]),
        "s2.2": ("audited", "m1", []),
    }  # fmt: skip
    assert found.rules().query("node == 'm1' and rule == 'm1.1'")["subsets"].tolist() == [["s2"]]
    assert found.merges()["dropped"].tolist() == [["s1.2"]]


@pytest.mark.parametrize("decision", ["merged", "failed", "kept s1"])
def test_a_rule_says_what_was_decided_on_it_and_by_whom(decision):
    """A merge whose merger gave no answer of use is still edited by copies and review; one the gate refused is not."""
    module = lambda *rules: Module((Component("instructions", "", rules),))  # noqa: E731
    a, b, c = Rule("a", "x"), Rule("b", "X"), Rule("c", "y", ("t1",))
    united = Rule("m1.w1", "x", parents=("a", "b"), origin="m1")
    rulings = (Ruling("a", "unite", "words", into="m1.w1"), Ruling("b", "unite", "words", into="m1.w1"),
               Ruling("c", "drop", "review", "found in 1 subsets; votes: 2 drop"))  # fmt: skip
    votes = tuple(Vote(f"s{n}", "c", "drop", (f"t{n}",)) for n in (2, 3))
    leaves = (MergeNode("s1", module(a)), MergeNode("s2", module(b, c)))
    held = module(a) if decision == "kept s1" else module(united)
    found = made([], held.rules, tree=MergeNode("m1", held, leaves, decision, module(united), rulings=rulings, votes=votes))
    fates = found.rules().query("node != 'm1'").set_index("rule")[["fate", "why"]].T.to_dict("list")
    (merge,) = found.merges().to_dict("records")
    assert merge["rulings"][2] == {"rule": "c", "action": "drop", "by": "review", "reason": "found in 1 subsets; votes: 2 drop", "into": ""}
    assert merge["votes"][0] == {"subset": "s2", "rule": "c", "choice": "drop", "tasks": ["t2"], "text": ""} and len(merge["votes"]) == 2
    if decision == "kept s1":
        assert fates == {"a": ["kept", ""], "b": ["refused", ""], "c": ["refused", ""]} and merge["dropped"] == []
    else:
        dropped = "dropped by review: found in 1 subsets; votes: 2 drop"
        assert fates == {"a": ["merged", "united by words"], "b": ["merged", "united by words"], "c": ["dropped", dropped]}
        assert merge["dropped"] == ["c"]


def test_a_refused_merge_loses_the_rules_of_the_other_children():
    module = lambda *rules: Module((Component("instructions", "", rules),))  # noqa: E731
    a, b = Rule("s1.1", "x"), Rule("s2.1", "y")
    leaves = (MergeNode("s1", module(a)), MergeNode("s2", module(b)))
    found = made([], [a], tree=MergeNode("m1", module(a), leaves, "kept s1", module(b)))
    assert found.rules().set_index(["node", "rule"])["fate"].to_dict() == {
        ("s1", "s1.1"): "kept", ("s2", "s2.1"): "refused", ("m1", "s1.1"): "final",
    }  # fmt: skip


def test_tokens_of_the_merges_are_those_of_their_calls():
    found = run(small_bench(), "simulated", n_subsets=3, audit=4, gate="hard")
    calls = found.calls()
    at_nodes = calls[calls["phase"].isin(["merge", "review", "repair", "audit", "gate"])]
    assert found.merges()["tokens"].sum() == (at_nodes["prompt"] + at_nodes["completion"]).sum() > 0
    first = found.trajectories().iloc[0]
    assert first["expected"] == next(t.answer for t in small_bench().train if t.id == first["task"])


def test_without_a_page_the_browser_is_plain_html(monkeypatch):
    import fgo_kit as fgo

    task = Task("t1", "", "<b>", {})
    hostile = made([judged("test", "t1", 1.0, answer="<script>x</script>\x00\ud800")], tasks=[task])
    shown = fgo.browse(made([judged("test", "t1", 0.0)], method="base", tasks=[task]), hostile)
    monkeypatch.setenv("FGO_HEADLESS", "1")
    data, _ = shown._repr_mimebundle_()
    assert set(data) == {"text/plain", "text/html"} and "<script" not in data["text/html"]
    assert "gained" in data["text/html"] and "ANSWER: &lt;script&gt;" in data["text/html"]
    data["text/html"].encode("utf-8")
    monkeypatch.delenv("FGO_HEADLESS")
    assert "application/vnd.jupyter.widget-view+json" in shown._repr_mimebundle_()[0]
    with pytest.raises(TypeError, match="browse takes runs"):
        fgo.browse(hostile, "run")
