"""One form for the data that Keras takes: batches of inputs."""

import itertools
import math
import numbers
from collections.abc import Iterator

import keras
import numpy as np
from keras import ops


class Batches:
    """The batches of arrays, a `tf.data.Dataset`, a `keras.utils.PyDataset` or a generator.

    Args:
        x: the data.
        batch_size: examples per batch of arrays; default: 32.
        steps: number of batches; default: all.

    Attributes:
        once: whether the data can be read only once.
    """

    def __init__(self, x, batch_size=None, steps=None):
        for name, value in (("batch_size", batch_size), ("steps", steps)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1):
                raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")
        self.once = isinstance(x, Iterator)
        in_batches = self.once or isinstance(x, keras.utils.PyDataset) or hasattr(x, "element_spec")
        if in_batches and batch_size is not None:
            raise ValueError(f"`batch_size` is for arrays; `x` comes in batches. Received: batch_size={batch_size}")
        self._open, length = _in_batches(x) if in_batches else _arrays(x, batch_size or 32)
        if steps is None and length == math.inf:
            raise ValueError("`steps` must say how many batches to use of a generator or of endless data.")
        self._total = length if steps is None else steps
        if length is not None and not 0 < self._total <= length:
            raise self._too_short(length)
        self._peeked = []

    def first(self):
        """The first batch; it still counts in `read`."""
        if not self._peeked:
            self._peeked = [batch for _, batch in zip(range(1), self._open(), strict=False)]
        if not self._peeked:
            raise self._too_short(0)
        return _tensors(self._peeked[0])

    def read(self, progress=False, description=None):
        """Iterate over the batches as tensors.

        Raises:
            ValueError: there are fewer than `steps`, or none.
        """
        from tqdm.auto import tqdm

        batches = itertools.chain(self._peeked, self._open()) if self.once else self._open()
        done = 0
        with tqdm(total=self._total, desc=description, unit="batch", delay=2, leave=False, disable=not progress) as bar:
            for batch in itertools.islice(batches, self._total):
                yield _tensors(batch)
                done += 1
                bar.update()
        if done < (self._total or 1):
            raise self._too_short(done)

    def _too_short(self, available):
        wanted = "at least one batch" if self._total in (0, None) else f"{self._total} batches"
        return ValueError(f"`x` must have {wanted}. Received: {available} batches")


def _in_batches(x):
    """A function that opens an iterator over the batches, and their number: `None` if unknown, else up to infinite."""
    if isinstance(x, Iterator):
        return lambda: x, math.inf
    if hasattr(x, "element_spec"):
        return lambda: iter(x), {-1: math.inf, -2: None}.get(int(x.cardinality()), int(x.cardinality()))
    if x.num_batches is None:
        return lambda: map(x.__getitem__, itertools.count()), math.inf
    return lambda: map(x.__getitem__, range(x.num_batches)), x.num_batches


def _arrays(x, size):
    arrays = keras.tree.map_structure(np.asarray, x)
    flat = keras.tree.flatten(arrays)
    lengths = {array.shape[0] if array.ndim else None for array in flat}
    if any(array.dtype.kind not in "biuf" for array in flat):
        raise TypeError(f"`x` must be arrays of numbers, or batches of them. Received: {type(x).__name__}")
    if len(lengths) != 1 or None in lengths:
        raise ValueError(f"The arrays in `x` must be of one length. Received shapes: {[array.shape for array in flat]}")
    n = lengths.pop()

    def batch(start):
        return keras.tree.map_structure(lambda array: array[start : start + size], arrays)

    return lambda: ((batch(start),) for start in range(0, n, size)), math.ceil(n / size)


def _tensors(batch):
    """The inputs of a batch as tensors, floats in Keras's own width."""
    return keras.tree.map_structure(_tensor, keras.utils.unpack_x_y_sample_weight(batch)[0])


def _tensor(array):
    is_float = "float" in keras.backend.standardize_dtype(array.dtype)
    return ops.convert_to_tensor(np.asarray(array), dtype=keras.config.floatx() if is_float else None)
