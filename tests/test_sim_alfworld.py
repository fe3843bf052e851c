"""The simulated LLM's competence for household games, on a doll's house that needs no engine."""

import json
import time
from dataclasses import replace

import pytest
from dollhouse import HOMES, KITCHEN, house, houses
from helpers import context
from hypothesis import given
from hypothesis import strategies as st

import fgo_kit as fgo
from fgo_kit import prompts
from fgo_kit.meter import Place
from fgo_kit.records import Feedback, Rule, Step, Task, Trajectory
from fgo_kit.rollout import rollout
from fgo_kit.simulate.alfworld import read_chat, read_trajectory, review
from fgo_kit.simulate.alfworld import language as lang
from fgo_kit.simulate.alfworld.reading import Goal, read_action, read_goal, read_result, read_scene, remember

NULL = fgo.load_llm("simulated:null")
SMALL = fgo.load_llm("simulated:small")
HABITS = [*lang.PLAIN.values(), "Clean objects with the sinkbasin.", "Heat objects with the microwave.",
          "Cool objects with the fridge.", "To look at an object in the light, hold it and use the desklamp."]  # fmt: skip
SHELVES = [lang.render(lang.Rule("find", thing, tuple(home.split()[0] for home in homes))) for thing, homes in HOMES.items()]


def module(*texts, bench=None):
    rules = tuple(Rule(f"r{number}", text) for number, text in enumerate(texts, 1))
    return (bench or houses()).seed_module.with_rules({"instructions": rules})


def play(texts=(), n=56, llm=NULL, **options):
    bench = replace(houses(0, n), **options)
    ctx = context(llm, bench)
    return [rollout(ctx, module(*texts), task, Place("test", task=task.id)) for task in bench.test]


def mean(trajectories):
    return sum(t.score for t in trajectories) / len(trajectories)


def of(sentence, *turns, room="cabinet 1, a countertop 1, a microwave 1, and a stoveburner 1", score=0.0, task="t"):
    """(task, trajectory) of a game told as (action, result) pairs."""
    scene = f"You are in the middle of a room. Looking quickly around you, you see a {room}.\n\nYour task is to: {sentence}"
    seen = [prompts.section("scene", scene), *(prompts.section("result", result) for _, result in turns)]
    steps = tuple(Step(shown, f"THOUGHT: so\nANSWER: {action}") for shown, (action, _) in zip(seen, turns, strict=False))
    return Task(task, sentence, "done"), Trajectory(task, steps, "", score, info={"final": turns[-1][1]})


def proposed(judged, known=(), llm=NULL):
    messages = prompts.propose(module(*known), [(t, r, Feedback(t.id, r.score, f)) for (t, r), f in judged])
    return json.loads(llm.complete(messages).text)["edits"]


# -- reading


@pytest.mark.parametrize("sentence, goal", [
    ("put a mug in shelf.", Goal("", "mug", "shelf")),
    ("put some toiletpaper on toiletpaperhanger.", Goal("", "toiletpaper", "toiletpaperhanger")),
    ("look at pillow under the desklamp.", Goal("look", "pillow", "desklamp")),
    ("examine the cd with the desklamp.", Goal("look", "cd", "desklamp")),
    ("put a clean soapbar in garbagecan.", Goal("clean", "soapbar", "garbagecan")),
    ("clean some cloth and put it in drawer.", Goal("clean", "cloth", "drawer")),
    ("put a hot apple in fridge.", Goal("heat", "apple", "fridge")),
    ("heat some egg and put it in garbagecan.", Goal("heat", "egg", "garbagecan")),
    ("put a cool pan in stoveburner.", Goal("cool", "pan", "stoveburner")),
    ("cool some tomato and put it in microwave.", Goal("cool", "tomato", "microwave")),
    ("put two pen in drawer.", Goal("", "pen", "drawer", 2)),
    ("find two book and put them in dresser.", Goal("", "book", "dresser", 2)),
    ("Place a washed plate onto the counter top", Goal("clean", "plate", "countertop")),
    ("put two books on the shelves", Goal("", "book", "shelf", 2)),
    ("whistle a tune", None),
])  # fmt: skip
def test_goals_are_read_from_sentences(sentence, goal):
    assert read_goal(sentence) == goal


def test_memory_follows_what_was_shown():
    shown = remember([
        ("go to cabinet 1", "You arrive at cabinet 1. The cabinet 1 is closed."),
        ("open cabinet 1", "You open the cabinet 1. The cabinet 1 is open. In it, you see a mug 1, and a mug 2."),
        ("take mug 2 from cabinet 1", "You pick up the mug 2 from the cabinet 1."),
        ("go to shelf 9", "Nothing happens."),
        ("heat mug 2 with microwave 1", "Nothing happens."),
    ])  # fmt: skip
    assert shown.held == ["mug 2"] and shown.where("mug") == [("mug 1", "cabinet 1")]
    assert not shown.closed["cabinet 1"] and shown.failed["heat mug 2 with microwave 1"] == 1
    assert "shelf 9" in shown.here  # the same place under another name


