"""Keras callbacks that look into a model while it trains."""

from bnkeras.callbacks.percentiles import PercentileLogger

__all__ = ["PercentileLogger"]
