"""How far a moving average is behind, and for how long, in closed form."""

import math

import numpy as np


def steps_to_settle(gap, momentum, tolerance=0.1):
    """Return after how many training steps a moving average is within `tolerance` of what it averages.

    A step shrinks the distance to a value that stands still by the momentum, `gap_t = momentum^t * gap`, so

        steps = ceil(log(tolerance / gap) / log(momentum))

    Args:
        gap: Float of at least 0, the distance now, in any unit.
        momentum: Float in [0, 1], how much of the average a step keeps.
        tolerance: Positive float, in the unit of `gap`. Defaults to `0.1`.

    Returns:
        Integer; 0 where the gap is no larger already; `math.inf` with a momentum of 1 or a gap that is not finite.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> steps_to_settle(1.0, momentum=0.99, tolerance=0.01)  # from 0 to within a hundredth
    459
    """
    checks = {"gap": (gap, gap >= 0 or gap != gap), "momentum": (momentum, 0 <= momentum <= 1)}
    for name, (value, holds) in (checks | {"tolerance": (tolerance, tolerance > 0)}).items():
        if not holds:
            raise ValueError(f"`{name}` is out of range. Received: {name}={value!r}")
    if gap <= tolerance:
        return 0
    if momentum == 1 or not math.isfinite(gap):
        return math.inf
    # A quotient that is a whole number comes out of the logarithms a little above it.
    return 1 if momentum == 0 else math.ceil(math.log(tolerance / gap) / math.log(momentum) - 1e-9)


def gaps(moving, reference, epsilon, live):
    """Return how far moving statistics are from others: root mean squares over the live channels.

        mean_gap     = rms((moving_mean - mean) / sqrt(variance + epsilon))
        variance_gap = rms((moving_variance - variance) / (variance + epsilon))

    Both shrink by the momentum with each step while the weights stand still.

    Args:
        moving: Arrays `(mean, variance)`, each of shape `(channels,)`.
        reference: The same of what they should be.
        epsilon: Float, that of the layer.
        live: Boolean array, which channels count: a constant one gives `beta` whatever its statistics are.
    """
    if not live.any():
        return 0.0, 0.0
    (moving_mean, moving_variance), (mean, variance) = np.asarray(moving)[:, live], np.asarray(reference)[:, live]
    scale = variance + epsilon
    of_mean = (moving_mean - mean) / np.sqrt(scale)
    of_variance = (moving_variance - variance) / scale
    return float(np.sqrt(np.mean(of_mean**2))), float(np.sqrt(np.mean(of_variance**2)))


def noise(means, variances, epsilon, momentum, live):
    """Return the larger of both gaps that batches alone, which differ, leave in an average of settled statistics.

    The average of independent values of standard deviation s has s * sqrt((1 - momentum) / (1 + momentum)).

    Args:
        means, variances: Arrays of shape `(batches, channels)`.
        epsilon, momentum: Floats, those of the layer.
        live: As in `gaps`.
    """
    if len(means) < 2 or not live.any():
        return 0.0
    scale = variances.mean(0)[live] + epsilon
    spreads = means.std(0)[live] / np.sqrt(scale), variances.std(0)[live] / scale
    return float(max(np.sqrt(np.mean(s**2)) for s in spreads) * np.sqrt((1 - momentum) / (1 + momentum)))
