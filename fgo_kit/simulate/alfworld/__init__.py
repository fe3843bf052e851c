"""Competence for household games: how the simulated LLM plays, reviews and learns to play ALFWorld.

    reading    text of a game -> room, goal, turns, memory
    language   rules: habits <-> plain sentences
    player     agent
    reviewing  evaluator
    learning   optimiser and merger

It sees the text of its prompt and nothing else, and plays games and reads rules that nobody here wrote.
"""

from ..competence import Competence
from .language import parse_rule
from .learning import BLAME, PLACES, example, improve, review_rules, unite
from .player import APPLIANCES, MISTAKES, act
from .reviewing import judge

KNOWLEDGE = (vars(MISTAKES), APPLIANCES, PLACES, BLAME)
COMPETENCE = Competence("scene", KNOWLEDGE, act, judge, example, improve, review_rules, unite, parse_rule)

__all__ = ["COMPETENCE"]
