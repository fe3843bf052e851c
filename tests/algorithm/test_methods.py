"""FGO and its baselines: what each explores, in which order, and what none of them may see."""

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers import ScriptedLLM, TinyBench, context, job_of, module, small_bench, tasks

from fgo_kit.algorithm import methods
from fgo_kit.algorithm.context import Judged
from fgo_kit.algorithm.prompts import quote
from fgo_kit.algorithm.registry import METHODS, method
from fgo_kit.algorithm.rollout import count_uses
from fgo_kit.calls.log import CallLog, Place
from fgo_kit.records import Rule, Trajectory
from fgo_kit.report import plot_merge_tree
from fgo_kit.runs.run import run
from fgo_kit.runs.timing import critical_path
from fgo_kit.runs.variants import VARIANTS
from fgo_kit.widgets.merging_by_hand import Decision
from fgo_kit.widgets.replay_decisions import desk_for, run_by_hand

ALL = ["base", "all_at_once", "bootstrapping", "fgo", "combee"]


@pytest.fixture(scope="module")
def bench():
    return small_bench(n_train=24)


@pytest.fixture(scope="module")
def runs(bench):
    return {name: run(bench, "simulated", method=name, n_subsets=4, workers=1) for name in ALL}


def test_base_learns_nothing_and_costs_nothing(bench, runs):
    base = runs["base"]
    assert base.module == bench.seed_module and base.division is base.merge_tree is None
    assert base.tokens()["phase"].tolist() == ["test"]
    assert base.token_figures()["tokens_all_in"] == 0


@pytest.mark.parametrize("name", ALL[1:])
def test_every_method_learns_rules_from_the_training_tasks(bench, runs, name):
    found = runs[name]
    train = {task.id for task in bench.train}
    assert found.module.rules
    assert all(set(rule.support) <= train for rule in found.module.rules)
    assert sorted(t for subset in found.division.subsets for t in subset) == sorted(train)
    assert len(found.scores) == len(bench.test)


def test_methods_are_compared_at_the_same_rollouts(bench, runs):
    for name in ALL[1:]:
        calls = runs[name].calls()
        explored = calls[calls["phase"] == "rollout"]
        assert len(explored) == 2 * len(bench.train)
        assert explored.groupby("task").size().eq(2).all()
        assert (calls["phase"] == "evaluate").sum() == 2 * len(bench.train)


def test_one_subset_four_batches_four_subsets(runs):
    assert [len(runs[name].division) for name in ALL[1:]] == [1, 4, 4, 1]
    asked = {name: runs[name].calls()["phase"].tolist().count("propose") for name in ALL[1:]}
    assert asked == {"all_at_once": 2, "bootstrapping": 8, "fgo": 8, "combee": 8}
    assert len(runs["fgo"].merges()) == 3


def test_the_order_of_all_at_once_is_drawn_from_the_seed(bench):
    orders = [
        run(bench, "simulated", method="all_at_once", seed=s, workers=1).division.subsets[0]
        for s in (0, 0, 1)
    ]
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != tuple(task.id for task in bench.train)


def one_rule_a_proposal():
    """Every proposal adds a rule that says which tasks it saw."""

    def reply(messages):
        job, text = job_of(messages), messages[-1]["content"]
        if job == "propose":
            seen = [f"t{i}" for i in range(9) if f'task="t{i}"' in text]
            return json.dumps({"edits": [{"op": "add", "text": f"seen {' '.join(seen)}", "support": seen}]})
        return "ANSWER: x"

    return ScriptedLLM(reply)


def test_batches_start_from_the_module_before_and_subsets_from_the_seed_module():
    bench = TinyBench(train=tasks(4), seed_module=module(Rule("seed", "be careful")))
    llm = one_rule_a_proposal()
    found = METHODS["bootstrapping"](context(llm, bench, n_subsets=2, divide="random"))
    shown = [messages[1]["content"].count("\n[") for messages in llm.asked if job_of(messages) == "propose"]
    assert shown == [1, 2, 3, 4]
    assert [rule.origin for rule in found.module.rules] == ["seed", "b1/e1", "b2/e1", "b1/e2", "b2/e2"]

    llm = one_rule_a_proposal()
    ctx = context(llm, bench, n_subsets=2, divide="random", epochs=1)
    with (
        pytest.MonkeyPatch.context() as patch
    ):  # leaves only: what they are merged into is not the point here
        patch.setattr(methods, "merge", lambda ctx, leaves, strategy: leaves[1])
        found = METHODS["fgo"](ctx)
    assert [rule.origin for rule in found.module.rules] == ["seed", "s2/e1"]


def test_an_empty_training_split_is_an_error(bench):
    for name in ALL[1:]:
        with pytest.raises(ValueError, match="training split .*empty"):
            run(replace(bench, train=()), "simulated", method=name)


