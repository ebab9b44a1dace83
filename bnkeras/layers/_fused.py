"""TensorFlow's fused batch normalization, where it measures faster than separate operations."""

import math

import keras

# Measured on two CPU cores (benchmarks/batch_norm.py): below this many elements oneDNN's fixed cost outweighs its gain.
MIN_ELEMENTS = 2**17
# Where the batch size is not known until the step runs, it is taken to be this.
TYPICAL_BATCH = 32
# The least epsilon that every cuDNN release accepts.
MIN_EPSILON = 1.001e-5


def normalize_by_batch(x, gamma, beta, axis, epsilon):
    """Normalize `x` over all axes but `axis` with its own statistics, by one fused kernel.

    Args:
        x: Float tensor.
        gamma: Scale, of shape `(channels,)`, or `None`.
        beta: Offset, of shape `(channels,)`, or `None`.
        axis: Integer, the channel axis.
        epsilon: Float, added to the variance.

    Returns:
        `None` where separate operations are at least as fast, or the kernel does not apply; else `(y, mean, variance)`
        with mean and biased variance of shape `(channels,)`.
    """
    if not _pays(x, axis, epsilon):
        return None
    import tensorflow as tf

    images = x if len(x.shape) == 4 else tf.reshape(x, (1, 1, -1, x.shape[-1]))
    y, mean, variance = _fused(images, gamma, beta, tf.zeros(0), tf.zeros(0), epsilon, is_training=True)
    n = tf.cast(tf.size(x, out_type=tf.int64) // x.shape[-1], x.dtype)
    # The kernel returns Bessel's variance, sum / (n - 1), and 0 where n is 1.
    return tf.reshape(y, tf.shape(x)), mean, variance * ((n - 1) / n)


def normalize_by_population(x, gamma, beta, mean, variance, axis, epsilon):
    """Normalize `x` with the given statistics by one fused kernel, which TensorFlow also merges into a convolution.

    Args:
        x: Float tensor.
        gamma: Scale, of shape `(channels,)`, or `None`.
        beta: Offset, of shape `(channels,)`, or `None`.
        mean: Tensor of shape `(channels,)`.
        variance: Tensor of shape `(channels,)`.
        axis: Integer, the channel axis.
        epsilon: Float, added to the variance.

    Returns:
        `y`, or `None` where separate operations are at least as fast, or the kernel does not apply.
    """
    if len(x.shape) != 4 or not _pays(x, axis, epsilon):
        return None
    return _fused(x, gamma, beta, mean, variance, epsilon, is_training=False)[0]


def _fused(x, gamma, beta, mean, variance, epsilon, is_training):
    import tensorflow as tf

    channels = x.shape[-1]
    return tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=tf.ones(channels) if gamma is None else tf.cast(gamma, x.dtype),
        offset=tf.zeros(channels) if beta is None else tf.cast(beta, x.dtype),
        mean=tf.cast(mean, x.dtype),
        variance=tf.cast(variance, x.dtype),
        epsilon=epsilon,
        exponential_avg_factor=1.0,
        is_training=is_training,
    )[:3]


def _pays(x, axis, epsilon):
    if keras.backend.backend() != "tensorflow":
        return False
    shape = tuple(x.shape)
    if axis not in (-1, len(shape) - 1) or keras.backend.standardize_dtype(x.dtype) != "float32":
        return False
    # Channels that are no multiple of the vector width take oneDNN's slow route.
    if epsilon < MIN_EPSILON or shape[-1] % 4:
        return False
    return _typical_size(shape) >= MIN_ELEMENTS and not _in_xla()


def _typical_size(shape):
    if None in shape[1:]:
        return math.inf
    return math.prod(shape[1:]) * (shape[0] or TYPICAL_BATCH)


def _in_xla():
    """Whether this is being traced for XLA, which fuses separate operations itself, with two-pass moments."""
    import tensorflow as tf

    if tf.executing_eagerly():
        return False
    try:
        from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext
    except ImportError:
        return False
    return GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())
