"""Mean and biased variance of a tensor, over kept positions, groups or replicas."""

import keras
from keras import ops

_INDIVISIBLE = "`group_size` must divide the batch. Received: group_size={size}, a batch of {batch}"


def moments(x, axes, mask=None, keepdims=False, synchronized=False):
    """Return mean and biased variance of `x` over `axes`.

        mean = sum(x) / n        variance = sum((x - mean)^2) / n

    Args:
        x: Float tensor, float32 or wider.
        axes: Tuple of axes to average over.
        mask: Optional tensor that broadcasts against `x`; only positions where it is true count.
        keepdims: Whether to keep `axes`, at length 1.
        synchronized: Whether sums run over all replicas of a `tf.distribute` strategy.
    """
    if mask is None and not synchronized:
        return ops.moments(x, axes, keepdims=keepdims)
    kept = (lambda values: values) if mask is None else (lambda values: ops.where(ops.cast(mask, "bool"), values, 0))
    total = _sum_over_replicas if synchronized else (lambda sums: sums)
    sums = total(ops.stack([ops.sum(kept(v), axes, keepdims=True) for v in (x, ops.ones_like(x))]))
    # Keras's own guard against a batch that is masked altogether.
    count = sums[1] + keras.config.epsilon()
    mean = sums[0] / count
    variance = total(ops.sum(ops.square(kept(x - mean)), axes, keepdims=True)) / count
    return (mean, variance) if keepdims else (ops.squeeze(mean, axes), ops.squeeze(variance, axes))


def split_groups(x, size):
    """Reshape `(batch, ...)` to `(batch / size, size, ...)`; refuse a batch that `size` does not divide."""
    batch = x.shape[0]
    if batch is None:
        x = _assert_divides(x, size)
    elif batch % size:
        raise ValueError(_INDIVISIBLE.format(size=size, batch=batch))
    return ops.reshape(x, (-1, size, *ops.shape(x)[1:]))


def _assert_divides(x, size):
    import tensorflow as tf

    batch = tf.shape(x)[0]
    message = _INDIVISIBLE.format(size=size, batch="")
    with tf.control_dependencies([tf.debugging.Assert(batch % size == 0, [message, batch])]):
        return tf.identity(x)


def _sum_over_replicas(x):
    """Sum over the replicas of a `tf.distribute` strategy; on JAX one program sees the whole batch already."""
    if keras.backend.backend() != "tensorflow":
        return x
    import tensorflow as tf

    replica = tf.distribute.get_replica_context()
    return x if replica is None else replica.all_reduce(tf.distribute.ReduceOp.SUM, x)
