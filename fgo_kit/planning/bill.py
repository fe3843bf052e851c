"""The bill of one run: a dry run by a stand-in that costs nothing, with the lengths that a pilot measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..algorithm.benchmark import Benchmark
from ..calls.log import CallLog
from ..calls.prices import price, tier_is_priced, tier_of
from ..calls.protocol import LLM, Message, Reply, Usage
from ..calls.roles import Roles
from ..records.later import pandas as pd
from ..runs.estimate import COUNTED, dry_run

PLAYED = ("divide", "rollout", "gate", "audit", "test")  # the phases in which the agent plays
ROLES = {"evaluate": "evaluator", "propose": "optimizer", "merge": "merger", "repair": "optimizer",
         "review": "optimizer"}  # in the others
_MORE = "I look at this once more and weigh what is asked. "


@dataclass(frozen=True)
class Measured:
    """How a model's rollouts differ from those of a stand-in, by ratios but for `thought`.

    turns: calls a task. words: completion without thinking, a call. thought: tokens of thinking a call. tokens: of a
    prompt, for each of the stand-in's. cached, written: shares of prompts from, and into, a provider's cache.
    """

    turns: float = 1.0
    words: float = 1.0
    thought: float = 0.0
    tokens: float = 1.0
    cached: float = 0.0
    written: float = 0.0


def measured(calls: pd.DataFrame, stand_in: LLM, played: Callable[[Any], pd.DataFrame]) -> Measured:
    """Of the pilot's calls. played: gives the calls of a stand-in for the same tasks; with answers of another length it
    may take other turns, and reads other prompts."""
    calls, dry = calls[calls["status"] == "ok"], played(stand_in)
    if not len(calls) or not dry["completion"].sum():
        return Measured()
    words = (calls["completion"] - calls["reasoning"]).mean() / dry["completion"].mean()
    wordy, (prompt, cached, written) = played(Wordy(stand_in, words)), calls[["prompt", "cached", "written"]].sum()
    shares = cached / max(1, prompt), written / max(1, prompt)
    tokens = calls["prompt"].mean() / max(1, wordy["prompt"].mean())
    return Measured(len(calls) / len(wordy), words, calls["reasoning"].mean(), tokens, *shares)


class Wordy:
    """A stand-in whose answers are so many times as long; what it says outside JSON is longer in later prompts too."""

    def __init__(self, llm: LLM, words: float):
        self._llm, self._words = llm, words

    def __getattr__(self, name: str) -> Any:
        return getattr(self._llm, name)

    def complete(self, messages: Sequence[Message], **options: Any) -> Reply:
        reply = self._llm.complete(messages, **options)
        usage = replace(reply.usage, completion=round(self._words * reply.usage.completion))
        missing = round((self._words - 1) * len(reply.text))
        if missing <= 0 or reply.text.startswith("{"):
            return replace(reply, usage=usage)
        return replace(reply, text=f"{(_MORE * (missing // len(_MORE) + 1))[:missing]}\n{reply.text}", usage=usage)


def bill(bench: Benchmark, llm: LLM, stand_in: LLM, found: Measured, choices: Mapping[str, Any]) -> dict:
    """What one run will take: calls, prompt_tokens, completion_tokens, usd (None where a price is not known), and a
    note on what is priced how. What is measured on rollouts is taken to hold for evaluator, optimizer and merger too,
    but for the share of prompts that is cached: they are priced without."""
    roles = Roles(**{name: choices[name] for name in vars(Roles()) if name in choices}).filled(llm)
    wordy: Any = Wordy(stand_in, found.words)
    used = dry_run(bench, wordy, **choices)[COUNTED].astype(float)
    played = used.index.isin(PLAYED)
    used.loc[played] *= found.turns
    used["prompt"] *= found.tokens
    used["completion"] += found.thought * used["calls"]
    for kind in ("cached", "written"):
        used[kind] = np.where(played, getattr(found, kind), 0) * used["prompt"]
    prices = [_usd(roles.get(ROLES.get(str(phase), ""), llm), row) for phase, row in used.iterrows()]
    total = used.sum()
    return {
        "calls": round(total["calls"]), "prompt_tokens": round(total["prompt"]),
        "completion_tokens": round(total["completion"]), "usd": None if np.isnan(prices).any() else float(sum(prices)),
        "note": _note(found, [llm, *roles.values()]),
    }  # fmt: skip


def _usd(llm: LLM, used: pd.Series) -> float:
    kinds = ("prompt", "completion", "cached", "written")
    mean = Usage(**{kind: round(used[kind] / max(1.0, used["calls"])) for kind in kinds})
    each = price(llm.name, mean, llm.params.get("base_url"), tier_of(llm))
    return float("nan") if each is None else each * used["calls"]


def _note(found: Measured, llms: Sequence[LLM]) -> str:
    cached = [f"{found.cached:.0%} of the agent's prompts come from the provider's cache"] if found.cached else []
    tiers = {(llm.name, tier_of(llm)) for llm in llms if tier_of(llm) not in ("auto", "default")}
    ordinary = [f"service_tier={tier!r} of {name} is reckoned at the ordinary price: its own is not known"
                for name, tier in sorted(tiers) if not tier_is_priced(name, tier)]  # fmt: skip
    return "; ".join(cached + ordinary)


def longest_prompt(bench: Benchmark, stand_in: LLM, choices: Mapping[str, Any]) -> int:
    """Tokens of the longest prompt in a dry run with these choices."""
    log = CallLog(None)
    dry_run(bench, stand_in, **{**choices, "log": log})
    return int(log.calls()["prompt"].max()) if len(log.calls()) else 0
