"""Answers of odd shape, refusals in every provider's words, and usage that cannot be true, through both SDKs."""

import json
import warnings

import pytest
from wire import ANTHROPIC, OPENAI

from fgo_kit.calls import protocol as api
from fgo_kit.calls.log import CallLog, Place
from fgo_kit.calls.meter import Meter
from fgo_kit.calls.protocol import ToolCall, Usage
from fgo_kit.calls.providers import load_llm

CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
TOOLS = ({"name": "look", "description": "Look.", "parameters": {"type": "object", "properties": {}}},)
SCHEMA = {"title": "Edits", "type": "object", "properties": {"edits": {"type": "array"}}}


def chat(message, finish="stop", **changes):
    """An answer of chat completions with this message."""
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": None} | message}
    return OPENAI | {"choices": [choice]} | changes


def asked(server, body, provider="openai", status=200, headers=None, **options):
    server.script.append((status, body, headers or {}))
    return load_llm(f"{provider}:m", base_url=server.url, timeout=5).complete(CHAT, **options)


# -- shapes


@pytest.mark.parametrize(("message", "thought", "text"), [
    ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "4"}]},
        "hm", "4"),
    ({"content": [{"type": "reasoning", "reasoning": "hm"}, "4"]}, "hm", "4"),
    ({"content": [{"type": "image_url", "image_url": {}}, {"type": "text", "text": "4"}]}, "", "4"),
    ({"content": "4", "reasoning_content": "hm"}, "hm", "4"), ({"content": "4", "reasoning": "hm"}, "hm", "4"),
    ({"content": "<think>more</think>4", "reasoning_content": "hm"}, "hm\nmore", "4"),
    ({"content": None, "reasoning_content": "FINAL ANSWER: 4"}, "FINAL ANSWER: 4", ""),
    ({"content": "<think>all of it"}, "all of it", ""),
    ({"content": {"odd": 1}}, "", ""),
])  # fmt: skip
def test_thought_and_text_come_from_wherever_they_stand(server, message, thought, text):
    reply = asked(server, chat(message))
    assert (reply.thought, reply.text) == (thought, text)


def test_blocks_of_anthropic(server):
    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "redacted_thinking", "data": "x"},
        {"type": "text", "text": "4"}, {"type": "tool_use", "id": "c", "name": "look", "input": None},
    ]  # fmt: skip
    reply = asked(server, ANTHROPIC | {"content": blocks}, "anthropic")
    assert (reply.thought, reply.text) == ("hm", "4")
    assert reply.tool_calls == (ToolCall("c", "look", "{}", json.dumps(blocks)),)
    assert asked(server, ANTHROPIC | {"content": "4"}, "anthropic").text == "4"


@pytest.mark.parametrize(("arguments", "read_as"), [
    ({"name": "a"}, {"name": "a"}), (None, {}), ("", {}), ("null", {}), ('{"name": "a"}', {"name": "a"}), ([1], [1]),
])  # fmt: skip
def test_arguments_of_any_kind_make_a_call(server, arguments, read_as):
    call = {"function": {"name": "look", "arguments": arguments}}
    reply = asked(server, chat({"tool_calls": [call, {"function": None}, 3]}, "tool_calls"), tools=TOOLS)
    assert [(c.id, c.name, json.loads(c.arguments)) for c in reply.tool_calls] == [("call_0", "look", read_as)]
    older = asked(server, chat({"function_call": {"name": "look", "arguments": arguments}}), tools=TOOLS)
    assert json.loads(older.tool_calls[0].arguments) == read_as


@pytest.mark.parametrize(("finish", "read_as"), [
    ("length", "length"), ("max_tokens", "length"), ("content_filter", "refusal"), ("SAFETY", "refusal"),
    ("eos", "stop"), (None, "stop"),
])  # fmt: skip
def test_how_an_answer_ended(server, finish, read_as):
    assert asked(server, chat({"content": "x"}, finish)).finish == read_as


def test_a_refusal_in_a_field_of_its_own_is_one(server):
    reply = asked(server, chat({"refusal": "I cannot."}))
    assert (reply.text, reply.finish) == ("I cannot.", "refusal")


