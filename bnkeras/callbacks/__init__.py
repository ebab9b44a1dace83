"""Keras callbacks that look into a model while it trains."""

from bnkeras.callbacks.activation_stats import ActivationStats
from bnkeras.callbacks.lag import WarnOfLag
from bnkeras.callbacks.percentiles import PercentileLogger
from bnkeras.callbacks.population import PopulationStatistics

__all__ = ["ActivationStats", "PercentileLogger", "PopulationStatistics", "WarnOfLag"]
