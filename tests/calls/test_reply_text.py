"""Thought apart from answer, and the forms in which models set an answer; every reader is linear."""

import time
from contextlib import suppress

import pytest
from helpers import ScriptedLLM, context

from fgo_kit.algorithm import prompts
from fgo_kit.algorithm.answer_status import has_whole_answer
from fgo_kit.algorithm.edits import Edit
from fgo_kit.algorithm.rewrite import rewritten
from fgo_kit.calls.json_text import read_list
from fgo_kit.calls.log import CallLog, Place
from fgo_kit.calls.protocol import Reply, Usage
from fgo_kit.calls.reply_text import bare, final_answer, given_answer, split_thought, thought_apart
from fgo_kit.calls.toolcalls import read_turn
from fgo_kit.records import Component, Module

CALL = 'TOOL: {"tool": "search", "arguments": {"query": "x"}}'


@pytest.mark.parametrize(("text", "thought", "answer"), [
    ("<think>\nI weigh {a} and {b}.\n</think>\nANSWER: 4", "I weigh {a} and {b}.", "ANSWER: 4"),
    ("<thinking>hm</thinking>ANSWER: 4", "hm", "ANSWER: 4"),
    ("[THINK]hm[/THINK]ANSWER: 4", "hm", "ANSWER: 4"),
    ("◁think▷hm◁/think▷ANSWER: 4", "hm", "ANSWER: 4"),
    ("<mm:think>hm</mm:think>ANSWER: 4", "hm", "ANSWER: 4"),
    ("The template opened it.\n</think>\n\nANSWER: 4", "The template opened it.", "ANSWER: 4"),
    ("It ends amid {a} line.</think>{\"edits\": []}", "It ends amid {a} line.", '{"edits": []}'),
    ("<think>one <think>in</think> another</think>\nANSWER: 4", "one <think>in\nanother", "ANSWER: 4"),
    ("<think>it wrote </think> in its answer</think> ANSWER: 4", "it wrote\nin its answer", "ANSWER: 4"),
    ("<think>a</think>first,\n<think>b</think>then", "a\nb", "first,\nthen"),
    (f"<think>I could write\n{CALL}\nbut no</think>\nFINAL ANSWER: 42", f"I could write\n{CALL}\nbut no",
        "FINAL ANSWER: 42"),
    ('<think>a draft: {"edits": [{"op": "add"}]} and', 'a draft: {"edits": [{"op": "add"}]} and', ""),
    ("  <think>", "", ""),
    ("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>ANSWER: 4<|return|>", "hm",
        "ANSWER: 4"),
    ("<|START_THINKING|>hm<|END_THINKING|>ANSWER: 4", "hm", "ANSWER: 4"),
    ("<|begin_of_thought|>\nhm\n<|end_of_thought|>\nANSWER: 4", "hm", "ANSWER: 4"),
    ("<|channel>thought\nhm\n<channel|>ANSWER: 4<turn|>", "hm", "ANSWER: 4"), ("<|channel>thought\nhm, or", "hm, or", ""),
    ("<unused94>thought\nhm\n<unused95>ANSWER: 4", "hm", "ANSWER: 4"), ("<unused94>thought\nANSWER: 3?", "ANSWER: 3?", ""),
    ("<thoughts>hm</thoughts>ANSWER: 4", "hm", "ANSWER: 4"), ("<scratchpad>hm</scratchpad>ANSWER: 4", "hm", "ANSWER: 4"),
    ("analysisWe add.assistantfinalANSWER: 4", "We add.", "ANSWER: 4"),
    ('analysisWe draft: {"edits": []}', 'We draft: {"edits": []}', ""),
    ('Sure. <think>A draft: {"edits": [{"op": "add"}]} but no, it is', 'A draft: {"edits": [{"op": "add"}]} but no, it is', "Sure."),
    ("ANSWER: 4<|im_end|>\n<|endoftext|>", "", "ANSWER: 4"),
    ("<s> ANSWER: 4</s>", "", "ANSWER: 4"),
])  # fmt: skip
def test_thought_and_answer_are_split(text, thought, answer):
    assert split_thought(text) == (thought, answer)


