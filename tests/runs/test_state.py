"""What a finished run leaves is written without the same rule twice, and read back as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
from helpers import small_bench

import fgo_kit as fgo
from fgo_kit.records import Component, MergeNode, Module, Rule, from_json, to_json
from fgo_kit.runs.state import State, restored, stored

SUPPORTED = Rule("r1", "Take the code.", tuple(f"task-{number:05}" for number in range(1_000)), right=3, without=0.5)


def module(*rules: Rule) -> Module:
    return Module((Component("rules", "Follow them.", rules),))


def state_of(n_leaves: int, **chosen) -> State:
    """That of a pass in which every subset starts from one well supported rule and writes one of its own."""
    leaves = tuple(MergeNode(f"s{n}", module(replace(SUPPORTED), Rule(f"r1.{n}", f"Rule {n}."))) for n in range(n_leaves))
    root = MergeNode("m1", leaves[0].module, leaves, "merged", module(SUPPORTED))
    return State(root.module, [], [], merge_tree=root, **chosen)


def read_back(state: State) -> State:
    return restored(from_json(State, to_json(stored(state))))


@pytest.mark.parametrize("method", ["fgo", "fgo+", "bootstrapping", "base"])
def test_a_run_is_read_back_as_it_was(method, tmp_path):
    bench = small_bench(n_train=12, n_test=4)
    first = fgo.run(bench, "simulated", method=method, log=tmp_path / "log.sqlite")
    again = fgo.run(bench, "simulated", method=method, log=tmp_path / "log.sqlite")
    assert to_json(again.state) == to_json(first.state) == to_json(read_back(first.state))


def test_a_rule_that_all_copies_have_is_written_once():
    few, many = (to_json(stored(state_of(n))) for n in (10, 100))
    assert few.count("task-00500") == many.count("task-00500") == 2  # in the module and among those that are shared
    assert to_json(state_of(10)).count("task-00500") > 10
    assert len(many) - len(few) < 90 * 2_000


def test_equal_rules_are_one_object_when_they_are_read():
    state = read_back(state_of(5))
    assert len({id(leaf.module.rules[0]) for leaf in state.merge_tree.leaves}) == 1
    assert to_json(state) == to_json(state_of(5)) and state.shared == ()


def test_states_of_earlier_passes_are_read_too():
    state = state_of(3, earlier=(state_of(2).merge_tree,))
    assert to_json(read_back(state)) == to_json(state)


def test_a_state_that_was_written_out_in_full_is_read_as_it_is():
    state = state_of(3)
    assert to_json(restored(from_json(State, to_json(state)))) == to_json(state)
