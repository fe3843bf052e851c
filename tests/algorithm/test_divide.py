"""Divisions are partitions: balanced, repeatable, and packed so that prompts fit."""

import time

import numpy as np
import pytest
from helpers import ScriptedLLM, TinyBench, Wrapped, context, job_of, small_bench, tasks
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import TfidfVectorizer

from fgo_kit import load_benchmark
from fgo_kit.algorithm import divide as division
from fgo_kit.algorithm.divide import TARGET_TOKENS, divide, trajectory_tokens
from fgo_kit.algorithm.registry import division as registered
from fgo_kit.calls.log import CallLog
from fgo_kit.calls.protocol import BadRequest
from fgo_kit.records import Task
from fgo_kit.runs.run import run
from fgo_kit.simulate.model import load

words = st.text(alphabet="abc 12\n<é", max_size=12)
some_tasks = st.lists(words, min_size=1, max_size=14).map(
    lambda texts: [Task(f"t{i}", text, "", {"kind": "ab"[i % 2], "id": f"{i}"}) for i, text in enumerate(texts)]
)


def rng(seed=0):
    return np.random.default_rng(seed)


def ids(found):
    return sorted(task_id for subset in found.subsets for task_id in subset)


@pytest.mark.parametrize("strategy", ["random", "contiguous", "stratified", "similar"])
@checks(max_examples=30)
@given(given_tasks=some_tasks, share=st.floats(0, 1), seed=st.integers(0, 99))
def test_a_division_is_a_balanced_repeatable_partition(strategy, given_tasks, share, seed):
    if strategy == "stratified" and len(given_tasks) == 1:
        given_tasks = [*given_tasks, Task("t1", "b", "", {"kind": "b"})]
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


def test_contiguous_keeps_the_order():
    assert divide(tasks(5), "contiguous", 2, rng()).subsets == (("t0", "t1", "t2"), ("t3", "t4"))


@checks(max_examples=30)
@given(kinds=st.lists(st.sampled_from("abc"), min_size=2, max_size=30), n=st.integers(1, 6), seed=st.integers(0, 99))
def test_every_subset_has_its_share_of_every_stratum(kinds, n, seed):
    n = min(n, len(kinds))
    given_tasks = [Task(f"t{i}", "x", "", {"kind": kind, "serial": f"{i:03}"}) for i, kind in enumerate("ab" + "".join(kinds))]
    kind_of = {task.id: task.meta["kind"] for task in given_tasks}
    for kind in "abc":
        counts = [sum(kind_of[i] == kind for i in subset) for subset in divide(given_tasks, "stratified", n, rng(seed)).subsets]
        assert max(counts) - min(counts) <= 1


def test_strata_need_meta_data_that_tells_tasks_apart():
    for meta in ({}, {"kind": "same"}):
        with pytest.raises(ValueError, match="divide='stratified' needs task meta data .*use divide='random'"):
            divide([Task(f"t{i}", "x", "", meta) for i in range(4)], "stratified", 2, rng())
    serial = [Task(f"t{i}", "x", "", {"serial": str(i)}) for i in range(11)]
    with pytest.raises(ValueError, match="'serial': 11"):
        divide(serial, "stratified", 2, rng())


@pytest.mark.parametrize("n, sqrt", [(1, 1), (3, 1), (4, 2), (15, 3), (16, 4)])
def test_presets_of_the_number_of_subsets(n, sqrt):
    assert len(divide(tasks(n), "random", "sqrt", rng())) == sqrt
    assert divide(tasks(n), "random", "each", rng()).subsets != () and len(divide(tasks(n), "contiguous", "each", rng())) == n


def agent(right, feedback=lambda number: "fine"):
    """Knows the answers of some tasks; an evaluator that says `feedback(task number)`."""

    def reply(messages):
        number = int(messages[1]["content"].split("document number ")[1].split()[0])
        if job_of(messages) == "evaluate":
            return feedback(number)
        return f"ANSWER: answer {number}" if number in right else "ANSWER: wrong"

    return ScriptedLLM(reply)


def test_tasks_as_hard_for_the_base_agent_go_together():
    ctx = context(agent({1, 4, 6, 7}), TinyBench(train=tasks(8)))
    found = divide(ctx.bench.train, "difficulty", 2, rng(), ctx)
    assert [set(subset) for subset in found.subsets] == [{"t1", "t4", "t6", "t7"}, {"t0", "t2", "t3", "t5"}]
    assert ctx.meter.log.calls()["phase"].value_counts().to_dict() == {"divide": 8}
    assert [j.place.phase for j in ctx.record] == ["divide"] * 8


