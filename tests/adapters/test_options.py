"""What providers are asked beside messages and model: what is sent, what is refused before, and what comes back."""

import json
import typing
import warnings
from base64 import b64encode
from urllib.parse import quote

import pytest
from anthropic.types import message_create_params as anthropic_params
from anthropic.types import output_config_param, thinking_config_param
from openai.types.chat import completion_create_params
from openai.types.shared import reasoning_effort
from wire import ANTHROPIC, OPENAI, RESPONSES

from fgo_kit.adapters.anthropic_messages import AnthropicMessages
from fgo_kit.adapters.openai_chat import OpenAIChat
from fgo_kit.algorithm.answer_status import ending, why
from fgo_kit.calls import protocol as api
from fgo_kit.calls.limits import Limits
from fgo_kit.calls.log import CallLog, Place
from fgo_kit.calls.meter import Meter
from fgo_kit.calls.protocol import ToolCall, Usage
from fgo_kit.calls.providers import load_llm
from fgo_kit.calls.requests import redact

KEY = "key/with+odd=signs&1234"
CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
TOOLS = ({"name": "look", "description": "Look.", "parameters": {"type": "object", "properties": {}}},)
SCHEMA = {"title": "Edits", "type": "object", "additionalProperties": False, "properties": {}, "required": []}
CALLED = [*CHAT, {"role": "assistant", "content": 'TOOL: {"tool": "look", "arguments": {}}'},
          {"role": "user", "content": '<tool_result tool="look">\na mug\n</tool_result>'}]  # fmt: skip


def at(server, spec, **options):
    return load_llm(spec, base_url=server.url, **{"timeout": 5} | options)


def responses(server, **options):
    return at(server, "openai:m", api="responses", **options)


# -- what is sent


def test_openai_itself_is_asked_through_responses_and_others_by_chat(server, monkeypatch):
    monkeypatch.setattr(OpenAIChat, "home", server.url)
    for options in ({}, {"base_url": f"{server.url}/"}, {"api": "chat"}, {"base_url": f"{server.url}/v1"},
                    {"base_url": f"{server.url}/v1", "api": "responses"}):  # fmt: skip
        assert load_llm("openai:m", api_key=KEY, **options).complete(CHAT).text == "Hi"
    assert [path for path, _, _ in server.seen] == [
        "/responses", "/responses", "/chat/completions", "/v1/chat/completions", "/v1/responses",
    ]  # fmt: skip


def test_what_responses_is_sent(server):
    llm = responses(server, temperature=0.5, effort="low", max_completion=77, extra={"truncation": "disabled"})
    reply = llm.complete(CHAT, tools=TOOLS, response_schema=SCHEMA, sample=3)
    assert reply == api.Reply("Hi", Usage(100, 20, 40, 8, written=10), "stop", model="m")
    _, body, headers = server.seen[0]
    assert headers["x-sample"] == "3"
    assert body == {
        "model": "m", "input": CHAT, "max_output_tokens": 77, "store": False, "temperature": 0.5,
        "reasoning": {"effort": "low"}, "truncation": "disabled", "parallel_tool_calls": False,
        "tools": [{"type": "function", "strict": False, **TOOLS[0]}],
        "text": {"format": {"type": "json_schema", "name": "Edits", "schema": SCHEMA, "strict": True}},
    }  # fmt: skip


def test_options_are_sent_and_are_part_of_the_identity(server):
    at(server, "openai:m", effort="high", service_tier="flex", extra={"top_k": 3}).complete(CHAT)
    at(server, "anthropic:m", effort="max", thinking="adaptive", extra={"top_k": 3}).complete(CHAT, response_schema=SCHEMA)
    at(server, "anthropic:m", thinking=2_000, service_tier="standard_only").complete(CHAT)
    chat, adaptive, budget = (body for _, body, _ in server.seen)
    assert (chat["reasoning_effort"], chat["service_tier"], chat["top_k"]) == ("high", "flex", 3)
    assert adaptive["output_config"]["effort"] == "max" and "format" in adaptive["output_config"]
    assert (adaptive["thinking"], adaptive["top_k"]) == ({"type": "adaptive"}, 3)
    assert budget["thinking"] == {"type": "enabled", "budget_tokens": 2_000}
    assert at(server, "openai:m", effort="high").params["effort"] == "high"
    assert at(server, "anthropic:m", thinking=2_000).params["thinking"] == 2_000


