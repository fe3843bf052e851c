"""Competence for questions about files: how the simulated LLM works with tools, reviews and learns (GAIA).

    tables, layouts, cells, units      tool outputs -> tables, dates, figures and their units
    question   question -> operation, filters, form of the answer
    reading    chat or trajectory -> question, files, calls
    world, frames, corrections         what was read -> rows that belong together
    rows, figures, pages, compute      rows -> answer, under treatments that rules switch on
    language   rules: typed <-> plain sentences
    solver     agent
    reviewing  evaluator
    learning   optimiser and merger

It sees the text of its prompt and nothing else, and reads questions, files and rules that nobody here wrote.
"""

from .figures import SYNONYMS
from .frames import TREATMENTS
from .language import PLAIN, parse_rule, told
from .learning import BLAME, DOUBT, KNOWN_MARKS, MARKS, Example, improve, unite
from .reading import expected_of, read_chat, read_trajectory
from .reviewing import MOST_MARKS, MOST_TRIES, judge, review
from .rows import DEAD
from .solver import FEW_FILES, HABITS, LAST_TURN, MANY, act
from .units import UNITS

TAG = "question"
"""The section tag by which a prompt is recognised as belonging here."""
KNOWLEDGE = (
    vars(HABITS), sorted(DEAD), UNITS, SYNONYMS, TREATMENTS, PLAIN,
    (BLAME, DOUBT, FEW_FILES, KNOWN_MARKS, LAST_TURN, MANY, MARKS, MOST_MARKS, MOST_TRIES),
)  # fmt: skip
"""All that is assumed or known without being read, for the hash of frozen constants."""

__all__ = [
    "KNOWLEDGE", "TAG", "Example", "act", "expected_of", "improve", "judge", "parse_rule", "read_chat",
    "read_trajectory", "review", "told", "unite",
]  # fmt: skip
