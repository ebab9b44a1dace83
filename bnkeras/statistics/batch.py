"""Inference with each batch's own statistics."""

import contextlib
import math
import warnings
import weakref
from functools import partial

import keras

from bnkeras.compiled import forget, recompiled
from bnkeras.forward import batch_norms, models_of, overridden
from bnkeras.keras_internals import in_xla, outermost_layer
from bnkeras.layers import BatchNormLayer


@contextlib.contextmanager
def batch_statistics(model):
    """A context in which `model` infers with the statistics of each batch.

    Inside, every batch normalization layer computes, for `model.predict`, `model.evaluate` and calls of the model,

        y = gamma * (x - mean) / sqrt(variance + epsilon) + beta

    with mean and biased variance of the batch, in place of the moving ones. That holds for `BatchNormLayer` and for
    `keras.layers.BatchNormalization`, frozen or not, in nested models and in other models that share them too. Dropout
    stays off and the moving statistics stay as they are, unlike with `model(x, training=True)`. An output then depends
    on the other examples of its batch. What is saved inside infers with the moving statistics, as ever; `model.export`
    is refused.

    What `predict`, `evaluate` and `fit` have compiled is put aside and put back at the end, after an exception too:
    each context compiles for itself, and nothing needs compiling after it, save another model of shared layers that
    was called inside. Contexts nest, and those of several threads may overlap; until the last one is left, the model is
    in this mode for every thread. A `tf.function` or `jax.jit` of your own that has called the model before keeps what
    it was compiled with.

    Args:
        model: A `keras.Model` with batch normalization.

    Yields:
        `model`.

    Raises:
        TypeError: If `model` is not a Keras model.
        ValueError: If `model` has no batch normalization layer.

    Warns:
        UserWarning: If a batch has a single value per channel, so that the output of a layer is its beta.

    Example:

    ```python
    with batch_statistics(model):
        loss, accuracy = model.evaluate(x_test, y_test, batch_size=100)
    ```

    Reference:
        Hajaj & Gillies, *Batch Normalization and the impact of batch structure on the behavior of deep convolution
        networks*, section 2.1.
    """
    layers = batch_norms(model, required=True)
    ours = [layer for layer in layers if isinstance(layer, BatchNormLayer)]
    models = models_of(model)
    callers = weakref.WeakSet()
    to_batch = overridden(ours, _own_statistics=lambda layer, old: True)
    try:
        by_batch = overridden(layers, call=partial(_by_batch, callers))
        with to_batch, by_batch, overridden(models, export=_refusing), recompiled(models):
            yield model
    finally:
        forget([caller for caller in callers if not any(caller is known for known in models)])


def _refusing(model, export):
    """Stands in for `model.export`, which writes down what layers compute at the time."""

    def refuse(*args, **kwargs):
        raise ValueError(
            "`batch_statistics` ends with its context and cannot be exported. Export after it, or a model of "
            f'BatchNormLayer(inference="batch"), which keeps to batches. Received: model={model.name!r}'
        )

    return refuse


def _by_batch(callers, layer, call):
    """The call of a layer, with the batch's statistics except where it is trained; notes the models that call it."""
    infer = call if isinstance(layer, BatchNormLayer) else _twin(layer).call

    def batch_call(inputs, training=None, mask=None):
        caller = outermost_layer()
        if isinstance(caller, keras.Model):
            callers.add(caller)
        if training and layer.trainable:
            return call(inputs, training=True, mask=mask)
        return infer(_warned_of_one(inputs, layer), training=False, mask=mask)

    return batch_call


def _twin(layer):
    """A `BatchNormLayer` with the weights of Keras's layer that infers with the batch's statistics."""
    names = ("axis", "epsilon", "center", "scale", "synchronized", "name")
    arguments = {name: getattr(layer, name) for name in names}
    twin = BatchNormLayer(inference="batch", dtype=layer.dtype_policy, **arguments)
    for name in ("gamma", "beta", "moving_mean", "moving_variance", "input_spec"):
        setattr(twin, name, getattr(layer, name))
    twin.built = True
    return twin


def _warned_of_one(x, layer):
    """`x`, with a warning where a batch of TensorFlow's turns out to be of one value per channel when it runs.

    Where the batch size is known beforehand, the layer itself warns. XLA cannot call back to Python.
    """
    others = [n for axis, n in enumerate(x.shape) if axis not in (0, layer.axis % len(x.shape))]
    if x.shape[0] is not None or None in others or math.prod(others) != 1 or in_xla():
        return x
    import tensorflow as tf

    message = (
        f"{layer.name!r} takes its statistics from one value per channel (a batch of one example): the output is "
        "`beta` whatever the input. Use batches of two or more."
    )
    warn = partial(tf.numpy_function, lambda: warnings.warn(message, stacklevel=2) is None, [], tf.bool)
    check = tf.cond(tf.shape(x)[0] == 1, warn, lambda: tf.constant(True))
    with tf.control_dependencies([check]):
        return tf.identity(x)
