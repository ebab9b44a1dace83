"""Inference with each batch's own statistics."""

import contextlib
import math
import warnings

import keras

from bnkeras.keras_internals import in_xla
from bnkeras.layers import BatchNormLayer
from bnkeras.statistics._calls import replaced, required_batch_norms

_COMPILED = ("train_function", "test_function", "predict_function")
_STEPS = ("train_step", "test_step")
_PROGRAMS = "_bnkeras_programs"


@contextlib.contextmanager
def batch_statistics(model):
    """A context in which `model` infers with the statistics of the batch at hand.

    Inside, every batch normalization layer computes, for `model.predict`, `model.evaluate` and calls of the model,

        y = gamma * (x - mean) / sqrt(variance + epsilon) + beta

    with mean and biased variance of the batch, in place of the moving ones. That holds for `BatchNormLayer` and for
    `keras.layers.BatchNormalization`, frozen or not, in nested models too. Dropout stays off and the moving
    statistics stay as they are, which `model(x, training=True)` would not grant. An output then depends on the other
    examples of its batch.

    What `predict`, `evaluate` and `fit` have compiled is put aside and put back at the end, after an exception too:
    each context compiles for itself, and nothing needs compiling after it. Contexts nest. A `tf.function` or `jax.jit`
    of your own that has called the model before keeps what it was compiled with.

    Args:
        model: a `keras.Model` with batch normalization.

    Yields:
        `model`.

    Raises:
        TypeError: `model` is not a Keras model.
        ValueError: `model` has no batch normalization layer.

    Warns:
        UserWarning: a batch has a single value per channel, so that the output of a layer is its beta.

    Example:

    ```python
    with batch_statistics(model):
        loss, accuracy = model.evaluate(x_test, y_test, batch_size=100)
    ```

    Reference:
        Hajaj & Gillies, *Batch Normalization and the impact of batch structure on the behavior of deep convolution
        networks*, section 2.1.
    """
    layers = required_batch_norms(model)
    models = [layer for layer in model._flatten_layers() if isinstance(layer, keras.Model)]
    with contextlib.ExitStack() as stack:
        for layer in layers:
            stack.enter_context(_by_batch(layer))
        for compiled in models:
            stack.enter_context(_compiled_anew(compiled))
        yield model


@contextlib.contextmanager
def _by_batch(layer):
    """Let one layer use the batch's statistics, except where it is trained."""
    call = layer.call

    def batch_call(inputs, training=None, mask=None):
        if training and layer.trainable:
            return call(inputs, training=True, mask=mask)
        inputs = _warning_of_one(inputs, layer)
        return (call if isinstance(layer, BatchNormLayer) else _twin(layer).call)(inputs, training=False, mask=mask)

    own = {"inference": "batch"} if isinstance(layer, BatchNormLayer) else {}
    with replaced(layer, call=batch_call, **own):
        yield


def _twin(layer):
    """A `BatchNormLayer` with the weights of Keras's layer that infers with the batch's statistics."""
    twin = BatchNormLayer(
        axis=layer.axis,
        epsilon=layer.epsilon,
        center=layer.center,
        scale=layer.scale,
        synchronized=layer.synchronized,
        inference="batch",
        name=layer.name,
        dtype=layer.dtype_policy,
    )
    for name in ("gamma", "beta", "moving_mean", "moving_variance", "input_spec"):
        setattr(twin, name, getattr(layer, name))
    twin.built = True
    return twin


@contextlib.contextmanager
def _compiled_anew(model):
    """Put aside what a model has compiled, and put it back, unless `compile` has made it out of date."""
    own = vars(model)
    loss = own.get("_loss_tracker")
    kept = {name: own.pop(name) for name in (*_COMPILED, *_STEPS, _PROGRAMS) if name in own}
    own.update(dict.fromkeys(_COMPILED))
    # JAX looks compiled programs up by the function: the same test_step would find that of the moving statistics.
    own.update({name: _another(kept.get(name, getattr(model, name))) for name in _STEPS})
    try:
        yield
    finally:
        for name in (*_STEPS, _PROGRAMS):
            own.pop(name, None)
        own.update(kept if own.get("_loss_tracker") is loss else dict.fromkeys(_COMPILED))


def _another(function):
    return lambda *args, **kwargs: function(*args, **kwargs)


def _warning_of_one(x, layer):
    """`x`, with a warning where a batch of TensorFlow's turns out to be of one value per channel when it runs.

    Where the batch size is known beforehand, the layer itself warns.
    """
    others = [n for axis, n in enumerate(x.shape) if axis not in (0, layer.axis % len(x.shape))]
    if x.shape[0] is not None or None in others or math.prod(others) != 1:
        return x
    import tensorflow as tf

    # XLA cannot call back to Python.
    if in_xla():
        return x

    def warn():
        message = (
            f"{layer.name!r} takes its statistics from one value per channel (a batch of one example): the output is "
            "`beta` whatever the input. Use batches of two or more."
        )
        return tf.numpy_function(lambda: (warnings.warn(message, stacklevel=2), True)[1], [], tf.bool)

    check = tf.cond(tf.shape(x)[0] == 1, warn, lambda: tf.constant(True))
    with tf.control_dependencies([check]):
        return tf.identity(x)
