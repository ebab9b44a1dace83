"""Every private name of Keras and TensorFlow that the package uses, each behind a function that says what it is for.

There is no public name for any of them. `tests/test_keras_internals.py` holds each against the installed releases, and
`pyproject.toml` allows only releases that passed.
"""

import contextlib
import inspect
import sys

import keras

_WEIGHT_FILES = ("keras.src.saving.saving_lib", "keras.src.saving.file_editor")


def layers_of(model):
    """Return all layers of a `keras.Model`, those inside of other layers included, without the model itself.

    `keras.Model.layers` ends at the first level, and other layers have no such attribute.
    """
    return model._flatten_layers(include_self=False)


def resumed_epoch(model):
    """Return the epoch at which `keras.callbacks.BackupAndRestore` resumes training, or `None` without a backup.

    The callback leaves it with the model when training begins, and `model.fit` reads it there.
    """
    return model._initial_epoch


def optimized_variables(model):
    """Return the variables that the optimizer of a model was built for, or `None` where it has not been.

    Its public list has the optimizer's own variables instead.
    """
    optimizer = model.optimizer if model.compiled else None
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    return list(optimizer._trainable_variables) if getattr(optimizer, "built", False) else None


def outermost_layer():
    """Return the layer or model whose call is under way in this thread, of several the outermost; `None` without one.

    A layer has no way to tell which model calls it. On JAX Keras's trainer calls a model in a way that Keras does not
    note, through `stateless_call`, which is looked for among the callers.
    """
    from keras.src.backend.common.global_state import get_global_attribute

    layer, frame = getattr(get_global_attribute("current_call_ctx"), "entry_layer", None), sys._getframe(1)
    while frame and keras.config.backend() == "jax":
        if frame.f_code is inspect.unwrap(keras.Layer.stateless_call).__code__:
            layer = frame.f_locals["self"]
        frame = frame.f_back
    return layer


def in_weight_files():
    """Return whether the caller of the calling function is Keras, about to read, write or edit a file of weights.

    Keras finds a layer's weights by the name of its class, and has no hook for another one.
    """
    return sys._getframe(2).f_globals.get("__name__") in _WEIGHT_FILES


def in_xla():
    """Return whether TensorFlow is tracing a function for XLA; `False` on any other backend.

    XLA fuses separate operations itself and cannot call back to Python, so code for TensorFlow differs there.
    """
    if keras.config.backend() != "tensorflow":
        return False
    import tensorflow as tf
    from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

    return not tf.executing_eagerly() and GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


@contextlib.contextmanager
def unlocked(layer):
    """A context in which a layer that is built can be given further weights."""
    layer._tracker.unlock()
    try:
        yield
    finally:
        layer._tracker.lock()


def micro_steps(optimizer):
    """Return how many micro-batches an optimizer has been given the gradients of.

    `optimizer.iterations` counts the batches that they make up.
    """
    return optimizer._iterations
