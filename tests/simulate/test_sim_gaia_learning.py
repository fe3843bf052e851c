"""The simulated LLM as evaluator, optimiser and merger of questions about files."""

import json
from dataclasses import replace

import numpy as np
import pytest
from ledgers import ORDERS, QUESTION, bench, module, played

import fgo_kit as fgo
from fgo_kit.algorithm import prompts
from fgo_kit.records import Feedback, Rule
from fgo_kit.simulate.gaia.language import PLAIN, parse_rule
from fgo_kit.simulate.gaia.reading import read_trajectory
from fgo_kit.simulate.gaia.reviewing import review

NULL = fgo.load_llm("simulated:null")
SMALL = fgo.load_llm("simulated:small")
FILES = {"orders.csv": ORDERS}
CLEAN = ORDERS.replace("A4,Lund,paid,20\nA4,Lund,paid,20\n", "A4,Lund,paid,20\nA6,Lund,paid,9\n")
MARKED = 'Leave out rows marked "cancelled".'


def judged(case, text="", llm=NULL):
    task, trajectory = case
    said = text or llm.complete(prompts.evaluate(task, trajectory)).text
    return task, trajectory, Feedback(task.id, trajectory.score, said)


def proposed(cases, rules=(), notes=(), llm=NULL, counts=False):
    shown = module(rules, notes) if not isinstance(rules, fgo.Module) else rules
    return json.loads(llm.complete(prompts.propose(shown, cases, counts=counts)).text)["edits"]


def many(n, *arguments, **options):
    return [judged(played(*arguments, **options, task=f"t{i}")) for i in range(n)]


# -- evaluator


def seen(case):
    text = prompts.evaluate(*case)[1]["content"]
    return review(read_trajectory(text), case[0].answer)


def test_the_smallest_treatment_that_gives_the_right_answer_is_found():
    found = seen(played(QUESTION, {"orders.csv": CLEAN}, "76", "69"))
    assert set(found.alternatives) == {frozenset({"skip"}), frozenset({"skip=cancelled"})}
    both = seen(played(QUESTION, FILES, "87", "60")).alternatives
    assert frozenset({"skip", "once"}) in both and all(len(one) == 2 for one in both)


def test_treatments_that_would_spoil_a_right_answer_are_seen_and_whether_they_could_yield():
    asked = QUESTION.replace("from Lund", "from Lund, whatever their status")
    found = seen(played(asked, {"orders.csv": CLEAN}, "76", "76"))
    assert found.alternatives == () and {"skip", "skip=cancelled"} <= found.breaks and "skip" in found.heeded
    plain = seen(played(QUESTION, {"orders.csv": CLEAN}, "76", "76"))
    assert "skip" in plain.breaks and "skip" not in plain.heeded


@pytest.mark.parametrize("given, expected, missing", [
    ("69 EUR", "69", "form"), ("4.4999", "4.5", "round"), ("Ann, Bob", "Bob, Ann", "order"), ("Ann and Bob", "Ann, Bob", "form"),
])  # fmt: skip
def test_the_form_of_the_answer_is_told_from_the_answer_alone(given, expected, missing):
    assert seen(played(QUESTION, FILES, given, expected)).alternatives == (frozenset({missing}),)


def test_an_answer_that_nothing_explains_leaves_doubts_and_hints():
    files = {"orders.csv": CLEAN, "notes.md": "Nothing to add."}
    found = seen(played(QUESTION, files, "76", "123456", unread=("notes.md",)))
    assert found.alternatives == () and "skip" in found.doubts and found.hints == ("notes",)


def test_the_feedback_names_the_rules_that_were_missing():
    task, trajectory = played(QUESTION, FILES, "87", "67")
    text = NULL.complete(prompts.evaluate(task, trajectory)).text
    assert text.startswith("Wrong: the right answer is 67.") and PLAIN["once"] in text
    right = NULL.complete(prompts.evaluate(*played(QUESTION, FILES, "67", "67"))).text
    assert right == "Right: the answer is as expected."


def test_a_weak_evaluator_misses_causes():
    task, trajectory = played(QUESTION, FILES, "87", "67")
    texts = [SMALL.complete(prompts.evaluate(task, trajectory), sample=n).text for n in range(60)]
    missed = sum("could not be told" in text for text in texts)
    assert 5 < missed < 58 and all(text.startswith("Wrong") for text in texts)


# -- optimiser


def test_rules_are_induced_into_their_components_with_their_support():
    cases = many(3, QUESTION, FILES, "87", "67") + many(2, QUESTION, FILES, "67 EUR", "67")
    edits = {edit["text"]: edit for edit in proposed(cases)}
    assert edits[PLAIN["once"]]["component"] == "instructions" and edits[PLAIN["once"]]["support"] == ["t0", "t1", "t2"]
    assert edits[PLAIN["form"]]["support"] == ["t0", "t1"]
    ran = 'THOUGHT: I run it.\nTOOL: {"tool": "run_python", "arguments": {"code": "x"}}'
    code = {"job.py": "print(1)  # 2"}
    wrong = many(2, "What does job.py print?", code, "2", "1")
    task, trajectory = played("What does job.py print?", code, "1", "1", task="ok")
    steps = (replace(trajectory.steps[0], action=ran), replace(trajectory.steps[1], observation=tool("1")))
    learned = proposed([*wrong, judged((task, replace(trajectory, steps=steps)))])
    assert [(edit["component"], edit["text"]) for edit in learned] == [("tool_notes", PLAIN["run"])]


