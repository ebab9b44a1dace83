"""Statistics of batch normalization: each batch's own, and the whole data's."""

from bnkeras.statistics.accumulation import accumulate_statistics
from bnkeras.statistics.batch import batch_statistics
from bnkeras.statistics.population import estimate_population_statistics
from bnkeras.statistics.shift import variance_shift

__all__ = ["accumulate_statistics", "batch_statistics", "estimate_population_statistics", "variance_shift"]
