"""The SDK adapters against a small loopback server, replay, specs, prices, and the key that never shows."""

import pickle
import traceback
from contextlib import nullcontext
from email.utils import formatdate
from time import time

import pytest
from helpers import ScriptedLLM, TinyBench, tasks
from wire import ANTHROPIC, OPENAI

from fgo_kit.adapters.openai_chat import OpenAIChat
from fgo_kit.calls import protocol as api
from fgo_kit.calls import providers
from fgo_kit.calls.limits import Limits
from fgo_kit.calls.log import CallLog, Place
from fgo_kit.calls.meter import Meter
from fgo_kit.calls.prices import price
from fgo_kit.calls.protocol import Usage
from fgo_kit.calls.providers import load_llm
from fgo_kit.records import Task
from fgo_kit.runs.run import run

KEY = "sk-test-SECRETSECRET123456"
CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
TOOLS = ({"name": "look", "description": "Look.", "parameters": {"type": "object", "properties": {}}},)
SCHEMA = {
    "title": "Edits", "type": "object", "additionalProperties": False,
    "properties": {"type": {"type": "string"}}, "required": ["type"],
}  # fmt: skip


@pytest.fixture(params=["openai", "anthropic"])
def llm(request, server):
    return load_llm(f"{request.param}:some-model", base_url=server.url, api_key=KEY, timeout=0.5)


def openai_answer(**changes):
    return OPENAI | {"choices": [OPENAI["choices"][0] | changes]}


# -- what goes out and what comes back


def test_an_answer_and_its_usage(llm, server):
    reply = llm.complete(CHAT)
    written = 10 if llm.name.startswith("anthropic") else 0
    assert reply == api.Reply("Hi", Usage(100, 20, 40, 8, written=written), "stop", model="m")
    assert len(server.seen) == 1 and llm.counter == "estimate" and llm.count(CHAT) > 10


def test_what_openai_is_sent(server):
    llm = load_llm("openai:local", base_url=server.url, temperature=0.5, max_completion=77)
    llm.complete(CHAT, tools=TOOLS, response_schema=SCHEMA, sample=3)
    path, body, headers = server.seen[0]
    assert path == "/chat/completions" and body["messages"] == CHAT and body["model"] == "local"
    assert (body["max_tokens"], body["temperature"], body["seed"]) == (77, 0.5, 3)
    assert body["tools"] == [{"type": "function", "function": TOOLS[0]}]
    assert body["response_format"]["json_schema"] == {"name": "Edits", "schema": SCHEMA, "strict": True}
    assert llm.params == {"max_completion": 77, "temperature": 0.5, "base_url": server.url}
    llm.complete(CHAT, response_schema={"title": "a b", "type": "object", "properties": {"x": {}}})
    sent = server.seen[1][1]["response_format"]["json_schema"]
    assert sent["strict"] is False and sent["name"] == "a_b"


def test_openai_itself_is_sent_max_completion_tokens(server, monkeypatch):
    monkeypatch.setattr(OpenAIChat, "home", server.url)
    llm = load_llm("openai:gpt-4o-mini", api_key=KEY, api="chat")
    llm.complete(CHAT)
    sent = server.seen[0][1]
    assert sent["max_completion_tokens"] == 16_384 and not {"max_tokens", "temperature"} & sent.keys()
    assert llm.context_window == 128_000


def test_what_anthropic_is_sent(server):
    llm = load_llm("anthropic:claude-x", base_url=server.url, max_completion=77)
    llm.complete(CHAT, tools=TOOLS, response_schema=SCHEMA, sample=3)
    path, body, headers = server.seen[0]
    assert headers["x-sample"] == "3"
    assert path == "/v1/messages" and body["system"][0]["text"] == "Be brief." and body["messages"] == CHAT[1:]
    assert body["max_tokens"] == 77 and "temperature" not in body
    assert body["tools"][0]["input_schema"] == TOOLS[0]["parameters"]
    assert body["output_config"]["format"]["schema"]["required"] == ["type"]
    with pytest.raises(ValueError, match="temperature"):
        load_llm("anthropic:claude-x", base_url=server.url, temperature=1)


