"""The simulated LLM with other constants: the change acts, bears its name, and touches nothing else."""

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from helpers import small_bench

from fgo_kit.algorithm import prompts
from fgo_kit.calls.protocol import ContextOverflow
from fgo_kit.experiments import assumptions, model_card
from fgo_kit.records import Component, Module, Rule
from fgo_kit.runs.run import run
from fgo_kit.simulate import limits
from fgo_kit.simulate.model import Prompt, load
from fgo_kit.simulate.varied import WORDS, paraphrased, reworded, shuffled, varied


@pytest.fixture(scope="module")
def bench():
    return small_bench(n_train=24, n_test=24)


def answers(bench, llm, **choices):
    done = run(bench, llm, seed=1, workers=1, **choices)
    return [done.trajectory(task.id).answer for task in bench.test]


def test_without_changes_it_is_the_frozen_llm():
    assert varied("large") == load("large")
    assert varied("small", induce=limits.ASSUMPTIONS.induce, notice_x50=3050.0) == load("small")


def test_a_change_is_in_name_params_and_run_id(bench):
    changed, frozen = varied("small", induce=0.35), load("small")
    assert changed.name == "simulated:small induce=0.35" and changed.params["changed"] == "induce=0.35"
    assert changed.params["constants"] != frozen.params["constants"] == limits.constants_hash()
    assert varied("large", induce=0.35).params["constants"] != changed.params["constants"]
    assert run(bench, changed, method="base").id != run(bench, frozen, method="base").id
    assert pickle.loads(pickle.dumps(changed)) == changed


def test_an_unknown_constant_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'inducing' is unknown; use one of notice_x50.*induce"):
        varied("small", inducing=1)


def test_every_assumption_is_varied_and_every_factor_is_a_constant():
    names = {factor.constant for factor in assumptions.FACTORS}
    assert {field.name for field in fields(limits.Assumptions)} <= names
    assert len(assumptions.sensitivity_llms()) == 1 + 2 * len(assumptions.FACTORS)  # none falls on its own value


def test_the_change_acts_and_leaks_into_no_other_call(bench):
    none = varied("small", naive_none=100.0)
    before = answers(bench, "simulated", method="base")
    assert set(before) != {"None"} == set(answers(bench, none, method="base"))
    with ThreadPoolExecutor(2) as pool:  # at the same time, and after each other in one thread
        found = list(pool.map(lambda llm: answers(bench, llm, method="base"), [none, load("small")] * 3))
    assert found == [["None"] * len(before), before] * 3
    assert limits.assumed() is limits.ASSUMPTIONS


@pytest.mark.parametrize("change", [{"wrong_odds": 0.1}, {"code_odds": 0.4}, {"length_cost": 5.0}])
def test_the_learner_reads_the_assumptions_in_force(bench, change):
    learnt = [str(run(bench, llm, method="all_at_once", workers=1).module) for llm in
              (load("null"), varied("null", **change), load("null"))]  # fmt: skip
    assert learnt[0] == learnt[2] != learnt[1]


def test_nothing_comes_to_mind_when_nothing_is_induced(bench):
    learnt = run(bench, varied("null", induce=0.0), method="all_at_once", workers=1).module
    assert len(learnt.rules) <= 1 < len(run(bench, "simulated:null", method="all_at_once", workers=1).module.rules)


def test_limits_change():
    small, wide = load("small").limits, varied("small", notice_x50=float("inf"), obey_n50=10.0).limits
    assert limits.noticing(wide, 100_000, 0.5) > 0.95 > limits.noticing(small, 100_000, 0.5)
    assert limits.obey(wide, 10) == 0.5
    assert varied("small", position_scale=0.0).limits.position[:2] == (0.0, 0.0)
    assert varied("small", hop_scale=2.0).limits.hop == pytest.approx(2 * small.hop)
    with pytest.raises(ContextOverflow, match="5000 token window"):
        varied("small", context_window=5_000).complete([{"role": "user", "content": "word " * 2_000}])


