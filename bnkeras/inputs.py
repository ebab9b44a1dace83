"""The data that Keras takes, arrays and batches of several kinds, in one form: batches of inputs."""

import itertools
import math
from collections.abc import Iterator

import keras
import numpy as np

from bnkeras.arguments import check_integers, count_examples, in_batches, to_tensor


class Batches:
    """The batches of arrays, a `tf.data.Dataset`, a `keras.utils.PyDataset` or a generator, which is read `once`.

    Arguments are those of `estimate_population_statistics`.
    """

    def __init__(self, x, batch_size=None, steps=None):
        check_integers(1, optional=True, batch_size=batch_size, steps=steps)
        self.once = isinstance(x, Iterator)
        comes_in_batches = in_batches(x)
        if comes_in_batches and batch_size is not None:
            raise ValueError(f"`batch_size` is for arrays; `x` comes in batches. Received: batch_size={batch_size}")
        self._open, length = opened(x, steps) if comes_in_batches else _arrays(x, batch_size or 32)
        self._total = length if steps is None else steps
        if length is not None and self._total > length:
            raise self._too_short(length)
        self._first = []

    def first(self):
        """Return the inputs of the first batch as tensors; it still counts in `read`."""
        if not self._first:
            self._first = list(itertools.islice(self._open(), 1))
        if not self._first:
            raise self._too_short(0)
        return _inputs(self._first[0])

    def read(self, progress=False, description=None):
        """Iterate over the inputs of the batches as tensors; at the end, raise where there were too few."""
        from tqdm.auto import tqdm

        batches = itertools.chain(self._first, self._open()) if self.once else self._open()
        done = 0
        with tqdm(total=self._total, desc=description, unit="batch", delay=2, leave=False, disable=not progress) as bar:
            for batch in itertools.islice(batches, self._total):
                yield _inputs(batch)
                done += 1
                bar.update()
        if done < (self._total or 1):
            raise self._too_short(done)

    def _too_short(self, available):
        return ValueError(f"`x` must have at least {self._total or 1} batches. Received: {available} batches")


def opened(x, steps):
    """Return a function that opens an iterator over batches, and their number: `None` if unknown, else up to infinite.

    Without an end of them, and without `steps`, it raises `ValueError`.
    """
    begin, length = _opened(x)
    if steps is None and length == math.inf:
        raise ValueError("`steps` must say how many batches to use of a generator or of endless data.")
    return begin, length


def _opened(x):
    if isinstance(x, Iterator):
        return lambda: x, math.inf
    if hasattr(x, "element_spec"):
        return lambda: iter(x), {-1: math.inf, -2: None}.get(int(x.cardinality()), int(x.cardinality()))
    length = math.inf if x.num_batches is None else x.num_batches
    return lambda: map(x.__getitem__, itertools.count() if length == math.inf else range(length)), length


def arrays_of_numbers(x):
    """Return nested arrays of numbers as NumPy's, else raise `TypeError`."""
    arrays = keras.tree.map_structure(np.asarray, x)
    if any(array.dtype.kind not in "biuf" for array in keras.tree.flatten(arrays)):
        raise TypeError(f"`x` must be arrays of numbers, or batches of them. Received: x of type {type(x).__name__}")
    return arrays


def _arrays(x, size):
    """As `opened`, for arrays of examples, `size` of them to a batch."""
    arrays = arrays_of_numbers(x)
    starts = range(0, count_examples(arrays, "`x`"), size)

    def batches():
        for start in starts:
            yield (keras.tree.map_structure(lambda array, at=slice(start, start + size): array[at], arrays),)

    return batches, len(starts)


def _inputs(batch):
    x, _, _ = keras.utils.unpack_x_y_sample_weight(batch)
    return keras.tree.map_structure(lambda array: to_tensor(array, "`x`"), x)
