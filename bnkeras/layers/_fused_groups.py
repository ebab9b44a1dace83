"""Groups of examples normalized by TensorFlow's fused kernel, one call a group, where that measures faster."""

import math

from bnkeras.layers import _fused

# Measured on one and two CPU cores (benchmarks/balanced_batches.py): in smaller groups a call costs more than it gains.
MIN_GROUP_ELEMENTS = 2**14
# A loop over the groups, where their number is not known until the step runs, costs more.
MIN_LOOPED_ELEMENTS = 2**15
# So many calls take long to trace.
MOST_UNROLLED = 64


def normalize(x, groups, gamma, beta, axis, epsilon):
    """Normalize each group by its own statistics.

    Args:
        x: Float tensor of shape `(batch, ...)`.
        groups: The same, of shape `(groups, size, ...)`.
        axis: Integer, that of the channels in `x`.

    Returns:
        `(y, mean, variance)`, with the averages over groups of mean and biased variance, of shape `(channels,)`; `None`
        where separate operations are at least as fast, or the kernel does not apply.
    """
    if not _fused.pays(x, axis, epsilon, training=True) or not _pays(groups):
        return None
    import tensorflow as tf

    count, *shape = groups.shape
    gamma, beta = _fused.weights(gamma, beta, shape[-1])
    images = groups if len(shape) == 4 else tf.reshape(groups, (-1, 1, 1, math.prod(shape[:-1]), shape[-1]))
    y, mean, variance = (_looped if count is None else _unrolled)(images, gamma, beta, epsilon)
    n = math.prod(shape[:-1])
    # The kernel returns Bessel's variance, sum / (n - 1).
    return tf.reshape(y, tf.shape(x)), tf.reduce_mean(mean, 0), tf.reduce_mean(variance, 0) * ((n - 1) / n)


def _pays(groups):
    count, *shape = groups.shape
    if None in shape:
        return False
    if count is None:
        return math.prod(shape) >= MIN_LOOPED_ELEMENTS
    return math.prod(shape) >= MIN_GROUP_ELEMENTS and count <= MOST_UNROLLED


def _unrolled(groups, gamma, beta, epsilon):
    """Normalized groups, means and variances, each stacked, by as many calls as there are groups."""
    import tensorflow as tf

    calls = [_fused.kernel(group, gamma, beta, epsilon)[:3] for group in tf.unstack(groups)]
    return [tf.stack(parts) for parts in zip(*calls, strict=True)]


def _looped(groups, gamma, beta, epsilon):
    """The same by a loop; its gradient is a loop too, as that of TensorFlow's loops copies what it keeps."""
    import tensorflow as tf

    single = tf.float32

    def forward(group):
        return tuple(_fused.kernel(group, gamma, beta, epsilon))

    def backward(each):
        dy, group, *kept = each
        kept = {f"reserve_space_{i}": one for i, one in enumerate(kept, start=1)}
        options = {"epsilon": epsilon, "is_training": True}
        return tuple(tf.raw_ops.FusedBatchNormGradV3(y_backprop=dy, x=group, scale=gamma, **kept, **options)[:3])

    @tf.custom_gradient
    def normalize(groups, gamma, beta):
        y, mean, variance, *kept = tf.map_fn(forward, groups, fn_output_signature=(groups.dtype, *[single] * 5))

        def gradient(dy, *_):
            each = dy, groups, *kept
            dx, *of_weights = tf.map_fn(backward, each, fn_output_signature=(groups.dtype, single, single))
            return dx, *(tf.reduce_sum(one, 0) for one in of_weights)

        return (y, mean, variance), gradient

    return normalize(groups, gamma, beta)
