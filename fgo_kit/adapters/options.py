"""What may be asked of a provider besides messages and model, checked before anything is sent.

All of it is part of an LLM's `params`, and so of the identity of a run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

SET_HERE = {
    "model", "messages", "input", "instructions", "system", "tools", "tool_choice", "stream", "store", "n", "seed",
    "temperature", "max_tokens", "max_completion_tokens", "max_output_tokens", "reasoning", "reasoning_effort",
    "thinking", "service_tier", "response_format", "text", "output_config", "cache_control",
}  # fmt: skip
"""Fields of a request that the toolkit sets; `extra` is for all others."""
LEAST_BUDGET = 1_024
"""Anthropic takes no smaller budget of thinking."""


def check(options: Mapping[str, Any], allowed: Mapping[str, tuple[str, ...]], max_completion: int) -> None:
    """Raise ValueError for an option that no provider would take, with what is allowed.

    options: by name. allowed: the values of those that have a list of them.

    >>> check({"effort": "hgih"}, {"effort": ("low", "high")}, 4_096)
    Traceback (most recent call last):
    ValueError: effort='hgih' is not allowed; use one of low, high
    """
    for name, value in options.items():
        if name == "temperature" and not (_is_number(value) and 0 <= value <= 2):
            raise ValueError(f"temperature={value!r} is not allowed; use a number from 0 to 2")
        if name == "timeout" and not (_is_number(value) and value > 0):
            raise ValueError(f"timeout={value!r} is not allowed; use a number of seconds > 0")
        if name == "batch" and not isinstance(value, bool):
            raise ValueError(f"batch={value!r} is not allowed; use True or False")
        if name == "service_tier" and options.get("batch"):
            raise ValueError(f"service_tier={value!r} does not go with batch=True, which has a price of its own")
        if name == "extra":
            _check_extra(value)
        elif name == "thinking" and isinstance(value, int):
            _check_budget(value, max_completion)
        elif name in allowed and value not in allowed[name]:
            more = ", or a number of tokens" if name == "thinking" else ""
            raise ValueError(f"{name}={value!r} is not allowed; use one of {', '.join(allowed[name])}{more}")


def check_room(max_completion: Any, context_window: Any) -> None:
    """Raise ValueError for sizes that cannot be, or that leave no room for a prompt."""
    check_tokens("max_completion", max_completion)
    check_tokens("context_window", context_window)
    if max_completion >= context_window:
        raise ValueError(
            f"max_completion={max_completion} leaves nothing of context_window={context_window} for prompts; "
            "give a larger window or fewer tokens for answers"
        )


def check_tokens(name: str, tokens: Any) -> None:
    """Raise ValueError for what is no number of tokens."""
    if not isinstance(tokens, Integral) or isinstance(tokens, bool) or tokens < 1:
        raise ValueError(f"{name}={tokens!r} is not allowed; use a whole number of tokens >= 1")


def _check_budget(tokens: int, max_completion: int) -> None:
    if isinstance(tokens, bool) or not LEAST_BUDGET <= tokens < max_completion:
        raise ValueError(
            f"thinking={tokens!r} is not allowed; use a number of tokens from {LEAST_BUDGET} to below "
            f"max_completion={max_completion}, which counts them too"
        )


def _check_extra(extra: Any) -> None:
    if not isinstance(extra, dict) or not all(isinstance(name, str) for name in extra):
        raise ValueError(f"extra={extra!r} is not allowed; use a dict of further fields of the request by name")
    if taken := sorted(SET_HERE & extra.keys()):
        raise ValueError(f"extra has {taken[0]!r}, which the toolkit sets; use a parameter of load_llm for it")
    try:
        json.dumps(extra, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"extra={extra!r} is not allowed; use values that JSON has ({error})") from None


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