def test_other_words_are_used_for_every_prompt_and_in_instructions_alone(bench):
    for ours in WORDS:
        assert any(ours in template for template in prompts.TEMPLATES.values()), f"no template says {ours!r}"
    sent = [{"role": role, "content": "ANSWER: the answer alone"} for role in ("system", "user")]
    assert [m["content"] for m in reworded(sent)] == ["ANSWER: just the answer", "ANSWER: the answer alone"]
    other = run(bench, paraphrased("null"), method="all_at_once", workers=1)
    assert other.config["llm"] == "simulated:null paraphrased" and len(other.module.rules) > 1


def test_shuffled_answers_are_the_same_answers_with_other_documents(bench):
    dealt = shuffled(bench, 3)
    assert sorted(t.answer for t in dealt.train) == sorted(t.answer for t in bench.train)
    assert [t.text for t in dealt.train] == [t.text for t in bench.train]
    assert dealt.train != bench.train and (dealt.test, dealt.gate) == (bench.test, bench.gate)
    assert dealt.name.endswith("shuffled") and shuffled(bench, 3) == dealt != shuffled(bench, 4)


def rows(fgo: float, reference: float) -> pd.DataFrame:
    def one(method, mean, seed):
        scores = (np.arange(200) < 200 * mean).astype(float)
        return {"llm": "l", "method": method, "seed": seed, "scores": dict(enumerate(scores))}

    return pd.DataFrame([one(m, s, seed) for seed in (0, 1) for m, s in (("fgo", fgo), ("all_at_once", reference))])


@pytest.mark.parametrize("fgo, verdict", [(0.7, "better"), (0.5, "alike"), (0.3, "worse")])
def test_gains_are_paired_and_have_a_verdict(fgo, verdict):
    line = assumptions.gains(rows(fgo, 0.5), ["all_at_once"]).iloc[0]
    assert line["gain"] == pytest.approx(fgo - 0.5) and line["verdict"] == verdict
    assert fgo == 0.5 or line["lo"] <= line["gain"] <= line["hi"]  # without variance there is no interval


@pytest.mark.parametrize("size", ["null", "large-helmet"])
def test_a_profile_is_varied_only_where_the_value_is_another(size):
    llms = assumptions.sensitivity_llms(size)
    names = [llm.name for llm in llms.values()]
    assert len(set(names)) == len(names) and names.count(load(size).name) == 1
    assert ("notice_x50", float("inf")) not in llms and ("induce", 0.35) in llms


def test_a_gain_without_runs_is_not_known():
    failed = rows(0.7, 0.5)
    failed.loc[failed["method"] == "all_at_once", "scores"] = [{}, {}]
    line = assumptions.gains(failed, ["all_at_once"]).iloc[0]
    assert np.isnan(line["gain"]) and line["verdict"] == "not known"
    single = rows(0.7, 0.5).query("seed == 0").assign(scores=[{0: 1.0}, {0: 0.0}])  # one cell: no interval
    line = assumptions.gains(single, ["all_at_once"]).iloc[0]
    assert line["gain"] == 1.0 and line["verdict"] == "too few seeds for an interval"
    table = pd.DataFrame({"x50": [1.0, 2000.0], "n50": 3.0, "method": "fgo+", "reference": "all_at_once",
                          "gain": [np.nan, 0.1], "verdict": ["not known", "better"]})  # fmt: skip
    figure = assumptions.plot_maps([(table, "n50", "rules")], ["c"])
    assert [text.get_text() for text in figure.axes[0].texts] == ["?", "+10"]
    assert "not known" in [text.get_text() for text in figure.legends[0].get_texts()]
    assert figure.axes[0].get_title() == "fgo+ against all at once: better in 1 of 2\n(numbers: gain, points)"
    [counts] = assumptions.map_counts(table).to_dict("records")
    assert counts == {"better": 1, "not known": 1}


def varied_rows(gain_of):
    """Runs as frozen and with two constants varied, fgo better by `gain_of(constant)` than references at 50 %."""
    rng, made = np.random.default_rng(3), []
    for (constant, _), llm in assumptions.sensitivity_llms().items():
        if constant not in ("frozen", "induce", "trust"):
            continue
        for seed in range(4):
            base = rng.random(100) < 0.5
            better = base | (rng.random(100) < 2 * gain_of(constant))
            for method, right in (("all_at_once", base), ("bootstrapping", base), ("fgo", better)):
                made.append({"llm": llm.name, "method": method, "seed": seed, "scores": dict(enumerate(right * 1.0))})
    return pd.DataFrame(made)


