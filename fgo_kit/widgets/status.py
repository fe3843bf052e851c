"""A run's progress at one moment, as a line of text and as data for a page."""

from __future__ import annotations

from dataclasses import dataclass

from ..calls.limits import Limits
from ..records.showing import showable
from .progress import Bar


@dataclass(frozen=True)
class Snapshot:
    """A run's progress at one moment. Seconds, tokens and USD are totals; `left` is estimated, else NaN.

    calls: answered, from the log or paid. paid, tokens, usd: paid in all, None when unpriced.
    rate: calls per second of the last ten seconds. retries: calls to the LLM that failed, by error, whether
    or not a later attempt went well. state: running, stopping, done, stopped or failed.
    """

    state: str
    seconds: float
    calls: int
    rate: float
    flying: int
    paid: int
    tokens: int
    usd: float | None
    left: float
    phases: tuple[Bar, ...]
    subsets: tuple[Bar, ...]
    retries: tuple[tuple[str, int], ...] = ()
    error: str = ""


def line(shot: Snapshot, limits: Limits) -> str:
    """A snapshot as one line of plain ASCII text.

    >>> shot = Snapshot("running", 61, 120, 2.0, 3, 100, 45_000, 0.0123, 90, (Bar("rollout", 40, 128),), ())
    >>> line(shot, Limits(budget_usd=5))
    '0:01:01 running | rollout 40/128 | 120 calls, 2.0/s | 45.0k tokens, 0.0123 of 5 USD | about 0:01:30 left'
    """
    begun = [bar for bar in shot.phases if bar.done and (not bar.expected or bar.done < bar.expected)]
    where = ", ".join(
        f"{bar.name} {bar.done}" + (f"/{bar.expected}" if bar.expected else "") for bar in begun or shot.phases[-1:]
    )
    calls, tokens, usd = (text for *_, text in _paid(shot, limits))
    paid = f" ({calls} paid for)" if limits.budget_calls else ""
    failed = ", ".join(f"{name} {number}" for name, number in shot.retries)
    parts = [
        f"{clock(shot.seconds)} {shot.state}", where, f"{shot.calls:,} calls{paid}, {shot.rate:.1f}/s",
        f"{tokens} tokens, {usd} USD", failed and f"failed tries: {failed}",
        f"about {clock(shot.left)} left" if shot.state == "running" and shot.left == shot.left else "", shot.error,
    ]  # fmt: skip
    text = " | ".join(filter(None, parts))
    return " ".join(showable(text).encode("ascii", "replace").decode().split())


def page_view(shot: Snapshot, limits: Limits) -> dict:
    """A snapshot as JSON-able data for a page: texts are ready to show, shares are between 0 and 1."""
    failed = ", ".join(f"{number} {name}" for name, number in shot.retries) or "none"
    facts = [
        ["time", clock(shot.seconds)], ["left, about", clock(shot.left) if shot.left == shot.left else "–"],
        ["calls", f"{shot.calls:,}"], ["calls a second", f"{shot.rate:.1f}"], ["under way", str(shot.flying)],
        ["failed tries", failed],
    ]  # fmt: skip
    paid = [
        {"name": f"{unit} paid", "text": text, "share": min(1.0, (value or 0) / limit) if limit else None}
        for unit, value, limit, text in _paid(shot, limits)
    ]
    bars = {
        kind: [{"name": showable(bar.name), "done": bar.done, "expected": bar.expected} for bar in listed]
        for kind, listed in (("phases", shot.phases), ("subsets", shot.subsets))
    }
    return {"state": shot.state, "error": showable(shot.error), "facts": facts, "paid": paid, **bars}


def _paid(shot: Snapshot, limits: Limits) -> list[tuple[str, float | None, float | None, str]]:
    """(unit, what is paid, its limit, both as text) of calls, tokens and USD."""
    usd = "unpriced" if shot.usd is None else f"{shot.usd:.4f}"
    amounts = [
        ("calls", shot.paid, limits.budget_calls, f"{shot.paid:,}", "{:,}".format),
        ("tokens", shot.tokens, limits.budget_tokens, short(shot.tokens), short),
        ("USD", shot.usd, limits.budget_usd, usd, "{:g}".format),
    ]
    return [
        (unit, value, limit, text + (f" of {write(limit)}" if limit else ""))
        for unit, value, limit, text, write in amounts
    ]


def short(number: float) -> str:
    """A count to three figures or so.

    >>> short(999), short(45_000), short(2_340_000)
    ('999', '45.0k', '2.34M')
    """
    for size, unit, digits in ((1e6, "M", 2), (1e3, "k", 1)):
        if number >= size:
            return f"{number / size:.{digits}f}{unit}"
    return f"{number:g}"


def clock(seconds: float) -> str:
    """h:mm:ss.

    >>> clock(3725.4)
    '1:02:05'
    """
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
