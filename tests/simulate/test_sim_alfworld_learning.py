"""The simulated LLM as evaluator, optimiser and merger of household games."""

import json
from dataclasses import replace

import pytest
from dollhouse import houses, module, of

import fgo_kit as fgo
from fgo_kit.algorithm import prompts
from fgo_kit.records import Feedback, Rule
from fgo_kit.simulate.alfworld import language as lang
from fgo_kit.simulate.alfworld.reading import read_trajectory
from fgo_kit.simulate.alfworld.reviewing import review

NULL = fgo.load_llm("simulated:null")
SMALL = fgo.load_llm("simulated:small")


def proposed(judged, known=(), llm=NULL):
    messages = prompts.propose(module(*known), [(t, r, Feedback(t.id, r.score, f)) for (t, r), f in judged])
    return json.loads(llm.complete(messages).text)["edits"]


# -- evaluator


LOST = of(
    "heat some egg and put it in cabinet.",
    ("go to countertop 1", "On the countertop 1, you see a egg 1."),
    ("take egg 1 from countertop 1", "You pick up the egg 1 from the countertop 1."),
    ("go to stoveburner 1", "On the stoveburner 1, you see nothing."),
    ("heat egg 1 with stoveburner 1", "Nothing happens."),
)
WON = of(
    "heat some egg and put it in cabinet.",
    ("go to countertop 1", "On the countertop 1, you see a egg 1."),
    ("take egg 1 from countertop 1", "You pick up the egg 1 from the countertop 1."),
    ("go to microwave 1", "The microwave 1 is closed."),
    ("heat egg 1 with microwave 1", "You heat the egg 1 using the microwave 1."),
    score=1.0, task="w",
)  # fmt: skip


def test_the_evaluator_says_which_step_went_wrong_and_where_things_were():
    text = NULL.complete(prompts.evaluate(*LOST)).text
    assert text == (
        "Wrong: the task was not done. Step 4 went wrong: the stoveburner does not heat things. "
        "The egg was found in the countertop."
    )
    assert NULL.complete(prompts.evaluate(*WON)).text.startswith("Right: the task was done.")


@pytest.mark.parametrize("rule, sentence, turns", [
    ("open", "put a mug in cabinet.", [("go to cabinet 1", "The cabinet 1 is closed."), ("go to countertop 1", "On the countertop 1, you see nothing.")]),
    ("hold", "heat some mug and put it in cabinet.", [("heat mug 1 with microwave 1", "Nothing happens.")]),
    ("repeat", "put a mug in cabinet.", [("jump", "Nothing happens."), ("jump", "Nothing happens."), ("jump", "Nothing happens.")]),
    ("second", "put two mug in cabinet.", [("take mug 1 from countertop 1", "You pick up the mug 1 from the countertop 1."), ("move mug 1 to cabinet 1", "You move the mug 1 to the cabinet 1."), ("look", "You look around.")]),
    ("finish", "put a clean mug in cabinet.", [("take mug 1 from countertop 1", "You pick up the mug 1 from the countertop 1."), ("put mug 1 in/on cabinet 1", "You put the mug 1 in/on the cabinet 1.")]),
    ("lamp", "look at mug under the desklamp.", [("examine mug 1 with desklamp 1", "Nothing happens.")]),
    ("once", "put a mug in cabinet.", [("go to countertop 1", "On the countertop 1, you see nothing."), ("go to stoveburner 1", "On the stoveburner 1, you see nothing."), ("go to countertop 1", "On the countertop 1, you see nothing.")]),
])  # fmt: skip
def test_faults_are_told_apart(rule, sentence, turns):
    task, trajectory = of(sentence, *turns)
    game = read_trajectory(prompts.evaluate(task, trajectory)[1]["content"])
    assert review(game).main.habit == rule
    edits = proposed([((task, trajectory), NULL.complete(prompts.evaluate(task, trajectory)).text)] * 1)
    assert all(lang.parse_rule(edit["text"]) for edit in edits)


def test_a_weak_evaluator_misses_causes():
    texts = [SMALL.complete(prompts.evaluate(*LOST), sample=n).text for n in range(60)]
    missed = sum("could not be told" in text for text in texts)
    assert 5 < missed < 55 and all(text.startswith("Wrong") for text in texts)


# -- optimiser and merger


def many(case, n):
    task, trajectory = case
    return [
        ((replace(task, id=f"{task.id}{i}"), replace(trajectory, task_id=f"{task.id}{i}")), "")
        for i in range(n)
    ]


def test_appliances_and_places_are_induced_from_what_the_text_shows():
    edits = proposed(many(WON, 6) + many(LOST, 2))
    texts = {edit["text"]: edit["support"] for edit in edits}
    assert texts["Heat objects with the microwave."] == [f"w{i}" for i in range(6)]
    assert set(texts["Look for an egg first in: countertop."]) == {f"w{i}" for i in range(6)} | {"t0", "t1"}


def test_a_rule_is_dropped_on_counter_evidence_and_revised_with_new_places():
    known = ["Heat objects with the stoveburner.", "Look for an egg first in: fridge."]
    edits = proposed(many(WON, 4) + many(LOST, 3), known)
    assert {"op": "drop", "id": "r1", "support": ["t0", "t1", "t2"]} in edits
    revised = next(edit for edit in edits if edit["op"] == "revise")
    assert revised["id"] == "r2" and revised["text"] == "Look for an egg first in: countertop, fridge."


def test_nothing_is_induced_from_nothing():
    task, trajectory = of("put a mug in cabinet.", ("look", "You look around."))
    assert proposed([((task, trajectory), "")]) == []


def merged(*modules):
    named = [
        (f"s{n}", houses().seed_module.with_rules({"instructions": tuple(part)}))
        for n, part in enumerate(modules)
    ]
    return json.loads(NULL.complete(prompts.merge(named)).text)["rules"]


def test_a_merge_unites_places_by_support_and_settles_conflicts():
    rules = merged(
        [Rule("a1", "Look for a mug first in: cabinet, shelf.", ("t1",)), Rule("a2", "Heat objects with the toaster.", ("t1",)),
         Rule("a3", "Sing while you work.", ("t1",))],
        [Rule("b1", "Look for a mug first in: desk.", ("t2", "t3", "t4")), Rule("b2", "Heat objects with the microwave.", ("t2", "t3")),
         Rule("b3", lang.PLAIN["open"], ("t2",))],
        [Rule("c1", "When a drawer is closed, open it.", ("t5",))],
    )  # fmt: skip
    by_text = {rule["text"]: rule["from"] for rule in rules}
    assert by_text["Look for a mug first in: desk, cabinet, shelf."] == ["a1", "b1"]
    assert by_text["Heat objects with the microwave."] == ["b2"]
    assert by_text[lang.PLAIN["open"]] == ["b3", "c1"]
    assert by_text["Sing while you work."] == ["a3"] and len(rules) == 4


def test_a_merge_of_document_rules_goes_to_the_other_competence():
    rule = 'The reference is the code that follows the label "hbl no".'
    assert merged([Rule("a", rule)], [Rule("b", rule)]) == [{"text": rule, "from": ["a", "b"]}]


def test_optimising_on_games_helps():
    bench = houses(48, 84)
    scores = {
        m: fgo.run(bench, SMALL, method=m, n_subsets=6, divide="random", workers=1).score
        for m in ("base", "fgo")
    }
    assert scores["fgo"] > scores["base"] + 0.05
