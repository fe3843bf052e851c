"""Small runs to merge by hand, and text that means harm."""

from __future__ import annotations

import json

import helpers

import fgo_kit as fgo

HOSTILE = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[x](javascript:alert(1))",
    "<!-- a --> b --!>",
    "</style><style>*{display:none}</style>", "\u202egnp.exe\u200f", "x" * 900,
    "a\x00b\x1b[31mc", "lone \ud800 half",
    "'\"><svg onload=alert(1)>", "&lt;b&gt;",
]  # fmt: skip


def made(llm="simulated", n_subsets=6, bench=None, **choices):
    """(run, bench, llm) of a small run with merges."""
    bench = bench or helpers.small_bench(n_train=24, n_test=6)
    return fgo.run(bench, llm, n_subsets=n_subsets, epochs=1, max_failures=1, **{"method": "fgo", **choices}), bench, llm


def forgetful(messages):
    """A merger that keeps the first rule it is shown and no other."""
    (name, text), *others = helpers.shown_rules(messages[1]["content"])
    if "<union>" in messages[1]["content"]:
        return json.dumps({"edits": [{"op": "drop", "id": other, "reason": "It is forgotten."} for other, _ in others]})
    return json.dumps({"rules": [{"text": text, "from": [name]}]})


def learner(messages):
    """An LLM for whole runs: each subset learns two rules of its own; its merger is forgetful."""
    job = helpers.job_of(messages)
    if job == "merge":
        return forgetful(messages)
    if job == "propose":
        task = messages[1]["content"].split('task="')[1].split('"')[0]
        edits = [{"op": "add", "text": f"rule {i} seen in {task}", "support": [task]} for i in (1, 2)]
        return json.dumps({"edits": edits})
    return "ANSWER: answer 1"


def scripted(reply=learner, n=8, **choices):
    bench = helpers.TinyBench(helpers.tasks(n), helpers.tasks(4, "g"), helpers.tasks(4, "x"))
    return made(helpers.ScriptedLLM(reply), n_subsets=n // 2, bench=bench, divide="random", **choices)


def merge_all(session):
    while not session.state.done:
        session.do({"do": "merge"})
        session.do({"do": "accept"})
