"""Images less one mean and over one deviation, with the last of those for training kept for validation."""

import functools
from dataclasses import replace

import numpy as np

from bnkeras.datasets.common import DataError, SplitData
from bnkeras.datasets.loading import load
from bnkeras.datasets.preparing import prepared


@functools.lru_cache(maxsize=1)
def standardized(name, examples=None, padded_to=None, scaled=True):
    """Take images of a set, keep the last tenth of those for training for validation, and standardize all.

    With `m` and `s` the mean and the deviation of all pixels, rows, columns and channels alike, of the images that are
    left for training:

        x = (pixel / 255 - m) / s

    The result is kept for the process.

    Args:
        name: Name of a set of images for `datasets.load`.
        examples: Integer, how many images, the first; all where there are fewer. Defaults to `None`, all.
        padded_to: Integer, height and width that smaller images are padded to with zeros. Defaults to `None`, none.
        scaled: Boolean; if not, `m` is 0 and `s` is 1. Defaults to `True`.

    Returns:
        `(data, (x, y))`: a `SplitData` of float32 images `[n, height, width, channels]`, and the validation images.

    Raises:
        DataError: For a set that is no images, or fewer than ten of them.

    Example:
        >>> data, validation = datasets.standardized("mnist", examples=10_000, padded_to=32)
        >>> data.x_train.shape, validation[0].shape
        ((9000, 32, 32, 1), (1000, 32, 32, 1))
    """
    full = load(name)
    if not isinstance(full, SplitData) or len(full.y_train[:examples]) < 10:
        raise DataError(f"`name` must be a set of at least ten images. Received: {name=}, {examples=}")
    padding = max((padded_to or 0) - full.x_train.shape[1], 0) // 2
    data = prepared(full, None if examples is None or examples >= len(full.y_train) else examples, padding=padding)
    count = len(data.x_train) - len(data.x_train) // 10
    mean, deviation = np.float32(0), np.float32(1)
    if scaled:
        mean, deviation = (np.float32(moment(data.x_train[:count], dtype="float64")) for moment in (np.mean, np.std))

    def changed(x):
        x = (x - mean) / deviation
        return x[..., None] if x.ndim == 3 else x

    validation = changed(data.x_train[count:]), data.y_train[count:]
    return replace(
        data,
        x_train=changed(data.x_train[:count]),
        y_train=data.y_train[:count],
        x_test=changed(data.x_test),
        source=f"{data.source}, a tenth of those for training for validation",
    ), validation