def test_the_change_of_a_gain_is_tested_itself():
    table = assumptions.sensitivity(varied_rows(lambda constant: 0.45 if constant == "induce" else 0.05))
    told = table[(table["change_lo"] > 0) | (table["change_hi"] < 0)]
    assert set(told["constant"]) == {"induce"} and len(told) == 4  # two values, two references
    assert told["change"].between(0.3, 0.5).all()
    assert table[table["constant"] == "frozen"][["change", "change_lo", "change_hi"]].isna().all(axis=None)
    changed = assumptions.changed(table)
    assert changed["constant"].tolist() == ["induce"] * 4 and set(changed["value"]) == {0.35, 0.95}
    assert changed["change, points"].str.startswith("+").all()


def test_another_verdict_alone_is_no_change():
    near = varied_rows(lambda constant: 0.0)
    frozen, other = (near["llm"] == load("small").name), (near["llm"] == varied("small", induce=0.35).name)
    for which, gained in ((frozen, (0, 1)), (other, (0, 1, 2, 3, 4, 5))):  # 2 points are unclear, 6 are not
        chosen = which & (near["method"] == "fgo")
        near.loc[chosen, "scores"] = pd.Series([{**{n: 0.0 for n in range(100)}, **dict.fromkeys(gained, 1.0)}
                                                for _ in range(chosen.sum())], index=near.index[chosen])  # fmt: skip
        rest = which & (near["method"] != "fgo")
        near.loc[rest, "scores"] = pd.Series([dict.fromkeys(range(100), 0.0)] * rest.sum(), index=near.index[rest])
    table = assumptions.sensitivity(near)
    row = table.query("constant == 'induce' and value == 0.35").iloc[0]
    assert (table.query("constant == 'frozen'")["verdict"].iloc[0], row["verdict"]) == ("unclear", "better")
    assert row["change_lo"] < 0 < row["change_hi"]
    assert assumptions.changed(table).empty


def test_held_out_figures_are_the_published_ones():
    check = model_card.summhay_check().set_index("measure")
    assert check.loc["summhay_coverage", "published, GPT-4o"] == pytest.approx(66.1 / 76.6)
    assert (check.drop(columns="published, GPT-4o") <= 1).all(axis=None)
    with pytest.raises(ValueError, match="no rows for curve='nobody'"):
        model_card.published("nobody")


def test_a_merger_with_oversight_unites_less():
    rules = [Rule(f"r{n}", "If the document mentions 'sea freight', take the code after 'B/L'.", (f"t{n}",)) for n in range(6)]
    module = Module((Component("instructions", "x", tuple(rules)),))
    asked = prompts.merge([("s1", module)])

    def written(oversight):
        llm = varied("null", oversight=oversight)
        return json.loads(llm.complete(asked).text)["rules"]

    assert [rule["from"] for rule in written(1)] == [[f"r{n}"] for n in range(6)]
    assert {rule["text"] for rule in written(1)} == {rules[0].text}
    assert [len(rule["from"]) for rule in written(0)] == [6]
    partly = written(0.5)
    assert 1 < len(partly) < 6 and sorted(source for rule in partly for source in rule["from"]) == [f"r{n}" for n in range(6)]


def test_misses_are_as_alike_between_calls_as_assumed():
    def lucks(correlation, prompt):
        call = Prompt(load("small").limits, [{"role": "user", "content": prompt}], 9, 0)
        with limits.assuming(replace(limits.ASSUMPTIONS, miss_correlation=correlation)):
            return np.array([call.luck(f"t{n}") for n in range(400)])

    alike = {rho: float((lucks(rho, "one") == lucks(rho, "two")).mean()) for rho in (0.0, 0.5, 1.0)}
    assert alike[0.0] == 0 and alike[1.0] == 1 and alike[0.5] == pytest.approx(0.5, abs=0.1)
    assert lucks(0.5, "one").mean() == pytest.approx(0.5, abs=0.05)  # as likely to notice as before
