"""TensorFlow's fused batch normalization, where it measures faster than separate operations.

`x` is a float tensor; `gamma`, `beta`, `mean` and `variance` have the shape `(channels,)`, or the first two are `None`.
"""

import math

import keras

from bnkeras.keras_internals import in_xla

# Measured on two CPU cores (benchmarks/batch_norm.py): below this many elements oneDNN's fixed cost outweighs its gain.
MIN_ELEMENTS = 2**17
# Where the batch size is not known until the step runs, it is taken to be this.
TYPICAL_BATCH = 32
# The least epsilon that every cuDNN release accepts.
MIN_EPSILON = 1.001e-5


def normalize_by_batch(x, gamma, beta, axis, epsilon):
    """Normalize `x` over all axes but `axis` with its own statistics, by one fused kernel.

    Returns:
        `(y, mean, variance)`, the variance biased; `None` where separate operations are at least as fast, or the kernel
        does not apply.
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
    # XLA fuses separate operations itself, with moments in two passes.
    if keras.backend.backend() != "tensorflow":
        return False
    shape = tuple(x.shape)
    if axis % len(shape) != len(shape) - 1 or keras.backend.standardize_dtype(x.dtype) != "float32":
        return False
    # Channels that are no multiple of the vector width take oneDNN's slow route.
    if epsilon < MIN_EPSILON or shape[-1] % 4:
        return False
    return _typical_size(shape) >= MIN_ELEMENTS and not in_xla()


def _typical_size(shape):
    return math.inf if None in shape[1:] else math.prod(shape[1:]) * (shape[0] or TYPICAL_BATCH)
