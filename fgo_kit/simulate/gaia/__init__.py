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

from ..competence import Competence
from .figures import SYNONYMS
from .frames import TREATMENTS
from .language import PLAIN, parse_rule
from .learning import BLAME, DOUBT, KNOWN_MARKS, MARKS, example, improve, unite
from .reviewing import MOST_MARKS, MOST_TRIES, judge
from .rows import DEAD
from .solver import FEW_FILES, LAST_TURN, MANY, UNAIDED, act
from .units import UNITS

KNOWLEDGE = (
    vars(UNAIDED), sorted(DEAD), UNITS, SYNONYMS, TREATMENTS, PLAIN,
    (BLAME, DOUBT, FEW_FILES, KNOWN_MARKS, LAST_TURN, MANY, MARKS, MOST_MARKS, MOST_TRIES),
)  # fmt: skip
COMPETENCE = Competence("question", KNOWLEDGE, act, judge, example, improve, unite, parse_rule)

__all__ = ["COMPETENCE"]