def test_what_is_allowed_is_what_the_sdks_know():
    """Their lists grow: a value that is new there should be allowed here too."""
    values = typing.get_args
    effort, tier = OpenAIChat.allowed["effort"], OpenAIChat.allowed["service_tier"]
    hints = completion_create_params.CompletionCreateParamsBase.__annotations__["service_tier"]
    assert set(effort) == set(values(values(reasoning_effort.ReasoningEffort)[0]))
    assert all(f"'{name}'" in str(hints) or f'"{name}"' in str(hints) for name in tier)
    hints = str(output_config_param.OutputConfigParam.__annotations__["effort"])
    assert all(name in hints for name in AnthropicMessages.allowed["effort"])
    hints = str(anthropic_params.MessageCreateParamsBase.__annotations__["service_tier"])
    assert all(name in hints for name in AnthropicMessages.allowed["service_tier"])
    kinds = {values(typing.get_type_hints(kind)["type"])[0] for kind in values(thinking_config_param.ThinkingConfigParam)}
    assert {*AnthropicMessages.allowed["thinking"], "enabled"} == kinds


@pytest.mark.parametrize(("spec", "options", "words"), [
    ("openai:m", {"effort": "hgih"}, "effort='hgih'.*minimal.*high"), ("anthropic:m", {"effort": "none"}, "effort='none'.*low"),
    ("openai:m", {"service_tier": "cheap"}, "service_tier='cheap'.*flex"), ("openai:m", {"api": "assistants"}, "api='assistants'.*chat, responses"),
    ("openai:m", {"thinking": True}, "thinking is no parameter.*effort"), ("anthropic:m", {"thinking": True}, "thinking=True.*1024"),
    ("anthropic:m", {"thinking": 100}, "thinking=100.*1024"), ("anthropic:m", {"thinking": 4_000, "max_completion": 3_000}, "thinking=4000.*max_completion=3000"),
    ("anthropic:m", {"thinking": "deep"}, "thinking='deep'.*adaptive"), ("anthropic:m", {"api": "chat"}, "api is no parameter"),
    ("openai:m", {"extra": {"stream": True}}, "stream.*toolkit"), ("openai:m", {"extra": "x"}, "extra='x'.*dict"), ("openai:m", {"extra": {"a": {1}}}, "extra.*JSON"),
    ("openai:m", {"temperature": "hot"}, "temperature='hot'.*0 to 2"), ("openai:m", {"max_completion": 0}, "max_completion=0.*>= 1"),
    ("openai:m", {"context_window": 1.5}, "context_window=1.5.*whole"), ("openai:m", {"max_completion": 9_000, "context_window": 8_000}, "9000 leaves nothing of context_window=8000"),
    ("openai:m", {"timeout": -1}, "timeout=-1.*seconds"),
])  # fmt: skip
def test_bad_values_are_refused_before_anything_is_sent(server, spec, options, words):
    with pytest.raises(ValueError, match=words):
        at(server, spec, **options)
    assert not server.seen


def test_answers_have_room_to_think_and_prompts_their_window(server):
    assert at(server, "openai:m").max_completion == 16_384
    assert at(server, "openai:m", context_window=8_000).max_completion == 2_000
    assert load_llm("simulated").max_completion == 4_096


def test_prompts_are_marked_for_the_cache_where_they_are_used_again(server):
    """The system text by every task; all of a dialogue by its next turn; a single question by nobody."""
    llm, mark = at(server, "anthropic:m"), {"type": "ephemeral"}
    for messages, tools in ((CHAT, ()), (CHAT, TOOLS), ([*CHAT, {"role": "assistant", "content": "a"}, CHAT[1]], ()), (CHAT[1:], ())):
        llm.complete(messages, tools=tools)
    bodies = [body for _, body, _ in server.seen]
    assert [body.get("cache_control") for body in bodies] == [None, mark, mark, None]
    assert [body.get("system", [{}])[0].get("cache_control") for body in bodies] == [mark, mark, mark, None]
    server.refuse = lambda body: (400, {"error": {"message": "cache_control: Extra inputs are not permitted"}}, {}) if "cache_control" in str(body) else None
    with pytest.warns(UserWarning, match="cache mark"):
        llm.complete(CHAT, tools=TOOLS)
    assert "cache_control" not in str(server.seen[-1][1])


# -- thinking


