"""Training and validation data as tensors on the device."""

import keras
import numpy as np


def training_tensors(x, y, sample_weight):
    """`x`, `y` and `sample_weight` as tensors, packed as `train_step` expects them, and the number of examples."""
    return _to_tensors(x, y, sample_weight, "`x`, `y` and `sample_weight`")


def validation_tensors(validation_data, batch_size):
    """The tensors of `(x, y)` or `(x, y, sample_weight)`, the number of examples and the batch size to evaluate."""
    if not isinstance(validation_data, tuple) or len(validation_data) not in (2, 3):
        raise ValueError(
            "`validation_data` must be a tuple (x, y) or (x, y, sample_weight). Received: an object of type "
            f"{type(validation_data)}"
        )
    data, n = _to_tensors(*keras.utils.unpack_x_y_sample_weight(validation_data), "`validation_data`")
    return data, n, min(n, batch_size or _large_batch(n))


def _to_tensors(x, y, sample_weight, what):
    if sample_weight is not None and keras.tree.is_nested(y) and not keras.tree.is_nested(sample_weight):
        sample_weight = keras.tree.map_structure(lambda _: sample_weight, y)
    data = keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
    data = keras.tree.map_structure(_to_tensor, data)
    shapes = [tuple(tensor.shape) for tensor in keras.tree.flatten(data)]
    lengths = {shape[0] if shape else None for shape in shapes}
    if len(lengths) != 1 or lengths & {None, 0}:
        raise ValueError(
            f"The arrays in {what} must hold the same number of examples, at least one, along their first axis. "
            f"Received shapes: {shapes}"
        )
    return data, lengths.pop()


def _to_tensor(array):
    if not keras.ops.is_tensor(array):
        array = np.asarray(array)
        if array.dtype.kind not in "biufcV":
            raise ValueError(f"Training data must be arrays of numbers. Received: dtype {array.dtype}")
    dtype = keras.backend.standardize_dtype(array.dtype)
    if "float" in dtype and dtype != keras.config.floatx():
        return keras.ops.cast(array, keras.config.floatx())
    return keras.ops.convert_to_tensor(array)


def _large_batch(n, largest=512):
    """The largest divisor of `n` up to `largest` where it is not small, as that spares compiling a remainder."""
    divisor = max(size for size in range(1, min(n, largest) + 1) if n % size == 0)
    return divisor if divisor >= largest // 4 else min(n, largest)