@pytest.mark.parametrize("n", [1, 3, 4, 9, 24, 30, 100])
def test_combee_shows_every_trajectory_in_two_groups(n):
    groups = methods._two_groups_each(n, np.random.default_rng(0))
    assert len(groups) == int(n**0.5)
    times = 2 if len(groups) > 1 else 1
    assert sorted(number for group in groups for number in group) == sorted([*range(n)] * times)
    assert all(len(set(group)) == len(group) for group in groups)
    sizes = [len(group) for group in groups]
    assert max(sizes) - min(sizes) <= 3
    other = methods._two_groups_each(n, np.random.default_rng(1))
    assert n < 9 or other != groups


def test_combee_rolls_out_once_and_merges_once_an_epoch(runs):
    found = runs["combee"]
    assert [tree.id for tree in found.trees] == ["m1", "m1p2"]
    assert [child.id for child in found.merge_tree.children] == ["g1p2", "g2p2", "g3p2", "g4p2"]
    calls = found.calls()
    assert calls["place"].is_unique
    assert sorted(calls.query("phase == 'propose' and epoch == 2")["subset"]) == ["g1p2", "g2p2", "g3p2", "g4p2"]


# -- passes


def test_a_second_pass_starts_from_the_merged_module(bench):
    log = CallLog(None)
    found = run(bench, "simulated:null", n_subsets=3, epochs=1, passes=2, log=log, workers=1)
    first, second = found.trees
    assert (found.state.earlier, found.merge_tree) == ((first,), second)
    calls = found.calls()
    again = calls.query("phase == 'rollout' and epoch == 2")
    assert sorted(again["subset"].unique()) == ["s1p2", "s2p2", "s3p2"] and len(again) == len(bench.train)
    assert first.module.rules
    assert all(quote(str(first.module)) in log.messages_of(key)[0]["content"] for key in again["key"])
    tasks_of = [{n.id.removesuffix("p2"): n.tasks for n in tree.walk() if not n.children} for tree in found.trees]
    assert tasks_of[0] == tasks_of[1]  # the same subsets


@pytest.mark.parametrize("choices", [
    {"passes": 2, "epochs": 2, "counts": True, "audit": 3}, {"passes": 3, "epochs": 1, "gate": "soft", "merge": "sequential"},
    {"method": "combee", "epochs": 2, "counts": True}, {"method": "fgo+", "rounds": 2}, {"method": "fgo+", "rounds": 3, "n_subsets": 2, "fan_in": 3},
], ids=str)  # fmt: skip
def test_names_are_unique_over_rounds_and_passes(bench, choices):
    found = run(bench, "simulated:large", **{"method": "fgo", "n_subsets": 4, **choices}, workers=1)
    assert found.calls()["place"].is_unique
    nodes = [node.id for tree in found.trees for node in tree.walk()]
    assert len(nodes) == len(set(nodes))
    texts = {}
    for tree in found.trees:
        for rule in (rule for node in tree.walk() for rule in node.module.rules):
            assert texts.setdefault(rule.id, rule.text) == rule.text
    rules, merges = found.rules(), found.merges()
    assert set(rules["node"]) <= set(nodes) and list(merges["node"]) == [
        node.id for tree in found.trees for node in tree.walk() if node.children
    ]
    assert set(rules[rules["node"] == found.merge_tree.id]["fate"]) == {"final"}
    assert set(rules[rules["node"].isin([tree.id for tree in found.trees[:-1]])]["fate"]) <= {"next pass"}
    written = {name for subsets in rules["subsets"] for name in subsets}
    assert not any(name.startswith("m") for name in written)  # lineage goes back through the passes
    assert 0 < found.critical_path() <= found.calls()["seconds"].sum()
    repr(found.merge_tree), found.merge_tree._repr_html_()


# -- width and depth


def on_plane(method, n=8, **choices):
    """What a method made of n tasks where every proposal adds a rule, and the LLM that was asked."""
    scripted = one_rule_a_proposal()
    llm = ScriptedLLM(lambda messages: '{"edits": []}' if job_of(messages) == "merge" else scripted.reply(messages))
    ctx = context(llm, TinyBench(train=tasks(n)), **{"divide": "random", "epochs": 1, **choices})
    return METHODS[method](ctx), ctx


