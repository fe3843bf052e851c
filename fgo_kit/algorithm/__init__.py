"""The method: divide, optimise, merge; its baselines and peers."""

from . import divide, few_shot, gates, gepa_peer, merge_strategies, methods  # noqa: F401  they fill the registries
