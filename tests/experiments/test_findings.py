"""Findings of others beside what was simulated: every one has its method or is said to have none, and misses are told."""

import numpy as np
import pandas as pd
import pytest
from made_rows import rows_of

from fgo_kit.algorithm.settings import Settings
from fgo_kit.experiments import findings
from fgo_kit.experiments.findings import FOURS, MEASURED, NOTHING, ONES, PARALLEL
from fgo_kit.stats import Interval

FILE = pd.read_csv(findings.FINDINGS)
FORMS = {"edits": (True,), "lists": ("list",), "rewriting": (False,), "no merging": (True,)}


@pytest.fixture(scope="module")
def table():
    """Rows in which parallel merging scores 50 points above four at a time, and one reduce keeps a quarter of rules."""
    right = {PARALLEL: lambda seed, task: 1, ONES: lambda seed, task: 0, NOTHING: lambda seed, task: task == 0}
    half = dict.fromkeys(findings.methods(16), lambda seed, task: task % 2)
    chains = {PARALLEL: 6.0, FOURS: 30.0}
    rows = rows_of(half | right, rules_left=lambda *_: 0.25, tokens_left=lambda *_: 0.5,
                   chain=lambda method, _: chains.get(method, 60.0))  # fmt: skip
    return findings.findings_table(pd.concat([rows.assign(llm=llm.name) for llm in findings.llms().values()])).set_index("name")


def test_every_finding_is_simulated_in_its_own_form_or_said_not_to_be():
    methods, forms = findings.methods(16), FILE.set_index("name")["form"]
    assert set(MEASURED) == set(FILE["name"]) - {"reduce_points"}
    for name, compared in MEASURED.items():
        if compared:
            assert Settings(**methods[compared[0]]).edits in FORMS[forms[name]], name
    assert set(FILE["use"]) == {"used to choose", "kept to check"}
    assert FILE["source"][FILE["name"].str.startswith("reduce")].str.contains("second-hand").all()


def test_the_levels_differ_in_the_merger_alone():
    weighing, blind = findings.llms().values()
    assert weighing.limits == blind.limits and weighing.name != blind.name
    assert (weighing.assumptions.weighing, blind.assumptions.weighing) == (1, 0)


def test_differences_ratios_and_shares_are_of_the_rows(table):
    assert table.loc["parallel", "weighing"] == pytest.approx(50) and table.loc["parallel", "blind_sign"] == "+"
    assert table.loc["parallel_time", "weighing"] == 5 and table.loc["shuffle_time", "blind"] == 1
    assert table.loc["reduce_rules", "weighing"] == -75 and table.loc["rewrite_tokens", "blind"] == -50
    assert table["weighing_lo"].dtype == float and table.loc["below", "weighing"] == 0  # all learn more than nothing
    assert np.isnan(table.loc["reduce_points", "weighing"]) and table.loc["reduce_points", "blind_sign"] == "not simulated"


def test_a_sign_needs_an_interval_on_one_side():
    found = [findings.sign(Interval(*each), "times") for each in ((2, 1.5, 3), (2, 0.9, 3), (0.5, 0.2, 0.8), (1, 1, 1))]
    assert found == ["+", "unclear", "-", "unclear"]


def test_what_is_missed_is_told_and_nothing_else(table):
    lines = findings.missed(table)
    assert not [line for line in lines if "Trace2Skill" in line and "parallel" in line]
    [weighing, blind] = [line for line in lines if "One at a time" in line]  # published above, here below
    assert weighing.endswith("points: the opposite") and "a blind merger" in blind
    assert len([line for line in lines if "arXiv 2604.14585" in line and "not significantly different from no change" in line]) == 2
    assert not [line for line in lines if "loses accuracy on one task" in line]  # not simulated is no miss
    shown = findings.show_findings(table)
    assert shown.loc["parallel", "published"] == "+ (6.83)" and shown.loc["reduce_points", "blind"] == "not simulated"
