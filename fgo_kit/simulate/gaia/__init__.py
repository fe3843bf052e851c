"""Competence for questions about files: how the simulated LLM works with tools, reviews and learns (GAIA).

    reading    chat or trajectory -> question, files, calls
    question   question -> operation, filters, form of the answer
    tables, layouts, cells, units      tool outputs -> tables, dates, figures and their units
    world, frames, corrections         what was read -> records that belong together
    rows, figures, pages, compute      records -> answer, under treatments that rules switch on
    language   rules: practices <-> plain sentences
    solver     agent
    reviewing  evaluator
    learning   optimiser and merger

It sees the text of its prompt and nothing else, and reads questions, files and rules that nobody here wrote.
"""

from ..competence import Competence
from .figures import SYNONYMS
from .frames import TREATMENTS
from .language import PLAIN, parse_rule
from .learning import BLAME, DOUBT, KNOWN_MARKS, MARKS, example, improve, review_rules, unite
from .reviewing import MOST_MARKS, MOST_TRIES, judge
from .rows import DEAD
from .solver import FEW_FILES, LAST_TURN, MANY, UNAIDED, act
from .units import UNITS

KNOWLEDGE = (
    vars(UNAIDED), sorted(DEAD), UNITS, SYNONYMS, TREATMENTS, PLAIN,
    (BLAME, DOUBT, FEW_FILES, KNOWN_MARKS, LAST_TURN, MANY, MARKS, MOST_MARKS, MOST_TRIES),
)  # fmt: skip
COMPETENCE = Competence("question", KNOWLEDGE, act, judge, example, improve, review_rules, unite, parse_rule)

__all__ = ["COMPETENCE"]
