"""Balanced batches for plain `model.fit`."""

import keras
import numpy as np

from bnkeras.batches.balanced import balanced_batches


class BalancedDataset(keras.utils.PyDataset):
    """The batches of `balanced_batches` for `model.fit`, shuffled anew in every epoch.

    Args:
        x: Array, or nested structure of arrays, with the examples along the first axis.
        y: Integer labels of shape `(examples,)`.
        per_class: Integer, examples of each class in a group. Defaults to `1`.
        groups: Integer, groups in a batch. Defaults to `1`.
        seed: Integer of at least 0. Defaults to `0`.
        **kwargs: Arguments of `keras.utils.PyDataset`, such as `workers`.

    Raises:
        ValueError: As `balanced_batches`, and if `x` and `y` differ in length.

    Example:

    >>> model.fit(BalancedDataset(x_train, y_train, seed=3), epochs=10)
    """

    def __init__(self, x, y, per_class=1, groups=1, seed=0, **kwargs):
        super().__init__(**kwargs)
        self._x, self._y = keras.tree.map_structure(np.asarray, x), np.asarray(y)
        lengths = [len(array) for array in keras.tree.flatten(self._x)]
        if set(lengths) != {len(self._y)}:
            raise ValueError(f"`x` and `y` must be of one length. Received: x of {lengths}, y of {len(self._y)}")
        self._options = {"per_class": per_class, "groups": groups, "seed": seed}
        self._epoch, self._used = 0, False
        self._shuffle()

    def __len__(self):
        return len(self._batches)

    def __getitem__(self, index):
        # With JAX, Keras begins an epoch for the first batch alone, to build the model.
        self._used |= index == len(self) - 1
        batch = self._batches[index]
        return keras.tree.map_structure(lambda array: array[batch], self._x), self._y[batch]

    def on_epoch_begin(self):
        """Note that the batches are in use where other processes read them; Keras calls this."""
        self._used = self.use_multiprocessing

    def on_epoch_end(self):
        """Shuffle for the next epoch; Keras calls this, and before the first epoch too."""
        self._epoch += self._used
        self._used = False
        self._shuffle()

    def _shuffle(self):
        self._batches = balanced_batches(self._y, epoch=self._epoch, **self._options)