def tool(text):
    return f'<tool_result tool="run_python" untrusted="true">\n{text}\n</tool_result>'


def test_reading_on_is_learnt_only_where_it_made_a_difference():
    files = {"orders.csv": CLEAN, "notes.md": "Nothing to add."}
    wrong = [judged(played(QUESTION, files, "1", "77777", task=f"w{n}", unread=("notes.md",))) for n in range(4)]
    assert proposed(wrong) == []
    right = [judged(played(QUESTION, files, "76", "76", task=f"r{n}")) for n in range(4)]
    assert PLAIN["notes"] in [edit["text"] for edit in proposed(wrong + right)]


def test_a_rule_with_exceptions_is_revised_and_a_harmful_one_is_dropped():
    asked = QUESTION.replace("from Lund", "from Lund, including cancelled ones")
    exceptions = many(3, asked, {"orders.csv": CLEAN}, "69", "76")
    (edit,) = proposed(exceptions, [PLAIN["skip"]])
    assert (edit["op"], edit["id"]) == ("revise", "r1") and parse_rule(edit["text"]).unless
    against = many(3, QUESTION, {"orders.csv": CLEAN}, "69", "76")
    assert proposed(against, [PLAIN["skip"]]) == [{"op": "drop", "id": "r1", "support": ["t0", "t1", "t2"]}]


def test_nothing_is_learnt_from_answers_that_belong_elsewhere():
    cases = [judged(played(QUESTION, {"orders.csv": CLEAN}, "76", str(70_000 + n), task=f"t{n}")) for n in range(12)]
    assert proposed(cases) == []


def test_a_mark_joins_the_rule_that_names_others():
    case = many(2, QUESTION, {"orders.csv": CLEAN.replace("cancelled", "on hold")}, "76", "69")
    (edit,) = proposed(case, ['Leave out rows marked "lost".'])
    assert edit["op"] == "revise" and edit["text"] == 'Leave out rows marked "lost" or "on hold".'


# -- merger


def merged(*modules, llm=NULL):
    named = [
        (f"s{n}", module().with_rules({"instructions": tuple(part), "tool_notes": tuple(notes)}))
        for n, (part, notes) in enumerate(modules)
    ]
    return json.loads(llm.complete(prompts.merge(named)).text)["rules"]


def test_a_merge_unites_duplicates_marks_and_exceptions_and_keeps_what_it_cannot_read():
    rules = merged(
        ([Rule("a1", MARKED, ("t1",)), Rule("a2", PLAIN["once"], ("t1",))], [Rule("a3", PLAIN["run"], ("t1",))]),
        ([Rule("b1", "Ignore void orders.", ("t2",)), Rule("b2", "Drop duplicate rows.", ("t2", "t3"))], []),
        ([Rule("c1", PLAIN["scale"][:-1] + ", unless the question or a note says otherwise.", ("t4",)),
          Rule("c2", "Be kind.", ("t4",))], [Rule("c3", PLAIN["run"], ("t5",))]),
        ([Rule("d1", PLAIN["scale"], ("t6",))], []),
    )  # fmt: skip
    by_text = {rule["text"]: rule["from"] for rule in rules}
    assert by_text['Leave out rows marked "cancelled" or "void".'] == ["a1", "b1"]
    assert by_text[PLAIN["once"]] == ["a2", "b2"] and by_text[PLAIN["run"]] == ["a3", "c3"]
    assert by_text["Be kind."] == ["c2"] and len(rules) == 5
    assert by_text[PLAIN["scale"][:-1] + ", unless the question or a note says otherwise."] == ["c1", "d1"]


def test_a_rule_that_was_wrong_far_more_often_than_right_is_left_out():
    named = [("s0", module().with_rules({"instructions": (Rule("a", PLAIN["once"], wrong=9), Rule("b", PLAIN["keys"], right=3))}))]
    rules = json.loads(NULL.complete(prompts.merge([*named, ("s1", module())], counts=True)).text)["rules"]
    assert [rule["from"] for rule in rules] == [["b"]]


def test_games_and_documents_keep_their_own_merger():
    rule = "Look for a mug first in: desk."
    assert merged(([Rule("a", rule)], []), ([Rule("b", rule)], [])) == [{"text": rule, "from": ["a", "b"]}]


# -- all together


def test_optimising_helps_and_both_modes_work(tmp_path):
    ledgers = bench(tmp_path, 72)
    scores = {m: fgo.run(ledgers, NULL, method=m, n_subsets=3, divide="random", workers=1) for m in ("base", "fgo")}
    assert 0.2 <= scores["base"].score <= 0.8 and scores["fgo"].score >= scores["base"].score + 0.2
    assert {"skip", "once"} <= {parse_rule(rule.text).kind for rule in scores["fgo"].module.rules}
    rewritten = fgo.run(ledgers, NULL, method="fgo", n_subsets=3, divide="random", workers=1, edits=False)
    assert rewritten.score >= scores["base"].score + 0.2


def test_answers_dealt_out_anew_teach_nothing(tmp_path):
    ledgers = bench(tmp_path, 72, seed=1)
    order = np.random.default_rng(0).permutation(len(ledgers.train))
    train = tuple(replace(t, answer=ledgers.train[at].answer) for t, at in zip(ledgers.train, order, strict=True))
    scores = {m: fgo.run(replace(ledgers, train=train), NULL, method=m, n_subsets=3, workers=1).score
              for m in ("base", "fgo", "all_at_once", "bootstrapping")}  # fmt: skip
    assert max(scores.values()) <= scores["base"] + 0.05
