"""LogisticsQA: the transport reference of an invoice, or None."""

from .benchmark import load

__all__ = ["load"]
