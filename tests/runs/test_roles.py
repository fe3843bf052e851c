"""Roles: agent, optimiser, evaluator and merger may be four LLMs; each has its line in the ledger."""

from __future__ import annotations

import pytest
from helpers import ScriptedLLM, Wrapped, job_of, small_bench

import fgo_kit as fgo
from fgo_kit.calls.roles import Roles
from fgo_kit.simulate.model import load

FOUR = {"optimizer": "simulated:large", "evaluator": "simulated:frontier", "merger": "simulated:null"}
CHOICES = {"n_subsets": 3, "epochs": 1}


@pytest.fixture(scope="module")
def bench():
    return small_bench(n_train=24)


def test_each_role_is_asked_for_its_own_part_and_for_nothing_else(bench):
    llms = {role: Wrapped(load(size)) for role, size in (("agent", "small"), ("optimizer", "large"), ("evaluator", "frontier"), ("merger", "null"))}
    agent, roles = llms["agent"], {role: llm for role, llm in llms.items() if role != "agent"}
    fgo.run(bench, agent, **CHOICES, **roles)
    jobs = {role: {job_of(messages) for messages in llm.asked} for role, llm in llms.items()}
    assert jobs == {"agent": {"act"}, "optimizer": {"propose", "review"}, "evaluator": {"evaluate"}, "merger": {"merge"}}


def test_four_specs_have_four_lines_in_the_ledger_resume_and_replay(bench, tmp_path):
    log = tmp_path / "four.sqlite"
    run = fgo.run(bench, "simulated", log=log, **CHOICES, **FOUR)
    ledger = run.tokens(by="llm").set_index("llm")
    assert set(ledger.index) == {"simulated:small", *FOUR.values()}
    phases = run.tokens().set_index("phase")["prompt"]
    assert ledger.loc["simulated:large", "prompt"] == phases[["propose", "review"]].sum() and ledger["prompt"].sum() == phases.sum()
    again = fgo.run(bench, "simulated", log=log, **CHOICES, **FOUR)
    assert again.id == run.id and again.module == run.module
    replayed = [fgo.load_llm(f"replay:{log}", source=name) for name in ("simulated:small", *FOUR.values())]
    roles = dict(zip(FOUR, replayed[1:], strict=True))
    assert fgo.run(bench, replayed[0], **CHOICES, **roles).scores == run.scores


def test_ids_tell_roles_apart(bench):
    ids = {fgo.run(bench, "simulated", method="base", **chosen).id
           for chosen in ({}, {"optimizer": "simulated:large"}, {"merger": "simulated:large"}, FOUR)}  # fmt: skip
    assert len(ids) == 4


def test_who_has_no_llm_of_its_own_takes_the_optimisers_and_that_the_agents():
    small, large, null = map(load, ("small", "large", "null"))
    assert Roles().filled(small) == {"optimizer": small, "evaluator": small, "merger": small}
    assert Roles(optimizer=large, merger=null).filled(small) == {"optimizer": large, "evaluator": large, "merger": null}


def test_a_grid_takes_roles(bench):
    rows = fgo.compare(bench, "simulated", ["base", "fgo"], [0], optimizer="simulated:null", workers=1, **CHOICES)
    alone = fgo.run(bench, "simulated", seed=0, optimizer="simulated:null", **CHOICES | {"method": "fgo"})
    assert rows["score"][1] == alone.score and set(rows["status"]) == {"ok"}


@pytest.mark.parametrize("role", ["optimizer", "evaluator", "merger"])
def test_a_spec_that_is_none_is_refused_before_anything_is_asked(bench, role):
    llm = ScriptedLLM(lambda messages: pytest.fail("it was asked"))
    with pytest.raises(ValueError, match="spec='simulatd' names no LLM"):
        fgo.run(bench, llm, **{role: "simulatd"})
    with pytest.raises(TypeError, match="wrap_llm"):
        fgo.run(bench, llm, **{role: len})


@pytest.mark.parametrize("role", ["optimizer", "evaluator", "merger"])
def test_a_role_whose_price_a_budget_needs_is_refused_before_anything_is_asked(bench, role):
    agent, other = ScriptedLLM(lambda messages: pytest.fail("it was asked")), Wrapped(load("large"))
    other.name = "openai:no-such-model"
    for ask in (fgo.run, fgo.preflight, fgo.compare):
        with pytest.raises(ValueError, match="budget_usd=1 needs a price, and none is known for 'openai:no-such-model'"):
            ask(bench, agent, **{role: other}, budget_usd=1)


def test_one_module_is_scored_with_three_agents_by_one_call(bench):
    run = fgo.run(bench, "simulated:null", counts=True, **CHOICES)
    table = fgo.transfer(run, bench, ["simulated:small", "simulated:large", "simulated:null"]).set_index("llm")
    assert table.loc["simulated:null", "score"] == run.score
    assert (table["gain"] - (table["score"] - table["base"])).abs().max() < 1e-12
    with pytest.raises(ValueError, match="was made on other data"):
        fgo.transfer(run, small_bench(n_train=8, world=1), ["simulated"])
    with pytest.raises(TypeError, match="is one LLM; give a list"):
        fgo.transfer(run, bench, "simulated")
