"""Competence for household games: how the simulated LLM plays, reviews and learns to play ALFWorld.

    reading    text of a game -> room, goal, turns, memory
    language   rules: typed <-> plain sentences
    player     agent
    reviewing  evaluator
    learning   optimiser and merger

It sees the text of its prompt and nothing else, and plays games and reads rules that nobody here wrote.
"""

from .language import parse_rule
from .learning import BLAME, PLACES, Example, improve, unite
from .player import APPLIANCES, HABITS, act
from .reading import read_chat, read_trajectory
from .reviewing import judge, review, told

TAG = "scene"
"""The section tag by which a prompt is recognised as belonging here."""
KNOWLEDGE = (vars(HABITS), APPLIANCES, PLACES, BLAME)
"""All that is assumed or known without being read, for the hash of frozen constants."""

__all__ = [
    "KNOWLEDGE", "TAG", "Example", "act", "improve", "judge", "parse_rule", "read_chat", "read_trajectory",
    "review", "told", "unite",
]  # fmt: skip