@pytest.mark.parametrize("action, read", [
    ("put mug 1 in/on shelf 2", ("put", "mug 1", "shelf 2")), ("move mug 1 to shelf 2", ("put", "mug 1", "shelf 2")),
    ("Take  mug 1 from shelf 2", ("take", "mug 1", "shelf 2")), ("go to desk 1", ("go", "desk 1", "")),
    ("dance", ("", "dance", "")),
])  # fmt: skip
def test_both_grammars_are_read(action, read):
    assert read_action(action) == read


@pytest.mark.parametrize("text, shown", [
    ("You arrive at loc 24. drawer 4 is closed.", (("drawer 4", None),)),
    ("You open drawer 4. In drawer 4, you see nothing.", (("drawer 4", ()),)),
    ("You open the safe 1. The safe 1 is open. In it, you see a pen 1, and a cd 2.", (("safe 1", ("pen 1", "cd 2")),)),
    ("You arrive at desk 1. On the desk 1, you see a mug 1.", (("desk 1", ("mug 1",)),)),
    ("On dresser 1, you see remotecontrol 1, and television 1.", (("dresser 1", ("remotecontrol 1", "television 1")),)),
    ("drawer 4 is open. In it, you see nothing.", (("drawer 4", ()),)),
    ("You are facing drawer 4(is open). Next to it, you see nothing.", ()),
    ("You pick up the mug 1 from the desk 1.", ()),
])  # fmt: skip
def test_results_are_read_in_every_wording_of_the_games(text, shown):
    assert read_result(text) == shown


def test_a_chat_and_its_trajectory_show_the_same_game():
    (task, trajectory) = of("put a mug in cabinet.", ("go to countertop 1", "On the countertop 1, you see a mug 1."),
                            ("take mug 1 from countertop 1", "You pick up the mug 1 from the countertop 1."))  # fmt: skip
    chat = []
    for step in trajectory.steps:
        chat += [{"role": "user", "content": step.observation}, {"role": "assistant", "content": step.action}]
    chat.append({"role": "user", "content": prompts.section("result", trajectory.info["final"])})
    assert read_chat(chat) == read_trajectory(prompts.evaluate(task, trajectory)[1]["content"])


# -- rules


places = st.lists(st.from_regex(r"[a-z]{1,14}", fullmatch=True), min_size=1, max_size=5, unique=True).map(tuple)
rules = st.one_of(
    st.sampled_from(sorted(lang.PLAIN)).map(lang.Rule),
    st.builds(lang.Rule, st.just("find"), st.from_regex(r"[a-z]{1,14}", fullmatch=True), places),
    st.builds(lang.Rule, st.sampled_from(["clean", "heat", "cool", "lamp"]), st.just(""), places.map(lambda p: p[:1])),
)


@given(rules)
def test_a_rendered_rule_is_parsed_back(rule):
    assert lang.parse_rule(lang.render(rule)) == rule


@pytest.mark.parametrize("typed, rule", [
    ("Mugs are usually found in the cabinets or on a shelf", lang.Rule("find", "mug", ("cabinet", "shelf"))),
    ("look for the knife first in drawers, then on the counter top", lang.Rule("find", "knife", ("drawer", "countertop"))),
    ("Search for a 'pencil' in: desk, drawer.", lang.Rule("find", "pencil", ("desk", "drawer"))),
    ("When a cabinet is closed, open it.", lang.Rule("open")),
    ("Always open closed drawers first!", lang.Rule("open")),
    ("Use the microwave to heat food.", lang.Rule("heat", "", ("microwave",))),
    ("wash things in the sink basin", lang.Rule("clean", "", ("sinkbasin",))),
    ("Cool objects using the fridge before placing them", lang.Rule("finish")),
    ("Never try the same action again if nothing happened", lang.Rule("repeat")),
    ("Don't search the same receptacle twice", lang.Rule("once")),
    ("If the task wants two objects, bring the second one too", lang.Rule("second")),
    ("Pick up the object before heating it", lang.Rule("hold")),
    ("Go to the sinkbasin before you clean", lang.Rule("go")),
    ("Turn on the desk lamp while holding the object", lang.Rule("lamp", "", ("desklamp",))),
    ("Be polite.", None),
    ("", None),
])  # fmt: skip
def test_rules_typed_by_people_are_read(typed, rule):
    assert lang.parse_rule(typed) == rule


# -- the player


def test_rules_help_and_both_grammars_are_played():
    base, told = mean(play()), mean(play(HABITS + SHELVES))
    assert 0.2 <= base <= 0.85 and told >= 0.97
    assert mean(play(HABITS + SHELVES, old_grammar=True)) >= 0.97
    assert abs(mean(play(old_grammar=True)) - base) < 0.2


