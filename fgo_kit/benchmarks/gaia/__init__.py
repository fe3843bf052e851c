"""GAIA: questions over files, answered with tools."""

from .benchmark import load

__all__ = ["load"]
