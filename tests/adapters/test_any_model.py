"""Other providers by way of pydantic-ai: with the real package against the loopback server, and without it."""

import sys

import pytest
from helpers import small_bench

import fgo_kit as fgo
from fgo_kit.calls.prices import price
from fgo_kit.calls.protocol import AuthError, BadRequest, RateLimited, Usage
from fgo_kit.simulate.server import serving

ASKED = [{"role": "user", "content": "What is it?"}]


@pytest.fixture
def installed():
    return pytest.importorskip("pydantic_ai", reason="needs pydantic-ai: pip install 'pydantic-ai-slim[openai]'")


def test_a_run_by_way_of_pydantic_ai_is_that_of_the_model_itself(installed, tmp_path):
    bench = small_bench(n_train=8, n_test=4)
    with serving(fgo.load_llm("simulated")) as server:
        llm = fgo.load_llm("any:openai-chat/small", base_url=server.openai_url, api_key="none")
        run = fgo.run(bench, llm, method="fgo", log=tmp_path / "log.sqlite")
        assert run.config["llm"] == "any:openai-chat/small"
        assert server.ledger()["successes"] == run.tokens()["paid_calls"].sum()
    itself = fgo.run(bench, "simulated", method="fgo")
    assert run.scores == itself.scores and run.module == itself.module
    assert run.tokens()["prompt"].tolist() == itself.tokens()["prompt"].tolist()


def test_effort_is_passed_on_or_refused_before_anything_is_asked(installed):
    with serving(fgo.load_llm("simulated")) as server:
        given = {"base_url": server.openai_url, "api_key": "none"}
        document = [{"role": "user", "content": "<document>\nOrder 4711\n</document>"}]
        thought = [
            fgo.load_llm("any:openai-chat/gpt-5.2", effort=effort, **given).complete(document).usage.reasoning
            for effort in ("none", "low", "high")
        ]
        assert 0 == thought[0] < thought[1] < thought[2]
        assert fgo.load_llm("any:openai-chat/gpt-5.2", effort="low", **given).params["effort"] == "low"
        for model, effort, told in [
            ("gpt-5.2", "hgih", "effort='hgih' is not allowed; use one of none"), ("gpt-4o-mini", "low", "leave it out"),
        ]:  # fmt: skip
            with pytest.raises(ValueError, match=told):
                fgo.load_llm(f"any:openai-chat/{model}", effort=effort, **given)
    with pytest.raises(ValueError, match="thinking is no parameter of 'any:openai/x'; allowed: .*effort"):
        fgo.load_llm("any:openai/x", thinking=2_000)


def test_what_keeps_it_from_answering_is_said_before_anything_is_asked(installed, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for spec, error, told in [
        ("any:openai/gpt-x", AuthError, "OPENAI_API_KEY"),
        ("any:nobody/x", ValueError, "spec='any:nobody/x' names no LLM"),
        ("any:mistral/x", ImportError, r"pip install 'pydantic-ai-slim\[mistral\]'"),
    ]:
        with pytest.raises(error, match=told):
            fgo.load_llm(spec)


def test_refusals_are_those_of_the_protocol_and_hold_no_key(installed):
    llm = fgo.load_llm("any:openai-chat/m", api_key="very-secret-key", base_url="http://127.0.0.1:9")
    from pydantic_ai.exceptions import ModelHTTPError

    for status, body, kind in [
        (429, {"error": {"message": "slow down very-secret-key"}}, RateLimited),
        (400, {"error": {"message": "top_k is not supported"}}, BadRequest),
        (401, {"message": "who are you"}, AuthError),
    ]:
        llm._model = Refusing(ModelHTTPError(status, "m", body))
        with pytest.raises(kind) as raised:
            llm.complete(ASKED)
        assert "very-secret-key" not in str(raised.value)


class Refusing:
    """A model of pydantic-ai whose requests all fail."""

    def __new__(cls, error):
        from pydantic_ai.models.function import FunctionModel

        def fail(messages, info):
            raise error

        return FunctionModel(fail)


@pytest.mark.parametrize("spec", ["any:", "any:google", "any:/model", "any:google/"])
def test_a_spec_names_provider_and_model(spec):
    with pytest.raises(ValueError, match="names no (LLM|model)"):
        fgo.load_llm(spec)


def test_without_the_package_its_install_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydantic_ai.exceptions", None)
    with pytest.raises(ImportError, match=r"needs pydantic-ai: pip install 'pydantic-ai-slim\[google\]'"):
        fgo.load_llm("any:google/gemini-2.5-flash")


def test_prices_are_those_of_the_provider_that_is_asked():
    usage = Usage(1_000, 100)
    assert price("any:openai/gpt-4o-mini", usage) == price("openai:gpt-4o-mini", usage) > 0
    assert price("any:google/gemini-2.5-flash", usage) > 0 and price("any:nobody/x", usage) is None
    assert price("any:ollama/x", usage, "http://localhost:11434") == 0.0
