"""Competence for documents that hide a reference: how the simulated LLM reads, follows and induces rules.

    reading   document text -> codes with their labels, fields and shapes
    language  rules: conventions <-> plain sentences
    skills    agent and evaluator
    learning  optimiser and merger

It sees the text of its prompt and nothing else, and works on documents and rules that nobody here wrote.
"""

from ..competence import Competence
from .language import parse_rule
from .learning import example, improve, review, unite
from .skills import KNOWLEDGE, act, judge

COMPETENCE = Competence("document", KNOWLEDGE, act, judge, example, improve, review, unite, parse_rule)

__all__ = ["COMPETENCE"]
