"""Other providers through any-llm: with the real package against the loopback server, and without it."""

import sys

import pytest
from helpers import small_bench

import fgo_kit as fgo
from fgo_kit.calls.prices import price
from fgo_kit.calls.protocol import AuthError, BadRequest, RateLimited, Usage
from fgo_kit.simulate.server import serving

ASKED = [{"role": "user", "content": "What is it?"}]


@pytest.fixture
def any_llm():
    return pytest.importorskip("any_llm", reason="needs any-llm: pip install any-llm-sdk")


def test_a_run_through_any_llm_is_that_of_the_model_itself(any_llm, tmp_path):
    bench = small_bench(n_train=8, n_test=4)
    with serving(fgo.load_llm("simulated")) as server:
        llm = fgo.load_llm("any:openai/small", base_url=server.openai_url, api_key="none")
        run = fgo.run(bench, llm, method="fgo", log=tmp_path / "log.sqlite")
        assert run.config["llm"] == "any:openai/small" and server.ledger()["successes"] == run.tokens()["paid_calls"].sum()
    itself = fgo.run(bench, "simulated", method="fgo")
    assert run.scores == itself.scores and run.module == itself.module
    assert run.tokens()["prompt"].tolist() == itself.tokens()["prompt"].tolist()


def test_what_keeps_any_llm_from_answering_is_said_before_anything_is_asked(any_llm, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for spec, error, told in [
        ("any:openai/gpt-x", AuthError, "set the environment variable OPENAI_API_KEY, or pass api_key="),
        ("any:nobody/x", ValueError, "'nobody' is not a supported provider"),
        ("any:mistral/x", ImportError, r"pip install 'any-llm-sdk\[mistral\]'"),
    ]:
        with pytest.raises(error, match=told):
            fgo.load_llm(spec)


def test_errors_of_any_llm_are_those_of_the_protocol(any_llm):
    from any_llm import exceptions

    def failing(error):
        def create(**request):
            raise error

        llm = fgo.load_llm("any:openai/m", api_key="sk-very-secret", base_url="http://127.0.0.1:9")
        llm._create = create
        return llm

    for error, kind in [
        (exceptions.RateLimitError("slow down sk-very-secret", status_code=429, retry_after="7"), RateLimited),
        (exceptions.UnsupportedParameterError("top_k", "openai"), BadRequest),
        (exceptions.AuthenticationError("who are you", status_code=401), AuthError),
    ]:
        with pytest.raises(kind) as raised:
            failing(error).complete(ASKED)
        assert "sk-very-secret" not in str(raised.value)


@pytest.mark.parametrize("spec", ["any:", "any:gemini", "any:/model", "any:gemini/"])
def test_a_spec_names_provider_and_model(spec):
    with pytest.raises(ValueError, match="names no (LLM|model)"):
        fgo.load_llm(spec)


def test_without_the_package_its_install_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "any_llm", None)
    with pytest.raises(ImportError, match=r"needs the package any-llm: pip install 'any-llm-sdk\[gemini\]'"):
        fgo.load_llm("any:gemini/gemini-2.5-flash")


def test_prices_are_those_of_the_provider_that_is_asked():
    usage = Usage(1_000, 100)
    assert price("any:openai/gpt-4o-mini", usage) == price("openai:gpt-4o-mini", usage) > 0
    assert price("any:gemini/gemini-2.5-flash", usage) > 0 and price("any:nobody/x", usage) is None
    assert price("any:ollama/x", usage, "http://localhost:11434") == 0.0
