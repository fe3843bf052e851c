"""An oracle merges with the answers of all training tasks: what it keeps, and what that is worth."""

import pytest
from helpers import small_bench

import fgo_kit as fgo
from fgo_kit.experiments import oracle
from fgo_kit.records import Task
from fgo_kit.runs.variants import VARIANTS
from fgo_kit.simulate.logisticsqa.language import Convention, parse_rule, render


@pytest.fixture(scope="module")
def rows():
    bench = small_bench(n_train=24)
    methods = {name: VARIANTS[name] | {"n_subsets": 3} for name in oracle.MERGING}
    return fgo.compare(bench, "simulated:null", methods, seeds=range(2), after=oracle.bound)


def test_a_rule_is_kept_where_it_is_more_often_right_than_wrong():
    text = render(Convention(("broker",)))  # such documents have no reference
    documents = [Task(f"t{n}", f"Broker: Smith\nRef: AB{n}23456", answer) for n, answer in enumerate(["None", "None", "AB223456"])]
    assert parse_rule(text) is not None and oracle.helps(text, documents)
    assert not oracle.helps(text, documents[1:])  # once right, once wrong
    assert not oracle.helps(text, []) and not oracle.helps("Do your best.", documents)


def test_the_oracle_s_module_is_played_on_the_same_tasks(rows):
    for row in rows.to_dict("records"):
        assert row["oracle_scores"].keys() == row["scores"].keys()
    table = oracle.bounded_by_oracle(rows).set_index("method")
    assert list(table.index) == list(oracle.MERGING)
    for method, row in table.iterrows():
        own = rows[rows["method"] == method]
        played = [sum(scores.values()) / len(scores) for scores in own["oracle_scores"]]
        assert row["score"] + row["difference"] == pytest.approx(sum(played) / len(played))
    assert len(oracle.show_oracle(table.reset_index())) == 2


def test_fewer_rules_than_the_subsets_wrote_and_none_that_harms_where_all_is_known(rows):
    bench = small_bench(n_train=24)
    run = fgo.run(bench, "simulated:null", **(VARIANTS["fgo"] | {"n_subsets": 3}))
    union = {rule.text for leaf in run.merge_tree.leaves for rule in leaf.module.rules}
    kept = [text for text in union if oracle.helps(text, bench.train)]
    assert 0 < len(kept) <= len(union)
    assert oracle.bound(run, bench, fgo.load_llm("simulated:null"))["oracle_rules"] == len(kept)
