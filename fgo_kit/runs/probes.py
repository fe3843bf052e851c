"""Probes: at most a dozen cheap calls that show what a server makes of what a run will ask of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from secrets import token_hex

from ..algorithm.answer_status import ending, why
from ..calls.json_text import value_at
from ..calls.meter import Meter
from ..calls.protocol import AuthError, CallFailed, Message, Reply
from ..calls.requests import Place

PHASE = "preflight"
"""Of the probes' calls in the log."""
LEAST = 2_048
"""Tokens of a long prompt at least; providers cache none below 1,024."""
HALVINGS = 4
"""So often a prompt that does not arrive whole is halved."""
APART = 2.0
"""A long prompt is not so many times as long as it was reckoned, nor so much shorter."""
IN_PATIENCE = 3
"""So many calls as long as the longest one must fit into `patience`."""
_ECHO = "Answer with the text between <word> and </word> alone"
_FILLER = "The crate went from the depot to the harbour and back. "
_SCHEMA = {
    "title": "probe", "type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"],
    "additionalProperties": False,
}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """What one check of one LLM saw. outcome: "ok", "missing" (the run goes on without) or "wrong"."""

    llm: str
    check: str
    outcome: str
    seen: str
    what_to_do: str = ""


class _Probes:
    """Asks one LLM. Every probe has a word of its own, so none is answered from a log."""

    def __init__(self, meter: Meter):
        self.meter, self.llm = meter, meter.llm
        self.replies: list[Reply] = []
        self.long = (0, 0)  # tokens of the longest prompt that arrived whole: reported, and counted here

    def ask(self, check: str, messages: list[Message], **options) -> Reply | CallFailed:
        """The answer, or why there is none. Raises AuthError: without access nothing can be found out."""
        place = Place(PHASE, node=self.llm.name, task=check, turn=len(self.replies))
        try:
            reply = self.meter.ask(messages, place, **options)
        except AuthError:
            raise
        except CallFailed as error:
            return error
        self.replies.append(reply)
        return reply

    def refuses(self, part: str) -> bool:
        return part in getattr(self.llm, "refused", ())

    def finding(self, check: str, outcome: str, seen: str, what_to_do: str = "") -> Finding:
        return Finding(self.llm.name, check, outcome, " ".join(seen.split())[:300], what_to_do)


def probe(meter: Meter, tools: Sequence[dict], longest: int) -> list[Finding]:
    """The findings about the meter's LLM; only the first ones where no plain answer arrives.

    tools: of the benchmark. longest: tokens of the longest prompt that is to be expected. Raises AuthError, and what
    ends a run: BudgetExceeded, Cancelled.
    """
    probes = _Probes(meter)
    first = _answer(probes)
    if first[-1].outcome == "wrong":
        return first
    checks: list[Callable[[], Finding]] = [lambda: _system(probes), lambda: _schema(probes)]
    if tools and probes.llm.native_tools:
        checks.append(lambda: _tools(probes, tools))
    checks += [lambda: _window(probes, longest), lambda: _caching(probes)]
    return [*first, *[check() for check in checks], *_effort(probes), _usage(probes), _latency(probes)]


def _word() -> str:
    return f"w{token_hex(4)}"


def _chat(user: str, system: str = "") -> list[Message]:
    return [*([{"role": "system", "content": system}] if system else []), {"role": "user", "content": user}]


def _said(reply: Reply | CallFailed) -> str:
    return str(reply) if isinstance(reply, CallFailed) else f"it answers {reply.text.strip()[:80]!r}"


def _answer(probes: _Probes) -> list[Finding]:
    reply = probes.ask("answer", _chat(f"{_ECHO}: <word>{_word()}</word>"))
    if isinstance(reply, CallFailed):
        asked = sorted({"effort", "thinking"} & probes.llm.params.keys())
        if asked and re.search(r"effort|reasoning|thinking", str(reply), re.IGNORECASE):
            return [probes.finding("effort", "wrong", str(reply), f"leave out {asked[0]}=, or give a value it names")]
        todo = "see that the model's name, base_url= and extra= are right for this server"
        return [probes.finding("answer", "wrong", str(reply), todo)]
    status = ending(reply)
    if status == "answered":
        return [probes.finding("answer", "ok", _said(reply))]
    todo = "use another model; it refuses the plainest request"
    if status != "refused":
        todo = f"raise max_completion= (now {probes.llm.max_completion:,}), or let it think less by effort="
    return [probes.finding("answer", "wrong", f"{status}: {why(reply, status)}", todo)]


def _system(probes: _Probes) -> Finding:
    word = _word()
    reply = probes.ask("system role", _chat("Which word were you given?", f"{_ECHO}: <word>{word}</word>"))
    if probes.refuses("system role"):
        return probes.finding("system role", "missing", "refused", "nothing: its text goes to the first user message")
    if isinstance(reply, Reply) and word in reply.text:
        return probes.finding("system role", "ok", "obeyed")
    todo = "use a chat template with a system role, or fgo.wrap_llm with a function that sends its text as the user's"
    return probes.finding("system role", "wrong", _said(reply), todo)


def _schema(probes: _Probes) -> Finding:
    word = _word()
    user = f'Answer with a JSON object {{"word": "..."}} that holds the text in <word>{word}</word>.'
    reply = probes.ask("schema", _chat(user), response_schema=_SCHEMA)
    if isinstance(reply, CallFailed) or not _holds(reply.text, word):
        return probes.finding("schema", "wrong", _said(reply), "use edits=False, which asks for plain text")
    if probes.refuses("schema of the answer"):
        return probes.finding("schema", "missing", "refused", "nothing: JSON is asked for in words alone")
    return probes.finding("schema", "ok", "kept to")


