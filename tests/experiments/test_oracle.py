"""An oracle merges with the answers of all training tasks: what it keeps, and what that is worth."""

from dataclasses import replace

import pytest
from helpers import small_bench

import fgo_kit as fgo
from fgo_kit.experiments import oracle
from fgo_kit.records import Task
from fgo_kit.runs.variants import VARIANTS
from fgo_kit.simulate.logisticsqa.language import Convention, render


@pytest.fixture(scope="module")
def rows():
    bench = small_bench(n_train=24)
    methods = {name: VARIANTS[name] | {"n_subsets": 3} for name in oracle.MERGING}
    return fgo.compare(bench, "simulated:null", methods, seeds=range(2), after=oracle.chosen_by_oracle)


def test_a_rule_is_judged_where_it_decides():
    """The catch-all is right where nothing else applies, though wrong of most documents; a rule that harms goes."""
    catch_all = "If no other rule applies, answer None."
    ref, order = (render(Convention((), (("field", name),))) for name in ("Ref", "Order"))
    documents = [Task(f"t{n}", f"Ref: AB{n}23456\nOrder: XY{n}23456", f"AB{n}23456") for n in range(3)]
    documents.append(Task("t3", "Note: nothing here", "None"))
    assert set(oracle.choose([catch_all, ref], documents, [0.0] * 4)) == {catch_all, ref}
    assert oracle.choose([order], documents, [0.0] * 4) == [order]  # it does no harm: without it all is wrong too
    assert oracle.choose([order], documents, [1.0] * 4) == []
    assert oracle.choose(["Do your best."], documents, [0.0] * 4) == []


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


def test_what_is_chosen_is_of_the_union_and_no_worse_on_the_training_tasks():
    bench, llm = small_bench(n_train=24), fgo.load_llm("simulated:null")
    run = fgo.run(bench, llm, **(VARIANTS["fgo"] | {"n_subsets": 3}))
    union = {rule.text: rule for leaf in run.merge_tree.leaves for rule in leaf.module.rules}
    kept = oracle.choose(list(union), bench.train, [0.0] * 24)
    assert 0 < len(kept) <= len(union) and set(kept) <= set(union)

    def trained(texts):
        module = bench.seed_module.with_rules({"instructions": tuple(union[text] for text in texts)})
        return fgo.run(replace(bench, test=bench.train, train=bench.test, seed_module=module), llm, method="base").score

    assert trained(kept) >= trained(union)
