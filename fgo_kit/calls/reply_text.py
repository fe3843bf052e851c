"""A reply's text: the model's thought apart from its answer, and the answer without what is set around it.

Where a reply enters it is split once. The thought is logged and looked at, never read as an answer. The `THOUGHT:`
line that our own prompts ask for is part of the answer.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import replace

from .protocol import Reply

INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"
_NAMES = "(?:think|thinking|thoughts?|reasoning|scratchpad)"
_THOUGHT_TAG = re.compile(
    rf"(?P<open><(?:\w+:)?{_NAMES}\s?>|\[THINK\]|◁think▷|<\|(?:begin_of_thought|START_THINKING)\|>"
    r"|(?:<\|channel>|<unused94>)(?:thought\b)?)"  # Gemma
    rf"|</(?:\w+:)?{_NAMES}\s?>|\[/THINK\]|◁/think▷|<\|(?:end_of_thought|END_THINKING)\|>|<channel\|>|<unused95>",
    re.IGNORECASE,
)
_CHANNEL = re.compile(r"(?:<\|start\|>\w{0,20})?<\|channel\|>([^<|]{0,200})(?:<\|constrain\|>\w{0,20})?<\|message\|>")
_CHANNEL_CALL = re.compile(r"to=(?:functions\.)?([\w-]+)")
_END_TOKEN = re.compile(r"(?:<[|｜][\w▁ ]{1,40}[|｜]>|</s>|<eos>|<end_of_turn>|<turn\|>)\s*\Z")
_TOKEN_LENGTH = 50
_OPENING_TOKEN = re.compile(r"\s*(?:<s>|<\|begin_of_text\|>|<\|(?:im_)?start\|>(?:assistant\b)?)\s*")

_LABEL = r"^[^\w\n]*{}ANSWER[^\w\n]*?(?:[:：](.*)|)$"
_FINAL = re.compile(_LABEL.format("FINAL[ _]"), re.MULTILINE | re.IGNORECASE)
_ANY = re.compile(_LABEL.format("(?:FINAL[ _])?"), re.MULTILINE | re.IGNORECASE)
_MARKUP = "*` \t\r\n\xa0" + INVISIBLE
_FENCE = re.compile(r"\s*```\w*\s*$")
_BULLET = re.compile(r"^\s*[-*•]\s+")
_QUOTES = {'"': '"', "'": "'", "“": "”", "”": "”", "„": "“", "‘": "’", "«": "»", "「": "」"}


def thought_apart(reply: Reply) -> Reply:
    """The reply with what the model thought in `thought` and only its answer in `text`."""
    thought, answer = split_thought(reply.text)
    if answer == reply.text:
        return reply
    return replace(reply, text=answer, thought="\n".join(part for part in (reply.thought, thought) if part))


def split_thought(text: str) -> tuple[str, str]:
    """(thought, answer). A thought without an end leaves no answer; one without a beginning begins with the text.

    >>> split_thought("<think>\\nFINAL ANSWER: 41?\\n</think>\\nFINAL ANSWER: 42<|im_end|>")
    ('FINAL ANSWER: 41?', 'FINAL ANSWER: 42')
    >>> split_thought("<think>FINAL ANSWER: 41, or")
    ('FINAL ANSWER: 41, or', '')
    """
    if not any(sign in text for sign in ("<", "THINK]", "◁", "assistantfinal")) and not text.startswith("analysis"):
        return "", text
    text = without_end_tokens(text)
    if "<|message|>" in text:
        return _by_channel(text)
    if text.startswith("analysis") and "assistantfinal" in text:  # channels whose marks were taken out
        thought, _, answer = text[len("analysis") :].rpartition("assistantfinal")
        return thought.strip(), answer
    if re.match(r"analysis[A-Z]", text):  # such channels, cut before the answer
        return text[len("analysis") :].strip(), ""
    return _by_tag(text)


def _by_tag(text: str) -> tuple[str, str]:
    """An opening tag counts where a line begins, so that a tag amid a sentence is only text; a closing tag without
    one ends a thought that began with the text, unless the text began as JSON, whose strings may name tags."""
    thoughts: list[str] = []
    answers: list[str] = []
    start, inside, as_json = 0, False, text.lstrip().startswith(("{", "[", "```"))
    for tag in _THOUGHT_TAG.finditer(text):
        if tag["open"]:
            if inside or not _begins_line(text, tag.start()):
                continue
            answers.append(text[start : tag.start()])
        elif inside:
            thoughts.append(text[start : tag.start()])
        elif thoughts or not as_json:
            thoughts += [*answers, text[start : tag.start()]]
            answers = []
        else:
            continue
        start, inside = tag.end(), bool(tag["open"])
    if not start:
        return "", text
    (thoughts if inside else answers).append(text[start:])
    return "\n".join(part.strip() for part in thoughts if part.strip()), "".join(answers).strip()


def _begins_line(text: str, at: int) -> bool:
    before = text[max(text.rfind("\n", 0, at) + 1, at - 200) : at].strip("*_`>- \t\r")
    return not before or before[-1] in ".!?:。" or before == "assistant"


def _by_channel(text: str) -> tuple[str, str]:
    """Harmony: what stands in the channel "final" is the answer, a call addressed to a tool becomes its line."""
    thoughts, answers = [], []
    pieces = _CHANNEL.split(text)  # what came before, then header and body by turns
    for header, body in zip(["", *pieces[1::2]], pieces[::2], strict=True):
        body = without_end_tokens(body).strip()
        call = _CHANNEL_CALL.search(header)
        if call:
            answers.append(f'TOOL: {{"tool": "{call[1]}", "arguments": {body or "{}"}}}')
        elif body:
            (answers if "final" in header else thoughts).append(body)
    return "\n".join(thoughts), "\n".join(answers)


def is_blank(text: str) -> bool:
    """Whether nothing in a text can be seen.

    >>> is_blank(" \u200b\n"), is_blank(" 4")
    (True, False)
    """
    return not text.strip().strip(INVISIBLE).strip()


def without_end_tokens(text: str) -> str:
    """The text without the tokens that some servers leave at its ends; unchanged where there are none."""
    end = length = len(text.rstrip())
    while (token := _END_TOKEN.search(text[(window := max(0, end - _TOKEN_LENGTH)) : end])) is not None:
        end = window + token.start()
    opening = _OPENING_TOKEN.match(text)
    return text[opening.end() if opening else 0 : end if end < length else None]


def final_answer(text: str) -> str | None:
    """What follows the last `FINAL ANSWER:`, on its line or else the next one with text; None without.

    >>> final_answer("so\\n**FINAL ANSWER:** 42")
    '42'
    """
    return _after(_FINAL, text)


def given_answer(text: str) -> str | None:
    """The same for the last `ANSWER:`, final or not.

    >>> given_answer('ANSWER:\\n```\\n"MSKU1234567"\\n```')
    'MSKU1234567'
    """
    return _after(_ANY, text)


def final_answer_start(text: str) -> int | None:
    """Where the first `FINAL ANSWER:` begins."""
    mark = _FINAL.search(text)
    return mark.start() if mark else None


def _after(label: re.Pattern, text: str) -> str | None:
    marks = deque(label.finditer(text), maxlen=1)
    if not marks:
        return None
    mark = marks.pop()
    below = (bare(_BULLET.sub("", line)) for line in text[mark.end() :].splitlines() if not _FENCE.match(line))
    return bare(mark[1] or "") or next((line for line in below if line), "")


def bare(answer: str) -> str:
    """An answer without end tokens, marks of bold or code, one pair of quotes, or a box around it.

    >>> bare('**“MSKU1234567”**'), bare("$\\\\boxed{42}$"), bare('"a" or "b"')
    ('MSKU1234567', '42', '"a" or "b"')
    """
    answer = re.sub(r"[*`_]+\.$", "", without_end_tokens(answer).strip(_MARKUP)).strip(_MARKUP)
    boxed = re.fullmatch(r"\$*\\boxed\{([^{}]*)\}\$*\.?", answer)
    answer = boxed[1].strip(_MARKUP) if boxed else answer
    inside = answer[1:-1]
    quoted = len(answer) > 1 and _QUOTES.get(answer[0]) == answer[-1] and not {answer[0], answer[-1]} & {*inside}
    return inside.strip(_MARKUP) if quoted else answer