@pytest.mark.parametrize("text", [
    "THOUGHT: what our own prompts ask for\nRULES: r1\nANSWER: 4",
    '{"edits": [{"op": "add", "text": "write no <think> tags"}]}',
    '{"edits": [{"op": "add", "text": "end with </think> always"}]}', "use <think> amid a sentence", "", " \n ",
    "a < b [1]", "<module>\na\n</module>",
])  # fmt: skip
def test_an_answer_without_a_thought_stays_as_it_is(text):
    assert split_thought(text) == ("", text)


@pytest.mark.parametrize(("text", "whole"), [
    ("ANSWER: 42\nBecause", True), ("ANSWER: 42\n", True), ("ANSWER: 42\nOn second thought\nANSWER: 4", False),
    ("FINAL ANSWER: 42\nno\nFINAL ANSWER: 4", False), ("ANSWER: 4", False), ("", False),
])  # fmt: skip
def test_of_a_text_that_was_cut_only_an_answer_line_that_ended_and_is_the_last_is_read(text, whole):
    assert has_whole_answer(text) is whole


def test_a_thought_of_the_provider_and_one_in_the_text_are_one():
    reply = thought_apart(Reply("<think>b</think>c", Usage(1, 1), thought="a"))
    assert (reply.thought, reply.text) == ("a\nb", "c") and thought_apart(reply) is reply


def test_a_harmony_call_is_a_call():
    header = "<|channel|>commentary to=functions.search <|constrain|>json<|message|>"
    _, answer = split_thought(f'{header}{{"query": "a"}}<|call|>')
    assert (read_turn(answer).tool, read_turn(answer).arguments) == ("search", {"query": "a"})


def test_the_thought_is_logged_and_shown_to_nobody():
    """Whatever LLM it comes from: the meter splits a reply once, and the log keeps both parts."""
    log = CallLog(None)
    meter = context(ScriptedLLM(lambda messages: "<think>my draft</think>ANSWER: 4"), log=log).meter
    for _ in range(2):  # paid for, and from the log
        reply = meter.ask([{"role": "user", "content": "?"}], Place("test"))
        assert (reply.text, reply.thought) == ("ANSWER: 4", "my draft")


CODE = "MSKU1234567"


@pytest.mark.parametrize("text", [
    "ANSWER: {}", "ANSWER：{}", "ANSWER: “{}”", 'ANSWER: "{}"', "ANSWER: '{}'", "ANSWER: «{}»", "ANSWER: {}<|im_end|>",
    "ANSWER:\n```\n{}\n```", "ANSWER:\n```text\n{}\n```", "ANSWER:\n- {}", "THOUGHT: x\nFINAL ANSWER: {}",
    "### ANSWER\n{}",
    "**Answer**\n\n{}", "**ANSWER:** `{}`", "Final_Answer: {}", "ANSWER: $\\boxed{{{}}}$",
    "ANSWER: 12\nNo.\nANSWER: {}", "```\nANSWER: {}\n```",
])  # fmt: skip
def test_an_answer_is_read_in_whatever_form_it_is_set(text):
    assert prompts.parse_action(text.format(CODE))[0] == given_answer(text.format(CODE)) == CODE
    final = text.replace("ANSWER", "FINAL ANSWER").replace("FINAL FINAL", "FINAL").replace("Answer",
        "Final Answer").replace("Final_Final ", "Final_")
    assert final_answer(final.format(CODE)) == CODE


@pytest.mark.parametrize(("text", "answer"),
    [("ANSWER:", ""), ("no label", None), ('ANSWER: "a" or "b"', '"a" or "b"'), ("ANSWER: it's", "it's")])
def test_what_is_no_pair_of_quotes_stays(text, answer):
    assert given_answer(text) == answer


