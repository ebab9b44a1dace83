"""Normalization of a tensor by its own or by given statistics."""

from keras import ops


def by_batch(x, gamma, beta, axis, epsilon, mask=None, group_size=None):
    """Normalize `x` with its own statistics; return it with their mean and variance."""
    axis %= len(x.shape)
    axes = tuple(i for i in range(len(x.shape)) if i != axis)
    mean, variance = ops.moments(x, axes) if mask is None else _masked_moments(x, axes, mask)
    return by_statistics(x, mean, variance, gamma, beta, axis, epsilon), mean, variance


def by_statistics(x, mean, variance, gamma, beta, axis, epsilon):
    """Normalize `x` with the given statistics."""
    mean, variance = ops.cast(mean, x.dtype), ops.cast(variance, x.dtype)
    return ops.batch_normalization(x, mean, variance, axis, offset=beta, scale=gamma, epsilon=epsilon)


def _masked_moments(x, axes, mask):
    weight = ops.cast(ops.broadcast_to(ops.expand_dims(mask, -1), ops.shape(x)), x.dtype)
    count = ops.sum(weight, axes, keepdims=True) + 1e-7
    mean = ops.sum(weight * x, axes, keepdims=True) / count
    variance = ops.sum(weight * ops.square(x - mean), axes, keepdims=True) / count
    return ops.squeeze(mean, axes), ops.squeeze(variance, axes)
