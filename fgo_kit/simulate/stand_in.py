"""What answers in a dry run: the simulated LLM, or for tasks that it cannot read texts of its length."""

from __future__ import annotations

import json
import re

from ..adapters.wrapped import wrap_llm
from ..algorithm.benchmark import Benchmark
from ..calls.protocol import LLM, Message
from .model import load
from .modules import shown_rules

RULES = 2
"""So many rules are proposed at once."""
_RULE = "When the task is like the ones shown here, look first at what it asks for and then answer in that form alone."
_REVIEW = "The answer is not the expected one, because the agent did not look closely at what the task asks for."
_ANSWER = "THOUGHT: I rely on what the task says and on the rules above.\nANSWER: some words"


def stand_in(bench: Benchmark) -> LLM:
    """The LLM for a dry run on a benchmark; it costs nothing."""
    llm = load("small")
    try:
        llm.check(bench)
    except ValueError:
        return wrap_llm(answer, name="stand-in", context_window=llm.context_window)
    return llm


def answer(messages: list[Message]) -> str:
    """A usable answer to any prompt of ours."""
    text = messages[1]["content"] if len(messages) > 1 else ""
    shown = re.search(r'<trajectories>\s*<trajectory task="([^"]*)"', text)
    if "<modules>" in text:
        return json.dumps({"rules": [{"text": rule.text, "from": [rule.id]} for rule in shown_rules(text)]})
    if "<union>" in text and shown:
        votes = [{"id": rule.id, "vote": "keep", "tasks": [shown[1]]} for rule in shown_rules(text)]
        return json.dumps({"votes": votes})
    if "<union>" in text:  # a merger leaves some rules as they are
        edits = [{"op": "revise", "id": rule.id, "text": rule.text} for rule in shown_rules(text)[::2]]
        return json.dumps({"edits": edits})
    if shown:
        texts = [f"{_RULE} ({number}, {shown[1]})" for number in range(RULES)]  # no two prompts bring the same rule
        return json.dumps({"edits": [{"op": "add", "text": words, "support": [shown[1]]} for words in texts]})
    return _REVIEW if "<expected>" in text else _ANSWER
