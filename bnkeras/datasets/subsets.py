"""Parts of a set of images in which every class has as many: some of its classes, so many images of each."""

import functools
from dataclasses import replace

import numpy as np

from bnkeras.datasets.common import check_count
from bnkeras.datasets.loading import images_of


def subset(data, classes=None, per_class=None, test_per_class=None, seed=0):
    """Take some classes of a set of images, and of each the first so many images; kept for the process.

    Args:
        data: Name of a set of images for `datasets.load`, or a `SplitData`.
        classes: Integer, how many classes, drawn by seed; fewer are a part of more. Defaults to all.
        per_class, test_per_class: Integers, how many images of each class for training and for test, the first. Default
            to all.
        seed: Integer of at least 0, of the choice of classes. Defaults to `0`.

    Returns:
        A `SplitData` with labels from 0 to `classes - 1`; `sha256` is that of the whole set.

    Raises:
        DataError: For a set that is no images, more classes than it has, or more images than a class has.

    Example:

    >>> data = datasets.subset("tiny_imagenet", classes=10, per_class=100)
    """
    return _subset(images_of(data), classes, per_class, test_per_class, seed)


@functools.lru_cache(maxsize=2)
def _subset(data, classes, per_class, test_per_class, seed):
    there = len(data.class_names)
    if classes is not None:
        check_count("classes", classes, there)
    chosen = np.sort(np.random.default_rng(seed).permutation(there)[:classes])
    arrays, words = {}, []
    for split, count in (("train", per_class), ("test", test_per_class)):
        x, y = getattr(data, f"x_{split}"), getattr(data, f"y_{split}")
        taken = _first(y, chosen, count, "per_class" if split == "train" else "test_per_class")
        arrays |= {f"x_{split}": x[taken], f"y_{split}": np.searchsorted(chosen, y[taken]).astype(y.dtype)}
        words.append(f"{count:,}" if count else "all")
    source = data.source + ("" if classes in (None, there) else f", {classes} of {there} classes by seed {seed}")
    if per_class or test_per_class:
        source += f", the first {words[0]} + {words[1]} images of each class"
    return replace(data, class_names=tuple(data.class_names[i] for i in chosen), source=source, **arrays)


def _first(labels, chosen, count, name):
    """Indices of the first `count` examples, or all, of each class of `chosen`, in their order."""
    places = [np.flatnonzero(labels == label) for label in chosen]
    if count is not None:
        check_count(name, count, min(map(len, places)))
    return np.sort(np.concatenate([found[:count] for found in places]))
