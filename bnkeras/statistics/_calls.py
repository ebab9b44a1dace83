"""Calls of a model that read its current weights and change none."""

import contextlib

import keras

from bnkeras.layers import BatchNormLayer

BATCH_NORMS = (keras.layers.BatchNormalization, BatchNormLayer)


def batch_norms(model):
    """The batch normalization layers of `model`, ours and Keras's, those of nested models included."""
    return [layer for layer in model._flatten_layers() if isinstance(layer, BATCH_NORMS)]


def layer_names(model):
    """The names of the layers of `model`, inputs left out, for messages."""
    layers = model._flatten_layers(include_self=False)
    return [layer.name for layer in layers if not isinstance(layer, keras.layers.InputLayer)]


def required_batch_norms(model):
    """`batch_norms(model)`, of which there must be some.

    Raises:
        TypeError: `model` is not a Keras model.
        ValueError: it has no such layer.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"`model` must be a keras.Model. Received: model={model!r}")
    layers = batch_norms(model)
    if not layers:
        raise ValueError(
            "`model` must have a batch normalization layer, BatchNormLayer or keras.layers.BatchNormalization. "
            f"Received: model {model.name!r} with the layers {layer_names(model)}"
        )
    return layers


@contextlib.contextmanager
def replaced(layer, **attributes):
    """Attributes of one instance replaced for a while, past Keras's tracking; nests."""
    own = vars(layer)
    before = {name: own[name] for name in attributes if name in own}
    own.update(attributes)
    try:
        yield
    finally:
        for name in attributes:
            own.pop(name, None)
        own.update(before)


@contextlib.contextmanager
def training_batch_norm(model):
    """Inside, batch normalization behaves as in training and every other layer as it is told.

    Moving statistics would be updated: for use in a `keras.StatelessScope`, which drops the updates.
    """
    with contextlib.ExitStack() as stack:
        for layer in batch_norms(model):
            stack.enter_context(replaced(layer, call=_in_training(layer.call)))
        yield


def _in_training(call):
    def training_call(inputs, training=None, mask=None):
        return call(inputs, training=True, mask=mask)

    return training_call


def stateless(model, function):
    """Compile a function that calls `model`; it reads the weights of the moment and writes nothing.

    Args:
        model: a built `keras.Model`.
        function: of tensors, or nested structures of them, to tensors.

    Returns:
        The compiled function. It is traced once for each form of its arguments. A model with `run_eagerly=True`, and
        a backend other than TensorFlow or JAX, leave it as it is.
    """

    def run(*args):
        with keras.StatelessScope():
            return function(*args)

    if not getattr(model, "run_eagerly", False):
        if keras.config.backend() == "tensorflow":
            return _tensorflow_function(run)
        if keras.config.backend() == "jax":
            return _jax_function(model, function)
    return run


def _tensorflow_function(run):
    import tensorflow as tf

    return tf.function(run, autograph=False, reduce_retracing=True)


def _jax_function(model, function):
    import jax

    variables = model.variables

    @jax.jit
    def run(values, *args):
        with keras.StatelessScope(list(zip(variables, values, strict=True))):
            return function(*args)

    return lambda *args: run([variable.value for variable in variables], *args)


def build(model, x, name):
    """Hold a batch against the model's inputs, and build a model that has not seen data yet.

    Raises:
        ValueError: an array has another shape than the model's input.
    """
    arrays = keras.tree.flatten(x)
    expected = [tuple(tensor.shape) for tensor in getattr(model, "inputs", None) or ()]
    got = [tuple(array.shape) for array in arrays]
    if expected and (len(got) != len(expected) or not all(map(_fits, got, expected))):
        raise ValueError(f"`{name}` must have the shape of the model's input, {expected}. Received shapes: {got}")
    if not model.built:
        model(keras.tree.map_structure(lambda array: array[:1], x), training=False)


def _fits(shape, expected):
    return len(shape) == len(expected) and all(want in (None, got) for got, want in zip(shape, expected, strict=True))
