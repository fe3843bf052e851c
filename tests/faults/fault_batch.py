"""kill -9 while calls are in batches, a moment after any batch was taken: the same command finds it and goes on."""

from __future__ import annotations

import tempfile
import time
import warnings
from functools import cache

import numpy as np
from common import CHOICES, Row, Rows, bench, process, undisturbed

from fgo_kit.adapters import batches
from fgo_kit.calls.log import CallLog
from fgo_kit.calls.providers import load_llm
from fgo_kit.records import digest, to_json
from fgo_kit.runs.run import run
from fgo_kit.simulate.model import load
from fgo_kit.simulate.server import Endpoint, serving

SPECS = {"openai": {"api": "chat"}, "anthropic": {}}
DELAYS = {"batch_ms": 60, "latency_ms": 40}
"""A batch is taken for a while before the client is told so."""


def rows(short: bool) -> Rows:
    for provider in SPECS:
        tries = [_killed(provider, np.random.default_rng(seed)) for seed in range(5 if short else 50)]
        kept, lost, twice, sent = (sum(counts) for counts in zip(*tries, strict=True))
        note = f"{sent} of them with a batch that was open, or about to be sent"
        yield Row(f"kill -9 with batches of {provider}", len(tries), kept, lost, twice, note)


def made_in_batches(provider: str, url: str, log: str, told=None) -> str:
    """Make the run at the provider at `url`, or go on with it; a hash of its result."""
    batches.QUIET, batches.FIRST_LOOK, batches.BEAT, batches.LISTED = 0.05, 0.05, 0.05, 0.5
    llm = load_llm(f"{provider}:small", base_url=url, batch=True, **SPECS[provider])
    with warnings.catch_warnings(), CallLog(log) as opened:
        warnings.simplefilter("ignore")
        found = run(bench(), llm, log=opened, **CHOICES)
        return digest([to_json(found.state), sorted(found.scores.items())])


def _killed(provider: str, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Whether the run survived, answers that were billed and lost, billed twice, and whether calls were in a batch."""
    with tempfile.TemporaryDirectory() as folder, serving(load("small"), **DELAYS) as server:
        log = f"{folder}/log.sqlite"
        started, _ = process(made_in_batches, provider, _url(provider, server), log)
        _wait_for(server, int(rng.integers(1, _batches(provider) + 1)))
        time.sleep(rng.uniform(0, 0.3))
        started.kill()
        started.join()
        with CallLog(log) as opened:
            sent = opened.read("SELECT count(*) > 0 FROM batched")[0][0]
        kept = made_in_batches(provider, _url(provider, server), log) == undisturbed()[0]
        with CallLog(log) as opened:
            paid = int(opened.calls()["paid"].sum())
            open_still = opened.read("SELECT count(*) FROM batched")[0][0]
        ledger = server.ledger()
        return int(kept), abs(ledger["successes"] - paid) + open_still, ledger["repeated"], int(sent)


@cache
def _batches(provider: str) -> int:
    """How many batches an undisturbed run sends."""
    with tempfile.TemporaryDirectory() as folder, serving(load("small"), **DELAYS) as server:
        made_in_batches(provider, _url(provider, server), f"{folder}/log.sqlite")
        return server.ledger()["batches"]


def _url(provider: str, server: Endpoint) -> str:
    return server.openai_url if provider == "openai" else server.url


def _wait_for(server: Endpoint, batches: int) -> None:
    """Return when a server has taken so many batches."""
    for _ in range(10_000):
        if server.ledger().get("batches", 0) >= batches:
            return
        time.sleep(0.003)
    raise TimeoutError(f"no {batches} batches after 30 s")
