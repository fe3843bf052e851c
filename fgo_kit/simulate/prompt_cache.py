"""A provider's cache of prompts: what of a prompt is read from it, and what is put into it."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256

from ..calls.protocol import LLM, Usage
from .protocols import Request

LEAST = 1_024
"""Shorter beginnings of a prompt are not cached, tokens."""


class PromptCache:
    """The beginnings of prompts that were put into the cache, for ever."""

    def __init__(self):
        self._known: set[str] = set()  # membership only

    def billed(self, request: Request, llm: LLM, usage: Usage) -> Usage:
        """The usage with the tokens read and written; what is written is read by later requests."""
        sizes = {end: llm.count(request.messages[:end]) for end in range(1, max(request.marks, default=0) + 1)}
        beginnings = {end: self._beginning(request, end) for end, size in sizes.items() if size >= LEAST}
        read = max((end for end, beginning in beginnings.items() if beginning in self._known), default=0)
        marked = [end for end in request.marks if end in beginnings]
        self._known.update(beginnings[end] for end in marked)
        if not beginnings:
            return usage
        cached = min(sizes.get(read, 0), usage.prompt)
        written = max(0, min(sizes[max(marked, default=read)] if marked else 0, usage.prompt) - cached)
        return replace(usage, cached=cached, written=written)

    def _beginning(self, request: Request, end: int) -> str:
        text = json.dumps([request.model, request.tools, request.messages[:end]], sort_keys=True)
        return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
