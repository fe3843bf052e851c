"""Replay: an LLM that answers from a call log alone, without any provider."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .log import CallLog
from .protocol import ContextOverflow, Message, Reply, UnseenCall, as_reply
from .providers import provider_of
from .requests import asked
from .tokens import count_messages, encoding_for


class ReplayLLM:
    """Answers from a call log alone: the same messages, tools, schema and sample get the same answer.

    source: which LLM's answers, where the log holds several; a name as in the log's `llms`.
    """

    spec = "replay:<call log file>"
    default = ""
    parameters = ("source",)
    prices = ""
    native_tools = False

    @classmethod
    def load(cls, path: str, source: str | None = None) -> ReplayLLM:
        return cls(path, source)

    def __init__(self, path: str, source: str | None = None):
        if not Path(path).is_file():
            raise FileNotFoundError(f"no call log at {path}")
        self._log = CallLog(path)
        known = self._choose(source)
        self.name = f"replay:{path}"
        self.params: dict[str, Any] = {"source": known["llm"], "source_params": known["params"]}
        self.simulated = bool(known["simulated"])
        provider = provider_of(known["llm"])
        native = provider is not None and provider.native_tools
        self.native_tools = native and json.loads(known["params"]).get("native_tools", True)
        self.context_window, self.max_completion = known["context_window"], known["max_completion"]
        self._hash = known["hash"]
        exact = known["counter"].startswith("tiktoken")
        self.counter, self._count = encoding_for(known["llm"].partition(":")[2] if exact else "")

    def __repr__(self) -> str:
        return f"load_llm({self.name!r}, source={self.params['source']!r})"

    def count(self, messages: Sequence[Message]) -> int:
        return count_messages(messages, self._count)

    def complete(
        self, messages: Sequence[Message], *, tools: Sequence[dict] = (), response_schema: dict | None = None,
        sample: int = 0,
    ) -> Reply:  # fmt: skip
        """The logged answer; raises UnseenCall, naming the nearest logged call, when there is none."""
        request = asked(self.name, "", messages, tools=tools, schema=response_schema, sample=sample)
        found = self._log.replay(request.key, self._hash)
        if found is None:
            raise UnseenCall(self._explain(list(messages), sample))
        if found.finish == "overflow":
            error = ContextOverflow(found.text)
            error.usage = as_reply(found).usage
            raise error
        return as_reply(found)

    def _choose(self, source: str | None) -> dict[str, Any]:
        known = [row for row in self._log.llms() if source in (None, row["llm"], row["hash"])]
        originals = [row for row in known if not row["llm"].startswith("replay:")]  # a log may have been replayed into
        if len(originals or known) == 1:
            return (originals or known)[0]
        known_rows = [f"{row['llm']} {row['params']} (source={row['hash']!r})" for row in self._log.llms()]
        raise ValueError(
            f"source={source!r} is {len(known)} of the LLMs in {self._log!r}; "
            f"give source= one of: {'; '.join(known_rows)}"
        )

    def _explain(self, messages: list[Message], sample: int) -> str:
        near = self._log.nearest(messages)
        if near is None:
            return f"{self._log!r} holds no calls"
        place, difference = near
        same = f"the same messages with another sample than {sample}, tools or schema"
        return f"{self._log!r} has no answer to this call; the nearest is {place}: {difference or same}"
