"""Ablations: grids by hand, what a merge tree says of overlap, kept rules and gates, sentences that follow the numbers."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from helpers import ScriptedLLM, TinyBench, module, small_bench, tasks

from fgo_kit import stats
from fgo_kit.calls.providers import load_llm
from fgo_kit.experiments import ablations, dataset_sizes, findings, plots
from fgo_kit.records import MergeNode, Rule
from fgo_kit.runs import compare as grid
from fgo_kit.runs.compare import compare
from fgo_kit.runs.run import run

SEEDS = range(8)


def rows_of(scores, n_train=8, **columns):
    """Rows as `compare` gives them: {method: function of (seed, task) -> score}; 12 tasks."""
    one = {
        "benchmark": "b", "llm": "simulated:small", "simulated": True, "constants": "c", "n_train": n_train,
        "status": "ok", "tokens_call_mean": 10.0, "tokens_call_max": 12_000.0, "tokens_optimiser": 20,
        "tokens_all_in": 30, "calls": 3, "rules": 2, "dropped": 0, "usd": np.nan, "overlap": 0.5, "gate": "none",
    }  # fmt: skip
    made = []
    for method, score in scores.items():
        for seed in SEEDS:
            found = {f"t{task}": float(score(seed, task)) for task in range(12)}
            line = {**one, "method": method, "seed": seed, "scores": found, "score": np.mean(list(found.values()))}
            made.append({**line, **{name: f(method, seed) for name, f in columns.items()}})
    return pd.DataFrame(made)


def noisy(rate, shift=0):
    """Right at about a rate, by a fixed pattern that differs from seed to seed and from task to task."""
    return lambda seed, task: (7 * seed + 5 * task + 3 * seed * task + shift * seed) % 24 < 24 * rate


# -- grids


def test_combinations_are_labelled_and_can_be_taken_apart_again():
    variants = ablations.crossed(divide=["random", "similar"], n_subsets=[2, None], edits=[False])
    assert list(variants)[1] == "random, N by budget, rewrite" and len(variants) == 4
    assert variants["similar, N = 2, rewrite"] == {"divide": "similar", "n_subsets": 2, "edits": False}
    table = ablations.with_factors(pd.DataFrame({"method": ["base", *variants]}), variants)
    assert table["n_subsets"].tolist() == ["", "N = 2", "N by budget", "N = 2", "N by budget"]
    default = {"gate": "none", "fan_in": 2}
    single = ablations.one_at_a_time(default, gate=["hard"], fan_in=[2, 4])
    assert [findings.change(default, chosen) for chosen in single.values()] == ["default", "hard gate", "fan-in 4"]


def first_letters(run, bench, llm):
    return {"letters": f"{bench.name[:1]}{llm.name[:1]}{run.config['method'][:1]}"}


def test_compare_adds_columns_where_the_run_was_made_and_keeps_them(tmp_path, monkeypatch):
    bench, log = small_bench(n_train=8, n_test=4), tmp_path / "rows.sqlite"
    plain = compare(bench, "simulated", ["base"], [0], log=log)
    table = compare(bench, "simulated", ["base"], [0], log=log, after=first_letters)
    assert table["letters"].tolist() == ["Lsb"] and "letters" not in plain
    assert table["run_id"].tolist() == plain["run_id"].tolist()
    monkeypatch.setattr(grid, "run", lambda *args, **kwargs: pytest.fail("a finished run was done again"))
    assert compare(bench, "simulated", ["base"], [0], log=log, after=first_letters)["letters"].tolist() == ["Lsb"]
    assert "letters" not in compare(bench, "simulated", ["base"], [0], log=log)


# -- what a tree says


def leaf(name, *rules):
    return MergeNode(name, module(*rules), tasks=(f"task of {name}",))


def test_overlap_counts_a_subset_s_rules_that_another_has_too():
    a, b = Rule("a", "Look  in the fridge."), Rule("b", "look in the fridge.")
    c, d = Rule("c", "Open it."), Rule("d", "Close it.")
    assert ablations.rule_overlap([module(a, c), module(b, d)]) == 0.5
    assert ablations.rule_overlap([module(a, b), module(c)]) == 0.0  # twice in one subset is no overlap
    assert np.isnan(ablations.rule_overlap([module(a, c)])) and np.isnan(ablations.rule_overlap([module(), module()]))


def test_rules_live_on_as_themselves_or_in_rules_that_name_them():
    one, two = Rule("s1.1", "one", ("t1",)), Rule("s1.2", "two", ("t1", "t2"))
    three, four = Rule("s2.1", "three", ("t3",)), Rule("s3.1", "four", tuple("abcd"))
    five = Rule("s3.2", "five")
    united = Rule("m1.1", "one or three", ("t1", "t3"), parents=("s1.1", "s2.1"))
    reworded = Rule("m1.2", "two, reworded", ("t1", "t2"), parents=("s1.2",))  # and dropped by the next merge
    m1 = MergeNode("m1", module(united, reworded), (leaf("s1", one, two), leaf("s2", three)), "merged")
    again = Rule("m2.1", "all", ("t1", "t3", *"abcd"), parents=("m1.1", "s3.1"))
    root = MergeNode("m2", module(again), (m1, leaf("s3", four, five)), "merged")
    counts = ablations.kept_by_support(root)
    assert counts == {"1": [2, 2], "2-3": [1, 0], "4+": [1, 1], "unknown": [1, 0]}
    refused = MergeNode("m2", m1.module, (m1, leaf("s3", four, five)), "kept m1")
    assert ablations.kept_by_support(refused)["4+"] == [1, 0]
    assert ablations.kept_by_support(None)["1"] == [0, 0]


def test_a_method_without_merges_has_empty_columns():
    bench = small_bench(n_train=8, n_test=4)
    found = ablations.details(run(bench, "simulated", method="all_at_once"), bench, load_llm("simulated"))
    assert np.isnan(found["overlap"]) and found["leaf_rules"] == 0 and found["gated"] == []


GATED = TinyBench(train=tasks(4), gate=tasks(6, "g"), test=tasks(5, "x"))


def answers_by_rules(gate_right, test_right):
    """An agent that is right on gate tasks as `gate_right(rules)` says, on test tasks as `test_right(rules)` does."""

    def reply(messages):
        user = messages[1]["content"]
        if "<modules>" in user:
            return '{"rules": [{"text": "MERGED rule", "from": ["s1e1.1"]}]}'
        if "<trajectories>" in user:
            return '{"edits": [{"op": "add", "text": "rule of a subset", "support": []}]}'
        if "<expected>" in user:
            return "feedback"
        number, kind = user.split("number ")[1].split()[0], user.split(" of ")[1].split()[0]
        right = {"g": gate_right, "x": test_right}.get(kind, lambda rules, number: False)
        return f"ANSWER: {'answer ' + number if right(messages[0]['content'], int(number)) else 'wrong'}"

    return ScriptedLLM(reply)


@pytest.mark.parametrize("merged_right_on_test, expected", [(True, 1.0), (False, -1.0)])
def test_a_refusal_is_judged_on_the_test_split(merged_right_on_test, expected):
    llm = answers_by_rules(
        lambda rules, number: "MERGED" not in rules,  # the gate sees the merge do harm
        lambda rules, number: ("MERGED" in rules) == merged_right_on_test,
    )
    done = run(GATED, llm, n_subsets=2, divide="random", epochs=1, gate="hard", workers=1)
    calls = len(done.calls())
    (decision,) = ablations.gate_decisions(done, GATED, llm)
    assert decision == {"node": "m1", "accepted": False, "gate": -1.0, "test": expected}
    assert len(done.calls()) == calls  # outside the run's own log
    decisions = ablations.gate_rows(pd.DataFrame([done.row() | {"gated": [decision]}]))
    table = ablations.gate_table(decisions)
    assert table["right"].tolist() == [float(expected < 0)] and table["candidates"].tolist() == ["refused"]


def test_an_accepted_candidate_is_judged_too_and_nothing_without_a_gate():
    llm = answers_by_rules(lambda rules, number: "MERGED" in rules, lambda rules, number: number < 2)
    done = run(GATED, llm, n_subsets=2, divide="random", epochs=1, gate="hard", workers=1)
    assert ablations.gate_decisions(done, GATED, llm) == [{"node": "m1", "accepted": True, "gate": 1.0, "test": 0.0}]
    llm.simulated = False  # a real model's test rollouts would be paid for
    assert np.isnan(ablations.gate_decisions(done, GATED, llm)[0]["test"])
    free = run(GATED, llm, n_subsets=2, divide="random", epochs=1, workers=1, log=None)
    assert ablations.gate_decisions(free, GATED, llm) == []


# -- intervals


def test_an_interval_over_seeds_by_hand():
    found = ablations.over_seeds([1, 2, 3, 4], [0, 0, 1, 1])  # means 1.5 and 3.5 of two seeds, t(1) = 12.706
    assert found.value == 2.5 and found.hi == pytest.approx(2.5 + 12.706 * 1.0, abs=0.01)
    weighted = ablations.over_seeds([1.0, 0.0, np.nan], [0, 1, 2], [3, 1, 5])
    assert weighted.value == 0.75 and weighted.lo == 0.0 and weighted.hi == 1.0  # a share stays one
    alone = ablations.over_seeds([0.2, 0.4], [7, 7])
    assert alone.value == pytest.approx(0.3) and np.isnan(alone.lo)
    assert np.isnan(ablations.over_seeds([np.nan], [0]).value)


def test_intervals_over_seeds_cover():
    rng = np.random.default_rng(5)
    seeds = np.repeat(np.arange(10), 4)
    hits = 0
    for _ in range(400):
        found = ablations.over_seeds(rng.normal(size=10)[seeds] + rng.normal(size=40), seeds)
        hits += found.lo <= 0 <= found.hi
    assert 0.92 <= hits / 400 <= 0.98


def test_differences_hold_together():
    rows = rows_of({"a": noisy(0.8), "b": noisy(0.3), "c": noisy(0.3)})
    table = ablations.differences(rows, [("a", "b"), ("c", "b")])
    assert table["verdict"].tolist() == ["better", "unclear"] and table["difference"][1] == 0
    alone = ablations.differences(rows, [("a", "b")])
    assert table["lo"][0] < alone["lo"][0]  # wider, because two intervals must hold
    assert ablations.differences(rows, [("b", "a")], seeds=[0, 1, 2, 3])["verdict"].tolist() == ["worse"]
    failed = rows.assign(scores=rows["scores"].where(rows["method"] != "c", rows["scores"].map(lambda _: {})))
    unknown = ablations.differences(failed, [("c", "b"), ("a", "b")])
    assert unknown["verdict"].tolist() == ["not known", "better"] and np.isnan(unknown["difference"][0])
    few = ablations.differences(rows, [("b", "a")] * 9, seeds=[0, 1])  # no score differs by more than 100 points
    assert few["lo"].min() >= -1 and few["hi"].max() <= 1


# -- sentences


def effect_rows():
    variants = ablations.crossed(divide=["random", "similar"], gate=["none", "hard"])
    better = {"similar, no gate", "similar, hard gate"}
    return variants, rows_of(
        {label: noisy(0.8 if label in better else 0.3, shift) for shift, label in enumerate(variants)}
    )


def test_main_effects_pair_settings_that_differ_in_one_factor():
    variants, rows = effect_rows()
    table = findings.effects(rows, variants).set_index("factor")
    assert table["verdict"].to_dict() == {"divide": "better", "gate": "unclear"} and set(table["pairs"]) == {2}
    assert findings.effect_title(table.reset_index(), "divide") == "division strategy above random: similar"
    assert findings.effect_title(table.reset_index(), "gate") == "no other gate can be told from no gate"
    assert findings.effect_lines(table.reset_index()).splitlines()[0].startswith("divide: similar scores above random")
    flipped = findings.effects(rows, dict(reversed(variants.items())))  # the same, seen from the other level
    assert findings.effect_title(flipped, "divide") == "division strategy below similar: random"


def test_an_effect_without_its_counterpart_is_left_out():
    variants, rows = effect_rows()
    lonely = variants | ablations.crossed(divide=["failure"], gate=["soft"])
    assert set(findings.effects(rows, lonely)["level"]) == {"similar", "hard gate"}


def test_rankings_and_standings_say_what_the_intervals_say():
    _, rows = effect_rows()
    labels = list(dict.fromkeys(rows["method"]))
    said = findings.ranking(rows, labels, "random, no gate")
    assert said.startswith("highest mean: similar") and "better than random, no gate: similar, no gate (+" in said
    assert "not told from random, no gate: random, hard gate" in said and "worse than" not in said
    assert findings.standing(rows, labels[1:], "random, no gate").startswith("2 of 3 settings score above")
    assert "0 of 3 settings score above similar, no gate beyond noise, 2 below" in findings.standing(
        rows, [name for name in labels if name != "similar, no gate"], "similar, no gate"
    )


def test_what_was_not_run_is_not_known_rather_than_no_different():
    variants, rows = effect_rows()
    rows["scores"] = [{} if "hard gate" in method else scores
                      for method, scores in zip(rows["method"], rows["scores"], strict=True)]  # fmt: skip
    table = findings.effects(rows, variants)
    assert table.set_index("factor")["verdict"].to_dict() == {"divide": "better", "gate": "not known"}
    assert findings.effect_title(table, "gate") == "gate beside no gate: not known"
    assert "gate: hard gate is not known beside no gate (no runs to compare)" in findings.effect_lines(table)
    labels = list(variants)
    assert "not known beside random, no gate: random, hard gate" in findings.ranking(rows, labels, labels[0])
    assert "1 of 3 settings score above random, no gate beyond noise, 0 below, 2 not known" in findings.standing(
        rows, labels[1:], labels[0]
    )
    alone = rows_of({"a": noisy(0.5)}).iloc[:1]
    alone = pd.concat([alone, alone.assign(method="b")]).assign(scores=[{"t": 1.0}, {"t": 0.0}])
    single = findings.effects(alone, {"a": {"x": "a"}, "b": {"x": "b"}})
    assert single["difference"].tolist() == [-1.0] and single["verdict"].tolist() == ["not known"]


def test_the_highest_of_several_means_is_told_apart_or_said_not_to_be():
    table = pd.DataFrame({"llm": "simulated:small", "method": ["a", "b"], "score": [0.6, 0.4], "lo": [0.5, 0.3],
                          "hi": [0.7, 0.45]})  # fmt: skip
    assert findings.best_of(table) == "highest mean: a (small)"
    assert findings.best_of(table.assign(hi=[0.7, 0.55])) == "highest mean: a (small) (not told apart)"
    assert findings.best_of(table.assign(lo=[0.5, np.nan], hi=[0.7, np.nan])).endswith("(not told apart)")
    shares = table.rename(columns={"score": "share", "lo": "share_lo", "hi": "share_hi"})
    assert findings.extremes(shares, "method", "share", "kept") == "kept: most with a (60 %), least with b (40 %)"
    wide = shares.assign(share_hi=[0.7, 0.55])
    assert findings.extremes(wide, "method", "share", "kept").endswith("least with b (40 %) (not told apart)")


@pytest.mark.parametrize(
    "rates, starts",
    [
        ((0.2, 0.8, 0.2), "an interior optimum: N = 2"),
        ((0.2, 0.5, 0.9), "no interior optimum found"),
        ((0.5, 0.54, 0.5), "highest inside, but not told from both ends"),
    ],
)
def test_an_interior_optimum_must_beat_both_ends_on_fresh_seeds(rates, starts):
    labels = [f"N = {n}" for n in (1, 2, 3)]
    rows = rows_of({label: noisy(rate) for label, rate in zip(labels, rates, strict=True)})
    assert findings.optimum(rows, labels).startswith(starts)


def test_an_optimum_by_luck_on_the_choosing_seeds_is_not_reported():
    lucky = {"N = 1": noisy(0.3), "N = 2": lambda seed, task: seed < 4 or noisy(0.3)(seed, task), "N = 3": noisy(0.3)}
    assert findings.optimum(rows_of(lucky), list(lucky)).startswith("highest inside, but not told")
    assert findings.optimum(rows_of(lucky).query("seed == 0"), list(lucky)).startswith("not asked")
    told = "an interior optimum is told from both ends on"
    assert findings.counted_optima(["an interior optimum: x", "no interior optimum found"]) == f"{told} 1 of 2 curves"
    assert findings.counted_optima(["highest inside, but"]) == f"{told} none of 1 curves"


def test_the_relation_of_overlap_and_score_has_its_sign():
    variants = ablations.crossed(divide=["random", "similar", "failure"], n_subsets=[2])
    rates = dict(zip(variants, (0.2, 0.5, 0.9), strict=True))
    rows = rows_of({k: noisy(r) for k, r in rates.items()}, overlap=lambda method, seed: 1 - rates[method])
    assert findings.related(rows, variants, "n_subsets").startswith("the score falls with overlap")
    assert findings.related(rows.query("seed == 0"), variants, "n_subsets").startswith("not asked")


def test_kept_rules_and_gates_in_words():
    kept = {"1": [4, 1], "2-3": [0, 0], "4+": [2, 2], "unknown": [0, 0]}
    rows = rows_of({"fgo": noisy(0.5)}, kept_by_support=lambda method, seed: kept)
    table = ablations.kept_table(rows)
    assert table["support"].tolist() == ["1", "4+"] and table["rules"].tolist() == [32, 16]
    assert table["share"].tolist() == [0.25, 1.0]
    title = findings.kept_title(table, "fgo")
    assert title == "fgo keeps 25 % of 32 rules of one task, 100 % of 16 rules of 4 or more"
    decisions = pd.DataFrame([
        {"llm": "l", "method": "fgo", "seed": seed, "constants": "c", "kind": "hard", "node": "m1",
         "accepted": False, "gate": -0.1, "test": 0.1 if seed == 0 else -0.1} for seed in SEEDS
    ])  # fmt: skip
    judged = ablations.gate_table(decisions)
    assert judged["right"][0] == 7 / 8 and "more often rightly than not" in findings.gate_lines(judged)
    assert findings.gate_title(judged).startswith("Right by the test split (ties count half): 87.5 [")
    ties = ablations.gate_table(decisions.assign(test=0.0))
    assert ties["right"][0] == 0.5 and "not told from a coin" in findings.gate_lines(ties)
    assert "50.0 [50.0, 50.0] % rightly by the test split (ties count half)" in findings.gate_lines(ties)
    assert "not judged" in findings.gate_lines(ablations.gate_table(decisions.assign(test=np.nan)))
    assert "refused none of 8" in findings.gate_lines(ablations.gate_table(decisions.assign(accepted=True)))


# -- sizes


def size_rows(flat=0.6, rising=(0.3, 0.9)):
    parts = []
    for size, rate in zip((8, 16), rising, strict=True):
        parts.append(rows_of({"base": noisy(0.2), "fgo": noisy(flat), "all_at_once": noisy(rate)}, size))
    return pd.concat(parts, ignore_index=True)


def test_consistency_tells_an_even_gain_from_an_uneven_one():
    table = dataset_sizes.consistency(size_rows(flat=0.9, rising=(0.2, 0.9))).set_index("method")
    assert table.loc["fgo", "spread"] == 0 and table.loc["all_at_once", "spread"] > 0.4
    assert table.loc["all_at_once", "spread_more_lo"] > 0 and table.loc["all_at_once", "worst_more_hi"] < 0
    said = dataset_sizes.consistency_lines(table.reset_index())
    assert "smallest spread fgo, best worst size fgo" in said and "less even: all_at_once" in said
    worse = dataset_sizes.consistency(size_rows(flat=0.3, rising=(0.9, 0.9))).reset_index()
    assert "better at their worst size: all_at_once" in dataset_sizes.consistency_lines(worse)
    (row,) = dataset_sizes.paper_row(worse, simulated=True).to_dict("records")
    assert row["verdict"] == "simulated, not evidence" and "number 2 by its worst size" in row["measured"]


@pytest.mark.parametrize("gains", [(0.2, 0.2, 0.2, 0.2), (0.05, 0.15, 0.2, 0.25)])
def test_intervals_of_consistency_cover(gains, monkeypatch):
    """At their nominal 95 % or above, less what 100 repetitions leave to chance, where the luck of runs is large."""
    monkeypatch.setattr(stats, "RESAMPLES", 100)  # the mean alone is drawn for
    rng, repeats, hits = np.random.default_rng(11), 100, np.zeros(2)
    for _ in range(repeats):
        hard, luck = 0.15 * rng.normal(size=64), rng.normal(0, 0.08, (4, 8, 1))
        shape, gain = (4, 8, 64), np.array(gains)[:, None, None]
        right, base = (rng.random(shape) < np.clip(0.35 + more + hard, 0, 1) for more in (gain + luck, 0.0))
        frames = [(size, method, cube[at]) for at, size in enumerate((8, 16, 32, 64))
                  for method, cube in (("base", base), ("fgo", right))]  # fmt: skip
        rows = pd.DataFrame([
            {"llm": "l", "constants": "c", "n_train": size, "method": method, "seed": seed,
             "scores": dict(enumerate(cells[seed].astype(float)))}
            for size, method, cells in frames for seed in range(8)
        ])  # fmt: skip
        (found,) = dataset_sizes.consistency(rows).to_dict("records")
        assert found["spread"] >= 0 <= found["spread_lo"] and found["worst"] <= found["mean"]
        assert found["worst_lo"] <= found["worst"] <= found["worst_hi"]
        hits += [found["worst_lo"] <= min(gains) <= found["worst_hi"],
                 found["spread_lo"] <= np.ptp(gains) <= found["spread_hi"]]  # fmt: skip
    assert (hits >= 0.92 * repeats).all(), hits


def test_consistency_goes_without_a_method_that_failed_at_a_size():
    rows = size_rows()
    failed = (rows["n_train"] == 16) & (rows["method"] == "all_at_once")
    rows.loc[failed, "scores"] = pd.Series([{}] * failed.sum(), index=rows.index[failed])
    assert dataset_sizes.consistency(rows)["method"].tolist() == ["fgo"]


def test_intervals_of_consistency_hold_the_measured_figure():
    table = dataset_sizes.consistency(size_rows())
    for name in ("mean", "worst"):
        assert ((table[f"{name}_lo"] <= table[name]) & (table[name] <= table[f"{name}_hi"])).all()


def test_sizes_in_words():
    table = dataset_sizes.by_size(size_rows())
    said = dataset_sizes.size_lines(table)
    assert "fgo gains beyond noise at 8, 16" in said and "8: fgo, 16: all_at_once" in said
    assert dataset_sizes.size_title(table) == "Highest mean: small: fgo at 1 of 2 sizes (told apart at 1)"
    alike = dataset_sizes.by_size(size_rows(rising=(0.55, 0.55)))
    assert dataset_sizes.size_title(alike).endswith("small: fgo at 2 of 2 sizes (told apart at none)")
    assert "8: fgo (not told apart)" in dataset_sizes.size_lines(alike)
    even = dataset_sizes.consistency(size_rows(rising=(0.55, 0.55)))
    assert dataset_sizes.consistency_title(even) == (
        "small: most even fgo and all_at_once (not told apart), best at its worst fgo (not told apart)"
    )


def test_windows_are_extrapolated_only_where_prompts_grow_with_the_set():
    tokens = {("all_at_once", 8): 4_000.0, ("all_at_once", 16): 8_000.0}
    parts = [size_rows().query(f"n_train == {size}").assign(
        tokens_call_max=lambda rows, size=size: [tokens.get((m, size), 5_000.0 + size) for m in rows["method"]]
    ) for size in (8, 16)]  # fmt: skip
    table = dataset_sizes.largest_prompts(pd.concat(parts))
    whole, packed = dataset_sizes.window_lines(table[table["method"] != "base"]).splitlines()[::-1]
    assert whole.startswith("all_at_once: 8k at about 16 tasks (extrapolated); 32k at about 64 tasks (extrapolated)")
    assert packed == "fgo: 5.0k at 16 tasks, growing more slowly than the set"
    assert dataset_sizes.prompt_title(table) == (
        "Largest prompt, 8 to 16 tasks: all_at_once from 4.0k to 8.0k, fgo from 5.0k to 5.0k"
    )


def test_what_is_dropped_is_named_beside_all_there_was():
    rows = pd.concat([rows_of({"all": noisy(0.5), "fgo": noisy(0.5)}, size, dropped=dropped) for size, dropped in (
        (8, lambda method, seed: 0), (16, lambda method, seed: 9 * (method == "all")))])  # fmt: skip
    table = dataset_sizes.dropped_table(rows, {"all": {"epochs": 3}, "fgo": {"passes": 2}})
    assert dataset_sizes.dropped_title(table) == "all leaves out 9 of 48 trajectories a run at 16 tasks (small)"
    assert table["of"].tolist() == [24, 32, 48, 64]  # two epochs by default
    assert dataset_sizes.dropped_grid(table).to_numpy().tolist() == [["0.0 of 24", "9.0 of 48"]]
    assert dataset_sizes.dropped_title(table.assign(dropped=0.0)) == "nothing is dropped at any size"


# -- figures


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def test_figures_show_every_row_with_its_interval_and_say_simulated():
    variants, rows = effect_rows()
    table = ablations.ablation(rows, variants, reference="random, no gate")
    figure = plots.plot_grid(table, "gate", "divide", title="a title " * 12, lines={"base": 0.2})
    (ax,) = figure.axes
    points = [round(float(x)) for container in ax.containers for x in container[0].get_xdata()]
    assert sorted(points) == sorted(round(100 * score) for score in table["score"])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["no gate", "hard gate"]
    assert any("no evidence about any named model" in text.get_text() for text in figure.texts)
    assert figure.get_figwidth() == plots.WIDTH
    panels = plots.plot_grid(table, "gate", "divide", panel="divide")
    assert [ax.get_title() for ax in panels.axes] == ["random", "similar"]


def test_curves_show_sizes_and_windows():
    table = dataset_sizes.largest_prompts(size_rows())
    labels = ("training tasks", "thousand tokens")
    figure = plots.draw_windows(plots.plot_curves(table, "n_train", "method", "value", "llm", labels), (8_000, 32_000))
    (ax,) = figure.axes
    assert [label.get_text() for label in ax.get_xticklabels()] == ["8", "16"]
    assert {"8k window", "32k window"} == {text.get_text() for text in ax.texts}  # the prompts are of 12k


def test_a_strategy_keeps_its_colour_wherever_it_appears():
    alone, among = plots.looks(["similar"]), plots.looks(["mine", "random", "similar", "similar, N = 2", "mine, too"])
    assert alone["similar"]["color"] == among["similar"]["color"] == among["similar, N = 2"]["color"]
    assert len({one["color"] for one in plots.looks(["random", "contiguous", "stratified", "similar", "difficulty",
                                                     "failure", "budget"]).values()}) == 7  # fmt: skip
    assert among["mine"]["color"] != among["mine, too"]["color"]


def test_runs_alike_to_the_last_task_are_the_same_and_not_unknown():
    rows = rows_of({"a": noisy(0.5), "twin": noisy(0.5), "other": noisy(0.9)})
    assert "; the same as a: twin" in findings.ranking(rows, ["a", "twin", "other"], "a")
    told = findings.effect_lines(findings.effects(rows, {"a": {"gate": "none"}, "twin": {"gate": "hard"}}))
    assert told.startswith("gate: hard gate gives the same as no gate")
