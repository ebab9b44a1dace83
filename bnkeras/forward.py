"""Forward passes that read the current weights of a model and change none, with some of its layers overridden."""

import contextlib
import threading

import keras

from bnkeras.arguments import check_model
from bnkeras.keras_internals import layers_of
from bnkeras.layers import BatchNormLayer

BATCH_NORMS = BatchNormLayer, keras.layers.BatchNormalization
_LOCK = threading.RLock()
_ABSENT = object()
# For each attribute that is overridden, by the contexts open at the time, in order, what it was before each.
_BEFORE = {}


def layer_names(model):
    """Return the names of the layers of `model`, inputs left out, for messages."""
    return [layer.name for layer in layers_of(model) if not isinstance(layer, keras.layers.InputLayer)]


def batch_norms(model, required=False):
    """Return the batch normalization layers of `model`, ours and Keras's, those of nested models included.

    Raises:
        ValueError: If one is required and there is none.
    """
    check_model(model)
    layers = [layer for layer in layers_of(model) if isinstance(layer, BATCH_NORMS)]
    if required and not layers:
        raise ValueError(
            "`model` must have a batch normalization layer, BatchNormLayer or keras.layers.BatchNormalization. "
            f"Received: model={model.name!r} with the layers {layer_names(model)}"
        )
    return layers


def chosen_batch_norms(model, layers, required=True):
    """Return a list of batch normalization layers of `model`: all where `layers` is `None`.

    Raises:
        ValueError: If `layers` is no such list, or one is required and there is none.
    """
    known = batch_norms(model, required)
    if layers is None:
        return known
    single = isinstance(layers, (keras.Layer, str))
    chosen = [] if single else list(layers)
    wrong = [layer for layer in chosen if not any(layer is one for one in known)]
    if single or wrong or (required and not chosen):
        received = f"layers={wrong or layers!r}"
        raise ValueError(f"`layers` must be a list of batch normalization layers of the model. Received: {received}")
    return chosen


def check_built(model):
    """Raise `ValueError` unless a model and its batch normalization layers have their weights."""
    unbuilt = [layer.name for layer in batch_norms(model) if not layer.built] or [model.name] * (not model.built)
    if unbuilt:
        raise ValueError(
            f"`model` must be built: call it on a batch. Received: model={model.name!r}, not built: {unbuilt}"
        )


def models_of(model):
    """Return `model` and the models inside of it."""
    return [model, *(layer for layer in layers_of(model) if isinstance(layer, keras.Model))]


@contextlib.contextmanager
def overridden(objects, **replacements):
    """A context in which attributes of some layers or models have other values.

    Contexts nest, and those of several threads may overlap: once all are left, every attribute is as it was.

    What is set is the attribute of the instance, which Keras finds before that of the class. It is set past Keras's
    tracking, which would refuse to put a layer back that serves as an activation.

    Args:
        objects: List of layers or models.
        **replacements: For each attribute, a function of an object and its value there to the value inside.
    """
    context = object()
    with _LOCK:
        for one in objects:
            inside = {name: replace(one, getattr(one, name, None)) for name, replace in replacements.items()}
            for name in inside:
                _BEFORE.setdefault((id(one), name), {})[context] = vars(one).get(name, _ABSENT)
            vars(one).update(inside)
    try:
        yield
    finally:
        with _LOCK:
            for one in objects:
                for name in replacements:
                    _restore(one, name, context)


def _restore(one, name, context):
    """Leave a context: put back what was there before, or leave that to the context entered next, if it is open."""
    befores = _BEFORE[id(one), name]
    later = list(befores)[list(befores).index(context) + 1 :]
    before = befores.pop(context)
    if later:
        befores[later[0]] = before
    elif before is _ABSENT:
        vars(one).pop(name, None)
    else:
        vars(one)[name] = before
    if not befores:
        del _BEFORE[id(one), name]


def stateless(model, function, scope=keras.StatelessScope):
    """Compile a function that calls `model`; it reads the current weights and writes nothing.

    Args:
        model: A built `keras.Model`.
        function: Function of tensors, or nested structures of them, to tensors.
        scope: Function of pairs of variables and values to the `keras.StatelessScope` that `function` runs in.
            Defaults to the class itself.

    Returns:
        The compiled function. It is traced once for each form of its arguments. A model with `run_eagerly=True`, and
        a backend other than TensorFlow or JAX, leave it uncompiled.
    """

    def run(*args):
        with scope(()):
            return function(*args)

    if model.run_eagerly:
        return run
    if keras.config.backend() == "jax":
        return _compiled_by_jax(model, function, scope)
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(run, autograph=False, reduce_retracing=True)
    return run


def _compiled_by_jax(model, function, scope):
    import jax

    variables = model.variables

    @jax.jit
    def run(values, *args):
        with scope(list(zip(variables, values, strict=True))):
            return function(*args)

    return lambda *args: run([variable.value for variable in variables], *args)


def build_symbolically(model, x):
    """Build a model that has not seen data yet for examples like those of `x`, in batches of any size."""
    if not model.built:
        model(keras.tree.map_structure(lambda t: keras.KerasTensor((None, *t.shape[1:]), t.dtype), x), training=False)


def build(model, x, name):
    """Check that a batch fits the model's inputs, whatever its size, and build a model that has not seen data yet.

    Raises:
        ValueError: If an array has another shape than the model's input.
    """
    expected = [(None, *tensor.shape[1:]) for tensor in getattr(model, "inputs", None) or ()]
    received = [tuple(array.shape) for array in keras.tree.flatten(x)]
    if expected and (len(received) != len(expected) or not all(map(_fits, received, expected))):
        raise ValueError(
            f"`{name}` must have the shape of the model's input, {expected}. Received: {name} of shapes {received}"
        )
    build_symbolically(model, x)


def _fits(shape, expected):
    return len(shape) == len(expected) and all(want in (None, got) for got, want in zip(shape, expected, strict=True))
