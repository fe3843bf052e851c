"""Every wrong answer has one cause, from worked examples and from runs."""

import numpy as np
import pytest
from helpers import module, small_bench
from made_rows import SEEDS, noisy, rows_of

from fgo_kit.calls.providers import load_llm
from fgo_kit.experiments import dissection
from fgo_kit.experiments.dissection import CAUSES, cause, is_right, right_in
from fgo_kit.records import Rule, Step, Task, Trajectory
from fgo_kit.runs.run import run
from fgo_kit.runs.variants import VARIANTS

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
    assert cause(given, answer(by_rule), *map(right_in, modules)) == expected


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
    assert dissection.show_causes(table).loc[("simulated:small", "fgo"), "wrong"] == 50.0
    assert dissection.largest_causes(table) == {"simulated:small": "outranked"}
    axes = dissection.plot_causes(table).axes[0]
    assert [bar.get_width() for bar in axes.patches[4:6]] == [20.0, 20.0]
