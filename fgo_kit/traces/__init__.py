"""Rollouts that somebody else made: reading them (`read_traces`), and what optimising on them would take in tokens."""

from . import alfworld, call_log, chat, conversations, inspect_log, knowagent, react  # noqa: F401  they fill the registry
from .formats import read_traces
from .sizes import optimiser_tokens
from .trace import Trace, Traces

read_trajectories = read_traces

__all__ = ["Trace", "Traces", "optimiser_tokens", "read_traces", "read_trajectories"]
