"""Moments of a batch, and their exact pooling over batches."""

import numpy as np
from keras import ops


def moments(x, axis, mask=None):
    """Count, mean and biased variance of `x` per channel, the mean in two parts.

    Sums run over deviations from one of the values and over one axis after another: in float32, TensorFlow's sum over
    all axes at once loses digits where the mean is far from 0 (batch of 64 images 224×224 with mean 100: off by 2).

    Args:
        x: float tensor.
        axis: integer, the channel axis.
        mask: optional tensor that has the shape of `x` without its last axis, or broadcasts to it.

    Returns:
        `(count, shift, mean, variance)`, each of shape `(channels,)`: the number of values, one of them, the mean of
        what they exceed it by, and their variance.
    """
    axes = [i for i in range(len(x.shape)) if i != axis % len(x.shape)]
    kept = ops.ones_like(x, dtype="bool")
    if mask is not None:
        kept = ops.broadcast_to(ops.expand_dims(ops.cast(mask, "bool"), -1), ops.shape(x))
    count = _sum(ops.cast(kept, "int32"), axes)
    divisor = ops.cast(ops.maximum(count, 1), x.dtype)
    shift = x
    for i in axes:
        shift = ops.take(shift, [0], axis=i)
    deviation = ops.where(kept, x - shift, 0)
    mean = _sum(deviation, axes) / divisor
    variance = _sum(ops.where(kept, ops.square(deviation - mean), 0), axes) / divisor
    return [ops.squeeze(value, axes) for value in (count, shift, mean, variance)]


def _sum(x, axes):
    for i in reversed(axes):
        x = ops.sum(x, i, keepdims=True)
    return x


class Pool:
    """Mean and variance over batches, in float64."""

    def __init__(self):
        self._count, self._mean, self._squares = 0, 0.0, 0.0

    def add(self, count, shift, mean, variance):
        """Add the `moments` of a batch: Chan, Golub & LeVeque's update."""
        count, shift, mean, variance = (np.asarray(value, "float64") for value in (count, shift, mean, variance))
        mean = shift + mean
        total = self._count + count
        share = count / np.maximum(total, 1)
        delta = mean - self._mean
        self._mean = self._mean + delta * share
        self._squares = self._squares + variance * count + delta**2 * self._count * share
        self._count = total

    def statistics(self, name):
        """Mean and biased variance, as float32.

        Raises:
            ValueError: there are less than two values, or they are not finite.
        """
        if np.min(self._count) < 2:
            raise ValueError(
                f"A variance takes at least two values per channel. Received: {int(np.min(self._count))} at layer "
                f"{name!r}; is `x` too short, masked, or the layer not called?"
            )
        statistics = self._mean.astype("float32"), (self._squares / self._count).astype("float32")
        if not np.isfinite(statistics).all():
            raise ValueError(f"The statistics of layer {name!r} are not finite: does `x` hold NaN or infinite values?")
        return statistics
