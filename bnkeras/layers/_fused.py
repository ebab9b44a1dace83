"""TensorFlow's fused batch normalization, where it measures faster than separate operations.

`x` is a float tensor; `gamma`, `beta`, `mean` and `variance` have the shape `(channels,)`, or the first two are `None`.
The kernel takes float16 and bfloat16 as they are and computes in float32, which spares two casts of all of `x`.
"""

import math

import keras

from bnkeras.devices import has_accelerator
from bnkeras.keras_internals import in_xla

# On a CPU (benchmarks/batch_norm.py): with fewer elements oneDNN's fixed cost outweighs what it saves in a graph.
MIN_ELEMENTS = {"float32": 2**17, "bfloat16": 2**15, "float16": 2**15}
# Where the batch size is not known until the step runs, it is taken to be this.
TYPICAL_BATCH = 32
# The least epsilon that the kernels of every GPU accept.
MIN_EPSILON = 1.001e-5


def normalize_by_batch(x, gamma, beta, axis, epsilon):
    """Normalize `x` over all axes but `axis` with its own statistics, by one fused kernel.

    Returns:
        `(y, mean, variance)`, the variance biased; `None` where separate operations are at least as fast, or the kernel
        does not apply.
    """
    if not pays(x, axis, epsilon, training=True):
        return None
    import tensorflow as tf

    images = x if len(x.shape) == 4 else tf.reshape(x, (1, 1, -1, x.shape[-1]))
    y, mean, variance, *_ = kernel(images, *weights(gamma, beta, x.shape[-1]), epsilon)
    n = tf.cast(tf.size(x, out_type=tf.int64) // x.shape[-1], mean.dtype)
    # The kernel returns Bessel's variance, sum / (n - 1), and 0 where n is 1.
    return tf.reshape(y, tf.shape(x)), mean, variance * ((n - 1) / n)


def normalize_by_population(x, gamma, beta, mean, variance, axis, epsilon):
    """Normalize `x` with the given statistics by one fused kernel, which TensorFlow also merges into a convolution.

    Returns:
        `y`, or `None` where separate operations are at least as fast, or the kernel does not apply.
    """
    if len(x.shape) != 4 or not pays(x, axis, epsilon, training=False):
        return None
    return kernel(x, *weights(gamma, beta, x.shape[-1]), epsilon, (mean, variance))[0]


def weights(gamma, beta, channels):
    """Return `gamma` and `beta` as the kernel takes them, ones and zeros where they are `None`."""
    import tensorflow as tf

    return (
        tf.ones(channels) if gamma is None else tf.cast(gamma, tf.float32),
        tf.zeros(channels) if beta is None else tf.cast(beta, tf.float32),
    )


def kernel(x, gamma, beta, epsilon, statistics=None):
    """Call the kernel on `(examples, height, width, channels)`, in training where it is given no `(mean, variance)`."""
    import tensorflow as tf

    mean, variance = (tf.zeros(0), tf.zeros(0)) if statistics is None else statistics
    return tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=gamma,
        offset=beta,
        mean=tf.cast(mean, tf.float32),
        variance=tf.cast(variance, tf.float32),
        epsilon=epsilon,
        is_training=statistics is None,
    )


def pays(x, axis, epsilon, training):
    """Return whether the kernel applies to `x`, and measures faster than separate operations."""
    dtype, shape = keras.backend.standardize_dtype(x.dtype), tuple(x.shape)
    if keras.backend.backend() != "tensorflow" or axis % len(shape) != len(shape) - 1 or dtype not in MIN_ELEMENTS:
        return False
    # XLA fuses separate operations itself, with moments in two passes.
    if in_xla():
        return False
    return epsilon >= MIN_EPSILON if has_accelerator() else _pays_on_cpu(dtype, shape, training)


def _pays_on_cpu(dtype, shape, training):
    import tensorflow as tf

    in_half = dtype != "float32"
    # Channels that do not fill whole vectors take oneDNN's slow route.
    if shape[-1] % (4 if training and not in_half else 16):
        return False
    # Without a graph, to call a dozen operations takes longer than to run them.
    if tf.executing_eagerly():
        return True
    size = math.inf if None in shape[1:] else math.prod(shape[1:]) * (shape[0] or TYPICAL_BATCH)
    return size >= MIN_ELEMENTS[dtype]