def test_failures_of_one_kind_go_together():
    kinds = ["the label before the reference was missed", "an invoice number was taken instead"]
    ctx = context(agent(set(), lambda number: kinds[number % 2]), TinyBench(train=tasks(8)))
    found = divide(ctx.bench.train, "failure", 2, rng(), ctx)
    assert {frozenset(int(name[1:]) % 2 for name in subset) for subset in found.subsets} == {frozenset({0}), frozenset({1})}
    assert [(j.place.phase, j.feedback.text in kinds) for j in ctx.record] == [("divide", True)] * 8  # each once


@pytest.mark.parametrize("strategy", ["difficulty", "failure"])
def test_what_a_division_learns_of_the_seed_module_is_not_paid_twice(strategy):
    log, bench = CallLog(None), small_bench(n_train=12, n_test=2)
    calls = run(bench, "simulated", divide=strategy, n_subsets=3, epochs=1, log=log, workers=1).calls()
    assert calls["place"].is_unique
    first = calls[(calls["phase"] == "rollout") & (calls["epoch"] == 1)]
    assert len(first) == 12 and not first["paid"].any()
    assert calls[calls["phase"] == "divide"]["paid"].all()


@pytest.mark.parametrize("strategy", ["difficulty", "failure"])
def test_a_division_by_outcome_needs_a_run(strategy):
    with pytest.raises(ValueError, match="needs rollouts of the seed module"):
        divide(tasks(4), strategy, 2, rng())


def test_a_failed_rollout_counts_as_hardest():
    bench = TinyBench(train=tasks(3))
    llm = agent({0, 1, 2})
    llm.reply, knows = lambda m: BadRequest("no") if "number 0 " in m[1]["content"] else knows(m), llm.reply
    ctx = context(llm, bench)
    assert divide(bench.train, "difficulty", 3, rng(), ctx).subsets[-1] == ("t0",)


def test_the_length_of_a_trajectory_is_measured_where_the_benchmark_does_not_say_it():
    long = agent(set(), lambda number: "word " * 230)
    ctx = context(long, TinyBench(train=tasks(112)))
    size = trajectory_tokens(ctx.bench.train, ctx)
    assert 230 < size < 400  # 230 of the feedback, tags and answer
    asked = ctx.meter.log.calls()
    assert asked["phase"].value_counts().to_dict() == {"divide": 8, "evaluate": 8}
    packed = divide(ctx.bench.train, "budget", None, rng(), context(long, ctx.bench))
    assert 112 / len(packed) * size <= TARGET_TOKENS - division.MODULE_TOKENS
    assert len(packed) > len(divide(ctx.bench.train, "budget", None, rng()))
    assert trajectory_tokens((), context(long, small_bench())) == 220  # as LogisticsQA says


def test_related_tasks_go_together():
    kinds = ["shipping container vessel port", "hotel invoice night room", "grocery milk bread butter"]
    given_tasks = [Task(f"t{i}", kinds[i % 3] + f" number {i}") for i in range(12)]
    found = divide(given_tasks, "similar", 3, rng())
    assert sorted(sorted(int(name[1:]) % 3 for name in subset) for subset in found.subsets) == [
        [0] * 4, [1] * 4, [2] * 4,
    ]  # fmt: skip


def likeness(subsets):
    """Mean cosine similarity of two tasks in a subset."""
    vectors = TfidfVectorizer().fit_transform([task.text for subset in subsets for task in subset]).toarray()
    ends = np.cumsum([len(subset) for subset in subsets])
    parts = [vectors[end - len(subset):end] for end, subset in zip(ends, subsets, strict=True)]
    pairs = [(part @ part.T)[~np.eye(len(part), dtype=bool)].mean() for part in parts]
    return np.average(pairs, weights=[len(part) for part in parts])


def seated(given_tasks, n, seed):
    """k-means, and then the best assignment of all tasks to all seats: good, and cubic."""
    vectors = TfidfVectorizer(sublinear_tf=True).fit_transform([task.text for task in given_tasks])
    distances = KMeans(n, n_init=1, random_state=seed).fit(vectors).transform(vectors)
    seats = np.concatenate([np.full(len(part), i) for i, part in enumerate(np.array_split(given_tasks, n))])
    _, seat_of = linear_sum_assignment(distances[:, seats])
    return [[task for task, seat in zip(given_tasks, seat_of, strict=True) if seats[seat] == i] for i in range(n)]


