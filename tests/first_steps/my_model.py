"""Stands for a model of your own: it multiplies only where a rule says so, and knows how to comment, and to propose."""

import json
import re


def chat(messages):
    text = "\n".join(message["content"] for message in messages)
    if "<union>" in text:
        return json.dumps({"edits": [], "votes": []})
    if "<trajectories>" in text:
        shown = re.search(r'<trajectory task="(.*?)"', text)[1]
        return json.dumps({"edits": [{"op": "add", "text": "Multiply the two numbers.", "support": [shown]}]})
    if "<expected>" in text:
        return "The answer is not the product of the two numbers."
    first, second = map(int, re.search(r"(\d+) crates of (\d+)", text).groups())
    return f"ANSWER: {first * second if 'Multiply' in text else first + second}"
