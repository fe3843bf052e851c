"""The list of everything that can be chosen by name."""

import fgo_kit as fgo
from fgo_kit.algorithm.registry import DIVISIONS, MERGES, METHODS


def test_every_choice_is_listed_with_its_description():
    table = fgo.strategies()
    assert list(table.columns) == ["kind", "name", "description"]
    names = table.groupby("kind")["name"].agg(set).to_dict()
    assert names == {"method": set(METHODS), "divide": set(DIVISIONS), "merge": set(MERGES), "gate": {"none", "hard", "soft"}}
    assert table["description"].str.len().between(10, 120).all()
    assert table["description"].str.endswith(".").all()


def test_texts_are_shown_whole():
    table = fgo.strategies()
    assert all(text in repr(table) and text.split("'")[0] in table._repr_html_() for text in table["description"])
    assert repr(table[table["kind"] == "gate"]).count("\n") == 3


def test_a_strategy_of_ones_own_takes_three_lines_and_is_listed():
    @fgo.division
    def mine(tasks, n_subsets, rng):
        return [list(tasks[start::n_subsets]) for start in range(n_subsets)]

    fgo.merging(lambda ctx, leaves: tuple(range(len(leaves))))  # a lambda has no name worth keeping
    listed = fgo.strategies().set_index(["kind", "name"])["description"]
    assert listed["divide", "mine"] == ""
