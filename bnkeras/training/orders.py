"""Which examples make up which batch: by seed, or as the caller says."""

import contextlib
import functools
import warnings

import numpy as np

from bnkeras.arguments import check_integers


def batch_order(n, batch_size, seed=0, epoch=0, shuffle=True, drop_remainder=False):
    """Return the indices of the examples in each batch of one epoch.

    `numpy.random.default_rng([seed, epoch]).permutation(n)`, cut into batches. It depends on nothing else, so every
    backend trains on the same batches, and a run that is resumed at a later epoch goes on as if it had never stopped.

    Args:
        n: Positive integer, number of examples.
        batch_size: Integer from 1 to `n`, examples in a batch.
        seed: Integer of at least 0. Defaults to `0`.
        epoch: Integer, index of the epoch, from 0. Defaults to `0`.
        shuffle: Boolean, whether to permute the examples; otherwise they keep their order. Defaults to `True`.
        drop_remainder: Boolean, whether to leave out the last batch where it is smaller than the others. Defaults to
            `False`.

    Returns:
        List of integer arrays, one per step. All have `batch_size` entries, save the last, which has `n % batch_size`
        where that is not zero.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> [batch.tolist() for batch in batch_order(5, 2, shuffle=False)]
    [[0, 1], [2, 3], [4]]
    """
    check_integers(1, n=n, batch_size=batch_size)
    check_integers(0, seed=seed, epoch=epoch)
    _check_size(n, batch_size)
    return [batch for part in _split(n, batch_size, seed, epoch, shuffle, drop_remainder) for batch in part]


def epoch_orders(n, *, batch_size, shuffle, seed, order, drop_remainder):
    """Return a function of the epoch to its batches, a list of index arrays of shape `[steps, batch]`.

    There is one array for the batches of the full size and, where the examples leave a smaller batch, one more for it.

    Raises:
        ValueError: If `batch_size` exceeds `n`. The function raises it for an `order` that contradicts `batch_size`, is
            ill-formed, changes its shape or has an index out of range.
    """
    if order is not None:
        return _callers_order(order, n, batch_size)
    batch_size = min(32, n) if batch_size is None else batch_size
    _check_size(n, batch_size)
    return lambda epoch: _split(n, batch_size, seed, epoch, shuffle, drop_remainder)


def _check_size(n, batch_size):
    if batch_size > n:
        raise ValueError(f"`batch_size` must not exceed the number of examples, {n}. Received: batch_size={batch_size}")


def _split(n, batch_size, seed, epoch, shuffle, drop_remainder):
    order = np.random.default_rng([seed, epoch]).permutation(n) if shuffle else np.arange(n)
    order = order.astype("int32")
    used = n - n % batch_size
    parts = [order[:used].reshape(-1, batch_size)]
    return parts if drop_remainder or used == n else [*parts, order[None, used:]]


def in_short_epochs(orders, steps):
    """Cut each pass over the data into epochs of so many steps, as `model.fit(steps_per_epoch=...)` does.

    Args:
        orders: What `epoch_orders` returned, of which each pass takes the place of an epoch.
        steps: Integer, steps of an epoch; the last one of a pass has what is left.

    Returns:
        A function of the epoch to its batches, as `epoch_orders`.

    Raises:
        ValueError: If a pass has fewer steps.
    """
    of_pass = functools.lru_cache(maxsize=1)(orders)
    per_pass = sum(map(len, of_pass(0)))
    if steps > per_pass:
        raise ValueError(
            f"`steps_per_epoch` must not exceed the batches that the data make, {per_pass}. "
            f"Received: steps_per_epoch={steps}"
        )
    epochs_per_pass = -(-per_pass // steps)

    def of_epoch(epoch):
        begin = epoch % epochs_per_pass * steps
        parts, first = [], 0
        for part in of_pass(epoch // epochs_per_pass):
            parts.append(part[max(begin - first, 0) : max(begin + steps - first, 0)])
            first += len(part)
        return [part for part in parts if len(part)]

    return of_epoch


def _callers_order(order, n, batch_size):
    """The caller's own order: an array for every epoch, or a function of the epoch."""
    shapes = []

    # The order of the first epoch is asked for twice, once to count the steps.
    @functools.lru_cache(maxsize=1)
    def of_epoch(epoch):
        batches = order(epoch) if callable(order) else order
        try:
            batches = np.asarray(batches)
        except ValueError:
            raise ValueError(
                f"`order` must have batches of one size. Received: in epoch {epoch}, {batches!r}"
            ) from None
        shapes.append(batches.shape)
        _check(batches, epoch, n, batch_size, shapes[0])
        return [batches.astype("int32")]

    return of_epoch


def _check(batches, epoch, n, batch_size, first_shape):
    if batches.ndim != 2 or 0 in batches.shape or batches.dtype.kind not in "iu":
        raise ValueError(
            "`order` must be an integer array of shape [steps, batch], or a function of the epoch that returns one. "
            f"Received: order of shape {batches.shape} and dtype {batches.dtype} in epoch {epoch}"
        )
    if batch_size not in (None, batches.shape[1]):
        raise ValueError(
            "`batch_size` must be None or the second axis of `order`. "
            f"Received: batch_size={batch_size}, order of shape {batches.shape}"
        )
    if batches.shape != first_shape:
        raise ValueError(
            "`order` must have the same shape in every epoch. "
            f"Received: order of shape {batches.shape} in epoch {epoch}, {first_shape} before"
        )
    wrong = batches[(batches < 0) | (batches >= n)]
    if wrong.size:
        raise ValueError(
            f"`order` must hold indices from 0 to {n - 1}, as there are {n} examples. "
            f"Received: {wrong[0]} in epoch {epoch} ({wrong.size} out of range in all)"
        )


@contextlib.contextmanager
def batches_of_one():
    """A context for trainings at batches of one example, of which `BatchNormLayer` warns: they are meant."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*takes its statistics from one value per channel", UserWarning)
        yield