def test_only_a_final_answer_is_final():
    assert final_answer("ANSWER: 3") is None and bare('"x"') == "x"


def test_rules_and_thoughts_have_full_width_colons_too():
    assert prompts.parse_action("THOUGHT： x\nRULES： r1, r2\nANSWER： 4") == ("4", ("r1", "r2"))


@pytest.mark.parametrize(("text", "arguments"), [
    ('THOUGHT: look\n<tool_call>\n{"name": "read_file", "arguments": {"name": "a.txt"}}\n</tool_call>',
        {"name": "a.txt"}),
    ('<tool_call>{"name": "read_file", "arguments": "{\\"name\\": \\"a.txt\\"}"}', {"name": "a.txt"}),
    ('[TOOL_CALLS] [{"name": "read_file", "arguments": {"name": "a.txt"}}]', {"name": "a.txt"}),
    ('[TOOL_CALLS]read_file[ARGS]{"name": "a.txt"}', {"name": "a.txt"}),
    ('<|python_tag|>{"name": "read_file", "parameters": {"name": "a.txt"}}', {"name": "a.txt"}),
    ('<function=read_file>{"name": "a.txt"}</function>', {"name": "a.txt"}),
    ("<tool_call>\n<function=read_file>\n<parameter=name>\na.txt\n</parameter>\n</function>\n</tool_call>",
        {"name": "a.txt"}),
    ("<tool_call>read_file\n<arg_key>name</arg_key>\n<arg_value>a.txt</arg_value>\n</tool_call>", {"name": "a.txt"}),
    ("TOOL: {'tool': 'read_file', 'arguments': {'name': 'a.txt',},}", {"name": "a.txt"}),
    ('TOOL： {"tool": "read_file", "arguments": {"name": "a.txt"}}', {"name": "a.txt"}),
])  # fmt: skip
def test_a_call_left_in_the_text_is_a_call(text, arguments):
    turn = read_turn(text)
    assert (turn.tool, turn.arguments) == ("read_file", arguments)


@pytest.mark.parametrize("text", ["<tool_call>I would rather not", "TOOL: {broken", "<function=>", "[TOOL_CALLS]"])
def test_a_call_that_cannot_be_read_is_a_problem_to_tell(text):
    assert read_turn(text).tool == "" and read_turn(text).problem


MODULE = Module((Component("instructions", "Do."), Component("tool_notes", "Use.")))
HARD = {
    "tags": "<think>", "ends": "</think>", "tokens": "<|x|>", "blanks": " ", "lines": "\n", "stars": "*",
    "labels": "ANSWER:\n",
    "braces": "{", "brackets": "[", "keys": '{"a":', "strings": '{"a":"', "quotes": '"', "curly": "{„",
    "backslash": '["\\', "pairs": "{}",
    "mixed": "[}", "calls": "<tool_call>", "parameters": "<parameter=a>", "modules": "<module>\n",
    "records": "(support 1 ", "dots": "RULES: .....",
    "functions": "<function=a>", "channels": "<|channel|>a<|message|>", "items": '{"edits":[{"op":1}',
}  # fmt: skip


def readers(text):
    split_thought(text), given_answer(text), final_answer(text), read_turn(text), prompts.parse_action(text)
    with suppress(ValueError):
        read_list(text, "edits", Edit)
    with suppress(ValueError):
        rewritten(MODULE, f"<module>{text}</module>", "p", "o")


@pytest.mark.parametrize("hard", HARD)
def test_no_reader_is_slower_than_linear(hard):
    """Eight times the text takes about eight times as long, where quadratic would be sixty-four times."""

    def seconds(length):
        text = HARD[hard] * (length // len(HARD[hard]))
        best = 9.0
        for _ in range(2):
            start = time.process_time()
            readers(text)
            best = min(best, time.process_time() - start)
        return best

    small, large = seconds(15_000), seconds(120_000)
    assert large < 20 * small + 0.3
