"""The loopback server, asked through the official SDKs: answers, faults, overflow, ledger, throughput."""

import json
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import anthropic
import openai
import pytest
from anthropic.types import Message
from helpers import serving_process
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from fgo_kit.calls.protocol import BadRequest, ContextOverflow, Reply, ToolCall, Usage
from fgo_kit.simulate.server import MAX_BODY, Endpoint, serving

HELLO = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello there"}]


class Echo:
    """Answers with what it was asked, as JSON. A word is a token; answers have 10, and 3 are cached."""

    name, params, simulated = "echo", {}, True
    context_window, max_completion, counter, native_tools = 100, 200, "words", False

    def count(self, messages):
        return sum(len(m["content"].split()) for m in messages)

    def complete(self, messages, *, tools=(), response_schema=None, sample=0):
        last = messages[-1]["content"]
        if last == "break":
            raise RuntimeError("the fake broke")
        if last == "nonsense":
            raise BadRequest("cannot read this prompt")
        if last == "overflow":
            raise ContextOverflow("answer and prompt do not fit")
        calls = (ToolCall("call_1", "look", '{"at": "mug"}'),) if tools else ()
        seen = {"messages": list(messages), "schema": response_schema, "sample": sample, "tools": list(tools)}
        return Reply(json.dumps(seen), Usage(self.count(messages), 10, cached=3, reasoning=2),
                     "tool_calls" if calls else "stop", calls)


def ledger(**counts) -> dict:
    """A server's ledger in which all else is zero."""
    kinds = ("prompt", "completion", "cached", "written", "reasoning")
    return {"requests": 0, "successes": 0, "faults": {}} | {f"{kind}_tokens": 0 for kind in kinds} | counts


def ask_responses(server: Endpoint, given=HELLO, **options):
    client = openai.OpenAI(api_key="any", base_url=server.openai_url, max_retries=0, timeout=10)
    with client:
        return client.responses.create(model="echo", input=given, **options)


def ask_openai(server: Endpoint, messages=HELLO, **options):
    client = openai.OpenAI(api_key="any", base_url=server.openai_url, max_retries=0, timeout=10)
    with client:
        return client.chat.completions.create(model="echo", messages=messages, **options)


def ask_anthropic(server: Endpoint, text="hello there", max_tokens=50, **options):
    client = anthropic.Anthropic(api_key="any", base_url=server.url, max_retries=0, timeout=10)
    with client:
        return client.messages.create(model="echo", max_tokens=max_tokens, system="be brief",
                                      messages=[{"role": "user", "content": text}], **options)


