"""Anyone's own questions, and anyone's own agent, as a benchmark."""

from .benchmark import Table, from_table
from .scores import SCORES

__all__ = ["SCORES", "Table", "from_table"]
