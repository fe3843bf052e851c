"""Probes: at most a dozen cheap calls that show what a server makes of what a run will ask of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_hex

from ..algorithm.answer_status import ending, why
from ..algorithm.edits import PROPOSAL_SCHEMA
from ..calls.json_text import value_at
from ..calls.meter import Meter
from ..calls.protocol import AuthError, CallFailed, Message, Reply
from ..calls.requests import Place
from ..records.later import pandas as pd

PHASE = "preflight"  # of the probes' calls in the log
LEAST = 2_048  # tokens of a long prompt at least; providers cache none below 1,024
HALVINGS = 4  # so often a prompt that does not arrive whole is halved
APART = 2.0  # a long prompt is not reported as so many times longer, or shorter, than it is reckoned
IN_PATIENCE = 3  # so many calls as long as the longest one must fit into `patience`
_ECHO = "Answer with the text between <word> and </word> alone"
_FILLER, _FILLER_TOKENS = "The crate went from the depot to the harbour and back. ", 12


@dataclass(frozen=True)
class Finding:
    """What one check of one LLM saw. outcome: "ok", "missing" (the run goes on without) or "wrong"."""

    llm: str
    check: str
    outcome: str
    seen: str
    what_to_do: str = ""


Verdict = tuple[str, str, str]  # outcome, seen, what_to_do of a finding


class _Asking:
    """Asks one LLM, and keeps what is looked at when all else is done."""

    def __init__(self, meter: Meter):
        self.meter, self.llm, self.asked = meter, meter.llm, 0
        self.long = (0, 0)  # tokens of the longest prompt that arrived whole: reported, and counted here

    def __call__(self, check: str, user: str, system: str = "", **options) -> Reply | CallFailed:
        """The answer, or why there is none. Raises AuthError: without access nothing can be found out."""
        self.asked += 1
        try:
            place = Place(PHASE, node=self.llm.name, task=check, turn=self.asked)
            return self.meter.ask(_chat(user, system), place, **options)
        except CallFailed as error:
            if isinstance(error, AuthError):
                raise
            return error

    def refused(self, part: str) -> bool:
        """Whether the server was found to refuse a part of requests."""
        return part in getattr(self.llm, "refused", ())

    def calls(self) -> pd.DataFrame:
        calls = self.meter.log.calls(self.meter.run_id)
        return calls[(calls["phase"] == PHASE) & (calls["node"] == self.llm.name) & (calls["status"] == "ok")]


def probe(meter: Meter, tools: Sequence[dict], longest: int) -> list[Finding]:
    """The findings about the meter's LLM; one alone where no plain answer arrives.

    tools: of the benchmark. longest: tokens of the longest prompt that is to be expected. Every probe has a word of its
    own, so none is answered from the log. Raises AuthError, and what ends a run: BudgetExceeded, Cancelled.
    """
    ask, given = _Asking(meter), sorted({"effort", "thinking"} & meter.llm.params.keys())
    reply = ask("answer", f"{_ECHO}: {_tagged(_word())}")
    found = {"answer": _answer(ask, reply)}
    if found["answer"][0] == "ok":
        found |= {"effort": ("ok", f"{', '.join(given)} taken", "")} if given else {}
        found |= {"system role": _system(ask), "schema": _schema(ask)}
        found |= {"tools": _tools(ask, tools)} if tools and meter.llm.native_tools else {}
        found |= {"window": _window(ask, longest), "caching": _caching(ask)}
        found |= {"usage": _usage(ask), "latency": _latency(ask)}
    elif given and isinstance(reply, CallFailed) and re.search("effort|reasoning|thinking", str(reply), re.IGNORECASE):
        found = {"effort": ("wrong", str(reply), f"leave out {given[0]}=, or give a value it names")}
    return [
        Finding(meter.llm.name, check, outcome, " ".join(seen.split())[:300], todo)
        for check, (outcome, seen, todo) in found.items()
    ]


def _word() -> str:
    return f"w{token_hex(4)}"


def _tagged(word: str) -> str:
    return f"<word>{word}</word>"


def _chat(user: str, system: str) -> list[Message]:
    return [*([{"role": "system", "content": system}] if system else []), {"role": "user", "content": user}]


def _said(reply: Reply | CallFailed) -> str:
    return str(reply) if isinstance(reply, CallFailed) else f"it answers {reply.text.strip()[:80]!r}"


def _answer(ask: _Asking, reply: Reply | CallFailed) -> Verdict:
    if isinstance(reply, CallFailed):
        return "wrong", str(reply), "see that the model's name, base_url= and extra= are right for this server"
    status = ending(reply)
    if status == "answered":
        return "ok", _said(reply), ""
    todo = f"raise max_completion= (now {ask.llm.max_completion:,}), or let it think less by effort="
    return "wrong", f"{status}: {why(reply, status)}", todo if status != "refused" else "use another model"


def _system(ask: _Asking) -> Verdict:
    word = _word()
    reply = ask("system role", "Which word were you given?", f"{_ECHO}: {_tagged(word)}")
    if ask.refused("system role"):
        return "missing", "refused", "nothing: its text goes to the first user message"
    if isinstance(reply, Reply) and word in reply.text:
        return "ok", "obeyed", ""
    return "wrong", _said(reply), "use a chat template with a system role, or a function by fgo.wrap_llm"


def _schema(ask: _Asking) -> Verdict:
    user = f'Answer in JSON that there are no edits: {{"edits": []}} {_tagged(_word())}'
    reply = ask("schema", user, response_schema=PROPOSAL_SCHEMA)
    found = value_at(reply.text, max(0, reply.text.find("{"))) if isinstance(reply, Reply) else None
    if not isinstance(found, dict) or "edits" not in found:
        return "wrong", _said(reply), "use edits=False, which asks for plain text"
    if ask.refused("schema of the answer"):
        return "missing", "refused", "nothing: JSON is asked for in words alone"
    return "ok", "kept to", ""


def _tools(ask: _Asking, tools: Sequence[dict]) -> Verdict:
    user = f"Call the tool <call>{tools[0]['name']}</call> with any arguments. {_word()}"
    reply, todo = ask("tools", user, tools=tools), "native_tools=False, by which calls are written as text"
    if ask.refused("tools"):
        return "missing", "refused", todo
    called = isinstance(reply, Reply) and reply.tool_calls
    return ("ok", "called", "") if called else ("wrong", f"no tool is called: {_said(reply)}", todo)


def _window(ask: _Asking, longest: int) -> Verdict:
    size, lost = min(max(longest, LEAST), ask.llm.context_window - ask.llm.max_completion), []
    for _ in range(HALVINGS + 1):
        words = _word(), _word()
        text = f"{_tagged(words[0])}\n{_filler(size)}\n{_tagged(words[1])}\n\n{_ECHO}, both of them."
        reply = ask("window", text)
        missing = _missing(reply, words)
        if isinstance(reply, Reply) and not missing:
            ask.long = reply.usage.prompt, ask.llm.count(_chat(text, ""))
            break
        lost.append(f"of a prompt of {size:,} tokens {missing}")
        size //= 2
    if not lost:
        return "ok", f"a prompt of {size:,} tokens arrives whole", ""
    todo = f"context_window={size + ask.llm.max_completion}, or a larger one at the server"
    return "wrong", lost[0], todo if len(lost) <= HALVINGS else "use another model"


def _missing(reply: Reply | CallFailed, words: Sequence[str]) -> str:
    """What of a long prompt did not arrive, "" where all did."""
    if isinstance(reply, CallFailed):
        return f"nothing is read ({reply})"
    lacking = [part for part, word in zip(("beginning", "end"), words, strict=True) if word not in reply.text]
    return f"the {' and the '.join(lacking)} did not arrive" if lacking else ""


def _filler(tokens: int) -> str:
    return _FILLER * max(1, (tokens - 100) // _FILLER_TOKENS)


def _caching(ask: _Asking) -> Verdict:
    system = f"{_word()} {_filler(min(LEAST, ask.llm.context_window - ask.llm.max_completion))}"
    replies = [ask("caching", f"{_ECHO}: {_tagged(_word())}", system) for _ in range(2)]
    cached = max((reply.usage.cached for reply in replies if isinstance(reply, Reply)), default=0)
    if cached:
        return "ok", f"{cached:,} tokens of a repeated prompt were read from the cache", ""
    return "missing", "not seen, or not reported", "at a server of your own turn on prefix caching; else nothing"


def _usage(ask: _Asking) -> Verdict:
    odd, (reported, counted) = sorted(set(ask.calls()["counter"]) - {"provider"}), ask.long
    if odd:
        seen = f"missing or impossible numbers, put right by: {', '.join(odd)}"
        return "wrong", seen, "leave room in budget_usd= and budget_tokens=: what is booked is partly estimated"
    if counted and not counted / APART < reported < counted * APART:
        seen = f"{reported:,} tokens are reported for a prompt of about {counted:,}"
        return "wrong", seen, "compare with the provider's bill before you trust a budget"
    return "ok", "reported, and plausible", ""


def _latency(ask: _Asking) -> Verdict:
    seconds, patience = ask.calls()["seconds"], ask.meter.limits.patience
    needed = IN_PATIENCE * seconds.max()
    seen = f"{seconds.median():.1f} s a call, {seconds.max():.1f} s the slowest"
    return ("ok", seen, "") if needed <= patience else ("wrong", seen, f"patience={needed:.0f} (now {patience:g})")
