"""Every wrong answer has one cause, from worked examples and from runs."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import module, small_bench
from made_rows import SEEDS, noisy, rows_of

from fgo_kit import load_benchmark
from fgo_kit.calls.providers import load_llm
from fgo_kit.experiments import dissection
from fgo_kit.experiments.diagnosis import is_right, of_dialogue, of_document, of_game
from fgo_kit.experiments.dissection import CAUSES, cause, texts_of
from fgo_kit.records import Rule, Step, Task, Trajectory
from fgo_kit.runs.run import run
from fgo_kit.runs.variants import VARIANTS
from fgo_kit.simulate.gaia.language import PLAIN as PRACTICES

DOCUMENT = "Note: HBL no ABCD123456 / CMR no XY9876543"
RIGHT = 'The reference is the code that follows the label "HBL no".'
OTHER = 'The reference is the code that follows the label "CMR no".'


def task(answer="ABCD123456", expressible="yes"):
    return Task("t", DOCUMENT, answer, meta={"expressible": expressible})


def answer(by_rule):
    thought = "Rule s1.1 applies." if by_rule else "Nothing here looks like a transport reference."
    return Trajectory("t", (Step(DOCUMENT, f"THOUGHT: {thought}\nANSWER: XY9876543"),), "XY9876543", 0.0)


def test_a_rule_is_right_where_it_gives_the_expected_answer():
    assert is_right(RIGHT, task()) and is_right(RIGHT, task("abcd-123456"))
    assert not is_right(OTHER, task()) and not is_right("Be careful.", task()) and not is_right(RIGHT, task("None"))
    unused = 'The reference is the code that follows the label "AWB".'
    assert not is_right(unused, task("None"))  # it does not apply, which is no answer
    assert is_right("If no other rule applies, answer None.", task("None"))


@pytest.mark.parametrize(("given", "by_rule", "final", "before", "expected"), [
    (task(expressible="no"), True, [RIGHT], [], "not expressible"),
    (task("None"), True, [OTHER], [], "wrongly applied"),
    (task("None"), False, [OTHER], [], "never found"),
    (task(), True, [RIGHT, OTHER], [], "outranked"),
    (task(), False, [RIGHT, OTHER], [], "disobeyed or guessed"),
    (task(), True, [OTHER], [OTHER, RIGHT], "found and lost"),
    (task(), True, [OTHER], [OTHER], "never found"),
    (task(), False, [], [], "never found"),
])  # fmt: skip
def test_the_cause_of_a_wrong_answer(given, by_rule, final, before, expected):
    modules = [[module(*(Rule(f"r{at}", text) for at, text in enumerate(texts)))] for texts in (final, before)]
    assert cause(of_document(given, answer(by_rule)), *map(texts_of, modules)) == expected


def test_on_questions_the_practices_help_under_which_what_was_read_has_the_right_answer():
    bench = load_benchmark("gaia", n_train=16)
    bench, done = replace(bench, test=bench.test[::6]), run(replace(bench, test=bench.test[::6]), "simulated", method="base")
    tasks = {task.id: task for task in bench.test}
    wrong = [j.trajectory for j in done.state.record if j.trajectory.ok and j.trajectory.score < 1]
    found = [of_dialogue(tasks[trajectory.task_id], trajectory) for trajectory in wrong]
    every = [*PRACTICES.values(), 'Leave out rows marked "cancelled".']
    assert 0 < sum(diagnosis.expressible for diagnosis in found) < len(found)
    for diagnosis in found:
        assert not diagnosis.helps([]) and not diagnosis.misleads([])
        assert diagnosis.expressible or not diagnosis.helps(every)
    assert any(diagnosis.helps(every) for diagnosis in found) and any(diagnosis.misleads(every) for diagnosis in found)


SCENE = """<scene>
You are in the middle of a room. Looking quickly around you, you see a cabinet 1, a fridge 1, a microwave 1 and a shelf 1.
Your task is to: put a hot mug in cabinet.
</scene>"""
TAKEN = ("go to shelf 1", "On the shelf 1, you see a mug 1."), ("take mug 1 from shelf 1", "You pick up the mug 1 from the shelf 1.")


@pytest.mark.parametrize(("turns", "helpful", "misleading"), [
    ([("go to fridge 1", "The fridge 1 is closed.")], ["Look for a mug first in: shelf."], ["Look for a mug first in: cabinet, fridge."]),
    ([*TAKEN, ("go to fridge 1", "The fridge 1 is closed."), ("heat mug 1 with fridge 1", "Nothing happens.")],
     ["Heat objects with the microwave."], ["Heat objects with the fridge."]),
    ([*TAKEN, ("go to cabinet 1", "On the cabinet 1, you see nothing."), ("put mug 1 in/on cabinet 1", "You put the mug 1 in/on the cabinet 1.")],
     ["Clean, heat or cool an object before you put it down."], []),
])  # fmt: skip
def test_in_games_the_habit_helps_that_was_wanting_most(turns, helpful, misleading):
    seen = [SCENE, *(f"<result>\n{result}\n</result>" for _, result in turns)]
    steps = [Step(before, f"ANSWER: {action}") for before, (action, _) in zip(seen, turns, strict=False)]
    lost = Trajectory("t", tuple(steps), "", 0.0, final=turns[-1][1], form="turns")
    diagnosis = of_game(Task("t", SCENE, ""), lost)
    assert diagnosis.expressible and not diagnosis.helps(["Do not search a receptacle twice.", "Be careful."])
    assert diagnosis.helps(helpful + misleading)
    assert diagnosis.misleads(misleading) == bool(misleading)


@pytest.mark.parametrize("method", ["base", "bootstrapping", "fgo", "fgo+"])
def test_the_causes_of_a_run_add_up_to_its_wrong_answers(method):
    bench, llm = small_bench(n_train=16, n_test=24), load_llm("simulated")
    done = run(bench, llm, **VARIANTS[method])
    found = dissection.causes(done, bench, llm)
    assert list(found) == list(CAUSES) and sum(found.values()) == pytest.approx(1 - done.score)
    if method == "base":
        assert set(np.flatnonzero(list(found.values()))) <= {0, 5}  # without rules none is applied, obeyed or lost


def test_the_table_has_a_line_a_cause_and_the_figure_a_bar_a_method():
    shares = dict(zip(CAUSES, (0.0, 0.1, 0.2, 0.0, 0.05, 0.15), strict=True))
    columns = {name: lambda method, seed, share=share: share for name, share in shares.items()}
    rows = rows_of({"fgo": noisy(0.5), "fgo+": noisy(0.5)}, **columns)
    table = dissection.dissected(rows)
    assert len(table) == 2 * len(CAUSES) and set(table["runs"]) == {len(SEEDS)}
    assert dissection.show_causes(table).loc[("b", "simulated:small", "fgo"), "wrong"] == 50.0
    assert dissection.largest_causes(table) == {"simulated:small": "outranked"}
    axes = dissection.plot_causes(table).axes[0]
    assert [bar.get_width() for bar in axes.patches[4:6]] == [20.0, 20.0]