def test_tool_calls_come_back(server):
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    server.script.append((200, openai_answer(message=message, finish_reason="tool_calls"), {}))
    use = {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": 1}}
    server.script.append((200, ANTHROPIC | {"content": [use], "stop_reason": "tool_use"}, {}))
    for provider in ("openai", "anthropic"):
        reply = load_llm(f"{provider}:m", base_url=server.url).complete(CHAT, tools=TOOLS)
        assert reply.tool_calls == (api.ToolCall("c1", "look", '{"at": 1}'),)
        assert (reply.finish, reply.text) == ("tool_calls", "")


def test_a_cut_off_answer_and_lone_surrogates(server):
    message = {"role": "assistant", "content": "half \ud83d"}
    server.script.append((200, openai_answer(message=message, finish_reason="length"), {}))
    reply = load_llm("openai:m", base_url=server.url).complete(CHAT)
    assert (reply.text, reply.finish) == ("half ?", "length")


def test_a_server_without_usage_is_counted_here_and_says_so(server):
    server.script.append((200, OPENAI | {"usage": None}, {}))
    llm = load_llm("openai:m", base_url=server.url)
    with CallLog() as log:
        Meter(llm, log, "r", Limits(workers=1)).ask(CHAT, Place("test"))
        assert log.calls().counter[0] == "estimate" and log.calls().prompt[0] == llm.count(CHAT)


def test_a_server_that_refuses_schemas_is_asked_without(llm, server):
    server.script.append(
        (400, {"error": {"message": "response_format / output_config is not supported"}}, {})
    )
    with pytest.warns(UserWarning, match="refuses the schema"):
        assert llm.complete(CHAT, response_schema=SCHEMA).text == "Hi"
    llm.complete(CHAT, response_schema=SCHEMA)
    assert [bool({"response_format", "output_config"} & body.keys()) for _, body, _ in server.seen] == [
        True, False, False,
    ]  # fmt: skip


# -- failures


def failure(message, **more):
    return {"type": "error", "error": {"type": "some_error", "message": message} | more}


@pytest.mark.parametrize(
    "status, body, kind",
    [
        (400, failure("This model's maximum context length is 8192 tokens", code="context_length_exceeded"),
         api.ContextOverflow),
        (400, failure("prompt is too long: 210000 tokens > 200000 maximum"), api.ContextOverflow),
        (400, failure("the request exceeds the available context size"), api.ContextOverflow),
        (400, failure("max_tokens is too large: 99999"), api.BadRequest),
        (404, failure("no such model"), api.BadRequest),
        (401, failure(f"Incorrect API key provided: {KEY}"), api.AuthError),
        (403, failure("not allowed"), api.AuthError),
        (429, failure("slow down"), api.RateLimited),
        (429, failure("You exceeded your current quota", code="insufficient_quota"), api.AuthError),
        (500, failure("oops"), api.Overloaded),
        (503, b"<html>busy</html>", api.Overloaded),
        (529, failure("Overloaded"), api.Overloaded),
        (200, b'{"choices": [', api.Unreachable),
        (200, b"<html>a proxy's page</html>", api.Unreachable),
        (200, {"unexpected": True}, api.Unreachable),
    ],
)  # fmt: skip
def test_failures_are_typed_and_never_show_the_key(server, status, body, kind):
    for provider in ("openai", "anthropic"):
        if kind is api.AuthError and status == 429 and provider == "anthropic":
            continue
        server.script.append((status, body, {}))
        llm = load_llm(f"{provider}:some-model", base_url=server.url, api_key=KEY)
        with pytest.raises(api.FGOError) as caught:
            llm.complete(CHAT)
        assert type(caught.value) is kind, caught.value
        assert "some-model" in str(caught.value)
        assert KEY not in "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(llm)
        assert len(server.seen) == 1  # the SDK itself retried nothing
        server.seen.clear()


@pytest.mark.parametrize(
    "headers, expected",
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after-ms": "250"}, 0.25),
        ({}, None),
        ({"retry-after": "soon"}, None),
    ],
)
def test_retry_after(llm, server, headers, expected):
    server.script += [(429, failure("slow"), headers), (529, failure("busy"), headers)]
    for kind in (api.RateLimited, api.Overloaded):
        with pytest.raises(kind) as caught:
            llm.complete(CHAT)
        assert caught.value.retry_after == expected
    server.script.append((429, failure("slow"), {"retry-after": formatdate(time() + 30, usegmt=True)}))
    with pytest.raises(api.RateLimited) as caught:
        llm.complete(CHAT)
    assert 25 < caught.value.retry_after <= 30


def test_time_outs_and_nobody_there(llm, server):
    server.delay = 1.5
    with pytest.raises(api.Unreachable, match="Timeout"):
        llm.complete(CHAT)
    with pytest.raises(api.Unreachable):
        load_llm("openai:m", base_url="http://127.0.0.1:9").complete(CHAT)