def post(url: str, body: bytes):
    """(status, body) of a plain request."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.fixture(scope="module")
def echo():
    with serving(Echo()) as server:
        yield server


def test_openai_answer(echo):
    schema = {"type": "object"}
    answer = ask_openai(echo, seed=7, response_format={
        "type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
    choice = answer.choices[0]
    assert json.loads(choice.message.content) == {
        "messages": HELLO, "schema": schema, "sample": 7, "tools": []}
    assert (choice.finish_reason, answer.model) == ("stop", "echo")
    usage = answer.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (4, 10, 14)
    assert usage.prompt_tokens_details.cached_tokens == 3
    assert usage.completion_tokens_details.reasoning_tokens == 2


def test_anthropic_answer(echo):
    schema = {"type": "object"}
    answer = ask_anthropic(echo, extra_headers={"x-sample": "7"},
                           output_config={"format": {"type": "json_schema", "schema": schema}})
    assert json.loads(answer.content[0].text) == {
        "messages": HELLO, "schema": schema, "sample": 7, "tools": []}
    usage = answer.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (1, 3, 10)
    assert answer.stop_reason == "end_turn"
    assert json.loads(ask_anthropic(echo).content[0].text)["sample"] == 0


def test_responses_answer(echo):
    schema = {"type": "object"}
    answer = ask_responses(echo, extra_headers={"x-sample": "7"}, text={
        "format": {"type": "json_schema", "name": "x", "schema": schema}})
    assert json.loads(answer.output_text) == {"messages": HELLO, "schema": schema, "sample": 7, "tools": []}
    usage = answer.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (4, 10, 14)
    assert usage.input_tokens_details.cached_tokens == 3 and usage.output_tokens_details.reasoning_tokens == 2
    assert json.loads(ask_responses(echo, "hello there", instructions="be brief").output_text)["messages"] == HELLO
    cut = ask_responses(echo, max_output_tokens=4)
    assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")


def thinking_options(ask):
    return {ask_openai: {"reasoning_effort": "high"}, ask_responses: {"reasoning": {"effort": "high"}},
            ask_anthropic: {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"},
                            "max_tokens": 500}}[ask]  # fmt: skip


TOOL = {"name": "look", "description": "", "parameters": {"type": "object", "properties": {}}}
TYPES = {ask_openai: ChatCompletion, ask_responses: Response, ask_anthropic: Message}


@pytest.mark.parametrize("ask", TYPES, ids=lambda ask: ask.__name__)
@pytest.mark.parametrize("what", ["plain", "thinking", "tools", "refused", "cut"])
def test_answers_are_as_the_sdks_types_say(ask, what):
    """The SDKs themselves check nothing of what they are given."""
    options = thinking_options(ask) if what == "thinking" else {}
    if what == "tools":
        options["tools"] = [{ask_openai: {"type": "function", "function": TOOL},
                             ask_responses: {"type": "function", "strict": False, **TOOL},
                             ask_anthropic: {"name": "look", "input_schema": TOOL["parameters"]}}[ask]]  # fmt: skip
    with serving(Echo(), p_refused=float(what == "refused"), p_truncated=float(what == "cut")) as server:
        answer = ask(server, **options)
    TYPES[ask].model_validate(answer.model_dump(by_alias=True, warnings=False), strict=True)
    assert not answer.model_extra


@pytest.mark.parametrize("ask", TYPES, ids=lambda ask: ask.__name__)
def test_thinking_is_as_long_as_the_effort_and_billed(echo, ask):
    usage = ask(echo, **thinking_options(ask)).usage.model_dump()
    details = usage.get("completion_tokens_details") or usage["output_tokens_details"]
    assert 2 + 128 in details.values()
    assert (usage.get("completion_tokens") or usage["output_tokens"]) == 10 + 128


def test_an_effort_that_is_none_is_refused(echo):
    for ask, options in ((ask_openai, {"reasoning_effort": "hgih"}), (ask_responses, {"reasoning": {"effort": "hgih"}}),
                         (ask_anthropic, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "hgih"}})):  # fmt: skip
        with pytest.raises((openai.BadRequestError, anthropic.BadRequestError), match="hgih.*minimal"):
            ask(echo, **options)


@pytest.mark.parametrize("change", ["unchanged", "left out", "rewritten"])
def test_thinking_comes_back_unchanged_or_is_refused(echo, change):
    first = ask_anthropic(echo, tools=[{"name": "look", "input_schema": TOOL["parameters"]}], **thinking_options(ask_anthropic))
    blocks = [block.model_dump(exclude_none=True) for block in first.content]
    assert [block["type"] for block in blocks] == ["thinking", "text", "tool_use"]
    if change == "left out":
        del blocks[0]
    if change == "rewritten":
        blocks[0]["thinking"] += "!"
    chat = [{"role": "user", "content": "q"}, {"role": "assistant", "content": blocks}, {
        "role": "user", "content": [{"type": "tool_result", "tool_use_id": blocks[-1]["id"], "content": "a mug"}]}]
    client = anthropic.Anthropic(api_key="any", base_url=echo.url, max_retries=0)
    if change == "unchanged":
        answer = client.messages.create(model="echo", max_tokens=50, messages=chat)
        assert json.loads(answer.content[0].text)["messages"][-1]["content"] == "a mug"
    else:
        with pytest.raises(anthropic.BadRequestError, match="thinking"):
            client.messages.create(model="echo", max_tokens=50, messages=chat)


def test_refusals_have_a_category():
    with serving(Echo(), p_refused=1) as server:
        answer = ask_anthropic(server)
        assert (answer.stop_reason, answer.stop_details.category) == ("refusal", "general_harms")
        assert ask_openai(server).choices[0].message.refusal
        assert ask_responses(server).output[0].content[0].type == "refusal"
        assert server.ledger()["faults"] == {"refused": 3}


class Long(Echo):
    """Its window holds prompts that are cached."""

    context_window = 100_000

    def complete(self, messages, **options):
        return Reply("ok", Usage(self.count(messages), 10))


def test_marked_prompts_are_cached():
    def ask(text, marks):
        usage = client.messages.create(model="m", max_tokens=50, system=system, messages=[
            {"role": "user", "content": text}], **marks).usage
        return usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens

    with serving(Long()) as server, anthropic.Anthropic(api_key="any", base_url=server.url) as client:
        system = [{"type": "text", "text": "word " * 2000, "cache_control": {"type": "ephemeral"}}]
        assert ask("one", {}) == (1, 0, 2000)
        assert ask("two", {}) == (1, 2000, 0)
        assert ask("two", {"cache_control": {"type": "ephemeral"}}) == (0, 2000, 1)
        system = "word " * 2000
        assert ask("three", {}) == (2001, 0, 0)
        system = [{"type": "text", "text": "too short", "cache_control": {"type": "ephemeral"}}]
        assert ask("one", {}) == (3, 0, 0)


@pytest.mark.parametrize("ask", [ask_openai, ask_responses])
def test_openai_caches_unasked(ask):
    def counts(messages):
        usage = ask(server, messages).usage
        details = usage.prompt_tokens_details if ask is ask_openai else usage.input_tokens_details
        return details.cached_tokens, details.cache_write_tokens

    with serving(Long()) as server:
        system = {"role": "system", "content": "word " * 2000}
        assert counts([system, {"role": "user", "content": "one"}]) == (0, 2001)
        assert counts([system, {"role": "user", "content": "two words"}]) == (2000, 2)
        assert server.ledger()["cached_tokens"] == 2000 and server.ledger()["written_tokens"] == 2003


def test_tools_in_both_forms(echo):
    parameters = {"type": "object", "properties": {"at": {"type": "string"}}}
    function = {"name": "look", "description": "", "parameters": parameters}
    first = ask_openai(echo, tools=[{"type": "function", "function": function}]).choices[0]
    assert first.finish_reason == "tool_calls"
    assert first.message.tool_calls[0].function.arguments == '{"at": "mug"}'
    second = ask_anthropic(echo, tools=[{"name": "look", "input_schema": parameters}])
    assert second.stop_reason == "tool_use"
    assert second.content[1].input == {"at": "mug"}
    assert json.loads(first.message.content)["tools"] == json.loads(second.content[0].text)["tools"]


def test_tool_turns_become_text(echo):
    answer = ask_openai(echo, [
        {"role": "user", "content": [{"type": "text", "text": "find the mug"}]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "look", "arguments": '{"at":"mug"}'}}]},
        {"role": "tool", "tool_call_id": "a", "content": "a mug"}])
    assert json.loads(answer.choices[0].message.content)["messages"] == [
        {"role": "user", "content": "find the mug"}, {"role": "assistant", "content": 'TOOL: {"tool": "look", "arguments": {"at": "mug"}}'},
        {"role": "user", "content": "a mug"}]


def test_models_and_unknown_routes(echo):
    client = openai.OpenAI(api_key="any", base_url=echo.openai_url, max_retries=0)
    assert [m.id for m in client.models.list()] == ["echo"]
    client = anthropic.Anthropic(api_key="any", base_url=echo.url, max_retries=0)
    assert [m.id for m in client.models.list()] == ["echo"]
    status, body = post(echo.url + "/v1/nowhere", b"{}")
    assert status == 404 and b"/v1/messages" in body


def test_model_names_choose_the_llm():
    other = Echo()
    other.complete = lambda messages, **_: Reply("other", Usage(1, 1))
    with serving(Echo(), choose=lambda name: other, models=("a", "b")) as server:
        assert ask_openai(server).choices[0].message.content == "other"


def test_max_tokens_cuts_the_answer(echo):
    whole = ask_openai(echo).choices[0].message.content
    cut = ask_openai(echo, max_completion_tokens=4)
    assert cut.choices[0].finish_reason == "length"
    assert whole.startswith(cut.choices[0].message.content) and cut.usage.completion_tokens == 4
    assert ask_anthropic(echo, max_tokens=4).stop_reason == "max_tokens"


def test_rate_limit():
    with serving(Echo(), p429=1, retry_after=0.25) as server:
        with pytest.raises(openai.RateLimitError) as caught:
            ask_openai(server)
        assert caught.value.response.headers["retry-after"] == "0.25"
        assert caught.value.code == "rate_limit_exceeded"
        with pytest.raises(anthropic.RateLimitError) as caught:
            ask_anthropic(server)
        assert caught.value.body["error"]["type"] == "rate_limit_error"
        assert server.ledger() == ledger(requests=2, faults={"rate_limited": 2})


def test_server_errors_of_both_kinds():
    with serving(Echo(), p5xx=1) as server:
        codes = set()
        errors = {ask_openai: openai.InternalServerError, ask_anthropic: anthropic.APIStatusError}
        for ask, error in errors.items():
            for _ in range(12):
                with pytest.raises(error) as caught:
                    ask(server)
                codes.add((ask, caught.value.status_code))
        assert codes == {(ask_openai, 500), (ask_openai, 503), (ask_anthropic, 500), (ask_anthropic, 529)}
        assert server.ledger()["faults"] == {"server_error": 24}


def test_overloaded_is_anthropics_own_error():
    with serving(Echo(), p5xx=1) as server:
        caught = []
        for _ in range(12):
            try:
                ask_anthropic(server)
            except anthropic.APIStatusError as error:
                caught.append(type(error))
    assert anthropic.OverloadedError in caught


def test_context_overflow(echo):
    long = "word " * 200
    with pytest.raises(openai.BadRequestError) as caught:
        ask_openai(echo, [{"role": "user", "content": long}])
    assert caught.value.code == "context_length_exceeded"
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long: 202 tokens > 100 maximum"):
        ask_anthropic(echo, long)
    with pytest.raises(openai.BadRequestError) as caught:
        ask_openai(echo, [{"role": "user", "content": "overflow"}])
    assert caught.value.code == "context_length_exceeded"
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long: 203 tokens > 100 maximum"):
        ask_anthropic(echo, "overflow")
    with serving(Echo(), context_window=3) as server, pytest.raises(openai.BadRequestError, match="3 tokens"):
        ask_openai(server)


def test_truncated():
    with serving(Echo(), p_truncated=1) as server:
        answer = ask_openai(server)
        assert (answer.choices[0].finish_reason, answer.usage.completion_tokens) == ("length", 5)
        with pytest.raises(json.JSONDecodeError):
            json.loads(answer.choices[0].message.content)
        assert ask_anthropic(server).stop_reason == "max_tokens"
        assert server.ledger() == ledger(
            requests=2, successes=2, prompt_tokens=8, completion_tokens=10, cached_tokens=6, reasoning_tokens=4,
            faults={"truncated": 2})


def test_malformed():
    with serving(Echo(), p_malformed=1) as server:
        with pytest.raises((json.JSONDecodeError, openai.APIError)):
            ask_openai(server)
        with pytest.raises((json.JSONDecodeError, anthropic.APIError)):
            ask_anthropic(server)
        assert server.ledger()["faults"] == {"malformed": 2}


def test_what_the_llm_raises_reaches_the_client(echo):
    with pytest.raises(openai.InternalServerError, match="RuntimeError: the fake broke"):
        ask_openai(echo, [{"role": "user", "content": "break"}])
    with pytest.raises(openai.BadRequestError, match="cannot read this prompt"):
        ask_openai(echo, [{"role": "user", "content": "nonsense"}])


@pytest.mark.parametrize("body, says", [
    (b"{", "not valid JSON"), (b"[]", "expected an object"), (b'{"model": "m"}', "messages: expected list"),
    (b"[" * 100_000, "not valid JSON"), (b'{"messages": [], "model": "m"}', "at least one"),
    (b'{"messages": [{"role": "user", "content": "x"}]}', "model: expected str"),
    (b'{"messages": [{"role": "king", "content": "x"}], "model": "m"}', "king"),
    (b'{"messages": [5], "model": "m"}', "role"), (b"{}", "is missing"),
    (b'{"messages": [{"role": "user", "content": 5}], "model": "m"}', "content"),
    (b'{"stream": true}', "stream"), (b" " * (MAX_BODY + 1), "exceeds the limit"), (b"\xff\xfe", "not valid"),
    (b'{"model": "m", "max_tokens": "x", "messages": [{"role": "user", "content": "x"}]}', "max_tokens")])
@pytest.mark.parametrize("route", ["/v1/chat/completions", "/v1/messages"])
def test_bad_bodies_are_refused(echo, route, body, says):
    status, answer = post(echo.url + route, body)
    assert status == 400
    error = json.loads(answer)["error"]
    assert error["type"] == "invalid_request_error" and says in error["message"]


def test_ledger_equals_what_the_client_saw():
    seen = {"successes": 0, "prompt_tokens": 0, "completion_tokens": 0}
    failed = {}
    shares = {"p429": .2, "p5xx": .2, "p_truncated": .2, "p_malformed": .1}

    def ask(number):
        try:
            return ask_openai(server, [{"role": "user", "content": "word " * (number % 7 + 1)}])
        except Exception as error:
            return type(error).__name__

    with serving(Echo(), seed=3, **shares) as server:
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(ask, range(60)))
        ledger = server.ledger()
    for answer in answers:
        if isinstance(answer, str):
            failed[answer] = failed.get(answer, 0) + 1
        else:
            seen["successes"] += 1
            seen["prompt_tokens"] += answer.usage.prompt_tokens
            seen["completion_tokens"] += answer.usage.completion_tokens
    assert {name: ledger[name] for name in seen} == seen
    assert ledger["requests"] == 60
    assert ledger["faults"]["rate_limited"] == failed["RateLimitError"]
    assert ledger["faults"]["server_error"] == failed["InternalServerError"]
    assert all(ledger["faults"][kind] > 0 for kind in ("truncated", "malformed"))


def test_faults_repeat_with_the_seed():
    def kinds(seed):
        with serving(Echo(), p429=.5, seed=seed) as server:
            return [post(server.openai_url + "/chat/completions", json.dumps(
                {"model": "m", "messages": HELLO}).encode())[0] for _ in range(20)]

    assert kinds(1) == kinds(1) != kinds(2)


def test_latency_is_waited_at_the_same_time_for_all():
    with serving(Echo(), latency_ms=50) as server:
        body = json.dumps({"model": "m", "messages": HELLO}).encode()
        start = time.perf_counter()
        with ThreadPoolExecutor(16) as pool:
            done = list(pool.map(lambda _: post(server.openai_url + "/chat/completions", body)[0], range(64)))
        seconds = time.perf_counter() - start
    assert done == [200] * 64
    assert 4 * .05 <= seconds < 64 * .05 / 3  # four rounds; one after another would take 3.2 s


def test_a_client_that_gave_up_is_no_success():
    with serving(Echo(), latency_ms=400) as server:
        client = openai.OpenAI(api_key="any", base_url=server.openai_url, max_retries=0, timeout=.1)
        with pytest.raises(openai.APITimeoutError):
            client.chat.completions.create(model="m", messages=HELLO)
        client.close()
        time.sleep(.6)
        ledger = server.ledger()
    assert (ledger["requests"], ledger["successes"], ledger["faults"]) == (1, 0, {"abandoned": 1})


def test_settings_that_make_no_sense_are_refused():
    for faults in ({"p429": .7, "p5xx": .7}, {"p429": -.1}, {"latency_ms": -1}):
        with pytest.raises(ValueError, match="use"), serving(Echo(), **faults):
            pass
    with serving(Echo()) as server:
        taken = int(server.url.rsplit(":")[-1])
        with pytest.raises(OSError, match="port=0"), serving(Echo(), port=taken):
            pass


def test_only_this_machine_can_reach_it(echo):
    assert echo.url.startswith("http://127.0.0.1:")


def test_the_command_line_serves_the_simulated_llm():
    pytest.importorskip("fgo_kit.simulate.model")
    with serving_process("large", p429=1, retry_after=0.5, seed=2) as server:
        client = openai.OpenAI(api_key="any", base_url=server.openai_url, max_retries=0)
        assert "small-ruler" in [model.id for model in client.models.list()]
        with pytest.raises(openai.RateLimitError):
            ask_openai(server)
        assert server.ledger()["faults"] == {"rate_limited": 1}
