"""A provider that fails: a share of all requests, bursts, outages of every kind, and one task that always fails."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from unittest import mock

import numpy as np
from common import Row, Rows, made, server, survived, undisturbed

SHARES = (0.01, 0.1, 0.3, 0.5)
KINDS = ("429", "500", "503", "reset", "cut")  # a page of HTML is no passing fault: see fault_poisoned


def rows(short: bool) -> Rows:
    with ExitStack() as waits:
        for name, seconds in (("SHORTEST", 0.02), ("LONGEST", 0.5)):
            waits.enter_context(mock.patch(f"fgo_kit.calls.limiter.{name}", seconds))
        for kind in KINDS[:3] if short else KINDS:
            yield _share(kind, (0.3,) if short else SHARES, 1 if short else 3)
        yield _bursts(1 if short else 6)
    for kind in ("503", "down") if short else ("429", "500", "503", "reset", "hang", "down"):
        yield _outage(kind, 2.0 if short else 20.0)


def _share(kind: str, shares: tuple[float, ...], seeds: int) -> Row:
    kept = twice = failed = 0
    for share in shares:
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            with server(fault=lambda *_: kind if rng.random() < share else "") as provider:  # noqa: B023
                kept += survived(lambda: made(provider.url, None))
                failed += provider.requests - undisturbed()[1]
                twice += 0 if kind == "cut" else provider.twice
    of = ", ".join(f"{share:.0%}" for share in shares)
    note = f"{failed} requests failed" + (", billed but unreadable" if kind == "cut" else "")
    return Row(f"{kind} for {of} of all requests", len(shares) * seeds, kept, 0, twice, note)


def _bursts(seeds: int) -> Row:
    kept = twice = 0
    for seed in range(seeds):
        lengths = np.random.default_rng(seed).integers(3, 12, 100)
        burst = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
        with server(fault=lambda text, n: "429" if n < len(burst) and burst[n] else "") as provider:  # noqa: B023
            provider.headers = {"Retry-After": "0.05"}
            kept += survived(lambda: made(provider.url, None))
            twice += provider.twice
    return Row("429 in bursts of 3 to 11", seeds, kept, 0, twice)


def _outage(kind: str, seconds: float) -> Row:
    """The provider is out from the tenth request on; what the run takes beyond the outage and an undisturbed run."""
    began = []

    def fault(text: str, number: int) -> str:
        if number == 10:
            began.append(time.monotonic())
            if kind == "down":
                threading.Thread(target=_down, args=(provider, seconds), daemon=True).start()
        away = bool(began) and time.monotonic() - began[0] < seconds
        return ({"down": "reset"}.get(kind, kind)) if away else ""  # connections that are open are closed too

    with server() as provider:
        start = time.monotonic()
        made(provider.url, None, timeout=1.0)
        usual = time.monotonic() - start
    with server(fault=fault) as provider:
        start = time.monotonic()
        kept = survived(lambda: made(provider.url, None, timeout=1.0))
        more = time.monotonic() - start - usual
        twice = provider.twice
    what = {"down": "refused connections", "hang": "silence"}.get(kind, kind)
    quick = more < 1.35 * seconds + 2
    return Row(f"an outage of {seconds:g} s: {what}", 1, int(kept and quick), 0, twice, f"cost {more:.1f} s")


def _down(provider, seconds: float) -> None:
    provider.down()
    time.sleep(seconds)
    provider.up()
