"""Data sets by name: `load("mnist")` finds a local copy, downloads one, or says which file to provide and where."""

import functools

from bnkeras.datasets import digits, mnist
from bnkeras.datasets.common import DataError, ImageData, data_folder

__all__ = ["DataError", "ImageData", "data_folder", "load", "names"]

_LOADERS = {"mnist": mnist.load, "digits": digits.load}


def names():
    """Names that `load` knows, in alphabetical order."""
    return sorted(_LOADERS)


def load(name):
    """Load a data set.

    A real set is looked for as `<name>.npz` in `data_folder()`, else downloaded from its public source and cached
    there. A set is loaded once per process and folder; its arrays are read-only.

    Args:
        name: one of `names()`: `"mnist"` (60,000 + 10,000 images of 28x28, uint8) or `"digits"` (its embedded
            stand-in, 1,437 + 360 images, no network).

    Returns:
        An `ImageData`.

    Raises:
        DataError: for an unknown name, a file that fails its checksum, or a set that is neither there nor to be had.
    """
    if name not in _LOADERS:
        raise DataError(f"data set {name!r} is unknown; known are {', '.join(names())}")
    return _load(name, data_folder())


@functools.lru_cache(maxsize=4)
def _load(name, folder):
    return _LOADERS[name](folder)
