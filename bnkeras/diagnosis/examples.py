"""The batches that a diagnosis looks at: in the order given, as evaluation sees them, and mixed, as training does."""

import itertools

import keras
import numpy as np

from bnkeras.arguments import check_integers, count_examples, in_batches, to_tensor
from bnkeras.inputs import arrays_of_numbers, opened


class Examples:
    """Batches `(x, y, sample_weight)` of tensors, of arrays or of what comes in batches.

    Attributes:
        mixed: Function that iterates over batches as in training: shuffled, where the data are arrays.
        given: The same in the order of the data, or `None` where the data come in batches.
        count: Integer, how many examples there are in all.
        batch_size: Integer, examples in the first batch.

    Args:
        x, y, batch_size, steps, seed: Those of `diagnose`.
    """

    def __init__(self, x, y=None, batch_size=None, steps=None, seed=0):
        check_integers(1, optional=True, batch_size=batch_size, steps=steps)
        check_integers(0, seed=seed)
        if in_batches(x):
            self._read_batches(x, y, batch_size, steps)
        else:
            self._cut_arrays(x, y, batch_size or 32, steps, seed)
        first = next(iter(self.mixed()))
        self.batch_size = count_examples(first[0], "`x`")

    def _cut_arrays(self, x, y, size, steps, seed):
        data = (arrays_of_numbers(x),)
        if y is not None:
            data += (keras.tree.map_structure(np.asarray, y),)
        n = count_examples(data, "`x` and `y`")
        size = min(size, n)
        random = np.random.default_rng(seed)
        order = random.permutation(n)[: size * min(n // size, steps or n)]
        orders = order.reshape(-1, size), np.sort(order).reshape(-1, size)
        self.count = len(order)
        self.mixed, self.given = (lambda rows=rows: (_taken(data, row) for row in rows) for rows in orders)

    def _read_batches(self, x, y, batch_size, steps):
        if y is not None or batch_size is not None:
            received = f"y={'an array' if y is not None else None}, batch_size={batch_size}"
            raise ValueError(f"`y` and `batch_size` are for arrays; `x` comes in batches. Received: {received}")
        begin, _ = opened(x, steps)
        kept = [_tensors(keras.utils.unpack_x_y_sample_weight(batch)) for batch in itertools.islice(begin(), steps)]
        if len(kept) < (steps or 1):
            raise ValueError(f"`x` must have at least {steps or 1} batches. Received: {len(kept)} batches")
        self.count = sum(count_examples(batch[0], "`x`") for batch in kept)
        self.mixed, self.given = lambda: iter(kept), None


def _taken(data, rows):
    x, *y = keras.tree.map_structure(lambda array: array[rows], data)
    return _tensors((x, y[0] if y else None, None))


def _tensors(batch):
    return tuple(
        None if part is None else keras.tree.map_structure(lambda a, name=name: to_tensor(a, name), part)
        for part, name in zip(batch, ("`x`", "`y`", "`sample_weight`"), strict=True)
    )