def test_anthropic_stops_at_its_window(server):
    server.script.append((200, ANTHROPIC | {"stop_reason": "model_context_window_exceeded"}, {}))
    with pytest.raises(api.ContextOverflow) as caught:
        load_llm("anthropic:m", base_url=server.url).complete(CHAT)
    assert caught.value.usage == Usage(100, 20, 40, 8, written=10)  # it was billed


def test_a_run_through_refusals_is_complete_and_paid_once(llm, server, monkeypatch):
    monkeypatch.setattr("fgo_kit.calls.limiter.SHORTEST", 0.01)
    server.script += [(429, failure("slow"), {"retry-after-ms": "20"})] * 3 + [
        (500, failure("x"), {}),
        (200, b"{", {}),
    ]
    with CallLog() as log:
        meter = Meter(llm, log, "r", Limits(workers=4, budget_tokens=20_000 * 12))
        chats = [[{"role": "user", "content": str(n)}] for n in range(12)]
        meter.map(lambda n: meter.ask(chats[n], Place("rollout", task=str(n))), range(12))
        assert len(server.seen) == 12 + 5 and log.paid("r") == (12, 12 * 120, 0.0)
        assert log.calls().counter.unique().tolist() == ["provider"]


def test_the_key_is_in_no_log_and_no_pickle(llm, server, tmp_path):
    path = tmp_path / "log.sqlite"
    server.script.append((401, failure(f"bad key {KEY} <{KEY}>"), {}))
    with CallLog(path) as log:
        meter = Meter(llm, log, "r", Limits(workers=1))
        with pytest.raises(api.AuthError):
            meter.ask(CHAT, Place("rollout"))
        meter.ask(CHAT, Place("rollout", task="2"))
    assert any(KEY in str(headers) for _, _, headers in server.seen)
    assert all(KEY.encode() not in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize("spec, variable", [
    ("openai:m", "OPENAI_API_KEY"), ("anthropic:m", "ANTHROPIC_API_KEY"), ("any:openai/m", "OPENAI_API_KEY"),
])  # fmt: skip
def test_what_is_pickled_holds_no_key_and_has_that_of_its_new_environment(spec, variable, server, monkeypatch):
    llm = load_llm(spec, api_key=KEY, base_url=server.url, timeout=7.0, max_completion=99)
    pickled = pickle.dumps(llm)
    assert KEY.encode() not in pickled
    asks_for_none = spec.startswith("any:")  # pydantic-ai, where there is a base URL
    with nullcontext() if asks_for_none else pytest.raises(api.AuthError, match=variable):
        pickle.loads(pickled)
    monkeypatch.setenv(variable, "sk-its-own")
    again = pickle.loads(pickled)
    assert (again.name, again.params, repr(again)) == (llm.name, llm.params, repr(llm))
    again.complete(CHAT)
    assert "sk-its-own" in str(server.seen[-1][2]) and KEY not in str(server.seen[-1][2])


@pytest.mark.parametrize("secret", [
    {"base_url": "https://x.org/v1?api_key=abcdefgh"}, {"base_url": "https://x.org/v1", "extra": {"token": KEY}},
])  # fmt: skip
def test_what_has_its_key_elsewhere_is_not_pickled(secret):
    with pytest.raises(TypeError, match="key in its base_url or extra"):
        pickle.dumps(load_llm("openai:m", api_key=KEY, **secret))


# -- replay


def test_replay(tmp_path, server):
    path = tmp_path / "log.sqlite"
    llm = load_llm("openai:m", base_url=server.url, max_completion=50, context_window=9000)
    with CallLog(path) as log:
        log.begin("r", {}, {})
        given = Meter(llm, log, "r", Limits(workers=1), sample=2).ask(CHAT, Place("rollout", task="t7"))
    again = load_llm(f"replay:{path}")
    assert again.complete(CHAT, sample=2) == given
    assert (again.simulated, again.context_window, again.max_completion) == (False, 9000, 50)
    assert again.count(CHAT) == llm.count(CHAT)
    other = [CHAT[0], {"role": "user", "content": "Hullo"}]
    with pytest.raises(api.UnseenCall, match=r"nearest is r rollout//0//t7/0.*Hello.*Hullo"):
        again.complete(other, sample=2)
    with pytest.raises(api.UnseenCall, match="another sample than 3"):
        again.complete(CHAT, sample=3)
    with pytest.raises(api.UnseenCall):
        again.complete(CHAT, tools=TOOLS, sample=2)
    with CallLog() as fresh:
        meter = Meter(again, fresh, "r", Limits(workers=1, budget_usd=0), sample=2)
        assert meter.ask(CHAT, Place("rollout")) == given


def test_replay_of_several_llms_must_be_told_which(tmp_path, server):
    path = tmp_path / "log.sqlite"
    with CallLog(path) as log:
        for name, text in (("a", "first"), ("b", "second")):
            server.script.append((200, openai_answer(message={"role": "assistant", "content": text}), {}))
            Meter(load_llm(f"openai:{name}", base_url=server.url), log, "r").ask(
                CHAT, Place("test", task=name)
            )
    with pytest.raises(ValueError, match="openai:a.*openai:b"):
        load_llm(f"replay:{path}")
    assert load_llm(f"replay:{path}", source="openai:b").complete(CHAT).text == "second"
    with pytest.raises(FileNotFoundError):
        load_llm(f"replay:{tmp_path / 'absent'}")


# -- specs, keys, prices


@pytest.mark.parametrize("spec", ["gpt-4o-mini", "openai", "mistral:large", "", "replay:"])
def test_an_unknown_spec_lists_what_is_allowed(spec):
    with pytest.raises(ValueError, match="simulated.*openai:<model>.*anthropic:<model>.*replay:"):
        load_llm(spec)


def test_a_provider_is_added_from_outside(monkeypatch):
    """One decorated class is all: it is loaded, checked, priced, listed in errors, and runs a method to its end."""
    monkeypatch.setattr(providers, "PROVIDERS", dict(providers.PROVIDERS))

    @providers.provider("parrot")
    class Parrot(ScriptedLLM):
        spec, default, parameters, prices, native_tools = "parrot:<colour>", "", ("loud",), "", False

        @classmethod
        def load(cls, model, loud=False):
            return cls(lambda messages: "ANSWER: HELLO" if loud else "ANSWER: hello", name=f"parrot:{model}")

    assert load_llm("parrot:grey", loud=True).complete(CHAT).text == "ANSWER: HELLO"
    assert price("parrot:grey", Usage(1, 1)) == 0.0
    with pytest.raises(ValueError, match="volume.*loud"):
        load_llm("parrot:grey", volume=3)
    with pytest.raises(ValueError, match="simulated.*parrot:<colour>"):
        load_llm("parrot")
    bench = TinyBench(train=tasks(4), test=(Task("x", "say hello", "hello"),))
    assert run(bench, "parrot:grey", method="base", log=CallLog(None)).score == 1.0


def test_an_unknown_parameter_is_named():
    with pytest.raises(ValueError, match="temprature.*temperature"):
        load_llm("openai:m", api_key=KEY, temprature=0)
    with pytest.raises(ValueError, match="base_url is no parameter"):
        load_llm("simulated", base_url="http://localhost")


def test_a_missing_key_names_the_variable(monkeypatch):
    for provider in ("openai", "anthropic"):
        variable = f"{provider.upper()}_API_KEY"
        monkeypatch.delenv(variable, raising=False)
        for url in (None, "https://gateway.example.com/v1"):
            with pytest.raises(api.AuthError, match=variable):
                load_llm(f"{provider}:m", base_url=url)
        load_llm(f"{provider}:m", base_url="http://localhost:8000/v1")


def test_the_environments_key_is_not_sent_to_a_local_server(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", KEY)
    for provider in ("openai", "anthropic"):
        load_llm(f"{provider}:m", base_url=server.url).complete(CHAT)
    assert all(KEY not in str(headers) for _, _, headers in server.seen)


def test_a_password_in_the_url_is_refused_without_repeating_it():
    with pytest.raises(ValueError, match="api_key=") as caught:
        load_llm("openai:m", base_url="http://me:hunter2@localhost/v1")
    assert "hunter2" not in str(caught.value)


def test_prices():
    usage = Usage(1_000_000, 100_000, cached=200_000)
    assert price("openai:gpt-4o-mini", usage) == pytest.approx(0.8 * 0.15 + 0.2 * 0.075 + 0.1 * 0.6)
    assert price("simulated:large", usage) == price("replay:x.sqlite", usage) == 0.0
    assert price("openai:no-such-model", usage) is None and price("mine", usage) is None
    assert price("openai:gpt-4o-mini", usage, "http://192.168.1.5/v1") == 0.0
    assert price("openai:gpt-4o-mini", usage, "https://gateway.example.com/v1") is None
