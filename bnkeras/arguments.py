"""Arguments that several tools take: models, integers, choices, arrays of examples."""

import numbers
from collections.abc import Iterator

import keras
import numpy as np
from keras import ops


def check_integers(least, optional=False, **arguments):
    """Raise `ValueError` unless arguments are integers of at least `least`, or `None` where they are optional."""
    for name, value in arguments.items():
        fits = isinstance(value, numbers.Integral) and not isinstance(value, bool) and value >= least
        if not fits and not (optional and value is None):
            expected = f"an integer of at least {least}" + (" or `None`" if optional else "")
            raise ValueError(f"`{name}` must be {expected}. Received: {name}={value!r}")


def check_choice(choices, **arguments):
    """Raise `ValueError` unless arguments are among `choices`."""
    for name, value in arguments.items():
        if value not in list(choices):
            raise ValueError(f"`{name}` must be one of {list(choices)}. Received: {name}={value!r}")


def check_model(model):
    """Raise `TypeError` unless `model` is a Keras model."""
    if not isinstance(model, keras.Model):
        raise TypeError(f"`model` must be a keras.Model. Received: model={model!r} of type {type(model).__name__}")


def in_batches(x):
    """Return whether `x` comes in batches: an iterator, a `keras.utils.PyDataset` or a `tf.data.Dataset`."""
    return isinstance(x, (Iterator, keras.utils.PyDataset)) or hasattr(x, "element_spec")


def count_examples(data, what):
    """Return how many examples nested arrays or tensors hold, at least one and as many in each, else `ValueError`.

    `what` names them in the message.
    """
    shapes = [tuple(array.shape) for array in keras.tree.flatten(data)]
    lengths = {shape[0] if shape else 0 for shape in shapes}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(f"{what} must hold at least one example, as many in each array. Received: shapes={shapes}")
    return lengths.pop()


def to_tensor(array, what):
    """Return an array of numbers as a tensor, floats as `keras.config.floatx()`; `what` names it in a `ValueError`."""
    if not ops.is_tensor(array):
        array = np.asarray(array)
        if array.dtype.kind not in "biufcV":
            raise ValueError(f"{what} must hold numbers. Received: dtype={array.dtype}")
    is_float = "float" in keras.backend.standardize_dtype(array.dtype)
    return ops.convert_to_tensor(array, dtype=keras.config.floatx() if is_float else None)
