"""Test batches of other compositions: few classes, one class missing, other neighbours, an image on its way through."""

import numpy as np

from bnkeras.batches.balanced import balanced_batches


def few_classes(labels, held, seed=0):
    """Return batches of as many examples as there are classes, but of only `held` of the classes, equally many of each.

    Args:
        labels: Integers from 0 to `classes - 1`, of shape `(examples,)`.
        held: Integer, classes in a batch: 1 for batches sorted by class, `classes` for balanced ones. It must divide
            the number of classes.
        seed: Integer of at least 0. Defaults to `0`.

    Returns:
        Integer array of shape `(batches, classes)`, indices into `labels`. As many examples of each class appear, none
        of them twice.

    Raises:
        ValueError: As `balanced_batches`, and if `held` does not divide the number of classes.
    """
    classes = int(np.max(labels, initial=0)) + 1
    if held not in range(1, classes + 1) or classes % held:
        raise ValueError(f"`held` must divide the number of classes, {classes}. Received: held={held!r}")
    of_each = classes // held
    rows = balanced_batches(labels, per_class=of_each, seed=seed).reshape(-1, classes, of_each)
    mixed = np.random.default_rng([seed, 1]).permuted(np.tile(np.arange(classes), (len(rows), 1)), axis=1)
    return np.take_along_axis(rows, mixed[:, :, None], axis=1).reshape(-1, classes)


def one_missing(batches, seed=0):
    """Return balanced batches in which two have exchanged an example each, of different classes.

    Each batch of a pair then lacks one class and has two examples of another. Every example is where it was or in the
    other batch of the pair, so all appear as often as before.

    Args:
        batches: Integer array of shape `(batches, classes)`, with one example of class `i` in column `i`, as
            `balanced_batches` returns it; at least two classes. The last of an odd number of batches is left out.
        seed: Integer of at least 0. Defaults to `0`.

    Returns:
        Integer array of shape `(batches, classes)`.
    """
    batches = np.array(batches)[: len(batches) // 2 * 2]
    pairs, classes = len(batches) // 2, batches.shape[1]
    generator = np.random.default_rng(seed)
    given = generator.integers(classes, size=pairs)
    got = (given + generator.integers(1, classes, size=pairs)) % classes
    first, second = np.arange(pairs) * 2, np.arange(pairs) * 2 + 1
    batches[first, given], batches[second, got] = batches[second, got], batches[first, given].copy()
    return batches


def reshuffled(batches, times, seed=0):
    """Return batches with the same examples in each column, but next to others in each of `times` versions.

    For several crops of each test image: the version `i` of the batches is for crop `i`. The first is as given.

    Args:
        batches: Integer array of shape `(batches, size)`.
        times: Integer, versions.
        seed: Integer of at least 0. Defaults to `0`.

    Returns:
        Integer array of shape `(times, batches, size)`.
    """
    generator = np.random.default_rng(seed)
    return np.stack([batches, *(generator.permuted(batches, axis=0) for _ in range(times - 1))])


def travelling(batch, images):
    """Return the batches in which images travel through `batch`, taking the places of others in turn.

    Args:
        batch: Integer array of shape `(size,)`, indices of the examples of a batch.
        images: Index of the example that travels, or a list of them, which take places next to each other.

    Returns:
        Integer array of shape `(size + 1, size)`: the batch itself, then for each place the batch in which the first
        image takes that place, and the others the places after it, beyond the last again from the first.

    Reference:
        Hajaj & Gillies, figure 4.
    """
    batch, images = np.asarray(batch), np.atleast_1d(images)
    steps = np.tile(batch, (len(batch) + 1, 1))
    for place in range(len(batch)):
        steps[place + 1, (place + np.arange(len(images))) % len(batch)] = images
    return steps
