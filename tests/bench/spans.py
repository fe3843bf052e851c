"""What a server sees of a client: calls at once, the chain of calls that follow each other, tokens."""

from __future__ import annotations

from collections.abc import Sequence

Span = tuple[float, float, int, int]
"""A call as the server had it: start, end, prompt and completion tokens."""


def concurrency(spans: Sequence[Span]) -> float:
    """Mean number of calls under way, from the first start to the last end; NaN without any.

    >>> concurrency([(0, 1, 0, 0), (0, 1, 0, 0), (1, 2, 0, 0)])
    1.5
    """
    whole = max((end for _, end, *_ in spans), default=0) - min((start for start, *_ in spans), default=0)
    return sum(end - start for start, end, *_ in spans) / whole if whole else float("nan")


def critical_path(spans: Sequence[Span]) -> int:
    """The most calls of which each starts after the one before has ended.

    A server cannot know what waits for what: it takes such calls to depend on each other. So calls that only queued for
    a client's workers count too, and the path is at least calls / workers.

    >>> critical_path([(0, 1, 0, 0), (0, 3, 0, 0), (1, 2, 0, 0), (2.5, 3, 0, 0)])
    3
    """
    length, last = 0, float("-inf")
    for start, end, *_ in sorted(spans, key=lambda span: span[1]):
        if start >= last:
            length, last = length + 1, end
    return length


def measured(spans: Sequence[Span]) -> dict[str, float]:
    """The columns of a table that a client's calls fill."""
    prompt, completion = (sum(span[at] for span in spans) for at in (2, 3))
    return {"calls": len(spans), "prompt_tokens": prompt, "completion_tokens": completion,
            "concurrency": concurrency(spans), "critical_path": critical_path(spans)}  # fmt: skip