@pytest.mark.parametrize("n", [8, 25])
@pytest.mark.parametrize("name", ["logisticsqa", "gaia", "alfworld"])
def test_similar_subsets_are_as_alike_as_those_of_the_best_assignment(name, n):
    given_tasks = load_benchmark(name).train[:256]
    halved = likeness(division.similar(given_tasks, n, rng()))
    assert halved > 2 * likeness(division.random(given_tasks, n, rng()))
    assert halved > 0.95 * likeness(seated(given_tasks, n, 0))


def test_time_grows_about_as_fast_as_the_number_of_tasks():
    some = load_benchmark("logisticsqa").train
    generator = rng()

    def seconds(n):
        halves = generator.integers(len(some), size=(n, 2))
        made = [Task(f"t{i}", some[a].text[:400] + some[b].text[-400:]) for i, (a, b) in enumerate(halves)]
        start = time.process_time()
        divide(made, "similar", None, rng())
        return time.process_time() - start

    assert seconds(4_000) < 4 * 2**1.5 * max(seconds(1_000), 0.1)


def test_another_seed_divides_otherwise():
    assert divide(tasks(20), "random", 4, rng(0)) != divide(tasks(20), "random", 4, rng(1))


@pytest.mark.parametrize("world", [0, 1])
@pytest.mark.parametrize("profile", ["small", "null"])
def test_the_prompts_of_a_run_fit_the_target(world, profile):
    bench = small_bench(n_train=64, n_test=1, world=world)
    llm = Wrapped(load(profile))
    found = run(bench, llm, method="fgo", divide="budget", counts=True)
    assert found.division.strategy == "budget"
    sizes = [llm.count(messages) for messages in llm.asked if job_of(messages) == "propose"]
    assert len(sizes) > len(found.division)  # an epoch without an edit asks the same again, which is in the log
    assert max(sizes) <= TARGET_TOKENS
    assert len(found.division) <= 10  # a subset a task would fit as well, and be no packing


@pytest.mark.parametrize(("n", "width"), [(1, 1), (2, 2), (16, 2), (64, 4), (100, 5), (256, 8), (4_096, 32)])
def test_without_a_number_the_width_is_half_the_root_of_the_number_of_tasks(n, width):
    assert len(divide(tasks(n), "random", None, rng())) == width
    assert n > 100 or len(divide(tasks(n), "similar", None, rng())) == width


def test_subsets_are_as_many_as_it_takes_to_fit_half_the_window():
    bench = small_bench(n_train=64)
    size = sum(division.estimate(task.text) + bench.trajectory_tokens for task in bench.train)
    for window, width in ((128_000, 4), (size // 4, 0), (5_000, 0)):
        found = divide(bench.train, "random", None, rng(), context(ScriptedLLM(str, context_window=window), bench))
        needed = -(-size // (window // 2 - division.MODULE_TOKENS))
        assert len(found) == (width or needed) and needed < 64


@pytest.mark.parametrize("n, says", [
    (0, "n_subsets=0 .*use 1 <= n_subsets <= 5"),
    (-1, "n_subsets=-1"),
    (6, "n_subsets=6 exceeds the 5 tasks given; use n_subsets <= 5"),
    (True, "n_subsets=True"),
    ("all", "n_subsets='all' .*None, 'sqrt' or 'each'"),
    (2.0, "n_subsets=2.0"),
    ("2", "n_subsets='2'"),
])  # fmt: skip
@pytest.mark.parametrize("strategy", ["random", "similar", "budget"])
def test_numbers_that_make_no_sense_are_refused(strategy, n, says):
    with pytest.raises(ValueError, match=says):
        divide(tasks(5), strategy, n, rng())


def test_unknown_strategies_and_empty_splits_are_refused():
    with pytest.raises(ValueError, match=r"divide='alphabetic' is unknown.*'random', 'similar', 'stratified'"):
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

    @registered
    def mine(given_tasks, n_subsets, _rng):
        return spoil([list(part) for part in np.array_split(np.array(given_tasks, dtype=object), n_subsets)])

    with pytest.raises(ValueError, match="divide='mine' did not return a partition"):
        divide(tasks(6), "mine", 3, rng())


def test_a_strategy_of_the_user_is_found_by_its_name(monkeypatch):

    @registered
    def odd_and_even(given_tasks, n_subsets, _rng):
        return [list(given_tasks[start::n_subsets]) for start in range(n_subsets)]

    found = divide(tasks(5), "odd_and_even", 2, rng())
    assert found.subsets == (("t0", "t2", "t4"), ("t1", "t3"))
