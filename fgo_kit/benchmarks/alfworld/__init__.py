"""ALFWorld: household games in the real TextWorld engine."""

from .benchmark import load

__all__ = ["load"]
