"""Statistics of batch normalization: the batch's own, and the population's."""
