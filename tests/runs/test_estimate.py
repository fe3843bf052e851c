"""The price of one run, from a dry run that costs nothing."""

import pytest
from helpers import small_bench

import fgo_kit as fgo
from fgo_kit.calls.prices import price
from fgo_kit.calls.protocol import Usage
from fgo_kit.runs.estimate import LONGER, estimate


def test_a_run_is_priced_by_its_own_ledger():
    bench = small_bench(n_train=8, n_test=6)
    ledger = fgo.run(bench, "simulated", method="all_at_once", seed=3).tokens()
    found = estimate(bench, "openai:gpt-4o-mini", "simulated", method="all_at_once", seed=3)
    assert found["calls"] == ledger["calls"].sum() and found["prompt_tokens"] == ledger["prompt"].sum()
    assert found["completion_tokens"] == LONGER * ledger["completion"].sum()
    usd = price("openai:gpt-4o-mini", Usage(found["prompt_tokens"], found["completion_tokens"]))
    assert found["usd"] == pytest.approx(usd, rel=0.05)
    assert fgo.estimate(bench, "openai:gpt-4o-mini", method="all_at_once", seed=3) == found


def test_what_asks_no_model_costs_nothing_and_an_unknown_price_is_none():
    bench = small_bench(n_train=8, n_test=6)
    free = fgo.estimate(bench, "openai:gpt-4o-mini", method="always_none")
    assert free["calls"] == free["prompt_tokens"] == 0 and free["usd"] == 0
    assert fgo.estimate(bench, "openai:no-such-model", method="base")["usd"] is None
    with pytest.raises(ValueError, match="n_subsets"):
        fgo.estimate(bench, "openai:gpt-4o-mini", n_subsets=9)
