"""Competence for documents that hide a reference: how the simulated LLM reads, follows and induces rules.

    reading   document text -> codes with their labels, fields and shapes
    language  rules: typed <-> plain sentences
    skills    agent and evaluator
    learning  optimiser and merger

It sees the text of its prompt and nothing else, and works on documents and rules that nobody here wrote.
"""

from .language import parse_rule
from .learning import Example, improve, unite
from .skills import KNOWLEDGE, act, judge

TAG = "document"
"""The section tag by which a prompt is recognised as belonging here."""

__all__ = ["KNOWLEDGE", "TAG", "Example", "act", "improve", "judge", "parse_rule", "unite"]
