"""Anyone's own function as an LLM."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from traceback import extract_tb
from typing import Any

from ..calls.protocol import LLM, CallFailed, FGOError, Message, Reply, Unreachable, Usage
from ..calls.providers import PROVIDERS
from ..calls.requests import source_of
from ..calls.tokens import count_messages, estimate
from ..records import digest
from .coroutines import settled
from .failures import translated
from .options import check_room

Answering = Callable[[list[Message]], str | Reply | Awaitable[str | Reply]]


def wrap_llm(function: Answering, name: str, context_window: int = 32_000, max_completion: int = 4_096) -> LLM:
    """An LLM that is a function of yours: messages, each {"role", "content"}, to text or a `Reply`; async works too.

    name: what it has in tables and in the log, where two of one name and one source text are the same: choose another
    name when it would answer otherwise for a reason that its source does not show. context_window, max_completion:
    tokens that a prompt with its answer, and an answer, may have.
    Tokens are estimated unless a `Reply` counts them. What the function raises fails that call: OSErrors (connections,
    time-outs) and an SDK's errors are tried again where that helps, errors of `fgo_kit.calls.protocol` mean what they
    say. Raises TypeError or ValueError for arguments that cannot be used.

    >>> llm = wrap_llm(lambda messages: "ANSWER: 42", name="deep thought")
    >>> llm.complete([{"role": "user", "content": "What is it?"}]).text
    'ANSWER: 42'
    """
    if not callable(function):
        raise TypeError(f"function={function!r} is not callable; give one of messages that returns text")
    if not isinstance(name, str) or not name.strip() or name.partition(":")[0] in PROVIDERS:
        raise ValueError(f"name={name!r} is not allowed; use a text of your own that is no spec of {list(PROVIDERS)}")
    check_room(max_completion, context_window)
    return Wrapped(function, name, context_window, max_completion)


class FunctionFailed(CallFailed):
    """The function of a wrapped LLM raised what no provider would."""


class Wrapped:
    """The LLM that `wrap_llm` makes."""

    simulated, counter, native_tools = False, "estimate", False

    def __init__(self, function: Answering, name: str, context_window: int, max_completion: int):
        self.name, self.context_window, self.max_completion = name, context_window, max_completion
        self.params: dict[str, Any] = {"function": digest(source_of(function))[:8]}
        self._function = function

    def __repr__(self) -> str:
        return f"wrap_llm({getattr(self._function, '__qualname__', self._function)}, name={self.name!r})"

    def count(self, messages: Sequence[Message]) -> int:
        return count_messages(messages)

    def complete(
        self, messages: Sequence[Message], *, tools: Sequence[dict] = (), response_schema: dict | None = None,
        sample: int = 0,
    ) -> Reply:  # fmt: skip
        """What the function answers. Raises the protocol's errors, and TypeError for what is neither text nor Reply."""
        try:
            answer = settled(self._function([dict(message) for message in messages]))
        except FGOError:
            raise
        except Exception as error:
            raise self._failure(error) from error
        if isinstance(answer, Reply):
            return answer
        if not isinstance(answer, str):
            kind = type(answer).__name__
            raise TypeError(f"the function of {self.name!r} gave a {kind}; return a text or a fgo.Reply")
        return Reply(answer, Usage(self.count(messages), estimate(answer), counter=self.counter))

    def _failure(self, error: Exception) -> FGOError:
        failure = translated(error, self.name)
        if isinstance(failure, Unreachable) and not isinstance(error, OSError) and not _of_a_connection(error):
            kind = type(error).__name__
            return FunctionFailed(f"the function of {self.name!r} failed{_line(error)}: {kind}: {error}")
        return failure


def _line(error: Exception) -> str:
    """Where in somebody's code an error was raised."""
    last = extract_tb(error.__traceback__)[-1:]
    return f" at {Path(last[0].filename).name}:{last[0].lineno}" if last else ""


def _of_a_connection(error: Exception) -> bool:
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return bool(kinds & {"APIConnectionError", "APIStatusError", "TransportError", "ClientError"})