def test_where_to_look_saves_steps():
    steps = lambda played: sum(len(t.steps) for t in played)  # noqa: E731
    assert steps(play(HABITS + SHELVES)) < 0.8 * steps(play(HABITS))


def test_wrong_rules_do_harm():
    wrong = ["Heat objects with the toaster.", "Cool objects with the sinkbasin.", "Clean objects with the fridge."]
    assert mean(play(wrong)) < mean(play()) - 0.1


def test_mistakes_differ_by_kind_of_task():
    played = play(n=140)
    simple = [t for t in played if int(t.task_id) % 7 in (0, 1)]
    two = [t for t in played if int(t.task_id) % 7 == 5]
    assert mean(simple) > mean(two) + 0.1


def test_a_game_is_played_the_same_again_and_otherwise_under_another_seed():
    one, again = play(n=4), play(n=4)
    assert one == again
    ctx = context(NULL, houses(0, 4))
    ctx.meter.sample = 1
    other = [rollout(ctx, module(), task, Place("test", task=task.id)) for task in ctx.bench.test]
    assert [t.steps for t in other] != [t.steps for t in one]


def test_used_rules_are_cited():
    bench = houses(0, 28)
    ctx = context(NULL, bench, counts=True)
    played = [rollout(ctx, module(*HABITS, *SHELVES), task, Place("test", task=task.id)) for task in bench.test]
    cited = {name for t in played for name in t.cited}
    assert len(cited) >= 10 and cited <= {f"r{n}" for n in range(1, 30)}


def test_more_rules_are_obeyed_less():
    noise = [f"Look for a thing{'x' * n} first in: nowhere." for n in range(1, 150)]
    assert mean(play(HABITS + SHELVES + noise, llm=SMALL)) < mean(play(HABITS + SHELVES, llm=SMALL)) - 0.05


def test_text_nobody_here_wrote_is_answered():
    for text in ("", "Your task is to:", "You see nothing.\nYour task is to: put a mug in moon.", "a 1, a 2"):
        chat = [prompts.act(module(), False), {"role": "user", "content": prompts.section("scene", text)}]
        assert "ANSWER: " in NULL.complete(chat).text


def test_it_is_fast():
    start = time.perf_counter()
    calls = sum(len(t.steps) for t in play(n=60))
    assert calls / (time.perf_counter() - start) > 500


# -- history


def test_old_turns_are_left_out_but_the_task_stays(monkeypatch):
    monkeypatch.setattr("fgo_kit.rollout.HISTORY_LIMIT", 500)
    asked = []

    class Listening:
        def __getattr__(self, name):
            return getattr(SMALL, name)

        def complete(self, messages, **options):
            asked.append(messages)
            return SMALL.complete(messages, **options)

    bench = houses(0, 8)
    played = [rollout(context(Listening(), bench), module(), task, Place("test", task=task.id)) for task in bench.test]
    longest = max(played, key=lambda t: len(t.steps))
    assert int(longest.info["turns left out"]) > 5
    for messages in asked:
        assert SMALL.count(messages[1:]) <= 500 or len(messages) == 2 + 2
        assert "Your task is to" in messages[1]["content"]
        assert [m["role"] for m in messages[1:]] == ["user", "assistant"] * ((len(messages) - 2) // 2) + ["user"]
    assert any("earlier turns are left out" in messages[1]["content"] for messages in asked)


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
    assert review(game).main.rule == rule
    edits = proposed([((task, trajectory), NULL.complete(prompts.evaluate(task, trajectory)).text)] * 1)
    assert all(lang.parse_rule(edit["text"]) for edit in edits)


def test_a_weak_evaluator_misses_causes():
    texts = [SMALL.complete(prompts.evaluate(*LOST), sample=n).text for n in range(60)]
    missed = sum("could not be told" in text for text in texts)
    assert 5 < missed < 55 and all(text.startswith("Wrong") for text in texts)


# -- optimiser and merger


def many(case, n):
    task, trajectory = case
    return [((replace(task, id=f"{task.id}{i}"), replace(trajectory, task_id=f"{task.id}{i}")), "") for i in range(n)]


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
    named = [(f"s{n}", houses().seed_module.with_rules({"instructions": tuple(part)})) for n, part in enumerate(modules)]
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
    scores = {m: fgo.run(bench, SMALL, method=m, n_subsets=6, divide="random", workers=1).score for m in ("base", "fgo")}
    assert scores["fgo"] > scores["base"] + 0.05


def test_scenes_are_read_with_and_without_articles():
    text = house(0).observe()
    room, goal = read_scene(text)
    assert room == KITCHEN and goal is not None
    assert read_scene(text.replace(" a ", " ").replace(", and ", ", ")) == (room, goal)