def test_thinking_goes_back_as_it_came(server):
    thinking = {"type": "thinking", "thinking": "hm", "signature": "s", "new_field": [1]}
    use = {"type": "tool_use", "id": "toolu_7", "name": "look", "input": {"at": 1}}
    server.script.append((200, ANTHROPIC | {"content": [thinking, use, use | {"id": "second"}], "stop_reason": "tool_use"}, {}))
    reasoning = {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "e"}
    call = {"type": "function_call", "id": "fc", "call_id": "call_7", "name": "look", "arguments": "{}"}
    second = (200, RESPONSES | {"output": [reasoning | {"status": None}, call]}, {})
    for llm, key, turn in ((at(server, "anthropic:m"), "messages", [{"role": "assistant", "content": [thinking, use]}]),
                           (responses(server), "input", [reasoning, call])):  # fmt: skip
        reply = llm.complete(CHAT, tools=TOOLS)
        assert (reply.thought, reply.finish, reply.tool_calls[0].name) == ("hm", "tool_calls", "look")
        chat = [*CALLED[:2], CALLED[2] | {"raw": reply.tool_calls[0].raw}, CALLED[3]]
        assert llm.count(chat) > llm.count(CALLED)
        llm.complete(chat, tools=TOOLS)
        sent = server.seen[-1][1][key]
        start = len(sent) - len(turn) - 1
        assert sent[start:-1] == turn
        assert ("toolu_7" if key == "messages" else "call_7") in str(sent[-1])
        llm.complete(chat)  # without tools it is text
        assert "signature" not in str(server.seen[-1][1]) and "raw" not in str(server.seen[-1][1])
        server.script.append(second)


def test_a_turn_without_thinking_or_without_an_id_is_rebuilt(server):
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "tool_use", "name": "look", "input": {}}]
    for content in (blocks, [{**blocks[1], "id": "c"}]):
        server.script.append((200, ANTHROPIC | {"content": content}, {}))
        assert at(server, "anthropic:m").complete(CHAT, tools=TOOLS).tool_calls[0].raw == ""


def test_a_logged_answer_still_holds_its_thinking_and_a_budget_counts_it(server):
    call = ToolCall("c", "look", "{}", '[{"type": "thinking"}]')
    llm = at(server, "anthropic:m")
    with CallLog(None) as log:
        llm.complete = lambda *_, **__: api.Reply("", Usage(1, 1), "tool_calls", (call,))
        meter = Meter(llm, log, "r")
        assert meter.ask(CHAT, Place("rollout")).tool_calls == (call,)
        assert Meter(llm, log, "r").ask(CHAT, Place("rollout")).tool_calls == (call,)
    fits = Limits(budget_tokens=llm.max_completion + 200)
    with CallLog(None) as log, pytest.raises(api.BudgetExceeded):
        Meter(llm, log, "r", fits).ask([*CHAT, {**CHAT[1], "raw": "x" * 200}], Place("rollout"))


# -- refusals