def _tools(probes: _Probes, tools: Sequence[dict]) -> Finding:
    name = tools[0]["name"]
    reply = probes.ask("tools", _chat(f"Call the tool <call>{name}</call> with any arguments. {_word()}"), tools=tools)
    todo = "native_tools=False, by which calls are written as text"
    if probes.refuses("tools"):
        return probes.finding("tools", "missing", "refused", todo)
    if isinstance(reply, Reply) and reply.tool_calls:
        return probes.finding("tools", "ok", "called")
    return probes.finding("tools", "wrong", f"no tool is called: {_said(reply)}", todo)


def _window(probes: _Probes, longest: int) -> Finding:
    llm = probes.llm
    sent = size = max(1, min(max(longest, LEAST), llm.context_window - llm.max_completion))
    lost = ""
    for _ in range(HALVINGS + 1):
        first, last = _word(), _word()
        text = f"<word>{first}</word>\n{_filler(probes, size)}\n<word>{last}</word>"
        messages = _chat(f"{text}\n\nAnswer with both texts between <word> and </word>, nothing else.")
        reply = probes.ask("window", messages)
        part = _missing(reply, first, last)
        if isinstance(reply, Reply) and not part:
            probes.long = (reply.usage.prompt, llm.count(messages))
            break
        lost, size = lost or part, size // 2
    else:
        seen = f"of prompts of {sent:,} to {2 * size:,} tokens {lost}"
        return probes.finding("window", "wrong", seen, "use another model")
    if not lost:
        return probes.finding("window", "ok", f"a prompt of {sent:,} tokens arrives whole")
    seen = f"of a prompt of {sent:,} tokens {lost}; one of {size:,} arrives whole"
    todo = f"context_window={size + llm.max_completion}, or a larger one at the server"
    return probes.finding("window", "wrong", seen, todo)


def _missing(reply: Reply | CallFailed, first: str, last: str) -> str:
    """What of a long prompt did not arrive, "" where all did."""
    if isinstance(reply, CallFailed):
        return f"nothing is read ({reply})"
    lacking = [part for part, word in (("the beginning", first), ("the end", last)) if word not in reply.text]
    return f"{' and '.join(lacking)} did not arrive" if lacking else ""


def _filler(probes: _Probes, tokens: int) -> str:
    many = 50
    each = (probes.llm.count(_chat(_FILLER * 2 * many)) - probes.llm.count(_chat(_FILLER * many))) / many
    return _FILLER * max(1, int((tokens - 100) / max(each, 1)))


def _caching(probes: _Probes) -> Finding:
    size = min(LEAST, probes.llm.context_window - probes.llm.max_completion)
    system = f"{_word()} {_filler(probes, size)}"
    replies = [probes.ask("caching", _chat(f"{_ECHO}: <word>{_word()}</word>", system)) for _ in range(2)]
    cached = max((reply.usage.cached for reply in replies if isinstance(reply, Reply)), default=0)
    if cached:
        return probes.finding("caching", "ok", f"{cached:,} tokens of a repeated prompt were read from the cache")
    todo = "at a server of your own turn on prefix caching; else nothing: prompts are billed whole"
    return probes.finding("caching", "missing", "not seen, or not reported", todo)


def _effort(probes: _Probes) -> Iterator[Finding]:
    asked = [f"{name}={probes.llm.params[name]}" for name in ("effort", "thinking") if name in probes.llm.params]
    if asked:
        thought = sum(reply.usage.reasoning for reply in probes.replies)
        seen = f"{', '.join(asked)} taken; {thought:,} tokens thought in {len(probes.replies)} calls"
        yield probes.finding("effort", "ok", seen)


def _usage(probes: _Probes) -> Finding:
    calls = _calls(probes)
    odd = sorted(set(calls["counter"]) - {"provider"})
    if odd:
        todo = "keep budget_usd= and budget_tokens= wide: what is booked is partly estimated"
        return probes.finding("usage", "wrong", f"missing or impossible numbers, put right by: {', '.join(odd)}", todo)
    reported, counted = probes.long
    if counted and not counted / APART < reported < counted * APART:
        seen = f"{reported:,} tokens are reported for a prompt of about {counted:,}"
        return probes.finding("usage", "wrong", seen, "compare with the provider's bill before you trust a budget")
    return probes.finding("usage", "ok", "reported, and plausible")


def _latency(probes: _Probes) -> Finding:
    seconds, patience = _calls(probes)["seconds"], probes.meter.limits.patience
    seen = f"{seconds.median():.1f} s a call, {seconds.max():.1f} s the slowest"
    if IN_PATIENCE * seconds.max() > patience:
        todo = f"patience={IN_PATIENCE * seconds.max():.0f} at least (now {patience:g})"
        return probes.finding("latency", "wrong", seen, todo)
    return probes.finding("latency", "ok", seen)


def _calls(probes: _Probes):
    calls = probes.meter.log.calls(probes.meter.run_id)
    return calls[(calls["phase"] == PHASE) & (calls["node"] == probes.llm.name) & (calls["status"] == "ok")]


def _holds(text: str, word: str) -> bool:
    found = value_at(text, max(0, text.find("{")))
    return isinstance(found, dict) and found.get("word") == word
