"""Sets as studies train on them: so many images, from 0 to 1, reduced or padded; rows split and standardized."""

import functools
from dataclasses import replace

import numpy as np

from bnkeras.datasets import tables
from bnkeras.datasets.common import DataError, SplitData, TableData, check_count
from bnkeras.datasets.loading import images_of, load


def prepared(data, examples=None, test_examples=None, pixels=None, padding=0):
    """Take images of a set as float32 from 0 to 1; the result is kept for the process.

    Args:
        data: name of a set of images for `datasets.load`, or a `SplitData` such as `datasets.load_folder` returns.
        examples, test_examples: Integers, how many images for training and for test, the first. Default to all.
        pixels: Integer, height and width that images are reduced to, by averaging over squares. Defaults to those of
            the set.
        padding: Integer, rows and columns of zeros on every side, after that. Defaults to `0`.

    Returns:
        A `SplitData` of float32 images whose `source` says what was taken; `sha256` is that of the whole set.

    Raises:
        DataError: for a set that is no images, more images than it has, or `pixels` that images can't be averaged to.

    Example:
        >>> data = datasets.prepared("mnist", examples=10_000, padding=2)  # 32x32 pixels.
        >>> x_train, y_train, x_test, y_test = data.arrays
    """
    return _prepared(images_of(data), examples, test_examples, pixels, padding)


@functools.lru_cache(maxsize=2)
def _prepared(data, examples, test_examples, pixels, padding):
    height, width = data.x_train.shape[1:3]
    for name, value, most in (
        ("examples", examples, len(data.y_train)),
        ("test_examples", test_examples, len(data.y_test)),
        ("pixels", pixels, min(height, width)),
        ("padding", padding or None, 1024),
    ):
        if value is not None:
            check_count(name, value, most)
    if pixels and (height != width or height % pixels):
        raise DataError(f"`pixels` must divide the images' {height}x{width}. Received: pixels={pixels}")
    x_train, x_test = (_pixels(x, pixels, padding) for x in (data.x_train[:examples], data.x_test[:test_examples]))
    y_train, y_test = data.y_train[:examples], data.y_test[:test_examples]
    taken = [f"{len(y_train):,} for training"] * bool(examples) + [f"{len(y_test):,} for test"] * bool(test_examples)
    source = data.source + (f", the first {' and '.join(taken)}" if taken else "")
    if pixels not in (None, height):
        source += f", reduced to {pixels}x{pixels}"
    if padding:
        source += f", padded with zeros to {'x'.join(map(str, x_train.shape[1:3]))}"
    return replace(data, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test, source=source)


def _pixels(x, pixels, padding):
    """Images `[n, height, width, ...]` as float32 from 0 to 1, averaged over squares to `pixels`, padded with zeros."""
    factor = x.shape[1] // (pixels or x.shape[1])
    x = x.astype("float32") / 255
    if factor > 1:
        x = x.reshape(len(x), pixels, factor, pixels, factor, *x.shape[3:]).mean((2, 4), dtype="float32")
    return np.pad(x, [(0, 0), *[(padding, padding)] * 2, *[(0, 0)] * (x.ndim - 3)]) if padding else x


def prepared_table(name, examples, features="standardized", seed=0, test_examples=20_000):
    """Split a table by seed and transform its features; the result is kept for the process.

    Args:
        name: name of a table for `datasets.load`.
        examples: Integer, rows for training.
        features: `"decorrelated"`, `"standardized"` or `"correlated"`, see `transform`. Defaults to `"standardized"`.
        seed: Integer, of the split. Defaults to `0`.
        test_examples: Integer, rows for test, at most, of those that are left. Defaults to `20_000`.

    Returns:
        A `SplitData` of float32 rows; its `source` says how many are for training.

    Raises:
        DataError: for a set that is no table, and for numbers of rows that it has not.
    """
    return _prepared_table(load(name), examples, features, seed, test_examples)


@functools.lru_cache(maxsize=4)
def _prepared_table(data, examples, features, seed, test_examples):
    if not isinstance(data, TableData):
        raise DataError(f"`name` must be that of a table. Received: name={data.name!r}")
    check_count("examples", examples, len(data.y) - 1)
    check_count("test_examples", test_examples)
    test = min(test_examples, len(data.y) - examples)
    x_train, y_train, x_test, y_test = tables.stratified_split(data, test_size=test, seed=seed)
    x_train, y_train = x_train[:examples], y_train[:examples]
    x_train, x_test = tables.standardize(x_train, x_test, feature_names=data.feature_names)
    x_train, x_test = tables.transform(x_train, x_test, features)
    source = f"{data.source}, {len(x_train):,} of them for training"
    return SplitData(data.name, x_train, y_train, x_test, y_test, data.class_names, source, data.sha256)
