"""Groups of examples normalized by TensorFlow's fused kernel, one call a group, where that measures faster."""

import math

from bnkeras.layers import _fused

# Measured on one and two CPU cores (benchmarks/balanced_batches.py): in smaller groups a call costs more than it gains.
MIN_GROUP_ELEMENTS = 2**14
# A loop over the groups, where their number is not known until the step runs, costs more.
MIN_LOOPED_ELEMENTS = 2**15
# So many calls take long to trace.
MOST_UNROLLED = 64


def normalize_groups(x, gamma, beta, size, axis, epsilon):
    """Normalize each `size` consecutive examples along axis 0 by their own statistics.

    Returns:
        `(y, mean, variance)`, with the averages over groups of mean and biased variance, of shape `(channels,)`; `None`
        where separate operations are at least as fast, the kernel does not apply, or `size` does not divide the batch.
    """
    if not _pays(x, size, axis, epsilon):
        return None
    import tensorflow as tf

    channels = x.shape[-1]
    gamma = tf.ones(channels) if gamma is None else tf.cast(gamma, x.dtype)
    beta = tf.zeros(channels) if beta is None else tf.cast(beta, x.dtype)
    groups = tf.reshape(x, (-1, *_as_images(x.shape, size)))
    normalize = _looped if x.shape[0] is None else _unrolled
    y, mean, variance = normalize(groups, gamma, beta, epsilon)
    n = size * math.prod(x.shape[1:-1])
    # The kernel returns Bessel's variance, sum / (n - 1).
    return tf.reshape(y, tf.shape(x)), tf.reduce_mean(mean, 0), tf.reduce_mean(variance, 0) * ((n - 1) / n)


def _pays(x, size, axis, epsilon):
    batch, elements = x.shape[0], size * math.prod(x.shape[1:]) if None not in x.shape[1:] else 0
    if batch is None:
        return elements >= MIN_LOOPED_ELEMENTS and _fused._pays(x, axis, epsilon)
    divides = batch % size == 0 and batch // size <= MOST_UNROLLED
    return divides and elements >= MIN_GROUP_ELEMENTS and _fused._pays(x, axis, epsilon)


def _as_images(shape, size):
    """The shape `(examples, height, width, channels)`, which the kernel takes, of a group."""
    return (size, *shape[1:]) if len(shape) == 4 else (1, 1, size * math.prod(shape[1:-1]), shape[-1])


def _unrolled(groups, gamma, beta, epsilon):
    """Normalized groups, means and variances, each stacked, by as many calls as there are groups."""
    import tensorflow as tf

    def normalize(group):
        return _fused._fused(group, gamma, beta, tf.zeros(0), tf.zeros(0), epsilon, is_training=True)

    return map(tf.stack, zip(*map(normalize, tf.unstack(groups)), strict=True))


def _looped(groups, gamma, beta, epsilon):
    """The same by a loop; its gradient is a loop too, as that of TensorFlow's loops copies what it keeps."""
    import tensorflow as tf

    options = {"epsilon": epsilon, "is_training": True}

    def forward(group):
        empty = tf.zeros(0)
        return tuple(
            tf.raw_ops.FusedBatchNormV3(x=group, scale=gamma, offset=beta, mean=empty, variance=empty, **options)
        )

    def backward(each):
        dy, group, *kept = each
        kept = {f"reserve_space_{i}": one for i, one in enumerate(kept, start=1)}
        return tuple(tf.raw_ops.FusedBatchNormGradV3(y_backprop=dy, x=group, scale=gamma, **kept, **options)[:3])

    @tf.custom_gradient
    def normalize(groups, gamma, beta):
        y, mean, variance, *kept = tf.map_fn(forward, groups, fn_output_signature=(groups.dtype,) * 6)

        def gradient(dy, *_):
            dx, *of_weights = tf.map_fn(
                backward, (dy, groups, *kept), fn_output_signature=(groups.dtype,) * 3
            )
            return dx, *(tf.reduce_sum(one, 0) for one in of_weights)

        return (y, mean, variance), gradient

    return normalize(groups, gamma, beta)
