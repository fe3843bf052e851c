"""Divisions are partitions: balanced, repeatable, and packed so that prompts fit."""

import numpy as np
import pytest
from helpers import Wrapped, job_of, small_bench, tasks
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from fgo_kit import divide as division
from fgo_kit.divide import DIVISIONS, TARGET_TOKENS, divide
from fgo_kit.records import Task
from fgo_kit.run import run
from fgo_kit.simulate.model import load

# documents that are all the same are part of what must work
pytestmark = pytest.mark.filterwarnings("ignore:Number of distinct clusters")
words = st.text(alphabet="abc 12\n<é", max_size=12)
some_tasks = st.lists(words, min_size=1, max_size=14).map(
    lambda texts: [Task(f"t{i}", text, "") for i, text in enumerate(texts)]
)


def rng(seed=0):
    return np.random.default_rng(seed)


def ids(found):
    return sorted(task_id for subset in found.subsets for task_id in subset)


@pytest.mark.parametrize("strategy", ["random", "similar"])
@checks(max_examples=30)
@given(given_tasks=some_tasks, share=st.floats(0, 1), seed=st.integers(0, 99))
def test_a_division_is_a_balanced_repeatable_partition(strategy, given_tasks, share, seed):
    n = max(1, round(share * len(given_tasks)))
    found = divide(given_tasks, strategy, n, rng(seed))
    assert ids(found) == sorted(task.id for task in given_tasks)
    sizes = [len(subset) for subset in found.subsets]
    assert len(found) == n and max(sizes) - min(sizes) <= 1
    assert found == divide(given_tasks, strategy, n, rng(seed))
    assert found.strategy == strategy


@checks(max_examples=30)
@given(sizes=st.lists(st.integers(0, 9_000), min_size=1, max_size=12), seed=st.integers(0, 99))
def test_budget_packs_any_sizes(sizes, seed):
    given_tasks = [Task(f"t{i}", "word " * size) for i, size in enumerate(sizes)]
    found = divide(given_tasks, "budget", None, rng(seed))
    assert ids(found) == sorted(task.id for task in given_tasks)
    room = TARGET_TOKENS - division.MODULE_TOKENS
    cost = {task.id: division.estimate(task.text) + division.TRAJECTORY_TOKENS for task in given_tasks}
    for subset in found.subsets:
        assert sum(cost[task_id] for task_id in subset) <= room or len(subset) == 1


def test_related_tasks_go_together():
    kinds = ["shipping container vessel port", "hotel invoice night room", "grocery milk bread butter"]
    given_tasks = [Task(f"t{i}", kinds[i % 3] + f" number {i}") for i in range(12)]
    found = divide(given_tasks, "similar", 3, rng())
    assert sorted(sorted(int(name[1:]) % 3 for name in subset) for subset in found.subsets) == [
        [0] * 4, [1] * 4, [2] * 4,
    ]  # fmt: skip


def test_another_seed_divides_otherwise():
    assert divide(tasks(20), "random", 4, rng(0)) != divide(tasks(20), "random", 4, rng(1))


@pytest.mark.parametrize("world", [0, 1])
@pytest.mark.parametrize("profile", ["small", "null"])
def test_the_prompts_of_a_run_fit_the_target(world, profile):
    bench = small_bench(n_train=64, n_test=1, world=world)
    llm = Wrapped(load(profile))
    found = run(bench, llm, n_subsets=None, counts=True)
    assert found.division.strategy == "budget"
    sizes = [llm.count(messages) for messages in llm.asked if job_of(messages) == "propose"]
    assert len(sizes) >= 2 * len(found.division)
    assert max(sizes) <= TARGET_TOKENS
    assert len(found.division) <= 10  # a subset a task would fit as well, and be no packing


def test_without_a_number_other_strategies_make_as_many_subsets_as_budget():
    train = small_bench(n_train=48).train
    packed = divide(train, "budget", None, rng())
    assert len(divide(train, "random", None, rng())) == len(packed) > 1
    assert divide(train, "similar", None, rng()).subsets == packed.subsets


@pytest.mark.parametrize("n, says", [
    (0, "n_subsets=0 .*use 1 <= n_subsets <= 5"),
    (-1, "n_subsets=-1"),
    (6, "n_subsets=6 exceeds the 5 tasks given; use n_subsets <= 5"),
    (True, "n_subsets=True"),
    (2.0, "n_subsets=2.0"),
    ("2", "n_subsets='2'"),
])  # fmt: skip
@pytest.mark.parametrize("strategy", ["random", "similar", "budget"])
def test_numbers_that_make_no_sense_are_refused(strategy, n, says):
    with pytest.raises(ValueError, match=says):
        divide(tasks(5), strategy, n, rng())


def test_unknown_strategies_and_empty_splits_are_refused():
    with pytest.raises(ValueError, match=r"divide='alphabetic' is unknown.*'random', 'similar'"):
        divide(tasks(5), "alphabetic", 2, rng())
    with pytest.raises(ValueError, match="training split is empty"):
        divide((), "random", None, rng())


@pytest.mark.parametrize("spoil", [
    lambda parts: parts[:-1],
    lambda parts: [*parts, parts[0]],
    lambda parts: [parts[0][1:], *parts[1:]],
    lambda parts: [[Task("stranger", "")], *parts],
], ids=["subset lost", "subset twice", "task lost", "stranger"])  # fmt: skip
def test_a_strategy_of_the_user_must_partition(monkeypatch, spoil):
    monkeypatch.setattr(division, "DIVISIONS", dict(DIVISIONS))

    @division.division
    def mine(given_tasks, n_subsets, _rng):
        return spoil([list(part) for part in np.array_split(np.array(given_tasks, dtype=object), n_subsets)])

    with pytest.raises(ValueError, match="divide='mine' did not return a partition"):
        divide(tasks(6), "mine", 3, rng())


def test_a_strategy_of_the_user_is_found_by_its_name(monkeypatch):
    monkeypatch.setattr(division, "DIVISIONS", dict(DIVISIONS))

    @division.division
    def odd_and_even(given_tasks, n_subsets, _rng):
        return [list(given_tasks[start::n_subsets]) for start in range(n_subsets)]

    found = divide(tasks(5), "odd_and_even", 2, rng())
    assert found.subsets == (("t0", "t2", "t4"), ("t1", "t3"))
