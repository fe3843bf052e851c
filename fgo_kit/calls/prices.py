"""What a call costs and how much a model reads, by the list prices of genai-prices."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from .protocol import LLM, Usage
from .providers import provider_of

ORDINARY = ("auto", "default", "standard_only", "flex")
"""Service tiers that cost no more than the list price; others are faster and dearer, and priced where the list says."""
BATCH = "batch"
"""The tier of calls that go in batches. Where the list has no price for it they cost half."""


def price(spec: str, usage: Usage, base_url: str | None = None, service_tier: str = "default") -> float | None:
    """USD list price of one call, or None when there is none. A tier has its own price where the list has one.

    spec: as for `load_llm`, or "VENDOR:MODEL" of a vendor that genai-prices knows. 0.0 for simulated and replayed
    calls and for servers on this machine or a private network; None for an unknown model and for any other
    `base_url`, whose prices nobody here knows.

    >>> price("simulated", Usage(1000, 100))
    0.0
    """
    if spec.startswith("any:"):  # at the prices of the provider that is asked
        spec = spec.removeprefix("any:").replace("/", ":", 1)
    provider, (name, _, model) = provider_of(spec), spec.partition(":")
    if provider is not None and not provider.prices:
        return 0.0
    if base_url:
        return 0.0 if is_local(base_url) else None
    listed = _listed(provider.prices if provider else name, model, usage, service_tier)
    known = listed is not None and _has_tier(listed.model, service_tier)
    if listed is None or not (known or service_tier in (*ORDINARY, BATCH)):
        return None
    return float(listed.total_price) * (0.5 if service_tier == BATCH and not known else 1)


def tier_of(llm: LLM, batch: bool = True) -> str:
    """The service tier whose price an LLM's calls have, with batch=False if all are made at once."""
    return BATCH if batch and getattr(llm, "batch", False) else llm.params.get("service_tier", "default")


def tier_is_priced(spec: str, service_tier: str) -> bool:
    """Whether the list has a price of its own for this tier of a model; for others the ordinary one is taken."""
    provider, (name, _, model) = provider_of(spec), spec.partition(":")
    listed = _listed(provider.prices if provider else name, model, Usage(1, 0))
    return service_tier == BATCH or (listed is not None and _has_tier(listed.model, service_tier))


def _has_tier(model, service_tier: str) -> bool:
    return any(variant.when == _when(service_tier) for variant in model.price_variants or ())


def _when(service_tier: str) -> dict[str, str]:
    return {"processing" if service_tier == BATCH else "service_tier": service_tier}


def known_window(prices: str, model: str) -> int | None:
    """The context window of a model in tokens, None where nobody here knows it; `prices` as in `Provider`."""
    listed = _listed(prices, model, Usage(1, 0))
    return None if listed is None else listed.model.context_window


def is_local(base_url: str) -> bool:
    """Whether a URL points at this machine or a private network, where calls cost nothing."""
    host = urlsplit(base_url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_private


def _listed(prices: str, model: str, usage: Usage, service_tier: str = "default"):
    import genai_prices

    counted = genai_prices.Usage(
        input_tokens=usage.prompt, cache_read_tokens=usage.cached, cache_write_tokens=usage.written,
        output_tokens=usage.completion,
    )  # fmt: skip
    try:
        return genai_prices.calc_price(counted, model, provider_id=prices, price_context=_when(service_tier))
    except LookupError:
        return None
