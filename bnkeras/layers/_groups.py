"""Normalization over groups of examples: ghost batches."""

from keras import ops

from bnkeras.layers import _fused_groups
from bnkeras.layers.moments import axes_but, moments, widened, without


def normalize_groups(x, gamma, beta, size, axis, epsilon, mask=None):
    """Normalize each `size` consecutive examples along axis 0 by their own statistics, in float32 at least.

    Returns:
        `(y, mean, variance)`, with the averages over groups of mean and biased variance, of shape `(channels,)`.

    Raises:
        ValueError: If `size` does not divide the batch (`tf.errors.InvalidArgumentError` where the size of the batch is
            not known before the step runs).
    """
    groups = _split(x, size)
    fused = None if mask is not None else _fused_groups.normalize(x, groups, gamma, beta, axis, epsilon)
    if fused is not None:
        return fused
    x, groups = widened(x), widened(groups)
    if mask is not None:
        mask = _split(ops.broadcast_to(mask, ops.shape(x)), size)
    axes = tuple(i + 1 for i in axes_but(axis, x))
    mean, variance = moments(groups, axes, mask, keepdims=True)
    y = (groups - mean) * ops.rsqrt(variance + epsilon)
    # Shape (channels, 1, ..., 1), with a 1 for each axis after that of the channels.
    aligned = (-1,) + (1,) * ((-1 - axis) % len(x.shape))
    if gamma is not None:
        y = y * ops.reshape(ops.cast(gamma, x.dtype), aligned)
    if beta is not None:
        y = y + ops.reshape(ops.cast(beta, x.dtype), aligned)
    return ops.reshape(y, ops.shape(x)), *(ops.mean(without(s, axes), 0) for s in (mean, variance))


def _split(x, size):
    """Reshape `(batch, ...)` to `(batch / size, size, ...)`."""
    message = "`group_size` must divide the batch. Received: group_size={}, a batch of {}"
    batch = x.shape[0]
    if batch is None:
        import tensorflow as tf

        batch = tf.shape(x)[0]
        check = tf.debugging.Assert(batch % size == 0, [message.format(size, ""), batch])
        with tf.control_dependencies([check]):
            x = tf.identity(x)
    elif not isinstance(batch, int) and not (batch % size == 0):  # noqa: SIM201
        # Where JAX exports for batches of any size, it has names for sizes. That of a multiple passes.
        received = f"group_size={size}, a batch of unknown size, {batch!r}"
        raise ValueError(f"Export groups for a fixed batch, by `input_signature`. Received: {received}")
    elif isinstance(batch, int) and batch % size:
        raise ValueError(message.format(size, batch))
    return ops.reshape(x, (-1, size, *ops.shape(x)[1:]))