@pytest.mark.parametrize(("body", "kind", "words"), [
    ({"error": {"message": "upstream rate-limited", "code": 429}}, api.RateLimited, "upstream rate-limited"),
    ({"error": {"message": "upstream timeout", "code": "502"}}, api.Overloaded, "upstream timeout"),
    ({"error": "boom"}, api.BadRequest, "boom"),
    ({"error": {"message": "slow", "type": "rate_limit_exceeded"}}, api.RateLimited, "slow"),
    ({"error": {"message": "prompt is too long", "code": 400}}, api.ContextOverflow, "too long"),
    ({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, api.AuthError, "insufficient balance"),
    ({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}, api.Overloaded, "busy"),
    ({"choices": []}, api.Unreachable, "choices"), ({"choices": [{"index": 0}]}, api.Unreachable, "message"),
    ({"choices": None, "id": "x"}, api.Unreachable, "id"),
    ({"choices": [{"error": {"message": "stopped amid", "code": 502}}]}, api.Overloaded, "stopped amid"),
    ([1], api.Unreachable, "[1]"),
])  # fmt: skip
def test_a_200_without_an_answer_is_the_error_it_holds(server, body, kind, words):
    with pytest.raises(api.CallFailed, match=words.replace("[", r"\[")) as caught:
        asked(server, body)
    assert type(caught.value) is kind


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize(("body", "content_type"), [
    (b"<!doctype html><title>A chat</title>", "text/html"),
    (b'data: {"choices": []}\n\ndata: [DONE]\n', "text/event-stream"),
])  # fmt: skip
def test_a_page_or_a_stream_is_told_at_once(server, provider, body, content_type):
    with pytest.raises(api.BadRequest, match=f"{content_type}.*{body[:5].decode()}.*/v1"):
        asked(server, body, provider, headers={"content-type": content_type})
    plain = {"content-type": "text/plain"}
    assert asked(server, json.dumps(OPENAI).encode(), headers=plain).text == "Hi"  # JSON after all


# -- refusals

def said(message, **more):
    """A body that says this, in the commonest form."""
    return {"error": {"message": message, **more}}


OVERFLOWS = [
    (400, [said("The input token count (3141) exceeds the maximum number of tokens allowed (1310).", code=400)]),
    (400, {"error": "Trying to keep the first 512 tokens when context the overflows. However, the model is loaded with "
                    "context length of only 409 tokens"}),
    (422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000"}),
    (400, said("prompt too long; exceeded max context length by 31 tokens")),
    (400, said("Input is too long for requested model.")),
    (400, {"message": "The input (5001 tokens) is longer than the model's context length (4096 tokens)."}),
    (400, said("Prompt exceeds max length", code="1261")),
    (400, {"error": "This model's maximum prompt length is 131 but the request contains 537 tokens."}),
    (413, said("Request Entity: request_too_large")),
    (400, said("Invalid request: Your request exceeded model token limit: 8192")),
    (500, said("Context size has been exceeded.")),
    (400, said("You passed 5001 input tokens. However, the model's context length is only 8192 tokens.")),
    (429, said("Request too large for m on tokens per min (TPM): Limit 10000, Requested 20000.")),
    (400, {"detail": "too many tokens: size limit exceeded"}),
    (400, said("Range of input length should be [1, 30720]")),
    (400, said("Please reduce the length of the messages or completion.")),
]


@pytest.mark.parametrize(("status", "body"), OVERFLOWS)
def test_an_overflow_in_many_words(server, status, body):
    with pytest.raises(api.ContextOverflow):
        asked(server, body, status=status)


@pytest.mark.parametrize(("status", "body", "kind"), [
    (400, said("max_tokens is too large: 99999. This model supports at most 16384 tokens"), api.BadRequest),
    (400, {"error": {"message": "Your credit balance is too low to access the API."}}, api.AuthError),
    (400, [{"error": {"message": "API key not valid."}}], api.AuthError),
    (403, {"error": {"message": "your input was flagged: moderation"}}, api.BadRequest),
    (402, {"error": "payment"}, api.AuthError),
    (429, {"error": {"message": "Not enough credits"}}, api.AuthError),
    (429, {"error": {"message": "quota of this minute"}}, api.RateLimited),
    (401, {"error": {"message": "who are you"}}, api.AuthError),
])  # fmt: skip
def test_other_refusals_are_what_they_say(server, status, body, kind):
    for provider in ("openai", "anthropic"):
        with pytest.raises(api.CallFailed) as caught:
            asked(server, body, provider, status)
        assert type(caught.value) is kind and caught.value.status == status
        paying = any(word in str(body).lower() for word in ("credit", "payment"))
        assert getattr(caught.value, "no_credit", False) == paying == ("add credit" in str(caught.value))


@pytest.mark.parametrize("body", [
    [{"error": {"message": "words of a list"}}], {"error": "words of a list"},
    {"detail": [{"loc": ["body", "n"], "msg": "words of a list"}]}, {"message": "words of a list"},
])  # fmt: skip
def test_the_providers_words_are_shown_wherever_they_stand(server, body):
    with pytest.raises(api.BadRequest, match="words of a list"):
        asked(server, body, status=400)


def test_a_server_may_say_whether_to_try_again(server):
    with pytest.raises(api.Overloaded):
        asked(server, {"error": "odd"}, status=400, headers={"x-should-retry": "true"})
    with pytest.raises(api.BadRequest):
        asked(server, {"error": "odd"}, status=503, headers={"x-should-retry": "false"})


def test_a_refusal_without_a_reason_near_the_window_is_an_overflow(server):
    llm = load_llm("openai:m", base_url=server.url, context_window=1_000, max_completion=400)
    long = [{"role": "user", "content": "word " * 700}]
    for status in (400, 500):
        server.script.append((status, {"error": {"message": "bad"}}, {}))
        with pytest.raises(api.ContextOverflow, match="bad.*1000 token window"):
            llm.complete(long)
    server.script.append((400, {"error": {"message": "bad"}}, {}))
    with pytest.raises(api.BadRequest):
        llm.complete(CHAT)


# -- what is optional

def has(name):
    return lambda body: name in body


def has_system(body):
    return body["messages"][0]["role"] == "system"


EXTRA = [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]
NO_LIMIT = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
NO_HEAT = "Unsupported value: 'temperature' does not support 0.5 with this model."
NO_CHOICE = '"auto" tool choice requires --enable-auto-tool-choice to be set'
NO_DEFS = "Invalid JSON payload. Unknown name \"$defs\" at 'response_schema'"
REFUSALS = {
    "seed": (has("seed"), 422, {"detail": EXTRA}),
    "limit": (has("max_tokens"), 400, said(NO_LIMIT, param="max_tokens")),
    "temperature": (has("temperature"), 400, said(NO_HEAT)),
    "system": (has_system, 400, {"object": "error", "message": "System role not supported"}),
    "roles": (has_system, 500, {"error": "Only user and assistant roles are supported!"}),
    "tools": (has("tools"), 400, said("gemma does not support tools")),
    "choice": (has("tools"), 400, said(NO_CHOICE)),
    "endpoints": (has("tools"), 404, said("No endpoints found that support tool use.")),
    "wordless": (has("tools"), 400, said("bad")),
    "defs": (has("response_format"), 400, [said(NO_DEFS)]),
    "xgrammar": (has("response_format"), 400, said("The schema contains features not supported by xgrammar.")),
    "two": (lambda body: {"seed", "response_format"} & body.keys(), 400, said("unknown: seed, response_format")),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_what_is_optional_and_refused_is_left_out_from_then_on_and_told_once(server, what):
    refuses, status, body = REFUSALS[what]
    server.refuse = lambda sent: (status, body, {}) if refuses(sent) else None
    llm = load_llm("openai:m", base_url=server.url, temperature=0.5)
    before = dict(llm.params)
    options = {"tools": TOOLS} if what in ("tools", "choice", "endpoints", "wordless") else {"response_schema": SCHEMA}
    with pytest.warns(UserWarning, match="refuses the") as told:
        assert llm.complete(CHAT, **options).text == "Hi"
    first = len(server.seen)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert llm.complete(CHAT, **options).text == "Hi"
    assert len(server.seen) == first + 1 and not refuses(server.seen[-1][1])
    assert len(told) == first - 1 and llm.params == before
    last = server.seen[-1][1]
    assert "Be brief." in last["messages"][0]["content"]
    assert (last.get("max_tokens") or last["max_completion_tokens"]) == 16_384


def test_after_a_500_without_words_the_same_is_sent_once_more_before_the_schema_is_left_out(server):
    llm = load_llm("openai:m", base_url=server.url)
    server.refuse = lambda body: (500, said("Internal Server Error"), {}) if "response_format" in body else None
    with pytest.warns(UserWarning, match="refuses the schema"):
        assert llm.complete(CHAT, response_schema=SCHEMA).text == "Hi"
    llm.complete(CHAT, response_schema=SCHEMA)
    assert ["response_format" in body for _, body, _ in server.seen] == [True, True, False, False]


def test_a_500_that_passes_costs_no_schema(server):
    llm, first = load_llm("openai:m", base_url=server.url), [True]
    server.refuse = lambda body: (500, said("Internal Server Error"), {}) if first and first.pop() else None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            llm.complete(CHAT, response_schema=SCHEMA)
    assert ["response_format" in body for _, body, _ in server.seen] == [True, True, True]


def test_a_part_is_put_back_where_it_was_not_the_reason(server):
    """A refusal that names nothing is tried once without the schema; where that does not help, the schema stays."""
    server.refuse = lambda body: (400, {"error": {"message": "no"}}, {}) if "poison" in str(body) else None
    llm = load_llm("openai:m", base_url=server.url)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(api.BadRequest, match="no"):
            llm.complete([{"role": "user", "content": "poison"}], response_schema=SCHEMA)
        llm.complete(CHAT, response_schema=SCHEMA)
        with pytest.raises(api.BadRequest):
            llm.complete([{"role": "user", "content": "poison"}], response_schema=SCHEMA)
    assert ["response_format" in body for _, body, _ in server.seen] == [True, False, True, True]


def test_anthropics_options_are_optional_too(server):
    server.refuse = lambda body: (400, {"error": {"message": "system messages are not supported"}},
        {}) if "system" in body else None
    llm = load_llm("anthropic:m", base_url=server.url)
    with pytest.warns(UserWarning, match="system role"):
        llm.complete(CHAT)
    assert server.seen[-1][1]["messages"] == [{"role": "user", "content": "Be brief.\n\nHello"}]


# -- usage

LONG = [{"role": "user", "content": "The transport reference is on the second line. " * 60}]


@pytest.mark.parametrize("usage",
    [None, {}, {"prompt_tokens": None, "completion_tokens": None}, {"prompt_tokens": -3, "completion_tokens": -1},
                                   {"prompt_tokens": 10**9, "completion_tokens": 10**9},
                                   {"prompt_tokens": 0, "completion_tokens": 0}, "many",
                                   {"prompt_tokens": "5"}])  # fmt: skip
def test_usage_that_cannot_be_is_estimated_and_says_so(server, usage):
    server.script.append((200, chat({"content": "an answer of a few words"}, usage=usage), {}))
    llm = load_llm("openai:m", base_url=server.url)
    reply = llm.complete(LONG)
    assert reply.usage == Usage(llm.count(LONG), 5, counter="estimate")


def test_a_half_of_usage_is_believed(server):
    server.script.append((200, chat({"content": "few words"}, usage={"prompt_tokens": 700}), {}))
    usage = load_llm("openai:m", base_url=server.url).complete(LONG).usage
    assert (usage.prompt, usage.counter) == (700, "provider and estimate") and usage.completion > 0
    usage = asked(server, {key: value for key, value in ANTHROPIC.items() if key != "usage"}, "anthropic").usage
    assert usage.counter == "estimate" and usage.prompt > 0


REASONED = {"completion_tokens_details": {"reasoning_tokens": 1000}}
SHORT, WHOLE = {"prompt_tokens": 700, "completion_tokens": 5}, {"total_tokens": 1705}


@pytest.mark.parametrize("usage", [SHORT | REASONED, SHORT | WHOLE, SHORT | REASONED | WHOLE])
def test_thinking_that_is_left_out_is_added(server, usage):
    server.script.append((200, chat({"content": "four"}, usage=usage), {}))
    llm = load_llm("openai:m", base_url=server.url)
    with CallLog(None) as log:
        Meter(llm, log, "r").ask(LONG, Place("test"))
        row = log.calls().iloc[0]
    assert (row.completion, row.counter) == (1005, "provider, thinking added")


def test_a_visible_thought_that_was_not_counted_is_added(server):
    message = {"content": "four", "reasoning_content": "I weigh this step by step. " * 50}
    server.script.append((200, chat(message, usage={"prompt_tokens": 700, "completion_tokens": 2}), {}))
    assert 300 < load_llm("openai:m", base_url=server.url).complete(LONG).usage.completion < 500


def test_a_server_that_reads_less_than_it_is_sent_is_told_of_once(server):
    body = chat({"content": "x"}, usage={"prompt_tokens": 100, "completion_tokens": 1})
    server.script += [(200, body, {})] * 2
    llm = load_llm("openai:m", base_url=server.url)
    with pytest.warns(UserWarning, match="counted 100 tokens of a prompt of about.*context_window="):
        assert llm.complete(LONG).usage.prompt == 100
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        llm.complete(LONG)
