"""Batch renormalization: training normalizes by running statistics, to within limits.

    r = clip(sigma / renorm_stddev, rmin, rmax)        d = clip((mean - renorm_mean) / renorm_stddev, -dmax, dmax)
    y = gamma * ((x - mean) / sigma * r + d) + beta    with sigma = sqrt(variance + epsilon)

`mean` and the biased `variance` are the batch's; no gradient flows through `r` and `d`.
"""

import numbers

from keras import initializers, ops

from bnkeras.layers.moments import moved

_LIMITS = ("rmax", "rmin", "dmax")


def check(renorm, clipping, momentum):
    """Raise `ValueError` unless `renorm_clipping` and `renorm_momentum` of a layer with `renorm` are in range."""
    if not renorm:
        return
    received = f"renorm_clipping={clipping!r}"
    limits = clipping if clipping is not None else {}
    if not isinstance(limits, dict) or set(limits) - set(_LIMITS):
        raise ValueError(f"`renorm_clipping` must be a dict with keys of {_LIMITS}. Received invalid keys: {received}")
    rmax, rmin, dmax = map(limits.get, _LIMITS)
    if not all(limit is None or (isinstance(limit, numbers.Real) and limit == limit) for limit in (rmax, rmin, dmax)):
        raise ValueError(f"The limits of `renorm_clipping` must be numbers. Received: {received}")
    if None not in (rmax, rmin) and rmax < rmin:
        raise ValueError(f"In `renorm_clipping`, rmax should be at least rmin. Received: {received}")
    if dmax is not None and dmax < 0:
        raise ValueError(f"In `renorm_clipping`, dmax should be non-negative. Received: {received}")
    if not isinstance(momentum, numbers.Real) or not 0 <= momentum <= 1:
        raise ValueError(f"`renorm_momentum` must be a number in [0, 1]. Received: renorm_momentum={momentum!r}")


def initial(mean, variance):
    """Return the initializers of `moving_stddev`, `renorm_mean` and `renorm_stddev`, by weight.

    Args:
        mean: Initializer of the layer's `moving_mean`, which `renorm_mean` starts as.
        variance: Initializer of its `moving_variance`, of which the deviations start as the square root.
    """

    def stddev(shape, dtype=None):
        # A copy: an initializer with a seed of its own draws the same again.
        return ops.sqrt(_copy(variance)(shape, dtype=dtype))

    return {"moving_stddev": stddev, "renorm_mean": _copy(mean), "renorm_stddev": stddev}


def _copy(initializer):
    return initializer.clone() if isinstance(initializer, initializers.Initializer) else initializer


def transformed(layer, mean, variance):
    """Return the `(gamma, beta)` that stand in for the layer's, with `r` and `d` in them, for a batch's statistics."""
    stddev, floor = ops.sqrt(variance + layer.epsilon), layer.epsilon**0.5
    running = ops.maximum(ops.cast(layer.renorm_stddev, mean.dtype), floor)
    r, d = stddev / running, (mean - ops.cast(layer.renorm_mean, mean.dtype)) / running
    rmax, rmin, dmax = map((layer.renorm_clipping or {}).get, _LIMITS)
    r = r if rmin is None else ops.maximum(r, rmin)
    r = r if rmax is None else ops.minimum(r, rmax)
    d = d if dmax is None else ops.clip(d, -dmax, dmax)
    r, d = ops.stop_gradient(r), ops.stop_gradient(d)
    gamma, beta = (None if w is None else ops.cast(w, mean.dtype) for w in (layer.gamma, layer.beta))
    if gamma is not None:
        r, d = r * gamma, d * gamma
    return r, d if beta is None else d + beta


def moved_statistics(layer, mean, variance):
    """Return the running statistics of a layer, those of training and those of inference, moved towards a batch's.

    Returns:
        A list of `(weight, value)`.
    """
    stddev = ops.sqrt(variance + layer.epsilon)
    moving_stddev, moving = moved(layer.moving_stddev, stddev, layer.momentum)
    return [
        moved(layer.renorm_mean, mean, layer.renorm_momentum),
        moved(layer.renorm_stddev, stddev, layer.renorm_momentum),
        moved(layer.moving_mean, mean, layer.momentum),
        (moving_stddev, moving),
        (layer.moving_variance, ops.relu(moving * moving - layer.epsilon)),
    ]