def test_the_tasks_are_dealt_into_rounds_and_each_starts_from_the_module_before():
    found, ctx = on_plane("fgo", n_subsets=2, rounds=2, passes=2)
    trees = [*found.earlier, found.merge_tree]
    assert [tree.id for tree in trees] == ["m1", "m1r2", "m1p2", "m1r2p2"]
    assert [[leaf.id for leaf in tree.leaves] for tree in trees] == [[f"s{n}{tree.id[2:]}" for n in (1, 2)] for tree in trees]
    dealt = [[leaf.tasks for leaf in tree.leaves] for tree in trees]
    assert dealt[:2] == dealt[2:] and sorted(t for part in dealt[:2] for ids in part for t in ids) == [f"t{n}" for n in range(8)]
    assert [ids for part in dealt[:2] for ids in part] == list(found.division.subsets)
    for before, tree in zip(trees, trees[1:], strict=False):
        inherited = {rule.id for rule in before.module.rules}
        assert inherited and all(inherited < {rule.id for rule in leaf.module.rules} for leaf in tree.leaves)
    shown = [messages[1]["content"].count("\n[") for messages in ctx.meter.llm.asked if job_of(messages) == "propose"]
    assert shown == [0, 0, 2, 2, 4, 4, 4, 4]  # the same was seen in pass 1: rules of the same words are united


@pytest.mark.parametrize("switches", [{}, {"review": True, "counts": True}, {"audit": 2, "review": True}], ids=str)
def test_the_baselines_are_points_of_the_plane(switches):
    """As many calls of every phase, and as many rules: width 1 and depth 4 is bootstrapping, width 1 and depth 1 all-at-once."""
    for baseline, n_subsets, point in (("bootstrapping", 4, {"rounds": 4}), ("all_at_once", 4, {"rounds": 1})):
        base, ctx = on_plane(baseline, n_subsets=n_subsets, epochs=2, **switches)
        fgo, other = on_plane("fgo", n_subsets=1, passes=2, **point, **switches)
        counted = [of.meter.log.calls().groupby(["phase", "subset", "epoch"]).size().to_dict() for of in (ctx, other)]
        assert counted[0] == counted[1] and {phase for phase, *_ in counted[0]} >= {"rollout", "propose"} | ({"review"} & set(switches))
        assert [rule.id for rule in base.module.rules] == [rule.id for rule in fgo.module.rules]
        assert len(base.division) == len(fgo.division) == point["rounds"]


def test_rounds_lengthen_the_critical_path_and_width_does_not():
    lengths = {}
    for width, depth in ((1, 1), (4, 1), (2, 2), (1, 4)):
        found, ctx = on_plane("fgo", n_subsets=width, rounds=depth, merge="oneshot", review=True)
        lengths[width, depth] = critical_path(ctx.meter.log.calls(), [*found.earlier, found.merge_tree], "calls")
    # once a round: rollout, evaluation, proposal, a merge where there are several, and the review
    assert lengths == {(1, 1): 4, (4, 1): 5, (2, 2): 10, (1, 4): 16}


@pytest.mark.parametrize(("before", "uses"), [
    ([], (2, 1, 2.0)),  # as it went
    ([("t0", 0.0, ()), ("t1", 1.0, ()), ("t2", 1.0, ())], (2, 1, 2.0)),
    ([("t0", 0.0, ()), ("t1", 0.0, ()), ("t2", 0.0, ())], (2, 1, 0.0)),  # two of three are the rule's
    ([("t0", 0.0, ()), ("t0", 1.0, ())], (2, 1, 2.0)),  # the last one counts
    ([("t0", 0.0, ()), ("t0", 1.0, ("r",))], (2, 1, 1.0)),  # but not one that used the rule
    ([("t0", 0.0, ()), ("t0", 1.0, ("r0",))], (2, 1, 1.0)),  # nor one that used what it comes from
    ([("t2", 0.5, ("z",))], (2, 1, 2.5)),  # any other rule may have been used
])  # fmt: skip
def test_credit_is_relative_to_the_same_tasks_without_the_rule(before, uses):
    rule = Rule("r", "be careful", parents=("r0",))
    ctx = context(ScriptedLLM(str), TinyBench(train=tasks(3)), counts=True)
    ctx.know(module(rule))
    for task, score, cited in before:
        ctx.note(Judged(Place("rollout", task=task), Trajectory(task, (), "", score, cited)))
    now = [Trajectory(f"t{n}", (), "", score, ("r",)) for n, score in enumerate((1.0, 1.0, 0.0))]
    counted = count_uses(ctx, module(rule), [*now, Trajectory("t0", (), "", 0.0, ()), Trajectory("t0", (), "", cited=("r",), status="failed")])
    assert [(r.right, r.wrong, r.without) for r in counted.rules] == [uses]


