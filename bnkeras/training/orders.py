"""Which examples make up which batch: by seed, or as the caller says."""

import functools

import numpy as np


def batch_order(n, batch_size, seed=0, epoch=0, shuffle=True, drop_remainder=False):
    """Indices of the examples in each batch of one epoch.

    `numpy.random.default_rng([seed, epoch]).permutation(n)`, cut into batches. It depends on nothing else, so every
    backend trains on the same batches, and a run that is resumed at a later epoch goes on as if it had never stopped.

    Args:
        n: Number of examples, a positive integer.
        batch_size: Examples in a batch, an integer from 1 to `n`.
        seed: Non-negative integer. Defaults to `0`.
        epoch: Index of the epoch, from 0. Defaults to `0`.
        shuffle: Whether to permute the examples; otherwise they keep their order. Defaults to `True`.
        drop_remainder: Whether to leave out the last batch where it is smaller than the others. Defaults to `False`.

    Returns:
        List of integer arrays, one per step. All have `batch_size` entries, save the last, which has `n % batch_size`
        where that is not zero.

    Example:

    >>> [batch.tolist() for batch in batch_order(5, 2, shuffle=False)]
    [[0, 1], [2, 3], [4]]
    """
    return [batch for part in _split(n, batch_size, seed, epoch, shuffle, drop_remainder) for batch in part]


def epoch_orders(n, *, batch_size, shuffle, seed, order, drop_remainder):
    """A function of the epoch that returns its batches as a list of index arrays `[steps, batch]`.

    There is one array for the batches of the full size and, where the examples leave a smaller batch, one more for it.

    Raises:
        ValueError: `batch_size` exceeds `n` or contradicts `order`. The function raises it for an `order` that is
            ill-formed, changes its shape or has an index out of range.
    """
    if order is not None:
        return _CallersOrder(order, n, batch_size)
    batch_size = min(32, n) if batch_size is None else batch_size
    if batch_size > n:
        raise ValueError(f"`batch_size` must not exceed the number of examples, {n}. Received: {batch_size}")
    return lambda epoch: _split(n, batch_size, seed, epoch, shuffle, drop_remainder)


def _split(n, batch_size, seed, epoch, shuffle, drop_remainder):
    order = np.random.default_rng([seed, epoch]).permutation(n) if shuffle else np.arange(n)
    order = order.astype("int32")
    used = n - n % batch_size
    parts = [order[:used].reshape(-1, batch_size)]
    return parts if drop_remainder or used == n else [*parts, order[None, used:]]


class _CallersOrder:
    """The caller's own order: an array for every epoch, or a function of the epoch."""

    def __init__(self, order, n, batch_size):
        self._order = order
        self._n = n
        self._batch_size = batch_size
        self._shape = None

    # The order of the first epoch is asked for twice, once to count the steps.
    @functools.lru_cache(maxsize=1)  # noqa: B019
    def __call__(self, epoch):
        order = np.asarray(self._order(epoch) if callable(self._order) else self._order)
        self._check_form(order, epoch)
        wrong = order[(order < 0) | (order >= self._n)]
        if wrong.size:
            raise ValueError(
                f"`order` must hold indices from 0 to {self._n - 1}, as there are {self._n} examples. Received: "
                f"{wrong[0]} in epoch {epoch} ({wrong.size} out of range in all)"
            )
        return [order.astype("int32")]

    def _check_form(self, order, epoch):
        if order.ndim != 2 or 0 in order.shape or order.dtype.kind not in "iu":
            raise ValueError(
                "`order` must be an array of integers of shape [steps, batch], or a function of the epoch that returns "
                f"one. Received: shape {order.shape}, dtype {order.dtype} in epoch {epoch}"
            )
        if self._batch_size not in (None, order.shape[1]):
            raise ValueError(
                "`batch_size` must be None or the second axis of `order`. Received: "
                f"batch_size={self._batch_size}, order of shape {order.shape}"
            )
        self._shape = self._shape or order.shape
        if order.shape != self._shape:
            raise ValueError(
                f"`order` must have the same shape in every epoch. Received: {order.shape} in epoch {epoch}, "
                f"{self._shape} before"
            )
