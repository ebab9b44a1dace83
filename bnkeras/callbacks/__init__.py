"""Keras callbacks that look into a model while it trains."""

from bnkeras.callbacks.activation_stats import ActivationStats
from bnkeras.callbacks.percentiles import PercentileLogger

__all__ = ["ActivationStats", "PercentileLogger"]
