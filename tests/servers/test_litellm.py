"""LiteLLM's proxy in front of the loopback server: runs are those of the model itself, its errors are the protocol's."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace

import pytest
from helpers import small_bench
from processes import free_port, started

import fgo_kit as fgo
from fgo_kit.benchmarks import gaia
from fgo_kit.calls.log import CallLog
from fgo_kit.calls.protocol import AuthError, BadRequest, CallFailed, ContextOverflow
from fgo_kit.simulate.server import serving

KEY = "sk-of-the-proxy"
FAULTS = {
    "good": {}, "limited": {"p429": 0.1, "p5xx": 0.05}, "refusing": {"p_refused": 1.0}, "garbled": {"p_malformed": 0.1},
    "narrow": {"context_window": 60},
}  # fmt: skip
QUIET = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False", "LITELLM_MODE": "PRODUCTION", "NO_PROXY": "*"}
ASKED = [{"role": "system", "content": "Answer."}, {"role": "user", "content": "<document>\n" + "an order " * 40 + "\n</document>"}]


@pytest.fixture(scope="module")
def proxy(python, tmp_path_factory):
    """(URL of the proxy, the loopback servers behind it by name)."""
    folder, port = tmp_path_factory.mktemp("litellm"), free_port()
    with ExitStack() as stack:
        behind = {name: stack.enter_context(serving(fgo.load_llm("simulated"), **faults)) for name, faults in FAULTS.items()}
        models = [
            {"model_name": f"{api}-{name}", "litellm_params": {"model": model, "api_base": url, "api_key": "none"}}
            for name, server in behind.items()
            for api, model, url in (("openai", "openai/gpt-5-mini", server.openai_url), ("claude", "anthropic/claude-sonnet-4-5", server.url))
        ]
        config = {
            "model_list": models, "litellm_settings": {"num_retries": 0, "telemetry": False},
            "router_settings": {"num_retries": 0, "disable_cooldowns": True},
            "general_settings": {"master_key": KEY, "forward_client_headers_to_llm_api": True},
        }  # fmt: skip
        (folder / "config.yaml").write_text(json.dumps(config))
        command = [str(python.parent / "litellm"), "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
        yield stack.enter_context(started(command, port, "/health/liveliness", folder / "log", QUIET)), behind


def through(proxy, name, api="chat", **params):
    """The LLM behind the proxy, asked by one of the three protocols."""
    url = proxy[0]
    if api == "messages":
        return fgo.load_llm(f"anthropic:claude-{name}", base_url=url, **{"api_key": KEY} | params)
    return fgo.load_llm(f"openai:openai-{name}", base_url=f"{url}/v1", api=api, **{"api_key": KEY} | params)


def played(bench, llm):
    run = fgo.run(bench, llm, log=CallLog(None), n_subsets=2, seed=3)
    return run, run.tokens()[["paid_calls", "paid_prompt", "paid_completion"]].sum().tolist()


@pytest.mark.parametrize("api", ["chat", "responses", "messages"])
def test_a_run_is_that_of_the_model_itself(proxy, api):
    bench, before = small_bench(n_train=8, n_test=6), proxy[1]["good"].ledger()
    (run, tokens), (own, expected) = played(bench, through(proxy, "good", api)), played(bench, "simulated")
    assert (run.scores, run.module) == (own.scores, own.module)
    after = proxy[1]["good"].ledger()
    counted = [after[kind] - before[kind] for kind in ("successes", "prompt_tokens", "completion_tokens")]
    assert tokens == counted == expected


@pytest.mark.parametrize("api", ["chat", "responses", "messages"])
def test_tools_and_thinking_come_through(proxy, api):
    whole = gaia.load()
    bench = replace(whole, train=whole.train[:4], test=whole.test[:3])
    thinking = {"effort": "low"} | ({"thinking": "adaptive"} if api == "messages" else {})
    (run, _), (own, _) = played(bench, through(proxy, "good", api, **thinking)), played(bench, "simulated")
    assert run.scores == own.scores
    assert run.tokens()["reasoning"].sum() > 0


@pytest.mark.parametrize("name, api", [("limited", "chat"), ("limited", "messages"), ("garbled", "chat")])
def test_faults_behind_the_proxy_change_nothing(proxy, name, api):
    bench = small_bench(n_train=8, n_test=6)
    assert played(bench, through(proxy, name, api))[0].scores == played(bench, "simulated")[0].scores
    assert proxy[1][name].ledger()["faults"]


@pytest.mark.parametrize("api", ["chat", "responses", "messages"])
def test_its_errors_are_those_of_the_protocol(proxy, api):
    with pytest.raises(ContextOverflow):
        through(proxy, "narrow", api).complete(ASKED)
    with pytest.raises(BadRequest, match="absent"):
        through(proxy, "absent", api).complete(ASKED)
    with pytest.raises(AuthError) as raised:
        through(proxy, "good", api, api_key="sk-wrong-key-0123456789").complete(ASKED)
    assert "0123456789" not in str(raised.value)


@pytest.mark.parametrize("api", ["chat", "responses", "messages"])
def test_refusals_are_seen(proxy, api):
    reply = through(proxy, "refusing", api).complete(ASKED)
    assert reply.finish == "refusal"


@pytest.mark.parametrize("api", ["chat", "responses", "messages"])
def test_preflight_names_no_defect(proxy, api):
    found = fgo.preflight(small_bench(n_train=4, n_test=4), through(proxy, "good", api), pilot=2, log=CallLog(None))
    assert not len(found.defects), found


def test_a_proxy_that_is_gone_fails_plainly():
    llm = fgo.load_llm("openai:openai-good", base_url=f"http://127.0.0.1:{free_port()}/v1", api_key=KEY)
    with pytest.raises(CallFailed):
        llm.complete(ASKED)