@pytest.mark.parametrize("choices", [{"passes": 2, "epochs": 1, "audit": 3}, {"method": "combee"}], ids=str)
def test_the_last_pass_can_be_merged_by_hand(choices):
    bench, log = small_bench(n_train=16, n_test=4), CallLog(None)
    found = run(bench, "simulated:large", n_subsets=4, log=log, workers=1, **choices)
    by_hand = run_by_hand([Decision("finish")], desk_for(found, bench, "simulated:large"))
    assert by_hand.module == found.module and by_hand.scores == found.scores
    assert by_hand.token_figures() == found.token_figures()  # earlier passes stand in its ledger, too
    assert len(by_hand.merges()) == len(found.merges())
    assert plot_merge_tree(found).get_title().endswith("(numbers: rules)")


@pytest.mark.parametrize("choices", [
    {"passes": 2, "merge": "sequential"}, {"merge": "vote"}, {"merge": "select"}, {"method": "combee"},
], ids=str)  # fmt: skip
def test_strategies_work_by_rewriting_too(choices):
    found = run(small_bench(n_train=16, n_test=4), "simulated:large", n_subsets=3, edits=False, workers=1, **choices)
    assert found.module.rules and len(found.scores) == 4 and len(found.rules())


def test_uses_are_counted_anew_in_every_pass(bench):
    found = run(bench, "simulated:large", n_subsets=4, counts=True, passes=2, epochs=1, workers=1)
    cited = [
        name for j in found.state.record if j.place.phase == "rollout" and j.place.epoch == 2 for name in j.trajectory.cited
    ]
    leaves = [node for node in found.merge_tree.walk() if not node.children]
    uses = sum(rule.right + rule.wrong for node in leaves for rule in node.module.rules)
    assert 0 < uses <= len(cited)


@pytest.mark.parametrize("name", ["all_at_once", "bootstrapping"])
def test_a_gate_holds_for_baselines_too(name):
    def reply(messages):
        if job_of(messages) == "propose":
            return json.dumps({"edits": [{"op": "add", "text": "harmful rule"}]})
        return (
            "ANSWER: x"
            if "harmful" in messages[0]["content"]
            else f"ANSWER: answer {messages[1]['content'].split()[3]}"
        )

    bench = TinyBench(train=tasks(4), gate=tasks(3, "g"))
    ctx = context(ScriptedLLM(reply), bench, gate="hard", n_subsets=2, divide="random")
    assert METHODS[name](ctx).module == module()
    assert (
        METHODS[name](context(ScriptedLLM(reply), bench, gate="none", n_subsets=2, divide="random")).module
        != module()
    )


@pytest.mark.parametrize("name", ALL[1:])
def test_the_search_never_sees_the_test_split_and_the_gate_only_at_gates(bench, name):
    log = CallLog(None)
    found = run(bench, "simulated", method=name, gate="hard", counts=True, audit=4, log=log, workers=1)
    seen = {}
    for phase, key in found.calls()[["phase", "key"]].itertuples(index=False):
        seen.setdefault(phase, []).append("\n".join(m["content"] for m in log.messages_of(key)))
    assert {"rollout", "evaluate", "propose", "gate", "test"} <= set(seen)

    def holds(phase, split):
        texts = [bench.start(task).observe() for task in split]
        return sum(text in prompt for prompt in seen.get(phase, []) for text in texts)

    for phase in set(seen) - {"test"}:
        assert holds(phase, bench.test) == 0, phase
    for phase in set(seen) - {"gate"}:
        assert holds(phase, bench.gate) == 0, phase
    assert holds("test", bench.test) == len(bench.test)  # it would have been found
    assert holds("gate", bench.gate) > 0 and holds("propose", bench.train) > 0
    assert not any(
        "<expected>" in prompt
        for phase in ("rollout", "gate", "test", "audit")
        for prompt in seen.get(phase, [])
    )


def test_a_method_of_the_user_is_found_by_its_name(bench, monkeypatch):

    @method
    def lucky(ctx):
        return methods.Outcome(module(Rule("r1", "If no other rule applies, answer None.")))

    found = run(bench, "simulated", method="lucky")
    assert set(j.trajectory.answer for j in found.state.record) == {"None"}


def test_the_row_of_our_own_trains_on_as_many_rollouts_as_the_paper_s(bench):
    counts = {}
    for name in ("fgo", "fgo+"):
        calls = run(bench, "simulated", workers=1, **VARIANTS[name]).calls()
        counts[name] = calls["phase"].value_counts()
    assert counts["fgo"]["rollout"] == counts["fgo+"]["rollout"] == 2 * len(bench.train)
    assert counts["fgo"]["evaluate"] == counts["fgo+"]["evaluate"]
    assert "review" not in counts["fgo"] and 0 < counts["fgo+"]["review"] <= 2 * 2  # two subsets, two passes
    assert all(
        (row["gate"], row["counts"], row["audit"], row["review"]) == ("none", False, 0, False)
        for name, row in VARIANTS.items() if name in ("all_at_once", "bootstrapping", "fgo")
    )  # fmt: skip
