"""Arguments of `fit`: checked before any work is done, and the data as tensors on the device."""

import math
import numbers

import keras
import numpy as np
from keras import ops

from bnkeras.arguments import check_model, count_examples, in_batches, to_tensor
from bnkeras.training.dtypes import warn_of_emulation


def check_trainable(model, augment, jit):
    """Raise `TypeError` or `ValueError` unless `fit` can train the model on this backend; warn of slow bfloat16."""
    backend = keras.config.backend()
    check_model(model)
    if not model.compiled:
        raise ValueError(f"Call `model.compile()` before training. Received: model={model.name!r}, not compiled")
    for name in ("make_train_function", "make_test_function"):
        if getattr(getattr(model, name), "__func__", None) is not getattr(keras.Model, name):
            raise ValueError(
                f"`fit` compiles the steps itself; use `model.fit`. Received: a model with its own `{name}`"
            )
    if model.run_eagerly:
        raise ValueError("`fit` trains a model as one compiled program. Received: a model with run_eagerly=True")
    if backend not in ("tensorflow", "jax"):
        raise ValueError(f"`fit` needs the TensorFlow or JAX backend. Received: backend={backend!r}")
    if _is_distributed(model):
        raise ValueError(f"Train a model over several devices with `model.fit`. Received: model={model.name!r}")
    if jit not in ("auto", True, False) or (backend == "jax" and jit is False):
        raise ValueError(f"`jit` must be 'auto', True or (with TensorFlow) False. Received: jit={jit!r}")
    if augment is not None and (isinstance(augment, keras.Layer) or not callable(augment)):
        raise ValueError(
            "`augment` must be a function of (x, generator); a layer that draws random numbers belongs in the model. "
            f"Received: augment={augment!r}"
        )
    warn_of_emulation(model)


def check_logs(model, logs):
    """Raise `ValueError` unless a step of `model` reports something."""
    if not logs:
        received = f"metrics={model.metrics!r} of model {model.name!r}"
        raise ValueError(f"A step of the model must return logs; `metrics` must not hide Keras's. Received: {received}")


def _is_distributed(model):
    if keras.distribution.distribution() is not None:
        return True
    if keras.config.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return tf.distribute.has_strategy() or model.distribute_strategy is not tf.distribute.get_strategy()


def validation_tensors(validation_data, batch_size):
    """Return the tensors of `(x, y)` or `(x, y, sample_weight)`, the number of examples and the batch size for them."""
    if not isinstance(validation_data, tuple) or len(validation_data) not in (2, 3):
        received = f"validation_data of type {type(validation_data).__name__}"
        raise ValueError(f"`validation_data` must be a tuple (x, y) or (x, y, sample_weight). Received: {received}")
    data, n = packed_tensors(*keras.utils.unpack_x_y_sample_weight(validation_data), "`validation_data`")
    return data, n, min(n, batch_size or _large_batch(n))


def split_off(arrays, share):
    """Return the first examples of `(x, y, sample_weight)`, and the last ones, a share of all, for validation.

    Raises:
        ValueError: If `share` is not a number from 0 up to 1, or leaves either without an example.
    """
    if not isinstance(share, numbers.Real) or not 0 <= share < 1:
        raise ValueError(f"`validation_split` must be at least 0 and less than 1. Received: validation_split={share!r}")
    check_whole(*arrays)
    arrays = [None if part is None else keras.tree.map_structure(_array, part) for part in arrays]
    n = count_examples([part for part in arrays if part is not None], "`x`, `y` and `sample_weight`")
    at = math.floor(n * (1 - share))
    if not 0 < at < n:
        received = f"validation_split={share!r} of {n} examples"
        raise ValueError(f"`validation_split` must leave an example for either part. Received: {received}")

    def cut(of):
        return tuple(None if part is None else keras.tree.map_structure(lambda t: t[of], part) for part in arrays)

    return cut(slice(at)), cut(slice(at, n))


def _array(array):
    return array if ops.is_tensor(array) else np.asarray(array)


def weights_of_classes(y, sample_weight, class_weight):
    """Return the weight of each example by its class, as `model.fit` gives it: 1 for a class that is not named.

    Raises:
        ValueError: If `class_weight` is not a dict of weights by class, `y` is not one array of classes or one-hot
            rows, or there is a `sample_weight`.
    """
    if not isinstance(class_weight, dict):
        raise ValueError(f"`class_weight` must be a dict of weights by class. Received: class_weight={class_weight!r}")
    if sample_weight is not None:
        raise ValueError("`class_weight` and `sample_weight` exclude each other. Received: both")
    if y is None or keras.tree.is_nested(y):
        raise ValueError(f"`class_weight` needs `y` as one array. Received: y of type {type(y).__name__}")
    classes = np.asarray(ops.convert_to_numpy(y) if ops.is_tensor(y) else y)
    if classes.ndim > 1:
        classes = classes.argmax(-1) if classes.shape[-1] > 1 else classes[..., 0]
    found, place = np.unique(np.round(classes).astype("int64"), return_inverse=True)
    weights = np.array([class_weight.get(int(one), 1.0) for one in found], keras.config.floatx())
    return weights[place].reshape(classes.shape)


def check_whole(*data):
    """Raise `ValueError` unless data are dense arrays, and do not come in batches."""
    for array in keras.tree.flatten(data):
        if in_batches(array) or any(hasattr(array, name) for name in ("tocsr", "dense_shape", "todense", "row_splits")):
            raise ValueError(
                "`x` and `y` must be dense arrays or tensors, which `fit` loads onto the device as a whole. Train on "
                f"batches that something else makes, and on sparse data, with `model.fit`. Received: {type(array)}"
            )


def packed_tensors(x, y, sample_weight, what="`x`, `y` and `sample_weight`"):
    """Return the tensors of `x`, `y` and `sample_weight`, packed for `train_step`, and the number of examples."""
    check_whole(x, y, sample_weight)
    if sample_weight is not None and keras.tree.is_nested(y) and not keras.tree.is_nested(sample_weight):
        sample_weight = keras.tree.map_structure(lambda _: sample_weight, y)
    data = keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
    data = keras.tree.map_structure(lambda array: to_tensor(array, what), data)
    return data, count_examples(data, what)


def _large_batch(n):
    """The largest divisor of `n` up to 512 where it is not small, as that spares compiling a remainder."""
    divisor = max(size for size in range(1, min(n, 512) + 1) if n % size == 0)
    return divisor if divisor >= 128 else min(n, 512)