@pytest.mark.parametrize(("spec", "options", "body", "status", "category", "words"), [
    ("anthropic:m", {}, ANTHROPIC | {"content": [], "stop_reason": "refusal", "stop_details": {"type": "refusal", "category": "cyber", "explanation": "No."}}, 200, "cyber", "No."),
    ("anthropic:m", {}, ANTHROPIC | {"content": [], "stop_reason": "refusal", "stop_details": None}, 200, "", "without a word"),
    ("openai:m", {}, OPENAI | {"choices": [{"finish_reason": "content_filter", "message": {"content": None}}]}, 200, "content_filter", "without a word"),
    ("openai:m", {}, OPENAI | {"choices": [{"finish_reason": "stop", "message": {"content": None, "refusal": "No."}}]}, 200, "", "No."),
    ("openai:m", {"api": "responses"}, RESPONSES | {"output": [{"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}]}, 200, "", "No."),
    ("openai:m", {"api": "responses"}, RESPONSES | {"status": "incomplete", "output": [], "incomplete_details": {"reason": "content_filter"}}, 200, "content_filter", "without a word"),
    ("openai:m", {"api": "responses"}, RESPONSES | {"status": "failed", "output": [], "error": {"code": "bio_policy", "message": "Flagged."}}, 200, "bio_policy", "Flagged."),
    ("openai:m", {}, {"error": {"code": "invalid_prompt", "message": "Your prompt was flagged."}}, 400, "invalid_prompt", "flagged"),
])  # fmt: skip
def test_a_refusal_is_one_with_its_category_also_from_the_log(server, spec, options, body, status, category, words):
    server.script.append((status, body, {}))
    llm = at(server, spec, **options)
    with CallLog(None) as log:
        given = Meter(llm, log, "r").ask(CHAT, Place("rollout"))
        logged = Meter(llm, log, "r").ask(CHAT, Place("rollout"))
        assert category in log.calls().finish[0]
    assert len(server.seen) == 1 and given == logged
    assert (given.finish, given.category, ending(given)) == ("refusal", category, "refused")
    assert words in why(given, "refused") and category in why(given, "refused")


def test_a_response_that_failed_is_the_error_it_names(server):
    for code, kind in (("server_error", api.Overloaded), ("rate_limit_exceeded", api.RateLimited), ("invalid_image", api.BadRequest)):
        server.script.append((200, RESPONSES | {"status": "failed", "output": [], "error": {"code": code, "message": "x"}}, {}))
        with pytest.raises(kind):
            responses(server).complete(CHAT)


def test_a_response_that_was_cut_says_so(server):
    server.script.append((200, RESPONSES | {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, {}))
    assert responses(server).complete(CHAT).finish == "length"


# -- who answered


def test_another_model_within_a_run_is_told_once(server):
    for model in ("m-1", "m-1", "", "m-2", "m-3"):
        server.script.append((200, OPENAI | {"model": model}, {}))
    llm = at(server, "openai:m")
    with CallLog(None) as log, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for name, meter in (("r", Meter(llm, log, "r")), ("other", Meter(llm, log, "other"))):
            for n in range(5 if name == "r" else 2):
                meter.ask([{"role": "user", "content": str(n)}], Place("rollout", task=str(n)))
        assert sorted(set(log.calls("r").model)) == ["", "m-1", "m-2", "m-3"]
    assert [str(one.message).count("'m-2' answers, and 'm-1' did before") for one in told] == [1]


# -- keys


@pytest.mark.parametrize("form", [
    lambda key: key, lambda key: quote(key, safe=""), lambda key: quote(quote(key, safe=""), safe="").lower(), lambda key: json.dumps({"k": key}),
    lambda key: b64encode(key.encode()).decode(), lambda key: b64encode(f"user:{key}".encode()).decode(), lambda key: b64encode(f"u:{key}!".encode()).decode(),
])  # fmt: skip
def test_a_key_is_redacted_in_every_form(server, form):
    server.script.append((400, {"error": {"message": f"bad <{form(KEY)}>"}}, {}))
    with pytest.raises(api.BadRequest) as caught:
        at(server, "openai:m", api_key=KEY).complete(CHAT)
    shown = str(caught.value)
    assert "[redacted]" in shown and form(KEY)[5:18] not in shown


def test_keys_in_the_url_are_neither_shown_nor_logged(server, tmp_path):
    secret, token = "a1b2c3d4e5f6g7h8i9j0k1l2", "tok-98765"
    url = f"{server.url}/{secret}/v1?api_token={token}&version=2"
    server.script.append((404, {"error": {"message": f"no route /{secret}/v1?api_token={token}"}}, {}))
    llm = load_llm("openai:m", base_url=url)
    with CallLog(tmp_path / "log.sqlite") as log, pytest.raises(api.BadRequest) as caught:
        Meter(llm, log, "r").ask(CHAT, Place("rollout"))
    shown = str(caught.value) + repr(llm) + str(llm.params)
    data = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert "version=2" in llm.params["base_url"] and "no route" in shown
    assert not any(text in shown or text.encode() in data for text in (secret, token))
    assert secret in server.seen[0][0] or token in server.seen[0][0]


def test_hosts_and_names_in_a_url_are_no_keys():
    for url in ("http://ollama:11434/v1", "http://localhost/deployments/gpt-4o-mini-2024-07-18/v1"):
        assert load_llm("openai:m", base_url=url, api_key="ollama").params["base_url"] == url


@pytest.mark.parametrize(("text", "shown"), [
    ("GET https://x.org/v1?key=abc123&n=1", "GET https://x.org/v1?key=[redacted]&n=1"), ("?api_key=abc123", "?api_key=[redacted]"),
    ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "Authorization: [redacted]"), ("a basic implementation", "a basic implementation"),
])  # fmt: skip
def test_what_looks_like_a_key_is_redacted(text, shown):
    assert redact(text) == shown


@pytest.mark.parametrize(("status", "billed"), [(500, False), (503, False), (504, True), (524, True)])
def test_a_gateway_that_gave_up_may_be_billed(server, status, billed):
    server.script.append((status, {"error": {"message": "upstream"}}, {}))
    with pytest.raises(api.Overloaded) as caught:
        at(server, "openai:m").complete(CHAT)
    assert caught.value.maybe_billed is billed
