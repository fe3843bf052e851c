"""`estimate`: what one run would take with a real model, before it is paid for."""

from __future__ import annotations

from dataclasses import fields

from ..algorithm.benchmark import Benchmark
from ..calls.limits import Limits
from ..calls.log import CallLog
from ..calls.prices import price, tier_of
from ..calls.protocol import LLM, Usage
from ..calls.roles import Roles
from ..records.later import pandas as pd
from .run import run

LONGER = 3
"""A real model's answers are usually longer than the simulated one's: completion tokens are counted so often."""
COUNTED = ["calls", "prompt", "completion"]
# choices that a dry run does without: LLMs that may cost something, budgets and workers, and a judge who has to think
NOT_DRY = {field.name for kind in (Roles, Limits) for field in fields(kind)} | {"gold"}


def estimate(bench: Benchmark, model: LLM | str, stand_in: LLM | str, **choices) -> dict:
    """What one run (`choices`: see `run`) would take with a model: calls, prompt_tokens, completion_tokens, usd.

    The run is carried out with a stand-in that costs nothing, e.g. the simulated LLM. A real model's answers are
    usually longer, so completion tokens are counted three times. usd is None for a model without a known price.

    >>> estimate(bench, "openai:gpt-5-mini", "simulated", method="base")["calls"] == len(bench.test)  # doctest: +SKIP
    True
    """
    name, tier = (model, "default") if isinstance(model, str) else (model.name, tier_of(model))
    return priced(name, dry_run(bench, stand_in, **choices).sum(), tier)


def dry_run(bench: Benchmark, stand_in: LLM | str, **choices) -> pd.DataFrame:
    """What every phase of a run takes with a stand-in: columns calls, prompt, completion (tokens).

    The stand-in has all roles, and nothing limits it, whatever `choices` say.
    """
    own = {name: value for name, value in choices.items() if name not in NOT_DRY}
    return run(bench, stand_in, workers=1, **{"log": CallLog(None), **own}).tokens().set_index("phase")[COUNTED]


def priced(model: str, used: pd.Series, service_tier: str = "default") -> dict:
    """So many calls, prompt and completion tokens of a stand-in, as a model would take and bill them."""
    calls, prompt, completion = int(used["calls"]), int(used["prompt"]), int(LONGER * used["completion"])
    mean = Usage(prompt // max(1, calls), completion // max(1, calls))
    each = price(model, mean, service_tier=service_tier)  # long prompts may cost more
    usd = None if each is None else each * calls
    return {"calls": calls, "prompt_tokens": prompt, "completion_tokens": completion, "usd": usd}
