"""Which examples make up which batch: by seed, or as the caller says."""

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
    full, rest = split_order(n, batch_size, seed, epoch, shuffle, drop_remainder)
    return [*full, rest] if len(rest) else list(full)


def split_order(n, batch_size, seed, epoch, shuffle, drop_remainder):
    """The same as `batch_order`, as one array `[steps, batch_size]` and the indices of the smaller last batch."""
    order = np.random.default_rng([seed, epoch]).permutation(n) if shuffle else np.arange(n)
    order = order.astype("int32")
    used = n - n % batch_size
    rest = order[:0] if drop_remainder else order[used:]
    return order[:used].reshape(-1, batch_size), rest


def checked_order(order, n):
    """`order` as an int32 array, after a look at its form and range.

    Args:
        order: Array-like of integers, shape `[steps, batch]`, entries from 0 to `n - 1`.
        n: Number of examples.

    Raises:
        ValueError: `order` has another form, or an entry is out of range.
    """
    order = np.asarray(order)
    if order.ndim != 2 or 0 in order.shape or order.dtype.kind not in "iu":
        raise ValueError(
            "`order` must be an array of integers of shape [steps, batch], or a function of the epoch that returns "
            f"one. Received: shape {order.shape}, dtype {order.dtype}"
        )
    wrong = order[(order < 0) | (order >= n)]
    if wrong.size:
        raise ValueError(
            f"`order` must hold indices from 0 to {n - 1} (there are {n} examples). Received: {wrong.size} outside of "
            f"that range, the first of them {wrong[0]}"
        )
    return order.astype("int32")
