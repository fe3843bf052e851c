"""Whole answers in odd forms: what a model thought around them, and usage that is missing, wrong or absurd."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from common import Row, Rows, made, server, survived

from fgo_kit.calls.log import CallLog

DRAFT = 'A draft:\nTOOL: {"tool": "x"}\nANSWER: 41? {"edits": [{"op": "drop", "id": "r1"}]} {"rules": []}'
FORMS: dict[str, Callable[[str], dict]] = {
    "a thought in tags": lambda text: {"content": f"<think>\n{DRAFT}\n</think>\n{text}"},
    "a thought that the template opened": lambda text: {"content": f"{DRAFT}\n</think>\n\n{text}"},
    "a thought in a field": lambda text: {"content": text, "reasoning_content": DRAFT},
    "a thought in a chunk": lambda text: {"content": [{"type": "thinking", "thinking": DRAFT}, {"type": "text", "text": text}]},
    "channels": lambda text: {"content": f"<|channel|>analysis<|message|>{DRAFT}<|end|><|start|>assistant<|channel|>final"
                                         f"<|message|>{text}<|return|>"},
    "end tokens": lambda text: {"content": f"{text}<|im_end|>\n<|endoftext|>"},
}  # fmt: skip
USAGES: dict[str, Callable[[dict], dict | None]] = {
    "missing": lambda usage: None,
    "empty": lambda usage: {},
    "null": lambda usage: dict.fromkeys(usage),
    "negative": lambda usage: {name: -5 for name in ("prompt_tokens", "completion_tokens", "total_tokens")},
    "absurd": lambda usage: {"prompt_tokens": 10**15, "completion_tokens": 10**15, "total_tokens": 2 * 10**15},
    "text": lambda usage: {"prompt_tokens": "many", "completion_tokens": "few"},
}
FACTOR = 2.0
"""An estimate is so near to the count that it stands for, over a run."""


def rows(short: bool) -> Rows:
    for name in list(FORMS)[:2] if short else FORMS:
        with server(shape=partial(_formed, FORMS[name])) as provider:
            kept = survived(lambda: made(provider.url, None))
            yield Row(f"odd answers: {name}", 1, int(kept), 0, provider.twice)
    usual = _booked(lambda usage: usage)[1]
    for name in list(USAGES)[:2] if short else USAGES:
        kept, booked = _booked(USAGES[name])
        near = usual / FACTOR < booked < usual * FACTOR
        within = _booked(USAGES[name], budget_tokens=usual)[1] <= usual
        yield Row(f"usage that is {name}", 2, int(kept and near) + int(within), 0, 0, f"{booked / usual:.2f} of the tokens booked")


def _formed(form: Callable[[str], dict], body: dict) -> dict:
    message = body["choices"][0]["message"]
    message |= form(message["content"])
    return body


def _booked(change: Callable[[dict], dict | None], **choices) -> tuple[bool, int]:
    """Whether the result is the usual one, and the tokens that the log has of the run."""
    with (server(shape=lambda body: body | {"usage": change(body["usage"])}) as provider,
          tempfile.TemporaryDirectory() as folder):  # fmt: skip
        log = Path(folder) / "log.sqlite"
        kept = survived(lambda: made(provider.url, log, **choices))  # not where a budget ends it
        with CallLog(log) as opened:
            return kept, opened.paid(str(opened.runs()["run_id"][0]))[1]
