"""Moments of several micro-batches, pooled as those of the batch that they make up, for gradient accumulation.

    n = sum_i n_i        mean = sum_i n_i * mean_i / n
    variance = sum_i n_i * (variance_i + (mean_i - mean)^2) / n

with `n_i` values per channel in micro-batch `i`. Ghost batches, which average the moments of groups, have `n_i` groups,
and no term for the distance of means.
"""

import keras
import numpy as np
from keras import ops

from bnkeras.layers.moments import axes_but, replica_context

_WEIGHTS = ("accumulated_steps", "accumulated_count", "accumulated_mean", "accumulated_variance")


def add_weights(layer):
    """Add to a layer the weights that hold what it has pooled since it last updated its moving statistics."""
    dtype = keras.backend.result_type(layer.variable_dtype, "float32")
    for name in _WEIGHTS:
        steps = name == "accumulated_steps"
        variable = keras.Variable(
            "zeros",
            shape=() if steps else layer.moving_mean.shape,
            dtype="int" if steps else dtype,
            trainable=False,
            autocast=False,
            # Each replica pools its own micro-batches, as it would see a batch of its own.
            aggregation="only_first_replica" if steps else "mean",
            synchronization="on_read",
            name=name,
        )
        setattr(layer, name, variable)


def remove_weights(layer):
    """Take these weights from a layer again."""
    for name in _WEIGHTS:
        delattr(layer, name)


def restart(layer, steps=0):
    """Forget what a layer has pooled, `steps` calls after it last updated its moving statistics."""
    for name in _WEIGHTS:
        weight = getattr(layer, name)
        weight.assign(ops.zeros(weight.shape, weight.dtype))
    layer.accumulated_steps.assign(steps)


def pool(layer, mean, variance, x, mask):
    """Add the moments of a micro-batch to what a layer has pooled.

    Args:
        layer: Layer with the weights of `add_weights`, a `group_size`, and `accumulation_steps`.
        mean, variance: Tensors of shape `(channels,)`, the moments of `x`.
        x: Tensor, the micro-batch.
        mask: Optional tensor that broadcasts to `x` without its last axis; only positions where it is true count.

    Returns:
        `(due, mean, variance)`: whether this was the last of the micro-batches of a batch, a scalar, and the moments of
        all of them so far.
    """
    steps, before, pooled_mean, pooled_variance = (getattr(layer, name) for name in _WEIGHTS)
    before, pooled_mean, pooled_variance = (ops.cast(w, mean.dtype) for w in (before, pooled_mean, pooled_variance))
    count = before + _count(layer, x, mask, mean.dtype)
    share = 1 - before / ops.maximum(count, 1)
    between = 0 if layer.group_size else share * (1 - share) * ops.square(mean - pooled_mean)
    mean = pooled_mean + share * (mean - pooled_mean)
    variance = pooled_variance + share * (variance - pooled_variance) + between
    steps = steps + 1
    due = steps >= layer.accumulation_steps
    for name, value in zip(_WEIGHTS, (steps, count, mean, variance), strict=True):
        getattr(layer, name).assign(ops.where(due, ops.zeros_like(value), value))
    return due, mean, variance


def _count(layer, x, mask, dtype):
    """How many values `x` has in each channel, in proportion where they count by groups."""
    shape, axes = ops.shape(x), axes_but(layer.axis, x)
    if mask is not None and not layer.group_size:
        count = ops.sum(ops.broadcast_to(ops.cast(ops.expand_dims(mask, -1), dtype), shape), axes)
        replica = replica_context() if layer.synchronized else None
        return count if replica is None else replica.all_reduce("SUM", count)
    count = ops.ones(x.shape[layer.axis], dtype)
    for i in axes:
        count = count * ops.cast(shape[i], dtype)
    return count


def fitted(layer, store):
    """The weights in a file for a layer, with those of `add_weights` left out or zero where only one of both has them.

    Args:
        layer: The layer, built.
        store: Mapping of `"0"`, `"1"`, ... to arrays, as `save_own_variables` fills it.
    """
    values = [store[str(i)] for i in range(len(store.keys()))]
    weights = [weight for weight in layer.weights if weight.name not in _WEIGHTS]
    extra = [weight for weight in layer.weights if weight.name in _WEIGHTS]
    if len(values) == len(weights):
        values += [np.zeros(weight.shape) for weight in extra]
    elif not extra and len(values) == len(weights) + len(_WEIGHTS) and not values[len(weights)].shape:
        # No other weight is a scalar.
        values = values[: len(weights)]
    return {str(i): value for i, value in enumerate(values)}
