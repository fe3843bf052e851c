"""The simulated LLM's competence for household games, on a doll's house that needs no engine."""

import time
from dataclasses import replace

import pytest
from dollhouse import HOMES, KITCHEN, house, houses, module, of
from helpers import context
from hypothesis import given
from hypothesis import strategies as st

import fgo_kit as fgo
from fgo_kit.algorithm import prompts
from fgo_kit.algorithm.rollout import rollout
from fgo_kit.calls.log import Place
from fgo_kit.simulate.alfworld import language as lang
from fgo_kit.simulate.alfworld import reading
from fgo_kit.simulate.alfworld.reading import Goal, read_action, read_goal, read_result, read_scene, remember

NULL = fgo.load_llm("simulated:null")
SMALL = fgo.load_llm("simulated:small")
HABITS = [*lang.PLAIN.values(), "Clean objects with the sinkbasin.", "Heat objects with the microwave.",
          "Cool objects with the fridge.", "To look at an object in the light, hold it and use the desklamp."]  # fmt: skip
SHELVES = [
    lang.render(lang.Habit("find", thing, tuple(home.split()[0] for home in homes)))
    for thing, homes in HOMES.items()
]


def play(texts=(), n=56, llm=NULL, **options):
    bench = replace(houses(0, n), **options)
    ctx = context(llm, bench)
    return [rollout(ctx, module(*texts), task, Place("test", task=task.id)) for task in bench.test]


def mean(trajectories):
    return sum(t.score for t in trajectories) / len(trajectories)


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
    chat.append({"role": "user", "content": prompts.section("result", trajectory.final)})
    assert reading.read_chat(chat) == reading.read_trajectory(prompts.evaluate(task, trajectory)[1]["content"])


# -- rules


places = st.lists(st.from_regex(r"[a-z]{1,14}", fullmatch=True), min_size=1, max_size=5, unique=True).map(
    tuple
)
rules = st.one_of(
    st.sampled_from(sorted(lang.PLAIN)).map(lang.Habit),
    st.builds(lang.Habit, st.just("find"), st.from_regex(r"[a-z]{1,14}", fullmatch=True), places),
    st.builds(
        lang.Habit,
        st.sampled_from(["clean", "heat", "cool", "lamp"]),
        st.just(""),
        places.map(lambda p: p[:1]),
    ),
)


@given(rules)
def test_a_rendered_rule_is_parsed_back(rule):
    assert lang.parse_rule(lang.render(rule)) == rule


@pytest.mark.parametrize("typed, rule", [
    ("Mugs are usually found in the cabinets or on a shelf", lang.Habit("find", "mug", ("cabinet", "shelf"))),
    ("look for the knife first in drawers, then on the counter top", lang.Habit("find", "knife", ("drawer", "countertop"))),
    ("Search for a 'pencil' in: desk, drawer.", lang.Habit("find", "pencil", ("desk", "drawer"))),
    ("When a cabinet is closed, open it.", lang.Habit("open")),
    ("Always open closed drawers first!", lang.Habit("open")),
    ("Use the microwave to heat food.", lang.Habit("heat", "", ("microwave",))),
    ("wash things in the sink basin", lang.Habit("clean", "", ("sinkbasin",))),
    ("Cool objects using the fridge before placing them", lang.Habit("finish")),
    ("Never try the same action again if nothing happened", lang.Habit("repeat")),
    ("Don't search the same receptacle twice", lang.Habit("once")),
    ("If the task wants two objects, bring the second one too", lang.Habit("second")),
    ("Pick up the object before heating it", lang.Habit("hold")),
    ("Go to the sinkbasin before you clean", lang.Habit("go")),
    ("Turn on the desk lamp while holding the object", lang.Habit("lamp", "", ("desklamp",))),
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
    habits = [*lang.PLAIN.values(), *SHELVES]
    assert mean(play(habits + wrong)) < mean(play(HABITS + SHELVES)) - 0.3


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
    played = [
        rollout(ctx, module(*HABITS, *SHELVES), task, Place("test", task=task.id)) for task in bench.test
    ]
    cited = {name for t in played for name in t.cited}
    assert len(cited) >= 10 and cited <= {f"r{n}" for n in range(1, 30)}


def test_more_rules_are_obeyed_less():
    noise = [f"Look for a thing{'x' * n} first in: nowhere." for n in range(1, 150)]
    assert mean(play(HABITS + SHELVES + noise, llm=SMALL)) < mean(play(HABITS + SHELVES, llm=SMALL)) - 0.05


def test_text_nobody_here_wrote_is_answered():
    for text in ("", "Your task is to:", "You see nothing.\nYour task is to: put a mug in moon.", "a 1, a 2"):
        chat = [prompts.act(module(), False), {"role": "user", "content": prompts.section("scene", text)}]
        assert "ANSWER: " in NULL.complete(chat).text


@pytest.mark.parametrize("task", ["put a hot mug in fridge", "look at the pen under the desklamp", "put two pens in drawer"])
def test_a_room_without_receptacles_is_played_on(task):
    start = [{"role": "user", "content": f"<scene>\nYou are in the middle of nowhere.\nYour task is to: {task}.\n</scene>"}]
    held = [{"role": "assistant", "content": "ANSWER: take mug 1 from table 1"},
            {"role": "user", "content": "<result>\nYou pick up the mug 1 from the table 1.\n</result>"}]  # fmt: skip
    for sample in range(20):
        assert NULL.complete(start, sample=sample).text and NULL.complete(start + held, sample=sample).text


def test_it_is_fast():
    start = time.process_time()
    calls = sum(len(t.steps) for t in play(n=60))
    assert calls / (time.process_time() - start) > 500


# -- history


def test_old_turns_are_left_out_but_the_task_stays():
    asked = []

    class Listening:
        def __getattr__(self, name):
            return getattr(SMALL, name)

        def complete(self, messages, **options):
            asked.append(messages)
            return SMALL.complete(messages, **options)

    bench = replace(houses(0, 8), history_limit=500)
    played = [
        rollout(context(Listening(), bench), module(), task, Place("test", task=task.id))
        for task in bench.test
    ]
    longest = max(played, key=lambda t: len(t.steps))
    assert int(longest.info["turns left out"]) > 5
    for messages in asked:
        assert SMALL.count(messages[1:]) <= 500 or len(messages) == 2 + 2
        assert "Your task is to" in messages[1]["content"]
        assert [m["role"] for m in messages[1:]] == ["user", "assistant"] * ((len(messages) - 2) // 2) + [
            "user"
        ]
    assert any("earlier turns are left out" in messages[1]["content"] for messages in asked)


def test_scenes_are_read_with_and_without_articles():
    text = house(0).observe()
    room, goal = read_scene(text)
    assert room == KITCHEN and goal is not None
    assert read_scene(text.replace(" a ", " ").replace(", and ", ", ")) == (room, goal)
