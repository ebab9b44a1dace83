"""Every private name of Keras and TensorFlow that the package uses, each behind a function that says what it is for.

There is no public name for any of them. `tests/test_keras_internals.py` holds each against the installed releases, and
`pyproject.toml` allows only releases that passed.
"""

import keras


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


def in_xla():
    """Return whether TensorFlow is tracing a function for XLA; `False` on any other backend.

    XLA fuses separate operations itself and cannot call back to Python, so code for TensorFlow differs there.
    """
    if keras.config.backend() != "tensorflow":
        return False
    import tensorflow as tf
    from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

    return not tf.executing_eagerly() and GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())
