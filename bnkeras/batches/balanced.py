"""Samplers of batches that hold every class equally often, by true or by predicted labels."""

import numpy as np

from bnkeras.arguments import check_integers


def balanced_batches(labels, per_class=1, groups=1, seed=0, epoch=0, classes=None):
    """Return the batches of one epoch, each with equally many examples of every class.

    A group holds `per_class` examples of class 0, then as many of class 1, and so on; a batch holds `groups` groups,
    one after the other. No example appears twice. With `m` examples in the rarest class there are `m // per_class`
    groups: larger classes leave some of their examples out, others in each epoch, and so do groups that fill no batch.
    The result depends on the arguments alone: the same seed gives the same epochs, every epoch is shuffled anew.

    Args:
        labels: Integers from 0 to `classes - 1`, of shape `(examples,)`.
        per_class: Integer, examples of each class in a group. Defaults to `1`.
        groups: Integer, groups in a batch. To normalize each group on its own, give `BatchNormLayer` a `group_size`
            of `classes * per_class`. Defaults to `1`.
        seed: Integer of at least 0. Defaults to `0`.
        epoch: Integer, index of the epoch. Defaults to `0`.
        classes: Integer, number of classes. Defaults to `None`, one more than the largest label.

    Returns:
        Integer array of shape `(batches, groups * classes * per_class)`, indices into `labels`.

    Raises:
        ValueError: If labels are not such integers, a class has fewer than `per_class` examples, or there are fewer
            than `groups` groups.

    Example:

    >>> labels = np.array([0, 1, 2, 0, 1, 2])
    >>> labels[balanced_batches(labels)]
    array([[0, 1, 2],
           [0, 1, 2]])
    >>> training.fit(model, x, labels, order=lambda epoch: balanced_batches(labels, epoch=epoch))

    Reference:
        Hajaj & Gillies, *Batch Normalization and the impact of batch structure on the behavior of deep convolution
        networks*, section 2.2.
    """
    check_integers(1, per_class=per_class, groups=groups)
    labels = checked_labels(labels, classes)
    counts = np.bincount(labels, minlength=classes or 0)
    if counts.min() < per_class:
        raise ValueError(
            f"`labels` must hold at least {per_class} of every class. Received: {counts.min()} of class "
            f"{counts.argmin()}, of {len(counts)} classes"
        )
    count = counts.min() // per_class
    if count < groups:
        raise ValueError(f"`groups` must be at most {count}, what the rarest class allows. Received: groups={groups}")
    by_class = _shuffled_by_class(labels, np.random.default_rng([seed, epoch]))
    starts = np.cumsum(counts) - counts
    taken = by_class[starts[:, None] + np.arange(count * per_class)].reshape(len(counts), count, per_class)
    used = count - count % groups
    return taken.transpose(1, 0, 2)[:used].reshape(used // groups, -1)


def semi_balanced_batches(predicted, classes, seed=0, epoch=0):
    """Return batches with one example of every class as far as predicted labels allow, every example in one of them.

    There are `examples / classes` batches with one place for each class. The examples of a class take its place in
    batches drawn at random, one each. Those of classes that have more examples than there are batches fill, at random,
    the places that classes with fewer examples leave empty, up to all of them.

    Args:
        predicted: Integers from 0 to `classes - 1`, of shape `(examples,)`; classes may be empty.
        classes: Integer, number of classes; it must divide the number of examples.
        seed: Integer of at least 0. Defaults to `0`.
        epoch: Integer, to shuffle anew with the same seed. Defaults to `0`.

    Returns:
        Integer array of shape `(examples / classes, classes)`, indices into `predicted`.

    Raises:
        ValueError: If labels are not such integers, or `classes` does not divide their number.

    Reference:
        Hajaj & Gillies, section 5, where batches balanced by predicted labels do not help.
    """
    check_integers(1, classes=classes)
    predicted = checked_labels(predicted, classes, "predicted")
    count, rest = divmod(len(predicted), classes)
    if rest:
        raise ValueError(f"`classes` must divide the {len(predicted)} examples. Received: classes={classes}")
    generator = np.random.default_rng([seed, epoch])
    by_class = _shuffled_by_class(predicted, generator)
    sizes = np.bincount(predicted, minlength=classes)
    rank = np.arange(len(predicted)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    places = generator.permuted(np.tile(np.arange(count), (classes, 1)), axis=1)
    fits, batches = rank < count, np.full((count, classes), -1)
    column = predicted[by_class[fits]]
    batches[places[column, rank[fits]], column] = by_class[fits]
    batches[batches < 0] = generator.permutation(by_class[~fits])
    return batches


def _shuffled_by_class(labels, generator):
    """Indices of the examples, class by class, at random within each."""
    order = generator.permutation(len(labels))
    return order[np.argsort(labels[order], kind="stable")]


def checked_labels(labels, classes=None, name="labels"):
    """Return labels as an array of integers from 0 to `classes - 1`, at least one, else raise `ValueError`."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or not labels.size or labels.dtype.kind not in "iu":
        raise ValueError(
            f"`{name}` must be integers of shape (examples,), at least one. "
            f"Received: {name} of shape {labels.shape}, dtype {labels.dtype}"
        )
    wrong = labels[(labels < 0) | (labels >= (classes or np.inf))]
    if wrong.size:
        last = "" if classes is None else f" to {classes - 1}"
        raise ValueError(f"`{name}` must be integers from 0{last}. Received: {wrong[0]}, {wrong.size} of them wrong")
    return labels
