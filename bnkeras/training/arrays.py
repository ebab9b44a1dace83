"""Training and validation data as tensors on the device."""

import keras
import numpy as np


def to_tensors(data, what):
    """A structure of arrays as a structure of tensors, and the number of examples.

    Floats of another width become `keras.config.floatx()`, as in `model.fit`; every other type stays as it is. Tensors
    of the backend are taken as they are, without a copy.

    Args:
        data: Nested structure (tuple, list, dict) of arrays; the first axis of each is the examples'.
        what: Name of the argument, for the messages.

    Raises:
        ValueError: There is nothing to train on, or the arrays differ in length.
    """
    tensors = keras.tree.map_structure(_to_tensor, data)
    shapes = [tuple(tensor.shape) for tensor in keras.tree.flatten(tensors)]
    lengths = {shape[0] if shape else None for shape in shapes}
    if len(lengths) != 1 or lengths & {None, 0}:
        raise ValueError(
            f"The arrays in {what} must have the same number of examples along their first axis, at least one. "
            f"Received shapes: {shapes}"
        )
    return tensors, lengths.pop()


def _to_tensor(array):
    if not keras.ops.is_tensor(array):
        array = np.asarray(array)
    dtype = keras.backend.standardize_dtype(array.dtype)
    if "float" in dtype and dtype != keras.config.floatx():
        return keras.ops.convert_to_tensor(array, dtype=keras.config.floatx())
    return keras.ops.convert_to_tensor(array)


def training_data(x, y, sample_weight):
    """`(x, y, sample_weight)` as tensors in Keras's packed form, and the number of examples."""
    return to_tensors(keras.utils.pack_x_y_sample_weight(x, y, sample_weight), "`x`, `y` and `sample_weight`")


def validation_tensors(validation_data, batch_size):
    """Validation tensors and the batch size to evaluate them with, or `None` where there are none."""
    if validation_data is None:
        return None
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(validation_data)
    packed = keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
    tensors, n = to_tensors(packed, "`validation_data`")
    return tensors, n, min(n, batch_size or _large_batch(n))


def _large_batch(n, largest=512):
    """The largest divisor of `n` up to `largest` if it is not small: it spares compiling a smaller last batch."""
    divisor = max(size for size in range(1, min(n, largest) + 1) if n % size == 0)
    return divisor if divisor >= largest // 4 else largest
